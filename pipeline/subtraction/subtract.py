"""Subtraction: new minus reference, tile by tile, with the significance of a point source at each pixel.

Both methods, proper subtraction (`pipeline.subtraction.zogy`) and a fitted kernel
(`pipeline.subtraction.classic`), give each tile its filters; what follows is the same for both
(`pipeline.subtraction.tile_score`). Tiles overlap and fade into each other, each with its own PSF, flux
ratio, background noise, shift, and scatter of stars' places.

Nothing of this is fitted to the score, whose standard deviation on empty sky is 1 where the variances
are right. Where it is found larger than 1.05, errors are enlarged to what is measured, place by place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings
from pipeline.depth.response import Response, TileResponse, response_of
from pipeline.frame import (
    Aligned,
    Difference,
    FrameRefused,
    Image,
    MaskImage,
    PreparedReference,
)
from pipeline.subtraction import classic, zogy
from pipeline.subtraction.arrays import Arrays, arrays
from pipeline.subtraction.difference_psf import SMALLEST_TILE_PX, psf_model, tile_size
from pipeline.subtraction.filters import Filters, compact, flux_of_level
from pipeline.subtraction.left_over import (
    REACH_PX,
    StarLight,
    add_astray,
    add_left_over,
    add_unseen,
    left_over,
    shift_error,
    wing_error,
)
from pipeline.subtraction.left_sky import left_sky
from pipeline.subtraction.lights import bright_stars, new_images, reference_images, star_lights
from pipeline.subtraction.masks import combined_mask
from pipeline.subtraction.match import Match, first_match, match
from pipeline.subtraction.psf_match import match_psf
from pipeline.subtraction.score_check import noise_excess, sky_deviation
from pipeline.subtraction.sides import new_side, psfs_of, reference_side
from pipeline.subtraction.tile_score import Side, measure
from pipeline.subtraction.tiles import Tile, plan, spread, stamp_of
from pipeline.subtraction.unsubtracted import mask_unsubtracted

BLEND_PX = 8  # half the width over which tiles fade into each other, at least
MOST_HALO_PX = 40  # farther out a kernel holds no more than a part in 1e5
# Those of the smallest tiles: where PSFs vary so much, a wide fade tells more than the last of a halo.
SMALL_BLEND_PX, SMALL_HALO_PX = 16, 24
MOST_STAMP_PX = 61  # of the difference's PSF
TRUSTED_STD = 1.05  # a score that deviates more than this is rescaled, and the difference says so
FILTERS_KEPT = 12  # tiles in either direction, at most, whose filters are kept for later
RESPONSE_FWHM = 5.0  # around a source its light is followed through the filters


def subtract(
    new: Aligned, reference: PreparedReference, settings: Settings, method: str | None = None
) -> Difference:
    """Subtract the reference from a new frame that lies on its grid.

    Parameters
    ----------
    new : Aligned
    reference : PreparedReference
        The transforms of its larger tiles are kept in ``caches`` for the next frame.
    settings : Settings
        ``subtract.method``, ``subtract.tile_px``, ``subtract.device``; ``depth.enabled``: keep the response
        to sources.
    method : {"zogy", "classic"}, optional
        Instead of the one in the settings.

    Raises
    ------
    FrameRefused
        Too few common stars, or nothing of both frames overlaps unmasked.
    DeviceMissing
        The settings ask for a GPU that is not there.
    """
    method = method or settings.subtract.method
    xp = arrays(settings.subtract.device)
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    fwhm = max(new.psf.fwhm, reference.psf.fwhm)
    mask = combined_mask(new.frame.mask | reference.frame.mask, fwhm)
    if np.all(mask != 0):
        raise FrameRefused("no pixel is good in both the frame and its reference")
    if method == "zogy":
        new = match_psf(new, reference, first_match(new, reference), mask != 0)
    matched = match(new, reference)
    theirs = reference_images(reference)
    ours = new_images(new, reference, matched)
    seconds["match"] = time.perf_counter() - start

    start = time.perf_counter()
    size = max(new.psf.basis.shape[1], reference.psf.basis.shape[1])
    tile_px = tile_size(settings.subtract.tile_px, new.psf, reference.psf)
    small = tile_px <= SMALLEST_TILE_PX
    halo, blend = (SMALL_HALO_PX, SMALL_BLEND_PX) if small else (MOST_HALO_PX, BLEND_PX)
    tiles = plan(reference.frame.shape, tile_px, min(size * 5 // 8, halo), blend)
    make = _filter_maker(method, new, reference, ours, theirs, mask, settings, xp)
    seconds["kernels"] = time.perf_counter() - start

    start = time.perf_counter()
    found = _subtract_tiles(tiles, new, reference, (ours, theirs), make, matched, settings, xp)
    del ours
    seconds["transforms"] = time.perf_counter() - start

    start = time.perf_counter()
    data, flux, flux_err = found.data, found.flux, found.flux_err
    _remove_background(data, flux, tiles, found.levels, mask)
    scatter = math.hypot(matched.gain_scatter, matched.rms_px / fwhm)
    stars = star_lights(new, reference, matched)
    left_share = mask_unsubtracted(flux, flux_err, mask, stars, fwhm, scatter)
    _expect_left_over(flux, flux_err, mask, bright_stars(new, reference), found.wings, found.shifts)
    add_unseen(flux_err, theirs[0], new.frame.mask | reference.frame.mask, fwhm)
    score, deviation, score_scale = _score(flux, flux_err, mask)
    if reference.flux_scale != 1.0:
        for image in (data, flux, flux_err):
            np.multiply(image, np.float32(1.0 / reference.flux_scale), out=image)
    result = Difference(
        data=data,
        score=score,
        flux=flux,
        flux_err=flux_err,
        mask=mask,
        psf=psf_model(spread(tiles, FILTERS_KEPT), found.stamps, reference.frame.shape),
        method=method,
        flux_unit=reference.flux_unit,
        gain_ratio=matched.gain_ratio,
        score_std=deviation,
        score_scale=score_scale,
        left_share=left_share,
        gain_scatter=matched.gain_scatter,
        seconds=seconds,
        response=Response(tuple(found.responses), matched.log_gain, reference.flux_scale)
        if found.responses
        else None,
    )
    seconds["finish"] = time.perf_counter() - start
    return result


FilterMaker = Callable[[Tile, Side, Side], Filters]


@dataclass(slots=True)
class _Found:
    """What the tiles add up to, and what each of them tells of its filters."""

    data: Image
    flux: Image
    flux_err: Image
    stamps: list[Image] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)  # `flux_of_level` of each tile
    responses: list[TileResponse] = field(default_factory=list)
    wings: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    shifts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))


def _subtract_tiles(
    tiles: list[Tile],
    new: Aligned,
    reference: PreparedReference,
    images: tuple[tuple[Image, Image], tuple[Image, Image]],
    make: FilterMaker,
    matched: Match,
    settings: Settings,
    xp: Arrays,
) -> _Found:
    """Subtract tile by tile; ``images`` are light and variance of the new frame and of the reference."""
    data, flux, flux_err = (np.zeros(reference.frame.shape, dtype=np.float32) for _ in range(3))
    found = _Found(data, flux, flux_err)
    fwhm = max(new.psf.fwhm, reference.psf.fwhm)
    most_px = min(max(psf.basis.shape[1] for psf in (new.psf, reference.psf)), MOST_STAMP_PX)
    response_px = most_px // 2 + math.ceil(RESPONSE_FWHM * fwhm)

    def take(tile: Tile, psfs: tuple[Image, Image], shift: NDArray[np.float64], rms_px: float) -> None:
        ours = new_side(tile, new, psfs[0], *images[0], shift, xp)
        theirs = reference_side(tile, reference, psfs[1], *images[1], xp)
        made = make(tile, ours, theirs)
        measured = measure(made, ours, theirs, tile, replace(matched, rms_px=rms_px), xp)
        for values, to in zip(measured, (data, flux, flux_err), strict=True):
            tile.add(values, to)
        if tile is tiles[len(tiles) // 2]:
            response = made.match * made.of_new * ours.psf * (1.0 / made.flux_norm)
            stamp = xp.host(compact(response, tile.shape, xp, least=2 * REACH_PX + 1))
            found.wings, found.shifts = wing_error(stamp, fwhm), shift_error(stamp)
        found.levels.append(flux_of_level(made))
        if tile.key not in kept:
            return
        psf = xp.host(compact(made.psf, tile.shape, xp, by=made.whiten))
        found.stamps.append(stamp_of(psf, min(most_px, (min(psf.shape) - 1) // 2 * 2 - 1)))
        if settings.depth.enabled:
            found.responses.append(response_of(made, tile, response_px, xp))

    kept = {tile.key for tile in spread(tiles, FILTERS_KEPT)}
    x, y = np.array([tile.centre for tile in tiles]).T
    shifts = np.stack([matched.dx.at(x, y), matched.dy.at(x, y)], axis=1)
    psfs = zip(psfs_of(new.psf, tiles), psfs_of(reference.psf, tiles), strict=True)
    for tile, both, shift, rms_px in zip(tiles, psfs, shifts, matched.rms_at(x, y), strict=True):
        # On its own, so that nothing of a tile is in memory beside the next.
        take(tile, both, shift, float(rms_px))
    return found


def _filter_maker(
    method: str,
    new: Aligned,
    reference: PreparedReference,
    ours: tuple[Image, Image],
    theirs: tuple[Image, Image],
    mask: MaskImage,
    settings: Settings,
    xp: Arrays,
) -> FilterMaker:
    """What turns a tile into its filters."""
    if method == "zogy":
        return lambda tile, n, r: zogy.filters(n.psf, r.psf, n.sigma, r.sigma, tile.shape, xp)
    convolve_new = new.psf.fwhm < reference.psf.fwhm
    (sharp, sharp_noise), (blurred, blurred_noise) = (ours, theirs) if convolve_new else (theirs, ours)
    basis = classic.kernel_basis(*sorted((new.psf.fwhm, reference.psf.fwhm)))
    stars = classic.fit_stars(new, reference)
    variances = sharp_noise, blurred_noise
    fits = classic.without_outliers(classic.gather(sharp, blurred, variances, mask != 0, *stars, basis))

    def make(tile: Tile, n: Side, r: Side) -> Filters:
        kernel = classic.kernel_at(fits, *tile.centre, reach=settings.subtract.tile_px / 2)
        first, second = (n, r) if convolve_new else (r, n)
        return classic.filters(
            kernel, second.psf, first.sigma, second.sigma, tile.shape, xp, convolve_new=convolve_new
        )

    return make


def _score(flux: Image, flux_err: Image, mask: MaskImage) -> tuple[Image, float, float]:
    """The score, its standard deviation on the sky, and the factor that errors of real frames called for."""
    score: Image = flux / flux_err
    score[mask != 0] = 0.0
    if not np.isfinite(score).all():  # whoever looks at what is left would find nothing, and be sure of it
        raise FrameRefused(
            "the difference is no number in places: pixels or variances are too large for its precision"
        )
    deviation = sky_deviation(score, flux_err, mask)
    if not deviation > TRUSTED_STD:
        return score, deviation, 1.0
    excess = noise_excess(score, mask)
    flux_err *= excess
    score /= excess
    return score, deviation, float(np.mean(1.0 / excess[mask == 0]))


def _expect_left_over(
    flux: Image,
    flux_err: Image,
    mask: MaskImage,
    stars: StarLight,
    wings: NDArray[np.float64],
    shifts: NDArray[np.float64],
) -> None:
    """Add to the flux errors, in place, what bright stars leave of themselves."""
    if stars.astray.any():
        add_astray(flux_err, stars, shifts)
    seen = left_over(flux, flux_err, mask, stars)
    add_left_over(flux_err, replace(stars, doubt=np.ones(len(stars.x))), wings)
    if seen is not None:
        add_left_over(flux_err, stars, seen)


def _remove_background(
    data: Image, flux: Image, tiles: list[Tile], levels: list[float], mask: MaskImage
) -> None:
    """Take what is left of the sky out of the difference, in place, and its share out of the flux.

    ``levels`` are what a level of 1 per pixel adds to the flux, tile by tile.
    """
    sky = left_sky(data, mask != 0)
    data -= sky
    for tile, level in zip(tiles, levels, strict=True):
        tile.add(sky[tile.inner] * np.float32(-level), flux)
