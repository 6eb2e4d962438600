"""Which known small bodies are where candidates are: orbits propagated to each frame's time and place.

A night is looked at once: all bodies on their two-body orbits at the middle of a day, with how fast they
go. Places then take those that can be near them, few of a million. The planets' pull on these is
integrated once for all places of a day, and each is propagated with light-time and the observer's place
to the times of its places.

Against JPL Horizons this is right to 0.02 arcsec within 30 days of the elements' epoch, and to 0.5 arcsec
over 840 days for a main-belt body from MPCORB (`tests.pipeline.test_kepler`). What passes the Earth is where
its elements take it, to an arcsecond at 0.01 au; the pull of other small bodies is beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.objects.sphere import chord, unit_vectors
from core.surveys.sites import Site
from pipeline.known.kepler import (
    Orbits,
    Places,
    comet_magnitude,
    displaced,
    magnitude,
    observer,
    seen,
    terrestrial_time,
)

Values = NDArray[np.float64]
Answer = dict[str, Any]

MAX_DAYS = 400.0  # from an orbit's epoch; beyond, the two-body orbits that choose go astray
CHUNK = 200_000  # bodies propagated at once, and compared with 64 directions at once
CELL = 0.02  # of the unit sphere: the side of a cube of places; none in it is farther from their middle
MARGIN_DEG = 0.15  # of what the planets add to two-body orbits meanwhile
SLACK_AU = 3e-4  # the Sun's pull in half a day, light-time, and the Earth's radius
NEAR_AU, NEAR_SLACK_AU = 0.3, 5e-3  # what passes the Earth so near, the Earth has moved by more
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
    motion: NDArray[np.float32]  # (n, 3), au a day, as the Earth sees it
    least: NDArray[
        np.float32
    ]  # the cosine of how far it can be from there in half a day, and a cell's radius


class SmallBodies:
    """The bodies of one catalogue of orbits.

    Parameters
    ----------
    folder : Path
        Of the catalogue.
    name : str
    epoch : float or None
        Of most of its orbits, Julian years.
    """

    def __init__(self, folder: Path, name: str, epoch: float | None) -> None:
        self._name, self._epoch = name, epoch
        self._table = np.load(folder / "orbits.npy", mmap_mode="r")
        self._epochs = np.unique(self._table["epoch"])
        self._days: dict[int, _Day] = {}

    def matches(
        self, ra: Values, dec: Values, mjd: Values | float, within_arcsec: float, site: Site | None = None
    ) -> list[Answer | str | None]:
        """The nearest body to each place at its time; those of one day are looked for together.

        Parameters
        ----------
        ra, dec : (n,) float64
            Degrees.
        mjd : (n,) float64, or float
            UTC.
        within_arcsec : float
            A body may be so far, and three times its uncertainty, but not beyond a minute of arc.
        site : (float, float), optional
            The observer's, degrees north and east; the Earth's centre where it is not known.

        Returns
        -------
        list of dict, str or None
            A match has its ``uncertainty_arcsec`` (1 sigma; none where its orbit tells no error) and
            ``days`` from the orbit's epoch, and its magnitude in V as the orbit's absolute magnitude has it.
            A string is the reason why it cannot be told.
        """
        times = np.broadcast_to(np.asarray(mjd, dtype=np.float64), ra.shape)
        answers: list[Answer | str | None] = [None] * len(ra)
        points = unit_vectors(ra, dec)
        for number in np.unique(np.floor(times[np.isfinite(times)])):
            here = np.flatnonzero(np.floor(times) == number)
            days = float(np.min(np.abs(self._epochs - times[here[0]])))
            if days > MAX_DAYS:
                told = f"the orbits of {self._name} are of {days:.0f} days before or after"
                for point in here:
                    answers[point] = told
                continue
            for point, found in zip(
                here, self._of_day(points[here], times[here], within_arcsec, site), strict=True
            ):
                answers[point] = found
        for point in np.flatnonzero(~np.isfinite(times)):
            answers[point] = "the time is not known"
        return answers

    def _of_day(
        self, points: Values, times: Values, within_arcsec: float, site: Site | None
    ) -> list[Answer | None]:
        """The nearest body to each place, all of one day."""
        near = self._near(points, times)
        every = np.unique(np.concatenate(near)) if near else np.zeros(0, dtype=np.int64)
        answers: list[Answer | None] = [None] * len(points)
        if len(every) == 0:
            return answers
        rows = np.asarray(self._table[every])
        orbits = Orbits.of(rows)
        # What the planets add is integrated once: within the day it is pulled on as in its middle.
        middle = float(times.mean())
        moved, speed, pull = displaced(orbits, terrestrial_time(middle))
        for time in np.unique(times):
            here = np.flatnonzero(times == time)
            which = np.searchsorted(every, np.unique(np.concatenate([near[point] for point in here])))
            if len(which) == 0:
                continue
            since = float(time) - middle
            shift = moved[which] + speed[which] * since + 0.5 * pull[which] * since**2
            places = seen(orbits.take(which), float(time), site, moved=shift)
            found = self._nearest(rows[which], places, points[here], float(time), within_arcsec)
            for point, answer in zip(here, found, strict=True):
                answers[point] = answer
        return answers

    def _nearest(
        self, rows: NDArray[Any], places: Places, points: Values, mjd: float, within_arcsec: float
    ) -> list[Answer | None]:
        """The nearest of some bodies to each place at one time."""
        # An orbit's errors are told as the Sun sees them.
        sigma = uncertainty(rows, mjd, np.maximum(places.sun_distance / places.distance, 1.0))
        reach = np.minimum(within_arcsec + SIGMAS * sigma, MOST_ARCSEC)
        bright = comet_magnitude if "perihelion" in (rows.dtype.names or ()) else magnitude
        mag = bright(rows["h"].astype(float), rows["g"].astype(float), places)
        vectors = places.vectors
        answers: list[Answer | None] = []
        for i, found in enumerate(KDTree(vectors).query_ball_point(points, chord(MOST_ARCSEC / 3600.0))):
            which = np.array(found, dtype=np.int64)
            chords = np.linalg.norm(vectors[which] - points[i], axis=1)
            apart = np.degrees(2.0 * np.arcsin(chords / 2.0)) * 3600.0
            which, apart = which[apart <= reach[which]], apart[apart <= reach[which]]
            if len(which) == 0:
                answers.append(None)
                continue
            best = which[int(np.argmin(apart))]
            # What an orbit without any error could be wrong by says how far to look, and nothing of this one.
            is_told = np.isfinite([rows["u"][best], rows["rms"][best]]).any()
            told = (float(apart.min()), float(sigma[best]) if is_told else None, float(mag[best]))
            answers.append(self._answer(rows[best], *told, mjd))
        return answers

    def _answer(self, row: Any, apart: float, sigma: float | None, mag: float, mjd: float) -> Answer:
        return {
            "status": "match",
            "catalog": self._name,
            "epoch": self._epoch,
            "distance_arcsec": round(apart, 3),
            "name": row["name"].decode("utf-8", errors="replace"),
            "mag": round(mag, 2) if np.isfinite(mag) else None,
            "band": "V",
            "uncertainty_arcsec": None if sigma is None else round(sigma, 2),
            "days": round(mjd - float(row["epoch"]), 1),
        }

    def _near(self, points: Values, times: Values) -> list[NDArray[np.int64]]:
        """For each place of one day the bodies that can be near it at its time."""
        day = self._day(int(np.floor(times[0])))
        # Places in one small cube at one time are one question.
        keys = np.column_stack([np.floor(points / CELL), times])
        _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        group = np.ravel(group)
        order = np.argsort(group, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(group))[:-1])
        middles = np.array([points[each].mean(axis=0) for each in members])
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        chosen = [
            self._there(day, bodies, points[each], middle, float(times[at]))
            for bodies, each, middle, at in zip(_around(day, middles), members, middles, first, strict=True)
        ]
        return [chosen[number] for number in group]

    @staticmethod
    def _there(
        day: _Day, bodies: NDArray[np.int64], points: Values, middle: Values, mjd: float
    ) -> NDArray[np.int64]:
        """Those of some bodies that can be near places around a direction at a time."""
        line = day.towards[bodies].astype(np.float64) * day.distance[bodies, None]
        line += day.motion[bodies] * (mjd - day.mjd)
        distance = np.linalg.norm(line, axis=1)
        cosine = line @ middle / np.maximum(distance, 1e-12)
        radius = float(np.arccos(np.clip(points @ middle, -1.0, 1.0)).max())
        margin = (
            radius + np.radians(MARGIN_DEG + MOST_ARCSEC / 3600.0) + np.arctan2(_slack(distance), distance)
        )
        return np.asarray(bodies[np.arccos(np.clip(cosine, -1.0, 1.0)) <= margin])

    def _day(self, number: int) -> _Day:
        if number not in self._days:
            if len(self._days) >= 2:  # a night touches two days of UTC
                self._days.pop(max(self._days, key=lambda each: abs(each - number)))
            self._days[number] = self._propagated(number + 0.5)
        return self._days[number]

    def _propagated(self, mjd: float) -> _Day:
        count = len(self._table)
        towards, motion = (np.zeros((count, 3), dtype=np.float32) for _ in range(2))
        distances, least = (np.zeros(count, dtype=np.float32) for _ in range(2))
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
            motion[start:end] = relative
            # A straight line, and what is left of it by the Sun's pull, light-time and the observer's place.
            across = np.linalg.norm(relative - along * line, axis=1)
            slack = _slack(distance[:, 0])
            turned = np.arctan2(0.5 * across + slack, (distance - 0.5 * np.abs(along))[:, 0])
            reach = turned + np.radians(MARGIN_DEG + MOST_ARCSEC / 3600.0) + CELL
            least[start:end] = np.cos(np.minimum(reach, np.pi))
            towards[start:end][np.abs(rows["epoch"] - mjd) > MAX_DAYS] = np.nan
        return _Day(mjd, towards, distances, motion, least)


def _slack(distance: Values) -> Values:
    """How far bodies can be off the straight lines of a day, au, by their distances from the Earth."""
    return np.where(distance < NEAR_AU, NEAR_SLACK_AU, SLACK_AU)


def _around(day: _Day, middles: Values) -> list[NDArray[np.int64]]:
    """For each direction the bodies that can be within a cell of it at some time of a day."""
    found: list[list[NDArray[np.int64]]] = [[] for _ in middles]
    directions = middles.astype(np.float32).T
    chunk = max(CHUNK * 64 // max(len(middles), 64), 1)
    for start in range(0, len(day.towards), chunk):
        # In single precision the angle is right to an arcminute, which the margin holds.
        near = day.towards[start : start + chunk] @ directions >= day.least[start : start + chunk, None]
        bodies, which = np.nonzero(near)
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=len(middles)))[:-1]
        for number, part in enumerate(np.split(bodies[order], ends)):
            found[number].append(part + start)
    return [np.concatenate(each) for each in found]


def uncertainty(rows: NDArray[Any], mjd: float, closer: Values | float = 1.0) -> Values:
    """One sigma of predicted places, arcsec.

    The residuals of the orbit's fit, the runoff by the uncertainty parameter U since the epoch (of the
    worst U where it has none), and what the propagation and the rounded elements may be wrong by.

    Parameters
    ----------
    closer : (n,) float64
        How many times closer than the Sun the observer is.
    """
    days = np.abs(mjd - rows["epoch"])
    u = np.where(np.isfinite(rows["u"]), rows["u"], WORST_U).astype(np.float64)
    runoff = WORST_RUNOFF ** (np.clip(u, 0.0, WORST_U) / WORST_U) * days / DECADE_DAYS
    fit = np.nan_to_num(rows["rms"].astype(np.float64))
    model = MODEL_ARCSEC + MODEL_ARCSEC_A_DAY * days
    return np.asarray(np.sqrt((runoff * closer) ** 2 + fit**2 + (model * closer) ** 2))


@lru_cache(maxsize=2)
def small_bodies(folder: Path, name: str, epoch: float | None) -> SmallBodies:
    """The bodies of a catalogue; those of the last two are kept, with their days."""
    return SmallBodies(folder, name, epoch)
