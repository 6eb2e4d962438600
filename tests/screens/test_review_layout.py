"""How the review screen shares its room out, and the images that stand in it."""

from itertools import product

import numpy as np
import pytest

from core.cells import Look
from core.review.cutouts import Cutouts
from screens.frame.base import MARGINS
from screens.lines import plain
from screens.review.draw import image_lines, pictures
from screens.review.layout import arrange


class TestLayout:
    def test_the_design_size(self):
        layout = arrange(80, 24 - MARGINS)
        assert (layout.panel_columns, layout.panel_rows) == (26, 13)
        assert (layout.fact_rows, layout.curve_rows) == (4, 2)

    @pytest.mark.parametrize("full", [False, True])
    def test_everything_fits_with_square_pixels(self, full):
        for width, height in product(range(40, 220, 7), range(10, 60, 5)):
            layout = arrange(width, height - MARGINS, full_size=full)
            used = layout.panels * layout.panel_columns + layout.panels - 1
            assert used <= width, height
            assert layout.panel_columns == 2 * layout.panel_rows, (width, height)
            assert 5 + layout.panel_rows + layout.fact_rows + layout.curve_rows <= height, width
            least = min(layout.panel_rows, layout.fact_rows + 1, layout.curve_rows + 1)
            assert least >= 1, (width, height)

    @pytest.mark.parametrize(("size", "beside"), [((80, 24), 40), ((140, 40), 68), ((60, 40), 0)])
    def test_facts_stand_beside_an_image_at_full_size_or_below_it(self, size, beside):
        layout = arrange(size[0], size[1] - MARGINS, full_size=True)
        assert layout.beside == beside
        assert layout.panel_columns + layout.beside <= size[0]
        assert beside or layout.fact_rows >= 4

    def test_larger_terminals_have_larger_images_up_to_the_cutout(self):
        sizes = [arrange(*size).panel_rows for size in ((60, 20), (80, 24), (120, 30), (140, 40), (400, 100))]
        assert sizes == sorted(sizes)
        assert sizes[-1] == 32

    @pytest.mark.parametrize(("width", "panels"), [(80, 3), (119, 3), (120, 4), (140, 4), (240, 4)])
    def test_the_score_has_a_panel_where_the_terminal_is_wide(self, width, panels):
        layout = arrange(width, 40 - MARGINS, has_score=True)
        assert layout.panels == panels
        assert panels * layout.panel_columns + panels - 1 <= width
        assert layout.panel_columns == 2 * layout.panel_rows
        assert arrange(width, 40 - MARGINS).panels == 3

    @pytest.mark.parametrize("shape", [(63, 63), (5, 5), (20, 63)])
    @pytest.mark.parametrize("absent", [False, True])
    def test_four_panels_of_any_cutouts_have_four_captions(self, shape, absent):
        plane = np.full(shape, np.nan if absent else 1.0, dtype=np.float32)
        layout = arrange(140, 40 - MARGINS, has_score=True)
        cutouts = Cutouts(plane, plane, plane, score=plane)
        lines, caption = image_lines(cutouts, layout, Look(drawing="ascii"), plane=2, blinked=False)
        assert {len(plain(line)) for line in lines} == {4 * layout.panel_columns + 3}
        names = ("new", "reference", "difference", "score")
        starts = [plain(caption).index(name) for name in names]
        assert starts == [place * (layout.panel_columns + 1) for place in range(4)]
        assert plain(caption).count("absent") == (4 if absent else 0)

    @pytest.mark.parametrize("kept", [False, True])
    def test_the_score_can_stand_where_the_reference_was(self, kept):
        plane = np.ones((63, 63), dtype=np.float32)
        layout = arrange(80, 24 - MARGINS)
        cutouts = Cutouts(plane, plane, plane, score=9 * plane if kept else None)
        lines, caption = image_lines(
            cutouts, layout, Look(drawing="ascii"), plane=2, blinked=False, score=True
        )
        assert len(plain(lines[0])) == 80
        assert ("score" in plain(caption)) == kept
        assert ("ref" in plain(caption)) != kept

    @pytest.mark.parametrize("drawing", ["ascii", "braille"])
    @pytest.mark.parametrize(("width", "height"), [(66, 24), (80, 24), (120, 40)])
    def test_that_a_drawing_hides_faint_sources_is_not_said_of_one_image(self, width, height, drawing):
        plane = np.ones((63, 63), dtype=np.float32)
        layout = arrange(width, height - MARGINS)
        _, caption = image_lines(
            Cutouts(plane, plane, plane), layout, Look(drawing=drawing), plane=2, blinked=False
        )
        assert f"{'ASCII' if drawing == 'ascii' else drawing} hides faint" in plain(caption)
        assert plain(caption).index("difference") == 2 * (layout.panel_columns + 1)

    def test_where_there_is_no_room_for_its_name_either_the_warning_stays_whole(self):
        plane = np.ones((63, 63), dtype=np.float32)
        layout = arrange(60, 20 - MARGINS)
        cutouts = Cutouts(plane, plane, plane)
        _, caption = image_lines(cutouts, layout, Look(drawing="braille"), plane=2, blinked=False)
        assert " hides faint " in plain(caption)

    @pytest.mark.parametrize("plane", range(4))
    def test_each_image_can_be_seen_at_full_size(self, plane):
        planes = [np.full((9, 9), value, dtype=np.float32) for value in (1, 2, 3, 4)]
        for each in planes:
            each[4, 4] = 50
        cutouts = Cutouts(*planes[:3], score=planes[3])
        layout = arrange(80, 24 - MARGINS, full_size=True)
        look = Look(drawing="kitty")
        lines, caption = image_lines(cutouts, layout, look, plane=plane, blinked=False)
        assert plain(caption).startswith(("new", "reference", "difference", "score")[plane])
        assert len(lines) == layout.panel_rows
        (shown,) = pictures(cutouts, layout, look, None, plane=plane, blinked=False)
        three = pictures(cutouts, arrange(140, 40, has_score=True), look, None, plane=2, blinked=False)
        assert shown.image == three[plane].image
        assert (shown.rows, shown.columns) == (layout.panel_rows, layout.panel_columns)
