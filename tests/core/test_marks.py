"""Compass and scale bar: they lie as the image does, in every size and zoom, or are left out."""

import math
from itertools import product

import numpy as np
import pytest

from core.cells import DRAWINGS, Look, draw_triplet
from core.cells.marks import compass, scale_bar, ticks
from core.orientation import described, on_sky, pixel_arcsec, sane, towards


def lying(degrees: float, scale: float = 0.5, *, mirrored: bool = False):
    """Of an image whose north is turned anticlockwise, to the left of up."""
    angle = math.radians(degrees)
    north = -math.sin(angle), math.cos(angle)
    east = (math.cos(angle), math.sin(angle)) if mirrored else (-math.cos(angle), -math.sin(angle))
    return tuple(tuple(scale * part for part in direction) for direction in (east, north))


def places(marks):
    return {mark.glyph: (mark.row, mark.column) for mark in marks}


class TestOrientation:
    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("degrees", range(-170, 181, 35))
    def test_a_step_towards_north_is_a_step_north(self, degrees, mirrored):
        to_sky = lying(degrees, mirrored=mirrored)
        north, east = towards(to_sky)
        step = np.array(to_sky) @ np.transpose([east, north])
        np.testing.assert_allclose(step, np.eye(2) * 0.5, atol=1e-12)
        assert pixel_arcsec(to_sky) == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("degrees", "mirrored", "words"),
        [
            (0, False, "0.5″/px, north up"),
            (12.2, False, "0.5″/px, north 12° left of up"),
            (-170, False, "0.5″/px, north 170° right of up"),
            (90, True, "0.5″/px, north 90° left of up, mirrored"),
        ],
    )
    def test_it_is_told_in_words(self, degrees, mirrored, words):
        assert described(lying(degrees, mirrored=mirrored)) == words

    @pytest.mark.parametrize(
        "numbers",
        [
            ((0.0, 0.0), (0.0, 0.0)),
            ((1.0, 1.0), (1.0, 1.0)),
            ((math.nan, 0.0), (0.0, 1.0)),
            ((math.inf, 0.0), (0.0, 1.0)),
            ((1e9, 0.0), (0.0, 1e9)),
            ((1.0, 0.0), (0.0, 1e-5)),
        ],
    )
    def test_numbers_that_are_no_images_are_none(self, numbers):
        assert sane(numbers) is None


class TestCompass:
    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("rows", [7, 13, 17, 32])
    def test_letters_stand_where_north_and_east_are(self, rows, mirrored, plain):
        for degrees in range(0, 360, 15):
            to_sky = lying(degrees, mirrored=mirrored)
            marks = compass(rows, 2 * rows + 2, to_sky, plain=plain)
            found = places(marks)
            centre = found["+" if plain else "·"]
            for letter, (right, up) in zip("NE", towards(to_sky), strict=True):
                across = (found[letter][1] - centre[1]) / 2  # a row is as high as two columns are wide
                down = found[letter][0] - centre[0]
                turned = math.degrees(math.atan2(-down, across) - math.atan2(up, right))
                assert abs((turned + 180) % 360 - 180) <= 23, (letter, degrees)
            assert all(0 <= mark.row < rows and 0 <= mark.column < rows for mark in marks), degrees
            assert not plain or all(mark.glyph.isascii() for mark in marks), degrees

    def test_a_small_panel_has_none(self):
        assert compass(5, 10, lying(0), plain=False) == []


class TestScaleBar:
    @pytest.mark.parametrize(("plain", "error"), [(False, 0.26), (True, 0.51)])
    @pytest.mark.parametrize("scale", [None, 0.05, 0.26, 1.0, 9.3])
    def test_its_length_is_what_it_says(self, scale, plain, error):
        for pixels, columns in product([5, 7, 15, 31, 63, 255], [26, 34, 64]):
            marks = scale_bar(13, columns, pixels, scale, plain=plain)
            bar = "".join(mark.glyph for mark in marks)
            cells = bar.count("━") + bar.count("=") + bar.count("╸") / 2
            words = bar.strip("━╸= ")
            length = float(words.removesuffix("px").rstrip('″"'))
            off = abs(cells - length / (scale or 1.0) * columns / pixels)
            assert off <= error, (pixels, columns)
            assert words.endswith("px") == (scale is None), (pixels, columns)
            assert cells >= 2.5, (pixels, columns)
            assert {mark.row for mark in marks} == {12}, (pixels, columns)
            assert max(mark.column for mark in marks) < columns // 2, pixels
            assert bar.isascii() == plain, (pixels, columns)

    def test_it_follows_the_zoom(self):
        plane = np.zeros((63, 63), dtype=np.float32)

        def bar(zoom):
            panel, *_ = draw_triplet(
                plane, plane, plane, 13, 26, Look(drawing="ascii", zoom=zoom), to_sky=lying(0, 1.0)
            )
            text = "".join(panel.cells.glyphs[-1])
            return text.count("="), float(text[: text.index('"')].rpartition(" ")[2])

        (cells, length), (zoomed_cells, zoomed_length) = bar(1), bar(4)
        assert cells / length == pytest.approx(26 / 63, abs=0.51 / length)
        assert zoomed_cells / zoomed_length == pytest.approx(26 / 15, abs=0.51 / zoomed_length)

    def test_a_scale_alone_is_enough(self):
        plane = np.zeros((63, 63), dtype=np.float32)
        look = Look(drawing="ascii")
        known, turned, unknown = (
            "".join(draw_triplet(plane, plane, plane, 13, 26, look, **how)[0].cells.glyphs[-1])
            for how in ({"arcsec": 1.01}, {"to_sky": lying(20, 1.01), "arcsec": 7.0}, {})
        )
        assert known == turned  # which knows north too, and has it elsewhere
        assert '"' in known
        assert " px" in unknown

    def test_a_panel_without_room_has_none(self):
        assert scale_bar(3, 6, 63, None, plain=True) == []


class TestPanels:
    @pytest.mark.parametrize("drawing", DRAWINGS)
    @pytest.mark.parametrize("marked", [0, 1, 2])
    def test_they_lie_over_one_panel_and_leave_its_middle_free(self, drawing, marked):
        plane = np.full((63, 63), np.nan, dtype=np.float32)
        look = Look(drawing=drawing)
        bare = draw_triplet(plane, plane, plane, 13, 26, look)
        drawn = draw_triplet(plane, plane, plane, 13, 26, look, to_sky=lying(0), marked=marked)
        for place, (before, after) in enumerate(zip(bare, drawn, strict=True)):
            letters = {"N", "E"} & set(after.cells.glyphs.ravel())
            assert letters == ({"N", "E"} if place == marked else set())
            middle = np.s_[4:9, 8:18]
            assert (before.cells.glyphs[middle] == after.cells.glyphs[middle]).all()

    def test_without_a_wcs_there_is_a_bar_in_pixels_and_no_compass(self):
        plane = np.zeros((63, 63), dtype=np.float32)
        panel, *_ = draw_triplet(plane, plane, plane, 13, 26, Look(drawing="ascii"))
        text = "\n".join("".join(row) for row in panel.cells.glyphs)
        assert " px" in text
        assert "N" not in text

    def test_ticks_point_at_the_middle(self):
        assert {(mark.row, mark.column) for mark in ticks(13, 26, plain=True)} == {
            (0, 13), (12, 13), (6, 0), (6, 25),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("to_sky", "angle", "position_angle"),
    [
        (((-0.6, 0.0), (0.0, 0.6)), 0.0, 90.0),  # north up, east left
        (((-0.6, 0.0), (0.0, 0.6)), 90.0, 0.0),
        (((-0.6, 0.0), (0.0, 0.6)), 31.0, 121.0),
        (((0.6, 0.0), (0.0, 0.6)), 31.0, 59.0),  # mirrored
        (((0.0, 0.6), (0.6, 0.0)), 31.0, 31.0),  # north to the right, east up
    ],
)
def test_a_line_in_an_image_is_one_on_the_sky(to_sky, angle, position_angle):
    arcsec, found = on_sky(to_sky, 100.0, angle)
    assert arcsec == pytest.approx(60.0)
    assert math.sin(math.radians(found - position_angle)) == pytest.approx(0.0, abs=1e-9)  # 180 is 0
