"""The score that kernel-fitting programs are judged by, and how HOTPANTS is called."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.subtraction.metrics import deviation
from benchmarks.subtraction.peers import Images, _scored, flux_at, hotpants, installed

SIZE, NEW, REF = 256, 1.7, 1.2  # sigma of both PSFs


def stamp(sigma):
    offset = np.arange(-12, 13)
    bell = np.exp(-0.5 * (offset / sigma) ** 2)
    image = bell[:, None] * bell[None, :]
    return image / image.sum()


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    new, ref = rng.normal(0.0, 5.0, (SIZE, SIZE)), rng.normal(0.0, 3.0, (SIZE, SIZE))
    new[88:113, 118:143] += 3000.0 * stamp(NEW)
    return Images(
        new=new,
        ref=ref,
        var_new=np.full((SIZE, SIZE), 25.0),
        var_ref=np.full((SIZE, SIZE), 9.0),
        psf_new=stamp(NEW),
        psf_ref=stamp(REF),
        good=np.ones((SIZE, SIZE), dtype=bool),
        fwhm_new=2.355 * NEW,
        fwhm_ref=2.355 * REF,
        rms_px=0.0,
        star_x=np.array([60.0]),
        star_y=np.array([60.0]),
    )


def test_a_perfect_kernel_has_a_score_of_unit_deviation_and_the_right_flux(images):
    kernel = np.sqrt(NEW**2 - REF**2)
    difference = images.new - ndimage.gaussian_filter(images.ref, kernel, mode="wrap")
    result = _scored(images, difference, 0.0)
    assert deviation(result.score.astype(np.float32)) == pytest.approx(1.0, abs=0.03)
    error = flux_at(result.flux_err, 130.0, 100.0)
    assert flux_at(result.flux, 130.0, 100.0) == pytest.approx(3000.0, abs=4.0 * error)


def test_the_sharper_image_is_convolved(images):
    assert not images.convolve_new
    assert replace(images, fwhm_new=2.0).convolve_new


def test_hotpants_gets_what_it_needs(images, tmp_path, monkeypatch):
    """In its place stands a program that subtracts the template as it is."""
    program = tmp_path / "hotpants"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "from astropy.io import fits\n"
        "told = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "assert told['-c'] == 't' and told['-n'] == 't' and int(told['-r']) == 9, told\n"
        "new, ref = (fits.getdata(told[name]) for name in ('-inim', '-tmplim'))\n"
        "assert fits.getdata(told['-ini']).mean() == 5.0 and fits.getdata(told['-tni']).mean() == 3.0\n"
        "assert not fits.getdata(told['-imi']).any() and not fits.getdata(told['-tmi']).any()\n"
        "fits.writeto(told['-outim'], new - ref)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert installed("hotpants")
    result = hotpants(images)
    assert flux_at(result.flux, 130.0, 100.0) == pytest.approx(3000.0, rel=0.1)
    assert result.cpu_s > 0
