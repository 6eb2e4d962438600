"""The simulated sky: stars and galaxies by their counts, and the events among them."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.simulate.events import GONE, Event, Fading, LightCurve, Outburst, Pulsation
from pipeline.simulate.galaxies import DE_VAUCOULEURS, EXPONENTIAL, Profile
from pipeline.simulate.telescope import CENTRE, PIXEL_SCALE, SCIENCE_START, tangential

Array = NDArray[np.float64]

MARGIN_PX = 80  # beyond the frame: dither, rotation and the wings of what lies outside
STAR_LIMITS = (10.5, 21.5)
STAR_SLOPE = 0.3  # log10 of counts a magnitude
GALAXY_LIMITS = (15.0, 20.5)
GALAXY_SLOPE = 0.45
STARS_PER_MPX = 1500
FEWEST_STARS = 400  # of which a frame of 256 pixels shows some thirty at ten sigma in poor air
GALAXIES_PER_MPX = 90
TRANSIENT_LIMITS = (17.2, 20.6)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that there is to see.

    Attributes
    ----------
    star_ra, star_dec, star_mag : (n,) float64
        Constant stars.
    galaxy_ra, galaxy_dec, galaxy_mag : (m,) float64
    profiles : tuple of Profile
        The galaxies' shapes, in arcseconds towards east and north.
    events : tuple of Event
    """

    star_ra: Array
    star_dec: Array
    star_mag: Array
    galaxy_ra: Array
    galaxy_dec: Array
    galaxy_mag: Array
    profiles: tuple[Profile, ...]
    events: tuple[Event, ...]

    def catalogue(self) -> Table:
        """Everything that does not change: one row a star or galaxy."""
        stars, galaxies = len(self.star_ra), len(self.galaxy_ra)
        blank = [np.nan] * stars
        table = Table(
            {
                "id": [f"star{i}" for i in range(stars)] + [f"galaxy{i}" for i in range(galaxies)],
                "type": ["star"] * stars + ["galaxy"] * galaxies,
                "ra": np.concatenate([self.star_ra, self.galaxy_ra]),
                "dec": np.concatenate([self.star_dec, self.galaxy_dec]),
                "mag": np.concatenate([self.star_mag, self.galaxy_mag]),
                "sersic_index": blank + [float(p.index) for p in self.profiles],
                "radius": blank + [p.radius for p in self.profiles],
                "axis_ratio": blank + [p.axis_ratio for p in self.profiles],
                "angle": blank + [float(np.rad2deg(p.angle)) for p in self.profiles],
            }
        )
        for name, unit in {
            "ra": "deg",
            "dec": "deg",
            "mag": "mag",
            "radius": "arcsec",
            "angle": "deg",
        }.items():
            table[name].unit = unit
        for name, column in table.columns.items():
            if column.dtype.kind == "f":
                column[:] = np.round(column, 8 if name in {"ra", "dec"} else 4)
        return table


def make_scene(random: np.random.Generator, size: int, night_days: float) -> Scene:
    """Fill a field of ``size`` pixels and its surroundings.

    Parameters
    ----------
    random : Generator
    size : int
        Of the frames, in pixels; counts go with the area, but a small field has stars enough.
    night_days : float
        The length of the night, for what happens during it.
    """
    area = (size + 2 * MARGIN_PX) ** 2 / 1024**2
    n_stars = max(FEWEST_STARS, round(STARS_PER_MPX * area))
    n_transients = max(2, round(12 * (size / 1024) ** 2))
    n_hosts = (n_transients + 1) // 2
    n_galaxies = n_hosts + round(GALAXIES_PER_MPX * area)

    nominal = tangential(*CENTRE, (size, size))
    inner = _inner(size)
    star_xy = random.uniform(-MARGIN_PX, size - 1 + MARGIN_PX, (2, n_stars))
    star_mag = _magnitudes(random, n_stars, STAR_LIMITS, STAR_SLOPE)
    galaxy_xy = random.uniform(-MARGIN_PX, size - 1 + MARGIN_PX, (2, n_galaxies))
    galaxy_xy[:, :n_hosts] = random.uniform(inner, size - 1 - inner, (2, n_hosts))
    galaxy_mag = random.permutation(_magnitudes(random, n_galaxies, GALAXY_LIMITS, GALAXY_SLOPE))
    profiles = tuple(_profile(random, mag) for mag in galaxy_mag)

    places = _Places(random, size, star_xy[:, star_mag < 15.5])
    sources: list[tuple[str, str, Array, LightCurve, str]] = []
    for i, mag in enumerate(random.permutation(np.linspace(*TRANSIENT_LIMITS, n_transients))):
        g = i // 2
        on_host = i % 2 == 0
        offset = _east_north_to_pixels(profiles[g].draw_offset(random)) if on_host else None
        xy = places.take() if offset is None else places.claim(galaxy_xy[:, g] + offset)
        curve = _outburst(random, float(mag), night_days, during=i % 4 == 3)
        sources.append((f"transient{i}", "transient", xy, curve, f"galaxy{g}" if on_host else "none"))
    for i in range(max(1, round(6 * (size / 1024) ** 2))):
        before = float(random.uniform(17.5, 19.8))
        after = GONE if i % 2 == 0 else before + float(random.uniform(0.8, 2.0))
        curve_of = Fading(before, after, SCIENCE_START - 20.0)
        sources.append((f"fading{i}", "fading", places.take(), curve_of, "none"))
    for i in range(max(1, round(5 * (size / 1024) ** 2))):
        pulse = Pulsation(
            mean=float(random.uniform(15.5, 18.5)),
            amplitude=float(random.uniform(0.3, 0.9)),
            period=float(random.uniform(0.3, 0.6)),
            epoch=SCIENCE_START - float(random.uniform(0.0, 0.6)),
        )
        sources.append((f"variable{i}", "variable", places.take(), pulse, "none"))

    ra, dec = nominal.all_pix2world(*np.array([xy for _, _, xy, _, _ in sources]).T, 0)
    events = [
        Event(name, kind, float(ra[i]), float(dec[i]), curve, host)
        for i, (name, kind, _, curve, host) in enumerate(sources)
    ]
    events.append(_asteroid(random, night_days))
    star_ra, star_dec = nominal.all_pix2world(*star_xy, 0)
    galaxy_ra, galaxy_dec = nominal.all_pix2world(*galaxy_xy, 0)
    return Scene(star_ra, star_dec, star_mag, galaxy_ra, galaxy_dec, galaxy_mag, profiles, tuple(events))


class _Places:
    """Places for events: inside every dithered frame, off bright stars, apart from each other."""

    def __init__(self, random: np.random.Generator, size: int, bright: Array) -> None:
        self._random, self._size, self._bright = random, size, bright
        self._taken: list[Array] = []

    def take(self) -> Array:
        """A random place that is free; in a small field the freest of many."""
        inner = _inner(self._size)
        tries = self._random.uniform(inner, self._size - 1 - inner, (200, 2))
        others = np.array([*self._bright.T, *self._taken]).reshape(-1, 2)
        distance = np.full(200, np.inf)
        if len(others):
            distance = np.min(np.linalg.norm(tries[:, None] - others[None], axis=2), axis=1)
        free = np.flatnonzero(distance > 25.0)
        return self.claim(tries[free[0] if len(free) else int(np.argmax(distance))])

    def claim(self, xy: Array) -> Array:
        """Take a given place."""
        self._taken.append(xy)
        return xy


def _inner(size: int) -> float:
    return min(60.0, 0.18 * size)


def _east_north_to_pixels(offset: Array) -> Array:
    pixels: Array = offset * np.array([-1.0, 1.0]) / PIXEL_SCALE
    return pixels


def _magnitudes(random: np.random.Generator, count: int, limits: tuple[float, float], slope: float) -> Array:
    """Magnitudes whose cumulative counts go as ``10 ** (slope * mag)``.

    Drawn one from each of ``count`` equal shares of the population, so that a small field has its
    bright stars too.
    """
    low, high = 10.0 ** (slope * limits[0]), 10.0 ** (slope * limits[1])
    share = (np.arange(count) + random.random(count)) / count
    magnitudes: Array = np.log10(low + share * (high - low)) / slope
    return magnitudes


def _profile(random: np.random.Generator, mag: float) -> Profile:
    index = EXPONENTIAL if random.random() < 0.65 else DE_VAUCOULEURS
    radius = 1.3 * 10.0 ** (-0.12 * (mag - 19.0)) * float(random.lognormal(0.0, 0.25))
    return Profile(index, radius, float(random.uniform(0.3, 1.0)), float(random.uniform(0.0, np.pi)))


def _outburst(random: np.random.Generator, mag: float, night_days: float, *, during: bool) -> Outburst:
    """A supernova that stands all night; or, during it, a flare that fades within hours."""
    if during:
        return Outburst(mag, SCIENCE_START + float(random.uniform(0.2, 0.6)) * night_days, 6.0)
    age = float(random.uniform(2.0, 12.0))
    decline = float(random.uniform(-0.12, 0.05))
    return Outburst(mag - decline * age, SCIENCE_START - age, decline)


def _asteroid(random: np.random.Generator, night_days: float) -> Event:
    """One object of the main belt that stays within the field for most of the night."""
    angle = float(random.uniform(0.0, 2.0 * np.pi))
    speed = 30.0
    return Event(
        "moving0",
        "moving",
        CENTRE[0] + float(random.normal(0.0, 10.0)) / 3600.0,
        CENTRE[1] + float(random.normal(0.0, 10.0)) / 3600.0,
        Outburst(float(random.uniform(17.5, 18.8)), SCIENCE_START - 1.0, 0.0),
        motion=(speed * float(np.cos(angle)), speed * float(np.sin(angle))),
        epoch=SCIENCE_START + night_days / 2.0,
    )
