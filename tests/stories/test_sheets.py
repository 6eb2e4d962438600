"""Pages over the screen: at any size of the terminal nothing of them is cut, and the way back is told."""

import pytest
from sqlmodel import select
from textual.containers import VerticalScroll

from core.database.tables import Observation
from screens.lines import cells_of, plain
from screens.widgets.confirm import Confirm
from screens.widgets.rows import Rows
from screens.widgets.sheet import Sheet
from tests.builders import add_night, make_store
from tests.stories.desk import console

SIZES = [(40, 10), (40, 24), (80, 24), (200, 50)]
COMMENT = "/ " + " ".join(f"word{n}" for n in range(8))  # goes to the last column of its card


@pytest.fixture
def night(tmp_path):
    """A store with three objects, the frame of which has a card of 80 characters in its header."""
    store, url = make_store(tmp_path)
    add_night(store, objects=3)
    values = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0", "VALUE": f"1 {COMMENT}", "LAST": "1"}
    cards = [*(f"{name:<8}= {' ' * 19}{value}" for name, value in values.items()), "END"]
    path = tmp_path / "frame.fits"
    path.write_bytes("".join(card[:80].ljust(80) for card in cards).ljust(2880).encode())
    with store.write() as db:
        for row in db.exec(select(Observation)):
            row.path = str(path)
            db.add(row)
    yield url
    store.close()


def lines_of(vera, name: str):
    return vera.app.screen.query_one(name, Rows).lines


async def opened(vera) -> None:
    """Wait until a page lies over the screen, with its lines."""
    await vera.until(lambda: isinstance(vera.app.screen, Sheet) and vera.app.screen.is_mounted)
    await vera.until(lambda: bool(lines_of(vera, "#sheet-lines")))


def words_of(vera) -> str:
    """All that the page says, but for its blanks: words that go on below are put together again."""
    return "".join("".join(plain(line) for line in lines_of(vera, "#sheet-lines")).split())


async def resized(vera, size) -> None:
    """Resize the terminal, and wait until a page was made anew for it."""
    await vera.pilot.resize_terminal(*size)
    await vera.until(lambda: cells_of(lines_of(vera, "#sheet-heading")[0]) == size[0])


@pytest.mark.parametrize(("key", "title"), [("question_mark", "Help"), ("o", "AID"), ("H", "header of")])
async def test_a_page_is_made_anew_for_a_terminal_of_another_size(night, tmp_path, key, title):
    async with console(night, tmp_path, (140, 40)) as vera:
        await vera.press(key)
        await opened(vera)
        whole = words_of(vera)
        for size in SIZES:
            await resized(vera, size)
            (heading,) = lines_of(vera, "#sheet-heading")
            assert plain(heading).startswith(f" {title}")
            assert "esc back" in plain(heading)
            assert cells_of(heading) == size[0]
            assert all(cells_of(line) <= size[0] - 3 for line in lines_of(vera, "#sheet-lines"))
            if key != "o":  # a light curve is drawn for its width, and facts are told as there is room
                assert words_of(vera) == whole


async def test_a_card_of_a_header_is_read_to_its_end(night, tmp_path):
    async with console(night, tmp_path) as vera:
        await vera.press("H")
        await opened(vera)
        card = f"VALUE   = {' ' * 19}1 {COMMENT}"[:80]
        assert "".join(card.split()) in words_of(vera)


async def test_the_reader_stays_where_he_is_as_the_terminal_is_resized(night, tmp_path):
    async with console(night, tmp_path, (80, 24)) as vera:
        await vera.press("question_mark", "space", "space")
        body = vera.app.screen.query_one("#sheet-body", VerticalScroll)
        lines = lines_of(vera, "#sheet-lines")
        share = body.scroll_y / len(lines)
        assert share > 0
        await resized(vera, (40, 24))
        longer = len(lines_of(vera, "#sheet-lines"))
        assert longer > len(lines)
        await vera.until(lambda: body.scroll_y == round(share * longer))


async def test_a_question_is_asked_whole_at_any_width(night, tmp_path):
    async with console(night, tmp_path, (140, 40)) as vera:
        vera.app.confirm("drop all the frames that wait and were never looked at", "drop", lambda: None)
        await vera.until(lambda: isinstance(vera.app.screen, Confirm) and "looked at" in vera.text)
        assert len(lines_of(vera, "#confirm-question")) == 1
        await vera.pilot.resize_terminal(40, 24)
        await vera.until(lambda: all(cells_of(each) <= 40 for each in lines_of(vera, "#confirm-question")))
        asked = lines_of(vera, "#confirm-question")
        assert "never looked at" in " ".join(" ".join(plain(line) for line in asked).split())


async def test_why_answers_for_a_position_on_every_screen_as_it_does_for_the_card(night, tmp_path):
    async with console(night, tmp_path) as vera:
        card = vera.screen.card
        await vera.pilot.press("colon")
        await vera.typed("why")
        await vera.until(lambda: "what became of the place" in vera.text)
        of_card = vera.text
        for screen in "12456":
            await vera.press("escape", screen, "colon")
            await vera.typed("why")
            assert "why takes a position" in vera.text
            await vera.pilot.press("colon")
            await vera.typed(f"why {card.ra} {card.dec}")
            await vera.until(lambda: "what became of the place" in vera.text)
            assert vera.text == of_card
