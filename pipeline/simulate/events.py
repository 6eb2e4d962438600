"""What changes on the simulated sky, and how bright it is when."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

GONE = float("inf")


class LightCurve(Protocol):
    """A magnitude at a time; `GONE` where there is nothing."""

    def magnitude(self, mjd: float) -> float:
        """The magnitude at one time, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Outburst:
    """Nothing before ``start``; then ``peak``, fading by ``decline`` magnitudes a day (or rising)."""

    peak: float
    start: float
    decline: float

    def magnitude(self, mjd: float) -> float:
        """The magnitude at one time, UTC."""
        return self.peak + self.decline * (mjd - self.start) if mjd >= self.start else GONE


@dataclass(frozen=True, slots=True)
class Fading:
    """One magnitude until ``when``, another after it."""

    before: float
    after: float
    when: float

    def magnitude(self, mjd: float) -> float:
        """The magnitude at one time, UTC."""
        return self.before if mjd < self.when else self.after


@dataclass(frozen=True, slots=True)
class Pulsation:
    """A quick rise and a slow decline, again and again, as RR Lyrae stars do."""

    mean: float
    amplitude: float
    period: float  # days
    epoch: float

    def magnitude(self, mjd: float) -> float:
        """The magnitude at one time, UTC."""
        phase = ((mjd - self.epoch) / self.period) % 1.0
        saw = phase / 0.8 if phase < 0.8 else (1.0 - phase) / 0.2
        return self.mean + self.amplitude * (saw - 0.5)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that changes.

    Attributes
    ----------
    id, kind : str
        The kind is ``transient``, ``fading``, ``variable`` or ``moving``.
    ra, dec : float
        Degrees, at ``epoch``.
    curve : LightCurve
    host : str
        The galaxy it lies on, or ``none``.
    motion : (float, float)
        Arcseconds an hour towards east and north.
    epoch : float
        MJD.
    """

    id: str
    kind: str
    ra: float
    dec: float
    curve: LightCurve
    host: str = "none"
    motion: tuple[float, float] = (0.0, 0.0)
    epoch: float = 0.0

    def position(self, mjd: float) -> tuple[float, float]:
        """Right ascension and declination at one time, degrees."""
        hours = (mjd - self.epoch) * 24.0
        dec = self.dec + self.motion[1] * hours / 3600.0
        ra = self.ra + self.motion[0] * hours / 3600.0 / float(np.cos(np.deg2rad(self.dec)))
        return ra, dec


@dataclass(frozen=True, slots=True)
class Streak:
    """A satellite's trail: its two ends in 0-based pixel centres, and its electrons a pixel of length."""

    x: float
    y: float
    x_end: float
    y_end: float
    electrons_per_px: float

    @property
    def length(self) -> float:
        """Pixels."""
        return float(np.hypot(self.x_end - self.x, self.y_end - self.y))

    def inside(self, shape: tuple[int, int]) -> "Streak":
        """The part within a frame of (height, width), which the trail must cross."""
        begin, step = np.array([self.x, self.y]), np.array([self.x_end - self.x, self.y_end - self.y])
        step = np.where(step == 0.0, 1e-12, step)
        crossings = (np.array([[-0.5, -0.5], [shape[1] - 0.5, shape[0] - 0.5]]) - begin) / step
        enter = max(0.0, float(crossings.min(axis=0).max()))
        leave = min(1.0, float(crossings.max(axis=0).min()))
        first, last = begin + enter * step, begin + leave * step
        return Streak(float(first[0]), float(first[1]), float(last[0]), float(last[1]), self.electrons_per_px)
