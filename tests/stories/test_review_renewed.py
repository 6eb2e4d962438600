"""A card on which something happens while it is open: as seen at the console."""

import pytest

from core.database.tables import Candidate, SkyObject
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from screens.review.company import Company
from tests.core.rows import add_candidate
from tests.stories.desk import console, verdicts

BOB = {"session": "b", "reviewer": "bob"}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr("screens.review.company.LOOK_S", 0.1)


def best(store, object_id):
    with store.read() as db:
        return db.get_one(SkyObject, object_id).best_candidate_id


def add_detection(store, object_id, mjd=61003.1):
    """One more that is the best of its object, on its frame; with its id."""
    with store.read() as db:
        row = db.get_one(Candidate, best(store, object_id))
    same = row.model_dump(include={"observation_id", "difference_id", "frame", "filter", "ra", "dec", "mag"})
    return add_candidate(store, object_id, mjd=mjd, snr=99.0, score=99.0, **same)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_new_detection_is_counted_while_the_one_that_is_looked_at_stays(night, tmp_path, size):
    store, url, ids = night
    looked_at = best(store, ids[1])
    async with console(url, tmp_path, size) as vera:
        await vera.press("j")
        assert "detection 2 of 2" in vera.lines[1]
        newer = add_detection(store, ids[1])
        await vera.until(lambda: "detection 2 of 3" in vera.lines[1])
        assert "seen 3×" in vera.text
        assert "changed meanwhile" in vera.lines[-2]
        assert "2 of 5" in vera.lines[1]
        await vera.press("right_square_bracket")
        assert vera.screen.card.candidate_id == newer
        await vera.press("left_square_bracket")
        assert "changed meanwhile" not in vera.text
        await vera.press("x")
    (verdict,) = verdicts(store)
    assert verdict.candidate_id == looked_at


async def test_a_verdict_right_after_a_change_falls_on_the_card_that_is_shown(night, tmp_path):
    store, url, ids = night
    looked_at = best(store, ids[0])
    async with console(url, tmp_path) as vera:
        add_detection(store, ids[0])
        await vera.until(lambda: "changed meanwhile" in vera.text)
        await vera.pilot.press("x")
        await vera.until(lambda: len(verdicts(store)) == 1)
        await vera.ready()
        assert "artefact" in vera.lines[-2]
        assert "2 of 5" in vera.lines[1]
    assert verdicts(store)[0].candidate_id == looked_at


async def test_a_detection_that_counts_no_longer_gives_way_to_the_best(night, tmp_path):
    store, url, ids = night
    looked_at = best(store, ids[0])
    async with console(url, tmp_path) as vera:
        newer = add_detection(store, ids[0])
        with store.write() as db:
            db.get_one(Candidate, looked_at).is_current = False
        await vera.until(lambda: vera.screen.card.candidate_id == newer)
        await vera.press("x")
    assert verdicts(store)[0].candidate_id == newer


async def test_the_note_of_a_colleague_appears_on_the_open_card(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        annotate(store, **BOB, candidate_id=best(store, ids[0]), note="surely a nova")
        await vera.until(lambda: "changed meanwhile  note surely a nova (bob)" in vera.lines[-2])
        assert "1 of 5" in vera.lines[1]


async def test_the_page_of_details_tells_what_came_while_it_is_open(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.press("o")
        assert "surely a nova" not in vera.text
        await vera.press("G")
        sheet = vera.app.screen
        scrolled = sheet.query_one("#sheet-body").scroll_y
        assert scrolled > 0
        annotate(store, **BOB, candidate_id=best(store, ids[0]), note="surely a nova")
        await vera.until(lambda: "surely a nova" in vera.text)
        assert vera.app.screen is sheet
        assert sheet.query_one("#sheet-body").scroll_y == scrolled  # the reader is left where he was
        await vera.press("escape")
        assert vera.app.screen is vera.screen
        annotate(store, **BOB, candidate_id=best(store, ids[0]), note="or a supernova")
        await vera.until(lambda: "or a supernova" in vera.lines[-2])


async def test_what_one_writes_oneself_is_no_change_by_others(night, tmp_path):
    _store, url, _ = night
    async with console(url, tmp_path) as vera:
        await vera.press("w")
        await vera.type("near the core")
        await vera.pilot.pause(0.5)
        assert "note kept: near the core" in vera.lines[-2]
        await vera.press("x", "k")
        await vera.pilot.pause(0.5)
        assert "changed meanwhile" not in vera.text


async def test_blind_nothing_tells_that_others_spoke(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path, more="blind = true\n") as vera:
        before = vera.screen.card.stamp
        annotate(store, **BOB, candidate_id=best(store, ids[0]), note="surely a nova")
        decide(store, **BOB, candidate_id=best(store, ids[0]), label=Label.REAL, shown={})
        await vera.until(lambda: vera.screen.card.stamp != before)
        await vera.pilot.pause(0.3)
        assert "changed meanwhile" not in vera.text
        assert "nova" not in vera.text
        await vera.press("x", "k")
        assert "surely a nova" in vera.text


async def test_a_new_filter_reads_all_cards_anew(night, tmp_path, monkeypatch):
    async def nobody_looks(*_):
        pass

    monkeypatch.setattr(Company, "_renew", nobody_looks)
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await vera.settled()  # the next cards were read ahead
        annotate(store, **BOB, candidate_id=best(store, ids[1]), note="surely a nova")
        await vera.press("slash")
        await vera.type("snr>0")
        await vera.press("j")
        assert "surely a nova" in vera.text
