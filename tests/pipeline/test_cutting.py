"""Cutouts: centred, in units of their own sky, blind where the images are."""

import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import WCS

from core.review.cutouts import pack, unpack
from core.vocabulary import MaskPlane
from pipeline.detection.cutting import cut
from pipeline.frame import Difference, Frame, PsfModel
from tests.pipeline.synthetic import star_frame

PSF = PsfModel(np.ones((1, 5, 5), dtype=np.float32), 0, (80, 100), 3.0)


@pytest.fixture(scope="module")
def frame() -> Frame:
    return star_frame((80, 100), seed=3, n_stars=4, fwhm=3.0)[0]


def difference_of(frame: Frame) -> Difference:
    zeros = np.zeros_like(frame.data)
    return Difference(
        data=frame.signal, score=zeros, flux=zeros, flux_err=zeros, mask=frame.mask.copy(), psf=PSF,
        method="zogy", flux_unit="electron", gain_ratio=1.0, score_std=1.0,
    )  # fmt: skip


def test_the_nearest_pixel_is_the_centre(frame: Frame) -> None:
    data = frame.background.copy()
    data[40, 50] += 1000.0
    data[::2] += 1.0
    peaked = replace(frame, data=data)
    stamps = cut(peaked, peaked, difference_of(peaked), 50.4, 39.6, 21)
    for plane in stamps.planes[:3]:
        assert plane.shape == (21, 21)
        assert np.unravel_index(np.argmax(plane), plane.shape) == (10, 10)


def test_the_sky_has_unit_noise_and_no_level(frame: Frame) -> None:
    stamps = cut(frame, frame, difference_of(frame), 50, 40, 63)
    for plane, sigma in zip(stamps.planes[:3], stamps.sigma, strict=True):
        seen = plane[np.isfinite(plane)]
        low, middle = np.quantile(seen, [0.1587, 0.5])
        assert middle == pytest.approx(0.0, abs=0.2)
        assert middle - low == pytest.approx(1.0, abs=0.1)
        assert sigma == pytest.approx(float(np.sqrt(np.median(frame.variance))), rel=0.15)


def test_beyond_the_edge_is_unseen(frame: Frame) -> None:
    corner = cut(frame, frame, difference_of(frame), 0, 0, 21)
    assert np.isnan(corner.new[:10]).all()
    assert np.isnan(corner.new[:, :10]).all()
    assert np.isfinite(corner.new[10:, 10:]).all()
    outside = cut(frame, frame, difference_of(frame), -50, 500, 21)
    assert np.isnan(outside.diff).all()
    assert all(math.isnan(sigma) for sigma in outside.sigma)


@pytest.mark.parametrize(("bit", "seen"), [(MaskPlane.COSMIC_RAY, False), (MaskPlane.SATURATED, True)])
def test_saturation_is_shown_and_defects_are_not(frame: Frame, bit: int, seen: bool) -> None:
    mask = frame.mask.copy()
    mask[40, 50] = bit
    flawed = replace(frame, mask=mask)
    stamps = cut(flawed, frame, difference_of(flawed), 50, 40, 21)
    assert np.isfinite(stamps.new[10, 10]) == seen
    assert np.isfinite(stamps.diff[10, 10]) == seen
    assert np.isfinite(stamps.ref[10, 10])


def test_they_survive_the_store(frame: Frame) -> None:
    stamps = cut(frame, frame, difference_of(frame), 3, 40, 31)
    kept = unpack(pack(stamps))
    np.testing.assert_allclose(kept.new, stamps.new, atol=0.126)
    assert np.array_equal(np.isnan(kept.diff), np.isnan(stamps.diff))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    ("ra", "dec", "degrees"), [(10.0, 41.0, 0), (0.0001, -70.0, 130), (359.9999, 5.0, -45)]
)
def test_it_is_known_how_the_pixels_lie_on_the_sky(frame: Frame, ra, dec, degrees, mirrored) -> None:
    turn = np.radians(degrees)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [50.0, 40.0]
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wcs.wcs.cd = np.diag([1.0 if mirrored else -1.0, 1.0]) @ turned * 0.4 / 3600
    placed = replace(frame, wcs=wcs)
    found = cut(placed, placed, difference_of(placed), 55.0, 38.0, 21).to_sky
    assert found is not None
    for step in ((1.0, 0.0), (0.0, 1.0), (3.0, -2.0)):
        east, north = np.array(found) @ step
        here, there = wcs.pixel_to_world(55.0, 38.0), wcs.pixel_to_world(55.0 + step[0], 38.0 + step[1])
        expected = here.spherical_offsets_to(there)
        assert [east, north] == pytest.approx([each.arcsec for each in expected], abs=2e-3)


def test_without_a_wcs_it_is_not_known(frame: Frame) -> None:
    assert cut(frame, frame, difference_of(frame), 50, 40, 21).to_sky is None


def test_the_score_is_cut_as_it_is_and_masked_as_the_difference(frame: Frame) -> None:
    score = np.random.default_rng(4).normal(size=frame.shape).astype(np.float32)
    score[40, 50] = 17.0
    mask = frame.mask.copy()
    mask[41, 50] = MaskPlane.BAD
    stamps = cut(frame, frame, replace(difference_of(frame), score=score, mask=mask), 50, 40, 21)
    assert stamps.score is not None
    assert stamps.score[10, 10] == 17.0
    assert np.array_equal(np.isnan(stamps.score), np.isnan(stamps.diff))
    kept = unpack(pack(stamps)).score
    assert kept is not None
    np.testing.assert_allclose(kept, stamps.score, atol=0.126)
