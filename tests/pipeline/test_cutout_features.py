"""What is measured of cutouts: known values of known images, and answers for all that may be missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.classify.cutout_features import MEANING, NAMES, measure
from pipeline.classify.triplets import SIDE, Triplets
from tests.pipeline.toy_models import blobs

STEPS = np.arange(SIDE, dtype=np.float32) - SIDE // 2


def source(sigma: float, height: float = 50.0, *, stretch: float = 1.0) -> np.ndarray:
    return height * np.exp(-0.5 * ((STEPS[:, None] / (stretch * sigma)) ** 2 + (STEPS / sigma) ** 2))


def measured(
    diff: np.ndarray, new: np.ndarray | None = None, ref: np.ndarray | None = None
) -> dict[str, float]:
    nothing = np.zeros((SIDE, SIDE))
    planes = (nothing if new is None else new, nothing if ref is None else ref, diff)
    row = measure(Triplets(*(np.asarray(plane, np.float32)[None] for plane in planes)))[0]
    return dict(zip(NAMES, row.tolist(), strict=True))


def test_every_feature_has_a_name_and_a_meaning():
    assert 25 <= len(NAMES) <= 40
    assert all(MEANING.values())


def test_a_round_source_looks_like_the_gaussian_it_is():
    found = measured(source(1.4))
    assert found["likeness"] == pytest.approx(1.0, abs=1e-3)
    assert found["likeness_width"] == pytest.approx(1.4)
    # Moments under a window of 3 px: the product of two Gaussians.
    assert found["width"] == pytest.approx((1 / 1.4**2 + 1 / 9.0) ** -0.5, rel=0.02)
    assert found["ellipticity"] < 0.01
    assert found["offset"] == pytest.approx(0.0, abs=1e-4)
    assert found["asymmetry"] == pytest.approx(0.0, abs=1e-4)
    assert found["negative_share"] == 0.0


def test_a_hot_pixel_a_dipole_and_a_trail_each_stand_out():
    hot = np.zeros((SIDE, SIDE))
    hot[SIDE // 2, SIDE // 2] = 30.0
    assert measured(hot)["single_pixel"] == pytest.approx(9.0, rel=1e-3)
    assert measured(source(1.4))["single_pixel"] < 2.0
    dipole = source(1.4) - np.roll(source(1.4), 3, axis=1)
    assert measured(dipole)["dipole"] > 0.8
    trail = source(1.0, stretch=30.0)
    assert measured(trail)["elongation"] > 0.8 > 0.2 > measured(source(2.0))["elongation"]
    assert measured(trail)["column"] > 50 * measured(source(1.4))["column"]


def test_a_vanished_source_is_measured_as_a_new_one_but_for_its_sign():
    bright, dark = measured(source(1.4)), measured(-source(1.4))
    assert (bright.pop("sign"), dark.pop("sign")) == (1.0, -1.0)
    assert dark == pytest.approx(bright, nan_ok=True)


def test_turning_a_triplet_by_half_a_turn_changes_nothing():
    triplets = blobs(8).triplets
    turned = Triplets(*(np.ascontiguousarray(plane[:, ::-1, ::-1]) for plane in triplets.planes))
    np.testing.assert_allclose(measure(turned), measure(triplets), rtol=1e-3, atol=1e-3)


def test_an_absent_reference_takes_only_what_it_would_have_told():
    whole = measured(source(1.4), new=source(1.4), ref=source(2.0))
    without = measured(source(1.4), new=source(1.4), ref=np.full((SIDE, SIDE), np.nan))
    lost = {name for name in NAMES if np.isnan(without[name])}
    assert lost == {*("ref_snr", "change", "ref_width", "ref_offset", "ref_correlation", "ref_brightest")}
    assert all(without[name] == whole[name] for name in NAMES if name not in lost)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e4, 1e29]))
def test_whatever_is_masked_and_however_bright_there_is_an_answer(seed: int, share: float, height: float):
    random = np.random.default_rng(seed)
    planes = random.normal(size=(3, 4, SIDE, SIDE)).astype(np.float32) * np.float32(height)
    planes[random.random(planes.shape) < share] = np.nan
    found = measure(Triplets(*planes))
    assert found.shape == (4, len(NAMES))
    assert not np.isinf(found).any()


def test_no_triplets_have_no_features():
    assert measure(Triplets(*np.empty((3, 0, SIDE, SIDE), np.float32))).shape == (0, len(NAMES))
