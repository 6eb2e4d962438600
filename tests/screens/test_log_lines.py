"""Lines of a log on any screen: short heads, the cursor, and one line in full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from screens.lines import Tone, plain
from screens.log_lines import came, line_sheet, listed, log_tone

HEAD = "2026-11-27 11:48:51,231Z 16844"
DONE = f"{HEAD} INFO pipeline.engines.worker: run 1: science_001.fits done in 23.6 s, candidates: 21"
WRONG = f"{HEAD} ERROR pipeline.engines.worker: run 1: science_002.fits failed: the disk is full"


@pytest.mark.parametrize(
    ("line", "tone"),
    [
        ("2026-11-22 03:00:00,1 99 ERROR pipeline: it broke", Tone.BAD),
        ("2026-11-22 03:00:00,1 99 WARNING pipeline: hm", Tone.WARN),
        ("Traceback (most recent call last):", Tone.BAD),
        ("2026-11-22 03:00:00,1 99 INFO pipeline: no ERRORS", Tone.PLAIN),
        ("x" * 90 + " ERROR in a name", Tone.PLAIN),
    ],
)
def test_lines_of_a_log_are_toned_by_their_level(line, tone):
    assert log_tone(line) is tone


@pytest.mark.parametrize(("width", "shown"), [(40, 36), (80, 66), (119, 66)])
def test_a_narrow_line_spends_its_room_on_the_message(width, shown):
    done, wrong = (plain(line) for line in listed((DONE, WRONG), 1, width, 5, has_cursor=True))
    message = "11:48:51 run 1: science_001.fits done in 23.6 s, candidates: 21"
    assert done.startswith("   " + message[: shown - 3])
    assert done.endswith(message[-5:] if width > 40 else "…")
    assert wrong.startswith(" > 11:48:51 ERROR run 1: ")


def test_a_wide_line_has_its_whole_head():
    assert plain(listed((DONE,), 0, 140, 5, has_cursor=False)[0]) == f"   {DONE}"


@pytest.mark.parametrize("place", [0, 7, 199])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_cursor_is_in_the_window_and_no_line_is_wider(place, width):
    lines = [f"{number} \x1b[2J 星雲観測フレーム " * 20 for number in range(200)]
    found = [plain(line) for line in listed(lines, place, width, 9, has_cursor=True)]
    assert len(found) == 9
    assert [line for line in found if line.startswith(f" > {place} ")] != []
    assert all(cell_len(line) <= width and "\x1b" not in line for line in found)


@pytest.mark.parametrize("width", [37, 60, 137])
def test_a_line_is_read_in_full_before_those_around_it(width):
    lines = ["before " * 90, "word " * 100, "after"]
    shown = [plain(line) for line in line_sheet(lines, 1, width)]
    assert all(len(line) <= width for line in shown)
    around = shown.index(" Around it")
    assert " ".join(shown[:around]).split() == lines[1].split()
    assert " ".join(shown[around + 1 :]).split() == " ".join(lines).split()


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 29), st.integers(0, 9))
def test_the_lines_that_came_are_counted_however_many_are_gone(there, new, gone, cut):
    log = [f"{'alike' if number % 3 else number}" for number in range(there)]
    more = [f"line {number}" for number in range(new)]
    half = [*log[:-1], log[-1][: max(len(log[-1]) - cut, 1)]] if cut else log
    assert came(half, [*log, *more][min(gone, there - 1) :]) == new


def test_of_a_log_begun_anew_all_lines_are_new():
    assert came(("a", "b"), ("x", "y", "z")) == 3
    assert came((), ("x",)) == 1
    assert came(("a",), ()) == 0
