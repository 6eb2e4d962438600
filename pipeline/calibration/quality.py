"""Whether a frame is worth a subtraction, and the numbers that say so."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.frames.outcome import QualityFacts
from core.magnitudes import UPPER_LIMIT_SIGMA
from core.settings import Settings
from core.text import beside
from core.vocabulary import MaskPlane
from pipeline.files.zeropoint import HeaderZeropoint, header_zeropoint
from pipeline.frame import Frame, FrameRefused, Stars
from pipeline.known.field_stars import FieldStars
from pipeline.quantile import quantile
from pipeline.stellar.moffat import COMMON_BETA, noise_pixels
from pipeline.stellar.stars import stellar_fwhm

ENOUGH = 2**20  # pixels
HEADER = "header"


def assess(frame: Frame, stars: Stars, settings: Settings, beta: float = COMMON_BETA) -> QualityFacts:
    """Measure a frame's quality and reject what no subtraction could use.

    Parameters
    ----------
    frame : Frame
    stars : Stars
        Of the same frame.
    settings : Settings
        ``quality`` holds the limits.
    beta : float
        Of the Moffat profile of its stars.

    Returns
    -------
    QualityFacts
        ``sky`` and ``sky_rms`` in electrons a pixel; ``zeropoint`` the magnitude of one electron, where
        the header has one for its data; ``limit_mag`` that of a point source of 5 sigma on empty sky.

    Raises
    ------
    FrameRefused
        Too much of it is masked, it has too few stars, or its seeing is too poor.
    """
    limits = settings.quality
    good = usable(frame)
    masked_fraction = 1.0 - float(np.mean(good))
    if masked_fraction > limits.max_masked_fraction:
        masked, most = 100.0 * masked_fraction, 100.0 * limits.max_masked_fraction
        raise FrameRefused(
            f"{beside(masked, most, 0)}% of the frame is masked; at most {most:g}% may be",
            masked_fraction,
            limits.max_masked_fraction,
        )
    if len(stars) < limits.min_stars:
        raise FrameRefused(
            f"too few stars: {len(stars)} found; {limits.min_stars} are needed",
            len(stars),
            limits.min_stars,
        )
    seeing_px = stellar_fwhm(stars)
    if seeing_px <= 0.0:
        raise FrameRefused(
            f"{len(stars)} stars were found, and none shows the seeing; 1 is needed", len(stars), 1
        )
    if seeing_px > limits.max_seeing_px:
        raise FrameRefused(
            f"the seeing is {beside(seeing_px, limits.max_seeing_px)} pixels; "
            f"at most {limits.max_seeing_px:g} are accepted",
            seeing_px,
            limits.max_seeing_px,
        )
    sky, sky_rms = sky_of(frame, good)
    told, scale = _zeropoint(frame), frame.pixel_scale
    zeropoint = None if told is None else told.value
    return QualityFacts(
        seeing_px=seeing_px,
        seeing_arcsec=None if scale is None else seeing_px * scale,
        sky=sky,
        sky_rms=sky_rms,
        zeropoint=zeropoint,
        limit_mag=limit_magnitude(zeropoint, sky_rms, seeing_px, beta),
        n_stars=len(stars),
        masked_fraction=masked_fraction,
        zeropoint_from=None if told is None else HEADER,
        mag_system=None if told is None else told.mag_system,
    )


def usable(frame: Frame) -> NDArray[np.bool_]:
    """The pixels of which something can be told."""
    good: NDArray[np.bool_] = frame.mask & ~np.uint16(MaskPlane.INTERPOLATED) == 0
    return good


def sky_of(frame: Frame, good: NDArray[np.bool_]) -> tuple[float, float]:
    """The sky and its noise in electrons a pixel, where at least one pixel is good."""
    # Both are smooth, and a part of their pixels tells the medians as well.
    step = max(1, math.isqrt(good.size // ENOUGH))
    part = np.s_[::step, ::step] if good[::step, ::step].any() else np.s_[:, :]
    variance, background = (image[part][good[part]] for image in (frame.variance, frame.background))
    return quantile(background, 0.5), math.sqrt(quantile(variance[variance <= quantile(variance, 0.5)], 0.5))


def with_catalog(quality: QualityFacts, found: FieldStars, beta: float) -> QualityFacts:
    """The same with what a star catalogue says: its zeropoint goes before the header's. `beta` as above."""
    if found.zeropoint is not None:
        told = found.zeropoint
        quality = replace(
            quality,
            zeropoint=told.value,
            zeropoint_from=told.origin,
            zeropoint_scatter=told.scatter,
            zeropoint_stars=told.n_stars,
            mag_system=told.mag_system,
            limit_mag=limit_magnitude(told.value, quality.sky_rms or 0.0, quality.seeing_px or 0.0, beta),
        )
    if found.astrometry is not None:
        fit = found.astrometry
        quality = replace(
            quality,
            wcs_catalog=fit.catalog,
            wcs_dra_arcsec=fit.dra_arcsec,
            wcs_ddec_arcsec=fit.ddec_arcsec,
            wcs_rms_arcsec=fit.rms_arcsec,
            wcs_stars=fit.n_stars,
        )
    return quality


def limit_magnitude(zeropoint: float | None, sky_rms: float, seeing_px: float, beta: float) -> float | None:
    """The magnitude of `limit_flux`; none without a zeropoint or noise."""
    flux = limit_flux(sky_rms, seeing_px, beta)
    return None if zeropoint is None or flux <= 0 else zeropoint - 2.5 * math.log10(flux)


def limit_flux(sky_rms: float, fwhm_px: float, beta: float) -> float:
    """Electrons of a point source of 5 sigma on empty sky, by a fit of its profile."""
    return UPPER_LIMIT_SIGMA * sky_rms * math.sqrt(noise_pixels(beta, fwhm_px))


def _zeropoint(frame: Frame) -> HeaderZeropoint | None:
    """The magnitude of one electron, from the header's zeropoint for one unit of its data."""
    told = header_zeropoint(frame.header, frame.exposure)
    return None if told is None else told._replace(value=told.value + 2.5 * math.log10(frame.gain))
