"""What is written, taken back or cut while another queue is read holds in the queue that comes."""

from core.review.verdicts import decide
from core.vocabulary import Label
from tests.builders import add_night, make_store
from tests.stories.desk import Held, console, verdicts
from tests.stories.test_review_together import best, set_times


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


def judged_at_a_pace(folder):
    """A store of 40 objects, 25 of which were judged at 12 s a card."""
    store, url = make_store(folder)
    ids = add_night(store, objects=40)
    for object_id in ids[-25:]:
        decide(store, session="s", reviewer="vera", candidate_id=best(store, object_id),
               label=Label.DIPOLE, shown={})  # fmt: skip
    set_times(store, [12.0 * i for i in range(25)])
    return store, url


async def test_a_given_time_cuts_the_queue_that_is_there_once_it_is_known(tmp_path, monkeypatch):
    store, url = judged_at_a_pace(tmp_path)
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.4")
        cut = Held(monkeypatch, vera.screen.desk, "cut", is_read=True)
        await vera.pilot.press("colon")
        await vera.typed("minutes 2")  # ten cards: all of these
        await vera.until(lambda: cut.is_begun)
        await vera.pilot.press("escape")
        await vera.until(lambda: "1 of 15" in vera.lines[1])
        cut.let_go()
        await vera.settled()
        assert "1 of 10, 5 below the cut" in vera.lines[1]
        assert "2 min at 12.0 s a card: 10 cards; below the cut 5 more" in vera.text
        cut = Held(monkeypatch, vera.screen.desk, "cut", is_read=True)
        for command in ("minutes 1", "minutes off"):
            await vera.pilot.press("colon")
            await vera.typed(command)
        await vera.until(lambda: cut.is_begun)
        cut.let_go()
        await vera.settled()
        assert "1 of 15" in vera.lines[1]
    store.close()


async def test_a_given_time_is_not_spent_on_what_was_decided_while_another_order_is_read(
    tmp_path, monkeypatch
):
    store, url = judged_at_a_pace(tmp_path)
    async with console(url, tmp_path) as vera:
        await vera.press("colon")
        await vera.typed("minutes 2")
        await vera.settled()
        pages = Held(monkeypatch, vera.screen.desk, "page", is_read=True)
        await vera.pilot.press("O")
        await vera.until(lambda: pages.is_begun)
        await vera.pilot.press("x")
        await vera.until(lambda: len(verdicts(store)) == 26 and not vera.screen.is_busy)
        pages.let_go()
        await vera.settled()
        assert "by brightness" in vera.lines[1]
        assert vera.screen.queue.left == 9  # of ten
    store.close()


async def test_what_others_said_of_the_next_card_is_not_told_of_this_one(night, tmp_path, monkeypatch):
    store, url, ids = night
    monkeypatch.setattr("screens.review.company.LOOK_S", 0.01)
    async with console(url, tmp_path) as vera:
        await vera.settled()
        desk, looks = vera.screen.desk, []
        others = desk.others
        monkeypatch.setattr(desk, "others", lambda each: looks.append(each) or others(each))
        cards = Held(monkeypatch, desk, "card")
        await vera.pilot.press("j")  # a card that was read ahead: the one after those next is still to come
        await vera.until(lambda: cards.is_begun and vera.screen.card.object_id == ids[1])
        shown = best(store, ids[1])
        decide(store, session="a", reviewer="ada", candidate_id=shown, label=Label.REAL, shown={})
        looks.clear()
        await vera.until(lambda: len(looks) > 2)
        await vera.pilot.press("k")
        assert vera.screen.card.object_id == ids[0]
        assert "ada" not in vera.screen.company.said
        cards.let_go()
