"""Cutouts survive packing, and a hostile blob does no harm."""

import math
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from core.review.cutouts import STEPS_PER_SIGMA, CutoutError, Cutouts, pack, same_pixels, unpack

HALF_STEP = 0.5 / STEPS_PER_SIGMA


def stamps(shape=(63, 63), seed=1, peak=40.0):
    """Noise of unit sigma, with a source in the middle of new and difference."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    source = peak * np.exp(-((x - shape[1] // 2) ** 2 + (y - shape[0] // 2) ** 2) / (2 * 2.0**2))
    noise = rng.normal(size=(3, *shape))
    return Cutouts(
        *(noise + np.stack([source, 0 * source, source])).astype(np.float32), sigma=(12.5, 3.25, 13.0)
    )


def header(n_planes=3, height=2, width=2, version=1, magic=b"AC"):
    return struct.pack("<2sBBHH3f", magic, version, n_planes, height, width, 1.0, 1.0, 1.0)


def test_every_pixel_comes_back_within_half_a_step():
    cutouts = stamps()
    back = unpack(pack(cutouts))
    assert back.sigma == cutouts.sigma
    assert back.score is None
    for sent, got in zip(cutouts.planes, back.planes, strict=True):
        assert got.dtype == np.float32
        assert np.abs(sent - got).max() <= HALF_STEP + 1e-6


def test_packing_again_changes_nothing():
    blob = pack(stamps())
    assert pack(unpack(blob)) == blob


def test_a_triplet_takes_little_more_than_the_entropy_of_its_noise():
    # Unit-sigma noise in steps of a quarter has log2(4 sqrt(2 pi e)) = 4.05 bits a pixel.
    entropy = 3 * 63 * 63 * 4.05 / 8
    assert len(pack(stamps())) < 1.1 * entropy


@given(
    nps.arrays(
        np.float32,
        nps.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)
def test_any_values_in_any_shape(plane):
    back = unpack(pack(Cutouts(plane, plane, plane))).new
    hidden = ~(np.abs(plane) <= 1e30)
    assert back.shape == plane.shape
    assert np.array_equal(np.isnan(back), hidden)
    clipped = np.clip(plane[~hidden], -32767 / STEPS_PER_SIGMA, 32767 / STEPS_PER_SIGMA)
    assert np.allclose(back[~hidden], clipped, atol=HALF_STEP + 1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3.4e38, 1.1e30, -1.1e30])
def test_sentinels_become_masked(value):
    new = np.zeros((3, 4), dtype=np.float32)
    new[1, 2] = value
    back = unpack(pack(Cutouts(new, new, new)))
    assert np.argwhere(np.isnan(back.new)).tolist() == [[1, 2]]


def test_an_absent_reference_and_an_unknown_sigma_are_legal():
    whole = stamps((20, 31))
    absent = np.full((20, 31), np.nan, dtype=np.float32)
    back = unpack(pack(Cutouts(whole.new, absent, whole.diff, sigma=(1.0, float("nan"), 2.0))))
    assert np.isnan(back.ref).all()
    assert np.isnan(back.sigma[1])
    assert back.sigma[2] == 2.0


def test_a_score_plane_is_kept():
    whole = stamps((9, 9))
    back = unpack(pack(Cutouts(whole.new, whole.ref, whole.diff, whole.sigma, score=whole.new)))
    assert np.array_equal(back.score, back.new)


@pytest.mark.parametrize(
    "shapes",
    [[(3, 3), (3, 3), (3, 4)], [(0, 3)] * 3, [(3,)] * 3, [(1025, 2)] * 3, [(2, 2, 2)] * 3],
)
def test_shapes_that_make_no_triplet_are_refused(shapes):
    with pytest.raises(CutoutError, match="one shape is needed"):
        pack(Cutouts(*(np.zeros(shape, dtype=np.float32) for shape in shapes)))


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "truncated"),
        (header()[:-1], "truncated"),
        (header(magic=b"PK") + zlib.compress(bytes(24)), "known version"),
        (header(version=9) + zlib.compress(bytes(24)), "known version"),
        (header(n_planes=0) + zlib.compress(b""), "0 planes"),
        (header(n_planes=255) + zlib.compress(bytes(24)), "255 planes"),
        (header(height=0) + zlib.compress(b""), "0 x 2"),
        (header(height=65535, width=65535), "65535 x 65535"),
        (header() + b"not deflated at all", "damaged"),
        (header() + zlib.compress(bytes(23)), "does not hold"),
        (header() + zlib.compress(bytes(25)), "does not hold"),
        (header() + zlib.compress(bytes(24))[:-3], "does not hold"),
        (header() + zlib.compress(bytes(24)) + b"more", "does not hold"),
        (header(), "does not hold"),
    ],
)
def test_a_blob_that_is_none_is_refused_with_a_reason(blob, reason):
    with pytest.raises(CutoutError, match=reason):
        unpack(blob)


@given(st.binary(max_size=200))
def test_chance_bytes_are_cutouts_or_refused(noise):
    for blob in (noise, header() + noise):
        try:
            cutouts = unpack(blob)
        except CutoutError:
            continue
        assert cutouts.new.shape == (2, 2)


def test_a_bomb_is_never_inflated():
    bomb = header() + zlib.compress(bytes(200_000_000), 9)
    tracemalloc.start()
    try:
        with pytest.raises(CutoutError, match="does not hold"):
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_damaged_sigma_is_unknown():
    blob = struct.pack("<2sBBHH3f", b"AC", 1, 3, 1, 1, float("inf"), -1.0, 0.0) + zlib.compress(bytes(6))
    assert np.isnan(unpack(blob).sigma).all()


SKY = ((-0.5, 0.125), (0.125, 0.5))


def test_how_the_pixels_lie_on_the_sky_comes_back():
    whole = stamps()
    blob = pack(Cutouts(whole.new, whole.ref, whole.diff, whole.sigma, to_sky=SKY))
    assert unpack(blob).to_sky == SKY
    assert len(blob) == len(pack(whole)) + 16
    assert same_pixels(blob, pack(whole))
    assert not same_pixels(blob, pack(stamps(seed=2)))
    assert pack(unpack(blob)) == blob


@pytest.mark.parametrize(
    "numbers", [(0, 0, 0, 0), (math.nan, 0, 0, 1), (math.inf, 0, 0, 1), (1e20, 0, 0, 1e20)]
)
def test_numbers_that_no_image_has_are_no_orientation(numbers):
    whole = stamps()
    blob = bytearray(pack(Cutouts(whole.new, whole.ref, whole.diff, whole.sigma, to_sky=SKY)))
    struct.pack_into("<4f", blob, 20, *numbers)
    assert unpack(bytes(blob)).to_sky is None
    odd = ((float(numbers[0]), float(numbers[1])), (float(numbers[2]), float(numbers[3])))
    assert pack(Cutouts(whole.new, whole.ref, whole.diff, whole.sigma, to_sky=odd)) == pack(whole)


def test_a_blob_cut_within_its_orientation_is_refused():
    whole = stamps()
    blob = pack(Cutouts(whole.new, whole.ref, whole.diff, whole.sigma, to_sky=SKY))
    with pytest.raises(CutoutError, match="truncated"):
        unpack(blob[:30])
