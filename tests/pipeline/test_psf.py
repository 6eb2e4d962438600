"""The PSF is measured to within a per cent: its core, its wings, its change over the field."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from core.vocabulary import MaskPlane
from pipeline.frame import FrameRefused, PsfModel
from pipeline.registration.pixel_map import PixelMap
from pipeline.stellar.psf import estimate_psf, moved_psf
from pipeline.stellar.stamps import joint_fluxes, placed_psfs, shifted, star_model
from pipeline.stellar.star_fit import fit_stars
from pipeline.stellar.stars import find_stars
from tests.pipeline.synthetic import Moffat, rotation, star_frame

SHAPE = (384, 384)
PLACES = [(191.5, 191.5), (60.0, 60.0), (330.0, 300.0)]


@cache
def measured(**facts):
    frame, truth = star_frame(SHAPE, **facts)
    return estimate_psf(frame, find_stars(frame), 2), truth


def radius(stamp):
    half = stamp.shape[0] // 2
    return np.hypot(*np.mgrid[-half : half + 1, -half : half + 1])


FIELDS = [
    {"n_stars": 150, "flux_range": (3e3, 2e5), "fwhm": 3.0},
    {"n_stars": 150, "flux_range": (3e3, 2e5), "fwhm": 2.4, "beta": 2.5},
    {"n_stars": 150, "flux_range": (3e3, 2e5), "fwhm": 4.0, "beta": 4.0, "psf_gradient": 0.06},
]


@pytest.mark.parametrize("field", FIELDS, ids=["plain", "sharp with wings", "varying"])
@pytest.mark.parametrize("place", PLACES)
def test_light_within_circles_and_fitted_fluxes_are_true_to_a_per_cent(field, place):
    model, truth = measured(**field)
    found = model.at(*place).astype(float)
    true = truth.psf.centred(*place, found.shape[0])
    for circle in (1.0, 1.5, 3.0, 5.0):
        inside = radius(found) < circle * truth.psf.fwhm_at(*place)
        assert found[inside].sum() == pytest.approx(true[inside].sum(), rel=0.015)
    assert (found * true).sum() / (found**2).sum() == pytest.approx(1.0, abs=0.015)  # the fitted flux
    # What a matched filter loses of its signal-to-noise ratio:
    assert (found * true).sum() / np.sqrt((found**2).sum() * (true**2).sum()) > 0.999


@pytest.mark.parametrize("place", PLACES)
def test_a_sharp_star_has_its_light_as_far_out_as_turbulence_casts_it(place):
    """A stamp that ends at 10 FWHM has half a per cent too much light in the middle."""
    model, truth = measured(n_stars=150, flux_range=(1e4, 5e5), fwhm=2.4, beta=11 / 6)
    found, true = model.at(*place).astype(float), truth.psf.centred(*place, 201)
    light, true_light = (stamp[radius(stamp) < 3.0 * 2.4].sum() for stamp in (found, true))
    assert light == pytest.approx(true_light, abs=0.0025)


@pytest.mark.parametrize("place", PLACES)
def test_stamps_have_unit_sum_and_their_centroid_in_the_middle(place):
    stamp = measured(**FIELDS[2])[0].at(*place).astype(float)
    offset = np.arange(stamp.shape[0]) - stamp.shape[0] // 2
    assert stamp.shape[0] % 2 == 1
    assert stamp.sum() == pytest.approx(1.0, abs=1e-5)
    assert abs((stamp.sum(axis=0) * offset).sum()) < 0.05
    assert abs((stamp.sum(axis=1) * offset).sum()) < 0.05


def test_wings_are_smooth_and_positive_beyond_the_noise():
    model, _ = measured(**FIELDS[0])
    stamp = model.basis[0].astype(float)
    ring = stamp[(radius(stamp) > 15) & (radius(stamp) < 17)]
    assert (ring > 0).all()
    assert ring.std() < 0.3 * ring.mean()


def test_a_crowded_field_gives_its_psf_within_two_per_cent():
    model, truth = measured(n_stars=500, flux_range=(3e3, 2e5))
    found = model.at(*PLACES[0]).astype(float)
    true = truth.psf.centred(*PLACES[0], found.shape[0])
    assert (found * true).sum() / (found**2).sum() == pytest.approx(1.0, abs=0.02)


def test_few_stars_make_a_constant_psf_with_wings():
    extra = [(60.0, 60.3, 4e4), (300.2, 100.0, 6e4), (200.0, 300.7, 5e4)]
    model, truth = measured(n_stars=0, extra=tuple(extra))
    assert model.degree == 0
    assert model.n_stars == 3
    found = model.at(191.0, 191.0).astype(float)
    true = truth.psf.centred(191.0, 191.0, found.shape[0])
    assert (found * true).sum() / (found**2).sum() == pytest.approx(1.0, abs=0.03)


def test_two_stars_are_refused_with_their_number():
    frame, _ = star_frame(SHAPE, n_stars=0, extra=[(60.0, 60.3, 4e4), (300.2, 100.0, 6e4)])
    with pytest.raises(FrameRefused, match="stars show the point-spread function: 2, and"):
        estimate_psf(frame, find_stars(frame), 0)


def test_a_frame_of_saturated_and_masked_stars_is_refused_with_how_many_they_are():
    frame, _ = star_frame(SHAPE, n_stars=40, flux_range=(5e3, 1e6), saturation=900.0)
    stars = find_stars(frame)
    full = stars.peak + frame.background[0, 0] > 0.85 * 900.0
    beside = (
        np.rint(stars.y[~full]).astype(int),
        np.clip(np.rint(stars.x[~full]).astype(int) + 2, 0, SHAPE[1] - 1),
    )
    frame.mask[beside] = MaskPlane.BAD
    with pytest.raises(FrameRefused, match="are needed") as told:
        estimate_psf(frame, find_stars(frame), 2)
    of, saturated, masked = re.findall(r"\d+ (?=stars \d|are saturated or|are partly m)", str(told.value))
    assert int(saturated) == pytest.approx(np.count_nonzero(full), abs=1)
    assert int(masked) == pytest.approx(np.count_nonzero(~full), abs=1)
    assert int(of) == int(saturated) + int(masked)
    assert (told.value.value, told.value.limit) == (0, 3)


def test_a_frame_of_faint_stars_is_refused_with_how_many_they_are():
    frame, _ = star_frame(SHAPE, n_stars=60, flux_range=(500.0, 900.0))
    stars = find_stars(frame)
    words = rf": 0, and 3 are needed \(of {len(stars)} stars {len(stars)} are fainter than 20 sigma\)"
    with pytest.raises(FrameRefused, match=words):
        estimate_psf(frame, stars, 2)


def test_stars_as_wide_as_stamps_still_show_their_psf():
    wide, truth = star_frame((900, 900), 3, fwhm=17.5, n_stars=40, flux_range=(1e5, 1e7))
    model = estimate_psf(wide, find_stars(wide), 2)
    expected = truth.psf.centred(350.0, 350.0, model.basis.shape[1])
    assert np.linalg.norm(model.at(350.0, 350.0) - expected) < 0.2 * np.linalg.norm(expected)


def test_wider_ones_are_refused_with_their_width():
    wide, _ = star_frame((900, 900), 3, fwhm=26.0, n_stars=30, flux_range=(1e6, 1e8))
    with pytest.raises(FrameRefused, match=r"2\d\.\d pixels wide; 20 is the most: bin the image"):
        estimate_psf(wide, find_stars(wide), 2)


def test_a_crowd_that_touches_all_over_the_frame_shows_its_psf():
    crowd, truth = star_frame((500, 500), 6, n_stars=6000, fwhm=3.3, noise_seed=1)
    found = estimate_psf(crowd, find_stars(crowd), 1).at(250.0, 250.0).astype(float)
    true = truth.psf.centred(250.0, 250.0, found.shape[0])
    assert (found * true).sum() / (found**2).sum() == pytest.approx(1.0, abs=0.2)


def test_a_crowd_that_looks_like_ever_wider_stars_is_refused_too(monkeypatch):
    """Not told apart they look narrower at first; stamps would not hold what they are taken for at last."""
    monkeypatch.setattr("pipeline.stellar.stars.MOST_SHINING", 1.0)
    crowd, _ = star_frame((500, 500), 6, n_stars=6000, fwhm=3.3, noise_seed=1)
    with pytest.raises(FrameRefused, match=r"so close together that they look \d\d\.\d pixels wide; 20 is"):
        estimate_psf(crowd, find_stars(crowd), 1)


def test_masked_wings_do_not_show():
    frame, truth = star_frame(SHAPE, **FIELDS[0])
    data, mask = frame.data.copy(), frame.mask.copy()
    data[:, ::40] = 3e4
    mask[:, ::40] = MaskPlane.BAD
    spoiled = replace(frame, data=data, mask=mask)
    found = estimate_psf(spoiled, find_stars(spoiled), 0).at(191.0, 191.0).astype(float)
    true = truth.psf.centred(191.0, 191.0, found.shape[0])
    assert (found * true).sum() / (found**2).sum() == pytest.approx(1.0, abs=0.02)


def test_a_moved_psf_is_that_of_the_moved_field():
    model, _ = measured(**FIELDS[2])
    affine = rotation(0.0, (0, 0), (50.0, 0.0))
    affine[:, :2] *= 0.8
    moved = moved_psf(model, PixelMap.from_affine(affine, SHAPE))
    stamp = moved.at(100.0, 200.0).astype(float)
    x, y = affine[:, :2] @ (100.0, 200.0) + affine[:, 2]
    assert moved.fwhm == pytest.approx(model.fwhm / 0.8)
    # The peak of the light's density, in the larger pixels of the reference.
    assert stamp.max() == pytest.approx(model.at(x, y).max() * 0.8**2, rel=0.02)


def test_shifting_stamps_moves_light_and_keeps_it():
    psf = Moffat((41, 41), 3.0, 3.0)
    offset = np.arange(41)
    expected = psf.stamp(20.37, 19.75, offset, offset)
    moved = shifted(psf.stamp(20, 20, offset, offset)[None], np.array([0.37]), np.array([-0.25]))[0]
    np.testing.assert_allclose(moved, expected, atol=5e-4 * expected.max())


def test_joint_fluxes_of_overlapping_stars_are_exact_without_noise():
    shape = (60, 60)
    psf = Moffat(shape, 3.0, 3.0)
    model = PsfModel(psf.centred(30, 30, 41)[None].astype(np.float32), 0, shape, 3.0)
    x, y, flux = np.array([25.0, 28.2, 40.0]), np.array([30.0, 31.1, 12.5]), np.array([1e4, 5e3, 2e3])
    stamps, rows, columns = placed_psfs(model, x, y)
    signal = star_model(shape, stamps, rows, columns, flux)
    core = radius(stamps[0]) < 4
    fitted = joint_fluxes(signal, np.ones(shape), stamps, rows, columns, core, radius(stamps[0]) < 12)
    np.testing.assert_allclose(fitted, flux, rtol=1e-3)


def test_wings_of_bright_stars_do_not_pass_for_their_sky():
    faint = [(40.0 + 60.3 * i, 30.0 + 54.7 * j, 2e3) for i in range(5) for j in range(6)]
    frame, truth = star_frame((384, 384), n_stars=0, beta=1.7, extra=[(345.3, 200.4, 3e5), *faint])
    narrow = Moffat(frame.shape, 3.0, 4.0).centred(0, 0, 41)[None].astype(np.float32)
    light = frame.signal, (1.0 / np.sqrt(frame.variance)).astype(np.float32)
    fit = fit_stars(frame, light, PsfModel(narrow, 0, frame.shape, 3.0), truth.x, truth.y, len(truth.x))
    offset = np.arange(41) - 20
    true = truth.psf.stamp(fit.x[0], fit.y[0], offset + fit.y[0], offset + fit.x[0]) * truth.flux[0]
    wing = (radius(true) > 9) & (radius(true) < 19)
    assert (fit.stamps[0] * fit.flux[0])[wing].sum() == pytest.approx(true[wing].sum(), rel=0.03)
