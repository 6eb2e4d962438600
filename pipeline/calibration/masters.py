"""Master calibration frames: the mean bias, the dark current, the flat field.

All are made of raw frames from which the overscan was cut, so that they fit trimmed science frames,
and are kept on disk by the content of what they were made of. A master that another program made counts as
the exposures that it is of, and nothing is subtracted from it that it does not hold.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.least_used import make_room, used
from core.settings import Settings
from core.unfinished import unfinished
from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator, Choice, choose, same_length
from pipeline.calibration.combine import mean_of
from pipeline.calibration.fitting import Unfit, fitting, same_part
from pipeline.calibration.overscan import Section, trim
from pipeline.calibration.steps import told_steps
from pipeline.files.npz_file import DAMAGE
from pipeline.files.readout import combined_of
from pipeline.frame import Exposure, FrameRefused, Image, RawFrame
from pipeline.quantile import MAD_TO_SIGMA, quantile

log = logging.getLogger(__name__)

LOWEST_FLAT = 0.1  # of the median: below it a pixel sees no light to speak of
PLATEAU_SHARE = 0.01  # of a flat's pixels at the converter's most
SATURATED = 0.9  # of the saturation: the median of a flat above it cannot be trusted
NORMALISED = 50.0  # data units: a flat of less is one that was divided by its level, and holds no bias
CONVERTERS_FULL = (4095.0, 16383.0, 32767.0, 65535.0)  # of 12, 14, 15 and 16 bits
FREE_OF_BIAS = 0.5  # of the bias: a master dark whose median is below it does not hold that any more
HOT_SIGMA = 20.0  # of the dark current's scatter
NOTES = "notes"
UNREAD = "unread"
HOLDS_BIAS = "dark_holds_bias"
CACHE_FORMAT = "5"


@dataclass(frozen=True, slots=True)
class Masters:
    """What raw frames of one camera are corrected with; each is optional.

    Attributes
    ----------
    bias : (height, width) float32, optional
        Data units, after subtraction of the overscan.
    dark : (height, width) float32, optional
        Data units per second, without the bias where there is one.
    flat : (height, width) float32, optional
        Relative response, median 1; 0 where there is none to speak of.
    bad : (height, width) bool, optional
        Hot pixels of the dark and dead ones of the flat.
    content : str
        A hash of all that they were made of.
    notes : tuple of str
        What is to be said of frames that they are used for, a sentence each.
    dark_holds_bias : bool
        No bias was there that could have been taken out of the dark, and it was not taken out before.
    unread : tuple of str
        The contents of calibration frames that could not be read, and so are not in them.
    """

    bias: Image | None = None
    dark: Image | None = None
    flat: Image | None = None
    bad: NDArray[np.bool_] | None = None
    content: str = ""
    notes: tuple[str, ...] = ()
    dark_holds_bias: bool = False
    unread: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width, of trimmed frames."""
        for part in (self.bias, self.dark, self.flat):
            if part is not None:
                return part.shape[0], part.shape[1]
        return None


def masters_for(
    calibrators: Sequence[Calibrator],
    exposure: Exposure,
    shape: tuple[int, int],
    settings: Settings,
    part: Section | None = None,
) -> Masters | None:
    """The masters for a frame, from the cache or built and then kept there.

    Those that were not used for longest go when all together take more room than ``keep_gib``.

    Parameters
    ----------
    calibrators : sequence of Calibrator
        All that are known; those that do not fit are left out.
    exposure : Exposure
        The science frame's.
    shape : (int, int)
        Height and width of the science frame's array in its file.
    settings : Settings
        ``home`` is where masters are kept; of ``site`` the longitude tells when it is noon.
    part : Section, optional
        What remains of the science frame's array without its overscan, where that is known.

    Returns
    -------
    Masters or None
        ``None`` where there is none for this camera.

    Raises
    ------
    FrameRefused
        None of a kind can be read, or they find no room.
    """
    choice = choose(calibrators, exposure, shape, *settings.site.position[1:])
    if not choice.calibrators:
        return Masters(notes=choice.notes) if choice.notes else None
    scaled, of_length = _contents(choice, part)
    folder = settings.home / "masters"
    cached = load(folder, scaled) or load(folder, of_length)
    if cached is None or _is_mended(choice, cached):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            cached = build(choice, folder=folder if folder.is_dir() else None, part=part)
        except OSError as error:
            why = error.strerror or str(error)
            raise FrameRefused(f"they cannot be combined in {folder}: {why}") from error
        cached = replace(cached, content=of_length if cached.bias is None else scaled)
        try:
            save(folder, cached)
            make_room(folder, "*.npz", settings.calibrate.keep_gib * 2**30)
        except OSError as error:  # the next frame builds them again
            log.warning("masters cannot be kept in %s: %s", folder, error.strerror or error)
    return replace(cached, notes=(*choice.notes, *cached.notes))


def _is_mended(choice: Choice, masters: Masters) -> bool:
    """Whether any of the calibration frames that could not be read can be by now."""
    for one in choice.calibrators:
        if one.content in masters.unread:
            with suppress(FrameRefused):
                one.read()
                return True
    return False


def _contents(choice: Choice, part: Section | None) -> tuple[str, str]:
    """Hashes of what masters are made of and how: of those with a bias, and of those that no bias is in.

    Without a bias, be it that none that was chosen fits, they serve exposures of one length alone.
    """
    chosen = sorted(choice.calibrators, key=lambda one: one.content)
    names = [CACHE_FORMAT, *(f"{one.exposure.kind} {one.content}" for one in chosen)]
    of_part = [] if part is None else [str(part)]
    scaled, of_length = (*names, *of_part), (*names, f"{choice.length_s:.4g} s", *of_part)
    return _hash(scaled), _hash(of_length)


def _hash(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def build(choice: Choice, *, folder: Path | None = None, part: Section | None = None) -> Masters:
    """Combine calibration frames.

    Bias: the clipped mean. Dark: the clipped mean of (frame - bias) / seconds. Flat: the clipped mean of
    frames less bias and dark, each divided by its median. Without any bias darks hold it too, unless the
    headers of all say that it was taken out: it does not grow with time, so that only darks of the frame's
    own length serve the frame, and from the flats those of the length nearest to theirs are taken as they
    are. Saturated flats are left out. Masters that were ingested are weighed by their exposures; a master
    flat is used as it is, a master dark less the bias unless its header or its level say that it holds none.
    Frames that cannot be read, or are of other pixels of the detector than the science frame, are set aside,
    and told.

    Parameters
    ----------
    choice : Choice
    folder : Path, optional
        Where frames that are too many for memory are put meanwhile.
    part : Section, optional
        What remains of the science frame's array without its overscan; where it is not known, that of most
        calibration frames decides.

    Raises
    ------
    FrameRefused
        None of a kind can be read, or no flat is of use.
    """
    try:
        return _combined(replace(choice, calibrators=same_part(choice.calibrators, part)), folder)
    except Unfit:
        found = fitting(choice.calibrators, part)
        made = _combined(replace(choice, calibrators=found.kept), folder)
        return replace(made, notes=(*found.notes, *made.notes), unread=found.unread)


def _combined(choice: Choice, folder: Path | None) -> Masters:
    """Masters of calibration frames that fit each other."""
    biases, darks, flats = (
        [one for one in choice.calibrators if one.exposure.kind is kind]
        for kind in (FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT)
    )
    darks = [one for one in darks if one.exposure.exposure_s]
    bias = mean_of(_as_they_are(biases), folder) if biases else None
    may_scale = bias is not None or all(_is_freed(one.read()) for one in darks)
    own = darks if may_scale else [one for one in darks if same_length(_seconds(one), choice.length_s)]
    dark = _dark_rate(own, bias, folder) if own else None
    holds_bias = dark is not None and not may_scale
    if not flats:
        return Masters(bias, dark, None, _bad(dark, None), dark_holds_bias=holds_bias)
    lit = _Flats(flats)
    pedestal = None if may_scale else _pedestal(darks, flats, folder)

    def unlit(raw: RawFrame, seconds: float) -> Image:
        if combined_of(raw.header) > 1:  # no master is made of flats that still hold what is no light
            return raw.data
        if pedestal is not None:
            return _less(raw.data, pedestal)
        return _less_dark(_less(raw.data, bias), dark, seconds)

    flat = _flat(((unlit(raw, seconds), combined_of(raw.header)) for raw, seconds in lit.frames()), folder)
    notes = lit.notes(has_pedestal=bias is None and pedestal is None)
    return Masters(bias, dark, flat, _bad(dark, flat), notes=notes, dark_holds_bias=holds_bias)


class _Flats:
    """Flats that are not saturated, read one at a time, and what is to be said of the others."""

    def __init__(self, flats: Sequence[Calibrator]) -> None:
        self._flats = flats
        self._saturated = 0
        self._level = 0.0  # of the brightest that still holds whatever the camera adds

    def frames(self) -> Iterator[tuple[RawFrame, float]]:
        """Each of use, without its overscan, and its seconds."""
        for one in self._flats:
            raw = one.read()
            if combined_of(raw.header) > 1:
                yield trim(raw).raw, _seconds(one)
                continue
            level = float(np.median(raw.data))
            if level >= SATURATED * _full(raw):
                self._saturated += 1
                continue
            trimmed = trim(raw)
            if trimmed.pedestal == 0.0:
                self._level = max(self._level, level)
            yield trimmed.raw, _seconds(one)
        if self._saturated == len(self._flats):
            raise FrameRefused(f"all its flats ({self._saturated}) are saturated: ingest others")

    def notes(self, *, has_pedestal: bool) -> tuple[str, ...]:
        """Sentences for the frames that they are used for, once they were read."""
        said = []
        if self._saturated:
            said.append(f"{self._saturated} of {len(self._flats)} flats are saturated and were left out")
        if has_pedestal and self._level > NORMALISED:
            said.append(
                "its flats were used without a bias or dark: what the camera adds to them stays in them"
            )
        return tuple(said)


def _full(raw: RawFrame) -> float:
    """Where a flat is full, in its own units; infinite where nothing tells."""
    if raw.exposure.saturation is not None:
        return raw.exposure.saturation
    # Many pixels at exactly the most that a converter gives are a plateau.
    top = float(raw.data.max())
    is_full = top in CONVERTERS_FULL and float(np.mean(raw.data == top)) > PLATEAU_SHARE
    return top if is_full else math.inf


def _dark_rate(darks: Sequence[Calibrator], bias: Image | None, folder: Path | None) -> Image:
    """The dark current in data units per second."""
    frames = ((_master_checked(one), _seconds(one)) for one in darks)
    rates = ((_without_bias(raw, bias) / seconds, combined_of(raw.header)) for raw, seconds in frames)
    return mean_of(rates, folder)


def _without_bias(raw: RawFrame, bias: Image | None) -> Image:
    """A dark less the bias, if it was not freed of it before, as its header says or a master's level."""
    if bias is None or _is_freed(raw):
        return raw.data
    if combined_of(raw.header) > 1 and float(np.median(raw.data)) < FREE_OF_BIAS * float(np.median(bias)):
        return raw.data
    return _less(raw.data, bias)


def _is_freed(raw: RawFrame) -> bool:
    """Whether the header says that the bias was taken out."""
    return FrameKind.BIAS in told_steps(raw.header)


def _pedestal(darks: Sequence[Calibrator], flats: Sequence[Calibrator], folder: Path | None) -> Image:
    """What flats hold beside light, where no bias tells: a dark of the length nearest to theirs."""
    wanted = float(np.median([_seconds(one) for one in flats]))
    nearest = min((_seconds(one) for one in darks), key=lambda seconds: abs(seconds - wanted))
    return mean_of(_as_they_are([one for one in darks if same_length(_seconds(one), nearest)]), folder)


def load(folder: Path, content: str) -> Masters | None:
    """Masters kept on disk, or ``None`` where there are none or they are damaged."""
    path = folder / f"{content}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            used(path)
            held = {name: arrays[name] for name in arrays.files if name not in {NOTES, UNREAD, HOLDS_BIAS}}
            notes, unread = (
                tuple(str(each) for each in arrays[name]) if name in arrays.files else ()
                for name in (NOTES, UNREAD)
            )
            holds_bias = HOLDS_BIAS in arrays.files
            return Masters(**held, content=content, notes=notes, dark_holds_bias=holds_bias, unread=unread)
    except DAMAGE:
        return None


def save(folder: Path, masters: Masters) -> None:
    """Keep masters on disk; a reader never sees half of them."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        field.name: value
        for field in fields(masters)
        if isinstance(value := getattr(masters, field.name), np.ndarray)
    }
    for name, texts in ((NOTES, masters.notes), (UNREAD, masters.unread)):
        if texts:
            arrays[name] = np.array(texts, dtype=np.str_)
    if masters.dark_holds_bias:
        arrays[HOLDS_BIAS] = np.array(True)
    with unfinished(folder / f"{masters.content}.npz") as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _as_they_are(calibrators: Iterable[Calibrator]) -> Iterator[tuple[Image, int]]:
    """Biases or darks without their overscan, each with how many exposures it is of."""
    for one in calibrators:
        raw = _master_checked(one)
        yield raw.data, combined_of(raw.header)


def _master_checked(calibrator: Calibrator) -> RawFrame:
    """A bias or dark without its overscan; a master of other numbers than the camera's is refused."""
    raw = trim(calibrator.read()).raw
    if combined_of(raw.header) > 1 and float(raw.data.max()) <= 1.0:
        raise FrameRefused(
            f"the master {raw.exposure.kind} {raw.exposure.name} is scaled to 1: save it in the camera's own "
            "numbers, as 16 or 32 bit integers, and ingest it again"
        )
    return raw


def _seconds(calibrator: Calibrator) -> float:
    """How long it was exposed."""
    return calibrator.exposure.exposure_s or 0.0


def _less(image: Image, bias: Image | None) -> Image:
    """An image without its bias."""
    return image if bias is None else image - bias


def _less_dark(image: Image, dark: Image | None, seconds: float) -> Image:
    """An image without its dark current."""
    return image if dark is None else _less(image, (dark * np.float32(seconds)).astype(np.float32))


def _flat(images: Iterable[tuple[Image, int]], folder: Path | None) -> Image:
    """The relative response of the pixels."""
    mean = mean_of(_lit(images), folder)
    mean /= np.float32(np.median(mean))
    mean[mean < LOWEST_FLAT] = 0.0
    return mean


def _lit(images: Iterable[tuple[Image, int]]) -> Iterator[tuple[Image, int]]:
    """Flats as parts of their median, those with light in them."""
    is_dark = True
    for image, exposures in images:
        level = float(np.median(image))
        if level > 0.0:
            is_dark = False
            yield image / np.float32(level), exposures
    if is_dark:
        raise FrameRefused("none of the flats has any light in it once the bias is subtracted")


def _bad(dark: Image | None, flat: Image | None) -> NDArray[np.bool_] | None:
    """Pixels that are hot in the dark or dead in the flat."""
    bad: NDArray[np.bool_] | None = None
    if dark is not None:
        middle = np.median(dark)
        deviation = np.abs(dark - middle)
        bad = deviation > HOT_SIGMA * max(_scatter(deviation.ravel()), 1e-9)
    if flat is not None:
        bad = flat <= 0.0 if bad is None else bad | (flat <= 0.0)
    return bad


def _scatter(deviation: NDArray[np.float32]) -> float:
    """A standard deviation, of absolute deviations from the median.

    Of whole numbers with little noise, or of what was clipped at zero, half and more may be equal: then those
    tell that deviate, as so many of a normal distribution do.
    """
    usual = max(MAD_TO_SIGMA * quantile(deviation, 0.5), quantile(deviation, 0.6827))
    wider = (quantile(deviation, share) / sigmas for sigmas, share in ((2.0, 0.9545), (3.0, 0.9973)))
    return next((each for each in (usual, *wider) if each > 0.0), 0.0)
