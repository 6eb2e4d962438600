"""A part of a frame whose stars do not subtract is left out and told; changes of single stars are not."""

from dataclasses import replace

import numpy as np
import pytest

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.detection.detect import detect
from pipeline.frame import FrameRefused
from pipeline.subtraction.subtract import subtract
from pipeline.subtraction.unsubtracted import UNSUBTRACTED, mask_unsubtracted, unsubtracted_part
from tests.pipeline.pairs import make_pair

SIDE = 600
CORNER = np.s_[SIDE // 2 :, SIDE // 2 :]


def difference_of(left, count=300, seed=4):
    """Flux, errors and mask of a difference in which some of the stars are left, and the stars."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(5, SIDE - 6, (2, count))
    light = random.uniform(50.0, 500.0, count)
    flux = np.zeros((SIDE, SIDE), dtype=np.float32)
    share = left(x, y, random)
    flux[np.rint(y).astype(int), np.rint(x).astype(int)] = share * light
    return flux, np.ones_like(flux), np.zeros(flux.shape, dtype=np.uint16), (x, y, light)


def left_out(flux, flux_err, mask, *lights, scatter=0.0):
    x, y, light = (np.concatenate(each) for each in zip(*lights, strict=True))
    mask_unsubtracted(flux, flux_err, mask, (x, y, light), 3.0, scatter)
    return (mask & UNSUBTRACTED) != 0


@pytest.mark.parametrize("share", [-1.0, -0.5, 0.4])
def test_a_corner_is_left_out_whose_stars_are_left(share):
    found = left_out(*difference_of(lambda x, y, _: share * ((x > SIDE / 2) & (y > SIDE / 2))))
    assert found[CORNER].mean() > 0.97
    found[CORNER] = False
    assert found.sum() < 0.25 * SIDE**2 / 4  # along the border, where the nearest stars are of either part


@pytest.mark.parametrize("left", [0.1, 0.2, 0.4])
def test_stars_that_change_here_and_there_leave_nothing_out(left):
    for seed in range(20):
        assert not left_out(
            *difference_of(lambda x, y, random: random.random(x.size) < left, seed=seed)
        ).any()


def test_what_a_wrong_psf_leaves_leaves_nothing_out():
    assert not left_out(*difference_of(lambda x, y, _: np.full(x.size, 0.2))).any()


@pytest.mark.parametrize("colours", [0.3, 0.4])
def test_stars_of_all_colours_through_another_filter_leave_nothing_out(colours):
    """By such a scatter a star in three is left, and so many are together somewhere; a moved part is told."""

    def left(x, y, random):
        return colours * random.normal(size=x.size)

    def moved(x, y, random):
        return np.where(x > 0.7 * SIDE, 1.0, left(x, y, random))

    for seed in range(5):
        assert not left_out(*difference_of(left, seed=seed), scatter=0.8 * colours).any()
        assert left_out(*difference_of(moved, seed=seed), scatter=0.8 * colours)[:, int(0.72 * SIDE) :].all()


def test_a_halo_over_stars_that_are_subtracted_leaves_nothing_out():
    flux, *others = difference_of(lambda x, y, _: np.zeros(x.size))
    assert not left_out(flux + np.float32(300.0), *others).any()


def test_stars_of_the_new_frame_alone_tell_where_the_reference_is_clouded():
    flux, flux_err, mask, (x, y, light) = difference_of(lambda x, y, _: 1.0 * (x > 0.75 * SIDE))
    seen = x <= 0.75 * SIDE
    found = left_out(flux, flux_err, mask, (x[seen], y[seen], light[seen]), (x, y, light))
    assert found[:, int(0.8 * SIDE) :].all()
    assert not found[:, : SIDE // 2].any()


def test_too_few_stars_tell_nothing():
    assert not left_out(*difference_of(lambda x, y, _: np.ones(x.size), count=9)).any()


def test_changes_among_constant_stars_leave_nothing_out_however_many():
    """As in the fields that models learn of: more sources changed than stayed, seen in one frame alone."""
    for seed in range(20):
        made = difference_of(lambda x, y, random: random.random(x.size) < 0.6, count=70, seed=seed)
        flux, flux_err, mask, (x, y, light) = made
        stayed = flux[np.rint(y).astype(int), np.rint(x).astype(int)] == 0
        assert not left_out(flux, flux_err, mask, (x, y, light), (x[stayed], y[stayed], light[stayed])).any()


def test_masked_and_faint_stars_tell_nothing():
    flux, flux_err, mask, stars = difference_of(lambda x, y, _: 1.0 * (x > 0.7 * SIDE))
    assert not left_out(flux, flux_err * 30.0, mask, stars).any()
    mask[:, int(0.7 * SIDE) :] = MaskPlane.BAD
    assert not left_out(flux, flux_err, mask, stars).any()


def test_noise_leaves_nothing_out_however_much_quieter_the_rest_is():
    """As where a coadd has fewer frames, or in a bright nebula: 25 % of faint stars is noise there."""
    flux, flux_err, mask, stars = difference_of(lambda x, y, _: np.zeros(x.size))
    flux_err[:, SIDE // 2 :] = 40.0
    noise = np.random.default_rng(5).normal(size=flux.shape).astype(np.float32)
    assert not left_out(flux + noise * flux_err, flux_err, mask, stars).any()


def test_stars_tell_though_their_own_light_makes_their_flux_uncertain():
    """As where the flux ratios of stars scatter by a tenth."""
    flux, flux_err, mask, (x, y, light) = difference_of(lambda x, y, _: 1.0 * (x > 0.7 * SIDE))
    flux_err[np.rint(y).astype(int), np.rint(x).astype(int)] = 0.1 * light
    assert left_out(flux, flux_err, mask, (x, y, light))[:, int(0.72 * SIDE) :].all()


def test_dead_pixels_of_no_noise_do_not_make_noise_of_stars():
    flux, flux_err, mask, (x, y, light) = difference_of(lambda x, y, _: np.zeros(x.size))
    mask[:, SIDE // 2 :] = MaskPlane.BAD
    flux_err[...] = 40.0
    flux_err[:, SIDE // 2 :] = 0.0
    noise = np.random.default_rng(5).normal(size=flux.shape).astype(np.float32)
    assert not left_out(flux + noise * flux_err, flux_err, mask, (x, y, light)).any()


def test_a_frame_is_refused_most_of_whose_stars_are_left():
    with pytest.raises(FrameRefused, match="not where its reference has them") as refused:
        left_out(*difference_of(lambda x, y, _: 1.0 * (x > 0.3 * SIDE)))
    assert refused.value.value == pytest.approx(0.7, abs=0.06)
    assert refused.value.limit == 0.5


def test_nothing_is_left_out_beyond_a_frame_nor_told_of(pair):
    """A frame on a third of its reference, a third of that behind the dome."""
    flux, flux_err, mask, (x, y, light) = difference_of(
        lambda x, y, _: 1.0 * ((x > 135) & (x < 200)), count=1200
    )
    mask[:, 200:] = MaskPlane.EDGE
    found = left_out(flux, flux_err, mask, (x, y, light))
    assert not found[:, 200:].any()
    share = found[:, :200].mean()
    assert share == pytest.approx(0.35, abs=0.15)
    said = unsubtracted_part(replace(subtract(*pair, Settings()), mask=mask))
    assert said is not None
    assert said.startswith(f"{share:.1%} of the frame is left out, around pixel 1")


@pytest.fixture(scope="module")
def pair():
    new, reference, *_ = make_pair((SIDE, SIDE), n_stars=500)
    return new, reference


def spoilt(new, **changes):
    return replace(new, frame=replace(new.frame, **changes))


@pytest.mark.parametrize("method", ["zogy", "classic"])
@pytest.mark.parametrize("what", ["moved", "dimmed"])
def test_nothing_is_found_in_a_chip_that_lies_elsewhere_nor_behind_the_dome(pair, what, method):
    new, reference = pair
    data = new.frame.data.copy()
    sky = new.frame.background[CORNER]
    part = data[CORNER]
    data[CORNER] = np.roll(part, (7, -5), (0, 1)) if what == "moved" else sky + 0.3 * (part - sky)
    new = spoilt(new, data=data)
    difference = subtract(new, reference, Settings(), method)
    found, _ = detect(difference, new, reference, Settings())
    places = np.array([(each.x, each.y) for each in found]).reshape(-1, 2)
    assert np.count_nonzero((places > SIDE / 2 + 20).all(axis=1)) == 0
    assert np.count_nonzero((places < SIDE / 2 - 60).any(axis=1)) <= 1
    said = unsubtracted_part(difference)
    assert said is not None
    assert "not where the reference has them, or not as bright" in said
    x, y = (float(word.strip(",")) for word in said.split("pixel ")[1].split()[:2])
    assert (x, y) == pytest.approx((450, 450), abs=40)


def test_of_a_sound_pair_nothing_is_said(pair):
    assert unsubtracted_part(subtract(*pair, Settings())) is None


def test_stars_that_moved_in_decades_leave_nothing_out():
    """Each by 0.6 pixels its own way, as since a photographic survey."""
    new, reference, truth, _ = make_pair((400, 400), seed=5, n_stars=160, fwhm=2.5)
    data, random = new.frame.data.astype(float), np.random.default_rng(3)
    for x, y, light in zip(truth.x, truth.y, truth.flux, strict=True):
        dx, dy = 0.6 * random.normal(size=2)
        rows, columns = (np.arange(max(int(at) - 20, 0), min(int(at) + 21, 400)) for at in (y, x))
        if rows.size and columns.size:
            moved = truth.psf.stamp(x + dx, y + dy, rows, columns) - truth.psf.stamp(x, y, rows, columns)
            data[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += light * moved
    difference = subtract(spoilt(new, data=data.astype(np.float32)), reference, Settings())
    assert unsubtracted_part(difference) is None
