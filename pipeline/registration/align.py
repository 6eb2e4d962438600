"""Bring a frame onto the pixel grid of its reference: by both WCS, and by the stars themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel
from astropy.wcs.wcs import NoConvergence

from core.settings import Settings
from core.text import beside
from pipeline.frame import Aligned, Frame, FrameRefused, PreparedReference, PsfModel, Stars
from pipeline.registration.local import FAR_OFF, FEWEST
from pipeline.registration.pixel_map import PixelMap, term_powers
from pipeline.registration.resample import resample
from pipeline.registration.star_match import Match, StarList, match_stars, misfit, with_local, with_regions
from pipeline.registration.triangles import similarities
from pipeline.stellar.aliasing import without_aliases
from pipeline.stellar.psf import estimate_psf, moved_psf
from pipeline.subtraction.field import fit_field
from pipeline.subtraction.match import common_stars, compare

MIN_OVERLAP = 0.05
MAX_SCALE = 2.0
SCALE_ROUNDING = 1.03  # of frames binned by that: two WCS, and a distortion, agree no better
MAX_OFF_GRID_PX = 0.3  # of a frame that is said to lie on its reference's grid; the subtraction mends as much
LEAST_OFF_PX = 0.005  # no star's place is known better than that
LEAST_SCATTER_PX = 0.02  # nor does a local map know places in between better
MIN_SHARE = 0.2  # wrong maps bring together a few per cent of the stars, by chance


def align(
    frame: Frame,
    stars: Stars,
    fwhm: float,
    reference: PreparedReference,
    settings: Settings,
    psf: PsfModel | None = None,
) -> Aligned:
    """Find the map to the reference, and resample the frame by it.

    Where both images have a WCS these give a first map, which matched stars then correct.
    Without, or where hardly any stars agree with it, triangles of bright stars are matched, in
    both mirror images. The map is affine; where enough stars show distortion, a polynomial; and where they
    agree on local shifts, as air and tracking make them, it follows these (`pipeline.registration.local`).

    Parameters
    ----------
    frame, stars, fwhm
        The new frame, all its sources, and their width in its pixels.
    reference : PreparedReference
    settings : Settings
        `align.min_matched` and `align.max_rms_px` are limits; `subtract.psf_degree` is that of the PSF.
    psf : PsfModel, optional
        Of the new frame, where it is known better; else it is measured on the resampled frame, which
        knows what interpolation did to it.

    Raises
    ------
    FrameRefused
        Too few stars match, they do not fit, the frames hardly overlap, or their pixels differ by
        more than a factor of two.
    """
    match = find_map(frame, stars, reference.frame, reference.stars, fwhm, reference.psf.fwhm, settings)
    frame = without_aliases(frame, stars)
    aligned = resample(frame, match.to_new, reference.frame.wcs, fwhm)
    moved = moved_stars(stars, match.to_new)
    result = Aligned(
        frame=aligned,
        psf=moved_psf(psf, match.to_new)
        if psf
        else _measured_psf(aligned, moved, frame, stars, match, settings),
        stars=moved,
        to_new=match.to_new.affine,
        rms_px=match.rms_px,
        scatter_px=match.scatter_px,
        regions=match.regions,
        n_matched=match.n_matched,
        mirrored=match.to_new.area < 0,
        pixel_map=match.to_new,
    )
    return result if match.to_new.local is None else _followed(result, frame, stars, fwhm, reference)


def _followed(
    aligned: Aligned, frame: Frame, stars: Stars, fwhm: float, reference: PreparedReference
) -> Aligned:
    """The same, its local map corrected by stars compared in PSFs that are common to both frames.

    The centroid of a bright star is off by several times its noise where a neighbour is in its window.
    """
    found = aligned.pixel_map
    assert found is not None
    assert found.local is not None
    _, theirs = common_stars(aligned, reference)
    x, y = theirs.x, theirs.y
    seen = compare(aligned, reference, x, y)
    scatter = max(aligned.rms_px, LEAST_SCATTER_PX)
    usable = seen.usable & (np.hypot(seen.dx, seen.dy) < FAR_OFF * scatter)
    if np.count_nonzero(usable) < FEWEST:
        return aligned
    x, y, error = x[usable], y[usable], seen.shift_error[usable]
    # What is smooth over the field are the PSFs' own centres too, and the subtraction takes it out.
    off = np.stack(
        [
            shift - fit_field(x, y, shift, error, found.shape).field.at(x, y)
            for shift in (seen.dx[usable], seen.dy[usable])
        ]
    )
    linear, scale = found.affine[:, :2], float(np.sqrt(abs(found.area)))
    local = found.local.followed(x, y, linear @ off, scale * error, scale * scatter, scale * LEAST_OFF_PX)
    better = replace(found, local=local)
    return replace(
        aligned,
        frame=resample(frame, better, reference.frame.wcs, fwhm),
        stars=moved_stars(stars, better),
        pixel_map=better,
    )


def _measured_psf(
    aligned: Frame, moved: Stars, frame: Frame, stars: Stars, match: Match, settings: Settings
) -> PsfModel:
    """The PSF of the resampled frame; where the overlap has too few stars for it, from the whole frame."""
    degree = settings.subtract.psf_degree
    try:
        return estimate_psf(aligned, moved, degree)
    except FrameRefused:
        return moved_psf(estimate_psf(frame, stars, degree), match.to_new)


def already_aligned(
    frame: Frame,
    stars: Stars,
    fwhm: float,
    reference: PreparedReference,
    settings: Settings,
    psf: PsfModel | None = None,
) -> Aligned:
    """Take a frame that lies on its reference's grid as it is, and measure how well it does.

    Raises
    ------
    FrameRefused
        The shapes differ, too few stars are at the same place in both, or they are not at the same place.
    """
    if frame.shape != reference.frame.shape:
        sizes = " and ".join(f"{width} x {height}" for height, width in (frame.shape, reference.frame.shape))
        raise FrameRefused(f"the images cannot be on one grid: they measure {sizes} pixels")
    identity = PixelMap.from_affine(np.eye(2, 3), frame.shape)
    mine, other = StarList(stars, fwhm), StarList(reference.stars, reference.psf.fwhm)
    found = match_stars(identity, mine, other, frame.shape) if min(len(mine), len(other)) >= 3 else None
    try:
        match = _accepted(found, frame, reference.frame, settings, mine.told_masked)
    except FrameRefused as refused:
        raise FrameRefused(
            f"{refused}; is it on the grid of its reference?", refused.value, refused.limit
        ) from None
    if (off := _off_grid(match.to_new)) > MAX_OFF_GRID_PX:
        raise FrameRefused(
            f"its stars lie up to {beside(off, MAX_OFF_GRID_PX, 2)} px from those of its reference: it is "
            f"not on the same grid, where {MAX_OFF_GRID_PX:g} px is the most",
            off,
            MAX_OFF_GRID_PX,
        )
    match = with_regions(match, mine, other)
    return Aligned(
        frame=frame,
        psf=psf or estimate_psf(frame, stars, settings.subtract.psf_degree),
        stars=stars,
        to_new=np.eye(2, 3),
        rms_px=match.rms_px,
        scatter_px=match.scatter_px,
        regions=match.regions,
        n_matched=match.n_matched,
    )


def _off_grid(found: PixelMap) -> float:
    """The most that a map moves any place of the field, in pixels."""
    height, width = found.shape
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)))
    to_x, to_y = found(x, y)
    return float(np.hypot(to_x - x, to_y - y).max())


def find_map(
    new: Frame,
    new_stars: Stars,
    reference: Frame,
    reference_stars: Stars,
    new_fwhm: float,
    reference_fwhm: float,
    settings: Settings,
) -> Match:
    """The map from a reference's pixels to a new frame's; see `align` for how and what it refuses."""
    needed = settings.align.min_matched
    if min(len(new_stars), len(reference_stars)) < needed:
        raise FrameRefused(
            f"too few stars are in the frame or the reference to align them: {len(new_stars)} and "
            f"{len(reference_stars)}, and {needed} must match",
            min(len(new_stars), len(reference_stars)),
            needed,
        )
    new_list = StarList(new_stars, new_fwhm)
    reference_list = StarList(reference_stars, reference_fwhm)
    best: Match | None = None
    for first in _first_maps(new, new_list, reference, reference_list):
        match = match_stars(first, new_list, reference_list, new.shape)
        if match is not None and (best is None or _merit(match) > _merit(best)):
            best = match
        if best is not None and best.n_matched >= 2 * needed and best.share > 0.5:
            break
    accepted = _accepted(best, new, reference, settings, new_list.told_masked)
    return with_local(accepted, new_list, reference_list)


def _first_maps(
    new: Frame, new_stars: StarList, reference: Frame, reference_stars: StarList
) -> Iterator[PixelMap]:
    """Maps to try, the likeliest first."""
    if new.wcs is not None and reference.wcs is not None:
        by_wcs = _wcs_map(reference.wcs, new.wcs, reference.shape, new.shape)
        if by_wcs is not None:
            _check_scale(by_wcs)
            yield by_wcs
    most = SCALE_ROUNDING * MAX_SCALE
    for count in (50, 120, 300):
        proposed = similarities(reference_stars.places[:count], new_stars.places[:count], most)
        yield from (PixelMap.from_affine(affine, reference.shape) for affine in proposed)


def _wcs_map(reference: WCS, new: WCS, shape: tuple[int, int], new_shape: tuple[int, int]) -> PixelMap | None:
    """The map that two WCS imply, a polynomial of the lowest degree that follows it to 0.02 px."""
    y, x = (
        axis.ravel() for axis in np.meshgrid(*(np.linspace(0, size - 1, 24) for size in shape), indexing="ij")
    )
    try:
        to_x, to_y = pixel_to_pixel(reference.celestial, new.celestial, x, y)
    except (NoConvergence, ValueError):
        return None
    # Far outside the new frame its distortion polynomials may run wild.
    margin = 0.25 * max(new_shape)
    near = (
        (to_x > -margin) & (to_x < new_shape[1] + margin) & (to_y > -margin) & (to_y < new_shape[0] + margin)
    )
    if np.count_nonzero(near) < 12:
        return None
    x, y, to_x, to_y = x[near], y[near], to_x[near], to_y[near]
    for degree in (1, 2, 3, 5):
        found = PixelMap.fit(x, y, to_x, to_y, shape, degree)
        if (
            len(x) < 4 * len(term_powers(degree + 1))
            or np.abs(misfit(found, (x, y, to_x, to_y))).max() < 0.02
        ):
            break
    return found


def _check_scale(found: PixelMap) -> None:
    scale = float(np.sqrt(abs(found.area)))
    if max(scale, 1.0 / scale) > SCALE_ROUNDING * MAX_SCALE:
        raise FrameRefused(
            f"a pixel of the reference is {scale:.2g} pixels of the frame wide; a factor of {MAX_SCALE:g} is "
            f"the most that can be aligned",
            max(scale, 1.0 / scale),
            MAX_SCALE,
        )


def _merit(match: Match) -> float:
    return match.n_matched * match.share


def _overlap(found: PixelMap, new_shape: tuple[int, int]) -> float:
    """The part of the reference that the new frame covers."""
    x, y = found.grid(step=max(min(found.shape) // 64, 1))
    inside = (x > -0.5) & (y > -0.5) & (x < new_shape[1] - 0.5) & (y < new_shape[0] - 0.5)
    return float(inside.mean())


def _accepted(best: Match | None, new: Frame, reference: Frame, settings: Settings, masked: str) -> Match:
    """The best match if it is good enough, else a refusal with the number that failed."""
    limits = settings.align
    if best is None or best.n_matched < limits.min_matched or best.share < MIN_SHARE:
        if new.wcs is not None and reference.wcs is not None:
            by_wcs = _wcs_map(reference.wcs, new.wcs, reference.shape, new.shape)
            _check_overlap(0.0 if by_wcs is None else _overlap(by_wcs, new.shape), " by their WCS")
        if best is None or best.n_matched < limits.min_matched:
            matched = 0 if best is None else best.n_matched
            raise FrameRefused(
                f"too few stars match the reference: {matched}, and {limits.min_matched} must{masked}",
                matched,
                limits.min_matched,
            )
        raise FrameRefused(
            f"{beside(100.0 * best.share, 100.0 * MIN_SHARE, 0)}% of the bright stars match the reference, "
            f"no more than by chance; {MIN_SHARE:.0%} must{masked}",
            best.share,
            MIN_SHARE,
        )
    _check_overlap(_overlap(best.to_new, new.shape), "")
    if best.rms_px > limits.max_rms_px:
        raise FrameRefused(
            f"matched stars scatter by {beside(best.rms_px, limits.max_rms_px, 2)} px around the best map; "
            f"{limits.max_rms_px:g} px is the most",
            best.rms_px,
            limits.max_rms_px,
        )
    return best


def _check_overlap(covered: float, source: str) -> None:
    if covered < MIN_OVERLAP:
        raise FrameRefused(
            f"the frame covers {beside(100.0 * covered, 100.0 * MIN_OVERLAP)}% of its reference{source}; "
            f"{MIN_OVERLAP:.0%} is the least",
            covered,
            MIN_OVERLAP,
        )


def moved_stars(stars: Stars, to_new: PixelMap) -> Stars:
    """The stars at their places on the reference's grid, those that lie on it."""
    x, y = to_new.inverse(stars.x, stars.y)
    height, width = to_new.shape
    inside = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    scale = np.sqrt(abs(to_new.area))
    moved = replace(stars, x=x, y=y, fwhm=stars.fwhm / scale, peak=stars.peak * scale**2)
    return moved.take(np.flatnonzero(inside))
