"""Block scores: what comes back, how small they are, and what is refused."""

import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.places.block_scores import (
    MOST_BYTES,
    BlockScoresError,
    block_side,
    decode,
    encode,
    is_capped,
    pack,
    unpack,
)
from tests.core.blocks import block_scores, packed


def test_they_come_back_as_they_went():
    scores = block_scores({(50, 50): -4.2}, {(0, 0): 8}, {(96, 96): 2})
    again = unpack(pack(scores))
    for name in ("codes", "frame_mask", "reference_mask"):
        assert np.array_equal(getattr(again, name), getattr(scores, name))
    for name in ("width", "height", "block", "threshold", "match_radius_px"):
        assert getattr(again, name) == getattr(scores, name)
    assert again.to_frame(10.0, 20.0) == pytest.approx((13.0, 17.0))
    assert again.sky is not None
    assert again.sky.to_grid(150.0, 2.0) == pytest.approx((50.0, 50.0), abs=1e-3)
    assert unpack(packed(on_sky=False)).sky is None


@given(st.floats(-21, 21, width=32))
def test_a_score_is_right_to_a_twelfth(score):
    code = encode(np.array([[score]], dtype=np.float32), np.array([[True]]))
    assert abs(float(decode(code)[0, 0])) == pytest.approx(abs(score), abs=1 / 12 + 1e-6)
    assert score == 0 or np.sign(decode(code)[0, 0]) == np.sign(score)


@pytest.mark.parametrize("threshold", [3.0, 3.5, 4.0, 4.5, 5.0, 6.0])
def test_a_code_is_on_the_side_of_the_threshold_that_its_score_is_on(threshold):
    scores = np.array([[threshold - 1e-3, threshold + 1e-3]], dtype=np.float32)
    below, above = decode(encode(scores, np.ones((1, 2), dtype=bool)))[0]
    assert below < threshold < above


def test_a_huge_score_is_told_to_be_at_least_so_large():
    huge, large = encode(np.array([[-900.0, 20.0]], dtype=np.float32), np.ones((1, 2), dtype=bool))[0]
    assert is_capped(int(huge))
    assert not is_capped(int(large))


def test_where_no_pixel_is_good_there_is_no_score():
    codes = encode(np.zeros((1, 2), dtype=np.float32), np.array([[True, False]]))
    assert np.isnan(decode(codes)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("width", "height"), [(100, 100), (1024, 1024), (2048, 2048), (6000, 4000), (1, 90000)]
)
def test_noise_never_takes_more_than_fifty_kilobytes(width, height):
    side = block_side(width, height)
    shape = (-(-height // side), -(-width // side))
    random = np.random.default_rng(0)
    worst = replace(
        block_scores(),
        width=width,
        height=height,
        block=side,
        codes=random.integers(-127, 128, shape).astype(np.int8),
        frame_mask=random.integers(0, 64, shape).astype(np.uint8),
        reference_mask=random.integers(0, 64, shape).astype(np.uint8),
    )
    blob = pack(worst)
    assert len(blob) <= MOST_BYTES
    again = unpack(blob)
    assert np.abs(again.codes.astype(int)).max() == np.abs(worst.codes.astype(int)).max()
    assert again.block % side == 0


def test_larger_blocks_keep_the_strongest_score_and_all_masks():
    random = np.random.default_rng(1)
    shape = (255, 255)
    codes = random.integers(-100, 100, shape).astype(np.int8)
    masks = random.integers(0, 64, (2, *shape)).astype(np.uint8)
    codes[:2, :2] = [[3, -90], [4, 0]]
    scores = replace(
        block_scores(), width=1020, height=1020, codes=codes, frame_mask=masks[0], reference_mask=masks[1]
    )
    again = unpack(pack(scores))
    assert again.block == 8
    assert again.codes.shape == (128, 128)
    assert again.codes[0, 0] == -90
    assert again.frame_mask[0, 0] == np.bitwise_or.reduce(masks[0][:2, :2], axis=None)
    assert again.codes[127, 127] == codes[254, 254]


def damaged() -> list[tuple[str, bytes]]:
    blob = packed()
    head = struct.Struct("<2sBBIIIdd")
    fields = head.unpack_from(blob)

    def claiming(**changes: object) -> bytes:
        names = ("magic", "version", "has_sky", "width", "height", "block", "threshold", "radius")
        return head.pack(*(dict(zip(names, fields, strict=True)) | changes).values()) + blob[head.size :]

    nan = struct.pack("<d", float("nan"))
    return [
        ("empty", b""),
        ("cut in the header", blob[:20]),
        ("cut in a map", blob[:200]),
        ("cut in the blocks", blob[:-3]),
        ("longer than it says", blob + b"x"),
        ("of another kind", claiming(magic=b"AC")),
        ("of a later version", claiming(version=9)),
        ("without pixels", claiming(width=0)),
        ("of blocks without pixels", claiming(block=0)),
        ("of too many blocks", claiming(width=900_000, height=900_000)),
        ("of other blocks", claiming(width=200)),
        ("without a threshold", claiming(threshold=float("nan"))),
        ("without a radius", claiming(radius=-1.0)),
        ("with a map that is none", blob[: head.size] + nan + blob[head.size + 8 :]),
    ]


@pytest.mark.parametrize("blob", [pytest.param(blob, id=name) for name, blob in damaged()])
def test_a_damaged_blob_is_refused(blob):
    with pytest.raises(BlockScoresError, match="a blob of block scores"):
        unpack(blob)


@given(st.binary(max_size=200), st.integers(0, 1500))
def test_no_bytes_break_the_reader(noise, at):
    blob = packed()
    with suppress(BlockScoresError):
        unpack(blob[:at] + noise + blob[at + len(noise) :])
