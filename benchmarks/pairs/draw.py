"""Draw a pair of frames and everything that is true of it.

Each frame is the light of the sky in electrons, integrated over its own pixels through its own PSF,
plus its sky, Poisson noise of all of it, normal read noise, clipped at full well and divided by the gain;
nothing is rounded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from benchmarks.pairs.ideal import flux_of_snr
from benchmarks.pairs.optics import SAMPLES, Image, Optics, PsfField, psf_field
from benchmarks.pairs.scenarios import SCENARIOS, Scenario, optics_of
from benchmarks.pairs.scene import Geometry, Sources, geometry_of, sources_of

Array = NDArray[np.float64]

VERSION = 3  # of what is drawn: pairs kept under another one are drawn anew
SKY = 400.0  # electrons a pixel in the new frame
READ_NOISE = 7.0
FULL_WELL = 80_000.0
GAIN = 1.6
HALVES_PX = (8, 12, 18, 28, 44)  # of the stamps of stars, the brighter the wider
UNSEEN = 0.03  # sigma of the sky: what a star's light is cut off at
KINDS = ("sky", "star", "galaxy")
# Of the changes. Few of the sources that a program calibrates a frame by may change, for few do.
SHARES = 0.68, 0.08, 0.24
APART_PX = 30.0
EDGE_PX = 32.0
SNR = 3.0, 50.0


@dataclass(frozen=True)
class Exposure:
    """One frame: ``data`` in data units; ``light`` electrons of one unit of flux."""

    data: Image
    gain: float
    read_noise: float  # electrons
    saturation: float  # data units
    light: float
    sky: Image | None = None  # electrons; none where the pair was read back
    expected: Image | None = None  # electrons without noise: sky, constant sources and changes


@dataclass(frozen=True)
class Changes:
    """What changed; every attribute is (n,). ``sign`` 1 is in the new frame alone, -1 in the reference."""

    x: Array  # reference's pixels
    y: Array
    x_new: Array
    y_new: Array
    flux: Array
    snr: Array
    sign: Array
    kind: Array  # index into KINDS


@dataclass(frozen=True)
class Pair:
    """Two frames of a field and their truth."""

    scenario: Scenario
    seed: int
    new: Exposure
    ref: Exposure
    changes: Changes
    geometry: Geometry
    sources: Sources
    optics: tuple[Optics, Optics]  # of the new frame and the reference

    @cached_property
    def psf_new(self) -> PsfField:
        """In the new frame's own pixels."""
        return psf_field(self.optics[0], self.new.data.shape)

    @cached_property
    def psf_ref(self) -> PsfField:
        """Of the reference."""
        return psf_field(self.optics[1], self.ref.data.shape)

    @property
    def flux_ratio(self) -> float:
        """New electrons per reference electron."""
        return self.new.light / self.ref.light


def pair_of(name: str, seed: int, cache: Path | None = None) -> Pair:
    """The pair of a scenario and a seed, kept in ``cache`` for the next time."""
    if cache is None:
        return draw(SCENARIOS[name], seed)
    file = cache / f"{name}-{seed}-{VERSION}.npz"
    if not file.exists():
        pair = draw(SCENARIOS[name], seed)
        cache.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as out:
            np.savez(
                out,
                new=pair.new.data,
                ref=pair.ref.data,
                **{each.name: getattr(pair.changes, each.name) for each in fields(Changes)},
            )
        part.replace(file)
        return pair
    with np.load(file) as kept:
        changes = Changes(**{each.name: kept[each.name] for each in fields(Changes)})
        return _pair(SCENARIOS[name], seed, kept["new"], kept["ref"], changes)


def draw(scenario: Scenario, seed: int) -> Pair:
    """Draw a pair."""
    bare = np.zeros((scenario.size, scenario.size), dtype=np.float32)
    nothing = Changes(*(np.zeros(0) for _ in fields(Changes)))
    pair = _pair(scenario, seed, bare, bare, nothing)
    rng = _random(scenario, seed, "noise")
    x, y = pair.sources.x, pair.sources.y
    skies = [_sky(level, scenario.size, rng) for level in (SKY, 0.9 * SKY * scenario.depth)]
    expected = []
    for which, sky in ((pair.new, skies[0]), (pair.ref, skies[1])):
        new = which is pair.new
        image = sky.copy()
        places = pair.geometry(x, y) if new else (x, y)
        add_stars(image, _field(pair, new=new), *places, pair.sources.flux * which.light, np.sqrt(sky.mean()))
        _add_galaxies(image, pair, which.light, new=new)
        expected.append(image)
    changes = _changes(pair, skies, expected, _random(scenario, seed, "changes"))
    frames = []
    for which, sky, image in zip((pair.new, pair.ref), skies, expected, strict=True):
        new = which is pair.new
        mine = changes.sign > 0 if new else changes.sign < 0
        places = (changes.x_new, changes.y_new) if new else (changes.x, changes.y)
        lit = image.copy()
        light = changes.flux[mine] * which.light
        add_stars(lit, _field(pair, new=new), places[0][mine], places[1][mine], light, 0.0)
        frames.append(_exposed(which, sky, lit, rng))
    out = Pair(scenario, seed, *frames, changes, pair.geometry, pair.sources, pair.optics)
    out.__dict__["psf_new"], out.__dict__["psf_ref"] = pair.psf_new, pair.psf_ref
    return out


def add_stars(image: Image, psf: PsfField, x: Array, y: Array, light: Array, noise: float) -> None:
    """Add point sources of ``light`` electrons, each as far out as it is above `UNSEEN` of the noise."""
    height, width = image.shape
    profile = 1.5 * _profile(psf)
    limits = [UNSEEN * noise / max(profile[half], 1e-30) for half in HALVES_PX[:-1]]
    halves = np.array(HALVES_PX)[np.searchsorted(limits, light, side="right")]
    if noise <= 0:
        halves[:] = HALVES_PX[-1]
    columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
    near = (columns > -halves) & (rows > -halves) & (columns < width + halves) & (rows < height + halves)
    for i in np.flatnonzero(near):
        half, row, column = int(halves[i]), int(rows[i]), int(columns[i])
        stamp = psf.stamp(x[i], y[i], half, x[i] - column, y[i] - row)
        _add(image, stamp * np.float32(light[i]), row - half, column - half)


def _add(image: Image, stamp: Image, top: int, left: int) -> None:
    """Add a stamp, or what of it lies inside."""
    height, width = image.shape
    bottom, right = min(top + stamp.shape[0], height), min(left + stamp.shape[1], width)
    first_row, first_column = max(top, 0), max(left, 0)
    if bottom > first_row and right > first_column:
        part = stamp[first_row - top : bottom - top, first_column - left : right - left]
        image[first_row:bottom, first_column:right] += part


def _profile(psf: PsfField) -> Array:
    """The most light of a PSF at each whole radius, of the central node."""
    half = HALVES_PX[-1]
    stamp = psf.stamp(psf.shape[1] / 2, psf.shape[0] / 2, half).astype(float)
    offset = np.arange(-half, half + 1)
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int)
    return np.array([stamp[ring == radius].max() for radius in range(half + 1)])


def _add_galaxies(image: Image, pair: Pair, light: float, *, new: bool) -> None:
    """Add the galaxies, each through the PSF of its place."""
    sources, psf = pair.sources, _field(pair, new=new)
    x, y = sources.galaxy_x, sources.galaxy_y
    at_x, at_y = pair.geometry(x, y) if new else (x, y)
    height, width = image.shape
    for i in range(len(x)):
        column, row = round(at_x[i]), round(at_y[i])
        largest = float(np.sqrt(sources.galaxy_shape[i, :2].max()))
        samples = 256 if largest < 3.0 else 384
        half = samples // (2 * SAMPLES)
        if not (-half < column < width + half and -half < row < height + half):
            continue
        xx, yy, xy = sources.galaxy_shape[i]
        shape = np.array([[xx, xy], [xy, yy]])
        if new:
            matrix = pair.geometry.matrix(x[i], y[i])
            shape = matrix @ shape @ matrix.T
        spectra = psf.spectra(samples)
        spectrum = np.zeros(spectra.shape[2:], dtype=np.complex64)
        for node_row, node_column, weight in psf.node_weights(at_x[i], at_y[i]):
            spectrum += np.float32(weight) * spectra[node_row, node_column]
        # The centre goes to pixel (half, half) of the stamp, and a fraction on.
        spectrum *= _galaxy(samples, shape, sources.galaxy_nu[i], (at_x[i] - column, at_y[i] - row))
        full = fft.irfft2(spectrum, s=(samples, samples), workers=1)
        stamp = np.roll(full, (samples // 2, samples // 2), axis=(0, 1))[::SAMPLES, ::SAMPLES]
        _add(image, stamp * np.float32(sources.galaxy_flux[i] * light), row - half, column - half)


def _galaxy(samples: int, shape: Array, nu: float, shift: tuple[float, float]) -> NDArray[np.complex64]:
    """The transform of a galaxy of unit flux, moved by so many pixels."""
    fy = fft.fftfreq(samples, 1.0 / SAMPLES).astype(np.float32)[:, None]
    fx = fft.rfftfreq(samples, 1.0 / SAMPLES).astype(np.float32)[None, :]
    xx, yy, xy = (np.float32(4.0 * np.pi**2 * value) for value in (shape[0, 0], shape[1, 1], shape[0, 1]))
    profile = (1.0 + xx * fx**2 + yy * fy**2 + 2.0 * xy * fx * fy) ** np.float32(-1.0 - nu)
    rows = np.exp(-2j * np.pi * fy * shift[1]).astype(np.complex64)
    columns = np.exp(-2j * np.pi * fx * shift[0]).astype(np.complex64)
    moved: NDArray[np.complex64] = profile * rows * columns
    return moved


def _sky(level: float, size: int, rng: np.random.Generator) -> Image:
    """A sky of a mild gradient, which differs from frame to frame."""
    v, u = np.meshgrid(*(np.linspace(-1.0, 1.0, size, dtype=np.float32),) * 2, indexing="ij")
    a, b, c, d = rng.normal(0.0, (0.03, 0.03, 0.01, 0.01))
    out: Image = (level * (1.0 + a * u + b * v + c * u * v + d * (u * u - v * v))).astype(np.float32)
    return out


def _exposed(which: Exposure, sky: Image, expected: Image, rng: np.random.Generator) -> Exposure:
    """A frame with its noise."""
    electrons = rng.poisson(np.maximum(expected, 0.0)).astype(np.float32)
    electrons += rng.normal(0.0, which.read_noise, expected.shape).astype(np.float32)
    data = np.minimum(electrons / np.float32(which.gain), np.float32(which.saturation))
    return Exposure(
        data, which.gain, which.read_noise, which.saturation, which.light, sky=sky, expected=expected
    )


def _changes(pair: Pair, skies: list[Image], expected: list[Image], rng: np.random.Generator) -> Changes:
    """Draw what changes, apart from each other, half of either sign."""
    count = round(pair.scenario.transients * pair.scenario.size**2 / 1e6)
    kind, x, y = _hosts(pair, skies[0], expected[0], count, rng)
    if len(x) == 0:
        return pair.changes
    order = rng.permutation(len(x))
    kind, x, y = kind[order], x[order], y[order]
    sign = np.where(np.arange(len(x)) % 2 == 0, 1.0, -1.0)
    snr = np.exp(rng.uniform(np.log(SNR[0]), np.log(SNR[1]), len(x)))
    x_new, y_new = pair.geometry(x, y)
    psfs, variances = [], []
    half = min(24, int(np.ceil(5 * max(pair.scenario.fwhm_new, pair.scenario.fwhm_ref))))
    for which, image, at in ((pair.new, expected[0], (x_new, y_new)), (pair.ref, expected[1], (x, y))):
        psf = _field(pair, new=which is pair.new)
        stamps, noise = [], []
        for here_x, here_y in zip(*at, strict=True):
            column, row = round(here_x), round(here_y)
            stamps.append(psf.stamp(here_x, here_y, half, here_x - column, here_y - row))
            noise.append(image[row - half : row + half + 1, column - half : column + half + 1])
        psfs.append(np.array(stamps, dtype=float))
        variances.append((np.array(noise, dtype=float) + which.read_noise**2) / which.light**2)
    light = pair.new.light, pair.ref.light
    flux = flux_of_snr(snr, sign > 0, psfs[0], psfs[1], variances[0], variances[1], light)
    return Changes(x, y, x_new, y_new, flux, snr, sign, kind)


def _hosts(
    pair: Pair, sky: Image, expected: Image, count: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Places of changes: on the sky, on stars, on galaxies."""
    size, sources = pair.scenario.size, pair.sources
    noise = np.sqrt(sky.mean() * 4.0 * np.pi) * pair.scenario.fwhm_new / 2.355
    peak = max(
        _profile(psf)[0] * which.light / (which.saturation * which.gain)
        for psf, which in ((pair.psf_new, pair.new), (pair.psf_ref, pair.ref))
    )
    bright = (sources.flux > 15.0 * noise) & (sources.flux < 0.4 / peak)
    hosts = np.flatnonzero(bright)
    weight = sources.flux[hosts] ** 0.35  # bright ones more often than they are
    hosts = rng.choice(hosts, len(hosts), replace=False, p=weight / weight.sum()) if len(hosts) else hosts
    homes = rng.permutation(np.flatnonzero(sources.galaxy_flux > 5.0 * noise))
    extent = np.sqrt(sources.galaxy_shape[homes, :2].mean(axis=1))
    off_x, off_y = rng.normal(size=(2, len(homes))) * 0.8 * extent
    empty_x, empty_y = rng.uniform(0, size - 1, (2, 60 * count + 60))
    light = expected - sky
    over = light[np.rint(empty_y).astype(int), np.rint(empty_x).astype(int)]
    calm = np.argsort(over > max(0.05 * float(sky.mean()), float(np.percentile(over, 20))), kind="stable")
    offered = (
        (empty_x[calm], empty_y[calm]),
        (sources.x[hosts], sources.y[hosts]),
        (sources.galaxy_x[homes] + off_x, sources.galaxy_y[homes] + off_y),
    )
    taken: list[tuple[float, float, float]] = []
    for kind in (1, 2, 0):
        x, y = offered[kind]
        new_x, new_y = pair.geometry(x, y)
        inside = np.minimum.reduce([x, y, size - 1 - x, size - 1 - y]) > EDGE_PX
        inside &= np.minimum.reduce([new_x, new_y, size - 1 - new_x, size - 1 - new_y]) > EDGE_PX
        left = round(count * SHARES[kind])
        for a, b in zip(x[inside], y[inside], strict=True):
            if left == 0:
                break
            others = np.array([(one[1], one[2]) for one in taken]).reshape(-1, 2)
            if np.all(np.hypot(others[:, 0] - a, others[:, 1] - b) >= APART_PX):
                taken.append((float(kind), float(a), float(b)))
                left -= 1
    table = np.array(taken).reshape(-1, 3)
    return table[:, 0].astype(int), table[:, 1], table[:, 2]


def _field(pair: Pair, *, new: bool) -> PsfField:
    return pair.psf_new if new else pair.psf_ref


def _random(scenario: Scenario, seed: int, what: str) -> np.random.Generator:
    words = [ord(letter) for letter in f"{scenario.name} {what}"]
    return np.random.default_rng([VERSION, seed, *words])


def _pair(scenario: Scenario, seed: int, new: Image, ref: Image, changes: Changes) -> Pair:
    """Everything of a pair but its pixels and its changes, drawn from its seed."""
    rng = _random(scenario, seed, "scene")
    optics = optics_of(scenario, rng, new=True), optics_of(scenario, rng, new=False)
    geometry, sources = geometry_of(scenario, rng), sources_of(scenario, rng)
    well = FULL_WELL * max(scenario.depth, 1.0)
    light = scenario.transparency * float(rng.uniform(0.9, 1.1))
    ref_gain = GAIN * scenario.depth
    ref_noise = READ_NOISE * np.sqrt(scenario.depth)
    return Pair(
        scenario,
        seed,
        Exposure(new, GAIN, READ_NOISE, FULL_WELL / GAIN, light),
        Exposure(ref, ref_gain, float(ref_noise), well / ref_gain, scenario.depth),
        changes,
        geometry,
        sources,
        optics,
    )
