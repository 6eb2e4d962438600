"""The gain of images in physical units, by the variance that stands beside them in their file."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from pipeline.calibration.calibrate import calibrate
from pipeline.files.fits_files import read_frame
from tests.pipeline.fits_written import header, written
from tests.pipeline.synthetic_raw import WITHOUT_COSMIC_RAYS, pull, raw_frame

SKY, UNIT = 300.0, 12.3  # electrons; nJy of one electron


def file_of(path, name="VARIANCE", power=1.0, of_sources=1.0, **cards):
    raw, truth = raw_frame(sky=SKY, n_stars=60, fwhm=2.5, flux_range=(5e3, 1e5), seed=3)
    flux = (raw.data * truth.gain - SKY) * UNIT
    variance = (SKY + of_sources * truth.model + truth.read_noise**2) * UNIT**2
    image = fits.ImageHDU(flux.astype(np.float32), fits.Header({"BUNIT": "nJy"} | cards), name="IMAGE")
    beside = fits.ImageHDU((variance**power).astype(np.float32), name=name)
    return written(path, fits.PrimaryHDU(header=header()), image, beside), truth


@pytest.mark.parametrize(("name", "power"), [("VARIANCE", 1.0), ("ERR", 0.5)])
def test_a_calibrated_image_has_the_noise_that_its_file_says_on_its_stars_too(tmp_path, name, power):
    path, truth = file_of(tmp_path / "a.fits", name, power)
    raw = read_frame(path, 1)
    assert raw.exposure.gain == pytest.approx(1.0 / UNIT, rel=0.03)
    assert any(name in note for note in raw.notes)
    frame = calibrate(raw, None, WITHOUT_COSMIC_RAYS)
    assert not any("gain unknown" in note for note in frame.notes)
    for where in (truth.model < 5.0, truth.model > 1000.0):
        assert np.std(pull(frame, replace(truth, sky=0.0), where)) == pytest.approx(1.0, abs=0.12)


def test_a_variance_of_the_sky_alone_tells_no_gain_and_a_header_goes_before_any(tmp_path):
    assert read_frame(file_of(tmp_path / "a.fits", of_sources=0.0)[0], 1).exposure.gain is None
    assert read_frame(file_of(tmp_path / "b.fits", "WEIGHT")[0], 1).exposure.gain is None
    told = read_frame(file_of(tmp_path / "c.fits", GAIN=5.0, BUNIT="adu")[0], 1)
    assert told.exposure.gain == 5.0


def test_a_variance_of_other_pixels_tells_nothing(tmp_path):
    path, _ = file_of(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[2].data = hdus[2].data[:-1]
    assert read_frame(path, 1).exposure.gain is None
