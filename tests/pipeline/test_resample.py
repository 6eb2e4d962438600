"""Resampling: flux stays, noise is what it says, masks hardly grow."""

from dataclasses import replace

import numpy as np
import pytest
import sep
from scipy import ndimage
from scipy.ndimage import minimum_filter
from scipy.signal import fftconvolve

from core.vocabulary import MaskPlane
from pipeline.registration.pixel_map import PixelMap
from pipeline.registration.resample import KNOT_PX, between_knots, inpaint, resample, whole_pixel_map
from tests.pipeline.synthetic import Moffat, rotation, star_frame

SHAPE = (256, 256)
CENTRE = (127.5, 127.5)


def scaled(factor, degrees=0.2, shift=(0.3, 0.1)):
    affine = rotation(degrees, CENTRE, shift)
    affine[:, :2] *= factor
    affine[:, 2] = np.array(CENTRE) + shift - affine[:, :2] @ CENTRE
    return affine


@pytest.mark.parametrize("fwhm", [2.2, 3.0, 4.0])
@pytest.mark.parametrize("affine", [rotation(0, CENTRE, (0.5, 0.5)), rotation(7, CENTRE, (3.2, -4.7))])
def test_noise_at_the_scale_of_a_psf_is_that_of_the_original_pixels(affine, fwhm):
    shape = (512, 512)
    frame, _ = star_frame(shape, seed=3, n_stars=0)
    moved = resample(frame, PixelMap.from_affine(affine, shape), None, fwhm)
    psf = Moffat(shape, fwhm, 3.0).centred(256, 256, 25)
    score = fftconvolve(moved.signal, psf, "same") / np.sqrt((psf**2).sum() * moved.variance)
    sky = minimum_filter(moved.mask == 0, 25)
    assert sky.mean() > 0.8
    assert score[sky].std() == pytest.approx(1.0, abs=0.02)


def test_a_sharp_star_keeps_its_noise_in_its_core_and_none_is_negative():
    facts = {"n_stars": 40, "fwhm": 1.8, "flux_range": (2e4, 2e5)}
    affine = rotation(0, CENTRE, (0.5, 0.5))
    frame, _ = star_frame(SHAPE, **facts)
    there, truth = star_frame(SHAPE, affine=np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2], **facts)
    moved = resample(frame, PixelMap.from_affine(affine, SHAPE), None, 1.8)
    inside = (np.minimum(truth.x, truth.y) > 8) & (np.maximum(truth.x, truth.y) < 247)
    middles = tuple(np.rint([truth.y[inside], truth.x[inside]]).astype(int))
    psf = truth.psf.centred(128, 128, 9)
    found, true = (fftconvolve(each.variance, psf**2, "same")[middles] for each in (moved, there))
    assert np.median(found / true) == pytest.approx(1.0, abs=0.03)
    assert moved.variance.min() > 100.0


def test_beside_the_trail_of_a_saturated_star_noise_is_that_of_the_sky():
    frame, _ = star_frame(SHAPE, n_stars=0)
    trail = np.zeros(SHAPE, bool)
    trail[60:200, 100:103] = True
    mask = frame.mask | np.where(trail, MaskPlane.SATURATED, 0).astype(np.uint16)
    lit = replace(frame, variance=np.where(trail, np.float32(1e5), frame.variance), mask=mask)
    affine = PixelMap.from_affine(rotation(0, CENTRE, (0.5, 0.5)), SHAPE)
    with_trail, plain = (resample(each, affine, None, 1.8) for each in (lit, frame))
    clear = with_trail.mask == 0
    np.testing.assert_allclose(with_trail.variance[clear], plain.variance[clear], rtol=0.01)
    assert with_trail.variance[130, 101] > 9e4, "its own noise is in whatever is summed over it"


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_noise_is_known_where_pixels_differ_in_size(factor):
    frame, _ = star_frame((512, 512), seed=3, n_stars=0)
    moved = resample(frame, PixelMap.from_affine(scaled(factor), (512, 512)), None, 3.0)
    assert np.median(moved.variance) == pytest.approx(225.0 * factor**2, rel=1e-3)
    psf = Moffat(SHAPE, 3.0, 3.0).centred(128, 128, 25)
    score = fftconvolve(moved.signal, psf, "same") / np.sqrt((psf**2).sum() * moved.variance)
    assert score[minimum_filter(moved.mask == 0, 25)].std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("affine", [scaled(0.6), scaled(1.0), scaled(1.5), rotation(90, CENTRE)])
def test_pixels_that_are_full_are_full_on_another_grid(affine):
    frame, _ = star_frame(SHAPE, seed=3, n_stars=0)
    data = frame.data.copy()
    data[90:166, 90:166] = frame.saturation
    moved = resample(replace(frame, data=data), PixelMap.from_affine(affine, SHAPE), None, 3.0)
    assert np.median(moved.data[123:133, 123:133]) == pytest.approx(moved.saturation, rel=1e-4)


@pytest.mark.parametrize(
    "affine", [rotation(0, CENTRE, (10.4, -3.7)), rotation(25, CENTRE), scaled(0.8), scaled(1.2)]
)
def test_fluxes_and_places_stay(affine):
    # Without noise; the field's coordinates are the reference's.
    frame, truth = star_frame(
        SHAPE, n_stars=0, affine=affine, fwhm=3.5, extra=[(120, 130, 1e5), (90, 70, 5e4)]
    )
    frame = replace(frame, data=(frame.background + truth.model).astype(np.float32))
    moved = resample(frame, PixelMap.from_affine(affine, SHAPE), None, 3.5)
    flux, _, _ = sep.sum_circle(np.ascontiguousarray(moved.signal), [120.0, 90.0], [130.0, 70.0], 12.0)
    original, _, _ = sep.sum_circle(
        frame.signal, truth.x, truth.y, 12.0 * np.sqrt(np.linalg.det(affine[:, :2]))
    )
    np.testing.assert_allclose(flux, original, rtol=2e-3)
    x, y, _ = sep.winpos(np.ascontiguousarray(moved.signal), [120.4, 89.7], [130.3, 70.2], 1.5)
    np.testing.assert_allclose([x, y], [[120, 90], [130, 70]], atol=0.01)


@pytest.mark.parametrize(
    "affine",
    [
        rotation(0, CENTRE, (4, -3)),
        rotation(90, CENTRE, (2, 2)),
        rotation(180, CENTRE),
        np.array([[-1.0, 0.0, 255.0], [0.0, 1.0, 1.0]]),
    ],
)
def test_whole_pixels_are_copied_exactly(affine):
    frame, _ = star_frame(SHAPE)
    moved = resample(frame, PixelMap.from_affine(affine, SHAPE), None, 3.0)
    x, y = 100, 140
    column, row = np.rint(affine[:, :2] @ (x, y) + affine[:, 2]).astype(int)
    for name in ("data", "variance", "background"):
        assert getattr(moved, name)[y, x] == pytest.approx(getattr(frame, name)[row, column], rel=1e-6)


def test_a_turn_by_a_hundredth_of_a_degree_is_not_whole():
    assert whole_pixel_map(PixelMap.from_affine(rotation(0.01, CENTRE), SHAPE)) is None


def test_defects_grow_by_one_pixel_and_do_not_ring():
    frame, _ = star_frame(SHAPE, n_stars=0)
    data, mask = frame.data.copy(), frame.mask.copy()
    data[:, 80] = 60000.0
    mask[:, 80] = MaskPlane.BAD
    data[40, 160] = 1e6
    mask[40, 160] = MaskPlane.COSMIC_RAY
    moved = resample(
        replace(frame, data=data, mask=mask),
        PixelMap.from_affine(rotation(0.0, CENTRE, (0.5, 0.5)), SHAPE),
        None,
        3.0,
    )
    inner = np.s_[2:-2, 2:-2]
    bad = (moved.mask[inner] & MaskPlane.BAD) != 0
    assert set(bad.sum(axis=1)) == {2}
    assert np.count_nonzero(moved.mask & MaskPlane.COSMIC_RAY) == 4
    assert np.abs(moved.signal).max() < 7.0 * 15.0


def test_beyond_the_frame_is_edge_without_signal():
    frame, _ = star_frame(SHAPE)
    moved = resample(frame, PixelMap.from_affine(rotation(0.0, CENTRE, (60.5, 0.0)), SHAPE), None, 3.0)
    edge = (moved.mask & MaskPlane.EDGE) != 0
    assert edge[:, -60:].all()
    assert not edge[:, :-62].any()
    assert not moved.signal[edge].any()
    for name in ("data", "variance", "background"):
        assert np.isfinite(getattr(moved, name)).all()
        assert getattr(moved, name).dtype == np.float32


def test_a_curved_map_agrees_with_its_affine_twin():
    frame, _ = star_frame(SHAPE)
    affine = PixelMap.from_affine(rotation(2.0, CENTRE, (3.3, 1.2)), SHAPE)
    coefficients = np.zeros((2, 6))
    coefficients[:, :3] = affine.coefficients
    one = resample(frame, affine, None, 3.0)
    other = resample(frame, PixelMap(coefficients, 2, SHAPE), None, 3.0)
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_allclose(one.data, other.data, rtol=1e-4, atol=0.1)


def test_inpainting_follows_a_slope_and_leaves_good_pixels():
    y, x = np.mgrid[:60, :60].astype(np.float32)
    image = 3.0 * x + 2.0 * y
    bad = np.zeros(image.shape, dtype=bool)
    bad[30, 30] = bad[10:50, 40] = True
    spoiled = np.where(bad, np.float32(np.nan), image)
    filled = inpaint(spoiled, bad)
    np.testing.assert_array_equal(filled[~bad], image[~bad])
    np.testing.assert_allclose(filled[bad], image[bad], atol=3.0)


def test_the_middle_of_a_wide_hole_is_sky():
    image = np.full((80, 80), 100.0, dtype=np.float32)
    bad = np.zeros(image.shape, dtype=bool)
    bad[10:70, 10:70] = True
    filled = inpaint(image, bad)
    assert filled[40, 40] == 0.0
    assert filled[10, 40] == pytest.approx(100.0)
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("shape", [(41, 57), (64, 65), (10, 12)])
def test_between_knots_an_image_is_linear(shape):
    to_frame = PixelMap.from_affine(np.eye(2, 3), shape)
    x, y = to_frame.grid(KNOT_PX)
    knots = np.random.default_rng(0).normal(size=x.shape)
    row, column = (
        np.interp(np.arange(n), at, np.arange(len(at))) for n, at in zip(shape, (y[:, 0], x[0]), strict=True)
    )
    expected = ndimage.map_coordinates(knots, np.meshgrid(row, column, indexing="ij"), order=1)
    assert between_knots(knots.astype(np.float32), shape) == pytest.approx(expected, abs=1e-6)
