"""Saturated stars leave no ring: their cores are what their wings tell, in both frames alike."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.subtraction.saturated import LostCore, fill, lost_cores, star_holes
from pipeline.subtraction.subtract import subtract
from tests.pipeline.pairs import make_pair

FULL = 9000.0  # electrons in a pixel, above which the test's detector clips


def clipped(frame):
    """The frame as a detector with a small well would have taken it."""
    over = frame.data > FULL
    mask = frame.mask | np.where(over, np.uint16(MaskPlane.SATURATED), np.uint16(0))
    return replace(frame, data=np.minimum(frame.data, np.float32(FULL)), mask=mask, saturation=FULL)


@pytest.fixture(scope="module")
def pair():
    stars = [(100.3, 120.7, 6e5), (240.6, 80.2, 3e5), (200.0, 250.4, 1.5e5)]
    both = {"extra": stars, "n_stars": 90, "flux_range": (3e3, 4e4)}
    new, reference, *_ = make_pair((340, 340), new={"fwhm": 3.6, **both}, ref={"fwhm": 2.9, **both})
    return (
        replace(new, frame=clipped(new.frame)),
        replace(reference, frame=clipped(reference.frame), caches={}),
        stars,
    )


def test_flux_and_place_follow_from_the_wings(pair):
    _, reference, stars = pair
    frame = reference.frame
    holes = star_holes(frame.mask, frame.signal, frame.variance)
    cores = lost_cores(frame.signal, frame.variance, holes, holes, reference.psf)
    found = {min(stars, key=lambda star: np.hypot(star[0] - c.x[0], star[1] - c.y[0])): c for c in cores}
    assert len(found) == len(stars)
    for (x, y, flux), core in found.items():
        assert core.flux[0] == pytest.approx(flux, rel=0.03)
        assert np.hypot(core.x[0] - x, core.y[0] - y) < 0.05


def test_what_is_filled_in_says_how_little_it_is_worth(pair):
    _, reference, _ = pair
    frame = reference.frame
    holes = star_holes(frame.mask, frame.signal, frame.variance)
    light, variance = frame.signal.copy(), frame.variance.copy()
    fill(light, variance, lost_cores(light, variance, holes, holes, reference.psf), reference.psf)
    assert np.all(variance[holes] > frame.variance[holes])
    assert np.array_equal(variance[~holes], frame.variance[~holes])
    assert light[holes].max() > 3 * FULL


@pytest.mark.parametrize("method", ["zogy", "classic"])
def test_no_ring_is_left_around_a_saturated_star(pair, method):
    new, reference, _ = pair
    difference = subtract(new, replace(reference, caches={}), Settings(), method)
    assert np.abs(difference.score[difference.mask == 0]).max() < 5.5  # 1e5 pixels, and the stars' noise


def test_a_neighbour_whose_light_reaches_a_hole_is_fitted_with_it():
    """Else its light ends at the hole, in each frame after a PSF of another width."""
    stars = [(120.3, 100.7, 6e5), (125.2, 104.8, 1.2e5), (60.0, 150.0, 3e5)]
    both = {"extra": stars, "n_stars": 60, "flux_range": (3e3, 4e4)}
    new, reference, *_ = make_pair((220, 220), new={"fwhm": 3.6, **both}, ref={"fwhm": 2.9, **both})
    new = replace(new, frame=clipped(new.frame))
    reference = replace(reference, frame=clipped(reference.frame), caches={})
    frame = reference.frame
    holes = star_holes(frame.mask, frame.signal, frame.variance)
    blend = next(
        core
        for core in lost_cores(frame.signal, frame.variance, holes, holes, reference.psf)
        if np.hypot(core.x[0] - 120.3, core.y[0] - 100.7) < 2.0
    )
    assert np.hypot(blend.x[1] - 125.2, blend.y[1] - 104.8) < 0.3
    assert blend.flux[1] == pytest.approx(1.2e5, rel=0.1)
    difference = subtract(new, reference, Settings(), "zogy")
    assert np.abs(difference.score[difference.mask == 0]).max() < 5.5


def test_a_hole_beside_the_middle_of_a_bright_star_leaves_nothing():
    """What is filled in from beside it differs in frames of different seeing."""
    stars = [(120.3, 100.7, 6e5)]
    both = {"extra": stars, "n_stars": 60, "flux_range": (3e3, 4e4)}
    new, reference, *_ = make_pair((220, 220), new={"fwhm": 3.6, **both}, ref={"fwhm": 2.9, **both})
    mask = reference.frame.mask.copy()
    mask[100:105, 121:126] |= np.uint16(MaskPlane.COSMIC_RAY)
    data = np.where(mask != 0, np.float32(1e6), reference.frame.data)
    hit = replace(reference, frame=replace(reference.frame, data=data, mask=mask), caches={})
    difference = subtract(new, hit, Settings(), "zogy")
    assert np.abs(difference.score[difference.mask == 0]).max() < 5.5


def test_a_hole_without_a_star_is_left_alone(pair):
    _, reference, _ = pair
    shape = reference.frame.shape
    holes = np.zeros(shape, dtype=bool)
    holes[50:53, 300:303] = True
    dark = np.full(shape, -1.0, dtype=np.float32)
    assert lost_cores(dark, np.ones(shape, dtype=np.float32), holes, holes, reference.psf) == []


def test_a_very_bright_star_leaves_no_ghosts_in_what_is_transformed_with_it(pair):
    _, reference, _ = pair
    rows, columns = (grid.ravel() for grid in np.mgrid[95:106, 95:106])
    light = np.zeros((288, 288), dtype=np.float32)
    variance = np.full(light.shape, 2000.0, dtype=np.float32)
    core = LostCore(rows, columns, np.array([100.0]), np.array([100.0]), np.array([1e9]), 0.05)
    fill(light, variance, [core], reference.psf)
    assert light.max() > 1e7
    kernel = np.square(reference.psf.at(100.0, 100.0)).astype(np.float32)

    def blurred(precision):
        spectrum = fft.rfft2(kernel.astype(precision), light.shape) * fft.rfft2(variance.astype(precision))
        return fft.irfft2(spectrum, light.shape)

    y, x = np.indices(light.shape)
    apart = np.hypot(x - 130, y - 130) > 90  # beyond what the kernel spreads
    exact = blurred(np.float64)
    assert np.abs(blurred(np.float32) / exact - 1.0)[apart].max() < 0.02
