"""Pictures are sent when they or their place changed, leave nothing behind, and late ones are left out."""

import os
import random
import time

import numpy as np
import pytest

from core.cells.image import Image, picture
from screens.tty.cells import Cells
from screens.tty.graphics import KEPT, Graphics, Placed
from screens.tty.output import Output
from tests.terminal.pictures import PictureScreen, commands

CELL = (6, 3)


def image(seed: int) -> Image:
    return picture(np.random.default_rng(seed).random((5, 5), dtype=np.float32), "grey")


def placed(seed: int, place: int = 0, cell: tuple[int, int] | None = None) -> Placed:
    return Placed(2, 8 * place, 3, 7, image(seed), cell)


def page(text: str) -> str:
    """A page whose lines 3 to 5 are blank but for a mark in the middle of each picture."""
    blank = " " * 30
    lines = [blank, text.ljust(30), blank, "   +       +       +".ljust(30), blank, blank]
    return "".join(f"\x1b[{row};1H{line}" for row, line in enumerate(lines, 1))


@pytest.mark.parametrize("cell", [None, CELL])
@pytest.mark.parametrize("seed", range(8))
def test_the_terminal_shows_what_is_wanted_after_any_changes(seed, cell):
    lot = random.Random(seed)
    screen, cells, graphics, sent = PictureScreen(CELL), Cells(), Graphics(), ""
    for step in range(30):
        wanted = [placed(lot.randrange(4), place, cell) for place in range(3) if lot.random() < 0.7]
        graphics.want(wanted)
        list(cells.feed(page(f"step {step}")))
        if lot.random() < 0.1:
            cells.forget()
            sent += graphics.forget()
        sent += graphics.difference(cells) + cells.difference()
        screen.read(sent.encode())
        found = sorted(screen.sixels if cell else [*screen.kitty.shown.values()])
        assert [each[:4] for each in found] == [each[:4] for each in wanted]
        for shown, each in zip(found, wanted, strict=True):
            pixels = np.frombuffer(each.image.pixels, np.uint8).reshape(5, 5)
            grey = np.array([colour & 255 for colour in each.image.colours])[pixels]
            if cell:
                rows, columns = (np.arange(18) * 5 + 2) // 18, (np.arange(21) * 5 + 2) // 21
                assert np.abs(shown.pixels[..., 0] - grey[np.ix_(rows, columns)]).max() <= 1.3
                assert screen.holes(shown) == {(3, each.column + 3)}
            else:
                assert np.array_equal(shown.pixels[..., 0], grey)
        assert all(screen.text[3, column] == "+" for column in (3, 11, 19))
    assert screen.read((sent + graphics.forget()).encode()).kitty.images == {}


@pytest.mark.parametrize("cell", [None, CELL])
def test_in_portions_one_picture_comes_after_the_other_and_a_late_one_never(cell):
    cells, graphics, sent = Cells(), Graphics(), []
    graphics.want([placed(0, place, cell) for place in range(3)])
    sent.append(graphics.difference(cells, room=1))
    assert not graphics.is_shown
    graphics.want([placed(0, 0, cell), placed(1, 1, cell)])
    while not graphics.is_shown:
        sent.append(graphics.difference(cells, room=1))
    screen = PictureScreen(CELL).read("".join(sent).encode())
    assert len(sent) == 2
    assert len(screen.sixels if cell else screen.kitty.shown) == 2
    assert "".join(sent).count("\x1bP" if cell else "a=p") == 2
    assert graphics.difference(cells, room=1) == ""


def test_what_stays_is_not_sent_again_and_what_the_terminal_keeps_is_only_placed():
    cells, graphics = Cells(), Graphics()

    def sent(*pictures: Placed) -> str:
        graphics.want(pictures)
        return graphics.difference(cells)

    first = sent(placed(1, 0), placed(2, 1))
    assert first.count("a=t") == 2
    assert sent(placed(1, 0), placed(2, 1)) == ""
    moved = sent(placed(2, 0), placed(1, 1))
    assert "a=t" not in moved
    assert moved.count("a=p") == moved.count("a=d") == 2
    for seed in range(10, 10 + 3 * KEPT):
        sent(placed(seed))
    assert sent(placed(1)).count("a=t") == 1  # it was the longest away
    assert graphics.forget().count("d=I") == KEPT


def test_a_picture_by_sixel_is_sent_again_when_something_was_written_on_it():
    cells, graphics = Cells(), Graphics()
    list(cells.feed(page("one")))
    graphics.want([placed(1, 0, CELL)])
    assert graphics.difference(cells).count("\x1bP") == 1
    cells.difference()
    list(cells.feed(page("two")))
    assert graphics.difference(cells) == ""
    list(cells.feed("\x1b[5;2Hnote"))
    assert graphics.difference(cells).count("\x1bP") == 1
    assert "note" not in cells.difference()  # it was written across the picture


@pytest.mark.parametrize("end", ["take_down", "forget", "resized"])
def test_late_pictures_are_left_out_and_none_outlasts_its_terminal(tmp_path, end):
    path = tmp_path / "terminal"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    output = Output(descriptor)
    for number in range(20):
        output.write(page(f"card {number}"), [placed(number)])
    output.write("\x1b[6n")
    output.start()
    deadline = time.monotonic() + 60
    while b"\x1b[6n" not in path.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert [each.split(",")[0] for each in commands(path.read_bytes())] == ["a=t", "a=p"]
    if end == "take_down":
        output.take_down()
    else:
        output.forget((80, 24) if end == "resized" else None)
    output.write("\x07", None if end != "resized" else [placed(3)])
    output.stop()
    os.close(descriptor)
    screen = PictureScreen().read(path.read_bytes())
    assert len(screen.kitty.shown) == len(screen.kitty.images) == (0 if end == "take_down" else 1)
    assert path.read_bytes().count(b"a=t") == (1 if end == "take_down" else 2)


def test_a_picture_of_a_larger_page_is_not_sent_to_a_smaller_terminal(tmp_path):
    path = tmp_path / "terminal"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    output = Output(descriptor)
    output.forget((16, 5))
    output.write(page("a card"), [placed(0), placed(1, 1, CELL), placed(2, 2)])
    output.start()
    output.stop()
    os.close(descriptor)
    screen = PictureScreen(CELL).read(path.read_bytes())
    shown = [*screen.kitty.shown.values(), *screen.sixels]
    assert [each[:4] for each in shown] == [placed(0)[:4], placed(1, 1)[:4]]
