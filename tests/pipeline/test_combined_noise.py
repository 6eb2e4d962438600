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
    frame = calibrate(replace(raw, data=data, header=Header({"NCOMBINE": count})), None, WITHOUT_COSMIC_RAYS)
    assert frame.gain == truth.gain * (count if combined is np.mean else 1)
    residual = frame.data - count * (sky + truth.model)
    pulls = (residual / np.sqrt(frame.variance))[frame.mask == 0]
    on_stars = (truth.model > 1000.0)[frame.mask == 0]
    assert np.std(pulls[~on_stars]) == pytest.approx(1.0, abs=0.05)
    assert np.std(pulls[on_stars]) == pytest.approx(1.0, abs=0.15)
    assert len(frame.notes) <= 1
    assert all(f"of {count} exposures" in note for note in frame.notes)


def test_a_median_has_more_noise_than_the_mean_of_as_many():
    raw, truth = raw_frame(sky=300.0, **STARS)
    rng = np.random.default_rng(5)
    electrons = [rng.poisson(300.0 + truth.model) + rng.normal(0.0, 6.0, raw.data.shape) for _ in range(15)]
    data = (np.median(electrons, axis=0) / truth.gain).astype(np.float32)
    frame = calibrate(replace(raw, data=data, header=Header({"NCOMBINE": 15})), None, WITHOUT_COSMIC_RAYS)
    assert frame.gain == pytest.approx(15 * truth.gain * 2.0 / np.pi)
    assert len(frame.notes) == 1
    assert "of the median of 15 exposures" in frame.notes[0]


@pytest.mark.parametrize(
    ("ratio", "header", "are_whole"),
    [
        (0.5, {"NCOMBINE": 4}, False),  # the header's gain may be that of the mean, and its pixels resampled
        (0.71, {"NCOMBINE": 2}, False),
        (0.2, {"NCOMBINE": 10}, False),
        (0.316, {"NCOMBINE": 10}, True),  # a sum with its bias
        (0.316, {"OBJECT": "MASTER OT J1204"}, False),
        (0.316, {"COMBINED": True}, False),
    ],
)
def test_a_gain_stands_where_less_noise_is_not_surely_that_of_a_mean(ratio, header, are_whole):
    raw, truth = raw_frame(sky=4000.0)
    noise = np.random.default_rng(1).normal(0.0, 1.0, raw.data.shape)
    data = (4000.0 + ratio * np.sqrt(4000.0 + truth.read_noise**2) * noise) / truth.gain
    data = (np.rint(data) if are_whole else data).astype(np.float32)
    header = Header(header)
    exposure = replace(raw.exposure, exposure_s=600.0, readout=readout_of(header))
    changed = replace(raw, data=data, exposure=exposure, header=header)
    frame = calibrate(changed, None, WITHOUT_COSMIC_RAYS)
    assert frame.gain == truth.gain
    assert np.median(frame.variance) == pytest.approx(ratio**2 * 4000.0, rel=0.1)
    assert len(frame.notes) == 1
    assert "taken as measured" in frame.notes[0]


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
