"""Tables that fit a terminal, and stay whole in a pipe."""

import pytest
from rich.cells import cell_len

from astrid_tui.cli import invocation
from astrid_tui.cli.candidates import LEAST
from astrid_tui.cli.fitting import fitted, in_lines, parts, shortened
from astrid_tui.cli.wrapping import in_words

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


def test_numbers_stand_with_their_points_below_one_another(capsys):
    rows = [
        ("a", 17.21, "+4.1", 1.0, 5, None, ">20.31"),
        ("bc", 8.2, "-12.5", 0.891, 12, 1e-9, "-"),
    ]
    invocation.print_table(("name", "mag", "snr", "score", "n", "p", "limit"), rows)
    assert capsys.readouterr().out.splitlines() == [
        "name    mag    snr  score   n      p   limit",
        "a     17.21   +4.1  1.000   5         >20.31",
        "bc     8.20  -12.5  0.891  12  1e-09       -",
    ]


def test_without_a_word_on_worth_names_are_shortened_and_sentences_go_on_in_the_next_line():
    reason = "the stars of this frame are too few to align it with any reference of the field"
    row = ["7", "a_very_long_name_of_a_camera_and_a_frame_007.fits", "2026-11-26 14:19:34", reason]
    found = fitted(("id", "frame", "UTC", "reason"), [row], 80)
    assert found.shown == (0, 1, 2, 3)
    assert found.prose is not None
    lines = in_lines(found.cells, found.prose)
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    assert sum(widths) + 6 <= 80
    assert " ".join(line[3] for line in lines) == reason
    assert lines[0][2] == row[2]
    assert [line[:3] for line in lines[1:]] == [["", "", ""]] * (len(lines) - 1)
    assert fitted(("id", "frame", "UTC", "reason"), [row], 200).prose is None


def test_the_longest_names_are_shortened_first_and_numbers_never():
    row = ["x" * 30, "0.012 (0.010 to 0.015)", "y" * 20, "2026-11-26 14:19:34", "z" * 12]
    found = fitted(("a", "b", "c", "d", "e"), [row], 95)
    assert sum(len(cell) for cell in found.cells[0]) + 8 == 95
    assert found.cells[0][1] == row[1]
    assert found.cells[0][3] == row[3]
    assert found.cells[0][4] == row[4]


def test_what_does_not_fit_at_all_follows_below_with_the_first_column():
    assert parts([6, 20, 20, 20], (0, 1, 2, 3), 52) == [[0, 1, 2], [0, 3]]
    assert parts([6, 20], (0, 1), 10) == [[0, 1]]
    assert parts([6, 20, 20], (0, 1, 2), 80) == [[0, 1, 2]]


def test_where_shortening_is_not_enough_words_stay_whole(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(invocation.sys.stdout, "isatty", lambda: True)
    row = ["missed where 1 % of the bogus is kept", *["11.03 % (8.12 to 13.07)"] * 4]
    invocation.print_table(("", "snr", "tree", "realbogus", "ensemble"), [row])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines[::2]] == [["snr"], ["tree"], ["realbogus"], ["ensemble"]]
    assert all(line.startswith(row[0]) and line.endswith(row[1]) for line in lines[1::2])


def test_a_long_text_goes_on_below_itself_on_a_terminal_alone(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    text = f"its file is {'/data/a-night' * 5}.fits and the rest of it is told in lines of their own"
    invocation.print_item("ok  store", text)
    assert capsys.readouterr().out == f"ok  store {text}\n"
    monkeypatch.setattr(invocation.sys.stdout, "isatty", lambda: True)
    invocation.print_item("ok  store", text)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines] == ["ok  store ", *[" " * 10] * (len(lines) - 1)]
    assert " ".join(line[10:] for line in lines) == text  # a path stays in one piece
    invocation.print_item("path", "")
    assert capsys.readouterr().out == "path\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_sentences_in_the_last_column_are_told_to_their_end(is_terminal, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(invocation.sys.stdout, "isatty", lambda: is_terminal)
    reason = "Stars are brighter or fainter: clouds, or stretched pixels. " * 6 + "Look at 157.2 -20.4."
    invocation.print_table(("frame", "reason"), [("a.fits", reason)])
    _, *lines = capsys.readouterr().out.splitlines()
    assert " ".join(line[len("a.fits") :].strip() for line in lines) == reason


@pytest.mark.parametrize("columns", [None, 60, 34])
def test_columns_after_wide_names_stand_below_those_after_others(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(invocation.sys.stdout, "isatty", lambda: columns is not None)
    names = ("m31-0001.fits", "星雲観測フレーム" * 2 + ".fits", "é.fits")
    invocation.print_table(("frame", "state", "reason"), [(name, "done", "-") for name in names])
    lines = capsys.readouterr().out.splitlines()
    places = {cell_len(line[: line.index("done")]) for line in lines[1:]}
    assert places == {cell_len(lines[0][: lines[0].index("state")])}
    assert columns is None or max(map(cell_len, lines)) <= columns


def test_a_sentence_of_wide_characters_goes_on_in_the_next_line():
    reason = "基準画像に位置を合わせる星が足りません" * 4
    lines = in_lines([["7", reason]], 30)
    assert "".join(line[-1] for line in lines) == reason
    assert max(cell_len(line[-1]) for line in lines) <= 30


def test_a_long_sentence_breaks_at_blanks_on_a_terminal_alone(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    command = "`astrid init --config night.toml`"
    sentence = f"there is no store in /data/a night/astrid.db yet: run {command} to make one"
    for say, stream in ((invocation.print_text, "stdout"), (invocation.remark, "stderr")):
        say(sentence)
        assert "".join(capsys.readouterr()) == f"{sentence}\n"
        with monkeypatch.context() as terminal:
            terminal.setattr(getattr(invocation.sys, stream), "isatty", lambda: True)
            say(sentence)
        assert "".join(capsys.readouterr()).splitlines() == [
            "there is no store in /data/a",
            "night/astrid.db yet: run",
            f"{command} to",
            "make one",
        ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("  a     b", ["  a     b"]),
        ("  frame     m31-0001", ["  frame", "m31-0001"]),
        ("a `b c d e f g h i j` k", ["a", "`b c d e f g h i j`", "k"]),  # to be copied in one piece
        ("a lone ` is none", ["a lone ` is", "none"]),
        ("/data/m31/0001.fits", ["/data/m31/0001.fits"]),
        ("基準画像 に 位置", ["基準画像 に", "位置"]),
        ("", [""]),
    ],
)
def test_words_stay_whole(text, lines):
    assert in_words(text, 12) == lines
