"""Tables that fit a terminal, and stay whole in a pipe."""

import pytest

from astrid_tui.cli import invocation
from astrid_tui.cli.candidates import LEAST
from astrid_tui.cli.fitting import fitted, shortened

HEADINGS = (
    "id", "object", "frame", "ra", "dec", "x", "y", "filter", "snr", "mag", "score", "verdict", "tracklet",
)  # fmt: skip
ROW = ("12", "AID J102846.46-202444.3", "a_long_name_of_science_007.fits", "157.19358", "-20.41232", "101.5",
       "88.1", "r", "12.1", "18.10", "0.991", "artefact", "1")  # fmt: skip


def width_of(found) -> int:
    return sum(max(len(HEADINGS[i]), len(found.cells[0][i])) + 2 for i in found.shown) - 2


@pytest.mark.parametrize("width", [200, 130, 110, 100, 90, 80, 60])
def test_a_table_fits_and_what_is_worth_most_stays(width):
    found = fitted(HEADINGS, [ROW], width, LEAST)
    names = [HEADINGS[i] for i in found.shown]
    assert width_of(found) <= width
    assert {"id", "object", "snr", "score", "frame"} <= set(names)
    left = [group for group in LEAST if set(group) & set(names)]
    assert left == list(LEAST[len(LEAST) - len(left) :])
    assert all(set(group) <= set(names) for group in left)


def test_empty_columns_give_way_first_and_nothing_does_without_need():
    row = ["" if name in {"ra", "dec", "verdict"} else cell for name, cell in zip(HEADINGS, ROW, strict=True)]
    found = fitted(HEADINGS, [row], 112, LEAST)
    assert {HEADINGS[i] for i in found.shown} == set(HEADINGS) - {"ra", "dec"}
    assert fitted(HEADINGS, [row], 300, LEAST).shown == tuple(range(len(HEADINGS)))


def test_a_name_is_cut_in_its_middle():
    assert shortened("science_007.fits", 16) == "science_007.fits"
    assert shortened("science_007.fits", 12) == "scien...fits"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_only_a_terminal_has_a_width(is_terminal, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(invocation.sys.stdout, "isatty", lambda: is_terminal)
    invocation.print_table(HEADINGS, [ROW], least=LEAST)
    told = capsys.readouterr()
    assert (max(map(len, told.out.splitlines())) <= 80) is is_terminal
    assert ("not shown in 80 columns: ra, dec, x, y, filter, tracklet" in told.err) is is_terminal
    assert (ROW[2] in told.out) is not is_terminal
