"""Marked cards and all of a filter: one verdict on many, as each was shown."""

import pytest

from core.database.tables import Candidate, SkyObject
from core.review import verdicts as verdicts_at_once
from tests.core.rows import reference_of_the_night
from tests.stories.desk import console, verdicts
from tests.stories.judged import SIZES, best, states


@pytest.mark.parametrize("size", SIZES)
async def test_marked_cards_get_one_verdict_that_is_undone_as_one_step_later(night, tmp_path, size):
    store, url, _ = night
    async with console(url, tmp_path, size) as vera:
        await vera.press("space", "space")
        assert "2 marked" in vera.lines[1]
        await vera.press("B")
        await vera.type("dipole")
        await vera.press("enter")
        await vera.until(lambda: "2 objects" in vera.text)
        assert states(store)[:3] == ["bogus", "bogus", "unreviewed"]
        assert "3 of 5" in vera.lines[1]
        assert "marked" not in vera.lines[1]
    assert {row.shown["by"] for row in verdicts(store)} == {"bulk"}
    async with console(url, tmp_path, size) as vera:
        await vera.press("u")
        assert "u again takes back dipole of 2 objects" in vera.text
        await vera.press("u")
        assert "taken back: dipole for 2 verdicts" in vera.text
        assert "of 5" in vera.lines[1]  # both are cards of this queue again
        assert set(states(store)) == {"unreviewed"}
        await vera.press("ctrl+r")
        assert states(store)[:3] == ["bogus", "bogus", "unreviewed"]


async def test_a_marked_card_is_judged_by_the_detection_that_was_shown(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "left_square_bracket")
        earlier = vera.screen.card.candidate_id
        assert earlier != best(store, ids[1])
        await vera.press("space", "space", "B")
        await vera.type("dipole")
        await vera.press("enter")
        await vera.until(lambda: "2 objects" in vera.text)
    assert {row.candidate_id for row in verdicts(store)} == {earlier, best(store, ids[2])}


async def test_all_of_a_filter_get_one_verdict_once_it_is_confirmed(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("B")
        assert "mark cards with space" in vera.text
        await vera.press("slash")
        await vera.type("score>22.8")
        await vera.pilot.press("B")
        for character in "nonsense":
            await vera.pilot.press(character)
        await vera.pilot.press("enter")
        await vera.until(lambda: "is no verdict" in vera.text)
        await vera.pilot.press("ctrl+u", *"trail", "enter")
        await vera.until(lambda: "for 2 objects" in vera.text)
        assert verdicts(store) == []
        await vera.pilot.press(*"trail", "enter")
        await vera.until(lambda: len(verdicts(store)) == 2)
        await vera.ready()
    assert states(store) == ["bogus", "bogus", "unreviewed", "unreviewed", "unreviewed"]
    assert {row.shown["filter"] for row in verdicts(store)} == {"score>22.8"}


async def test_who_presses_enter_before_the_word_that_is_asked_for_judges_by_no_letter_of_it(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>22.8")
        await vera.press("B")
        await vera.type("real")
        await vera.until(lambda: "type real" in vera.text)
        await vera.pilot.press("enter", *"real", "enter")
        await vera.until(lambda: len(verdicts(store)) > 0)
        await vera.settled()
    assert [(row.label, row.sky_object_id) for row in verdicts(store)] == [("real", each) for each in ids[:2]]


async def test_of_more_than_one_verdict_can_fall_on_nobody_is_asked(night, tmp_path, monkeypatch):
    store, url, _ = night
    monkeypatch.setattr(verdicts_at_once, "MOST_AT_ONCE", 3)
    async with console(url, tmp_path) as vera:
        await vera.press("slash")
        await vera.type("score>0")
        await vera.press("B")
        await vera.type("dipole")
        await vera.until(lambda: "more than 3 pass" in vera.text and "narrow the filter" in vera.text)
        await vera.press("j")
        assert "2 of 5" in vera.lines[1]
    assert not verdicts(store)


async def test_a_card_that_is_judged_by_itself_is_marked_no_longer(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space", "k", "r")
        assert "1 marked" in vera.lines[1]
        await vera.press("B")
        await vera.type("artefact")
        await vera.pilot.press("enter")
        await vera.until(lambda: len(verdicts(store)) == 2)
    with store.read() as db:
        assert [db.get_one(SkyObject, key).review_label for key in ids[:2]] == ["artefact", "real"]


async def test_marks_stay_while_the_filter_and_the_order_change(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("space")
        await vera.press("slash")
        await vera.type("snr>0")
        await vera.press("O")
        await vera.until(lambda: "by brightness" in vera.lines[1] and vera.screen.card is not None)
        assert "1 marked" in vera.lines[1]
        await vera.press("escape", "j", "space")
        assert "2 marked" in vera.lines[1]
        await vera.press("B")
        await vera.type("dipole")
        await vera.press("enter")
        await vera.until(lambda: "2 objects" in vera.text)
        assert "marked" not in vera.lines[1]
    assert {row.sky_object_id for row in verdicts(store)} > {ids[0]}
    assert len(verdicts(store)) == 2


async def test_a_marked_card_is_judged_by_what_was_shown_though_a_better_one_came_since(night, tmp_path):
    store, url, ids = night
    seen = best(store, ids[0])
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space")
        with store.write() as db:
            facts = db.get_one(Candidate, seen).model_dump(exclude={"id"})
            newer = Candidate(**(facts | {"external_id": "later", "mjd": facts["mjd"] + 1.0, "score": 99.0}))
            db.add(newer)
            db.flush()
            db.get_one(SkyObject, ids[0]).best_candidate_id = newer.id
        await vera.press("B")
        await vera.type("dipole")
        await vera.press("enter")
        await vera.until(lambda: "2 objects" in vera.text)
    assert {row.candidate_id for row in verdicts(store)} == {seen, best(store, ids[1])}


async def test_of_a_marked_card_whose_detection_counts_no_longer_the_best_one_is_judged(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("j", "left_square_bracket")
        earlier = vera.screen.card.candidate_id
        await vera.press("space")
        with store.write() as db:
            db.get_one(Candidate, earlier).is_current = False
        await vera.press("B")
        await vera.type("dipole")
        await vera.press("enter")
        await vera.until(lambda: "1 object " in vera.text)
    assert [row.candidate_id for row in verdicts(store)] == [best(store, ids[1])]


async def test_of_many_that_are_judged_real_at_once_it_is_told_too(night, tmp_path):
    """One card back need be none of them, and so no key is named."""
    store, url, _ = night
    number = reference_of_the_night(store)
    async with console(url, tmp_path) as vera:
        await vera.press("space", "space", "B")
        await vera.type("real")
        await vera.press("enter")
        await vera.until(lambda: f"light of some may be in reference {number}" in vera.text)
        assert "k, o" not in vera.text
