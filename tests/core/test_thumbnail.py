"""A thumbnail keeps what the eye needs, and a damaged one does no harm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.frames import thumbnail
from core.frames.thumbnail import ThumbnailDamaged, pack, unpack


def test_faint_and_bright_survive_within_a_step_and_masks_exactly():
    values = np.array([[0.0, 0.5, -2.0], [30.0, 1000.0, np.nan]], dtype=np.float32)
    seen = unpack(pack(values))
    assert np.isnan(seen[1, 2])
    assert np.isfinite(seen).sum() == 5
    good = np.isfinite(values)
    step = 0.5 / thumbnail.STEPS * np.cosh(np.arcsinh(values[good]))
    np.testing.assert_array_less(np.abs(seen[good] - values[good]), 1.01 * step)


def test_what_is_too_bright_is_as_bright_as_can_be():
    assert unpack(pack(np.array([[1e9, -1e9]], dtype=np.float32))).tolist() == [
        [pytest.approx(1400.0, rel=0.01), pytest.approx(-1400.0, rel=0.01)]
    ]


def test_it_is_small():
    noise = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    assert len(pack(noise)) < 4200


@pytest.mark.parametrize("shape", [(0, 4), (65, 4), (4,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="64 pixels"):
        pack(np.zeros(shape, dtype=np.float32))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_thumbnail_or_a_clear_no(blob):
    try:
        seen = unpack(blob)
    except ThumbnailDamaged:
        return
    assert max(seen.shape) <= thumbnail.SIDE


def test_a_bomb_is_not_unpacked():
    import zlib

    blob = pack(np.zeros((2, 2), dtype=np.float32))[:3] + zlib.compress(bytes(10_000_000))
    with pytest.raises(ThumbnailDamaged, match="does not hold"):
        unpack(blob)
