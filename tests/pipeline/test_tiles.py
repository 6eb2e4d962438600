"""Tiles cover a frame once, without seams, and stamps land where they should."""

import numpy as np
import pytest

from pipeline.subtraction.tiles import centred, plan, spread, stamp_of


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
        tile.add(tile.cut(image)[tile.inside].copy(), again)
    np.testing.assert_allclose(again, image, rtol=0, atol=1e-5, equal_nan=False)
    assert len({tile.shape for tile in tiles}) == 1
    assert len({tile.key for tile in tiles}) == len(tiles)


def test_a_tile_has_its_halo_and_goes_on_beyond_the_frame_as_a_mirror_image():
    tile = plan((50, 60), 512, 10, 16)[0]
    image = np.random.default_rng(0).normal(size=(50, 60)).astype(np.float32)
    cut = tile.cut(image)
    assert cut.shape[0] >= 70
    assert np.array_equal(cut[tile.inside], image)
    top, left = (part.start for part in tile.inside)
    mirrored = np.pad(image, ((top, 0), (left, 0)), mode="reflect")
    assert np.array_equal(cut[: top + 50, : left + 60], mirrored)


@pytest.mark.parametrize(
    ("shape", "tile_px", "halo"), [((70, 90), 30, 12), ((9, 11), 512, 20), ((61, 40), 20, 40)]
)
def test_every_tile_sees_the_frame_and_its_reflections_and_nothing_else(shape, tile_px, halo):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for tile in plan(shape, tile_px, halo, 4):
        rows, columns = (
            np.abs(np.arange(span.origin, span.origin + length)) % (2 * size - 2)
            for span, length, size in zip((tile.rows, tile.columns), tile.shape, shape, strict=True)
        )
        rows, columns = (
            np.minimum(rows, 2 * shape[0] - 2 - rows),
            np.minimum(columns, 2 * shape[1] - 2 - columns),
        )
        assert np.array_equal(tile.cut(image), image[rows][:, columns])


@pytest.mark.parametrize(("length", "most"), [(1024, 600), (2048, 800)])
def test_a_transform_is_no_larger_than_its_tile_and_halo_need(length, most):
    assert plan((length, length), 640, 40, 8)[0].shape == (most, most)


@pytest.mark.parametrize(("length", "tile_px"), [(1024, 640), (2048, 640), (2048, 80), (90, 30), (61, 40)])
def test_tiles_fade_over_all_that_the_transform_has_room_for(length, tile_px):
    tiles = plan((length, length), tile_px, 40, 8)
    widest = max(tile.rows.stop - tile.rows.start for tile in tiles)
    spare = tiles[0].shape[0] - 80 - widest
    blend = max(part.stop - part.start for part in tiles[0].rows.faded) // 2
    narrowest = length // round(length / tile_px)
    assert 0 <= spare < 4 or blend == narrowest // 2
    assert blend >= min(8, narrowest // 2)


def test_centred_and_back():
    stamp = np.arange(35, dtype=np.float32).reshape(5, 7)
    wrapped = centred(stamp, (20, 31))
    assert wrapped[0, 0] == stamp[2, 3]
    assert stamp_of(centred(stamp[:, 1:6], (20, 31)), 5) == pytest.approx(stamp[:, 1:6])


@pytest.mark.parametrize(("shape", "kept"), [((900, 2000), 9 * 12), ((300, 90), 3), ((60, 60), 1)])
def test_few_tiles_are_spread_over_a_frame(shape, kept):
    tiles = plan(shape, 100, 40, 16)
    some = spread(tiles, 12)
    assert len(some) == kept
    assert {tiles[0].key, tiles[-1].key} <= {tile.key for tile in some}


@pytest.mark.parametrize(("shape", "tile_px"), [((500, 430), 80), ((300, 300), 640)])
def test_with_less_of_a_halo_a_tile_answers_for_the_same_pixels(shape, tile_px):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for tile in plan(shape, tile_px, 40, 16):
        assert tile.near.inner == tile.inner
        assert tile.near.shape[0] < tile.shape[0]
        assert np.array_equal(tile.near.cut(image)[tile.near.inside], image[tile.inner])
        halo = [part.start for part in tile.near.inside]
        ends = [length - part.stop for part, length in zip(tile.near.inside, tile.near.shape, strict=True)]
        assert min(*halo, *ends) >= 20


def test_a_small_tile_keeps_its_halo():
    tile = plan((30, 30), 640, 40, 16)[0]
    assert tile.near is tile
