"""What goes wrong in a camera and its optics: cosmic rays, hot pixels, bad columns, ghosts, spikes, bleeding.

Each is a fault of pixels before calibration; what the calibration does not recognise survives into the
difference, as it does on the sky.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
        Of the new frame, on its own grid, by kind: ``cosmic_ray``, ``hot``, ``column``, ``ghost``,
        ``spike``, ``bleed``.
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
    if random.random() < 0.3:
        maps["spike"] = _spikes(random, scene)
    if random.random() < 0.3:
        maps["ghost"] = _ghosts(random, plate)
    known = np.zeros(shape, dtype=np.uint16)
    if random.random() < 0.6:
        maps["column"] = _columns(random, plate, known)
    if random.random() < 0.7:
        maps["hot"] = _hot_pixels(random, plate)
    maps["cosmic_ray"] = _particles(random, plate, float(log_uniform(random, 10.0, 500.0)), 2.0)
    of_reference = np.zeros(shape, dtype=bool)
    if random.random() < 0.3:
        of_reference = _particles(random, scene.ref, float(log_uniform(random, 5.0, 150.0)), 0.5)
    before = plate.electrons.copy()
    bleed(plate.electrons, plate.full_well)
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
        reach = min(20.0 + 0.02 * np.sqrt(scene.stars[2, i]), 150.0) * random.uniform(0.6, 1.4)
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
    """Columns that lose light or make charge, from somewhere to the end; a half of them are known."""
    height, width = plate.electrons.shape
    bad = np.zeros((height, width), dtype=bool)
    for column in random.integers(0, width, 1 + random.poisson(1.5)):
        rows = slice(int(random.uniform(0.0, 0.8) * height), None)
        if random.random() < 0.5:
            plate.electrons[rows, column] *= random.uniform(0.0, 0.9)
        else:
            plate.electrons[rows, column] += plate.noise * float(log_uniform(random, 2.0, 40.0))
        if random.random() < 0.5:
            known[rows, column] = MaskPlane.BAD
        else:
            bad[rows, column] = True
    return bad


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
    """Cosmic rays, straight and crooked."""
    before = plate.electrons.copy()
    add_cosmic_rays(random, plate.electrons, seconds)
    for _ in range(random.poisson(worms)):
        _worm(random, plate)
    hit: Mask = plate.electrons - before > 3.0 * plate.noise
    return hit


def _worm(random: np.random.Generator, plate: Plate) -> None:
    """The crooked track of a slow electron."""
    height, width = plate.electrons.shape
    steps = int(random.integers(8, 60))
    turn = np.cumsum(random.normal(0.0, 0.5, steps)) + random.uniform(0.0, 2.0 * np.pi)
    x = random.uniform(0, width) + np.cumsum(np.cos(turn)) * 0.7
    y = random.uniform(0, height) + np.cumsum(np.sin(turn)) * 0.7
    columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    charge = plate.noise * float(log_uniform(random, 3.0, 40.0)) * random.gamma(2.0, 0.5, steps)
    np.add.at(plate.electrons, (rows[inside], columns[inside]), np.rint(charge[inside]))
