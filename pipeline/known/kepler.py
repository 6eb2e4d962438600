"""The motion of small bodies: two-body orbits, what the planets add to them, and where that is seen.

Elements are osculating, heliocentric, on the ecliptic of J2000.0. The Earth is that of `erfa.epv00`, the
Moon that of `erfa.moon98`, the other planets those of `erfa.plan94`, whose errors of some arcseconds do not
matter for what they pull. Relativity and the pull of other small bodies are neglected.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import erfa
import numpy as np
from numpy.typing import NDArray

from core.epochs import JD_OF_MJD_0
from core.objects.sphere import unit_vectors
from pipeline.known.open_orbits import GAUSS, in_plane

Values = NDArray[np.float64]
Vectors = NDArray[np.float64]  # (n, 3), au or au a day, axes of the ICRS

MU = GAUSS**2
OBLIQUITY = np.radians(84381.448 / 3600.0)  # of the ecliptic of J2000.0 (IAU 1976), which the orbits are on
LIGHT_DAYS = 499.004783836 / 86400.0  # that light takes for one au
AU_KM = 149597870.7
# The mass of the Sun over that of Mercury, Venus, Mars, Jupiter, Saturn, Uranus, Neptune, by their numbers in
# `erfa.plan94`; and over that of the Earth and of the Moon, which pull near bodies apart.
RECIPROCAL_MASSES = {
    1: 6023600.0, 2: 408523.71, 4: 3098708.0, 5: 1047.3486, 6: 3497.898, 7: 22902.98, 8: 19412.24,
}  # fmt: skip
EARTH_MASS, MOON_MASS = 332946.05, 332946.05 * 81.3006
MASSES = 1.0 / np.array([EARTH_MASS, MOON_MASS, *RECIPROCAL_MASSES.values()])
# Of the integration of what the planets add: at one au from the Sun and farther, nearer as periods go; and so
# many days for an au from a planet.
STEP_DAYS, STEP_DAYS_AN_AU, LEAST_STEP_DAYS = 4.0, 10.0, 0.02
FINER = 8.0  # bodies whose steps differ by less are integrated together
KEPLER_TOLERANCE, KEPLER_STEPS = 1e-12, 30
NEARLY_PARABOLIC = 0.99  # from this eccentricity on orbits are those of `pipeline.known.open_orbits`
LIGHT_ITERATIONS = 3


@dataclass(frozen=True, slots=True)
class Orbits:
    """Orbits of n bodies; angles in radians, epochs as MJD (TT), axes in au.

    Those that are nearly parabolic or open are told by their perihelion alone: their ``a`` is 1, their
    ``mean`` 0, and ``p`` and ``q`` are of unit length.
    """

    epoch: Values
    mean: Values
    a: Values
    e: Values
    p: Vectors  # towards perihelion, of length a
    q: Vectors  # a quarter of a turn on, of length a * sqrt(1 - e**2)
    perihelion: Values  # its distance
    since: Values  # days from perihelion to the epoch

    @classmethod
    def of(cls, table: NDArray[Any]) -> Orbits:
        """Orbits from rows of `pipeline.known.orbit_file` or of `pipeline.known.comet_file`."""
        peri, node, incl = (np.radians(table[name]) for name in ("peri", "node", "incl"))
        a, e = (np.asarray(table[name], dtype=np.float64) for name in ("a", "e"))
        cw, sw, cn, sn, ci, si = (f(x) for x in (peri, node, incl) for f in (np.cos, np.sin))
        p = np.stack([cw * cn - sw * sn * ci, cw * sn + sw * cn * ci, sw * si], axis=-1)
        q = np.stack([-sw * cn - cw * sn * ci, -sw * sn + cw * cn * ci, cw * si], axis=-1)
        mean = np.radians(table["mean"])
        if "perihelion" in (table.dtype.names or ()):
            perihelion, since = table["perihelion"], table["since"]
        else:
            perihelion, since = a * (1.0 - e), mean / (GAUSS * np.abs(a) ** -1.5)
        open_ = e >= NEARLY_PARABOLIC
        a, mean, within = np.where(open_, 1.0, a), np.where(open_, 0.0, mean), np.where(open_, 0.0, e)
        return cls(
            epoch=np.asarray(table["epoch"], dtype=np.float64),
            mean=mean,
            a=a,
            e=e,
            p=equatorial(p) * a[:, None],
            q=equatorial(q) * (a * np.sqrt(1.0 - within**2))[:, None],
            perihelion=np.asarray(perihelion, dtype=np.float64),
            since=np.asarray(since, dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.a)

    def take(self, which: NDArray[Any]) -> Orbits:
        """Some of them."""
        return Orbits(*(getattr(self, name)[which] for name in self.__slots__))

    def states(self, tt: Values | float) -> tuple[Vectors, Vectors]:
        """Heliocentric positions and velocities at times (MJD, TT) on the two-body orbits."""
        open_ = self.e >= NEARLY_PARABOLIC
        e = np.where(open_, 0.0, self.e) if (has_open := bool(open_.any())) else self.e
        motion = GAUSS * self.a**-1.5
        anomaly = eccentric_anomaly(self.mean + motion * (tt - self.epoch), e)
        cosine, sine = np.cos(anomaly), np.sin(anomaly)
        pace = motion / (1.0 - e * cosine)
        position = (cosine - e)[:, None] * self.p + sine[:, None] * self.q
        velocity = (-sine * pace)[:, None] * self.p + (cosine * pace)[:, None] * self.q
        if has_open:
            days = (self.since + tt - self.epoch)[open_]
            axes = np.stack([self.p[open_], self.q[open_]], axis=1)
            place, speed = in_plane(self.perihelion[open_], self.e[open_], days)
            position[open_] = np.einsum("nk,nkj->nj", place, axes)
            velocity[open_] = np.einsum("nk,nkj->nj", speed, axes)
        return position, velocity


def eccentric_anomaly(mean: Values, e: Values) -> Values:
    """Solve Kepler's equation ``E - e sin E = M`` of elliptic orbits.

    Danby's start and quartic steps (Danby 1987, Celestial Mechanics 40, 303): three or four do, also
    for eccentricities near 1.
    """
    turn = np.remainder(mean + np.pi, 2.0 * np.pi) - np.pi
    anomaly = turn + 0.85 * e * np.sign(np.sin(turn))
    for _ in range(KEPLER_STEPS):
        sine, cosine = e * np.sin(anomaly), e * np.cos(anomaly)
        f, f1 = anomaly - sine - turn, 1.0 - cosine
        d1 = -f / f1
        d2 = -f / (f1 + 0.5 * d1 * sine)
        step = -f / (f1 + 0.5 * d2 * sine + d2**2 * cosine / 6.0)
        anomaly = anomaly + step
        if np.abs(step).max(initial=0.0) < KEPLER_TOLERANCE:
            break
    return np.asarray(anomaly)


def equatorial(vectors: Vectors) -> Vectors:
    """From axes of the ecliptic to those of the equator, J2000.0."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    cosine, sine = np.cos(OBLIQUITY), np.sin(OBLIQUITY)
    return np.stack([x, cosine * y - sine * z, sine * y + cosine * z], axis=-1)


def displaced(orbits: Orbits, tt: float) -> tuple[Vectors, Vectors, Vectors]:
    """How far the planets have moved bodies off their two-body orbits since their epochs.

    Encke's method: what is integrated, by Runge-Kutta of the fourth order, is the small difference alone.

    Parameters
    ----------
    orbits : Orbits
    tt : float
        MJD.

    Returns
    -------
    moved, speed, pull : (n, 3) float64
        How far, how fast and how it is accelerated: au, au a day, au a day squared.
    """
    moved, speed = np.zeros((len(orbits), 3)), np.zeros((len(orbits), 3))
    for epoch in np.unique(orbits.epoch):
        every = np.flatnonzero(orbits.epoch == epoch)
        coarse, steps = _steps(orbits.take(every), float(epoch), tt)
        # Few pass anything closely, and the others need not go as slowly.
        finer = np.ceil(np.log(STEP_DAYS / steps.min(axis=0)) / np.log(FINER))
        for level in np.unique(finer):
            some = np.flatnonzero(finer == level)
            nodes = _nodes(coarse, steps[:, some].min(axis=1))
            moved[every[some]], speed[every[some]] = _integrated(orbits.take(every[some]), nodes)
    return moved, speed, _pull(orbits.states(tt)[0], moved, _planets(np.array([tt]))[0])


def _integrated(orbits: Orbits, nodes: Values) -> tuple[Vectors, Vectors]:
    times = np.empty(2 * len(nodes) - 1)
    times[::2], times[1::2] = nodes, 0.5 * (nodes[1:] + nodes[:-1])
    planets = _planets(times)
    place, speed = np.zeros((len(orbits), 3)), np.zeros((len(orbits), 3))
    here = orbits.states(times[0])[0]
    for number, h in enumerate(np.diff(nodes)):
        half, there = (orbits.states(times[2 * number + k])[0] for k in (1, 2))
        pulls = planets[2 * number : 2 * number + 3]
        k1 = _pull(here, place, pulls[0])
        k2 = _pull(half, place + 0.5 * h * speed, pulls[1])
        k3 = _pull(half, place + 0.5 * h * speed + 0.25 * h**2 * k1, pulls[1])
        k4 = _pull(there, place + h * speed + 0.5 * h**2 * k2, pulls[2])
        place = place + h * speed + h**2 / 6.0 * (k1 + k2 + k3)
        speed = speed + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        here = there
    return place, speed


def _steps(orbits: Orbits, epoch: float, tt: float) -> tuple[Values, Values]:
    """Times of equal distance, and how long a step of each body may be between them: (between, bodies).

    The closer one passes a planet or the Sun, the shorter.
    """
    count = max(int(np.ceil(abs(tt - epoch) / STEP_DAYS)), 1)
    coarse: Values = np.linspace(epoch, tt, count + 1)
    # From the Sun, and from each planet.
    origins = np.concatenate([np.zeros((count + 1, 1, 3)), _planets(coarse)], axis=1)
    apart = (orbits.states(time)[0][:, None] - there for time, there in zip(coarse, origins, strict=True))
    steps = np.empty((count, len(orbits)))
    for number, (start, end) in enumerate(itertools.pairwise(apart)):
        way = end - start
        share = -np.sum(start * way, axis=-1) / np.maximum(np.sum(way**2, axis=-1), 1e-30)
        nearest = np.linalg.norm(start + np.clip(share, 0.0, 1.0)[..., None] * way, axis=-1)
        longest = np.minimum(STEP_DAYS * nearest[:, 0] ** 1.5, STEP_DAYS_AN_AU * nearest[:, 1:].min(axis=1))
        steps[number] = np.clip(longest, LEAST_STEP_DAYS, STEP_DAYS)
    return coarse, steps


def _nodes(coarse: Values, steps: Values) -> Values:
    """The times between which bodies are integrated, by the longest steps between coarser ones."""
    parts = []
    for number, step in enumerate(steps):
        count = max(int(np.ceil(abs(coarse[number + 1] - coarse[number]) / step)), 1)
        parts.append(np.linspace(coarse[number], coarse[number + 1], count + 1)[:-1])
    return np.concatenate([*parts, coarse[-1:]])


def _planets(times: Values) -> NDArray[np.float64]:
    """Heliocentric places of the bodies of `MASSES`: (times, 9, 3)."""
    earth = np.asarray(erfa.epv00(JD_OF_MJD_0, times)[0]["p"])
    moon = earth + np.asarray(erfa.moon98(JD_OF_MJD_0, times)["p"])
    others = [np.asarray(erfa.plan94(JD_OF_MJD_0, times, number)["p"]) for number in RECIPROCAL_MASSES]
    return np.stack([earth, moon, *others], axis=1)


def _pull(on_orbit: Vectors, moved: Vectors, planets: Vectors) -> Vectors:
    """What accelerates a body off its orbit: the planets, and the Sun at the place it is at instead."""
    here = on_orbit + moved
    total = MU * (on_orbit / _cube(on_orbit) - here / _cube(here))
    towards = planets - here[:, None]
    pulls = towards / _cube(towards) - planets / _cube(planets)
    return np.asarray(total + MU * np.einsum("p,npk->nk", MASSES, pulls))


def _cube(vectors: Vectors) -> Values:
    return np.asarray(np.sum(vectors**2, axis=-1, keepdims=True) ** 1.5)


def terrestrial_time(mjd_utc: float) -> float:
    """MJD in TT of a UTC, by the leap seconds that ERFA knows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a year beyond its table has the last leap second
        tai = erfa.utctai(JD_OF_MJD_0, mjd_utc)
    tt = erfa.taitt(*tai)
    return float(tt[0] - JD_OF_MJD_0 + tt[1])


def observer(mjd_utc: float, site: tuple[float, float] | None) -> tuple[Vectors, Vectors, Vectors]:
    """Where an observer is: heliocentric place and velocity, and the velocity of the Sun.

    Parameters
    ----------
    mjd_utc : float
    site : (float, float) or None
        Degrees north and east; the Earth's centre where it is not known. Its height does not matter: a
        kilometre is a milliarcsecond at one au.

    Returns
    -------
    place, velocity, sun_velocity : (3,) float64
        au and au a day; the last is barycentric.
    """
    tt = terrestrial_time(mjd_utc)
    heliocentric, barycentric = erfa.epv00(JD_OF_MJD_0, tt)
    place, velocity = np.array(heliocentric["p"]), np.array(heliocentric["v"])
    sun_velocity = np.array(barycentric["v"]) - velocity
    if site is not None:
        ground = erfa.gd2gc(1, np.radians(site[1]), np.radians(site[0]), 0.0) / (1000.0 * AU_KM)
        # UT1 is within a second of UTC: half a kilometre of ground.
        turned = erfa.c2t06a(JD_OF_MJD_0, tt, JD_OF_MJD_0, mjd_utc, 0.0, 0.0)
        place = place + turned.T @ ground
    return place, velocity, sun_velocity


@dataclass(frozen=True, slots=True)
class Places:
    """Where bodies are seen: astrometric, as catalogues of stars have it; degrees, au."""

    ra: Values
    dec: Values
    distance: Values  # from the observer
    sun_distance: Values
    phase: Values  # Sun, body, observer; radians

    @property
    def vectors(self) -> Vectors:
        """Points of the unit sphere."""
        return unit_vectors(self.ra, self.dec)


def seen(
    orbits: Orbits,
    mjd_utc: float,
    site: tuple[float, float] | None,
    *,
    perturbed: bool = True,
    moved: Vectors | None = None,
) -> Places:
    """Where bodies are seen at a time: with light-time, the observer's place, and what the planets add.

    Parameters
    ----------
    orbits : Orbits
    mjd_utc : float
    site : (float, float) or None
        As for `observer`.
    perturbed : bool
        Without, the two-body orbits alone.
    moved : (n, 3) float64, optional
        What the planets have added (`displaced`), where that is known already.
    """
    tt = terrestrial_time(mjd_utc)
    here, _, sun_velocity = observer(mjd_utc, site)
    # What the planets add changes little within the light-time.
    if moved is None:
        moved = displaced(orbits, tt)[0] if perturbed and len(orbits) else np.zeros((len(orbits), 3))
    delay = np.zeros(len(orbits))
    for _ in range(LIGHT_ITERATIONS):
        body = orbits.states(tt - delay)[0] + moved
        line = body - sun_velocity * delay[:, None] - here
        distance = np.linalg.norm(line, axis=1)
        delay = distance * LIGHT_DAYS
    sun_distance = np.linalg.norm(body, axis=1)
    cosine = np.sum(line * body, axis=1) / (distance * sun_distance)
    return Places(
        ra=np.degrees(np.arctan2(line[:, 1], line[:, 0])) % 360.0,
        dec=np.degrees(np.arcsin(np.clip(line[:, 2] / distance, -1.0, 1.0))),
        distance=distance,
        sun_distance=sun_distance,
        phase=np.arccos(np.clip(cosine, -1.0, 1.0)),
    )


def comet_magnitude(h: Values, slope: Values, places: Places) -> Values:
    """Total magnitude of comets, as the Minor Planet Center has it: the slope tells how steep it is."""
    return np.asarray(h + 5.0 * np.log10(places.distance) + 2.5 * slope * np.log10(places.sun_distance))


def magnitude(h: Values, g: Values, places: Places) -> Values:
    """Apparent magnitude in V of bodies by the HG system (Bowell et al. 1989, Asteroids II, 524)."""
    half = np.tan(np.clip(places.phase, 0.0, 3.0) / 2.0)
    first, second = np.exp(-3.33 * half**0.63), np.exp(-1.87 * half**1.22)
    light = np.maximum((1.0 - g) * first + g * second, 1e-10)
    return np.asarray(h + 5.0 * np.log10(places.sun_distance * places.distance) - 2.5 * np.log10(light))
