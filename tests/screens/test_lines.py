"""Lines of text that is wide, long or both: on a terminal they take the cells they were given."""

import pytest
from rich.cells import cell_len

from screens.lines import (
    Tinted,
    Tone,
    cells_of,
    column,
    folded,
    indented,
    padded,
    plain,
    shortened,
    span,
    spread,
    wrapped,
)

WIDE = "星雲観測フレーム"  # eight characters in sixteen cells


def test_a_wide_character_takes_two_cells():
    assert cells_of((span(WIDE), span("abc"))) == 19


def test_columns_after_wide_names_stand_below_those_after_others():
    rows = [(*padded((span(name),), 20), span("|")) for name in ("m31", WIDE, "é" * 5)]
    assert {cell_len(plain(row).partition("|")[0]) for row in rows} == {20}


def test_two_ends_meet_the_edges_also_where_one_is_wide():
    assert cells_of(spread((span(WIDE),), (span("観測"),), 30)) == 30
    assert plain(spread((span(WIDE),), (span("観測"),), 20)) == WIDE + " " * 4  # with the right end it is 21


@pytest.mark.parametrize(
    ("line", "width", "shown"),
    [
        ((span(WIDE),), 16, WIDE),
        ((span(WIDE),), 15, "星雲観測フレー…"),
        ((span(WIDE),), 8, "星雲観 …"),  # half a character is none
        ((span("abc"), span(WIDE)), 8, "abc星雲…"),
        ((span("abcdef"), span("gh")), 7, "abcdef…"),
        ((span("abcdef"), span("gh")), 4, "abc…"),
        ((span("abc"), span("def")), 3, "ab…"),
        ((span("abc"), Tinted("▀▀▀▀", 1, 2, True), span("d")), 6, "abc▀▀…"),
        ((span("abc"),), 1, "…"),
        ((span("abc"),), 0, ""),
    ],
)
def test_a_line_is_cut_to_its_cells_and_the_cut_is_marked(line, width, shown):
    assert plain(shortened(line, width)) == shown


@pytest.mark.parametrize("width", [10, 17, 40])
def test_text_without_blanks_goes_on_in_the_next_line(width):
    address = "https://example.org/" + "0123456789" * 9
    for text in (address, WIDE * 9):
        found = wrapped((span("  "), span(text, Tone.WARN)), width, indent=4)
        assert all(cells_of(line) <= width for line in found)
        assert "".join(plain(line).strip() for line in found) == text
        assert all(plain(line).startswith("    ") for line in found[1:])


@pytest.mark.parametrize(
    "text", ["", "m31", WIDE, "é" * 5, "e\N{COMBINING ACUTE ACCENT}" * 5, "\x1b[31m", "x" * 99]
)
@pytest.mark.parametrize("width", [2, 7, 8, 20])
def test_a_column_takes_its_cells_and_ends_in_a_blank(text, width):
    shown = column(text, width, Tone.DIM)
    assert cells_of((shown,)) == width
    assert shown.text.endswith(" ")
    assert shown.tone is Tone.DIM


@pytest.mark.parametrize("width", [12, 33, 80])
@pytest.mark.parametrize(
    "text", [WIDE * 40, f"{WIDE} " * 30 + "end", "مرحبا بالعالم " * 30, "e\u0301a " * 200]
)
def test_a_sentence_of_any_script_is_told_whole_within_its_width(text, width):
    told = span(text, Tone.WARN, 2000)
    for lines in ([plain(line) for line in indented((told,), width)], folded(told.text, width)):
        assert all(cell_len(line) <= width for line in lines)
        assert "".join("".join(lines).split()) == "".join(told.text.split())


@pytest.mark.parametrize("width", range(7, 40))
def test_a_line_never_begins_in_the_midst_of_a_word_whatever_tones_it_has(width):
    line = (
        span("half blocks", Tone.DIM),
        span("; no Kitty", Tone.WARN),
        span(", so"),
        span(" be it"),
        span("."),
    )
    told = wrapped(line, width, indent=0)
    assert [word for row in told for word in plain(row).split()] == plain(line).split()
    assert all(cells_of(row) <= width for row in told)
    pieces = [(character, piece.tone) for row in told for piece in row for character in piece.text]
    whole = [(character, piece.tone) for piece in line for character in piece.text]
    assert [each for each in pieces if each[0] != " "] == [each for each in whole if each[0] != " "]


def test_nothing_takes_no_line():
    assert folded("  ", 10) == []
    assert indented((), 10) == []
