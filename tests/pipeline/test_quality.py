"""The quality gate: what is measured, and what does not pass."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS

from core.settings import Settings
from core.settings_sections import QualitySettings
from core.vocabulary import MaskPlane
from pipeline.calibration.quality import assess, limit_flux
from pipeline.clock import StageClock
from pipeline.frame import FrameRefused
from pipeline.measure import measure_calibrated
from pipeline.stellar.moffat import COMMON_BETA
from pipeline.stellar.stars import find_stars
from tests.pipeline.synthetic import star_frame

FRAME, TRUTH = star_frame((256, 256), seed=4, n_stars=50, fwhm=3.5, sky=300.0, gain=2.0)
STARS = find_stars(FRAME)


def test_what_is_measured_is_what_is_there():
    facts = assess(FRAME, STARS, Settings())
    assert facts.seeing_px == pytest.approx(3.5, rel=0.1)
    assert facts.sky == pytest.approx(300.0)
    assert facts.sky_rms == pytest.approx(np.sqrt(300.0 + 25.0), rel=0.02)
    assert facts.n_stars == len(STARS)
    assert facts.masked_fraction == 0.0
    assert (facts.seeing_arcsec, facts.zeropoint, facts.limit_mag) == (None, None, None)


def test_the_sky_is_that_of_the_middle_pixel_and_its_noise_that_of_the_empty_half():
    """Sky light slopes from 200 to 400, and light of stars doubles the variance of every other pixel."""
    height, width = FRAME.shape
    slope = np.linspace(-1.0, 1.0, height * width).reshape(height, width)
    empty = np.indices(FRAME.shape).sum(axis=0) % 2 == 0
    variance = np.where(empty, 325.0 + 25.0 * slope, 650.0 + 50.0 * slope)
    frame = replace(FRAME, background=300.0 + 100.0 * slope, variance=variance)
    facts = assess(frame, STARS, Settings())
    assert facts.sky == pytest.approx(300.0, abs=0.1)
    assert facts.sky_rms == pytest.approx(np.sqrt(325.0), abs=0.01)


def test_with_a_wcs_the_seeing_is_also_in_arcseconds():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-0.5 / 3600, 0.5 / 3600]
    facts = assess(replace(FRAME, wcs=wcs), STARS, Settings())
    assert facts.seeing_arcsec == pytest.approx(facts.seeing_px / 2.0)


def test_the_zeropoint_is_that_of_an_electron_and_gives_the_depth():
    frame = replace(FRAME, header=Header({"MAGZERO": 25.0}))
    facts = assess(frame, STARS, Settings())
    assert facts.zeropoint == pytest.approx(25.0 + 2.5 * np.log10(2.0))
    flux = limit_flux(facts.sky_rms, facts.seeing_px, COMMON_BETA)
    assert facts.limit_mag == pytest.approx(facts.zeropoint - 2.5 * np.log10(flux))


@pytest.mark.parametrize("beta", [2.5, 3.0, 4.5, 50.0])
@pytest.mark.parametrize("fwhm", [2.5, 4.0])
def test_the_limit_is_five_sigma_of_a_psf_fit_whatever_the_wings(beta, fwhm):
    """It was a fifth too faint, and more, for stars with wings, as all have."""
    frame, truth = star_frame((300, 300), seed=4, n_stars=50, fwhm=fwhm, beta=beta, sky=300.0)
    frame = replace(frame, header=Header({"MAGZERO": 25.0}))
    quality = measure_calibrated(frame, Settings(), StageClock()).quality
    psf = truth.psf.centred(150.0, 150.0, 101)
    rng = np.random.default_rng(6)
    noise = rng.normal(0.0, np.sqrt(300.0 + 5.0**2), (1000, *psf.shape))
    fits = (psf * noise).sum(axis=(1, 2)) / (psf**2).sum()
    assert quality.limit_mag == pytest.approx(25.0 - 2.5 * np.log10(5.0 * np.std(fits)), abs=0.1)


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (QualitySettings(max_seeing_px=2.0), r"seeing is 3\.\d pixels; at most 2 "),
        (QualitySettings(min_stars=5000), r"too few stars: \d+ found; 5000 are needed"),
    ],
)
def test_a_poor_frame_is_refused_with_the_number_and_the_limit(quality, words):
    with pytest.raises(FrameRefused, match=words):
        assess(FRAME, STARS, Settings(quality=quality))


def test_a_frame_that_is_mostly_masked_is_refused():
    mask = FRAME.mask.copy()
    mask[:230] = MaskPlane.BAD
    with pytest.raises(FrameRefused, match=r"90% of the frame is masked; at most 80%"):
        assess(replace(FRAME, mask=mask), STARS, Settings())


def test_no_refusal_reads_as_if_the_limit_were_met():
    mask = FRAME.mask.copy()
    mask[:206] = MaskPlane.BAD
    with pytest.raises(FrameRefused, match=r"80\.5% of the frame is masked; at most 80% may be"):
        assess(replace(FRAME, mask=mask), STARS, Settings())


def test_a_frame_without_stars_is_refused_even_where_none_are_asked_for():
    nothing = STARS.take(np.zeros(len(STARS), bool))
    with pytest.raises(FrameRefused, match=r"^0 stars were found, and none shows the seeing; 1 is needed"):
        assess(FRAME, nothing, Settings(quality=QualitySettings(min_stars=0)))
