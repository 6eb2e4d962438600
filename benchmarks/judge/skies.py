"""Simulated fields to judge by: what `benchmarks.pairs` draws, with changes, trails and blemishes of its own.

Constant stars and galaxies, PSFs, and the grids of both frames are those of `benchmarks.pairs`. Here come on
top: point sources in one frame alone on empty sky, in galaxies following their light, and on stars, brighter
or fainter than they were; trails of satellites through the PSF; and what `benchmarks.judge.blemishes` knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.judge import blemishes
from benchmarks.judge.field import Field, Footprints, Image, Injected, Shot
from benchmarks.pairs.draw import FULL_WELL, Exposure, Pair, add_stars, draw
from benchmarks.pairs.ideal import flux_of_snr
from benchmarks.pairs.optics import PsfField
from benchmarks.pairs.scenarios import SCENARIOS, Scenario

Array = NDArray[np.float64]

# The difficulties as they were when fields were first judged: one that joined them later would change all.
KINDS = tuple(name for name in SCENARIOS if name != "corner")
SIZE = 1024
SNR = 3.0, 50.0
INJECTED = 64  # a field
SHARES = {"none": 0.4, "galaxy": 0.35, "star": 0.25}
FADING = 0.35  # of the changes are in the reference alone
APART_PX = 30.0
EDGE_PX = 20.0
STREAKS = 2.0  # a field, mean
STREAK_SNR = 1.5, 20.0  # of a stretch of one FWHM
NONLINEAR = 0.015  # that a full pixel reads too little, at most


@dataclass(frozen=True)
class _Side:
    """One frame without noise and changes, and how to draw into it."""

    drawn: Exposure
    psf: PsfField
    expected: Image
    sky_noise: float  # electrons a pixel


def field_of(seed: int) -> Field:
    """Draw a field."""
    rng = np.random.default_rng([20_261, seed])
    scenario, misplaced = _scenario(seed, rng)
    pair = draw(scenario, 100_000 + seed)
    new, ref = _side(pair.new, pair.psf_new), _side(pair.ref, pair.psf_ref)
    injected, places = _changes(pair, new, ref, rng)
    frames, marks = [], []
    streaks = np.zeros((0, 6))
    for side in (new, ref):
        is_new = side is new
        mine = injected.sign > 0 if is_new else injected.sign < 0
        x, y = (injected.x_new, injected.y_new) if is_new else places
        light = side.expected.copy()
        footprints = np.zeros(light.shape, np.uint8)
        add_stars(light, side.psf, x[mine], y[mine], (injected.flux * side.drawn.light)[mine], 0.0)
        if is_new:
            streaks = _streaks(light, footprints, side, rng)
        _before_noise(light, footprints, side, pair, rng, is_new=is_new)
        frames.append(_read_out(light, footprints, side, rng, is_new=is_new))
        marks.append(footprints)
    full = FULL_WELL / float(pair.psf_new.stamp(SIZE / 2, SIZE / 2, 0)[0, 0])
    bright = pair.sources.flux * pair.new.light > 0.5 * full
    at = pair.geometry(pair.sources.x[bright], pair.sources.y[bright])
    return Field(
        name=f"simulated-{seed:03d}",
        sky="simulated",
        new=frames[0],
        ref=frames[1],
        injected=injected,
        streaks=streaks,
        footprints_new=marks[0],
        footprints_ref=marks[1],
        bright=np.column_stack(at),
        night=f"simulated-{seed:03d}",
        scenario=scenario.name,
        misplaced=misplaced,
    )


def _scenario(seed: int, rng: np.random.Generator) -> tuple[Scenario, bool]:
    """The difficulties in turn, their numbers drawn anew."""
    base = SCENARIOS[KINDS[seed % len(KINDS)]]
    wide = float(rng.uniform(0.85, 1.35))
    changed = replace(
        base,
        size=SIZE,
        fwhm_new=max(1.7, base.fwhm_new * wide * float(rng.uniform(0.9, 1.2))),
        fwhm_ref=max(1.7, base.fwhm_ref * wide),
        depth=base.depth * float(np.exp(rng.uniform(-0.7, 0.4))),
        transparency=float(rng.uniform(0.5, 1.0)),
        stars=base.stars * float(np.exp(rng.uniform(-0.9, 0.5))),
        galaxies=base.galaxies * float(rng.uniform(0.6, 2.0)),
        transients=0.0,
        aberration=base.aberration * float(rng.uniform(0.6, 1.5)),
        nodes=5,
    )
    if base.warp_px > 0:
        changed = replace(changed, warp_px=float(rng.uniform(0.15, 0.6)), warp_scale_px=30.0)
    return changed, base.warp_px > 0


def _side(drawn: Exposure, psf: PsfField) -> _Side:
    if drawn.expected is None or drawn.sky is None:
        raise ValueError("a pair that was read back does not know its light without noise")
    noise = float(np.sqrt(drawn.sky.mean() + drawn.read_noise**2))
    return _Side(drawn, psf, drawn.expected, noise)


def _changes(
    pair: Pair, new: _Side, ref: _Side, rng: np.random.Generator
) -> tuple[Injected, tuple[Array, Array]]:
    """Draw what changes; also its places in the reference."""
    host, x, y, offset = _places(pair, new, rng)
    x_new, y_new = pair.geometry(x, y)
    sign = np.where(rng.random(len(x)) < FADING, -1.0, 1.0)
    snr = np.exp(rng.uniform(np.log(SNR[0]), np.log(SNR[1]), len(x)))
    half = min(18, int(np.ceil(4 * max(pair.scenario.fwhm_new, pair.scenario.fwhm_ref))))
    psfs, variances = [], []
    for side, at in ((new, (x_new, y_new)), (ref, (x, y))):
        stamps, noise = [], []
        for a, b in zip(*at, strict=True):
            column, row = round(a), round(b)
            stamps.append(side.psf.stamp(a, b, half, a - column, b - row))
            noise.append(side.expected[row - half : row + half + 1, column - half : column + half + 1])
        psfs.append(np.array(stamps, dtype=float))
        variances.append((np.array(noise, dtype=float) + side.drawn.read_noise**2) / side.drawn.light**2)
    light = new.drawn.light, ref.drawn.light
    flux = flux_of_snr(snr, sign > 0, psfs[0], psfs[1], variances[0], variances[1], light)
    return Injected(x_new, y_new, snr, sign, flux, host, offset), (x, y)


def _places(
    pair: Pair, new: _Side, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array, Array, Array]:
    """Hosts, places in the reference, apart from each other, and how far they are from their hosts."""
    sources, size = pair.sources, pair.scenario.size
    noise = new.sky_noise * np.sqrt(4.0 * np.pi) * pair.scenario.fwhm_new / 2.355
    peak = float(new.psf.stamp(size / 2, size / 2, 0)[0, 0])
    stars = np.flatnonzero((sources.flux > 8.0 * noise) & (sources.flux * peak < 0.3 * FULL_WELL))
    homes = np.flatnonzero(sources.galaxy_flux > 5.0 * noise)
    stars = _drawn_by(sources.flux[stars] ** 0.4, stars, rng)
    homes = _drawn_by(sources.galaxy_flux[homes] ** 0.5, homes, rng)
    off = _within_galaxies(sources.galaxy_shape[homes], sources.galaxy_nu[homes], rng)
    empty = rng.uniform(0.0, size - 1.0, (2, 40 * INJECTED))
    offered = {
        "star": (sources.x[stars], sources.y[stars], np.zeros(len(stars))),
        "galaxy": (sources.galaxy_x[homes] + off[0], sources.galaxy_y[homes] + off[1], np.hypot(*off)),
        "none": (empty[0], empty[1], np.full(empty.shape[1], np.nan)),
    }
    taken = np.zeros((0, 4))
    edge = EDGE_PX + 5.0
    for number, name in ((2, "star"), (1, "galaxy"), (0, "none")):
        left = round(INJECTED * SHARES[name])
        x, y, offset = offered[name]
        at = pair.geometry(x, y)
        inside = np.minimum.reduce([x, y, size - 1 - x, size - 1 - y]) > edge
        inside &= np.minimum.reduce([at[0], at[1], size - 1 - at[0], size - 1 - at[1]]) > edge
        if name == "none":
            row, column = np.rint(at[1]).astype(int) % size, np.rint(at[0]).astype(int) % size
            inside &= new.expected[row, column] < np.percentile(new.expected, 60)
        for a, b, away in zip(x[inside], y[inside], offset[inside], strict=True):
            if left == 0:
                break
            if np.all(np.hypot(taken[:, 1] - a, taken[:, 2] - b) >= APART_PX):
                taken = np.vstack([taken, [number, a, b, away]])
                left -= 1
    taken = taken[rng.permutation(len(taken))]
    return taken[:, 0].astype(int), taken[:, 1], taken[:, 2], taken[:, 3]


def _drawn_by(weight: Array, which: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    if len(which) == 0:
        return which
    return rng.choice(which, len(which), replace=False, p=weight / weight.sum())


def _within_galaxies(shape: Array, nu: Array, rng: np.random.Generator) -> Array:
    """Offsets from galaxies' centres that are distributed as their light, (2, n).

    A Spergel profile, whose transform is (1 + w'Cw)^-(1 + nu), is a mixture of Gaussians of covariance
    2 g C with g from a gamma distribution of index 1 + nu.
    """
    spread = np.sqrt(2.0 * rng.gamma(1.0 + nu))
    a = np.sqrt(shape[:, 0])
    b = shape[:, 2] / a
    c = np.sqrt(np.maximum(shape[:, 1] - b**2, 0.0))
    u, v = rng.normal(size=(2, len(nu)))
    return spread * np.stack([a * u, b * u + c * v])


def _streaks(light: Image, marks: Footprints, side: _Side, rng: np.random.Generator) -> Array:
    """Add trails: some end in the frame, some cross it, some flicker."""
    size = light.shape[0]
    rows = []
    for _ in range(rng.poisson(STREAKS)):
        length = size * 1.5 if rng.random() < 0.3 else float(np.exp(rng.uniform(np.log(30.0), np.log(400.0))))
        angle = rng.uniform(0.0, 2.0 * np.pi)
        middle = rng.uniform(0.05 * size, 0.95 * size, 2)
        along = np.arange(-length / 2.0, length / 2.0, 0.5)
        bend = rng.normal(0.0, 0.2) * (along / 500.0) ** 2
        x = middle[0] + along * np.cos(angle) - bend * np.sin(angle)
        y = middle[1] + along * np.sin(angle) + bend * np.cos(angle)
        fwhm = side.psf.fwhm
        snr = float(np.exp(rng.uniform(*np.log(STREAK_SNR))))
        # Across a Gaussian trail of sigma s: per pixel of length the error is noise * sqrt(2 sqrt(pi) s).
        error = side.sky_noise * np.sqrt(2.0 * np.sqrt(np.pi) * fwhm / 2.355)
        each = 0.5 * snr * error / np.sqrt(fwhm) * np.ones(len(along))
        if rng.random() < 0.25:
            each *= 1.0 + rng.uniform(0.3, 0.9) * np.sin(2.0 * np.pi * along / rng.uniform(20.0, 120.0))
        inside = (x > -20) & (y > -20) & (x < size + 20) & (y < size + 20)
        if not inside.any():
            continue
        trail = np.zeros_like(light)
        add_stars(trail, side.psf, x[inside], y[inside], each[inside], side.sky_noise / 50.0)
        light += trail
        marks[trail > 0.25 * np.percentile(trail[trail > 0], 99)] = blemishes.code("streak")
        ends = np.flatnonzero(inside)[[0, -1]]
        rows.append([x[ends[0]], y[ends[0]], x[ends[1]], y[ends[1]], fwhm, snr])
    return np.array(rows).reshape(-1, 6)


def _before_noise(
    light: Image, marks: Footprints, side: _Side, pair: Pair, rng: np.random.Generator, *, is_new: bool
) -> None:
    """What the light does before it is counted: reflections, and borders in shadow."""
    if rng.random() < (0.5 if is_new else 0.1):
        brightest = np.argsort(pair.sources.flux)[::-1][: 1 + int(rng.integers(3))]
        x, y = pair.geometry(pair.sources.x[brightest], pair.sources.y[brightest])
        centre = (SIZE - 1) / 2.0 + rng.normal(0.0, 15.0, 2)
        for a, b in zip(2 * centre[0] - x, 2 * centre[1] - y, strict=True):
            blemishes.ghost(light, marks, a, b, side.sky_noise * float(rng.uniform(0.3, 2.5)), rng)
    if is_new and rng.random() < 0.3:
        blemishes.dark_border(light, marks, rng)


def _read_out(
    light: Image, marks: Footprints, side: _Side, rng: np.random.Generator, *, is_new: bool
) -> Shot:
    """Count the light. A reference was cleaned before, though never wholly."""
    share = 1.0 if is_new else 0.1
    counted = rng.poisson(np.maximum(light, 0.0)).astype(np.float32)
    well = side.drawn.saturation * side.drawn.gain
    counted *= 1.0 - np.float32(rng.uniform(0.0, NONLINEAR)) * counted / np.float32(well)
    blemishes.cosmic_rays(counted, marks, rng.poisson(50 * share), rng)
    blemishes.hot_pixels(counted, marks, rng.poisson(25 * share), side.sky_noise, rng)
    blemishes.bad_columns(counted, marks, rng.poisson(1.5 * share), side.sky_noise, rng)
    blemishes.overflow(counted, marks, well)
    counted += rng.normal(0.0, side.drawn.read_noise, counted.shape).astype(np.float32)
    data = np.rint(np.minimum(counted, np.float32(well)) / np.float32(side.drawn.gain))
    return Shot(
        np.maximum(data, 0.0).astype(np.float32),
        side.drawn.gain,
        side.drawn.read_noise,
        side.drawn.saturation,
    )
