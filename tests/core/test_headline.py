"""Whether anything changed in a store, and how things stand, on each database."""

import time

import pytest
from sqlmodel import select

from core.database.store import open_store
from core.database.store_errors import StoreUnreachable
from core.database.tables import HealthEvent, Observation, PowerDevice, PowerSample, SkyObject
from core.frames import observations
from core.frames.queue import claim
from core.operations.changes import Changes
from core.operations.headline import Headline, OpenEvent, headline
from core.operations.runs import start
from core.operations.status import status
from core.review import states
from core.vocabulary import ReviewState
from tests.core.frames import frame_facts


def event(severity: str, message: str, **changes) -> HealthEvent:
    facts = {"check": message, "severity": severity, "message": message, "first_at": 1.0, "last_at": 1.0}
    return HealthEvent(**(facts | changes))


def add(store, *rows):
    with store.write() as session:
        session.add_all(rows)


def an_object(name: str, state: str = "unreviewed") -> SkyObject:
    """One with a card."""
    return SkyObject(name=name, review_state=state, best_score=0.5, best_candidate_id=1)


class TestChanges:
    def test_a_write_by_anybody_is_a_change(self, store, store_url):
        changes, other = Changes(store), open_store(store_url)
        seen = [changes.token()]
        add(store, SkyObject(name="ours"))
        seen.append(changes.token())
        add(other, SkyObject(name="theirs"))
        seen.append(changes.token())
        other.close()
        assert len(set(seen)) == 3

    def test_reading_is_no_change_on_sqlite(self, sqlite_store):
        changes = Changes(sqlite_store)
        before = changes.token()
        headline(sqlite_store)
        assert changes.token() == before

    def test_after_a_lost_connection_everything_may_have_changed(self, store):
        changes = Changes(store)
        before = changes.token()
        changes.close()
        assert changes.token() != before

    def test_a_database_that_is_gone_is_one_sentence_and_comes_back(self, sqlite_store, tmp_path):
        changes = Changes(sqlite_store)
        before = changes.token()
        (tmp_path / "astrid.db").rename(tmp_path / "hidden.db")
        changes.close()
        sqlite_store.close()
        with pytest.raises(StoreUnreachable, match="cannot be used"):
            changes.token()
        (tmp_path / "hidden.db").rename(tmp_path / "astrid.db")
        assert changes.token() != before


class TestHeadline:
    def test_an_empty_store_has_nothing_to_tell(self, store):
        assert headline(store) == Headline()

    def test_it_counts_frames_and_objects(self, store):
        observations.register(store, [frame_facts(number) for number in range(1, 4)])
        claim(store, "run-1/0", 60)
        add(store, an_object("a"), an_object("b", "real"), an_object("c", "escalated"),
            SkyObject(name="of which all is superseded"))  # fmt: skip
        now = headline(store)
        assert status(store)["awaiting_verdict"] == 2
        assert (now.awaiting, now.queued, now.running, now.failed) == (2, 2, 1, 0)

    def test_it_counts_frames_that_nothing_will_become_of_by_themselves(self, store):
        observations.register(store, [frame_facts(number) for number in range(7)])
        states = ["waiting", "waiting", "rejected", "quarantined", "dropped", "calibration", "done"]
        with store.write() as db:
            for row, state in zip(db.exec(select(Observation)).all(), states, strict=True):
                row.state = state
        now = headline(store)
        assert (now.waiting, now.rejected, now.failed) == (2, 1, 1)

    def test_the_newest_run_stands_for_all(self, store):
        for _ in range(3):
            run = start(store, engine="local", workers=1, config_hash="x")
        told = headline(store).run
        assert (told.run_id, told.others, told.is_stopping) == (run.id, 2, False)

    def test_the_worst_trouble_that_lasts_is_told(self, store):
        add(store, event("warning", "little disk"), event("failed", "no disk"),
            event("failed", "seen", acknowledged_at=2.0), event("failed", "over", closed_at=2.0))  # fmt: skip
        assert headline(store).event == OpenEvent("failed", "no disk", 1)

    def test_only_a_fresh_draw_is_told(self, store):
        add(store, PowerDevice(device="h/gpu0", host="h", kind="gpu", name="GPU", seen_at=1.0))
        add(store, PowerSample(at=time.time() - 3600, device="h/gpu0", watts=100.0))
        assert headline(store).watts is None
        add(store, PowerSample(at=time.time(), device="h/gpu0", watts=120.0))
        assert headline(store).watts == 120.0


@pytest.mark.parametrize("few", [100, 0])
def test_what_awaits_is_counted_alike_whether_few_or_many_others_are_there(store, monkeypatch, few):
    monkeypatch.setattr(states, "_FEW", few)
    every = [*ReviewState, ReviewState.UNREVIEWED]
    add(store, *(an_object(f"{n}", state) for n, state in enumerate(every)))
    add(store, SkyObject(name="of which all is superseded"))
    with store.read() as db:
        assert states.count_awaiting(db) == 3
