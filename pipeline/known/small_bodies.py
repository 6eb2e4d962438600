"""Which known small bodies are where candidates are: orbits propagated to each frame's time and place.

A night is looked at once: all bodies on their two-body orbits at the middle of a day, with how fast they
go. A frame then takes those that can be near it, a few hundred of a million, and only these are
propagated with light-time, the planets' pull and the observer's place.

Against JPL Horizons this is right to 0.02 arcsec within 30 days of the elements' epoch, and to 0.5 arcsec
over 840 days for a main-belt body from MPCORB (`tests.pipeline.test_kepler`); close approaches and the
pull of other small bodies are beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.objects.sky import chord, separation_deg, unit_vectors
from pipeline.known.kepler import Orbits, magnitude, observer, seen, terrestrial_time

Values = NDArray[np.float64]
Answer = dict[str, Any]
Site = tuple[float, float]

MAX_DAYS = 400.0  # from an orbit's epoch; beyond, the two-body orbits that choose go astray
CHUNK = 200_000  # bodies propagated at once
MARGIN_DEG = 0.15  # of what the planets add to two-body orbits meanwhile
SLACK_AU = 3e-4  # the Sun's pull in half a day, light-time, and the Earth's radius
MOST_ARCSEC = 60.0  # a match farther away would be chance, whatever the orbit's uncertainty
SIGMAS = 3.0
MODEL_ARCSEC, MODEL_ARCSEC_A_DAY = 0.1, 0.001  # what the propagation itself may be wrong by
# The uncertainty parameter U of the Minor Planet Center: the runoff of the longitude in arcsec a decade is
# below 648000**(U / 9).
WORST_RUNOFF = 648000.0
WORST_U = 9.0
DECADE_DAYS = 3652.5


@dataclass(frozen=True, slots=True)
class _Day:
    """All bodies at the middle of a day: towards where, how far, and how fast they go from there."""

    mjd: float
    towards: NDArray[np.float32]  # (n, 3)
    distance: NDArray[np.float32]  # au
    across: NDArray[np.float32]  # au a day, across the line of sight
    along: NDArray[np.float32]  # au a day, along it


class SmallBodies:
    """The bodies of one catalogue of orbits.

    Parameters
    ----------
    folder : Path
        Of the catalogue.
    name : str
    epoch : float or None
        Of most of its orbits, Julian years.
    site : (float, float) or None
        The observer's, degrees north and east; the Earth's centre where it is not known.
    """

    def __init__(self, folder: Path, name: str, epoch: float | None, site: Site | None) -> None:
        self._name, self._epoch, self._site = name, epoch, site
        self._table = np.load(folder / "orbits.npy", mmap_mode="r")
        self._epochs = np.unique(self._table["epoch"])
        self._days: dict[int, _Day] = {}

    def matches(self, ra: Values, dec: Values, mjd: float, within_arcsec: float) -> list[Answer | None] | str:
        """The nearest body to each place at one time.

        Parameters
        ----------
        ra, dec : (n,) float64
            Degrees.
        mjd : float
            UTC.
        within_arcsec : float
            A body may be so far, and three times its uncertainty, but not beyond a minute of arc.

        Returns
        -------
        list of dict or None
            A match has its ``uncertainty_arcsec`` (1 sigma) and ``days`` from the orbit's epoch, and its
            magnitude in V as the orbit's absolute magnitude has it. Or, for all, the reason why it cannot
            be told.
        """
        if not np.isfinite(mjd):
            return "the time is not known"
        days = float(np.min(np.abs(self._epochs - mjd)))
        if days > MAX_DAYS:
            return f"the orbits of {self._name} are of {days:.0f} days before or after"
        answers: list[Answer | None] = [None] * len(ra)
        points = unit_vectors(ra, dec)
        middle = points.mean(axis=0)
        middle /= max(float(np.linalg.norm(middle)), 1e-12)
        radius = float(np.arccos(np.clip(points @ middle, -1.0, 1.0)).max(initial=0.0))
        near = self._near(mjd, middle, radius)
        if len(near) == 0:
            return answers
        rows = np.asarray(self._table[near])
        places = seen(Orbits.of(rows), mjd, self._site)
        sigma = uncertainty(rows, mjd)
        reach = np.minimum(within_arcsec + SIGMAS * sigma, MOST_ARCSEC)
        mag = magnitude(rows["h"].astype(float), rows["g"].astype(float), places)
        tree = KDTree(places.vectors)
        for i, found in enumerate(tree.query_ball_point(points, chord(MOST_ARCSEC / 3600.0))):
            which = np.array(found, dtype=np.int64)
            apart = separation_deg(places.ra[which], places.dec[which], ra[i], dec[i]) * 3600.0
            which, apart = which[apart <= reach[which]], apart[apart <= reach[which]]
            if len(which):
                best = which[int(np.argmin(apart))]
                told = (float(apart.min()), float(sigma[best]), float(mag[best]))
                answers[i] = self._answer(rows[best], *told, mjd)
        return answers

    def _answer(self, row: Any, apart: float, sigma: float, mag: float, mjd: float) -> Answer:
        return {
            "status": "match",
            "catalog": self._name,
            "epoch": self._epoch,
            "distance_arcsec": round(apart, 3),
            "name": row["name"].decode("utf-8", errors="replace"),
            "mag": round(mag, 2) if np.isfinite(mag) else None,
            "band": "V",
            "uncertainty_arcsec": round(sigma, 2),
            "days": round(mjd - float(row["epoch"]), 1),
        }

    def _near(self, mjd: float, middle: Values, radius: float) -> NDArray[np.int64]:
        """Bodies that can be within a radius (radians) of a direction at a time."""
        day = self._day(int(np.floor(mjd)))
        cosine = day.towards @ middle.astype(np.float32)
        since = np.float32(abs(mjd - day.mjd))
        # A straight line, and what is left of it by the Sun's pull, light-time and the observer's place.
        nearest = day.distance - day.along * since
        turned = np.arctan2(day.across * since + SLACK_AU, nearest)
        margin = np.float32(np.radians(MARGIN_DEG + MOST_ARCSEC / 3600.0)) + turned
        # In single precision the angle is right to an arcminute, which the margin holds.
        return np.flatnonzero(np.arccos(np.clip(cosine, -1.0, 1.0)) <= radius + margin)

    def _day(self, number: int) -> _Day:
        if number not in self._days:
            if len(self._days) >= 2:  # a night touches two days of UTC
                self._days.pop(max(self._days, key=lambda each: abs(each - number)))
            self._days[number] = self._propagated(number + 0.5)
        return self._days[number]

    def _propagated(self, mjd: float) -> _Day:
        count = len(self._table)
        towards = np.zeros((count, 3), dtype=np.float32)
        distances, transverse, radial = (np.zeros(count, dtype=np.float32) for _ in range(3))
        tt = terrestrial_time(mjd)
        here, speed, _ = observer(mjd, None)
        for start in range(0, count, CHUNK):
            rows = np.asarray(self._table[start : start + CHUNK])
            end = start + len(rows)
            body, velocity = Orbits.of(rows).states(tt)
            line, relative = body - here, velocity - speed
            distance = np.linalg.norm(line, axis=1, keepdims=True)
            line /= distance
            along = np.sum(relative * line, axis=1, keepdims=True)
            towards[start:end] = line
            distances[start:end] = distance[:, 0]
            transverse[start:end] = np.linalg.norm(relative - along * line, axis=1)
            radial[start:end] = np.abs(along[:, 0])
            towards[start:end][np.abs(rows["epoch"] - mjd) > MAX_DAYS] = np.nan
        return _Day(mjd, towards, distances, transverse, radial)


def uncertainty(rows: NDArray[Any], mjd: float) -> Values:
    """One sigma of predicted places, arcsec.

    The residuals of the orbit's fit, the runoff by the uncertainty parameter U since the epoch (of the
    worst U where it has none), and what the propagation may be wrong by.
    """
    days = np.abs(mjd - rows["epoch"])
    u = np.where(np.isfinite(rows["u"]), rows["u"], WORST_U).astype(np.float64)
    runoff = WORST_RUNOFF ** (np.clip(u, 0.0, WORST_U) / WORST_U) * days / DECADE_DAYS
    fit = np.nan_to_num(rows["rms"].astype(np.float64))
    model = MODEL_ARCSEC + MODEL_ARCSEC_A_DAY * days
    return np.asarray(np.sqrt(runoff**2 + fit**2 + model**2))


@lru_cache(maxsize=2)
def small_bodies(folder: Path, name: str, epoch: float | None, site: Site | None) -> SmallBodies:
    """The bodies of a catalogue; those of the last two are kept, with their days."""
    return SmallBodies(folder, name, epoch, site)
