"""What changes in a training field: new, fading, vanished and varying sources, and trails of moving ones.

Each is light added to science pixels with the frame's own PSF and its own photon noise: to the new image
what is brighter now, to the reference what was brighter then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.training.conditions import PLAIN, Conditions
from pipeline.training.scenes import Plate, Scene, log_uniform, on_new

Array = NDArray[np.float64]

SNR = (3.0, 60.0)  # of point sources, on empty sky, in the difference
CROWDED_SNR = (4.0, 150.0)  # and in a crowd on its light, which hides more than its photons do
BRIGHT_SNR, BRIGHT_SHARE = (40.0, 400.0), 0.12  # and of some of them
TRAIL_SNR = (8.0, 150.0)  # in all
TRAIL_FWHM = (2.5, 100.0)  # long
SATELLITE_SNR = (1.0, 25.0)  # within one FWHM of length
TUMBLING_SHARE = 0.25  # of streaks, whose light comes and goes
POINTS, STREAKS = ("point", "variable", "fading", "vanished"), ("satellite", "trail")
DENSITY_PX, CROWDED_PX = 9000, 4500  # of the field for each point event; in a crowd many are not seen
STREAK_SHARE = 0.55  # of fields with streaks


@dataclass(frozen=True, slots=True)
class Event:
    """One injected change, on the reference's grid.

    Attributes
    ----------
    kind : str
        One of `POINTS` or `STREAKS`.
    x, y : float
        0-based pixel centres; of a streak its middle within the field.
    flux : float
        Of the change, the reference's electrons, signed; of a streak that of a FWHM of its length.
    snr : float
        Signed, on empty sky, in a crowd on the light at its place; of a streak within a FWHM of its length.
    host : str
        ``none``, ``galaxy`` or ``star``.
    group : str
        Names the sky object: events of one group are one object.
    x_begin, y_begin, x_end, y_end : float
        A streak's ends; else x, y.
    host_offset : float
        From the middle of its host, px; NaN where it has none.
    """

    kind: str
    x: float
    y: float
    flux: float
    snr: float
    host: str
    group: str
    x_begin: float
    y_begin: float
    x_end: float
    y_end: float
    host_offset: float = np.nan

    @property
    def length(self) -> float:
        """Of a streak, within the field, px; else 0."""
        return float(np.hypot(self.x_end - self.x_begin, self.y_end - self.y_begin))

    @property
    def is_streak(self) -> bool:
        """Whether it is extended along a line."""
        return self.kind in STREAKS


def draw_events(
    random: np.random.Generator, scene: Scene, size: int, name: str, conditions: Conditions = PLAIN
) -> list[Event]:
    """Random events for a scene; galaxies host them in proportion to their light."""
    events: list[Event] = []
    is_crowded = conditions.crowd is not None
    usual = size * size / (CROWDED_PX if is_crowded else DENSITY_PX)
    count = max(4, random.poisson(conditions.changes * usual))
    shares = _shares(conditions.variable_share)
    for i in range(count):
        kind = str(random.choice(POINTS, p=shares))
        x, y, host, steady, offset = _place(random, scene, size, kind, conditions.bright_variables)
        if not (0.0 <= x <= size - 1 and 0.0 <= y <= size - 1):
            continue
        sign = (
            -1.0 if kind in ("fading", "vanished") or (kind == "variable" and random.random() < 0.5) else 1.0
        )
        between = BRIGHT_SNR if random.random() < BRIGHT_SHARE else CROWDED_SNR if is_crowded else SNR
        snr = sign * float(log_uniform(random, *between))
        is_lit_by_itself = conditions.bright_variables and not is_crowded  # there it is of the light already
        own_photons = np.sqrt(steady * (1.0 + 1.0 / scene.flux_ratio)) if is_lit_by_itself else 0.0
        flux = snr * float(np.hypot(_one_sigma(scene, x, y, lit=is_crowded), own_photons))
        events.append(Event(kind, x, y, flux, snr, host, f"{name}-{i}", x, y, x, y, offset))
    if random.random() < STREAK_SHARE:
        events += [_streak(random, scene, size, f"{name}-s{i}") for i in range(1 + int(random.poisson(0.9)))]
    return events


def _shares(variable: float) -> list[float]:
    """How often a point event is new, a varying star, a fading source and a vanished one."""
    rest = (1.0 - variable) / 0.9
    return [0.5 * rest, variable, 0.15 * rest, 0.25 * rest]


def add_events(random: np.random.Generator, scene: Scene, events: list[Event]) -> None:
    """Add the light of events to both plates, in place."""
    light_new, light_ref = np.zeros_like(scene.new.electrons), np.zeros_like(scene.ref.electrons)
    for event in events:
        if event.is_streak:
            _paint_streak(random, scene, event, light_new)
            continue
        xy = np.array([[event.x], [event.y]])
        steady = _steady(random, event)
        now, then = max(event.flux, 0.0) + steady, max(-event.flux, 0.0) + steady
        if now > 0.0:
            x, y = on_new(scene.to_new, xy)
            scene.new.brush.paint(light_new, x, y, np.array([now * scene.flux_ratio]))
        if then > 0.0:
            scene.ref.brush.paint(light_ref, xy[0], xy[1], np.array([then]))
    scene.new.electrons += random.poisson(np.maximum(light_new, 0.0))
    scene.ref.electrons += random.poisson(np.maximum(light_ref, 0.0))


def _steady(random: np.random.Generator, event: Event) -> float:
    """The light of a fading source that stays; stars that vary are in the scene already."""
    return float(abs(event.flux) * log_uniform(random, 0.1, 3.0)) if event.kind == "fading" else 0.0


def _place(
    random: np.random.Generator, scene: Scene, size: int, kind: str, bright: bool
) -> tuple[float, float, str, float, float]:
    """Where an event is, its host, the flux of the star that it is of, and how far it is from its host."""
    if kind == "variable":
        most = 0.2 * scene.ref.full_well
        if bright:
            most = 0.5 * scene.ref.full_well * scene.ref.brush.noise_pixels(size / 2.0, size / 2.0)
        faint = np.flatnonzero(scene.stars[2] < most)
        if faint.size:
            i = int(random.choice(faint))
            return float(scene.stars[0, i]), float(scene.stars[1, i]), "star", float(scene.stars[2, i]), 0.0
    elif scene.hosts and random.random() < 0.5:
        light = np.array([host.flux for host in scene.hosts])
        host = scene.hosts[int(random.choice(len(light), p=light / light.sum()))]
        dx, dy = host.profile.draw_offset(random)
        return host.x + float(dx), host.y + float(dy), "galaxy", 0.0, float(np.hypot(dx, dy))
    x, y = random.uniform(0.0, size - 1.0, 2)
    return float(x), float(y), "none", 0.0, np.nan


def _one_sigma(scene: Scene, x: float, y: float, *, lit: bool = False) -> float:
    """The error of a point source's flux in the difference, in the reference's electrons: on empty sky, or on
    the light that there is.
    """
    x_new, y_new = on_new(scene.to_new, np.array([[x], [y]]))[:, 0]
    error = _lit_error if lit else _sky_error
    return float(
        np.hypot(
            error(scene.new, float(x_new), float(y_new)) / scene.flux_ratio,
            error(scene.ref, x, y),
        )
    )


def _sky_error(plate: Plate, x: float, y: float) -> float:
    return plate.noise * float(np.sqrt(plate.brush.noise_pixels(x, y)))


def _lit_error(plate: Plate, x: float, y: float) -> float:
    """By the light within a FWHM of a place, whose photons are its variance."""
    reach = max(1, round(plate.brush.fwhm / 2.0))
    row, column = (
        round(min(max(each, 0.0), side - 1.0))
        for each, side in zip((y, x), plate.electrons.shape, strict=True)
    )
    near = plate.electrons[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
    variance = max(float(near.mean()) + plate.read_noise**2, plate.noise**2)
    return float(np.sqrt(variance * plate.brush.noise_pixels(x, y)))


def _streak(random: np.random.Generator, scene: Scene, size: int, group: str) -> Event:
    middle = random.uniform(0.1 * size, 0.9 * size, 2)
    angle = random.uniform(0.0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    fwhm = scene.new.brush.fwhm
    satellite = random.random() < 0.6
    if satellite:
        ends = [_to_border(middle, way * along, size) for way in (-1.0, 1.0)]
        if random.random() < 0.25:  # it began or ended within the exposure
            ends[0] = middle
        snr = float(log_uniform(random, *SATELLITE_SNR))
    else:
        length = fwhm * float(log_uniform(random, *TRAIL_FWHM))
        ends = [_within(middle, middle + way * along * length / 2.0, size) for way in (-1.0, 1.0)]
        snr = float(log_uniform(random, *TRAIL_SNR)) / float(np.sqrt(length / fwhm))
    x, y = (ends[0] + ends[1]) / 2.0
    flux = snr * _one_sigma(scene, float(x), float(y))
    kind = "satellite" if satellite else "trail"
    begin, end = ends[0].tolist(), ends[1].tolist()
    return Event(kind, float(x), float(y), flux, snr, "none", group, begin[0], begin[1], end[0], end[1])


def _to_border(start: Array, way: Array, size: int) -> Array:
    """Where a line from a place within the field leaves it."""
    with np.errstate(divide="ignore"):
        steps = np.where(way > 0, (size - 1.0 - start) / way, np.where(way < 0, -start / way, np.inf))
    end: Array = start + way * float(steps.min())
    return end


def _within(start: Array, end: Array, size: int) -> Array:
    """The end of a line from a place within the field, or where the line leaves the field."""
    border = _to_border(start, end - start, size)
    return end if np.hypot(*(end - start)) < np.hypot(*(border - start)) else border


def _paint_streak(random: np.random.Generator, scene: Scene, event: Event, light: Array) -> None:
    """A trail in the new image: point sources half a FWHM or a pixel apart, whichever is less."""
    ends = np.array([[event.x_begin, event.x_end], [event.y_begin, event.y_end]])
    x, y = on_new(scene.to_new, ends)
    length = float(np.hypot(x[1] - x[0], y[1] - y[0]))
    fwhm = scene.new.brush.fwhm
    points = max(2, int(np.ceil(length / max(1.0, 0.4 * fwhm))))
    along = (np.arange(points) + 0.5) / points
    flux = np.full(points, event.flux * scene.flux_ratio * length / fwhm / points)
    if random.random() < TUMBLING_SHARE:
        turns, phase = length / fwhm / float(log_uniform(random, 4.0, 60.0)), random.uniform(0.0, 2.0 * np.pi)
        flux *= 1.0 + random.uniform(0.2, 0.9) * np.sin(2.0 * np.pi * turns * along + phase)
    scene.new.brush.paint(light, x[0] + along * (x[1] - x[0]), y[0] + along * (y[1] - y[0]), flux)
