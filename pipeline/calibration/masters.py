"""Master calibration frames: the mean bias, the dark current, the flat field.

All are made of raw frames from which the overscan was cut, so that they fit trimmed science frames. A master
that another program made counts as the exposures that it is of, and nothing is subtracted from it that it
does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator, Choice, same_length
from pipeline.calibration.combine import mean_of
from pipeline.calibration.fitting import Unfit, fitting, same_part, set_aside
from pipeline.calibration.flats import Flats
from pipeline.calibration.masked import Masked
from pipeline.calibration.mean_noise import UNKNOWN, MeanNoise, Pairs
from pipeline.calibration.overscan import Section, amplifiers, trim
from pipeline.calibration.photon_transfer import Lit, PhotonTransfer, blocks_of, photon_transfer
from pipeline.files.readout import combined_of
from pipeline.files.steps import told_steps
from pipeline.frame import FrameRefused, Image, RawFrame
from pipeline.quantile import MAD_TO_SIGMA, quantile

FREE_OF_BIAS = 0.5  # of the bias: a master dark whose median is below it does not hold that any more
MOST_BIASES = 5  # that tell the read noise
HOT_SIGMA = 20.0  # of the dark current's scatter
MOST_LENGTHS = 5  # that a sentence tells
NO_LENGTH = "no exposure time (EXPTIME) can be read in the header"


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
        Hot pixels of the dark, dead ones of the flat, and those of which any has no value.
    content : str
        A hash of all that they were made of.
    notes : tuple of str
        What is to be said of frames that they are used for, a sentence each.
    dark_holds_bias : bool
        No bias was there that could have been taken out of the dark, and it was not taken out before.
    unread : tuple of str
        The contents of calibration frames that could not be read, and so are not in them.
    transfer : PhotonTransfer, optional
        The gain that the flats tell, where their headers do not.
    untold : str
        Why they tell none although they are asked.
    noise : MeanNoise
        What is left of the noise of the exposures that they are of.
    """

    bias: Image | None = None
    dark: Image | None = None
    flat: Image | None = None
    bad: NDArray[np.bool_] | None = None
    content: str = ""
    notes: tuple[str, ...] = ()
    dark_holds_bias: bool = False
    unread: tuple[str, ...] = ()
    transfer: PhotonTransfer | None = None
    untold: str = ""
    noise: MeanNoise = UNKNOWN

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width, of trimmed frames."""
        for part in (self.bias, self.dark, self.flat):
            if part is not None:
                return part.shape[0], part.shape[1]
        return None


def build(choice: Choice, *, folder: Path | None = None, part: Section | None = None) -> Masters:
    """Combine calibration frames.

    Bias: the clipped mean. Dark: the clipped mean of (frame - bias) / seconds. Flat: the clipped mean of
    frames less bias and dark, as far as their headers do not say that this was done, each divided by its
    median. Without any bias darks hold it too, unless the headers of all say that it was taken out: it does
    not grow with time, so that only darks of the frame's own length serve the frame, and from the flats those
    of the length nearest to theirs are taken as they are. Masters that were ingested are weighed by their
    exposures; a master flat is used as it is, a master dark less the bias unless its header or its level say
    that it holds none. What does not fit and what is of no use is set aside, and told, by the rule of
    `pipeline.calibration.fitting`.

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
        None of a kind that fits is of use.
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
    unknown = [one for one in darks if not one.exposure.exposure_s]
    darks = [one for one in darks if one.exposure.exposure_s]
    of_biases, of_darks = Pairs(), Pairs()
    masked = {kind: Masked() for kind in FrameKind}
    bias = mean_of(of_biases.of(_as_they_are(biases, masked[FrameKind.BIAS])), folder) if biases else None
    may_scale = bias is not None or all(_is_freed(one.read()) for one in darks)
    own = darks if may_scale else [one for one in darks if same_length(_seconds(one), choice.length_s)]
    biased = _Biased()
    rates = _dark_rates(own, bias, masked[FrameKind.DARK], biased)
    dark = mean_of(of_darks.of(rates), folder) if own else None
    noise = MeanNoise(of_biases.variance(), of_darks.variance(), dark_s=biased.seconds)
    holds_bias = dark is not None and not may_scale
    notes = _of_darks(darks, own, unknown, choice.length_s)
    if not flats:
        bad = _bad(dark, None, masked.values())
        return Masters(bias, dark, None, bad, notes=notes, dark_holds_bias=holds_bias, noise=noise)
    lit = Flats(flats, masked[FrameKind.FLAT])
    pedestal = None if may_scale else _pedestal(darks, flats, folder)

    def unlit(raw: RawFrame, seconds: float) -> Image:
        done = told_steps(raw.header)
        # No master is made of flats that still hold what is no light; and with a dark the bias went too.
        if combined_of(raw.header) > 1 or FrameKind.DARK in done:
            return raw.data
        is_freed = FrameKind.BIAS in done
        if pedestal is not None:
            return raw.data if is_freed else _less(raw.data, pedestal)
        return _less_dark(raw.data if is_freed else _less(raw.data, bias), dark, seconds)

    flat = lit.response(unlit, folder)
    has_pedestal = bias is None and pedestal is None
    notes += lit.notes(has_pedestal=has_pedestal)
    noise = replace(noise, flat=lit.variance)
    bad = _bad(dark, flat, masked.values())
    made = Masters(bias, dark, flat, bad, notes=notes, dark_holds_bias=holds_bias, noise=noise)
    if not lit.lit or (has_pedestal and lit.has_pedestal):
        return made
    try:
        return replace(made, transfer=_transfer(lit.lit, biases, darks))
    except FrameRefused as refused:
        return replace(made, untold=str(refused))


def _of_darks(
    darks: Sequence[Calibrator], used: Sequence[Calibrator], unknown: Sequence[Calibrator], length_s: float
) -> tuple[str, ...]:
    """Sentences where darks that are there are not taken from a frame."""
    said = [set_aside(unknown, NO_LENGTH)] if unknown else []
    if darks and not used:
        of = ", ".join(f"{each:g}" for each in sorted({_seconds(one) for one in darks})[:MOST_LENGTHS])
        own = f"{length_s:g} s" if length_s else "a length that its header does not tell"
        said.append(
            f"its camera's darks are of {of} s and it is of {own}: without a bias neither dark current nor "
            "bias is taken from it; `astrid ingest` biases, or darks of its length"
        )
    return tuple(said)


def _transfer(
    lit: Sequence[Lit], biases: Sequence[Calibrator], darks: Sequence[Calibrator]
) -> PhotonTransfer:
    """The gain by flats and biases, or darks of one length, the shortest, where there are not two of these.

    Raises
    ------
    FrameRefused
        They do not tell it.
    """
    single = [one for one in biases if one.exposures == 1]
    by_darks = len(single) < 2
    if by_darks:
        own = sorted((one for one in darks if one.exposures == 1), key=_seconds)
        alike = ([one for one in own if same_length(_seconds(one), _seconds(first))] for first in own)
        single = next((group for group in alike if len(group) > 1), [])
    dim = []
    for raw in (one.read() for one in single[:MOST_BIASES]):
        dim.append(blocks_of(trim(raw).raw.data, amplifiers(raw)))
    return replace(photon_transfer(lit, dim), by_darks=by_darks)


@dataclass(slots=True)
class _Biased:
    """How much of the bias was taken out of the dark current, whose noise it left there."""

    exposures: int = 0
    a_second: float = 0.0

    def add(self, exposures: int, seconds: float, *, is_taken: bool) -> None:
        """Count a dark of so many exposures, of so many seconds each."""
        self.exposures += exposures
        self.a_second += is_taken * exposures / seconds

    @property
    def seconds(self) -> float:
        """In how many of them the dark current holds the bias once; 0 where it was taken out of no dark."""
        return self.exposures / self.a_second if self.a_second > 0.0 else 0.0


def _dark_rates(
    darks: Sequence[Calibrator], bias: Image | None, masked: Masked, biased: _Biased
) -> Iterator[tuple[Image, int]]:
    """The dark current in data units per second, each with how many exposures it is of."""
    for one in darks:
        raw = trim(one.read()).raw
        exposures = combined_of(raw.header)
        masked.add(raw, exposures)
        due = bias if bias is not None and _holds(raw, bias) else None
        biased.add(exposures, _seconds(one), is_taken=due is not None)
        yield _less(raw.data, due) / np.float32(_seconds(one)), exposures


def _holds(raw: RawFrame, bias: Image) -> bool:
    """Whether a dark holds the bias: it was not freed of it, as its header says or a master's level."""
    if _is_freed(raw):
        return False
    is_master = combined_of(raw.header) > 1
    return not is_master or float(np.median(raw.data)) >= FREE_OF_BIAS * float(np.median(bias))


def _is_freed(raw: RawFrame) -> bool:
    """Whether the header says that the bias was taken out."""
    return FrameKind.BIAS in told_steps(raw.header)


def _pedestal(darks: Sequence[Calibrator], flats: Sequence[Calibrator], folder: Path | None) -> Image:
    """What flats hold beside light, where no bias tells: a dark of the length nearest to theirs."""
    wanted = float(np.median([_seconds(one) for one in flats]))
    nearest = min((_seconds(one) for one in darks), key=lambda seconds: abs(seconds - wanted))
    alike = [one for one in darks if same_length(_seconds(one), nearest)]
    return mean_of(_as_they_are(alike, Masked()), folder)


def _as_they_are(calibrators: Iterable[Calibrator], masked: Masked) -> Iterator[tuple[Image, int]]:
    """Biases or darks without their overscan, each with how many exposures it is of."""
    for one in calibrators:
        raw = trim(one.read()).raw
        exposures = combined_of(raw.header)
        masked.add(raw, exposures)
        yield raw.data, exposures


def _seconds(calibrator: Calibrator) -> float:
    """How long it was exposed."""
    return calibrator.exposure.exposure_s or 0.0


def _less(image: Image, bias: Image | None) -> Image:
    """An image without its bias."""
    return image if bias is None else image - bias


def _less_dark(image: Image, dark: Image | None, seconds: float) -> Image:
    """An image without its dark current."""
    return image if dark is None else _less(image, (dark * np.float32(seconds)).astype(np.float32))


def _bad(dark: Image | None, flat: Image | None, masked: Iterable[Masked]) -> NDArray[np.bool_] | None:
    """Pixels that are hot in the dark or dead in the flat, and those of which either or the bias has none."""
    bad: NDArray[np.bool_] | None = None
    if dark is not None:
        middle = np.median(dark)
        deviation = np.abs(dark - middle)
        bad = deviation > HOT_SIGMA * max(_scatter(deviation.ravel()), 1e-9)
    if flat is not None:
        bad = flat <= 0.0 if bad is None else bad | (flat <= 0.0)
    for pixels in (each.pixels for each in masked):
        if pixels is not None:
            bad = pixels if bad is None else bad | pixels
    return bad


def _scatter(deviation: NDArray[np.float32]) -> float:
    """A standard deviation, of absolute deviations from the median.

    Of whole numbers with little noise, or of what was clipped at zero, half and more may be equal: then those
    tell that deviate, as so many of a normal distribution do.
    """
    usual = max(MAD_TO_SIGMA * quantile(deviation, 0.5), quantile(deviation, 0.6827))
    wider = (quantile(deviation, share) / sigmas for sigmas, share in ((2.0, 0.9545), (3.0, 0.9973)))
    return next((each for each in (usual, *wider) if each > 0.0), 0.0)
