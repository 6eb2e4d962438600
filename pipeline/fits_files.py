"""Reading FITS files: whole, compressed (``.gz``, ``.bz2``, tile-compressed ``.fz``), or broken.

A file may hold several images. Which of them are exposures of the sky is decided by simple rules:

- an extension named as a mask (``MASK``, ``DQ``, ``BPM``, …) is used as the mask of the image of the
  same size, and of the same ``EXTVER`` where both have one;
- an extension named as something else that goes with an image (an uncertainty, a weight, a PSF, a
  background) is passed over;
- every other image of two axes, or of more that have a single plane, is an observation of its own:
  ``file[ext]``, or just ``file`` where there is only one.

No array is made before the header's claim was compared with the size of the file.
"""

from __future__ import annotations

import gzip
import logging
import lzma
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, FITSFixedWarning

from core.vocabulary import FrameKind, MaskPlane
from pipeline.frame import FrameRefused, Image, MaskImage, RawFrame
from pipeline.headers import exposure_of, look_up

SMALLEST_SIDE = 32
MOST_PIXELS = 2**28  # 1 GiB as float32; the largest single detectors have 1.1e8 pixels
SENTINEL = 1e30  # surveys mark missing pixels with huge numbers
SAME_VALUE_SHARE = 0.8  # of an exposure's pixels, no one value is held by so many
COMPRESS_MAGIC = b"\x1f\x9d"
COMPRESSIONS = (b"\x1f\x8b", b"BZ", b"\xfd7", b"PK")  # gzip, bzip2, xz, zip

MASK_NAMES = {"MASK", "DQ", "BPM", "BADPIX", "FLAG", "FLAGS", "DQMASK", "DATAQUALITY"}
COMPANION_NAMES = {
    "ERR", "ERROR", "ERRORS", "SIGMA", "STD", "STDDEV", "RMS", "NOISE", "UNCERT", "UNCERTAINTY",
    "VAR", "VARIANCE", "IVAR", "INVVAR", "WEIGHT", "WEIGHTS", "WHT", "WT", "PSF", "PSFIMAGE", "KERNEL",
    "SKY", "BACKGROUND", "BKG", "BACK", "MODEL", "EXPMAP", "EXP", "SAMP", "TIME", "CTX", "CON",
    "DIIMARR", "WCSDVARR", "THUMBNAIL", "PREVIEW",
}  # fmt: skip
HARMLESS_PLANES = ("DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED", "CLIPPED", "INEXACT_PSF", "REJECTED")
SPECTRAL_AXES = (
    "LAMBDA", "WAVE", "AWAV", "FREQ", "VELO", "VRAD", "VOPT", "ZOPT", "ENER", "WAVN", "BETA", "FELO"
)  # fmt: skip

MASK = "a mask"
NOT_IMAGES = (
    (fits.GroupsHDU, "random groups"),
    (fits.BinTableHDU, "tables"),
    (fits.TableHDU, "tables"),
)

# A primary header's cards that describe its own array or grid and are not an extension's to inherit.
_OWN_CARD = re.compile(
    r"SIMPLE|BITPIX|NAXIS\d*|EXTEND|GROUPS|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|NEXTEND|FILETYPE"
    r"|EXTNAME|EXTVER|WCSAXES|C(?:TYPE|RVAL|RPIX|DELT|UNIT|ROTA)\d+|(?:CD|PC|PV|PS)\d+_\d+|L(?:ON|AT)POLE"
    r"|[AB]P?_(?:ORDER|\d+_\d+)|COMMENT|HISTORY|"
)

# What astropy raises on damaged files, beside its own errors.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    VerifyError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An image, or a whole file, that cannot be used, and why."""

    name: str
    extension: int
    reason: str
    readable: bool = True  # False: not even the file's bytes could be read


@dataclass(frozen=True, slots=True)
class Selection:
    """The extensions of a file that are exposures, and those that would be but cannot be used."""

    science: tuple[int, ...]
    refused: tuple[Refusal, ...]


def read_frames(path: Path) -> Iterator[RawFrame | Refusal]:
    """Read every exposure of a file, one at a time.

    Parameters
    ----------
    path : Path
        Any file, or what is none.

    Yields
    ------
    RawFrame or Refusal
        One for each image, in the file's order; a single refusal where there is none. Damaged input
        raises nothing.
    """
    try:
        with _opened(path) as (hdus, _):
            selection = _select(hdus, path)
    except FrameRefused as refused:
        yield Refusal(path.name, 0, str(refused), readable=not isinstance(refused, Unreadable))
        return
    yield from selection.refused
    for extension in selection.science:
        try:
            yield read_frame(path, extension)
        except FrameRefused as refused:
            yield Refusal(_name(path, extension, selection), extension, str(refused))


def read_frame(path: Path, extension: int | None = None) -> RawFrame:
    """Read one exposure.

    Parameters
    ----------
    path : Path
        The file.
    extension : int, optional
        The number of the extension in the file; without one, the first exposure.

    Returns
    -------
    RawFrame
        float32 data in the file's own units; pixels that are not finite, ``BLANK``, huge or masked by
        the file are `MaskPlane.BAD` and hold 0.

    Raises
    ------
    FrameRefused
        The file or the image cannot be used.
    """
    with _opened(path) as (hdus, complaints):
        selection = _select(hdus, path)
        if extension is None:
            if not selection.science:
                raise FrameRefused(selection.refused[0].reason)
            extension = selection.science[0]
        elif extension not in selection.science:
            for refusal in selection.refused:
                if refusal.extension == extension:
                    raise FrameRefused(refusal.reason)
            raise FrameRefused(f"extension {extension} of the file is no exposure")
        hdu = hdus[extension]
        header = _merged_header(hdus, extension)
        exposure = exposure_of(header, _name(path, extension, selection))
        data = _plane(hdu)
        bad = ~np.isfinite(data) | (np.abs(data) > SENTINEL)
        data[bad] = 0.0
        mask = np.where(bad, MaskPlane.BAD, 0).astype(np.uint16)
        mask |= _file_mask(hdus, extension, data.shape)
        _check_content(data, mask, exposure.kind)
        wcs = _wcs(hdus, extension)
    notes = tuple(dict.fromkeys(complaints))
    return RawFrame(data=data, mask=mask, exposure=exposure, header=header, wcs=wcs, notes=notes)


class Unreadable(FrameRefused):
    """The bytes of a file cannot be had at all."""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[fits.HDUList, list[str]]]:
    """Open a file so that damage is one sentence and warnings are collected, not printed."""
    _check_path(path)
    complaints: list[str] = []
    logger = logging.getLogger("astropy")
    level = logger.level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger.setLevel(logging.ERROR)  # astropy.wcs also speaks through its log
        try:
            with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
                len(hdus)  # reads every header now, so that damage shows here
                yield hdus, complaints
        except FrameRefused:
            raise
        except PermissionError as error:
            raise Unreadable("the file may not be read (permission denied)") from error
        except _DAMAGE as error:
            raise FrameRefused(_what_is_wrong(path, error)) from error
        finally:
            logger.setLevel(level)
            complaints.extend(_first_line(str(w.message)) for w in caught if _matters(w.category))


def _check_path(path: Path) -> None:
    """Refuse what need not be handed to a FITS reader at all."""
    try:
        if path.is_dir():
            raise Unreadable("it is a directory, not a file")
        if path.exists() and not path.is_file():
            raise Unreadable("it is not a regular file")  # a pipe would be waited for without end
        with path.open("rb") as file:
            start = file.read(6)
    except FileNotFoundError as error:
        raise Unreadable("there is no such file") from error
    except PermissionError as error:
        raise Unreadable("the file may not be read (permission denied)") from error
    except OSError as error:
        raise Unreadable(f"the file cannot be read ({error.strerror or type(error).__name__})") from error
    if not start:
        raise FrameRefused("the file is empty")
    if start.startswith(COMPRESS_MAGIC):
        raise FrameRefused("it is compressed with `compress` (.Z), which is not supported; gzip it instead")
    if not start.startswith((b"SIMPLE", *COMPRESSIONS)):
        raise FrameRefused("it is not a FITS file (it does not begin with SIMPLE)")


def _what_is_wrong(path: Path, error: BaseException) -> str:
    """One sentence for what a FITS reader raised."""
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile | lzma.LZMAError):
        return "its compressed data are damaged or end too early"
    if isinstance(error, MemoryError):
        return f"it needs more memory than there is ({path.stat().st_size} bytes on disk)"
    said = _first_line(str(error))
    if "SIMPLE" in said or "Empty or corrupt" in said:
        return "its header is no valid FITS header"
    return (
        f"it cannot be read as FITS ({type(error).__name__}: {said})" if said else "it cannot be read as FITS"
    )


def _first_line(said: str) -> str:
    """The first line of a message, of bounded length."""
    lines = said.strip().splitlines()
    return lines[0][:160] if lines else ""


def _matters(category: type[Warning]) -> bool:
    """Whether a warning tells something of the file (that dates were normalised does not)."""
    return issubclass(category, AstropyWarning) and not issubclass(category, FITSFixedWarning)


def _select(hdus: fits.HDUList, path: Path) -> Selection:
    """Sort the extensions of a file by the rules of this module."""
    science: list[int] = []
    refused: list[tuple[int, str]] = []
    others: list[str] = []
    for index, hdu in enumerate(hdus):
        role = _role(hdu)
        if role != "image":
            others.append(role)
        elif reason := _why_not(hdu, path):
            refused.append((index, reason))
        else:
            science.append(index)
    if not science and not refused:
        held = " and ".join(sorted({other for other in others if other}))
        reason = (
            f"it holds no image, only {held}" if held else "it holds no image: its header announces no data"
        )
        return Selection((), (Refusal(path.name, 0, reason),))
    alone = len(science) + len(refused) == 1
    return Selection(
        tuple(science),
        tuple(Refusal(path.name if alone else f"{path.name}[{i}]", i, reason) for i, reason in refused),
    )


def _name(path: Path, extension: int, selection: Selection) -> str:
    """``file``, or ``file[ext]`` where the file has several images."""
    alone = len(selection.science) + len(selection.refused) == 1
    return path.name if alone else f"{path.name}[{extension}]"


def _role(hdu: object) -> str:
    """``image`` for an exposure's array, else what it is; empty where there are no data."""
    for kind, what in NOT_IMAGES:
        if isinstance(hdu, kind):
            return what
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return "data that are not standard FITS"
    if not hdu.shape or 0 in hdu.shape:
        return ""
    name = _plain_name(hdu)
    if name in MASK_NAMES:
        return MASK
    if name in COMPANION_NAMES:
        return f"an extension named {hdu.name}"
    return "image" if len(hdu.shape) > 1 else "data of one axis"


def _plain_name(hdu: fits.hdu.base._BaseHDU) -> str:
    """An extension's name in letters only: ``DQ_1`` and ``dq1`` are ``DQ``."""
    return re.sub(r"[^A-Z]", "", str(hdu.name).upper())


def _why_not(hdu: fits.ImageHDU, path: Path) -> str | None:
    """Why an image cannot be an exposure of the sky, judged by its header alone."""
    sides = [side for side in hdu.shape if side != 1]
    size = " x ".join(str(side) for side in reversed(hdu.shape))
    if len(sides) > 2:
        return f"it is a cube ({size}): give each plane as an image of its own"
    if short := _missing_bytes(hdu, path):
        return f"the file is truncated: its header promises {size} pixels, of which {short} bytes are missing"
    if math.prod(hdu.shape) > MOST_PIXELS:
        return f"its header claims {size} pixels; at most {MOST_PIXELS} are read"
    if min(hdu.shape[-2:]) < SMALLEST_SIDE or len(sides) < 2:
        return f"it is too small ({size} pixels; at least {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed)"
    axes = [str(look_up(hdu.header, (keyword,)) or "") for keyword in ("CTYPE1", "CTYPE2")]
    if any(axis.upper().startswith(SPECTRAL_AXES) for axis in axes):
        return f"its axes are {axes[0]} and {axes[1]}: a spectrum, not an image of the sky"
    return None


def _missing_bytes(hdu: fits.ImageHDU, path: Path) -> int:
    """How many bytes of an image's data lie beyond the end of an uncompressed file."""
    if isinstance(hdu, fits.CompImageHDU):
        return 0  # its bytes are a table's; a short one fails when it is read
    with path.open("rb") as file:
        if file.read(2) in COMPRESSIONS:
            return 0
    start = hdu.fileinfo()["datLoc"]
    needed = math.prod(hdu.shape) * abs(int(hdu.header["BITPIX"])) // 8
    return max(int(start + needed - path.stat().st_size), 0)


def _merged_header(hdus: fits.HDUList, extension: int) -> fits.Header:
    """An extension's header with what it inherits from the primary one (unless ``INHERIT = F``)."""
    header: fits.Header = hdus[extension].header.copy()
    if extension > 0 and header.get("INHERIT") is not False:
        for card in hdus[0].header.cards:
            if card.keyword not in header and not _OWN_CARD.fullmatch(card.keyword):
                header.append(card, end=True)
    return header


def _plane(hdu: fits.ImageHDU) -> Image:
    """The pixels as float32, one plane."""
    stored = hdu.data
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is masked as a sentinel
        return np.ascontiguousarray(stored.reshape(stored.shape[-2:]), dtype=np.float32)


def _file_mask(hdus: fits.HDUList, extension: int, shape: tuple[int, ...]) -> MaskImage:
    """The pixels that a mask extension of the file declares bad."""
    mask = np.zeros(shape, dtype=np.uint16)
    version = hdus[extension].ver
    for hdu in hdus:
        if _role(hdu) != MASK or hdu.shape != shape or hdu.ver != version:
            continue
        planes = hdu.data.astype(np.int64)
        harmless = sum(1 << _plane_number(hdu.header, name) for name in HARMLESS_PLANES)
        mask[(planes & ~np.int64(harmless >> 1)) != 0] = MaskPlane.BAD
    return mask


def _plane_number(header: fits.Header, name: str) -> int:
    """One more than the bit of a named mask plane (``MP_DETECTED = 5``); 0 where it has none."""
    number = header.get(f"MP_{name}")
    return number + 1 if isinstance(number, int) and 0 <= number < 62 else 0


def _check_content(data: Image, mask: MaskImage, kind: FrameKind) -> None:
    """Refuse an image that holds nothing, or one value nearly everywhere."""
    good = data[mask == 0]
    if good.size == 0:
        raise FrameRefused("none of its pixels holds a usable number (all are NaN, blank or masked)")
    if kind is not FrameKind.SCIENCE:
        return
    middle = np.median(good)
    share = float(np.mean(good == middle))
    if share > SAME_VALUE_SHARE:
        raise FrameRefused(f"{share:.0%} of its pixels hold the one value {middle:g}: no exposure of the sky")


def _wcs(hdus: fits.HDUList, extension: int) -> WCS | None:
    """The image's celestial WCS, or ``None`` where it has none that works."""
    try:
        wcs = WCS(hdus[extension].header, fobj=hdus)
        if not wcs.has_celestial:
            return None
        wcs = wcs.celestial
        height, width = hdus[extension].shape[-2:]
        corners = np.array([[0.0, 0.0], [width - 1.0, 0.0], [0.0, height - 1.0], [width / 2.0, height / 2.0]])
        sky = np.asarray(wcs.wcs_pix2world(corners, 0))
        scale = float(np.linalg.det(wcs.pixel_scale_matrix))
    except _DAMAGE:  # WcsError is a ValueError
        return None
    usable = np.isfinite(sky).all() and math.isfinite(scale) and scale != 0.0
    return wcs if usable else None
