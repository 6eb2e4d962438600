"""Which extensions of a FITS file are exposures of the sky, judged by their headers alone.

- An extension named as a mask (``MASK``, ``DQ``, ``BPM``, …) is used as the mask of the image that it belongs
  to.
- An extension named as something else that goes with an image (an uncertainty, a weight, a PSF, a
  background) is passed over (`pipeline.files.extension_roles`), unless somebody asks for it by its name.
- Every other image of two axes, or of more that have a single plane, is an observation of its own.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from pipeline.files import safe_tiles
from pipeline.files.cards import look_up
from pipeline.files.extension_roles import IMAGE, is_companion, role_of
from pipeline.files.safe_tiles import GROWTH_SLACK, MOST_GROWTH
from pipeline.frame import FrameRefused

SMALLEST_SIDE = 32
MOST_PIXELS = 2**28  # 1 GiB as float32; the largest single detectors have 1.1e8 pixels
DISTORTIONS = {"WCSDVARR", "D2IMARR"}  # extensions that a WCS reads by these names
_COORDINATES = re.compile(r"PS\d+_0[A-Z]?")  # keywords that name one of coordinates
MOST_AXES = 999  # of an image, or columns of a table: the most that the FITS Standard allows
COMPRESSIONS = (b"\x1f\x8b", b"BZ", b"\xfd7", b"PK")  # gzip, bzip2, xz, zip

SPECTRAL_AXES = (
    "LAMBDA", "WAVE", "AWAV", "FREQ", "VELO", "VRAD", "VOPT", "ZOPT", "ENER", "WAVN", "BETA", "FELO"
)  # fmt: skip


class Damaged(FrameRefused):
    """A file that cannot be read, or is damaged: a person should look, or fetch it again."""


class _TooManyAxes(fits.GroupsHDU):  # type: ignore[misc]  # astropy asks classes of random groups first
    """What claims more axes or columns than FITS has: astropy would list every one, for hours."""

    @classmethod
    def match_header(cls, header: fits.Header) -> bool:
        """Whether a header is of this kind, which astropy asks of every one that it reads."""
        claims = (look_up(header, (keyword,)) for keyword in ("NAXIS", "TFIELDS", "ZNAXIS"))
        return any(isinstance(claim, int) and claim > MOST_AXES for claim in claims)

    def __init__(self, *_: object, **__: object) -> None:
        raise Damaged(f"its header is damaged: it claims more than {MOST_AXES} axes or columns")


fits.register_hdu(_TooManyAxes)
safe_tiles.install()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An image, or a whole file, that cannot be used, and why."""

    name: str
    extension: int
    reason: str
    damaged: bool = False  # the file is broken or cannot be read; else it is just not of use


@dataclass(frozen=True, slots=True)
class Selection:
    """The extensions of a file that are exposures, and those that would be but cannot be used.

    Those ``beside`` them are images too, and are read only where they are asked for by name.
    """

    science: tuple[int, ...]
    refused: tuple[Refusal, ...]
    beside: tuple[int, ...] = ()


def select(hdus: fits.HDUList, path: Path) -> Selection:
    """Sort the extensions of a file by the rules of this module."""
    science: list[int] = []
    beside: list[int] = []
    refused: list[tuple[int, FrameRefused]] = []
    others: list[str] = []
    for index, hdu in enumerate(hdus):
        role = role_of(hdu)
        if role != IMAGE:
            others.append(role)
            if is_companion(role) and _why_not(hdu, path) is None:
                beside.append(index)
        elif (error := _why_not(hdu, path)) is not None:
            refused.append((index, error))
        else:
            science.append(index)
    if not science and not refused:
        held = " and ".join(sorted({other for other in others if other}))
        reason = (
            f"it holds no image, only {held}" if held else "it holds no image: its header announces no data"
        )
        return Selection((), (Refusal(path.name, 0, reason),), tuple(beside))
    alone = len(science) + len(refused) == 1
    return Selection(
        tuple(science),
        tuple(
            Refusal(path.name if alone else f"{path.name}[{i}]", i, str(why), isinstance(why, Damaged))
            for i, why in refused
        ),
        tuple(beside),
    )


def _why_not(hdu: fits.ImageHDU, path: Path) -> FrameRefused | None:
    """Why an image cannot be an exposure of the sky, judged by its header alone."""
    sides, size = [side for side in hdu.shape if side != 1], _size(hdu)
    if len(sides) > 2:
        return FrameRefused(f"it is a cube ({size}): give each plane as an image of its own")
    if (wrong := wrong_claim(hdu, path)) is not None:
        return wrong
    if min(hdu.shape[-2:]) < SMALLEST_SIDE or len(sides) < 2:
        return FrameRefused(f"it is too small ({size}; {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed)")
    axes = [str(look_up(hdu.header, (keyword,)) or "") for keyword in ("CTYPE1", "CTYPE2")]
    if any(axis.upper().startswith(SPECTRAL_AXES) for axis in axes):
        return FrameRefused(f"its axes are {axes[0]} and {axes[1]}: a spectrum, not an image of the sky")
    return None


def wrong_distortion(header: fits.Header, hdus: fits.HDUList, path: Path) -> FrameRefused | None:
    """Why what a file has of distortions cannot be as large as it says; none where a WCS may read it.

    Parameters
    ----------
    header : Header
        Of the image; it may name tables of coordinates.
    hdus : HDUList
        The whole file.
    path : Path
    """
    named = {str(header[key]).upper() for key in header if _COORDINATES.fullmatch(key)} | DISTORTIONS
    claims = (wrong_claim(hdu, path) for hdu in hdus if str(hdu.name).upper() in named)
    return next(filter(None, claims), None)


def wrong_claim(hdu: fits.ImageHDU | fits.BinTableHDU, path: Path) -> FrameRefused | None:
    """Why no image or table can be as large as its header says; none where it may be read."""
    size = _size(hdu)
    if short := _missing_bytes(hdu, path):
        return Damaged(
            f"the file is truncated: its header promises {size}, of which {short} bytes are missing"
        )
    if hdu.is_image and math.prod(hdu.shape) > MOST_PIXELS:
        return FrameRefused(f"its header claims {size}; at most {MOST_PIXELS} are read")
    if (promised := _promised_bytes(hdu)) > may_inflate_to(path):
        return FrameRefused(f"it inflates to {promised} bytes, more than {MOST_GROWTH} times its size")
    return None


def _size(hdu: fits.ImageHDU | fits.BinTableHDU) -> str:
    """The sides of an image or the rows of a table, in words."""
    if not hdu.is_image:
        return f"{hdu.header['NAXIS2']} rows"
    return f"{' x '.join(str(side) for side in reversed(hdu.shape))} pixels"


def may_inflate_to(path: Path) -> int:
    """The most bytes that a file may hold if it is compressed: more is no image of the sky."""
    return MOST_GROWTH * path.stat().st_size + GROWTH_SLACK


def _promised_bytes(hdu: fits.ImageHDU | fits.BinTableHDU) -> int:
    """How large an image's or a table's data are, by its header."""
    if not hdu.is_image:
        return int(hdu.size)
    return int(math.prod(hdu.shape)) * abs(int(hdu.header["BITPIX"])) // 8


def _missing_bytes(hdu: fits.ImageHDU | fits.BinTableHDU, path: Path) -> int:
    """How many bytes of its data lie beyond the end of an uncompressed file."""
    if isinstance(hdu, fits.CompImageHDU):
        return 0  # its bytes are a table's; a short one fails when it is read
    with path.open("rb") as file:
        if file.read(2) in COMPRESSIONS:
            return 0
    start = hdu.fileinfo()["datLoc"]
    return max(int(start + _promised_bytes(hdu) - path.stat().st_size), 0)
