"""Reading FITS files: whole, compressed (``.gz``, ``.bz2``, tile-compressed ``.fz``), or broken.

A file may hold several exposures, chosen by `pipeline.files.fits_selection`; each is an observation of its
own: ``file[ext]``, or just ``file`` where there is only one.

No array is made before the header's claim was compared with the size of the file.
"""

from __future__ import annotations

import errno
import gzip
import logging
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from core.errors import AstridError
from core.vocabulary import FrameKind, MaskPlane
from pipeline.files.cards import as_known, text
from pipeline.files.celestial import LEFT_OUT, UNREADABLE, celestial_wcs, means_sky
from pipeline.files.file_mask import file_mask
from pipeline.files.fits_selection import (
    COMPRESSIONS,
    Damaged,
    Refusal,
    Selection,
    may_inflate_to,
    select,
    wrong_claim,
    wrong_distortion,
)
from pipeline.files.headers import exposure_of
from pipeline.files.readout import readout_of
from pipeline.files.safe_tiles import MOST_GROWTH
from pipeline.files.scaling import linear
from pipeline.files.unfilled import unfilled
from pipeline.frame import FrameRefused, Image, MaskImage, RawFrame
from pipeline.quantile import quantile

NO_OTHERS: Mapping[str, str] = MappingProxyType({})
SENTINEL = 1e30  # surveys mark missing pixels with huge numbers
# No detector has a range of so many times the scatter of its pixels: a number beyond it is damage, and a
# transform in single precision that holds it holds nothing of the sky.
MOST_RANGE = 1e8
SPARSE = 4  # every so many rows and columns tell the scatter
MOST_NAMED = 8  # exposures that a sentence names
SAME_VALUE_SHARE = 0.8  # of an exposure's pixels, no one value is held by so many
COMPRESS_MAGIC = b"\x1f\x9d"
ZIP_MAGIC = b"PK"

# A primary header's cards that describe its own array or grid and are not an extension's to inherit.
_OWN_CARD = re.compile(
    r"SIMPLE|BITPIX|NAXIS\d*|EXTEND|GROUPS|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|NEXTEND|FILETYPE"
    r"|EXTNAME|EXTVER|WCSAXES|C(?:TYPE|RVAL|RPIX|DELT|UNIT|ROTA)\d+|(?:CD|PC|PV|PS)\d+_\d+|L(?:ON|AT)POLE"
    r"|[AB]P?_(?:ORDER|\d+_\d+)|COMMENT|HISTORY|"
)


def read_frames(path: Path, keywords: Mapping[str, str] = NO_OTHERS) -> Iterator[RawFrame | Refusal]:
    """Read every exposure of a file, one at a time.

    Parameters
    ----------
    path : Path
        Any file, or what is none.
    keywords : mapping
        Of the settings of the camera: those that AstrID reads, and what its headers have for them.

    Yields
    ------
    RawFrame or Refusal
        One for each image, in the file's order; a single refusal where there is none. Damaged input
        raises nothing.
    """
    try:
        with opened(path) as (hdus, _):
            selection = select(hdus, path)
    except FrameRefused as refused:
        yield Refusal(path.name, 0, str(refused), damaged=isinstance(refused, Damaged))
        return
    yield from selection.refused
    for extension in selection.science:
        try:
            yield read_frame(path, extension, keywords)
        except FrameRefused as refused:
            name = _name(path, extension, selection)
            yield Refusal(name, extension, str(refused), damaged=isinstance(refused, Damaged))


def read_frame(
    path: Path, extension: int | str | None = None, keywords: Mapping[str, str] = NO_OTHERS
) -> RawFrame:
    """Read one exposure.

    Parameters
    ----------
    path : Path
        The file.
    extension : int or str, optional
        The number or the name of the extension in the file; without one, the first exposure. What goes with
        an exposure is read where it is asked for by its name.
    keywords : mapping
        As for `read_frames`.

    Returns
    -------
    RawFrame
        float32 data in the file's own units; pixels that are not finite, ``BLANK``, absurd, of the sky but
        never written to are `MaskPlane.BAD` and hold 0; those that the file masks are too, or
        `MaskPlane.SATURATED` by its name for them, and keep their values.

    Raises
    ------
    FrameRefused
        The file or the image cannot be used.
    """
    with opened(path) as (hdus, complaints):
        selection = select(hdus, path)
        if extension is None:
            if not selection.science:
                raise _error(selection.refused[0])
            extension = selection.science[0]
            complaints.extend(_unnamed(hdus, selection))
        usable = selection.science
        if isinstance(extension, str):
            extension, usable = _numbered(hdus, extension), usable + selection.beside
        if extension not in usable:
            for refusal in selection.refused:
                if refusal.extension == extension:
                    raise _error(refusal)
            raise FrameRefused(f"extension {extension} of the file is no exposure")
        hdu = hdus[extension]
        header = as_known(_merged_header(hdus, extension), keywords)
        exposure = exposure_of(header, _name(path, extension, selection))
        exposure = replace(
            exposure,
            instrument=_with_chip(exposure.instrument, hdus, extension, selection, keywords),
            readout=readout_of(header),
        )
        data, scaled = linear(_plane(hdu, header), header)
        bad = _huge(data)
        data[bad] = 0.0
        mask = np.where(bad, MaskPlane.BAD, 0).astype(np.uint16)
        mask |= file_mask(hdus, extension, data.shape)
        _check_content(data, mask, exposure.kind)
        if exposure.kind is FrameKind.SCIENCE:
            mask[unfilled(data)] = MaskPlane.BAD
        wcs, remark = _wcs(hdus, extension, path)
    complaints.extend(each for each in (scaled, remark) if each is not None)
    notes = tuple(dict.fromkeys(complaints))
    return RawFrame(data, mask, exposure, header, wcs, extension, notes)


def read_header(path: Path, extension: int, keywords: Mapping[str, str] = NO_OTHERS) -> fits.Header:
    """The header of one image of a file, as `read_frame` has it.

    Raises
    ------
    FrameRefused
        The file cannot be read, or has no such extension.
    """
    with opened(path) as (hdus, _):
        return as_known(_merged_header(hdus, extension), keywords)


def _unnamed(hdus: fits.HDUList, selection: Selection) -> list[str]:
    """Which exposure was taken where nobody said which; nothing where there is but one."""
    if len(selection.science) == 1:
        return []
    first, *others = (
        f"[{number}]" + (f" ({hdus[number].name})" if hdus[number].name else "")
        for number in selection.science
    )
    shown = ", ".join(others[:MOST_NAMED]) + (" ..." if len(others) > MOST_NAMED else "")
    return [f"of {len(others) + 1} exposures in the file, {first} is taken; the others are {shown}"]


def _with_chip(
    instrument: str | None,
    hdus: fits.HDUList,
    extension: int,
    selection: Selection,
    keywords: Mapping[str, str],
) -> str | None:
    """The instrument, with what tells the chips or amplifiers of one file apart where its headers do not.

    That is the extension's name, or its number where several have the same.
    """
    headers = [as_known(hdus[number].header.copy(), keywords) for number in selection.science]
    told = [text(header, "detector") for header in headers]
    if len(told) == 1 or (None not in told and len(set(told)) == len(told)):
        return instrument
    names = [str(hdus[number].name) for number in selection.science]
    chip = f"[{extension}]" if len(set(names)) < len(names) else str(hdus[extension].name)
    return f"{instrument} {chip}" if instrument else chip


def _numbered(hdus: fits.HDUList, name: str) -> int:
    """The number of the first extension of a name, whatever its case."""
    for number, hdu in enumerate(hdus):
        if str(hdu.name).upper() == name.upper():
            return number
    names = ", ".join(str(hdu.name) for hdu in hdus if hdu.name)
    raise FrameRefused(f"no extension is named {name}; there are {names or 'none with a name'}")


def _error(refusal: Refusal) -> FrameRefused:
    """A refusal as an exception."""
    return Damaged(refusal.reason) if refusal.damaged else FrameRefused(refusal.reason)


@contextmanager
def opened(path: Path) -> Iterator[tuple[fits.HDUList, list[str]]]:
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
                _read_headers(hdus)  # all of them now, so that damage shows here
                yield hdus, complaints
        except AstridError:
            raise
        except PermissionError as error:
            raise Damaged("the file may not be read (permission denied)") from error
        except Exception as error:  # astropy raises nearly every kind; cfitsio's own has no common base
            raise Damaged(_what_is_wrong(path, error)) from error
        finally:
            logger.setLevel(level)
            complaints.extend(_first_line(str(w.message)) for w in caught if _matters(w.category))


def _read_headers(hdus: fits.HDUList) -> None:
    """Read every header, each behind the one before: broken ones may lead astropy back, without end."""
    last, odd = -1, 0
    for hdu in hdus:
        if hasattr(hdu, "fileinfo"):
            begins = int(hdu.fileinfo()["hdrLoc"])
        else:  # what is not standard FITS, or no header at all: it takes all the rest, so there is but one
            begins, odd = last + 1, odd + 1
        if begins <= last or odd > 1:
            raise Damaged("its header is damaged: it does not tell where its data end")
        last = begins


def first_image(hdus: fits.HDUList, path: Path) -> NDArray[Any] | None:
    """The pixels of a file's first image, whatever it is of and called; none where it holds none.

    Raises
    ------
    FrameRefused
        It cannot be as large as its header says.
    """
    hdu = next((each for each in hdus if each.is_image and each.shape and 0 not in each.shape), None)
    if hdu is None:
        return None
    if (wrong := wrong_claim(hdu, path)) is not None:
        raise wrong
    pixels: NDArray[Any] = hdu.data
    return pixels


def _check_path(path: Path) -> None:
    """Refuse what need not be handed to a FITS reader at all."""
    try:
        if path.is_dir():
            raise FrameRefused("it is a directory, not a file")
        if path.exists() and not path.is_file():
            raise FrameRefused("it is not a regular file")  # a pipe would be waited for without end
        with path.open("rb") as file:
            start = file.read(6)
    except FileNotFoundError as error:
        raise Damaged("there is no such file") from error
    except PermissionError as error:
        raise Damaged("the file may not be read (permission denied)") from error
    except OSError as error:
        raise Damaged(f"the file cannot be read ({error.strerror or _first_line(str(error))})") from error
    if not start:
        raise Damaged("the file is empty")
    if start.startswith(COMPRESS_MAGIC):
        raise FrameRefused("it is compressed with `compress` (.Z), which is not supported; gzip it instead")
    if not start.startswith((b"SIMPLE", *COMPRESSIONS)):
        raise FrameRefused("it is not a FITS file (it does not begin with SIMPLE)")
    if start.startswith(ZIP_MAGIC):
        _check_zip(path)


def _check_zip(path: Path) -> None:
    """Refuse a zip by its table of contents: astropy inflates one whole, before it looks at a header.

    No more is ever inflated than the table says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise Damaged("its compressed data are damaged or end too early") from error
    if len(held) != 1:
        raise FrameRefused(f"it is a zip of {len(held)} files: one FITS file is needed")
    if held[0].file_size > may_inflate_to(path):
        raise FrameRefused(
            f"it inflates to {held[0].file_size} bytes, more than {MOST_GROWTH} times its size"
        )


def _what_is_wrong(path: Path, error: BaseException) -> str:
    """One sentence for what a FITS reader raised."""
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile | lzma.LZMAError):
        return "its compressed data are damaged or end too early"
    if isinstance(error, MemoryError):
        return f"it needs more memory than there is ({path.stat().st_size} bytes on disk)"
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        return "its header is damaged: its NAXIS promise a size that no file has"
    said = _first_line(str(error))
    if "SIMPLE" in said or "Empty or corrupt" in said:
        with path.open("rb") as file:
            packed = file.read(6).startswith(COMPRESSIONS)
        return (
            "what it compresses is damaged or no FITS file"
            if packed
            else "its header is no valid FITS header"
        )
    return f"it cannot be read as FITS: {said}" if said else "it cannot be read as FITS"


def _first_line(said: str) -> str:
    """The first line of a message, of bounded length."""
    lines = said.strip().splitlines()
    return lines[0][:160] if lines else ""


def _matters(category: type[Warning]) -> bool:
    """Whether a warning tells something of the file (that dates were normalised does not)."""
    return issubclass(category, AstropyWarning) and not issubclass(category, FITSFixedWarning)


def _name(path: Path, extension: int, selection: Selection) -> str:
    """``file``, or ``file[ext]`` where the file has several images."""
    alone = len(selection.science) + len(selection.refused) == 1 and extension not in selection.beside
    return path.name if alone else f"{path.name}[{extension}]"


def _merged_header(hdus: fits.HDUList, extension: int) -> fits.Header:
    """An extension's header with what it inherits from the primary one (unless ``INHERIT = F``)."""
    header: fits.Header = hdus[extension].header.copy()
    if extension > 0 and header.get("INHERIT") is not False:
        for card in hdus[0].header.cards:
            if card.keyword not in header and not _OWN_CARD.fullmatch(card.keyword):
                header.append(card, end=True)
    return header


def _plane(hdu: fits.ImageHDU, header: fits.Header) -> Image:
    """The pixels as float32, one plane; ``header`` is what was read before the data."""
    stored = hdu.data.reshape(hdu.shape[-2:])
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is masked as a sentinel
        plane = np.ascontiguousarray(stored, dtype=np.float32)
    blank = header.get("BLANK")
    # Unsigned integers are signed ones and a BZERO to FITS, and astropy forgets the blank ones of them.
    if stored.dtype.kind == "u" and isinstance(blank, int):
        plane[stored == blank + int(header.get("BZERO", 0))] = np.nan
    return plane


def _huge(data: Image) -> NDArray[np.bool_]:
    """Pixels that hold no number, one that stands for none, or one beyond all that a detector can tell."""
    huge = ~(np.abs(data) <= SENTINEL)  # of NaN too
    some = data[::SPARSE, ::SPARSE][~huge[::SPARSE, ::SPARSE]]
    if some.size:
        low, middle, high = (quantile(some, share) for share in (0.16, 0.5, 0.84))
        if high > low:
            huge |= ~(np.abs(data - np.float32(middle)) <= np.float32(MOST_RANGE * (high - low)))
    return huge


def _check_content(data: Image, mask: MaskImage, kind: FrameKind) -> None:
    """Refuse an image that holds nothing, or one value nearly everywhere."""
    good = data[mask == 0]
    if good.size == 0:
        raise FrameRefused("none of its pixels holds a usable number (all are NaN, blank or masked)")
    if kind is not FrameKind.SCIENCE:
        return
    middle = quantile(good, 0.5)
    share = float(np.mean(good == middle))
    if share > SAME_VALUE_SHARE:
        raise FrameRefused(f"{share:.0%} of its pixels hold the one value {middle:g}: no exposure of the sky")


def _wcs(hdus: fits.HDUList, extension: int, path: Path) -> tuple[WCS | None, str | None]:
    """The image's celestial WCS, or ``None`` where it has none that works; and what is to be said of it."""
    try:
        if (wrong := wrong_distortion(hdus[extension].header, hdus, path)) is not None:
            return None, f"{LEFT_OUT}, whose distortion cannot be read: {wrong}"
        return celestial_wcs(hdus, extension)
    except Exception:  # noqa: BLE001 - astropy and wcslib raise nearly every kind on damaged headers
        return None, UNREADABLE if means_sky(hdus[extension].header) else None
