"""What reviewers see of a card when they look closer."""

import pytest
from sqlmodel import select

from core.database.tables import Observation
from screens.action import Where
from tests.stories.desk import console, verdicts

SIZES = [(80, 24), (140, 40)]


async def test_looking_closely(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("f")
        assert len(vera.screen.query_one("#page").lines[2]) > 0
        assert "difference" in vera.lines[21]
        assert "reference" not in vera.lines[21]
        await vera.press("tab")
        assert vera.lines[21].startswith("new")
        await vera.press("b")
        assert vera.lines[21].startswith("reference")
        await vera.press("escape", "escape")
        assert "reference" in vera.lines[15]
        await vera.press("o")
        await vera.until(lambda: "negative_fraction" in vera.text)
        await vera.pilot.press("escape")
        await vera.press("question_mark")
        await vera.until(lambda: "give again the verdict" in vera.text)
        await vera.pilot.press("q")
        await vera.ready()
        assert vera.app.is_running
    assert verdicts(store) == []


@pytest.mark.parametrize("size", SIZES)
async def test_the_full_image_has_facts_beside_it_and_the_header_of_its_frame_is_a_key_away(
    night, tmp_path, size
):
    store, url, _ids = night
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
    ]
    cards += [
        "OBJECT  = '[red]x[/red]'",
        *(f"COMMENT number {n}" for n in range(60)),
        "LAST    =                    1",
    ]
    path = tmp_path / "frame.fits"
    text = "".join(card.ljust(80) for card in [*cards, "END"])
    path.write_bytes(text.ljust(-(-len(text) // 2880) * 2880).encode().replace(b"number 7 ", b"num\x1b[2J  "))
    with store.write() as db:
        for row in db.exec(select(Observation)):
            row.path = str(path)
            db.add(row)
    async with console(url, tmp_path, size) as vera:
        await vera.press("f")
        assert vera.screen.card.name in vera.text
        assert "snr" in vera.text
        await vera.pilot.press("H")
        await vera.until(lambda: "[red]x[/red]" in vera.text)
        assert "\x1b" not in vera.text
        assert "LAST    =" in vera.text  # all of it is there to be scrolled to
        await vera.pilot.press("escape")
        await vera.ready()
        assert vera.screen.card.name in vera.text


async def test_what_became_of_a_place_in_every_frame_is_asked_from_the_card(night, tmp_path):
    async with console(night[1], tmp_path) as vera:
        await vera.press("colon")
        await vera.type("why")
        await vera.until(lambda: "why: each frame" in vera.text)
        assert "none shows the place, by its own header" in vera.text
        await vera.pilot.press("1")  # straight from the page to a screen
        await vera.until(lambda: vera.app.here.WHERE is Where.INGEST and len(vera.app.screen_stack) == 1)
        await vera.pilot.press("3")
        await vera.ready()
        await vera.press("colon")
        await vera.type("why 10:99:00 1")
        assert "is no coordinate" in vera.text


async def test_at_full_size_blinking_shows_what_blinks(night, tmp_path):
    async with console(night[1], tmp_path) as vera:
        await vera.press("f")
        assert "difference" in vera.text
        await vera.press("b")
        assert "difference" not in vera.text
        assert vera.screen.viewing.plane == 0


async def test_keys_that_come_quickly_scroll_a_page_as_often(night, tmp_path):
    from textual.containers import VerticalScroll

    async with console(night[1], tmp_path) as vera:
        await vera.press("question_mark")
        for _ in range(20):
            vera.app.simulate_key("j")
        await vera.settled()
        assert vera.app.screen.query_one("#sheet-body", VerticalScroll).scroll_y == 20
