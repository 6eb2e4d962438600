"""Only what differs is sent, and the terminal looks as if everything had been."""

import os
import random
import re

import pyte
import pytest
from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.style import Style

from screens.tty.cells import Cells, Pass
from screens.tty.looks import change, look_of
from screens.tty.output import Output

COLUMNS, LINES = 40, 8
STYLES = [
    Style(),
    Style(bold=True),
    Style(reverse=True, color=Color.from_ansi(3)),
    Style(color=Color.from_ansi(240), bgcolor=Color.from_ansi(250)),
    Style(color=Color.from_ansi(250), bgcolor=Color.from_ansi(240)),
    Style(color=Color.from_rgb(1, 2, 3), bgcolor=Color.from_ansi(12)),
    Style(bgcolor=Color.from_ansi(102), underline=True),
]
PLAIN = ["a", "▀", " ", "é", "─", "⣿"]
UNEVEN = ["星", "e\u0301", "界"]


def written(style: Style, text: str) -> str:
    return style.render(text, color_system=ColorSystem.TRUECOLOR)


def picture(lot: random.Random, characters: list[str]) -> str:
    """As Textual writes one: positions, and pieces with all their attributes; wide text in whole lines."""
    whole = characters is not PLAIN
    out = ""
    for _ in range(lot.randrange(1, 9)):
        row, column = lot.randrange(LINES), 0 if whole else lot.randrange(COLUMNS - 8)
        out += f"\x1b[{row + 1};{column + 1}H"
        room = COLUMNS - column
        while room > 4 and lot.random() < 0.8:
            text = "".join(lot.choice(characters) for _ in range(lot.randrange(1, 3)))
            room -= cell_len(text)
            out += written(lot.choice(STYLES), text)
        if whole:
            out += written(lot.choice(STYLES), " " * room)
    return out + f"\x1b[{LINES};1H"


def _seen(char) -> tuple:
    """What of a cell can be seen."""
    if char.data == " " and not (char.reverse or char.underscore or char.strikethrough):
        return (" ", char.bg)
    if char.data == "▄":  # the same picture as the other half, the other way round
        return ("▀", char.bg, char.fg, *tuple(char)[3:])
    if char.data == "█" and not char.reverse:  # nothing of the background is seen
        return (" ", char.fg)
    return tuple(char)


def shown(data: list[str]) -> list[list[tuple]]:
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.Stream(screen)
    for each in data:
        stream.feed(each)
    blank = screen.default_char
    return [[_seen(screen.buffer[y].get(x, blank)) for x in range(COLUMNS)] for y in range(LINES)] + [
        [(screen.cursor.x, screen.cursor.y)]
    ]


@pytest.mark.parametrize("characters", [PLAIN, PLAIN + UNEVEN], ids=["plain", "uneven"])
@pytest.mark.parametrize("seed", range(20))
def test_the_terminal_shows_what_it_would_of_all_that_was_written(seed, characters):
    lot = random.Random(seed)
    pictures = [picture(lot, characters) for _ in range(12)]
    cells, sent = Cells(), []
    for each in pictures:
        assert list(cells.feed(each)) in ([None], [])
        if lot.random() < 0.7:  # else it is late, and left out
            sent.append(cells.difference())
    sent.append(cells.difference())
    assert shown(sent) == shown(pictures)
    assert len("".join(sent)) < len("".join(pictures))


@pytest.mark.parametrize("characters", [PLAIN, PLAIN + UNEVEN], ids=["plain", "uneven"])
@pytest.mark.parametrize("seed", range(20))
def test_in_portions_the_terminal_shows_the_same_in_the_end(seed, characters):
    lot = random.Random(seed)
    pictures = [picture(lot, characters) for _ in range(12)]
    cells, sent = Cells(), []
    for each in pictures:
        list(cells.feed(each))
        for _ in range(lot.randrange(4)):  # the rest is late
            room = lot.randrange(1, 200)
            sent.append(cells.difference(room=room))
            if characters is PLAIN:
                assert len(sent[-1].encode()) <= room + 80  # a cell with all its attributes, and a reset
    while not cells.is_shown:
        sent.append(cells.difference(room=100))
        assert sent[-1]
    assert shown(sent) == shown(pictures)
    assert cells.difference() == ""


def test_a_half_block_is_turned_where_that_needs_less():
    dark, light = "38;5;240;48;5;250", "38;5;250;48;5;240"
    cells = Cells()
    list(cells.feed(f"\x1b[1;1H\x1b[{dark}m▀\x1b[0m\x1b[{light}m▀\x1b[0m"))
    assert cells.difference() == f"\x1b[1;1H\x1b[{dark}m▀▄\x1b[m"


def test_a_space_in_a_picture_is_a_full_block_where_that_needs_no_colour():
    dark, light = "38;5;240;48;5;250", "38;5;250;48;5;240"
    cells = Cells()
    list(cells.feed(f"\x1b[1;1H\x1b[{dark}m▀\x1b[0m\x1b[{light}m \x1b[0m\x1b[{dark}m  \x1b[0m"))
    assert cells.difference() == f"\x1b[1;1H\x1b[{dark}m▀█  \x1b[m"
    list(cells.feed(f"\x1b[2;1H\x1b[{dark}mtext\x1b[0m\x1b[{light}m \x1b[0m"))
    assert cells.difference() == f"\x1b[2;1H\x1b[{dark}mtext\x1b[48;5;240m \x1b[m"


def test_the_cursor_goes_on_in_a_line_by_as_many_cells():
    cells = Cells()
    list(cells.feed("\x1b[2;1H" + "." * COLUMNS))
    cells.difference()
    list(cells.feed("\x1b[2;1H" + "x" + "." * (COLUMNS - 2) + "x"))
    assert cells.difference() == f"\x1b[2;1Hx\x1b[{COLUMNS - 2}Cx"


def test_nothing_is_sent_again():
    cells = Cells()
    drawn = "\x1b[3;5H" + written(STYLES[3], "▀▀▀") + "\x1b[1;1H"
    list(cells.feed(drawn))
    assert cells.difference() == "\x1b[3;5H\x1b[38;5;240;48;5;250m▀▀▀\x1b[m\x1b[1;1H"
    list(cells.feed(drawn))
    assert cells.difference() == ""
    list(cells.feed("\x1b[3;6H" + written(STYLES[3], "x")))
    assert cells.difference() == "\x1b[3;6H\x1b[38;5;240;48;5;250mx\x1b[m"
    cells.forget()
    assert shown([cells.difference()])[2][4:7] == shown([drawn.replace("▀▀▀", "▀x▀")])[2][4:7]


def test_words_are_sent_before_the_rows_of_a_picture():
    cells, row = Cells(), "".join(f"\x1b[38;5;{232 + k % 24};48;5;{255 - k % 24}m▀\x1b[0m" for k in range(40))
    list(cells.feed(f"\x1b[1;1H2 of 9\x1b[2;1H{row}\x1b[3;1H{row}\x1b[4;1Hreal  u takes it back"))
    sent = cells.difference("|")
    words, _, picture = sent.partition("|")
    assert "2 of 9" in words
    assert "takes it back" in words
    assert "▀" not in words
    assert picture.count("▀") + picture.count("▄") == 80
    list(cells.feed("\x1b[1;1H3 of 9\x1b[4;1Hx"))
    assert "|" not in cells.difference("|")  # nor where there are words alone
    list(cells.feed(f"\x1b[2;1H{'█' * 40}"))
    assert "|" not in cells.difference("|")  # or a picture


def test_what_a_terminal_shows_at_once_are_the_words_and_then_the_picture(tmp_path):
    file = os.open(tmp_path / "terminal", os.O_RDWR | os.O_CREAT)
    output = Output(file)
    output.write("\x1b[?2026h")
    output.write(f"\x1b[1;1H2 of 9\x1b[2;1H{'▀' * 40}\x1b[3;1Hreal")
    output.write("\x1b[?2026l")
    output.start()
    output.stop()
    first, second = re.findall(r"\x1b\[\?2026h(.+?)\x1b\[\?2026l", (tmp_path / "terminal").read_text())
    assert "real" in first
    assert "▀" in second
    os.close(file)


def test_attributes_change_by_what_differs():
    assert look_of("1;38;5;240;48;2;1;2;3") == (("1",), "38;5;240", "48;2;1;2;3")
    assert look_of("7;33;102") == (("7",), "33", "102")
    assert look_of("38;2;18;18;18;48;2;19;19;19") == ((), "38;5;233", "48;2;19;19;19")
    assert look_of("38;2;8;18;8;48;2;238;238;238") == ((), "38;2;8;18;8", "48;5;255")
    assert change("38;5;240;48;5;250", "38;5;241;48;5;250") == "\x1b[38;5;241m"
    assert change("38;5;240;48;5;250", "38;5;240") == "\x1b[49m"
    assert change("1;38;5;240", "38;5;240") == "\x1b[22m"
    assert change("1;2;38;5;240", "2;38;5;241") == "\x1b[22;2;38;5;241m"
    assert change("53;38;5;240", "1;38;5;240") == "\x1b[0;1;38;5;240m"
    assert change("1", "") == "\x1b[m"


def test_what_is_no_drawing_keeps_its_place_and_its_position():
    found = list(Cells().feed("\x1b[?1049h\x1b[1;1Hhello\x1b[24;7H\x1b[6n\x07\x1b]52;c;eA==\x07"))
    assert found == [
        Pass("\x1b[?1049h", True), None, Pass("\x1b[24;7H\x1b[6n", False),
        Pass("\x07", False), Pass("\x1b]52;c;eA==\x07", False),
    ]  # fmt: skip


def test_control_characters_in_text_are_not_sent():
    cells = Cells()
    assert list(cells.feed("a\x00\x08\x85b")) == [None]
    assert cells.difference() == "\x1b[1;1Hab"


def test_late_pictures_are_left_out_and_the_rest_keeps_its_order(tmp_path):
    path = tmp_path / "terminal"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    output = Output(descriptor)
    output.write("\x1b[?1049h")
    for number in range(30):
        output.write(f"\x1b[?2026h\x1b[1;1Hcard {number:2}\x1b[?2026l")
    output.write("\x07")
    output.start()
    output.stop()
    os.close(descriptor)
    assert path.read_text() == "\x1b[?1049h\x1b[?2026h\x1b[1;1Hcard 29\x1b[?2026l\x07"


def test_a_terminal_that_is_gone_stops_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    output = Output(writer)
    output.start()
    for number in range(200):
        output.write(f"\x1b[{number % 20 + 1};1Hcard {number}\x07")
    output.stop()
    os.close(writer)


def test_after_another_size_only_what_is_drawn_anew_is_sent(tmp_path):
    cells = Cells()
    list(cells.feed("\x1b[2;1Hold"))
    cells.difference()
    cells.clear(COLUMNS, LINES)
    list(cells.feed("\x1b[2;3Hnew"))
    assert cells.difference() == "\x1b[2;3Hnew"
    assert not re.search("old", cells.difference())


@pytest.mark.parametrize("seed", range(10))
def test_what_was_drawn_for_a_larger_screen_is_left_out(seed):
    lot = random.Random(seed)
    drawn = "".join(picture(lot, PLAIN) for _ in range(6)).removesuffix(f"\x1b[{LINES};1H") + "\x1b[1;1H"
    columns, lines = COLUMNS - lot.randrange(1, 30), LINES - lot.randrange(1, 6)
    cells = Cells()
    cells.clear(columns, lines)
    assert list(cells.feed(drawn)) == [None]
    blank, whole, cut = shown([]), shown([drawn]), shown([cells.difference()])
    for y, (before, row) in enumerate(zip(blank[:LINES], whole[:LINES], strict=True)):
        assert cut[y] == (row[:columns] + before[columns:] if y < lines else before)
    assert cells.hold(0, 0, lines, columns)
    assert not cells.hold(1, 0, lines, columns)
    assert not cells.hold(0, 1, lines, columns)


def test_a_wide_character_is_never_sent_by_half():
    cells = Cells()
    cells.clear(4, 1)
    list(cells.feed("\x1b[1;1Hab星e\u0301\u0301"))
    assert cells.difference().startswith("\x1b[1;1Hab星")
    list(cells.feed("\x1b[1;4H星\u0301e\u0301"))
    assert cells.difference() == "\x1b[1;1Hab  "
