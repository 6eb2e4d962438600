"""Alignment: the true map is found, with and without WCS, or the frame is refused with a number."""

import csv
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import sep
from astropy.io import fits
from astropy.wcs import WCS

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.frame import Exposure, Frame, FrameRefused, PreparedReference, Stars
from pipeline.registration.align import align, already_aligned
from pipeline.registration.pixel_map import PixelMap
from pipeline.registration.star_match import StarList, match_stars
from pipeline.registration.triangles import similarities
from pipeline.stellar.psf import estimate_psf
from pipeline.stellar.stars import find_stars
from tests.pipeline.synthetic import rotation, star_frame

SHAPE = (320, 320)
CENTRE = (159.5, 159.5)
SETTINGS = Settings()
SKY = {"n_stars": 120, "flux_range": (4e3, 2e5)}
MAPS = {
    "shift": rotation(0.0, CENTRE, (20.3, -13.6)),
    "turn": rotation(3.0, CENTRE, (5.0, 5.0)),
    "upside down": rotation(180.0, CENTRE),
    "mirror": np.array([[-1.0, 0.0, 319.0], [0.0, 1.0, 0.4]]),
    "larger pixels": np.array([[0.7, 0.0, 48.0], [0.0, 0.7, 48.0]]),
    "binned by two": np.array([[0.5, 0.0, 80.0], [0.0, 0.5, 80.0]]),
    "half away": rotation(0.0, CENTRE, (150.0, 10.0)),
}


def prepared(frame):
    stars = find_stars(frame)
    return PreparedReference(frame, stars, estimate_psf(frame, stars, 1))


@cache
def reference():
    return prepared(star_frame(SHAPE, **SKY, fwhm=3.0)[0])


def seen(affine, **facts):
    frame, _ = star_frame(SHAPE, **SKY, fwhm=3.5, affine=affine, noise_seed=5, transparency=0.8, **facts)
    return prepared(frame)


def aligned(new, against=None):
    return align(new.frame, new.stars, new.psf.fwhm, against or reference(), SETTINGS)


def map_error(result, affine):
    """The largest error of a map over the part of the reference that the frame covers."""
    height, width = result.frame.shape
    y, x = np.mgrid[0:height:20, 0:width:20]
    inside = (result.frame.mask[::20, ::20] == 0).ravel()
    x, y = x.ravel()[inside], y.ravel()[inside]
    expected = affine[:, :2] @ np.stack([x, y]) + affine[:, 2:]
    return np.abs(np.stack(result.map_to_new(x, y)) - expected).max()


@pytest.mark.parametrize("name", MAPS)
def test_without_wcs_the_stars_tell_the_map(name):
    result = aligned(seen(MAPS[name]))
    assert map_error(result, MAPS[name]) < 0.1
    assert result.rms_px < 0.06
    assert result.n_matched >= 25
    assert result.mirrored == (name == "mirror")
    assert result.frame.shape == SHAPE


def test_the_aligned_frame_shows_the_reference_stars_at_their_places():
    result = aligned(seen(MAPS["turn"]))
    stars = reference().stars
    bright = stars.take(np.flatnonzero((stars.flags == 0) & (stars.flux > 2e4)))
    inside = result.frame.mask[np.rint(bright.y).astype(int), np.rint(bright.x).astype(int)] == 0
    bright = bright.take(inside)
    x, y, _ = sep.winpos(np.ascontiguousarray(result.frame.signal), bright.x, bright.y, 1.4)
    assert len(bright) > 10
    assert np.median(np.hypot(x - bright.x, y - bright.y)) < 0.05
    assert result.psf.fwhm == pytest.approx(3.6, abs=0.2)
    assert result.stars.x.max() < SHAPE[1]


def tangent(ra=150.0, dec=2.0, scale=0.5 / 3600, mirrored=False):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [CENTRE[0] + 1, CENTRE[1] + 1]
    wcs.wcs.cd = [[scale if mirrored else -scale, 0], [0, scale]]
    return wcs


def shifted_wcs(wcs, dx, dy):
    moved = wcs.deepcopy()
    moved.wcs.crpix = np.add(moved.wcs.crpix, [dx, dy])
    return moved


@pytest.mark.parametrize("error", [0.0, 12.0, 400.0])
def test_a_wcs_may_be_wrong(error):
    """By nothing, by some pixels that the stars correct, or so wrong that only the stars count."""
    against = replace(reference(), frame=replace(reference().frame, wcs=tangent()))
    new = seen(MAPS["shift"], wcs=shifted_wcs(tangent(), 20.3 + error, -13.6))
    result = aligned(new, against)
    assert map_error(result, MAPS["shift"]) < 0.1
    assert result.frame.wcs is against.frame.wcs


def test_frames_of_another_place_are_refused():
    against = replace(reference(), frame=replace(reference().frame, wcs=tangent()))
    frame, _ = star_frame(SHAPE, **SKY, seed=9, wcs=tangent(ra=170.0))
    with pytest.raises(FrameRefused, match=r"covers 0.0% of its reference"):
        aligned(prepared(frame), against)


@pytest.mark.parametrize("off", [0.0, 0.1, 0.4, 1.5, 8.0])
def test_a_frame_is_on_the_grid_of_its_reference_or_refused_with_how_far_it_is_off(off):
    new = seen(rotation(0.0, CENTRE, (off, 0.0)))
    args = new.frame, new.stars, new.psf.fwhm, reference(), SETTINGS
    if off < 0.3:
        assert np.array_equal(already_aligned(*args).to_new, np.eye(2, 3))
        return
    with pytest.raises(FrameRefused, match="grid") as refused:
        already_aligned(*args)
    if off < 2.0:
        assert refused.value.value == pytest.approx(off, abs=0.1)


@pytest.mark.parametrize("scale", [0.49995, 0.5, 0.50005, 1.9998, 2.0002])
def test_frames_binned_by_two_are_no_less_aligned_for_the_rounding_of_their_wcs(scale):
    affine = np.array([[scale, 0.0, CENTRE[0] * (1 - scale)], [0.0, scale, CENTRE[1] * (1 - scale)]])
    against = replace(reference(), frame=replace(reference().frame, wcs=tangent()))
    new = seen(affine, wcs=tangent(scale=0.5 / 3600 / scale))
    assert map_error(aligned(new, against), affine) < 0.1


def test_another_sky_is_refused_with_the_count_or_the_share():
    new = prepared(star_frame(SHAPE, **SKY, seed=9)[0])
    with pytest.raises(FrameRefused, match=r"^\d+% of the bright stars .* no more than by chance; 20% must"):
        aligned(new)
    more = Settings(align={"min_matched": 60})
    with pytest.raises(FrameRefused, match=r"^too few stars match the reference: \d+, and 60 must"):
        align(new.frame, new.stars, new.psf.fwhm, reference(), more)


def test_too_different_pixels_are_refused():
    against = replace(reference(), frame=replace(reference().frame, wcs=tangent()))
    new = replace(reference(), frame=replace(reference().frame, wcs=tangent(scale=1.3 / 3600)))
    with pytest.raises(FrameRefused, match="pixels of the frame"):
        aligned(new, against)


def test_too_few_stars_are_refused_with_their_number():
    new = seen(MAPS["shift"])
    with pytest.raises(FrameRefused, match=r"^too few stars .* to align them: 4 and \d+, and \d+ must match"):
        aligned(replace(new, stars=new.stars.take(np.arange(4))))


def test_distortion_is_followed_where_stars_show_it():
    """Stars of a frame whose places bend by up to 0.7 px: the map bends with them."""
    new, against = seen(MAPS["shift"]), reference()

    def bend(x):
        return 0.7 * ((x - CENTRE[0]) / 160.0) ** 2

    bent = replace(new.stars, x=new.stars.x + bend(new.stars.x))
    result = align(new.frame, bent, new.psf.fwhm, against, SETTINGS)
    x = np.array([30.0, 160.0, 280.0])
    y = np.full(3, 150.0)
    expected = x + 20.3
    np.testing.assert_allclose(result.map_to_new(x, y)[0], expected + bend(expected), atol=0.1)
    assert result.rms_px < 0.1


@pytest.mark.parametrize("bend_px", [4.0, 15.0, 25.0])
def test_strong_distortion_is_followed_into_the_corners(bend_px):
    """A first map reaches the middle alone, where distortion is flat: what it learns there leads farther."""
    rng = np.random.default_rng(3)
    shape, middle = (1024, 1024), 511.5
    x, y = rng.uniform(0.0, 1023.0, (2, 300))

    def bent(x, y):
        u, v = (x - middle) / middle, (y - middle) / middle
        return x + bend_px * (u * v + 0.6 * u**2 + 0.15 * v**3), y + bend_px * (0.5 * v**2 - 0.7 * u * v)

    def listed(x, y):
        flux = np.geomspace(1e6, 1e4, len(x))
        same = np.zeros((3, len(x)))
        seen = (x >= 0) & (y >= 0) & (x < 1024) & (y < 1024)
        stars = Stars(x, y, flux, np.sqrt(flux), flux, same[0] + 3.0, same[0], *same[1:].astype(np.int64))
        return StarList(stars.take(seen), 3.0)

    noise = rng.normal(0.0, 0.02, (2, 300))
    new = listed(*(np.stack(bent(x, y)) + noise))
    found = match_stars(PixelMap.from_affine(np.eye(2, 3), shape), new, listed(x, y), shape)
    grid = [axis.ravel() for axis in np.mgrid[20:1004:40, 20:1004:40].astype(float)]
    assert found is not None
    assert np.abs(np.stack(found.to_new(*grid)) - np.stack(bent(*grid))).max() < 0.15
    assert found.n_matched > 270


def test_bright_defects_that_stay_on_the_detector_do_not_bend_the_map():
    """Between frames a few pixels apart they look like stars that the first map nearly hits."""
    affine = rotation(0.0, CENTRE, (0.1, 5.9))
    against, new = reference(), seen(affine)

    def with_defects(prep):
        x, y = np.array([60.0, 70.0, 90.0, 250.0]), np.array([300.0, 20.0, 290.0, 310.0])
        kept = prep.stars.take(
            np.min(np.hypot(prep.stars.x - x[:, None], prep.stars.y - y[:, None]), axis=0) > 15
        )
        defects = replace(kept.take(np.arange(4)), x=x, y=y, flux=np.full(4, 1e6), flux_err=np.full(4, 1e3))
        both = [np.r_[getattr(defects, name), getattr(kept, name)] for name in Stars.__slots__]
        return replace(prep, stars=Stars(*both))

    result = aligned(with_defects(new), with_defects(against))
    assert map_error(result, affine) < 0.1


def test_alignment_is_the_same_every_time():
    new = seen(MAPS["mirror"])
    np.testing.assert_array_equal(aligned(new).frame.data, aligned(new).frame.data)


def test_triangles_agree_on_the_map_of_half_the_places():
    rng = np.random.default_rng(4)
    places = rng.uniform(0, 1000, (60, 2))
    affine = np.array([[0.0, 1.4, 50.0], [1.4, 0.0, -20.0]])  # a mirror image, larger
    target = places @ affine[:, :2].T + affine[:, 2] + rng.normal(scale=0.2, size=places.shape)
    target = np.concatenate([target[rng.permutation(60)[:40]], rng.uniform(0, 1400, (20, 2))])
    best = similarities(places, target, 2.0)[0]
    np.testing.assert_allclose(
        places @ best[:, :2].T + best[:, 2], places @ affine[:, :2].T + affine[:, 2], atol=3.0
    )


def test_triangles_of_too_few_places_say_nothing():
    assert similarities(np.zeros((2, 2)), np.zeros((50, 2)), 2.0) == []
    line = np.column_stack([np.arange(20.0), np.arange(20.0)])
    assert similarities(line, line, 2.0) == []


@cache
def real_frame(path):
    """A bias-subtracted frame with its gain and read noise, and no more done to it than is needed."""
    with fits.open(path) as hdus:
        data = hdus[0].data.astype(np.float32) * 1.9
    background = sep.Background(data, bw=64, bh=64).back().astype(np.float32)
    variance = (25.0 + np.maximum(data, 1.0)).astype(np.float32)
    mask = np.where(data > 1e5, 2, 0).astype(np.uint16)
    return Frame(data, background, variance, mask, Exposure(path.name), fits.Header(), None, 1.9, 5.0, 1.2e5)


@pytest.mark.parametrize("bright", ["0018", "0020", "0028"])
def test_crowded_real_frames_without_wcs(shared_data, bright):
    folder = shared_data / "images" / "saao_kb13475"
    against = prepared(real_frame(folder / "AKB13475I0173.fits"))
    new = prepared(real_frame(folder / f"AKB13475I{bright}.fits"))
    result = aligned(new, against)
    assert result.rms_px < 0.15
    assert result.n_matched >= 60
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as table:
        place = {row["file"]: (float(row["x0"]), float(row["y0"])) for row in csv.DictReader(table)}
    x, y = place["AKB13475I0173.fits"]
    found = result.map_to_new(np.array([x]), np.array([y]))
    np.testing.assert_allclose(np.ravel(found), place[f"AKB13475I{bright}.fits"], atol=1.0)


def test_a_mirrored_real_frame(shared_data):
    frame = real_frame(shared_data / "images" / "saao_kb13475" / "AKB13475I0020.fits")
    against = prepared(frame)
    names = ("data", "background", "variance", "mask")
    flipped = prepared(
        replace(frame, **{name: np.ascontiguousarray(getattr(frame, name)[:, ::-1]) for name in names})
    )
    result = aligned(flipped, against)
    assert result.mirrored
    assert map_error(result, np.array([[-1.0, 0.0, 511.0], [0.0, 1.0, 0.0]])) < 0.02


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_stars_with_single_bad_pixels_match_where_there_are_few_others(share):
    """Bad pixels under some stars leave the whole ones; under most of them, these serve too."""
    stars = find_stars(reference().frame)
    masked = np.where(np.arange(len(stars)) % 10 < 10 * share, int(MaskPlane.BAD), 0)
    found = StarList(replace(stars, mask=masked), 3.0)
    assert found.pierced == (share > 0.5)
    assert len(found) == (len(stars) if found.pierced else np.count_nonzero(masked == 0))
    if found.pierced:
        assert found.noise[masked != 0].min() >= 0.3 > found.noise[masked == 0].min()
    assert f"{np.count_nonzero(masked)} of {len(stars)} stars" in found.told_masked


def test_a_frame_of_which_nearly_all_stars_have_bad_pixels_is_refused_for_that():
    new = seen(MAPS["shift"])
    mask = np.where(np.arange(len(new.stars)) < 3, 0, int(MaskPlane.BAD))
    with pytest.raises(FrameRefused, match="stars of the frame have masked pixels"):
        aligned(replace(new, stars=replace(new.stars, mask=mask)))
