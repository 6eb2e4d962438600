"""Reading the exposures of FITS files.

A file may hold several exposures, chosen by `pipeline.files.fits_selection`; each is an observation of its
own: ``file[ext]``, or just ``file`` where there is only one.

No array is made before the header's claim was compared with the size of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from core.vocabulary import FrameKind, MaskPlane
from pipeline.files.cards import as_known, text
from pipeline.files.celestial import LEFT_OUT, UNREADABLE, celestial_wcs, means_sky
from pipeline.files.file_mask import file_mask
from pipeline.files.fits_opening import opened
from pipeline.files.fits_selection import (
    Damaged,
    Refusal,
    Selection,
    select,
    wrong_claim,
    wrong_distortion,
)
from pipeline.files.headers import exposure_of
from pipeline.files.readout import readout_of
from pipeline.files.scaling import linear, unwrapped
from pipeline.files.unfilled import unfilled
from pipeline.files.variance_gain import variance_gain
from pipeline.frame import Exposure, FrameRefused, Image, MaskImage, RawFrame
from pipeline.quantile import quantile

NO_OTHERS: Mapping[str, str] = MappingProxyType({})
SENTINEL = 1e30  # surveys mark missing pixels with huge numbers
# No detector has a range of so many times the scatter of its pixels: a number beyond it is damage, and a
# transform in single precision that holds it holds nothing of the sky.
MOST_RANGE = 1e8
SPARSE = 4  # every so many rows and columns tell the scatter
MOST_NAMED = 8  # exposures that a sentence names
SAME_VALUE_SHARE = 0.8  # of an exposure's pixels, no one value is held by so many
EVERY = 13  # so many pixels one tells which value that may be: no pattern of columns repeats so

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
            yield refusal_of(refused, path, extension, selection)


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
        header, exposure = described(hdus, extension, selection, path, keywords)
        plane, unsigned = _plane(hdu, header)
        data, scaled = linear(plane, header)
        bad = _huge(data)
        data[bad] = 0.0
        mask = np.where(bad, MaskPlane.BAD, 0).astype(np.uint16)
        mask |= file_mask(hdus, extension, data.shape, path)
        _check_content(data, mask, exposure.kind)
        if exposure.kind is FrameKind.SCIENCE:
            mask[unfilled(data)] = MaskPlane.BAD
        exposure, worth = _with_worth(exposure, hdus, extension, data, mask, path)
        wcs, remark = wcs_of(hdus, extension, path)
    complaints.extend(each for each in (unsigned, scaled, worth, remark) if each is not None)
    notes = tuple(dict.fromkeys(complaints))
    return RawFrame(data, mask, exposure, header, wcs, extension, notes)


def _with_worth(
    exposure: Exposure, hdus: fits.HDUList, extension: int, data: Image, mask: MaskImage, path: Path
) -> tuple[Exposure, str | None]:
    """The exposure with the gain that the file's variance tells where its header has none, and a sentence."""
    if exposure.kind is not FrameKind.SCIENCE or exposure.gain is not None:
        return exposure, None
    found = variance_gain(hdus, extension, data, mask, path)
    if found is None:
        return exposure, None
    gain, name = found
    return replace(
        exposure, gain=gain
    ), f"gain {gain:.4g} electrons a unit, as its extension {name[:40]} tells"


def read_header(path: Path, extension: int, keywords: Mapping[str, str] = NO_OTHERS) -> fits.Header:
    """The header of one image of a file, as `read_frame` has it.

    Raises
    ------
    FrameRefused
        The file cannot be read, or has no such extension.
    """
    with opened(path) as (hdus, _):
        return as_known(_merged_header(hdus, extension), keywords)


def described(
    hdus: fits.HDUList, extension: int, selection: Selection, path: Path, keywords: Mapping[str, str]
) -> tuple[fits.Header, Exposure]:
    """The header of one image of an open file, and what it says."""
    header = as_known(_merged_header(hdus, extension), keywords)
    exposure = exposure_of(header, _name(path, extension, selection))
    instrument = _with_chip(exposure.instrument, hdus, extension, selection, keywords)
    return header, replace(exposure, instrument=instrument, readout=readout_of(header))


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
    headers = [as_known(hdus[number].header, keywords) for number in selection.science]
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


def refusal_of(refused: FrameRefused, path: Path, extension: int, selection: Selection) -> Refusal:
    """An exception as what is said of one image of a file."""
    damaged = isinstance(refused, Damaged)
    return Refusal(_name(path, extension, selection), extension, str(refused), damaged=damaged)


def _error(refusal: Refusal) -> FrameRefused:
    """A refusal as an exception."""
    return Damaged(refusal.reason) if refusal.damaged else FrameRefused(refusal.reason)


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


def _plane(hdu: fits.ImageHDU, header: fits.Header) -> tuple[Image, str | None]:
    """The pixels as float32, one plane, and a sentence; ``header`` is what was read before the data."""
    stored, unsigned = unwrapped(hdu.data.reshape(hdu.shape[-2:]))
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is masked as a sentinel
        plane = np.ascontiguousarray(stored, dtype=np.float32)
    blank = header.get("BLANK")
    # Unsigned integers are signed ones and a BZERO to FITS, and astropy forgets the blank ones of them.
    if stored.dtype.kind == "u" and isinstance(blank, int):
        plane[stored == blank + int(header.get("BZERO", 0))] = np.nan
    return plane, unsigned


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
    middle = quantile(good[::EVERY], 0.5)
    share = float(np.mean(good == middle))
    if share > SAME_VALUE_SHARE:
        raise FrameRefused(f"{share:.0%} of its pixels hold the one value {middle:g}: no exposure of the sky")


def wcs_of(hdus: fits.HDUList, extension: int, path: Path) -> tuple[WCS | None, str | None]:
    """The image's celestial WCS, or ``None`` where it has none that works; and what is to be said of it."""
    try:
        if (wrong := wrong_distortion(hdus[extension].header, hdus, path)) is not None:
            return None, f"{LEFT_OUT}, whose distortion cannot be read: {wrong}"
        return celestial_wcs(hdus, extension)
    except Exception:  # noqa: BLE001 - astropy and wcslib raise nearly every kind on damaged headers
        return None, UNREADABLE if means_sky(hdus[extension].header) else None
