"""What really goes wrong with a frame: particles, pixels, columns, overflowing charge, reflections, edges.

All in electrons on an image that is changed in place; ``marks`` tells where, by `field.BLEMISHES`.
"""

from __future__ import annotations

import numpy as np

from benchmarks.judge.field import BLEMISHES, Footprints, Image

STEP_PX = 0.25  # along a particle's track
DIFFUSION_PX = 0.35  # sigma of the cloud of charge that a particle leaves
OBSCURATION = 0.33


def code(name: str) -> np.uint8:
    """The number of a blemish."""
    return np.uint8(BLEMISHES.index(name))


def cosmic_rays(image: Image, marks: Footprints, count: int, rng: np.random.Generator) -> None:
    """Add tracks of particles: most straight and short, some long muons, some electrons that wander."""
    height, width = image.shape
    for _ in range(count):
        worm = rng.random() < 0.15
        length = 1.0 + (rng.exponential(10.0) if worm else rng.exponential(5.0))
        steps = max(2, int(length / STEP_PX))
        angle = rng.uniform(0.0, 2.0 * np.pi)
        turns = np.cumsum(rng.normal(0.0, 0.35 if worm else 0.0, steps))
        x = rng.uniform(0, width) + np.cumsum(STEP_PX * np.cos(angle + turns))
        y = rng.uniform(0, height) + np.cumsum(STEP_PX * np.sin(angle + turns))
        each = rng.lognormal(np.log(250.0), 0.9) * length / steps
        charge = each * rng.gamma(2.0, 0.5, steps)  # straggling
        cloud = rng.normal(0.0, DIFFUSION_PX, (2, 12, steps))
        columns, rows = np.rint(x + cloud[0]).astype(int), np.rint(y + cloud[1]).astype(int)
        inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        share = np.broadcast_to(charge / len(cloud[0]), columns.shape)
        np.add.at(image, (rows[inside], columns[inside]), share[inside].astype(np.float32))
        marks[rows[inside], columns[inside]] = code("cosmic_ray")


def hot_pixels(image: Image, marks: Footprints, count: int, noise: float, rng: np.random.Generator) -> None:
    """Add pixels with much dark current, a few of them in pairs."""
    height, width = image.shape
    columns, rows = rng.integers(0, width - 1, count), rng.integers(0, height, count)
    extra = noise * np.exp(rng.uniform(np.log(5.0), np.log(120.0), count))
    image[rows, columns] += rng.poisson(extra)
    marks[rows, columns] = code("hot_pixel")
    pairs = rng.random(count) < 0.25
    image[rows[pairs], columns[pairs] + 1] += rng.poisson(extra[pairs] * 0.5)
    marks[rows[pairs], columns[pairs] + 1] = code("hot_pixel")


def bad_columns(image: Image, marks: Footprints, count: int, noise: float, rng: np.random.Generator) -> None:
    """Make columns, from some row on, trap charge, read too high or respond too little."""
    height, width = image.shape
    for _ in range(count):
        column, first = int(rng.integers(0, width)), int(rng.integers(0, height * 3 // 4))
        part = image[first:, column]
        kind = rng.integers(3)
        if kind == 0:
            part *= np.float32(rng.uniform(0.5, 0.93))
        elif kind == 1:
            part += np.float32(noise * rng.uniform(0.7, 6.0))
        else:  # a trap: what passes it trails
            part -= np.float32(noise * rng.uniform(0.7, 4.0))
        marks[first:, column] = code("bad_column")


def overflow(image: Image, marks: Footprints, full_well: float) -> None:
    """Let charge beyond the full well run along its column, half up and half down."""
    over = image > full_well
    marks[over] = code("saturated")
    for column in np.flatnonzero(over.any(axis=0)):
        line = image[:, column]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (line > full_well).astype(np.int8), [0]])))
        for first, end in edges.reshape(-1, 2):
            excess = float(np.sum(line[first:end]) - full_well * (end - first))
            line[first:end] = full_well
            for way, row in ((-1, int(first) - 1), (1, int(end))):
                left, at = excess / 2.0, row
                while left > 0 and 0 <= at < len(line):
                    taken = min(max(full_well - float(line[at]), 0.0), left)
                    line[at] += taken
                    left -= taken
                    if taken > 0:
                        marks[at, column] = code("bleed")
                    at += way


def ghost(
    image: Image, marks: Footprints, x: float, y: float, level: float, rng: np.random.Generator
) -> None:
    """Add an image of the telescope's pupil far out of focus, with its spider."""
    radius = float(rng.uniform(14.0, 48.0))
    yy, xx = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    dx, dy = xx - np.float32(x), yy - np.float32(y)
    r = np.hypot(dx, dy * np.float32(rng.uniform(0.85, 1.0)))
    soft = np.float32(3.0)
    outer, inner = (0.5 * (1.0 - np.tanh((r - edge) / soft)) for edge in (radius, OBSCURATION * radius))
    disc = outer - inner
    turn = rng.uniform(0, np.pi / 2)
    for angle in (turn, turn + np.pi / 2):
        across = np.abs(dx * np.sin(angle) - dy * np.cos(angle))
        disc *= 1.0 - 0.8 * np.exp(-0.5 * (across / 1.2) ** 2)
    slope = 1.0 + 0.3 * (dx * np.cos(turn) + dy * np.sin(turn)) / radius  # never evenly lit
    image += (level * np.maximum(disc * slope, 0.0)).astype(np.float32)
    marks[disc > 0.05] = code("ghost")


def dark_border(image: Image, marks: Footprints, rng: np.random.Generator) -> None:
    """Let one border receive less and less light, with a ragged line where the detector ends."""
    turns = int(rng.integers(4))
    view, seen = np.rot90(image, turns), np.rot90(marks, turns)
    wide = int(rng.integers(5, 30))
    falling = np.linspace(rng.uniform(0.2, 0.6), 1.0, wide, dtype=np.float32) ** 0.5
    view[:, :wide] *= falling
    seen[:, :wide] = code("edge")
    dead = int(rng.integers(0, 4))
    view[:, :dead] = 0.0
