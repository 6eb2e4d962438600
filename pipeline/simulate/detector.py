"""The simulated CCD: what it adds to the light, and how it reads it out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]

GAIN = 1.4  # electrons per count
READ_NOISE = 6.0  # electrons
FULL_WELL = 80_000.0  # electrons
BIAS_LEVEL = 1000.0  # counts
DARK_CURRENT = 0.02  # electrons a second
OVERSCAN = 32  # columns, right of the image
SATURATION = 0.98 * FULL_WELL / GAIN + BIAS_LEVEL  # counts, as a raw header tells it
COSMIC_RAYS = 0.2  # a second, on 1024 x 1024 pixels


@dataclass(frozen=True, slots=True)
class Ray:
    """A cosmic ray: where its track begins and ends, in 0-based pixel centres, and its electrons."""

    x: float
    y: float
    x_end: float
    y_end: float
    electrons: float


@dataclass(frozen=True, slots=True)
class Detector:
    """The patterns that stay the same from frame to frame.

    Attributes
    ----------
    response : (height, width) float64
        Vignetting, dust, pixels of unequal sensitivity and dead columns; its median is 1.
    dark : (height, width) float64
        Electrons a second, hot pixels and hot columns included.
    bias : (height, width + overscan) float64
        Counts, without the level that drifts.
    bad_columns : tuple of int
    """

    response: Array
    dark: Array
    bias: Array
    bad_columns: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image section."""
        return self.response.shape[0], self.response.shape[1]

    def expose(self, random: np.random.Generator, light: Array, seconds: float) -> tuple[Array, list[Ray]]:
        """Electrons in the wells after an exposure.

        Parameters
        ----------
        light : (height, width) float64
            The expected electrons on a detector of unit response.
        seconds : float
            Of dark current and cosmic rays.

        Returns
        -------
        electrons : (height, width) float64
        rays : list of Ray
        """
        electrons = random.poisson(light * self.response + self.dark * seconds).astype(np.float64)
        rays = add_cosmic_rays(random, electrons, seconds)
        bleed(electrons)
        return electrons, rays

    def read(self, random: np.random.Generator, electrons: Array) -> NDArray[np.uint16]:
        """Counts of the image and its overscan: (height, width + overscan) uint16."""
        height, width = self.shape
        counts = self.bias + BIAS_LEVEL + random.normal(0.0, 2.0)
        counts[:, :width] += electrons / GAIN
        noise = random.standard_normal((height, width + OVERSCAN), dtype=np.float32)
        counts += noise * (READ_NOISE / GAIN)
        return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def make_detector(random: np.random.Generator, size: int) -> Detector:
    """A detector with the flaws of a real one."""
    v, u = np.mgrid[0:size, 0:size] * (2.0 / (size - 1)) - 1.0
    response = (1.0 - 0.10 * (u**2 + v**2) + 0.01 * u) * random.normal(1.0, 0.006, (size, size))
    for _ in range(max(2, round(8 * (size / 1024) ** 2))):
        _add_dust(random, response)
    dark = random.gamma(4.0, DARK_CURRENT / 4.0, (size, size))
    hot = random.random((size, size)) < 2e-4
    dark[hot] += random.exponential(15.0, int(hot.sum()))

    columns = random.choice(np.arange(8, size - 8), max(2, round(4 * size / 1024)), replace=False)
    for i, column in enumerate(columns):
        start = int(random.uniform(0.0, 0.7) * size)
        if i % 2 == 0:
            response[start:, column] *= random.uniform(0.0, 0.05)
        else:
            dark[start:, column] += random.uniform(10.0, 40.0)
    ripple = random.normal(0.0, 0.8, size + OVERSCAN)[None, :]
    slope = np.linspace(-1.5, 1.5, size)[:, None]
    return Detector(
        response=response / np.median(response),
        dark=dark,
        bias=ripple + slope,
        bad_columns=tuple(sorted(int(c) for c in columns)),
    )


def _add_dust(random: np.random.Generator, response: Array) -> None:
    """The out-of-focus shadow of one speck: a faint ring."""
    size = response.shape[0]
    x, y = random.uniform(0, size, 2)
    outer = random.uniform(10.0, 22.0)
    depth = random.uniform(0.01, 0.03)
    reach = 2.0 * outer
    rows = np.arange(max(int(y - reach), 0), min(int(y + reach), size))
    columns = np.arange(max(int(x - reach), 0), min(int(x + reach), size))
    r = np.hypot(columns[None, :] - x, rows[:, None] - y)
    shade = depth * expit(r - 0.45 * outer) * expit(outer - r)
    response[np.ix_(rows, columns)] *= 1.0 - shade


def add_cosmic_rays(random: np.random.Generator, electrons: Array, seconds: float) -> list[Ray]:
    """Add the tracks of charged particles in place: straight, as sharp as a pixel."""
    height, width = electrons.shape
    rays = []
    for _ in range(random.poisson(COSMIC_RAYS * seconds * electrons.size / 1024**2)):
        x, y = random.uniform(0, width - 1), random.uniform(0, height - 1)
        angle, length = random.uniform(0.0, 2.0 * np.pi), random.exponential(4.0)
        charge = float(random.lognormal(np.log(2500.0), 0.8))
        steps = np.linspace(0.0, length, 4 * (int(length) + 2))
        columns = np.rint(x + steps * np.cos(angle) + random.normal(0.0, 0.2, steps.size)).astype(int)
        rows = np.rint(y + steps * np.sin(angle) + random.normal(0.0, 0.2, steps.size)).astype(int)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        deposit = random.gamma(2.0, 1.0, steps.size)
        deposit = np.rint(charge * deposit / deposit.sum())[inside]
        np.add.at(electrons, (rows[inside], columns[inside]), deposit)
        end = x + length * float(np.cos(angle)), y + length * float(np.sin(angle))
        rays.append(Ray(float(x), float(y), *end, float(deposit.sum())))
    return rays


def bleed(electrons: Array, full_well: float = FULL_WELL) -> None:
    """Let what a pixel cannot hold flow along its column, half each way, in place.

    No electron is lost but those that flow over the frame's edge.
    """
    for column in np.flatnonzero((electrons > full_well).any(axis=0)):
        wells = electrons[:, column]
        excess = np.maximum(wells - full_well, 0.0)
        np.minimum(wells, full_well, out=wells)
        full = excess > 0
        starts = np.flatnonzero(full & ~np.concatenate([[False], full[:-1]]))
        ends = np.flatnonzero(full & ~np.concatenate([full[1:], [False]]))
        for start, end in zip(starts, ends, strict=True):
            spill = float(excess[start : end + 1].sum())
            _pour(wells[end + 1 :], spill / 2.0, full_well)
            _pour(wells[:start][::-1], spill / 2.0, full_well)


def _pour(wells: Array, amount: float, full_well: float) -> None:
    """Fill wells in their order until the amount is used up."""
    room = full_well - wells
    before = np.cumsum(room) - room
    wells += np.clip(amount - before, 0.0, room)
