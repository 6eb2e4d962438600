"""Tiles cover a frame once, without seams, and stamps land where they should."""

import numpy as np
import pytest

from pipeline.subtraction.tiles import centred, plan, stamp_of


@pytest.mark.parametrize(
    ("shape", "tile_px", "blend"),
    [
        ((100, 100), 512, 16),
        ((300, 517), 128, 16),
        ((1024, 640), 512, 16),
        ((65, 400), 64, 16),
        ((33, 90), 30, 40),
    ],
)
def test_the_shares_of_all_tiles_add_to_one(shape, tile_px, blend):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    again = np.zeros(shape, dtype=np.float32)
    tiles = plan(shape, tile_px, 20, blend)
    for tile in tiles:
        tile.add(tile.cut(image)[tile.inside], again, tile.share)
    assert again == pytest.approx(image, abs=1e-5)
    assert len({tile.shape for tile in tiles}) == 1
    assert len({tile.key for tile in tiles}) == len(tiles)


def test_a_tile_is_zero_beyond_the_frame_and_has_its_halo():
    tile = plan((50, 60), 512, 10, 16)[0]
    cut = tile.cut(np.ones((50, 60), dtype=np.float32))
    assert cut.shape[0] >= 70
    assert cut.sum() == 50 * 60
    assert cut[:10].sum() == 0
    assert cut[10, 10] == 1


def test_centred_and_back():
    stamp = np.arange(35, dtype=np.float32).reshape(5, 7)
    wrapped = centred(stamp, (20, 31))
    assert wrapped[0, 0] == stamp[2, 3]
    assert stamp_of(centred(stamp[:, 1:6], (20, 31)), 5) == pytest.approx(stamp[:, 1:6])
