"""The first half of the way: a raw frame, calibrated, judged, its stars found.

New frames, frames of a coadd and references from a file all go through it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from core.catalogs.library import CatalogError
from core.frames.outcome import QualityFacts
from core.settings import Settings
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.masters import Masters
from pipeline.calibration.quality import assess, with_catalog
from pipeline.clock import StageClock
from pipeline.frame import Frame, FrameRefused, PsfModel, RawFrame, Stars
from pipeline.known.field_stars import FieldStars, compare
from pipeline.known.match import KnownSky
from pipeline.stellar.moffat import COMMON_BETA, beta_of
from pipeline.stellar.stars import find_stars, stellar_fwhm

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """A calibrated frame that passed the quality gate, with its sources and their width."""

    frame: Frame
    stars: Stars
    quality: QualityFacts
    fwhm: float  # of its stars, in pixels
    remarks: tuple[str, ...] = ()  # what its owner should know, a sentence each


def measure(raw: RawFrame, masters: Masters | None, settings: Settings, clock: StageClock) -> Measured:
    """Calibrate a frame, find its sources and judge it.

    Raises
    ------
    FrameRefused
        It cannot be used; the message says what failed and what was needed.
    """
    with clock.stage("calibrate"):
        frame = calibrate(raw, masters, settings)
    return measure_calibrated(frame, settings, clock)


def measure_calibrated(frame: Frame, settings: Settings, clock: StageClock) -> Measured:
    """The same for a frame that is calibrated already, such as a coadd."""
    with clock.stage("stars"):
        stars = find_stars(frame)
    with clock.stage("quality"):
        fwhm = stellar_fwhm(stars)
        beta = beta_of(frame, stars, fwhm) or COMMON_BETA
        quality = assess(frame, stars, settings, beta)
        found = compared(frame, stars, settings)
        complaint = found.astrometry and found.astrometry.complaint(settings.quality.max_wcs_offset_arcsec)
        if complaint and settings.quality.reject_wcs_offset:
            offset = found.astrometry.offset_arcsec if found.astrometry else None
            raise FrameRefused(complaint, offset, settings.quality.max_wcs_offset_arcsec)
    remarks = (complaint,) if complaint else ()
    return Measured(frame, stars, with_catalog(quality, found, beta), fwhm, remarks)


def compared(frame: Frame, stars: Stars, settings: Settings, psf: PsfModel | None = None) -> FieldStars:
    """What the star catalogues of this machine say of a frame; nothing where they cannot be read."""
    try:
        known = KnownSky.of(settings)
        return compare(frame, stars, known.library, psf, colour_term=known.limits.colour_term)
    except (CatalogError, OSError, ValueError) as error:
        log.warning("%s is not compared with star catalogues: %s", frame.exposure.name, error)
        return FieldStars()
