"""Pictures for terminals that show pixels: decoded again they are the pixels that were to be shown."""

import re
from base64 import b64encode

import numpy as np
import pytest

from core.cells import (
    COLOUR_MAPS,
    GRAPHICS,
    Look,
    draw_plane,
    draw_triplet,
    faint_sources_survive,
    to_pictures,
)
from core.cells.colour import MASKED, true_colours
from core.cells.grid import cropped
from core.cells.image import Image, picture
from core.cells.kitty import deletion, placement, png, removal, transmission
from core.cells.sixel import sixel
from core.cells.stretch import brightness
from tests.core.pictures import KITTY, SIXEL, KittyScreen, sixel_pixels

INLINE = re.compile(
    r"\x1b8|\x1b\[(?P<count>[0-9]+)(?P<way>[BC])|\x1b\[[0-9;]*m"
    r"|(?P<picture>(?:\x1b_G[^\x1b]*\x1b\\)+|\x1bP[^\x1b]*\x1b\\)|(?P<text>[^\x1b]+)"
)


def sky(seed: int = 0, side: int = 63) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)


def rgb(image: Image) -> np.ndarray:
    indices = np.frombuffer(image.pixels, np.uint8).reshape(image.height, image.width)
    colours = [[colour >> 16, colour >> 8 & 255, colour & 255] for colour in image.colours]
    return np.array(colours)[indices]


def holed(seed: int = 0) -> np.ndarray:
    level = np.random.default_rng(seed).random((40, 31), dtype=np.float32)
    level[3:9, 20:] = np.nan
    return level


def kitty(text: str, row: int = 0, column: int = 0) -> KittyScreen:
    screen = KittyScreen()
    assert KITTY.sub("", text) == ""
    for found in KITTY.finditer(text):
        screen.take(found[1], found[2] or "", row, column)
    return screen


@pytest.mark.parametrize("name", COLOUR_MAPS)
@pytest.mark.parametrize("hole", [False, True])
class TestColours:
    def test_a_picture_has_the_colours_of_half_blocks_exactly(self, name, hole):
        level = holed() if hole else np.nan_to_num(holed())
        wanted = true_colours(level, name, 64)
        image = picture(level, name)
        np.testing.assert_array_equal(np.array(image.colours)[rgb_index(image)], wanted)
        assert (MASKED[name] in np.array(image.colours)[rgb_index(image)]) == hole
        assert len(image.colours) == 64 + hole

    def test_kitty_gets_every_pixel(self, name, hole):
        image = picture(holed() if hole else np.nan_to_num(holed()), name)
        screen = kitty(transmission(7, image) + placement(7, 3, 10, 20), row=2, column=5)
        np.testing.assert_array_equal(screen.images[7], rgb(image))
        (shown,) = screen.shown.values()
        assert shown[:4] == (2, 5, 10, 20)

    @pytest.mark.parametrize(("height", "width"), [(40, 31), (120, 93), (100, 50), (13, 8), (1, 1)])
    def test_sixel_shows_the_nearest_pixel_everywhere(self, name, hole, height, width):
        image = picture(holed() if hole else np.nan_to_num(holed()), name)
        (body,) = SIXEL.fullmatch(sixel(image, height, width)).groups()
        rows = [int((y + 0.5) * image.height / height) for y in range(height)]
        columns = [int((x + 0.5) * image.width / width) for x in range(width)]
        wanted = rgb(image)[np.ix_(rows, columns)]
        assert np.abs(sixel_pixels(body) - wanted).max() <= 1.3  # of 255: Sixel counts in hundredths


def rgb_index(image: Image) -> np.ndarray:
    return np.frombuffer(image.pixels, np.uint8).reshape(image.height, image.width)


def test_a_picture_can_be_sent_anew_taken_away_and_forgotten():
    first, second = picture(holed(1), "grey"), picture(holed(2), "grey")
    sent = transmission(7, first) + placement(7, 1, 5, 10) + placement(7, 2, 5, 10)
    assert len(kitty(sent).shown) == 2
    assert list(kitty(sent + removal(7, 1)).shown) == [(7, 2)]
    assert not kitty(sent + transmission(7, second)).shown
    gone = kitty(sent + deletion(7))
    assert not gone.shown
    assert not gone.images


def test_a_repeated_run_costs_few_bytes():
    plain = picture(np.zeros((60, 60), np.float32), "grey")
    assert len(sixel(plain, 600, 600)) < 1500
    assert len(transmission(1, plain)) < 200


@pytest.mark.parametrize("drawing", GRAPHICS)
class TestPanels:
    def test_every_pixel_of_a_cutout_is_shown_the_first_row_at_the_bottom(self, drawing):
        new, ref, diff = sky(1), sky(2), sky(3)
        for zoom, invert in ((1.0, False), (2.0, True)):
            look = Look(drawing=drawing, zoom=zoom, invert=invert)
            panels = draw_triplet(new, ref, diff, 13, 26, look)
            for plane, panel in zip((new, ref, diff), panels, strict=True):
                level = brightness(cropped(plane, zoom)[::-1], panel.limits, look.stretch)
                assert panel.image == picture(1 - level if invert else level, "grey")
                assert (panel.cells.rows, panel.cells.columns) == (13, 26)

    def test_the_cells_under_it_hold_marks_alone(self, drawing):
        half = draw_triplet(sky(1), sky(2), sky(3), 13, 26, Look(drawing="half"))
        for with_picture, of_cells in zip(
            draw_triplet(sky(1), sky(2), sky(3), 13, 26, Look(drawing=drawing)), half, strict=True
        ):
            glyphs = with_picture.cells.glyphs
            marks = glyphs != " "
            assert 4 <= marks.sum() < 20
            np.testing.assert_array_equal(glyphs[marks], of_cells.cells.glyphs[marks])
            assert (with_picture.cells.back == -1).all()

    @pytest.mark.parametrize("shape", [(63, 63), (5, 5), (1, 1), (20, 63)])
    def test_cutouts_of_any_shape_and_all_masked_are_shown(self, drawing, shape):
        hole = np.full(shape, np.nan, dtype=np.float32)
        panels = draw_triplet(np.ones(shape, np.float32), hole, hole, 13, 26, Look(drawing=drawing))
        assert panels[1].masked_fraction == 1
        assert set(rgb(panels[1].image).reshape(-1, 3).tolist()[0]) == {0x30, 0x70}
        assert panels[0].image.width == max(shape)

    def test_a_large_frame_is_averaged_down_to_what_a_panel_has_pixels_for(self, drawing):
        image = draw_plane(sky(side=700), 10, 20, Look(drawing=drawing)).image
        assert (image.height, image.width) == (200, 200)

    def test_faint_sources_survive(self, drawing):
        assert faint_sources_survive(drawing, 10)


@pytest.mark.parametrize("drawing", GRAPHICS)
def test_among_the_lines_of_a_plain_terminal_they_stand_side_by_side_with_their_marks(drawing):
    panels = draw_triplet(sky(1), sky(2), sky(3), 6, 12, Look(drawing=drawing))
    text = to_pictures(*panels, cell=(4, 2) if drawing == "sixel" else None)
    start, saved, rest = text.partition("\n" * 6 + "\x1b[6A\x1b7")
    assert (start, bool(saved)) == ("", True)
    found, marks = [], {}
    row = column = -1
    for token in INLINE.finditer(rest):
        if token.group() == "\x1b8":
            row = column = 0
        elif token["count"]:
            row, column = (
                (row + int(token["count"]), column)
                if token["way"] == "B"
                else (row, column + int(token["count"]))
            )
        elif token["picture"]:
            found.append((row, column, token["picture"]))
        elif token["text"]:
            marks[row, column] = token["text"]
    assert [each[:2] for each in found] == [(0, 0), (0, 13), (0, 26)]
    for (_, _, sent), panel in zip(found, panels, strict=True):
        if drawing == "kitty":
            keys = KITTY.match(sent)[1]
            assert {"a=T", "c=12", "r=6", "C=1"} <= set(keys.split(","))
            assert "i=" not in keys
            assert "".join(part[2] for part in KITTY.finditer(sent)) == b64encode(png(panel.image)).decode()
        else:
            assert sent == sixel(panel.image, 24, 24)
    wanted = {
        (y, 13 * place + x): panel.cells.glyphs[y, x]
        for place, panel in enumerate(panels)
        for y in range(6)
        for x in range(12)
        if panel.cells.glyphs[y, x] != " "
    }
    assert marks == wanted
    assert (row, column) == (6, 0)  # what comes next stands below
