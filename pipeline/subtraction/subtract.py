"""Subtraction: new minus reference, tile by tile, with the significance of a point source at each pixel.

Both methods, proper subtraction (`pipeline.subtraction.zogy`) and a fitted kernel
(`pipeline.subtraction.classic`), give each tile a pair of filters; what follows is the same for both.
With S the matched filter and k_n, k_r its parts, S = k_n * N - k_r * R, its variance is (Zackay, Ofek &
Gal-Yam 2016, eqs 25 to 33)

    V = V(N) * k_n^2 + V(R) * k_r^2 + V_registration + V_flux

where V(N) and V(R) are the variances of all pixels, sources included. The registration term is
rms^2 grad(k_n * N) . grad(k_r * R), negative products as 0: a shift leaves a residual only where both
images have light, and the product's noise averages to nothing on empty sky. V_flux, likewise, is the
measured scatter of the flux ratio squared times both filtered images. The score is S / sqrt(V), the
flux S / F_S and its error sqrt(V) / F_S.

Nothing of this is fitted to the score, whose standard deviation on empty sky is 1 where the variances
are right. Where it is found larger than 1.05, errors are enlarged to what is measured, place by place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import fft, ndimage

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.depth.response import Response, response_of
from pipeline.frame import (
    Aligned,
    Difference,
    Frame,
    FrameRefused,
    Image,
    MaskImage,
    PreparedReference,
    PsfModel,
)
from pipeline.neighbourhood import convolved, grown, patches, places
from pipeline.registration.resample import inpaint
from pipeline.subtraction import classic, zogy
from pipeline.subtraction.match import Match, match, reference_light, terms
from pipeline.subtraction.tiles import Tile, centred, plan, stamp_of
from pipeline.subtraction.zogy import Filters, Spectrum

BLEND_PX = 16  # half the width over which tiles fade into each other
BACKGROUND_MESH_PX = 96
LOST_SHARE = 0.25  # of a PSF core under the mask: then nothing can be said of its centre
MAX_FLUX_SCATTER = 0.05  # more is not a property of single stars
SMALLEST_TILE_PX = 128
MAX_PSF_CHANGE = 0.02  # over half a tile; a star of 250 sigma then leaves about 5
ENOUGH = 2**20  # pixels tell a standard deviation to a part in a thousand
FOUND_SIGMA = 6.0
FOUND_RADIUS_PX = 12  # beside what is found, its wings are in the score
TRUSTED_STD = 1.05  # a score that deviates more than this is rescaled, and the difference says so
NOISE_MESH_PX = 64
LEAST_KERNEL_PX = 112  # wider than any PSF and what a filter adds to it
RESPONSE_FWHM = 5.0  # around a source its light is followed through the filters
MIN_SHIFT_PX = 0.003  # smaller shifts are not worth a phase


@dataclass(frozen=True, slots=True)
class Side:
    """One image of a tile, transformed: its light, its variance, its PSF, and its background noise."""

    light: Spectrum
    variance: Spectrum
    psf: Spectrum
    sigma: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One tile's results, of the pixels that it answers for, in reference electrons."""

    data: Image
    flux: Image
    flux_err: Image


def subtract(
    new: Aligned, reference: PreparedReference, settings: Settings, method: str | None = None
) -> Difference:
    """Subtract the reference from a new frame that lies on its grid.

    Parameters
    ----------
    new : Aligned
    reference : PreparedReference
        Its transforms are kept in ``caches`` for the next frame.
    settings : Settings
        ``subtract.method``, ``subtract.tile_px``; ``depth.enabled``: keep the response to sources.
    method : {"zogy", "classic"}, optional
        Instead of the one in the settings.

    Raises
    ------
    FrameRefused
        Too few common stars, or nothing of both frames overlaps unmasked.
    """
    method = method or settings.subtract.method
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    mask = combined_mask(new.frame.mask | reference.frame.mask, max(new.psf.fwhm, reference.psf.fwhm))
    if np.all(mask != 0):
        raise FrameRefused("no pixel is good in both the frame and its reference")
    matched = match(new, reference)
    old_light = reference_light(reference)
    new_light, new_variance = _in_reference_units(new.frame, reference.frame, old_light, matched)
    seconds["match"] = time.perf_counter() - start

    start = time.perf_counter()
    size = max(new.psf.basis.shape[1], reference.psf.basis.shape[1])
    tile_px = tile_size(settings.subtract.tile_px, new.psf, reference.psf)
    tiles = plan(reference.frame.shape, tile_px, size * 5 // 8, BLEND_PX)
    make = _filter_maker(method, new, reference, new_light, old_light, new_variance, mask, settings)
    seconds["kernels"] = time.perf_counter() - start

    start = time.perf_counter()
    data, flux, flux_err, area = (np.zeros(reference.frame.shape, dtype=np.float32) for _ in range(4))
    stamps, responses = [], []
    response_px = size // 2 + math.ceil(RESPONSE_FWHM * max(new.psf.fwhm, reference.psf.fwhm))
    for tile in tiles:
        ours = _new_side(tile, new, new_light, new_variance, matched)
        theirs = _reference_side(tile, reference, old_light)
        made = make(tile, ours, theirs)
        found = measure(made, ours, theirs, tile, matched)
        for values, frame in ((found.data, data), (found.flux, flux), (found.flux_err, flux_err)):
            tile.add(values, to=frame)
        tile.add(np.float32(_noise_area(made.psf)), to=area)
        stamps.append(stamp_of(made.psf, min(size, min(tile.shape) // 2 * 2 - 1)))
        if settings.depth.enabled:
            responses.append(response_of(made, tile, response_px))
    seconds["transforms"] = time.perf_counter() - start

    start = time.perf_counter()
    _remove_background(data, flux, area, mask)
    score = np.where(mask == 0, flux / flux_err, np.float32(0.0))
    deviation = sky_deviation(score, flux_err, mask)
    score_scale = 1.0
    if deviation > TRUSTED_STD:
        excess = noise_excess(score, mask)
        flux_err *= excess
        score /= excess
        score_scale = float(1.0 / np.median(excess[mask == 0]))
    unit = np.float32(1.0 / reference.flux_scale)
    result = Difference(
        data=data * unit,
        score=score,
        flux=flux * unit,
        flux_err=flux_err * unit,
        mask=mask,
        psf=_psf_model(tiles, stamps, reference.frame.shape),
        method=method,
        flux_unit=reference.flux_unit,
        gain_ratio=matched.gain_ratio,
        score_std=deviation,
        score_scale=score_scale,
        seconds=seconds,
        response=Response(tuple(responses), matched.log_gain, reference.flux_scale) if responses else None,
    )
    seconds["finish"] = time.perf_counter() - start
    return result


def tile_size(wished: int, *psfs: PsfModel) -> int:
    """The wished size, halved until a PSF changes little from a tile's middle to its edge."""
    size = wished
    while size >= 2 * SMALLEST_TILE_PX and max(_change(psf, size) for psf in psfs) > MAX_PSF_CHANGE:
        size //= 2
    return size


def _change(psf: PsfModel, size: int) -> float:
    """The most that the PSF changes over half a tile, relative to its own root sum of squares."""
    if psf.degree == 0:
        return 0.0
    height, width = psf.shape
    most = 0.0
    for x in (0.0, (width - 1) / 2.0, width - 1.0):
        for y in (0.0, (height - 1) / 2.0, height - 1.0):
            here = psf.at(x, y)
            for toward_x, toward_y in ((1, 0), (0, 1)):
                beside = psf.at(
                    x + toward_x * np.copysign(size / 2.0, width / 2.0 - x),
                    y + toward_y * np.copysign(size / 2.0, height / 2.0 - y),
                )
                most = max(most, float(np.linalg.norm(beside - here) / np.linalg.norm(here)))
    return most


def measure(made: Filters, new: Side, reference: Side, tile: Tile, matched: Match) -> Measured:
    """Apply a tile's filters and give every pixel its variance."""

    def image(spectrum: Spectrum) -> Image:
        out: Image = fft.irfft2(spectrum, s=tile.shape, overwrite_x=True, workers=1)
        return out

    inside = tile.inside
    data = image(_pair(made.diff_new, new.light, made.diff_ref, reference.light, np.subtract))[inside]
    ours, theirs = image(made.score_new * new.light), image(made.score_ref * reference.light)
    squares = [_squared(kernel, tile.shape) for kernel in (made.score_new, made.score_ref)]
    variance = image(_pair(squares[0], new.variance, squares[1], reference.variance, np.add))[inside]
    least = np.float32(1e-6) * np.median(variance[::4, ::4])  # rounding may leave less than nothing
    if matched.rms_px > 0:
        for axis in (0, 1):
            product = slope(ours, inside, axis)
            product *= slope(theirs, inside, axis)
            variance += np.float32(matched.rms_px**2) * np.maximum(product, 0, out=product)
    ours, theirs = ours[inside], theirs[inside]
    scatter = min(matched.gain_scatter, MAX_FLUX_SCATTER)
    if scatter > 0:
        variance += np.float32(scatter**2) * np.maximum(ours * theirs, 0)
    error: Image = np.sqrt(np.maximum(variance, max(least, np.float32(1e-30))))
    per_norm = np.float32(1.0 / made.flux_norm)
    return Measured(data, (ours - theirs) * per_norm, error * per_norm)


def _squared(kernel: Spectrum, shape: tuple[int, int]) -> Spectrum:
    """The transform of a kernel's square; the kernel is given as a transform too.

    A kernel is narrow: every third or second of its frequencies are those of the same kernel in an image
    so much smaller, if it is still wide enough.
    """
    part = next(
        n
        for n in (3, 2, 1)
        if n == 1 or (all(length % n == 0 for length in shape) and min(shape) // n >= LEAST_KERNEL_PX)
    )
    small = shape[0] // part, shape[1] // part
    image: Image = fft.irfft2(kernel[::part, ::part], s=small, workers=1)
    square = np.square(image)
    if part > 1:
        square = centred(stamp_of(square, (min(small) - 1) // 2 * 2 + 1), shape)
    transformed: Spectrum = fft.rfft2(square, overwrite_x=True, workers=1)
    return transformed


def _pair(one: Spectrum, first: Spectrum, other: Spectrum, second: Spectrum, join: np.ufunc) -> Spectrum:
    """The sum or difference of two products."""
    product = one * first
    joined: Spectrum = join(product, other * second, out=product)
    return joined


def slope(image: Image, inside: tuple[slice, slice], axis: int) -> Image:
    """The centred gradient along one axis, of a part of an image: one-sided ones lie half a pixel off."""
    before, after = list(inside), list(inside)
    before[axis] = slice(inside[axis].start - 1, inside[axis].stop - 1)
    after[axis] = slice(inside[axis].start + 1, inside[axis].stop + 1)
    gradient: Image = np.float32(0.5) * (image[tuple(after)] - image[tuple(before)])
    return gradient


def combined_mask(mask: MaskImage, fwhm: float) -> MaskImage:
    """The mask of a difference: that of both images, and where too much of a PSF's core is under it.

    The edge of the data grows by a whole FWHM, for what lies beyond it is not known at all; a single
    bad pixel does not grow, for its neighbours lose little.
    """
    radius = max(1, round(fwhm / 2.0))
    bad = mask != 0
    width = 2 * radius + 1
    share = convolved(bad.astype(np.float32), np.full(width, 1.0 / width, dtype=np.float32))
    result = mask.copy()
    lost = places((share > np.float32(LOST_SHARE)) & ~bad)
    result[lost] = np.bitwise_or.reduce(patches(mask, *lost, width), axis=(1, 2))
    framed = np.pad((mask & np.uint16(MaskPlane.EDGE)) != 0, 1, constant_values=True)
    result[grown(framed, max(1, int(np.ceil(fwhm))))[1:-1, 1:-1]] |= np.uint16(MaskPlane.EDGE)
    return result


def sky_deviation(score: Image, flux_err: Image, mask: MaskImage) -> float:
    """Standard deviation of the score on empty sky: half the range that holds 68.27 % of it.

    Empty is what is not masked, not beside anything significant, and not on bright sources.
    """
    found = grown(np.abs(score) > FOUND_SIGMA, FOUND_RADIUS_PX)
    sparse = (slice(None, None, max(1, math.isqrt(score.size // ENOUGH))),) * 2
    good = (mask[sparse] == 0) & ~found[sparse]
    if not good.any():
        return float("nan")
    values, errors = score[sparse][good], flux_err[sparse][good]
    low, high = np.percentile(values[errors <= 1.2 * np.percentile(errors, 40)], [15.866, 84.134])
    return float(high - low) / 2.0


def noise_excess(score: Image, mask: MaskImage) -> Image:
    """How much larger than 1 the standard deviation of the score is, place by place; never below 1.

    Real frames have noise that no variance of single pixels shows: flat-field structure, noise that
    neighbours share, the unresolved stars of a crowded field.
    """
    mesh = max(16, min(NOISE_MESH_PX, *(length // 2 for length in score.shape)))
    spread = sep.Background(score, mask=mask != 0, bw=mesh, bh=mesh, fw=3, fh=3).rms(dtype=np.float32)
    excess: Image = np.maximum(spread, np.float32(1.0))
    return excess


def _in_reference_units(
    frame: Frame, reference: Frame, old_light: Image, matched: Match
) -> tuple[Image, Image]:
    """The new frame's light and variance in reference electrons.

    Under a mask of either frame the light is the reference's, plus what their difference is around the
    hole: so stars in masked places cancel, and what changed beside a bad pixel stays whole.
    """
    scale = np.exp(-matched.log_gain.image())
    change = frame.signal * scale - old_light
    mask = frame.mask | reference.mask
    holes = (mask != 0) & (mask & MaskPlane.EDGE == 0)
    beyond = (mask & MaskPlane.EDGE) != 0
    change[beyond] = 0.0
    if holes.any():
        change = inpaint(change, holes)
    return old_light + change, frame.variance * np.square(scale)


def _new_side(tile: Tile, new: Aligned, light: Image, variance: Image, matched: Match) -> Side:
    x, y = tile.centre
    at = np.array([x]), np.array([y])
    spectrum = fft.rfft2(tile.cut(light), workers=1)
    dx, dy = float(matched.dx.at(*at)[0]), float(matched.dy.at(*at)[0])
    if max(abs(dx), abs(dy)) > MIN_SHIFT_PX:
        spectrum = shifted(spectrum, dx, dy, tile.shape)
    return Side(
        light=spectrum,
        variance=fft.rfft2(tile.cut(variance), workers=1),
        psf=fft.rfft2(centred(_fitting(new.psf.at(x, y), tile.shape), tile.shape), workers=1),
        sigma=background_noise(tile, variance, new.frame.mask),
    )


def _reference_side(tile: Tile, reference: PreparedReference, light: Image) -> Side:
    key = ("tile", *tile.key)
    if key not in reference.caches:
        frame = reference.frame
        stamp = _fitting(reference.psf.at(*tile.centre), tile.shape)
        reference.caches[key] = Side(
            light=fft.rfft2(tile.cut(light), workers=1),
            variance=fft.rfft2(tile.cut(frame.variance), workers=1),
            psf=fft.rfft2(centred(stamp, tile.shape), workers=1),
            sigma=background_noise(tile, frame.variance, frame.mask),
        )
    side: Side = reference.caches[key]
    return side


def _fitting(stamp: Image, shape: tuple[int, int]) -> Image:
    """The stamp, or as much of its middle as a very small tile holds."""
    spare = max(0, (stamp.shape[0] - min(shape) + 2) // 2)
    return stamp[spare : stamp.shape[0] - spare, spare : stamp.shape[1] - spare]


def shifted(spectrum: Spectrum, dx: float, dy: float, shape: tuple[int, int]) -> Spectrum:
    """Move an image by (-dx, -dy) pixels, given and returned as its transform."""
    rows = np.exp(2j * np.pi * dy * fft.fftfreq(shape[0])).astype(np.complex64)
    columns = np.exp(2j * np.pi * dx * fft.rfftfreq(shape[1])).astype(np.complex64)
    moved: Spectrum = spectrum * rows[:, None] * columns[None, :]
    return moved


def background_noise(tile: Tile, variance: Image, mask: MaskImage) -> float:
    """Noise of the sky in a tile: of its fainter pixels, for the others have sources."""
    rows, columns = tile.inner
    part = slice(rows.start, rows.stop, 2), slice(columns.start, columns.stop, 2)
    values = variance[part][mask[part] == 0]
    if values.size < 16:
        values = variance.ravel()[:: max(1, variance.size // 100_000)]
    return float(np.sqrt(np.percentile(values, 25)))


FilterMaker = Callable[[Tile, Side, Side], Filters]


def _filter_maker(
    method: str,
    new: Aligned,
    reference: PreparedReference,
    new_light: Image,
    old_light: Image,
    new_variance: Image,
    mask: MaskImage,
    settings: Settings,
) -> FilterMaker:
    """What turns a tile into its filters."""
    if method == "zogy":
        return lambda tile, n, r: zogy.filters(n.psf, r.psf, n.sigma, r.sigma, tile.shape)
    convolve_new = new.psf.fwhm < reference.psf.fwhm
    sharp, blurred = (new_light, old_light) if convolve_new else (old_light, new_light)
    basis = classic.kernel_basis(*sorted((new.psf.fwhm, reference.psf.fwhm)))
    stars = classic.fit_stars(new, reference)
    variances = (new_variance, reference.frame.variance)
    if not convolve_new:
        variances = variances[::-1]
    fits = classic.without_outliers(classic.gather(sharp, blurred, variances, mask != 0, *stars, basis))

    def make(tile: Tile, n: Side, r: Side) -> Filters:
        kernel = classic.kernel_at(fits, *tile.centre, reach=settings.subtract.tile_px / 2)
        first, second = (n, r) if convolve_new else (r, n)
        return classic.filters(
            kernel, second.psf, first.sigma, second.sigma, tile.shape, convolve_new=convolve_new
        )

    return make


def _noise_area(psf: Image) -> float:
    """How many pixels' noise a PSF fit takes in."""
    return float(1.0 / np.sum(np.square(psf), dtype=np.float64))


def _remove_background(data: Image, flux: Image, area: Image, mask: MaskImage) -> None:
    """Take what is left of the sky out of the difference, in place, and its share out of the flux.

    In the difference both images have one PSF and constant stars are gone, so a plain mesh sees the sky
    even where the field is crowded. A level of b per pixel adds b / sum(P_D^2) to a PSF fit.
    """
    height, width = data.shape
    mesh_y, mesh_x = (max(16, min(BACKGROUND_MESH_PX, length // 2)) for length in (height, width))
    sky = sep.Background(data, mask=mask != 0, bw=mesh_x, bh=mesh_y, fw=3, fh=3).back(dtype=np.float32)
    data -= sky
    flux -= sky * area


def _psf_model(tiles: list[Tile], stamps: list[Image], shape: tuple[int, int]) -> PsfModel:
    """The difference's PSF as a polynomial through the tiles' own."""
    x, y = np.array([tile.centre for tile in tiles]).T
    sides = min(len(set(x)), len(set(y)))
    degree = 0 if sides < 2 else 1 if sides < 3 else 2
    size = min(stamp.shape[0] for stamp in stamps)
    cube = np.stack([_fitting(stamp, (size + 1, size + 1)) for stamp in stamps]).reshape(len(stamps), -1)
    basis, *_ = np.linalg.lstsq(terms(x, y, shape, degree), cube.astype(np.float64), rcond=None)
    middle: NDArray[np.float64] = basis[0].reshape(size, size)
    return PsfModel(
        basis=basis.reshape(-1, size, size).astype(np.float32),
        degree=degree,
        shape=shape,
        fwhm=width_at_half(middle),
        n_stars=0,
    )


def width_at_half(stamp: NDArray[np.float64]) -> float:
    """FWHM of a centred stamp: that of the circle whose area is above half the peak, to a fraction."""
    fine = ndimage.zoom(stamp, 4, order=3, grid_mode=True, mode="nearest")
    return float(2.0 * np.sqrt(np.count_nonzero(fine > 0.5 * fine.max()) / np.pi) / 4.0)
