"""One card for one body that moves: at the console, and without a screen."""

from threading import Event

import pytest
from sqlmodel import select

from core.database.store import open_store
from core.database.tables import SkyObject, Verdict
from screens.review.desk import Desk
from tests.core.test_tracklets import linked_mover
from tests.stories.desk import console
from tests.stories.test_review_linear import within

LINKED = ["linked", "linked", "linked", "unreviewed"]


@pytest.fixture
def body(store_url):
    """A body of four detections and a star on each database; the candidates of the body in time."""
    store = open_store(store_url)
    candidates = linked_mover(store)
    yield store, store_url, candidates
    store.close()


def states(store, candidates) -> list[str]:
    from core.database.tables import Candidate

    with store.read() as db:
        mine = {row.sky_object_id for row in db.exec(select(Candidate)) if row.id in candidates}
        return sorted(row.review_state for row in db.exec(select(SkyObject)) if row.id in mine)


async def test_what_is_taken_back_did_not_come_in_anew(body, tmp_path, monkeypatch) -> None:
    """While an undo is on its way the store tells of one card more: the queue does not begin anew for it."""
    store, url, candidates = body
    undo, page, undone, paged = Desk.undo, Desk.page, Event(), Event()

    def slow_undo(desk):
        found = undo(desk)
        assert undone.wait(60)
        return found

    def slow_page(desk, **asked):
        assert paged.wait(60)
        return page(desk, **asked)

    try:
        async with console(url, tmp_path, (140, 40)) as desk:
            paged.set()
            await desk.type("/tracklet:any")
            await desk.press("]", "]", "m")
            paged.clear()
            monkeypatch.setattr(Desk, "undo", slow_undo)
            monkeypatch.setattr(Desk, "page", slow_page)
            await desk.pilot.press("u")
            await desk.until(lambda: states(store, candidates) == LINKED)
            for _ in range(3):
                desk.app.look()
                await desk.pilot.pause(0.2)
            undone.set()
            await desk.until(lambda: not desk.screen.is_busy)
            paged.set()
            await desk.ready()
            await desk.settled()
            assert desk.screen.card.candidate_id == candidates[2]
    finally:
        undone.set()
        paged.set()


async def test_a_reviewer_steps_through_a_body_and_judges_it_once(body, tmp_path) -> None:
    store, url, candidates = body
    async with console(url, tmp_path, (140, 40)) as desk:
        await desk.type("/tracklet:any")
        assert desk.screen.queue.total == 1
        assert "4 objects of tracklet 1: one card" in desk.text
        assert desk.screen.card.candidate_id == candidates[0]
        await desk.press("]", "]")
        assert desk.screen.card.candidate_id == candidates[2]
        name = desk.screen.card.name
        assert name in desk.text
        assert name in desk.screen.copied_text()
        await desk.press("m")
        assert f"{name} and 3 more of its tracklet" in desk.text
        assert states(store, candidates) == ["real"] * 4
        await desk.press("u")
        assert states(store, candidates) == LINKED
        assert desk.screen.card.candidate_id == candidates[2]  # where it was judged
        assert len(desk.screen.queue.entries) == 1
        await desk.press("x")
        assert states(store, candidates) == ["bogus", "linked", "linked", "unreviewed"]
    with store.read() as db:
        rows = db.exec(select(Verdict).order_by(Verdict.id)).all()
    assert [(row.candidate_id, row.label) for row in rows] == [
        (candidates[2], "moving"),
        (candidates[2], None),
        (candidates[2], "artefact"),
    ]


def test_commands_tell_of_a_body_what_they_tell_of_one_object(body, tmp_path) -> None:
    store, url, candidates = body
    said = within(url, tmp_path, "review", "--linear", "--filter", "tracklet:any", typed="moving\n")
    assert "1 object awaiting a verdict" in said
    assert "4 objects of tracklet 1: one card" in said
    assert "3 more objects of tracklet 1: the same." in said
    assert states(store, candidates) == ["real"] * 4
    within(url, tmp_path, "candidates", "undo")
    with store.read() as db:
        objects = sorted(row.id for row in db.exec(select(SkyObject)) if row.tracklet_id == 1)
    shown = within(url, tmp_path, "objects", "show", objects[1])
    assert "state     linked" in shown
    assert f"as part of tracklet 1, whose card object {objects[0]} carries" in shown
    assert "Tracklet 1: 4 detections" in shown
    listed = within(url, tmp_path, "candidates", "list", "--filter", "state:linked")
    assert listed.splitlines()[0].split()[-1] == "tracklet"
    assert [line.split()[-1] for line in listed.splitlines()[1:] if line.strip("-─ ")] == ["1"] * 3
    assert "judged_with: 4" in within(url, tmp_path, "candidates", "show", candidates[1])
