"""The noise that a mean of few exposures has left, and that it brings into every frame it is applied to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.calibration.noise import roughness, some_rows
from pipeline.frame import Image
from pipeline.quantile import MAD_TO_SIGMA, quantile

MOST_PAIRS = 5


@dataclass(frozen=True, slots=True)
class MeanNoise:
    """The variance of a pixel of each master; 0 where nothing tells it.

    Attributes
    ----------
    bias : float
        Data units squared.
    dark : float
        Data units a second, squared.
    flat : float
        Relative, squared, where the response is 1; of a response ``f`` it is as much over ``f``.
    dark_s : float
        How long the darks were exposed that the bias was taken out of; 0 where it was taken out of none.
    """

    bias: float = 0.0
    dark: float = 0.0
    flat: float = 0.0
    dark_s: float = 0.0

    def added(self, seconds: float, *, has_bias: bool, has_dark: bool) -> float:
        """Data units squared that bias and dark add to an exposure of so many seconds.

        The bias that was taken out of the darks comes back with them, scaled: of the frame's own length they
        cancel its noise.
        """
        scaled = seconds / self.dark_s if has_dark and self.dark_s > 0.0 else 0.0
        return self.bias * (has_bias - scaled) ** 2 + has_dark * self.dark * seconds**2


UNKNOWN = MeanNoise()


class Pairs:
    """What tells the noise of a mean: how single exposures that follow each other differ, in some rows."""

    def __init__(self) -> None:
        self._before: Image | None = None
        self._variances: list[float] = []
        self._exposures = 0

    def of(self, images: Iterable[tuple[Image, int]]) -> Iterator[tuple[Image, int]]:
        """The images, each with how many exposures it is the mean of; single ones are compared meanwhile."""
        for image, exposures in images:
            self._exposures += exposures
            if exposures == 1 and len(self._variances) < MOST_PAIRS:
                self._compare(image[some_rows(image)])
            yield image, exposures

    def variance(self, most: float = math.inf) -> float:
        """That of a pixel of their mean; 0 where masters alone were, for nothing tells what they hold.

        Parameters
        ----------
        most : float
            That of a single exposure where there is but one: what its pixels differ by is a pattern too.
        """
        if self._before is None:
            return 0.0
        if not self._variances:
            return min(_variance(self._before), most) / self._exposures
        return float(np.median(self._variances)) / self._exposures

    def _compare(self, rows: Image) -> None:
        rows = rows.astype(np.float32)  # a copy
        if self._before is not None and self._before.shape == rows.shape:  # else it is refused in a moment
            self._variances.append(_variance(self._before - rows) / 2.0)
        self._before = rows


def _variance(image: Image) -> float:
    """That of independent pixels; of whole numbers most may be equal, then those tell that are not."""
    deviation = np.abs(roughness(image)).ravel()
    return max(MAD_TO_SIGMA * quantile(deviation, 0.5), quantile(deviation, 0.6827)) ** 2
