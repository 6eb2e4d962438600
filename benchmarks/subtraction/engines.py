"""What is judged: the product on the way of `astrid diff`, and others.

Nothing that was rescaled empirically is judged: the product's rescaling of scores that deviate too much is
switched off, and how often it would have been applied is told.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from benchmarks.pairs.draw import Pair
from benchmarks.raw_frame import raw_frame
from benchmarks.subtraction import peers
from core.settings import Settings
from pipeline.clock import StageClock
from pipeline.detection.detect import detect
from pipeline.detection.forced import forced_flux
from pipeline.frame import Aligned, PreparedReference, PsfModel
from pipeline.measure import measure
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration.align import align
from pipeline.subtraction import subtract as room
from pipeline.subtraction.field import terms
from pipeline.subtraction.left_over import StarLight
from pipeline.subtraction.match import Match, common_stars

Array = NDArray[np.float64]

OURS = ("zogy", "classic", "given")
PEERS = tuple(peers.PEERS)
TRUE_DEGREE = 5  # of the polynomial through the true PSFs


@dataclass
class Outcome:
    """What an engine made of a pair, on the reference's grid.

    ``flux`` takes a place and returns flux and error in reference electrons. ``detections`` are (x, y) of
    what it would show a person. ``facts`` are by name: what it got wrong of what it had to find out.
    """

    score: NDArray[np.float32]
    good: NDArray[np.bool_]
    flux: Callable[[float, float], tuple[float, float]] | None = None
    detections: Array | None = None
    without_astrometry: NDArray[np.float32] | None = None
    facts: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)


@dataclass
class Way:
    """A pair brought as far as all of the product's methods share it."""

    pair: Pair
    settings: Settings
    aligned: Aligned
    reference: PreparedReference
    cpu_s: float
    fft_s: float


def installed(engine: str) -> bool:
    """Whether an engine can run here."""
    return engine in OURS or peers.installed(engine)


def way(pair: Pair) -> Way:
    """Calibrate both frames, find their stars and PSFs and align them.

    Raises
    ------
    FrameRefused
        The product refuses one of them.
    """
    settings = Settings()
    began = time.process_time()
    prepared = prepare_image(_image(pair, settings), settings)
    new = measure(raw_frame(pair.new, "new", 3.0), None, settings, StageClock())
    aligned = align(new.frame, new.stars, new.fwhm, prepared, settings)
    seconds = time.process_time() - began
    return Way(pair, settings, aligned, prepared, seconds, _fft_seconds(pair.ref.data))


def run(engine: str, way: Way) -> Outcome:
    """Let an engine subtract.

    Raises
    ------
    FrameRefused
        The product refuses the pair.
    """
    if engine in PEERS:
        return _peer(way, engine)
    if engine == "given":
        way = _with_true_psfs(way)
    return _ours(way, "classic" if engine == "classic" else "zogy")


def _ours(way: Way, method: str) -> Outcome:
    way.reference.caches.clear()
    with _observed() as seen:
        began = time.process_time()
        difference = room.subtract(way.aligned, way.reference, way.settings, method)
        core = time.process_time() - began
        began = time.process_time()
        found, _ = detect(difference, way.aligned, way.reference, way.settings)
        rest = time.process_time() - began
    with _observed(astrometry=False):
        calm = room.subtract(way.aligned, way.reference, way.settings, method)
    per_unit = way.reference.flux_scale

    def flux(x: float, y: float) -> tuple[float, float]:
        value, error = forced_flux(difference, x, y)
        return value * per_unit, error * per_unit

    facts = _facts(way, seen, difference.gain_ratio)
    facts["rescaled"] = (
        float(difference.score_std > room.TRUSTED_STD) if hasattr(room, "TRUSTED_STD") else 0.0
    )
    return Outcome(
        score=_unscaled(difference.score, difference.score_scale),
        good=difference.mask == 0,
        flux=flux,
        detections=np.array([(each.x, each.y) for each in found]).reshape(-1, 2),
        without_astrometry=_unscaled(calm.score, calm.score_scale),
        facts=facts,
        costs={
            "core_ffts": core / way.fft_s,
            "whole_ffts": (way.cpu_s + core + rest) / way.fft_s,
            "bytes_per_pixel": float("nan"),
        },
    )


def peak_bytes(way: Way, method: str) -> float:
    """Bytes a pixel that a subtraction allocates at its peak, with what it keeps of the reference."""
    way.reference.caches.clear()
    tracemalloc.start()
    room.subtract(way.aligned, way.reference, way.settings, method)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / way.pair.ref.data.size


@contextmanager
def _observed(*, astrometry: bool = True) -> Iterator[list[Match]]:
    """Watch the photometric match of a subtraction, or take the astrometric terms from its result.

    They are the scatter of stars' places, and what a local map adds beside bright stars.

    Scores are not rescaled meanwhile.
    """
    seen: list[Match] = []
    real, stars, trusted = room.match, room.bright_stars, room.TRUSTED_STD

    def match(new: Aligned, reference: PreparedReference) -> Match:
        found = real(new, reference)
        seen.append(found)
        return found if astrometry else replace(found, rms_px=0.0, place_variance=None)

    def bright_stars(new: Aligned, reference: PreparedReference) -> StarLight:
        found = stars(new, reference)
        return found if astrometry else replace(found, astray=np.zeros_like(found.astray))

    room.match, room.bright_stars, room.TRUSTED_STD = match, bright_stars, float("inf")
    try:
        yield seen
    finally:
        room.match, room.bright_stars, room.TRUSTED_STD = real, stars, trusted


def _unscaled(score: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    return score if scale == 1.0 else score / np.float32(scale)


def _facts(way: Way, seen: list[Match], gain_ratio: float) -> dict[str, float]:
    """How far off the product is in what it estimated."""
    pair, aligned = way.pair, way.aligned
    size = pair.scenario.size
    y, x = (grid.ravel().astype(float) for grid in np.mgrid[32 : size - 32 : 48, 32 : size - 32 : 48])
    facts = {
        "map_px": float(np.sqrt(np.mean(_off_map(aligned, pair, x, y) ** 2))),
        "gain": gain_ratio / pair.flux_ratio - 1.0,
    }
    ticks = np.array([0.15, 0.5, 0.85]) * size
    y, x = (grid.ravel() for grid in np.meshgrid(ticks, ticks, indexing="ij"))
    centres = []
    for name, model, new in (("psf_new", aligned.psf, True), ("psf_ref", way.reference.psf, False)):
        errors, centre = psf_errors(model, pair, x, y, new=new)
        facts[name] = float(np.sqrt(np.mean(errors**2)))
        centres.append(centre)
    if seen:
        match = seen[-1]
        # A fit of PSFs whose centres lie beside the true ones finds the stars so much beside.
        found = np.stack([match.dx.at(x, y), match.dy.at(x, y)]) - (centres[0] - centres[1])
        facts |= {
            "left_px": float(np.sqrt(np.nanmean((_off_map(aligned, pair, x, y, np.nan) - found) ** 2))),
            "rms_px": match.rms_px,
            "gain_scatter": match.gain_scatter,
        }
    return facts


def _off_map(aligned: Aligned, pair: Pair, x: Array, y: Array, beyond: float = 0.0) -> Array:
    """How far stars lie, on the reference's grid, from where the product's map puts them: (2, n)."""
    size = pair.scenario.size
    true_x, true_y = pair.geometry(x, y)
    map_x, map_y = aligned.map_to_new(x, y)
    back = np.linalg.inv(pair.geometry.matrix(size / 2.0, size / 2.0))
    off = back @ np.stack([true_x - map_x, true_y - map_y])
    inside = (true_x > 0) & (true_y > 0) & (true_x < size - 1) & (true_y < size - 1)
    return np.where(inside, off, beyond)


def psf_errors(model: PsfModel, pair: Pair, x: Array, y: Array, *, new: bool) -> tuple[Array, Array]:
    """How a PSF differs from the true one at some places.

    Returns
    -------
    (n,) float
        |P - P_true| / |P_true|, the best shift taken out.
    (2, n) float
        That shift: where the true PSF's centre lies from the other's, x and y.
    """
    half = model.basis.shape[-1] // 2
    errors, shifts = [], []
    for a, b in zip(x, y, strict=True):
        true = true_stamp(pair, a, b, min(half, 43), new=new)
        ours = model.at(a, b).astype(float)
        cut = half - true.shape[0] // 2
        off = (ours[cut : len(ours) - cut, cut : len(ours) - cut] - true).ravel()
        slopes = np.stack([np.gradient(true, axis=axis).ravel() for axis in (1, 0)], axis=1)
        shift = np.linalg.lstsq(slopes, off, rcond=None)[0]
        errors.append(np.sqrt(np.sum((off - slopes @ shift) ** 2) / np.sum(true**2)))
        shifts.append(shift)
    return np.array(errors), np.array(shifts).T


def true_stamp(pair: Pair, x: float, y: float, half: int, *, new: bool) -> Array:
    """The true PSF of either frame at a place of the reference, as seen on its grid."""
    if not new:
        return pair.psf_ref.stamp(x, y, half).astype(float)
    at = pair.geometry(np.array([x]), np.array([y]))
    return pair.psf_new.warped(float(at[0][0]), float(at[1][0]), half, pair.geometry.matrix(x, y)).astype(
        float
    )


def _with_true_psfs(way: Way) -> Way:
    """The same with the true PSFs instead of those that were estimated.

    That of the new frame is the true one of its own pixels; what resampling did to it is not in it.
    """
    pair = way.pair
    half = max(psf.basis.shape[-1] for psf in (way.aligned.psf, way.reference.psf)) // 2
    new = _true_model(pair, half, way.aligned.psf, new=True)
    reference = replace(way.reference, psf=_true_model(pair, half, way.reference.psf, new=False), caches={})
    return replace(way, aligned=replace(way.aligned, psf=new), reference=reference)


def _true_model(pair: Pair, half: int, like: PsfModel, *, new: bool) -> PsfModel:
    """A polynomial through the true PSFs of a frame."""
    shape = pair.ref.data.shape
    ticks = np.linspace(0, pair.scenario.size - 1, 9)
    y, x = (grid.ravel() for grid in np.meshgrid(ticks, ticks, indexing="ij"))
    stamps = np.stack([true_stamp(pair, a, b, half, new=new).ravel() for a, b in zip(x, y, strict=True)])
    basis = np.linalg.lstsq(terms(x, y, shape, TRUE_DEGREE), stamps, rcond=None)[0]
    cube = basis.reshape(-1, 2 * half + 1, 2 * half + 1).astype(np.float32)
    return PsfModel(cube, TRUE_DEGREE, shape, like.fwhm, like.n_stars)


def images_of(way: Way) -> peers.Images:
    """The product's aligned images, in reference electrons, as other programs get them."""
    aligned, reference = way.aligned, way.reference
    good = (aligned.frame.mask | reference.frame.mask) == 0
    middle = way.pair.scenario.size / 2.0
    scale = 1.0 / room.match(aligned, reference).gain_ratio
    _, stars = common_stars(aligned, reference)
    return peers.Images(
        new=np.where(good, aligned.frame.signal, 0.0).astype(float) * scale,
        ref=np.where(good, reference.frame.signal, 0.0).astype(float),
        var_new=aligned.frame.variance.astype(float) * scale**2,
        var_ref=reference.frame.variance.astype(float),
        psf_new=aligned.psf.at(middle, middle).astype(float),
        psf_ref=reference.psf.at(middle, middle).astype(float),
        good=good,
        fwhm_new=aligned.psf.fwhm,
        fwhm_ref=reference.psf.fwhm,
        rms_px=aligned.rms_px,
        star_x=stars.x,
        star_y=stars.y,
    )


def _peer(way: Way, engine: str) -> Outcome:
    """Let another program subtract the product's aligned images."""
    images = images_of(way)
    good = images.good
    made = peers.PEERS[engine](images)
    edge = max(images.fwhm_new, images.fwhm_ref)
    judged = good & (ndimage.distance_transform_edt(np.pad(good, 1))[1:-1, 1:-1] > edge)
    flux = None
    if made.flux is not None and made.flux_err is not None:
        values, errors = made.flux, made.flux_err

        def flux(x: float, y: float) -> tuple[float, float]:
            if not judged[round(y), round(x)]:
                return float("nan"), float("nan")
            return peers.flux_at(values, x, y), peers.flux_at(errors, x, y)

    return Outcome(made.score.astype(np.float32), judged, flux, costs={"core_ffts": made.cpu_s / way.fft_s})


def _image(pair: Pair, settings: Settings) -> ReferenceImage:
    """The reference, calibrated as `astrid diff` does with a file."""
    measured = measure(raw_frame(pair.ref, "reference", 0.0), None, settings, StageClock())
    return ReferenceImage(measured.frame, ("reference",), "adu", stars=measured.stars)


def _fft_seconds(image: NDArray[np.float32]) -> float:
    """CPU time of one real transform of the whole image in single precision."""
    times = []
    for _ in range(5):
        began = time.process_time()
        fft.rfft2(image, workers=1)
        times.append(time.process_time() - began)
    return float(np.median(times))
