"""What is written, taken back or cut while another queue is read holds in the queue that comes."""

from tests.stories.desk import Held, console, verdicts


async def test_a_verdict_that_is_written_while_another_order_is_read_is_known_in_it(
    night, tmp_path, monkeypatch
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()
        pages = Held(monkeypatch, vera.screen.desk, "page", is_read=True)  # as it was before the verdict
        await vera.pilot.press("O")
        await vera.until(lambda: pages.is_begun)
        await vera.pilot.press("x")
        await vera.until(lambda: len(verdicts(store)) == 1 and not vera.screen.is_busy)
        pages.let_go()
        await vera.settled()
        assert "by brightness" in vera.lines[1]
        assert {entry.object_id: entry.label for entry in vera.screen.queue.entries}[ids[0]] == "artefact"
        assert vera.screen.card.object_id != ids[0]


async def test_the_card_that_is_taken_back_while_another_order_is_read_is_shown_in_it(
    night, tmp_path, monkeypatch
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "x")
        await vera.settled()
        pages = Held(monkeypatch, vera.screen.desk, "page", is_read=True)
        await vera.pilot.press("O")
        await vera.until(lambda: pages.is_begun)
        await vera.pilot.press("u")
        await vera.until(lambda: len(verdicts(store)) == 2 and not vera.screen.is_busy)
        pages.let_go()
        await vera.settled()
        assert "by brightness" in vera.lines[1]
        assert vera.screen.card.object_id == ids[1]
        assert vera.screen.queue.current.label is None
        assert "taken back" in vera.text
