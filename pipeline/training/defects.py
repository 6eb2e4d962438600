"""What goes wrong in camera and optics: cosmic rays, hot pixels, bad lines, ghosts, spikes, bleeding, smear.

Each is a fault of pixels before calibration; what the calibration does not recognise survives into the
difference, as it does on the sky.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from core.vocabulary import MaskPlane
from pipeline.frame import MaskImage
from pipeline.simulate.detector import add_cosmic_rays, bleed
from pipeline.training.scenes import Plate, Scene, log_uniform, on_new

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SPIKED_FLUX = 0.15  # of the full well, in the star's peak pixel or so: brighter stars show spikes


@dataclass(frozen=True, slots=True)
class Defects:
    """Where the faults of two plates are.

    Attributes
    ----------
    maps : dict of str to (height, width) bool
        Of the new frame, on its own grid, by kind: ``cosmic_ray``, ``hot``, ``column``, ``row``, ``smear``,
        ``ghost``, ``spike``, ``bleed``.
    of_reference : (height, width) bool
        Cosmic rays that the reference kept, on its grid.
    known : (height, width) uint16
        Those that a mask delivered with the frame names.
    """

    maps: dict[str, Mask]
    of_reference: Mask
    known: MaskImage


def add_defects(random: np.random.Generator, scene: Scene) -> Defects:
    """Spoil both plates, in place."""
    plate = scene.new
    shape = plate.electrons.shape
    maps: dict[str, Mask] = {}
    if random.random() < 0.35:
        maps["spike"] = _spikes(random, scene)
    if random.random() < 0.3:
        maps["ghost"] = _ghosts(random, plate)
    known = np.zeros(shape, dtype=np.uint16)
    if random.random() < 0.6:
        maps["column"] = _columns(random, plate, known)
    if random.random() < 0.2:
        maps["row"] = _rows(random, plate)
    if random.random() < 0.15:
        maps["smear"] = _smear(random, plate)
    if random.random() < 0.7:
        maps["hot"] = _hot_pixels(random, plate)
    maps["cosmic_ray"] = _particles(random, plate, float(log_uniform(random, 10.0, 500.0)), 2.0)
    of_reference = np.zeros(shape, dtype=bool)
    if random.random() < 0.3:
        of_reference = _particles(random, scene.ref, float(log_uniform(random, 5.0, 150.0)), 0.5)
    before = plate.electrons.copy()
    bleed(plate.electrons, plate.full_well)
    if random.random() < 0.4:
        _trailing(random, plate)
    maps["bleed"] = np.abs(plate.electrons - before) > 3.0 * plate.noise
    bleed(scene.ref.electrons, scene.ref.full_well)
    return Defects(maps, of_reference, known)


def _spikes(random: np.random.Generator, scene: Scene) -> Mask:
    """Diffraction spikes of bright stars that the reference shows at another angle, or not at all."""
    plate, light = scene.new, np.zeros_like(scene.new.electrons)
    x, y = on_new(scene.to_new, scene.stars[:2])
    peak = scene.stars[2] * scene.flux_ratio / plate.brush.noise_pixels(x.mean(), y.mean())
    angle, arms, share = (
        random.uniform(0.0, np.pi),
        int(random.choice([2, 4])),
        log_uniform(random, 3e-3, 3e-2),
    )
    height, width = light.shape
    for i in np.flatnonzero(peak > SPIKED_FLUX * plate.full_well):
        reach = min(20.0 + 0.02 * np.sqrt(scene.stars[2, i]), 150.0) * random.uniform(0.6, 2.0)
        r = np.arange(0.0, reach, 0.25)
        for arm in range(arms):
            way = angle + 2.0 * np.pi * arm / arms
            for offset, weight in ((-0.7, 0.5), (0.0, 1.0), (0.7, 0.5)):
                columns = np.rint(x[i] + r * np.cos(way) - offset * np.sin(way)).astype(int)
                rows = np.rint(y[i] + r * np.sin(way) + offset * np.cos(way)).astype(int)
                inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
                value = 0.25 * weight * share * peak[i] * np.exp(-3.0 * r / reach)
                np.add.at(light, (rows[inside], columns[inside]), value[inside])
    plate.electrons += random.poisson(light)
    spiked: Mask = light > plate.noise
    return spiked


def _ghosts(random: np.random.Generator, plate: Plate) -> Mask:
    """Out-of-focus reflections: discs and rings with soft edges, and small caustics."""
    height, width = plate.electrons.shape
    rows, columns = np.ogrid[0:height, 0:width]
    light = np.zeros((height, width))
    for _ in range(1 + random.poisson(1.0)):
        x, y = random.uniform(0.0, width), random.uniform(0.0, height)
        outer = float(log_uniform(random, 4.0, 70.0))
        inner, soft = outer * random.uniform(0.0, 0.6), random.uniform(0.3, 2.0)
        r = np.hypot(columns - x, (rows - y) * random.uniform(0.8, 1.2))
        bright = plate.noise * float(log_uniform(random, 0.7, 6.0))
        light += bright * expit((outer - r) / soft) * expit((r - inner) / soft)
    plate.electrons += random.poisson(light)
    return light > 0.4 * plate.noise


def _columns(random: np.random.Generator, plate: Plate, known: MaskImage) -> Mask:
    """Columns that lose light or make charge, from somewhere to the end or to elsewhere; half are known."""
    height, width = plate.electrons.shape
    bad = np.zeros((height, width), dtype=bool)
    for column in random.integers(0, width, 1 + random.poisson(1.5)):
        start = random.uniform(0.0, 0.8)
        stop = 1.0 if random.random() < 0.6 else random.uniform(start, 1.0)
        wide = int(random.choice([1, 2, 3], p=[0.75, 0.15, 0.1]))
        at = (slice(int(start * height), int(np.ceil(stop * height))), slice(column, column + wide))
        if random.random() < 0.5:
            plate.electrons[at] *= random.uniform(0.0, 0.97)
        else:
            plate.electrons[at] += plate.noise * float(log_uniform(random, 1.0, 40.0))
        if random.random() < 0.5:
            known[at] = MaskPlane.BAD
        else:
            bad[at] = True
    return bad


def _rows(random: np.random.Generator, plate: Plate) -> Mask:
    """Rows, or parts of them, that were read at another level, as where the electronics are disturbed."""
    height, width = plate.electrons.shape
    bad = np.zeros((height, width), dtype=bool)
    for row in random.integers(0, height, 1 + random.poisson(2.0)):
        start, stop = np.sort(random.uniform(-0.2, 1.2, 2)).clip(0.0, 1.0)
        at = (slice(row, row + int(random.integers(1, 3))), slice(int(start * width), int(stop * width)))
        plate.electrons[at] += plate.noise * float(random.choice([-1.0, 1.0]) * log_uniform(random, 0.5, 8.0))
        bad[at] = True
    return bad


def _smear(random: np.random.Generator, plate: Plate) -> Mask:
    """Light that bright stars leave along their columns while the charge is moved without a shutter."""
    light = np.maximum(plate.electrons - np.median(plate.electrons), 0.0).sum(axis=0)
    light = np.maximum(light - np.percentile(light, 75.0), 0.0)
    level = plate.noise * float(log_uniform(random, 0.7, 15.0)) * light / max(float(light.max()), 1.0)
    plate.electrons += random.poisson(np.broadcast_to(level, plate.electrons.shape))
    smeared: Mask = np.broadcast_to(level > plate.noise, plate.electrons.shape).copy()
    return smeared


def _trailing(random: np.random.Generator, plate: Plate) -> None:
    """Charge that full wells leave behind along their columns, ever less of it; stars beyond an edge too."""
    height, width = plate.electrons.shape
    full = plate.electrons >= 0.99 * plate.full_well
    both = random.random() < 0.5
    longest = float(log_uniform(random, 10.0, 200.0))
    trails = [
        (int(column), int(np.flatnonzero(full[:, column])[0]), int(np.flatnonzero(full[:, column])[-1]))
        for column in np.flatnonzero(full.any(axis=0))
    ]
    if random.random() < 0.3:
        trails.append((int(random.integers(width)), -1, -1))
    steps = np.arange(1, height)
    for column, first, last in trails:
        fall = longest * random.uniform(0.5, 1.0)
        charge = plate.noise * float(log_uniform(random, 2.0, 60.0)) * np.exp(-steps / fall)
        for start, way in ((last, 1), (first, -1))[: 2 if both else 1]:
            at = start + way * steps
            inside = (at >= 0) & (at < height)
            plate.electrons[at[inside], column] += random.poisson(charge[inside])


def _hot_pixels(random: np.random.Generator, plate: Plate) -> Mask:
    """Pixels, and here and there small clusters of them, with charge of their own, or without response."""
    hot = random.random(plate.electrons.shape) < float(log_uniform(random, 1e-5, 3e-4))
    rows, columns = np.nonzero(hot)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if random.random() < 0.2:
            hot[row : row + 2, column : column + int(random.integers(1, 3))] = True
    extra = plate.noise * log_uniform(random, 4.0, 150.0, int(hot.sum()))
    dead = random.random(extra.size) < 0.15
    plate.electrons[hot] = np.where(dead, 0.0, plate.electrons[hot] + extra)
    return hot


def _particles(random: np.random.Generator, plate: Plate, seconds: float, worms: float) -> Mask:
    """Cosmic rays, straight and crooked, of any charge; in thick detectors it spreads on its way."""
    charge = np.zeros_like(plate.electrons)
    add_cosmic_rays(random, charge, seconds)
    charge *= log_uniform(random, 0.15, 1.5)
    for _ in range(random.poisson(worms)):
        _worm(random, charge, plate.noise)
    if random.random() < 0.5:
        charge = ndimage.gaussian_filter(charge, random.uniform(0.2, 0.7), truncate=4.0)
    plate.electrons += charge
    hit: Mask = charge > 3.0 * plate.noise
    return hit


def _worm(random: np.random.Generator, electrons: Array, noise: float) -> None:
    """The crooked track of a slow electron."""
    height, width = electrons.shape
    steps = int(random.integers(8, 60))
    turn = np.cumsum(random.normal(0.0, 0.5, steps)) + random.uniform(0.0, 2.0 * np.pi)
    x = random.uniform(0, width) + np.cumsum(np.cos(turn)) * 0.7
    y = random.uniform(0, height) + np.cumsum(np.sin(turn)) * 0.7
    columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    charge = noise * float(log_uniform(random, 3.0, 40.0)) * random.gamma(2.0, 0.5, steps)
    np.add.at(electrons, (rows[inside], columns[inside]), np.rint(charge[inside]))
