"""Both frames as they are subtracted: electrons of the reference above the sky, their holes filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import MaskPlane
from pipeline.frame import Aligned, Frame, Image, PreparedReference
from pipeline.registration.resample import inpaint
from pipeline.stellar.psf import relative_error
from pipeline.subtraction.left_over import StarLight
from pipeline.subtraction.saturated import fill, lost_cores, star_holes

if TYPE_CHECKING:
    from pipeline.subtraction.match import Match

LEAST_ERROR = 0.005  # of a PSF, however many stars show it


def inpainted_signal(frame: Frame) -> NDArray[np.float32]:
    """Electrons above the sky, masked pixels filled from their surroundings."""
    signal: NDArray[np.float32] = frame.signal
    bad = frame.mask != 0
    return inpaint(signal, bad) if bad.any() else signal


def reference_images(reference: PreparedReference) -> tuple[Image, Image]:
    """Light and variance of a reference, made once; holes in stars hold what their wings tell of."""
    if "images" not in reference.caches:
        frame = reference.frame
        light, variance = inpainted_signal(frame), frame.variance
        holes = star_holes(frame.mask, light, variance)
        if holes.any():
            cores = lost_cores(frame.signal, variance, (frame.mask != 0) | holes, holes, reference.psf)
            light, variance = light.copy(), variance.copy()
            fill(light, variance, cores, reference.psf)
            reference.caches["cores"] = cores
        reference.caches["images"] = light, variance
    images: tuple[Image, Image] = reference.caches["images"]
    return images


def bright_stars(new: Aligned, reference: PreparedReference) -> StarLight:
    """The stars of a reference, also those that have holes in it, and what is known of PSFs and map there."""
    reference_images(reference)
    cores = reference.caches.get("cores", [])
    stars = reference.stars
    known = (stars.mask & np.uint16(MaskPlane.SATURATED)) == 0
    x, y, flux = (np.array([getattr(core, name)[0] for core in cores]) for name in ("x", "y", "flux"))
    for core_x, core_y in zip(x, y, strict=True):
        known &= np.hypot(stars.x - core_x, stars.y - core_y) > 0.5 * reference.psf.fwhm
    x, y = np.r_[stars.x[known], x], np.r_[stars.y[known], y]
    errors = (relative_error(psf, x, y) for psf in (new.psf, reference.psf))
    return StarLight(
        x=x,
        y=y,
        flux=np.r_[stars.flux[known], flux].astype(np.float64),
        whole=np.r_[stars.mask[known] == 0, np.zeros(len(cores), dtype=bool)],
        doubt=np.sqrt(sum((error**2 for error in errors), start=np.full(len(x), LEAST_ERROR**2))),
        astray=np.zeros(len(x)) if new.pixel_map is None else new.pixel_map.astray(x, y),
        fwhm=max(new.psf.fwhm, reference.psf.fwhm),
    )


def new_images(new: Aligned, reference: PreparedReference, matched: Match) -> tuple[Image, Image]:
    """Light and variance of the new frame.

    Under a mask of either frame the light is the reference's, plus what their difference is around the
    hole: so stars in masked places cancel, and what changed beside a bad pixel stays whole. Where a bright
    star has a hole in either, it is the reference's star, seen with the new frame's PSF.
    """
    frame = new.frame
    old_light, old_variance = reference_images(reference)
    scale = np.exp(-matched.log_gain.image())
    change = frame.signal
    change *= scale
    change -= old_light
    mask = frame.mask | reference.frame.mask
    beyond = (mask & MaskPlane.EDGE) != 0
    change[beyond] = 0.0
    holes = (mask != 0) & ~beyond
    if holes.any():
        change = inpaint(change, holes)
    light = np.add(old_light, change, out=change)
    variance = np.square(scale, out=scale)
    variance *= frame.variance
    lost = star_holes(mask, old_light, old_variance) & ~beyond
    if lost.any():
        cores = lost_cores(old_light, old_variance, beyond, lost, reference.psf)
        fill(light, variance, cores, new.psf, matched.moved)
    return light, variance


def star_lights(
    new: Aligned, reference: PreparedReference, matched: Match
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Places and fluxes of the whole stars of both frames, in electrons of the reference."""
    theirs = reference.stars.take(reference.stars.mask == 0)
    ours = new.stars.take(new.stars.mask == 0)
    light = ours.flux * np.exp(-matched.log_gain.at(ours.x, ours.y))
    return np.r_[theirs.x, ours.x], np.r_[theirs.y, ours.y], np.r_[theirs.flux, light]
