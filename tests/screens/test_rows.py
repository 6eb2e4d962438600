"""Lines on the screen: of a change only the cells that differ are painted again."""

import pytest

from screens.lines import Tone, drawn, span
from screens.widgets.rows import _changed_cells

BAR = Tone.BAR


@pytest.mark.parametrize(
    ("old", "new", "cells"),
    [
        ((span("12:00:00 UTC", BAR),), (span("12:00:01 UTC", BAR),), (7, 8)),
        ((span("12:00:59 UTC", BAR),), (span("12:01:00 UTC", BAR),), (4, 8)),
        ((span("a"), span("12:00", BAR), span("z")), (span("a"), span("12:01", BAR), span("z")), (5, 6)),
        ((span("one"),), (span("one", BAR),), (0, 3)),
        ((span("one"),), (span("onetwo"),), (3, 20)),
        ((span("onetwo"),), (span("one"),), (3, 20)),
        ((), (span("one"),), (0, 20)),
        ((drawn("文字x"),), (drawn("文学x"),), (0, 5)),  # wide characters are never cut in two
        ((drawn("文字"), span("1")), (drawn("文字"), span("2")), (4, 5)),
        ((span("aaaa"),), (span("aaa"), span("a", BAR)), (3, 4)),
    ],
)
def test_from_the_first_to_the_last_cell_that_differs(old, new, cells):
    assert _changed_cells(old, new, 20) == cells


def test_what_lies_beyond_the_edge_is_not_painted():
    start, end = _changed_cells((span("x" * 30),), (span("x" * 29 + "y"),), 20)
    assert start == end == 20
