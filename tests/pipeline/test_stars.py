"""Stars are found where they are, and the ones that show the PSF are single, sound and stellar."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.vocabulary import MaskPlane
from pipeline.frame import FrameRefused, Stars
from pipeline.stellar.stars import find_stars, half_width, select_psf_stars, stellar_fwhm
from tests.pipeline.synthetic import star_frame

SHAPE = (256, 256)
GRID = [(40.3 + 50 * i, 35.8 + 50 * j, 2e4 * (1 + i + j)) for i in range(4) for j in range(4)]


def nearest(stars, truth):
    return cKDTree(np.column_stack([truth.x, truth.y])).query(np.column_stack([stars.x, stars.y]))


def test_lone_bright_stars_are_found_centred_and_measured():
    frame, truth = star_frame(SHAPE, n_stars=0, extra=GRID)
    stars = find_stars(frame)
    assert len(stars) == len(GRID)
    distance, which = nearest(stars, truth)
    assert len(set(which)) == len(GRID)
    assert distance.max() < 0.05
    assert (np.diff(stars.flux) <= 0).all()
    # A Moffat star with beta = 3 has 90 % of its light within 1.5 FWHM; pixels blur it a little.
    assert np.median(stars.flux / truth.flux[which]) == pytest.approx(0.91, abs=0.02)
    assert stars.fwhm == pytest.approx(3.15, abs=0.15)
    assert np.abs(stars.ellipticity).max() < 0.1


def test_errors_of_fluxes_are_those_of_repeated_frames():
    pulls = []
    for noise_seed in range(12):
        frame, truth = star_frame(SHAPE, n_stars=0, extra=GRID, noise_seed=noise_seed)
        stars = find_stars(frame)
        stars = stars.take(nearest(stars, truth)[0] < 1.0)
        order = nearest(stars, truth)[1].argsort()
        pulls.append((stars.flux[order], stars.flux_err[order]))
    flux, error = np.array(pulls).transpose(1, 0, 2)
    assert np.sqrt((flux.var(axis=0, ddof=1) / (error**2).mean(axis=0)).mean()) == pytest.approx(
        1.0, abs=0.12
    )


def test_a_crowded_field_is_deblended():
    frame, truth = star_frame(SHAPE, n_stars=250, flux_range=(3e3, 1e5))
    stars = find_stars(frame)
    inside = (truth.x > 5) & (truth.y > 5) & (truth.x < 250) & (truth.y < 250) & (truth.flux > 2e4)
    found = cKDTree(np.column_stack([stars.x, stars.y]))
    distance, _ = found.query(np.column_stack([truth.x[inside], truth.y[inside]]))
    assert (distance < 1.0).mean() > 0.9


def test_stars_that_touch_all_over_the_frame_are_told_apart():
    frame, truth = star_frame(SHAPE, n_stars=600, flux_range=(2e4, 3e5))
    stars = find_stars(frame)
    distance, _ = nearest(stars, truth)
    assert np.count_nonzero(distance < 1.0) > 150
    assert stellar_fwhm(stars) == pytest.approx(3.15, abs=0.1)


def test_a_crowd_is_told_apart_where_half_of_its_frame_is_not_seen():
    frame, _ = star_frame(SHAPE, n_stars=450, flux_range=(2e4, 3e5))
    mask = frame.mask.copy()
    mask[:, :120] = MaskPlane.EDGE
    assert len(find_stars(replace(frame, mask=mask))) > 100


def test_single_bad_pixels_keep_no_crowd_from_being_parted():
    frame, _ = star_frame(SHAPE, n_stars=250, flux_range=(2e4, 3e5))
    mask = frame.mask.copy()
    mask[10::20, 10::20] = MaskPlane.COSMIC_RAY
    assert len(find_stars(replace(frame, mask=mask))) > 0.95 * len(find_stars(frame)) > 150


def test_masked_pixels_make_no_stars_and_tell_of_themselves():
    frame, _ = star_frame(SHAPE, n_stars=0, extra=GRID)
    data, mask = frame.data.copy(), frame.mask.copy()
    data[:, 120] = 1e6
    mask[:, 120] = MaskPlane.BAD
    x, y, _ = GRID[0]
    mask[round(y), round(x) + 2] = MaskPlane.COSMIC_RAY
    stars = find_stars(replace(frame, data=data, mask=mask))
    assert (stars.flux[len(GRID) :] < 10.0 * stars.flux_err[len(GRID) :]).all()
    stars = stars.take(np.arange(len(GRID)))
    hit = np.hypot(stars.x - x, stars.y - y) < 1.0
    assert stars.mask[hit] == [MaskPlane.COSMIC_RAY]
    assert not stars.mask[~hit].any()


def test_a_part_that_was_not_read_out_hides_no_other_star():
    frame, truth = star_frame((600, 600), n_stars=60)
    data, mask = frame.data.copy(), frame.mask.copy()
    data[400:], mask[400:] = 65535.0, MaskPlane.SATURATED
    stars = find_stars(replace(frame, data=data, mask=mask))
    assert (stars.y < 402).all()
    distance, _ = nearest(stars, truth)
    assert np.count_nonzero(distance < 0.3) > 25


def test_a_star_that_saturates_a_part_of_a_small_frame_stays_one():
    frame, _ = star_frame((192, 192), n_stars=12, extra=[(90.0, 100.0, 3e7)])
    level = np.quantile(frame.data, 0.97)
    full = frame.data > level
    mask = frame.mask | (full * np.uint16(MaskPlane.SATURATED))
    stars = find_stars(replace(frame, data=np.minimum(frame.data, np.float32(level)), mask=mask))
    away = np.hypot(stars.x - 90.0, stars.y - 100.0)
    assert away.min() < 1.0
    assert np.count_nonzero(away < 20.0) == 1


def test_where_all_shines_a_frame_is_refused_in_a_sentence():
    frame, _ = star_frame((900, 900), n_stars=20)
    data = frame.data.copy()
    data[:450] += 1e5
    with pytest.raises(FrameRefused, match="no stars can be told from what shines"):
        find_stars(replace(frame, data=data))


def test_an_empty_frame_has_no_stars():
    frame, _ = star_frame(SHAPE, n_stars=0)
    stars = find_stars(frame, threshold=6.0)
    assert len(stars) == 0
    assert stellar_fwhm(stars) == 0.0
    assert len(select_psf_stars(frame, stars)) == 0


def test_seeing_is_that_of_stars_among_galaxies_and_cosmic_rays():
    frame, _ = star_frame(SHAPE, n_stars=0, extra=GRID)
    galaxies, _ = star_frame(
        SHAPE, n_stars=0, fwhm=7.0, sky=1.0, read_noise=0.0, extra=[(x + 25, y, f) for x, y, f in GRID[:8]]
    )
    data = frame.data + galaxies.signal
    for i in range(8):
        data[60 * (i % 4) + 12, 240 - 5 * i] += 3000.0
    mixed = replace(frame, data=data)
    stars = find_stars(mixed)
    assert stellar_fwhm(stars) == pytest.approx(3.15, abs=0.1)
    chosen = select_psf_stars(mixed, stars)
    distance, _ = cKDTree([(x, y) for x, y, _ in GRID]).query(np.column_stack([chosen.x, chosen.y]))
    assert len(chosen) >= 12
    assert distance.max() < 0.5


def test_seeing_is_that_of_few_stars_among_galaxies_of_all_widths():
    random = np.random.default_rng(5)
    x, y = (25.0 + 34.0 * axis.ravel() for axis in np.mgrid[:15, :15])
    widths = np.concatenate([random.normal(2.75, 0.08, 55), random.uniform(4.0, 8.5, 170)])
    is_star = np.arange(len(x)) < 55
    nothing, light = np.zeros(len(x)), np.full(len(x), 1e4)
    whole = nothing.astype(int)
    field = Stars(x, y, light, light / 100.0, light / 20.0, widths, nothing, whole, whole)
    assert stellar_fwhm(field) == pytest.approx(2.75, abs=0.05)
    assert stellar_fwhm(field.take(np.flatnonzero(~is_star))) > 4.0  # no stars, and none are made up
    frame, _ = star_frame((530, 530), n_stars=0)
    chosen = select_psf_stars(frame, field)
    assert len(chosen) >= 45
    assert chosen.fwhm.max() < 3.2


@pytest.mark.parametrize("spread", [0.03, 0.1, 0.2])
@pytest.mark.parametrize("narrow", [1.2, 1.6, 1.8, 2.0])
def test_where_stars_are_most_the_commonest_width_is_theirs_whatever_is_narrower(spread, narrow):
    random = np.random.default_rng(6)
    widths = np.concatenate([random.normal(3.5, 3.5 * spread, 80), random.normal(narrow, 0.04, 20)])
    nothing, light = np.zeros(len(widths)), np.full(len(widths), 1e4)
    whole = nothing.astype(int)
    field = Stars(nothing, nothing, light, light / 100.0, light, widths, nothing, whole, whole)
    assert stellar_fwhm(field) == pytest.approx(3.5, rel=0.25)


def test_hot_pixels_that_a_colour_camera_spread_are_no_stars():
    frame, _ = star_frame((384, 384), n_stars=80, fwhm=3.3, flux_range=(2e3, 2e5))
    random = np.random.default_rng(3)
    spread = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5])
    for row, column in random.integers(10, 370, (40, 2)):
        frame.data[row - 1 : row + 2, column - 1 : column + 2] += random.uniform(500.0, 8000.0) * spread
    assert stellar_fwhm(find_stars(frame)) == pytest.approx(3.3, rel=0.1)


def test_psf_stars_are_neither_blended_nor_full_nor_at_the_edge():
    pair = [(128.0, 60.0, 5e4), (132.5, 60.0, 4e4)]
    full, edge = (60.0, 128.0, 3e6), (3.0, 200.0, 5e4)
    lone = [(200.0, 200.0, 5e4), (60.0, 220.0, 3e4), (200.0, 120.0, 4e4)]
    frame, _ = star_frame(SHAPE, n_stars=0, extra=[*pair, full, edge, *lone], saturation=5e4)
    chosen = select_psf_stars(frame, find_stars(frame))
    places = sorted(zip(chosen.x.round().tolist(), chosen.y.round().tolist(), strict=True))
    assert places == sorted((x, y) for x, y, _ in lone)


def test_half_width_of_known_profiles():
    radius = np.arange(0.0, 10.0, 0.25)
    widths = np.array([2.0, 3.3, 5.1])
    profiles = np.exp2(-((radius / widths[:, None]) ** 2))
    np.testing.assert_allclose(half_width(radius, profiles), widths, atol=0.01)
