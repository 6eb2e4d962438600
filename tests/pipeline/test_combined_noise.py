"""The noise of frames that are no single exposure: of means, of sums, and without the sky."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header

from pipeline.calibration.calibrate import calibrate
from pipeline.files.readout import readout_of
from tests.pipeline.synthetic_raw import WITHOUT_COSMIC_RAYS, pull, raw_frame

STARS = {"n_stars": 60, "fwhm": 2.5, "flux_range": (5e3, 1e5)}


@pytest.mark.parametrize(("count", "sky"), [(10, 300.0), (10, 5.0), (40, 1.0)])
@pytest.mark.parametrize("combined", [np.mean, np.sum])
def test_stars_in_a_coadd_have_the_noise_of_as_many_exposures(count, sky, combined):
    # One scene: the seed is of the stars and of the noise, so that the noise is drawn here.
    raw, truth = raw_frame(sky=sky, **STARS)
    rng = np.random.default_rng(5)
    electrons = [rng.poisson(sky + truth.model) + rng.normal(0.0, 6.0, raw.data.shape) for _ in range(count)]
    data = (combined(electrons, axis=0) / truth.gain).astype(np.float32)
    readout = readout_of(Header({"NCOMBINE": count}))
    frame = calibrate(
        replace(raw, data=data, exposure=replace(raw.exposure, readout=readout)), None, WITHOUT_COSMIC_RAYS
    )
    assert frame.gain == truth.gain * (count if combined is np.mean else 1)
    residual = frame.data - count * (sky + truth.model)
    pulls = (residual / np.sqrt(frame.variance))[frame.mask == 0]
    on_stars = (truth.model > 1000.0)[frame.mask == 0]
    assert np.std(pulls[~on_stars]) == pytest.approx(1.0, abs=0.05)
    assert np.std(pulls[on_stars]) == pytest.approx(1.0, abs=0.15)
    assert len(frame.notes) <= 1
    assert all(f"of {count} exposures" in note for note in frame.notes)


def test_a_mean_whose_pixels_were_resampled_is_the_mean_of_as_many_all_the_same():
    raw, truth = raw_frame(sky=4000.0)
    count = 10
    electrons = np.random.default_rng(1).poisson(count * 4000.0, raw.data.shape)
    smooth = (electrons + np.roll(electrons, 1, 0) + np.roll(electrons, 1, 1)) / 3.0
    exposure = replace(raw.exposure, exposure_s=600.0, readout=readout_of(Header({"NCOMBINE": count})))
    data = (smooth / count / truth.gain).astype(np.float32)
    frame = calibrate(replace(raw, data=data, exposure=exposure), None, WITHOUT_COSMIC_RAYS)
    assert frame.gain == count * truth.gain
    assert np.median(frame.variance) < count * 4000.0


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("left", [-10.0, 20.0, 40.0])
def test_what_is_left_of_a_sky_that_was_subtracted_tells_no_gain(left, told):
    raw, truth = raw_frame(sky=6000.0, **STARS)
    data = raw.data - np.float32((truth.sky - left) / truth.gain) + np.float32(0.25 / truth.gain)
    exposure = replace(raw.exposure, read_noise=raw.exposure.read_noise if told else None)
    frame = calibrate(replace(raw, data=data, exposure=exposure), None, WITHOUT_COSMIC_RAYS)
    assert frame.gain == truth.gain
    pulls = pull(frame, replace(truth, sky=left), truth.model > 1000.0)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
