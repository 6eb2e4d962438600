"""The response of the pixels, of flats that are neither saturated nor without light."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator
from pipeline.calibration.combine import mean_of
from pipeline.calibration.fitting import none_of_use, set_aside
from pipeline.calibration.masked import Masked
from pipeline.calibration.mean_noise import Pairs
from pipeline.calibration.overscan import amplifiers, trim
from pipeline.calibration.photon_transfer import MOST_FULL, Lit, blocks_of
from pipeline.files.headers import data_unit
from pipeline.files.readout import combined_of
from pipeline.files.steps import told_steps
from pipeline.frame import Image, RawFrame

LOWEST_FLAT = 0.1  # of the median: below it a pixel sees no light to speak of
PLATEAU_SHARE = 0.01  # of a flat's pixels at the converter's most
SATURATED = 0.9  # of the saturation: the median of a flat above it cannot be trusted
NORMALISED = 50.0  # data units: a flat of less is one that was divided by its level, and holds no bias
CONVERTERS_FULL = (4095.0, 16383.0, 32767.0, 65535.0)  # of 12, 14, 15 and 16 bits
MOST_LIT = 8  # flats whose gain is measured
IS_SATURATED = "saturated"
IS_DARK = "without light once the bias is subtracted"

Unlit = Callable[[RawFrame, float], Image]


class Flats:
    """Flats of one filter, read one at a time, and what is to be said of them."""

    def __init__(self, flats: Sequence[Calibrator], masked: Masked) -> None:
        self._flats = flats
        self._masked = masked
        self._aside: dict[str, list[Calibrator]] = {}
        self._pairs = Pairs()
        self._photons = 0.0  # relative variance that the photons of the last one make; 0 where nothing tells
        self._level = 0.0  # of the brightest that still holds whatever the camera adds
        self.lit: list[Lit] = []  # some of those that may tell a gain which no header does

    def response(self, unlit: Unlit, folder: Path | None) -> Image:
        """The relative response of the pixels; 0 where there is none to speak of.

        Parameters
        ----------
        unlit : callable
            Takes from a flat without its overscan, exposed for so many seconds, what is no light.
        folder : Path, optional
            Where they are put meanwhile if they are too many for memory.

        Raises
        ------
        FrameRefused
            None is of use.
        """
        mean = mean_of(self._pairs.of(self._lit(unlit)), folder)
        mean /= np.float32(np.median(mean))
        mean[mean < LOWEST_FLAT] = 0.0
        return mean

    @property
    def variance(self) -> float:
        """What is left of their noise in the response, relative and squared."""
        return self._pairs.variance(self._photons)

    @property
    def has_pedestal(self) -> bool:
        """Whether any holds what the camera adds, where no bias or dark takes that out."""
        return self._level > NORMALISED

    def notes(self, *, has_pedestal: bool) -> tuple[str, ...]:
        """Sentences for the frames that they are used for, once they were read."""
        said = [set_aside(group, reason) for reason, group in self._aside.items()]
        if has_pedestal and self.has_pedestal:
            said.append(
                "its flats were used without a bias or dark: what the camera adds to them stays in them"
            )
        return tuple(said)

    def _lit(self, unlit: Unlit) -> Iterator[tuple[Image, int]]:
        """Those with light in them, as parts of their median, each with how many exposures it is of."""
        for one in self._flats:
            raw = one.read()
            exposures = combined_of(raw.header)
            level = float(np.median(raw.data))
            if exposures == 1 and level >= SATURATED * _full(raw):
                self._aside.setdefault(IS_SATURATED, []).append(one)
                continue
            trimmed = trim(raw)
            image = unlit(trimmed.raw, one.exposure.exposure_s or 0.0)
            light = float(np.median(image))
            if light <= 0.0:
                self._aside.setdefault(IS_DARK, []).append(one)
                continue
            if exposures == 1 and trimmed.pedestal == 0.0 and FrameKind.BIAS not in told_steps(raw.header):
                self._level = max(self._level, level)
            if sum(bool(each.blocks) for each in self.lit) < MOST_LIT and tells_gain(raw):
                fullness = level / _at_most(raw)
                of_use = blocks_of(image, amplifiers(raw)) if fullness <= MOST_FULL else ()
                self.lit.append(Lit(light, fullness, of_use))
            self._masked.add(trimmed.raw, exposures)
            gain = raw.exposure.gain
            self._photons = 0.0 if gain is None else 1.0 / (gain * light)
            yield image / np.float32(light), exposures
        if sum(map(len, self._aside.values())) == len(self._flats):
            reason, (first, *_) = next(iter(self._aside.items()))
            raise none_of_use(self._flats, first, reason)


def tells_gain(raw: RawFrame) -> bool:
    """Whether a calibration frame is one exposure in counts of which no header tells what they are worth."""
    unit = data_unit(raw.header)
    is_count = unit.kind == "counts" and not unit.per_second
    return is_count and raw.exposure.gain is None and combined_of(raw.header) == 1


def _full(raw: RawFrame) -> float:
    """Where a flat is full, in its own units; infinite where nothing tells."""
    if raw.exposure.saturation is not None:
        return raw.exposure.saturation
    # Many pixels at exactly the most that a converter gives are a plateau.
    top = float(raw.data.max())
    is_full = top in CONVERTERS_FULL and float(np.mean(raw.data == top)) > PLATEAU_SHARE
    return top if is_full else math.inf


def _at_most(raw: RawFrame) -> float:
    """The same; where nothing tells, what 16 bits hold, as far as no pixel is above it."""
    full = _full(raw)
    return CONVERTERS_FULL[-1] if math.isinf(full) and raw.data.max() <= CONVERTERS_FULL[-1] else full
