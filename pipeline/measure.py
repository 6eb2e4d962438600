"""The first half of the way: a raw frame, calibrated, judged, its stars found.

New frames, frames of a coadd and references from a file all go through it.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.frames.outcome import QualityFacts
from core.settings import Settings
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.masters import Masters
from pipeline.calibration.quality import assess
from pipeline.clock import StageClock
from pipeline.frame import Frame, RawFrame, Stars
from pipeline.stellar.stars import find_stars, stellar_fwhm


@dataclass(frozen=True, slots=True)
class Measured:
    """A calibrated frame that passed the quality gate, with its sources and their width."""

    frame: Frame
    stars: Stars
    quality: QualityFacts
    fwhm: float  # of its stars, in pixels


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
        quality = assess(frame, stars, settings)
    return Measured(frame, stars, quality, stellar_fwhm(stars))
