"""A card whose cutouts are missing, damaged, empty or tiny: drawn, or said."""

from dataclasses import replace

import numpy as np
import pytest

from core.cells import DRAWINGS, GRAPHICS, Look
from core.review.cards import read_card
from core.review.cutouts import Cutouts
from screens.frame.base import MARGINS
from screens.lines import plain
from screens.review.layout import arrange
from screens.review.queue import Queue
from screens.review.view import Page, page_lines, pictures
from screens.review.viewing import Viewing
from tests.builders import add_night

WIDTH, HEIGHT = 80, 24 - MARGINS
LAYOUT = arrange(WIDTH, HEIGHT)


@pytest.fixture
def card(sqlite_store):
    return read_card(sqlite_store, add_night(sqlite_store, objects=1)[0])


def page(card, drawing: str) -> Page:
    return Page(None, "", Queue(), card, Viewing.begin(Look(drawing=drawing)), "dark", False, ())


def planes(shape: tuple[int, int], value: float) -> Cutouts:
    return Cutouts(*(np.full(shape, value, dtype=np.float32) for _ in range(3)))


@pytest.mark.parametrize("drawing", [*DRAWINGS, *GRAPHICS])
class TestCutouts:
    @pytest.mark.parametrize(
        ("problem", "said"),
        [
            (None, "No cutouts were kept of this candidate"),
            (f"The images are damaged: {'so ' * 20}`astrid run` makes them again.", "makes them again."),
        ],
    )
    def test_missing_or_damaged_ones_are_told_of_and_the_facts_stay(self, card, drawing, problem, said):
        bare = page(replace(card, cutouts=None, cutouts_problem=problem), drawing)
        lines = [plain(line) for line in page_lines(bare, LAYOUT)]
        assert len(lines) <= HEIGHT
        assert sum(said in line for line in lines) == 1
        assert max(map(len, lines)) <= WIDTH
        assert any(card.name in line for line in lines)
        assert pictures(bare, LAYOUT, None) == ()

    def test_in_their_place_are_all_facts_and_a_curve_with_axes(self, card, drawing):
        """They must do for the verdict; beside images there is room for neither. ASCII has no axes."""
        shown, bare = (
            "\n".join(plain(line) for line in page_lines(page(each, drawing), LAYOUT))
            for each in (card, replace(card, cutouts=None))
        )
        for said in (
            "subtraction zogy",
            "registration",
            "in frame",
            *(() if drawing == "ascii" else (" shown ",)),
        ):
            assert (said in shown, said in bare) == (False, True)

    @pytest.mark.parametrize("shape", [(5, 5), (1, 1), (63, 63), (5, 63)])
    @pytest.mark.parametrize("value", [np.nan, np.inf, 1.0])
    def test_empty_and_tiny_ones_are_drawn(self, card, drawing, shape, value):
        odd = page(replace(card, cutouts=planes(shape, value)), drawing)
        lines = [plain(line) for line in page_lines(odd, LAYOUT)]
        assert {len(line) for line in lines[1 : 1 + LAYOUT.panel_rows]} == {3 * LAYOUT.panel_columns + 2}
        caption = lines[1 + LAYOUT.panel_rows]
        assert ("absent" in caption) == (value != 1.0)
        shown = pictures(odd, LAYOUT, None)
        assert len(shown) == (3 if drawing in GRAPHICS else 0)
        assert all(len(each.image.pixels) == max(shape) ** 2 for each in shown)
