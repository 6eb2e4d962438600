"""The overscan of a raw frame: its level subtracted, its pixels cut off, the WCS shifted with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from core.header_words import PEDESTAL
from pipeline.files.cards import look_up
from pipeline.files.fits_selection import SMALLEST_SIDE
from pipeline.files.headers import gain_of_amplifier
from pipeline.files.steps import NOT_DONE, pedestal_of, told_steps
from pipeline.frame import FrameRefused, Image, RawFrame
from pipeline.quantile import MAD_TO_SIGMA

SMOOTH_LINES = 101  # a line's overscan has few pixels: its noise must not become the image's stripes
CLIP_SIGMA = 5.0
# Of one chip, in an array of all: ends of keywords, letters as of the Dark Energy Camera, or numbers.
LETTERS, NUMBERS = tuple("ABCDEFGH"), tuple(str(number) for number in range(1, 17))
AMPLIFIERS = (*LETTERS, *NUMBERS)
ALIKE = 0.02  # relative: gains of amplifiers that differ by less are one
MOST_TEXT = 40  # letters of a card in a sentence
SPARSE = 8  # pixels of which one tells how high they all are
DONE = ("OVERSCAN", "TRIM", "TRIMMED")  # true, or a sentence, as IRAF's, where it is subtracted or cut off
STALE_SECTIONS = ("TRIMSEC", "DATASEC", "CCDSEC", "BIASSEC")  # all wrong once the frame is cut

_SECTION = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an array, as half-open 0-based ranges."""

    x0: int
    x1: int
    y0: int
    y1: int

    def __str__(self) -> str:
        """Its size, and where it lies as FITS headers write it."""
        place = f"[{self.x0 + 1}:{self.x1},{self.y0 + 1}:{self.y1}]"
        width, height = self.size
        return f"{width} x {height} pixels {place}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.x1 - self.x0, self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def of(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The part as a view."""
        return array[self.slices]

    def inside(self, shape: tuple[int, ...]) -> bool:
        """Whether the array has all of it."""
        return 0 <= self.x0 < self.x1 <= shape[1] and 0 <= self.y0 < self.y1 <= shape[0]

    def overlaps(self, other: Section) -> bool:
        """Whether both have a pixel in common."""
        apart_x = self.x1 <= other.x0 or other.x1 <= self.x0
        apart_y = self.y1 <= other.y0 or other.y1 <= self.y0
        return not (apart_x or apart_y)


def illuminated(header: Header, shape: tuple[int, ...]) -> Section | None:
    """The part of an array to which it is cut, or ``None`` where it stays as it is.

    That is where no section is named, or one that is not in the array: it was cut before.
    """
    cut = section(header, "TRIMSEC", "DATASEC")
    is_all = cut is not None and cut.size == shape[::-1]
    return None if cut is None or is_all or not cut.inside(shape) else cut


def remaining(header: Header, shape: tuple[int, int]) -> Section:
    """Which pixels of its array remain of a frame."""
    return illuminated(header, shape) or Section(0, shape[1], 0, shape[0])


def section(header: Header, *keywords: str) -> Section | None:
    """A section such as ``[17:528,1:520]`` (1-based, inclusive, x first), or ``None``."""
    found = _SECTION.fullmatch(str(look_up(header, keywords) or "").strip())
    if found is None:
        return None
    x1, x2, y1, y2 = (int(group) for group in found.groups())
    return Section(min(x1, x2) - 1, max(x1, x2), min(y1, y2) - 1, max(y1, y2))


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A raw frame without its overscan.

    ``origin`` is the place (x, y) of its first pixel in the file's array; ``pedestal`` the level that was
    subtracted, in data units: of the bias the median over the strip.
    """

    raw: RawFrame
    origin: tuple[int, int] = (0, 0)
    pedestal: float = 0.0


def trim(raw: RawFrame) -> Trimmed:
    """Subtract the overscan's level and cut the frame to its illuminated part.

    ``TRIMSEC`` (or ``DATASEC``) and ``BIASSEC`` say where. A frame that is smaller than its own
    ``TRIMSEC`` was trimmed before and is left as it is, and so is one that names no section. The level
    is followed along the strip, smoothed over a hundred lines. Where a chip was read out by several
    amplifiers, each has a strip of its own, and its counts become those of the exposure's gain. What the
    calibration of another program added to all pixels goes too.

    Raises
    ------
    FrameRefused
        Hardly anything would be left of it.
    """
    raw, added = _without_pedestal(raw)
    data, shape = raw.data, raw.data.shape
    cut = illuminated(raw.header, shape)
    if cut is None:
        return Trimmed(replace(raw, notes=(*raw.notes, *_uncut(raw))), pedestal=added)
    if min(cut.size) < SMALLEST_SIDE:
        raise FrameRefused(
            f"TRIMSEC or DATASEC leaves {cut} of it; {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed"
        )
    pedestal, outputs = 0.0, _outputs(raw, cut)
    if outputs:
        levels = [_overscan_level(each.strip, data, raw.mask != 0) for each in outputs]
        pedestal = float(np.mean([np.median(level) for level in levels]))
        data = data.copy()
        for each, level in zip(outputs, levels, strict=True):
            part = each.part.slices
            data[part] = (data[part] - np.broadcast_to(level, shape)[part]) * np.float32(each.scale)
    header = raw.header.copy()
    for keyword in STALE_SECTIONS:
        header.remove(keyword, ignore_missing=True)
    for axis, start in ((1, cut.x0), (2, cut.y0)):
        if isinstance(place := header.get(f"CRPIX{axis}"), int | float):
            header[f"CRPIX{axis}"] = place - start
    trimmed = replace(
        raw,
        data=np.ascontiguousarray(cut.of(data), dtype=np.float32),
        mask=np.ascontiguousarray(cut.of(raw.mask), dtype=np.uint16),
        header=header,
        wcs=None if raw.wcs is None else raw.wcs[cut.y0 : cut.y1, cut.x0 : cut.x1],
        notes=raw.notes if outputs else (*raw.notes, *_not_subtracted(raw, cut)),
    )
    return Trimmed(trimmed, (cut.x0, cut.y0), pedestal + added)


def _without_pedestal(raw: RawFrame) -> tuple[RawFrame, float]:
    """A frame without what was added to it as it was calibrated, and how much that was, in data units.

    In a raw frame it is part of the bias, which takes it away.
    """
    added = pedestal_of(raw.header)
    if not added or not told_steps(raw.header):
        return raw, 0.0
    some = raw.data[::SPARSE, ::SPARSE][raw.mask[::SPARSE, ::SPARSE] == 0]
    level = float(np.median(some)) if some.size else 0.0
    if level < added / 2.0:  # of pixels from 0 to 1 PixInsight tells it in counts all the same
        left = f"PEDESTAL, {added:g}, is not taken away, for its pixels, of {level:.3g}, cannot hold it"
        return replace(raw, notes=(*raw.notes, left)), 0.0
    header = raw.header.copy()
    header.remove(PEDESTAL, ignore_missing=True)
    return replace(raw, data=raw.data - np.float32(added), header=header), added


def _uncut(raw: RawFrame) -> tuple[str, ...]:
    """A sentence where a header names an overscan, and not what is none."""
    strip = section(raw.header, "BIASSEC")
    if strip is None or not strip.inside(raw.data.shape) or look_up(raw.header, ("TRIMSEC", "DATASEC")):
        return ()
    if any(_is_done(look_up(raw.header, (keyword,))) for keyword in DONE):
        return ()
    return (
        f"its header has an overscan, BIASSEC, {strip}, and no TRIMSEC or DATASEC: it is neither subtracted "
        "nor cut off",
    )


def _is_done(value: object) -> bool:
    """Whether a card says so; a number of columns and a section do not."""
    is_text = isinstance(value, str) and any(letter.isalpha() for letter in value)
    return value is True or (is_text and str(value).lower() not in NOT_DONE)


def _not_subtracted(raw: RawFrame, cut: Section) -> tuple[str, ...]:
    """Sentences for what cannot be done to a frame that is cut: its overscan, and its amplifiers."""
    said = []
    words = ("BIASSEC", *(f"BIASSEC{end}" for end in AMPLIFIERS))
    told = [word for word in words if look_up(raw.header, (word,)) is not None]
    if told:
        value = str(look_up(raw.header, (told[0],)))[:MOST_TEXT]
        said.append(
            f"no overscan is subtracted from it: {told[0]} is {value!r}, which is no part of its array "
            f"beside TRIMSEC or DATASEC, {cut}, or not each part has one"
        )
    own = (gain_of_amplifier(raw.header, end, raw.exposure.exposure_s) for end in AMPLIFIERS)
    gains = [gain for gain in own if gain is not None]
    if gains and max(gains) > (1.0 + ALIKE) * min(gains):
        said.append(
            f"its amplifiers have gains of {min(gains):.3g} to {max(gains):.3g} and are not made alike, for "
            "its header does not name a part (TRIMSECA) and an overscan (BIASSECA) of each"
        )
    return tuple(said)


def amplifiers(raw: RawFrame) -> tuple[Section, ...]:
    """The parts of a frame without its overscan that an amplifier each read; all of it where one did."""
    shape = raw.data.shape
    cut = illuminated(raw.header, shape)
    parts = [] if cut is None else [(each.part, cut) for each in _outputs(raw, cut)]
    if len(parts) < 2:
        whole = cut or Section(0, shape[1], 0, shape[0])
        return (Section(0, whole.size[0], 0, whole.size[1]),)
    return tuple(
        Section(
            max(part.x0, cut.x0) - cut.x0, min(part.x1, cut.x1) - cut.x0,
            max(part.y0, cut.y0) - cut.y0, min(part.y1, cut.y1) - cut.y0,
        )
        for part, cut in parts
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Output:
    """An amplifier: the part that it read, its overscan, and its counts in those of the exposure's gain."""

    part: Section
    strip: Section
    scale: float = 1.0


def _outputs(raw: RawFrame, cut: Section) -> tuple[_Output, ...]:
    """The amplifiers that read all that remains of a frame; none where the overscan of any is not known."""
    strip = section(raw.header, "BIASSEC")
    if strip is not None:
        sets: Iterable[tuple[_Output, ...]] = ((_Output(cut, strip),),)
    else:  # a header may name them in both ways
        sets = (tuple(_several_outputs(raw, ends)) for ends in (LETTERS, NUMBERS))
    return next((found for found in sets if _read_all(found, cut, raw.data.shape)), ())


def _read_all(found: Iterable[_Output], cut: Section, shape: tuple[int, ...]) -> bool:
    """Whether amplifiers read each pixel that remains once, and each has an overscan beside these."""
    read = np.zeros(shape, dtype=np.int8)
    for each in found:
        if not each.strip.inside(shape) or each.strip.overlaps(cut):
            return False
        read[each.part.slices] += 1
    return bool((cut.of(read) == 1).all())


def _several_outputs(raw: RawFrame, ends: Iterable[str]) -> Iterator[_Output]:
    """The amplifiers whose part and overscan a header names by their letters, or numbers."""
    for end in ends:
        part = section(raw.header, f"TRIMSEC{end}", f"DATASEC{end}")
        strip = section(raw.header, f"BIASSEC{end}")
        if part is None or strip is None:
            continue
        own, gain = gain_of_amplifier(raw.header, end, raw.exposure.exposure_s), raw.exposure.gain
        yield _Output(part, strip, 1.0 if own is None or gain is None else own / gain)


def _overscan_level(strip: Section, data: Image, bad: NDArray[np.bool_]) -> Image:
    """The bias level of every line that crosses the overscan strip: (height, 1) or (1, width)."""
    masked = strip.of(bad)
    if masked.all():  # a mask of the file's that leaves out all that sees no light says nothing of the bias
        masked = np.zeros_like(masked)
    values = np.where(masked, np.nan, strip.of(data))
    along_rows = strip.y1 - strip.y0 >= strip.x1 - strip.x0  # a strip of columns: one level a row
    across = 1 if along_rows else 0
    overall = np.nanmedian(values)
    spread = MAD_TO_SIGMA * np.nanmedian(np.abs(values - overall))
    values = np.where(
        np.abs(values - np.nanmedian(values, axis=across, keepdims=True)) > CLIP_SIGMA * spread + 1e-6,
        np.nan,
        values,
    )
    counts = np.isfinite(values).sum(axis=across)
    sums = np.nansum(values, axis=across)
    window = min(SMOOTH_LINES, len(counts))
    weight = uniform_filter1d(counts.astype(np.float64), window, mode="nearest")
    level = uniform_filter1d(sums.astype(np.float64), window, mode="nearest")
    smooth = np.where(weight > 0.0, level / np.maximum(weight, 1e-9), overall)
    full = np.empty(data.shape[0] if along_rows else data.shape[1], dtype=np.float32)
    start, stop = (strip.y0, strip.y1) if along_rows else (strip.x0, strip.x1)
    full[start:stop] = smooth
    full[:start], full[stop:] = smooth[0], smooth[-1]
    return full[:, None] if along_rows else full[None, :]
