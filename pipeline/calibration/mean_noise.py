"""The noise that a mean of few exposures has left, and that it brings into every frame it is applied to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.calibration.noise import roughness, some_rows
from pipeline.frame import Image
from pipeline.quantile import MAD_TO_SIGMA, quantile


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
        How long the darks were exposed.
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
        scaled = seconds / self.dark_s if has_bias and has_dark and self.dark_s > 0.0 else 0.0
        return has_bias * self.bias * (1.0 - scaled) ** 2 + has_dark * self.dark * seconds**2


UNKNOWN = MeanNoise()


class Halves:
    """Sums of every other image of a mean, of some rows: by how they differ its noise is told."""

    def __init__(self) -> None:
        self._sums: list[Image] = []
        self._single = 0
        self._exposures = 0

    def of(self, images: Iterable[tuple[Image, int]]) -> Iterator[tuple[Image, int]]:
        """The images, each with how many exposures it is the mean of; single ones are added up meanwhile."""
        for image, exposures in images:
            self._exposures += exposures
            if exposures == 1:
                self._add(image[some_rows(image)])
            yield image, exposures

    def variance(self, most: float = math.inf) -> float:
        """That of a pixel of their mean; 0 where masters alone were, for nothing tells what they hold.

        Parameters
        ----------
        most : float
            That of a single exposure where there is but one: what its pixels differ by is a pattern too.
        """
        if not self._single:
            return 0.0
        if self._single == 1:
            return min(_variance(self._sums[0]), most) / self._exposures
        first, second = (self._single + 1) // 2, self._single // 2
        difference = self._sums[0] / np.float32(first) - self._sums[1] / np.float32(second)
        return _variance(difference) / (1.0 / first + 1.0 / second) / self._exposures

    def _add(self, rows: Image) -> None:
        half = self._single % 2
        self._single += 1
        if half == len(self._sums):
            self._sums.append(rows.astype(np.float32))  # a copy
        elif self._sums[half].shape == rows.shape:  # else it is refused as soon as they are combined
            self._sums[half] += rows


def _variance(image: Image) -> float:
    """That of independent pixels; of whole numbers most may be equal, then those tell that are not."""
    deviation = np.abs(roughness(image)).ravel()
    return max(MAD_TO_SIGMA * quantile(deviation, 0.5), quantile(deviation, 0.6827)) ** 2
