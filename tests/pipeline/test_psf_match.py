"""PSFs that are wrong are made to agree by the pixels of the stars; those that are right stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.frame import Aligned, PreparedReference, PsfModel
from pipeline.subtraction.kernel_basis import convolved_psf, kernel_basis
from pipeline.subtraction.match import first_match, match
from pipeline.subtraction.psf_match import match_psf
from tests.pipeline.pairs import make_pair, true_psf

SHAPE = (400, 400)


def agreed(new: Aligned, reference: PreparedReference) -> Aligned:
    return match_psf(
        new, reference, first_match(new, reference), (new.frame.mask | reference.frame.mask) != 0
    )


def off(psf: PsfModel, truth: PsfModel, x: float, y: float) -> float:
    """How far a PSF is off at a place, relative to the true one."""
    there = truth.at(x, y)
    return float(np.linalg.norm(psf.at(x, y) - there) / np.linalg.norm(there))


@pytest.mark.parametrize("seeing", [(2.8, 2.8), (3.6, 2.8)])
def test_psfs_that_are_right_stay_as_they_are(seeing):
    new, reference, *_ = make_pair(SHAPE, n_stars=300, new={"fwhm": seeing[0]}, ref={"fwhm": seeing[1]})
    result = agreed(new, reference)
    assert off(result.psf, new.psf, 200, 200) < 0.002


@pytest.mark.parametrize("gradient", [0.0, 0.15])
def test_a_psf_that_is_too_narrow_is_made_as_wide_as_its_stars_are(gradient):
    new, reference, truth, _ = make_pair(
        SHAPE, n_stars=600, new={"fwhm": 3.4, "psf_gradient": gradient}, ref={"fwhm": 2.8}
    )
    right = true_psf(truth)
    narrow, *_ = make_pair(SHAPE, n_stars=1, new={"fwhm": 3.2}, ref={"fwhm": 2.8})
    result = agreed(replace(new, psf=narrow.psf), reference)
    for x, y in ((200, 200), (60, 60), (340, 80)):
        before = off(narrow.psf, right, x, y)
        assert before > 0.04
        assert off(result.psf, right, x, y) < 0.3 * before


def test_stars_that_vary_and_frames_that_are_shifted_change_no_psf():
    changed = [(x, y, 40_000.0) for x in range(30, 380, 60) for y in range(30, 380, 60)]
    new, reference, *_ = make_pair(
        SHAPE, n_stars=200, new={"extra": changed[::2]}, ref={"extra": changed[1::2]}
    )
    matched = match(new, reference)
    wrong = replace(matched, dx=replace(matched.dx, coefficients=matched.dx.coefficients + 0.05))
    bad = np.zeros(SHAPE, dtype=bool)
    for each in (matched, wrong):
        result = match_psf(new, reference, each, bad)
        assert off(result.psf, new.psf, 200, 200) < 0.004


def test_undersampled_and_empty_frames_are_left_alone():
    new, reference, *_ = make_pair(SHAPE, n_stars=200)
    sharp = replace(new, psf=replace(new.psf, fwhm=1.7))
    assert agreed(sharp, reference) is sharp
    everything = np.ones(SHAPE, dtype=bool)
    assert match_psf(new, reference, match(new, reference), everything) is new


def test_kernels_are_convolved_as_images_are():
    psf = make_pair((64, 64), n_stars=1)[0].psf
    basis = kernel_basis(psf, psf)
    image = np.random.default_rng(1).normal(size=(1, 9 + 2 * basis.reach, 9 + 2 * basis.reach))
    kernels = basis.images()
    expected = [
        [
            [np.sum(image[0, y : y + side, x : x + side] * kernel[::-1, ::-1]) for x in range(9)]
            for y in range(9)
        ]
        for kernel in kernels
        for side in kernel.shape[:1]
    ]
    np.testing.assert_allclose(basis.convolved(image.astype(np.float32))[0], expected, atol=1e-4)


def test_a_psf_and_a_kernel_that_vary_multiply():
    varying = true_psf(make_pair((64, 64), n_stars=1, new={"psf_gradient": 0.2})[2])
    basis = kernel_basis(varying, varying)
    coefficients = np.zeros((3, len(basis.pairs)))
    coefficients[:, 4] = 0.02, 0.01, -0.03
    result = convolved_psf(varying, basis.images(), coefficients, 1)
    assert result.degree == varying.degree + 1
    for x, y, of_kernel in ((31.5, 31.5, 0.02), (63.0, 31.5, 0.03), (31.5, 0.0, 0.05)):
        once = np.zeros((1, len(basis.pairs)))
        once[0, 4] = of_kernel
        there = PsfModel(varying.at(x, y)[None], 0, varying.shape, varying.fwhm)
        expected = convolved_psf(there, basis.images(), once, 0).at(x, y)
        np.testing.assert_allclose(result.at(x, y), expected, atol=1e-6)
