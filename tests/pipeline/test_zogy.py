"""The filters of proper subtraction, against the paper's formulas written out."""

import numpy as np
import pytest
from scipy import fft

from pipeline.subtraction import zogy
from pipeline.subtraction.arrays import arrays
from pipeline.subtraction.filters import compact, mean_of, squared
from pipeline.subtraction.tiles import centred
from tests.pipeline.synthetic import Moffat

SHAPE = (48, 63)  # not square, one side odd
HOST = arrays("cpu")


def filters(*given):
    return zogy.filters(*given, HOST)


def spectrum(fwhm, shape=SHAPE, ellipticity=0.0):
    stamp = Moffat(shape, fwhm, 3.0, ellipticity=ellipticity).centred(20.0, 20.0, 25)
    return fft.rfft2(centred(stamp.astype(np.float32), shape), workers=1)


def image(made, new, ref, kind):
    by = {"D": made.whiten, "S": made.match}[kind]
    return fft.irfft2(by * (made.of_new * fft.rfft2(new) - made.of_ref * fft.rfft2(ref)), s=SHAPE)


@pytest.fixture
def images():
    random = np.random.default_rng(4)
    return random.normal(size=SHAPE).astype(np.float32), random.normal(size=SHAPE).astype(np.float32)


def test_difference_and_score_follow_the_paper(images):
    """Equations 13, 14 and 28 with F_n = F_r = 1, by full complex transforms in double precision."""
    new, ref = images
    sigma_new, sigma_ref = 3.0, 1.5
    stamps = [
        centred(Moffat(SHAPE, fwhm, 3.0).centred(20.0, 20.0, 25).astype(np.float32), SHAPE).astype(float)
        for fwhm in (3.4, 2.6)
    ]
    p_n, p_r, n, r = (np.fft.fft2(values.astype(np.complex128)) for values in (*stamps, new, ref))
    noise = sigma_new**2 * np.abs(p_r) ** 2 + sigma_ref**2 * np.abs(p_n) ** 2
    flux_unit = 1.0 / np.sqrt(sigma_new**2 + sigma_ref**2)
    d = (p_r * n - p_n * r) / np.sqrt(noise)
    p_d = p_n * p_r / (flux_unit * np.sqrt(noise))
    s = np.fft.ifft2(flux_unit * d * np.conj(p_d)).real

    made = filters(spectrum(3.4), spectrum(2.6), sigma_new, sigma_ref, SHAPE)

    difference = np.fft.ifft2(d / flux_unit).real
    np.testing.assert_allclose(
        image(made, new, ref, "D"), difference, rtol=0, atol=1e-3 * np.abs(difference).max(), equal_nan=False
    )
    np.testing.assert_allclose(
        image(made, new, ref, "S"), s, rtol=0, atol=1e-4 * np.abs(s).max(), equal_nan=False
    )
    np.testing.assert_allclose(
        fft.irfft2(made.whiten * made.psf, s=SHAPE),
        np.fft.ifft2(p_d).real,
        rtol=0,
        atol=1e-4,
        equal_nan=False,
    )
    f_s = np.mean(np.abs(p_n) ** 2 * np.abs(p_r) ** 2 / noise)
    assert made.flux_norm == pytest.approx(f_s, rel=1e-4)


def test_point_psfs_leave_the_plain_difference(images):
    new, ref = images
    delta = np.ones((SHAPE[0], SHAPE[1] // 2 + 1), dtype=np.complex64)
    made = filters(delta, delta, 2.0, 0.7, SHAPE)
    np.testing.assert_allclose(image(made, new, ref, "D"), new - ref, rtol=0, atol=1e-5, equal_nan=False)


def test_interchanged_images_give_the_negative(images):
    new, ref = images
    one = filters(spectrum(3.4, ellipticity=0.2), spectrum(2.6), 3.0, 1.5, SHAPE)
    other = filters(spectrum(2.6), spectrum(3.4, ellipticity=0.2), 1.5, 3.0, SHAPE)
    for kind in ("D", "S"):
        np.testing.assert_allclose(
            image(one, new, ref, kind), -image(other, ref, new, kind), rtol=0, atol=1e-5, equal_nan=False
        )


def test_a_constant_star_vanishes_and_a_new_one_keeps_its_flux():
    psf_new, psf_ref = spectrum(3.4), spectrum(2.6)
    made = filters(psf_new, psf_ref, 3.0, 1.5, SHAPE)
    constant = [fft.irfft2(1000.0 * psf, s=SHAPE) for psf in (psf_new, psf_ref)]
    assert np.abs(image(made, *constant, "D")).max() < 1e-2
    appeared = [constant[0], np.zeros(SHAPE, dtype=np.float32)]
    score = image(made, *appeared, "S") / made.flux_norm
    assert np.unravel_index(score.argmax(), SHAPE) == (0, 0)
    assert score.max() == pytest.approx(1000.0, rel=1e-3)
    assert image(made, *appeared, "D").sum() == pytest.approx(1000.0, rel=1e-3)


def test_the_psf_of_the_difference_has_unit_sum():
    made = filters(spectrum(3.4), spectrum(2.6), 3.0, 1.5, SHAPE)
    assert (made.whiten * made.psf)[0, 0].real == pytest.approx(1.0, abs=1e-4)


def test_a_kernel_is_the_same_in_a_smaller_image():
    """Every n-th frequency holds all of a narrow kernel, and its square."""
    shape = (640, 360)
    stamp = Moffat(shape, 3.4, 4.5).centred(20.0, 20.0, 41).astype(np.float32)
    kernel = fft.rfft2(centred(stamp, shape), workers=1)
    small = compact(kernel, shape, HOST)
    assert small.shape == (160, 90)  # 80 px at least
    np.testing.assert_allclose(small, centred(stamp, small.shape), rtol=0, atol=1e-6, equal_nan=False)
    whole = fft.irfft2(squared(kernel, np.ones_like(kernel), shape, shape, HOST), s=shape)
    np.testing.assert_allclose(whole, centred(stamp, shape) ** 2, rtol=0, atol=1e-6, equal_nan=False)


@pytest.mark.parametrize("shape", [(8, 8), (8, 9), (7, 8), (5, 5)])
def test_mean_of_half_a_spectrum_is_the_value_at_the_origin(shape):
    values = np.random.default_rng(0).normal(size=shape)
    power = np.abs(np.fft.rfft2(values)) ** 2
    assert mean_of(power.astype(np.float32), shape) == pytest.approx(np.sum(values**2), rel=1e-5)
