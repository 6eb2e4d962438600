"""What an image in terminal cells promises: geometry, honest masks, common limits, and faint sources."""

import numpy as np
import pytest

from core.cells import DRAWINGS, STRETCHES, Look, draw_triplet, faint_sources_survive, to_ansi
from core.cells.colour import GREY_INDICES, MASKED, MASKED_INDEX, STEPS, grey_indices, true_colours
from core.cells.glyphs import ascii_ink, braille_dots, half_blocks
from core.cells.grid import cropped, resampled, squared
from core.cells.stretch import brightness, sky_limits, symmetric_limits, zscale


def sky(seed: int = 0, side: int = 63) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)


def star(peak: float, x: float = 31, y: float = 31, sigma: float = 1.6, side: int = 63) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return (peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))).astype(np.float32)


class TestGrid:
    def test_averaging_keeps_the_mean(self):
        plane = sky()
        assert resampled(plane, 26, 26).mean() == pytest.approx(plane.mean(), abs=1e-6)

    def test_a_grid_of_the_planes_own_size_is_the_plane(self):
        plane = sky(side=31)
        np.testing.assert_allclose(resampled(plane, 31, 31), plane, rtol=1e-5)

    def test_enlarging_repeats_pixels(self):
        plane = sky(side=7)
        np.testing.assert_allclose(resampled(plane, 21, 14), plane.repeat(3, 0).repeat(2, 1), rtol=1e-5)

    def test_masked_pixels_take_no_part_in_an_average(self):
        plane = np.ones((4, 4), dtype=np.float32)
        plane[0, 0] = np.nan
        assert (resampled(plane, 2, 2) == 1).all()

    def test_a_sample_mostly_masked_is_masked(self):
        plane = np.ones((4, 4), dtype=np.float32)
        plane[:2, :2] = np.nan
        plane[0, 0] = 1
        drawn = resampled(plane, 2, 2)
        assert np.isnan(drawn[0, 0])
        assert np.isfinite(drawn).sum() == 3

    @pytest.mark.parametrize("zoom", [1.0, 1.5, 2.0, 4.0, 40.0])
    def test_zooming_keeps_the_centre(self, zoom):
        plane = star(10)
        assert cropped(plane, zoom).shape[0] % 2 == 1
        middle = cropped(plane, zoom).shape[0] // 2
        assert cropped(plane, zoom)[middle, middle] == plane[31, 31]

    def test_an_oblong_is_padded_evenly_with_mask(self):
        plane = np.ones((5, 9), dtype=np.float32)
        square = squared(plane)
        assert square.shape == (9, 9)
        assert np.isnan(square[:2]).all()
        assert np.isnan(square[-2:]).all()
        assert (square[2:7] == 1).all()


class TestStretch:
    @pytest.mark.parametrize("stretch", STRETCHES)
    def test_brightness_rises_with_the_value_and_spans_the_range(self, stretch):
        limits = sky_limits(sky() + star(40), stretch)
        ladder = np.linspace(limits.low - 1, limits.high + 1, 200, dtype=np.float32)
        level = brightness(ladder, limits, stretch)
        assert (np.diff(level) >= 0).all()
        assert level[0] == 0
        assert level[-1] == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("stretch", STRETCHES)
    def test_a_difference_of_zero_is_middle_grey_and_signs_mirror(self, stretch):
        limits = symmetric_limits(sky() + star(40), stretch)
        values = np.array([-3, -1, 0, 1, 3], dtype=np.float32)
        level = brightness(values, limits, stretch)
        assert level[2] == 0.5
        np.testing.assert_allclose(level + level[::-1], 1, atol=1e-6)

    def test_contrast_brings_white_nearer(self):
        plane = sky() + star(40)
        assert sky_limits(plane, "asinh", 2).high < sky_limits(plane, "asinh").high
        assert symmetric_limits(plane, "asinh", 2).high == symmetric_limits(plane, "asinh").high / 2

    def test_zscale_ignores_a_bright_star(self):
        low, high = zscale(sky() + star(5000))
        assert low == pytest.approx(zscale(sky())[0], abs=0.5)
        assert 2 < high < 15

    @pytest.mark.parametrize("stretch", STRETCHES)
    @pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
    def test_a_flat_or_empty_plane_is_drawn_without_a_division_by_zero(self, stretch, value):
        plane = np.full((9, 9), value, dtype=np.float32)
        with np.errstate(all="raise"):
            for limits in (sky_limits(plane, stretch), symmetric_limits(plane, stretch)):
                level = brightness(plane, limits, stretch)
                assert np.isnan(level).all() == np.isnan(value)

    def test_percentile_leaves_one_pixel_in_a_hundred_beyond_its_limits(self):
        plane = sky(side=255)
        limits, both = sky_limits(plane, "percentile"), symmetric_limits(plane, "percentile")
        outside = ((plane < limits.low) | (plane > limits.high)).mean()
        assert outside == pytest.approx(0.01, abs=1e-3)
        assert (np.abs(plane) > both.high).mean() == pytest.approx(0.01, abs=1e-3)

    @pytest.mark.parametrize("bright", [0, 400])
    def test_an_equalised_histogram_has_as_much_of_every_brightness(self, bright):
        plane = sky() + star(bright, sigma=6)
        for limits in (sky_limits(plane, "histogram"), symmetric_limits(plane, "histogram")):
            level = brightness(plane, limits, "histogram")
            counts, _ = np.histogram(abs(2 * level - 1) if limits.symmetric else level, 8, (0, 1))
            np.testing.assert_allclose(counts / counts.mean(), 1, atol=0.1)

    def test_an_equalised_histogram_of_the_triplet_is_common_to_new_and_reference(self):
        new, ref, diff = draw_triplet(sky(1) + star(90), sky(2), sky(3), 13, 26, Look(stretch="histogram"))
        assert new.limits == ref.limits
        assert new.limits.ladder != diff.limits.ladder

    def test_values_that_are_quantised_are_equalised_without_a_gap_in_their_order(self):
        plane = np.rint(sky() * 2) / 2
        values = np.unique(plane)
        for limits in (sky_limits(plane, "histogram"), symmetric_limits(plane, "histogram")):
            assert (np.diff(brightness(values, limits, "histogram")) > 0).all()


class TestColour:
    def test_greys_run_from_black_to_white_in_the_palettes_order(self):
        indices = grey_indices(np.linspace(0, 1, 500, dtype=np.float32))
        assert list(dict.fromkeys(indices.tolist())) == GREY_INDICES.tolist()

    def test_masked_samples_have_a_colour_that_no_brightness_has(self):
        ladder = np.linspace(0, 1, 500, dtype=np.float32)
        hole = np.array([np.nan], dtype=np.float32)
        assert grey_indices(hole)[0] == MASKED_INDEX
        assert MASKED_INDEX not in grey_indices(ladder)
        for name in MASKED:
            assert true_colours(hole, name, 64)[0] == MASKED[name]
            # every other map must not reach it in the coarse steps in which it is drawn
            assert name == "red" or MASKED[name] not in true_colours(ladder, name, 64)

    def test_the_red_map_leaves_green_and_blue_dark(self):
        assert not (true_colours(np.linspace(0, 1, 50, dtype=np.float32), "red", 64) & 0xFFFF).any()

    @pytest.mark.parametrize("name", ["grey", "viridis", "cividis"])
    def test_brightness_can_be_told_without_telling_colours_apart(self, name):
        """Luminance (sRGB) rises all the way, so that an eye that lacks a kind of cones reads it as well."""
        colours = true_colours(np.linspace(0, 1, 64, dtype=np.float32), name, 64)
        linear = (np.stack([colours >> 16, (colours >> 8) & 255, colours & 255]) / 255) ** 2.2
        assert (np.diff(np.array([0.2126, 0.7152, 0.0722]) @ linear) > 0).all()

    def test_true_greys_are_near_what_they_show_and_mostly_of_the_palette(self):
        """Which takes half the bytes of others: 5;232 to 5;255 are 8, 18 and so on to 238."""
        wanted = np.linspace(0, 1, 5001, dtype=np.float32)
        shown = true_colours(wanted, "grey", STEPS)
        assert set(np.unique(shown % 0x10101)) == {0}
        level = shown // 0x10101
        assert np.abs(level - (3 + 250 * wanted)).max() <= 3.3
        assert (np.diff(level) >= 0).all()
        assert len(np.unique(level)) == STEPS
        inside = level[(level > 8) & (level < 238)]
        assert 0.6 < np.mean(inside % 10 == 8) < 0.7


class TestGlyphs:
    def test_half_blocks_put_the_upper_sample_before_the_lower(self):
        cells = half_blocks(np.array([[1.0], [0.0]], dtype=np.float32), "grey", palette=True)
        assert (cells.glyphs[0, 0], cells.fore[0, 0], cells.back[0, 0]) == ("▀", 231, 16)

    def test_ink_rises_with_brightness_and_turns_round_on_paper(self):
        ladder = np.linspace(0, 1, 64, dtype=np.float32)[None]
        light, paper = ascii_ink(ladder, dark_ink=False), ascii_ink(ladder, dark_ink=True)
        assert len(set(light.glyphs[0])) == 16
        assert light.glyphs[0].tolist() == paper.glyphs[0][::-1].tolist()
        assert "/" not in light.glyphs

    def test_braille_has_as_many_dots_as_brightness(self):
        for level in (0.0, 0.25, 0.5, 1.0):
            cells = braille_dots(np.full((16, 8), level, dtype=np.float32), dark_ink=False)
            dots = sum((ord(glyph) - 0x2800).bit_count() for glyph in cells.glyphs.ravel())
            assert dots / (16 * 8) == pytest.approx(level, abs=0.07)

    def test_braille_dots_stand_where_the_samples_are(self):
        plane = np.zeros((4, 2), dtype=np.float32)
        plane[3, 1] = 1
        assert braille_dots(plane, dark_ink=False).glyphs[0, 0] == "⢀"

    def test_runs_join_neighbours_of_one_style(self):
        plane = np.zeros((2, 6), dtype=np.float32)
        plane[:, 3:] = 1
        runs = list(half_blocks(plane, "grey", palette=True).runs(0))
        assert [(run.text, run.back) for run in runs] == [("   ", 16), ("   ", 231)]


class TestTriplet:
    @pytest.mark.parametrize("drawing", DRAWINGS)
    @pytest.mark.parametrize(("rows", "columns"), [(13, 26), (8, 16), (32, 64), (5, 9)])
    def test_every_drawing_fills_its_panel(self, drawing, rows, columns):
        for panel in draw_triplet(sky(1), sky(2), sky(3), rows, columns, Look(drawing=drawing)):
            assert (panel.cells.rows, panel.cells.columns) == (rows, columns)
            assert all(sum(len(run.text) for run in panel.cells.runs(row)) == columns for row in range(rows))

    def test_new_and_reference_share_their_limits(self):
        new, ref, diff = draw_triplet(sky(1) + star(90), sky(2), sky(3), 13, 26, Look())
        assert new.limits == ref.limits
        assert diff.limits.symmetric
        assert diff.limits.low == -diff.limits.high

    def test_the_first_row_of_pixels_is_drawn_at_the_bottom(self):
        plane = np.zeros((21, 21), dtype=np.float32)
        plane[0] = 50
        new, *_ = draw_triplet(plane, plane, plane, 13, 26, Look(drawing="ascii"))
        assert set(new.cells.glyphs[-1, 13:].tolist()) - {"|"} == {"M"}
        assert set(new.cells.glyphs[0, 13:].tolist()) - {"|"} != {"M"}

    @pytest.mark.parametrize("drawing", ["half", "grey"])
    def test_a_source_at_the_limit_stands_out_of_half_blocks(self, drawing):
        """A peak of 2.2 sigma a pixel is 12 sigma by matched filter; at 26 cells it must outshine the sky."""
        ahead = []
        for seed in range(10):
            diff = sky(seed) + star(2.2)
            cells = draw_triplet(sky(90), sky(91), diff, 13, 26, Look(drawing=drawing))[2].cells
            shade = np.where(cells.fore >= 0, cells.fore, cells.back) & 0xFF
            centre = shade[5:8, 11:15].max()
            ahead.append((centre > shade).mean())
        assert np.median(ahead) > 0.97

    def test_zoom_makes_the_source_larger(self):
        def bright(zoom):
            panel = draw_triplet(sky(1) + star(60), sky(2), sky(3), 13, 26, Look(drawing="ascii", zoom=zoom))[
                0
            ]
            return np.isin(panel.cells.glyphs, list("OQ@M")).sum()

        assert bright(4) > 3 * bright(1)

    def test_inverting_turns_bright_into_dark(self):
        plane = sky(1) + star(60)
        plain = draw_triplet(plane, plane, plane, 13, 26, Look(drawing="ascii"))[0].cells.glyphs
        turned = draw_triplet(plane, plane, plane, 13, 26, Look(drawing="ascii", invert=True))[0].cells.glyphs
        assert plain[6, 12] == "M"
        assert turned[6, 12] == " "

    @pytest.mark.parametrize("drawing", DRAWINGS)
    @pytest.mark.parametrize("shape", [(63, 63), (5, 5), (1, 1), (20, 63)])
    def test_cutouts_of_any_shape_and_all_masked_are_drawn(self, drawing, shape):
        hole = np.full(shape, np.nan, dtype=np.float32)
        plane = np.ones(shape, dtype=np.float32)
        panels = draw_triplet(plane, hole, hole, 13, 26, Look(drawing=drawing))
        assert panels[1].masked_fraction == 1
        assert panels[0].masked_fraction < 1

    def test_what_cannot_show_faint_sources_says_so(self):
        assert faint_sources_survive("half", 26)
        assert faint_sources_survive("grey", 26)
        assert not faint_sources_survive("ascii", 26)
        assert not faint_sources_survive("braille", 26)
        assert faint_sources_survive("ascii", 63)


class TestAnsi:
    def test_ascii_has_no_escape_sequences_at_all(self):
        panels = draw_triplet(sky(1), sky(2), sky(3), 13, 26, Look(drawing="ascii"))
        text = to_ansi(*(panel.cells for panel in panels))
        assert text.isascii()
        assert "\x1b" not in text
        assert [len(line) for line in text.splitlines()] == [80] * 13

    def test_every_coloured_line_ends_with_the_terminals_own_colours(self):
        panels = draw_triplet(sky(1), sky(2), sky(3), 13, 26, Look(drawing="grey"))
        assert all(line.endswith("\x1b[0m") for line in to_ansi(panels[0].cells).splitlines())

    def test_palette_greys_cost_less_than_true_colour(self):
        def size(drawing):
            panels = draw_triplet(sky(1), sky(2), sky(3), 13, 26, Look(drawing=drawing))
            return len(to_ansi(*(panel.cells for panel in panels)).encode())

        assert size("grey") < 0.6 * size("half")
        assert size("ascii") < 1_100
