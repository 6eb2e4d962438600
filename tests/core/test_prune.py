"""What `astrid db prune` may remove, and what stays whatever was processed again."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlmodel import col, func, select

from core.database.store import Store
from core.database.tables import (
    Candidate,
    Cutout,
    Difference,
    InjectedSource,
    OpenCard,
    Rejection,
    ScoreMap,
    SkyObject,
    Verdict,
)
from core.frames.outcome import CandidateFacts, InjectedFacts
from core.frames.queue import requeue
from core.operations import prune as pruning
from core.operations.prune import Pruned, prunable, prune
from core.review.cards import read_card
from core.review.chain import verify
from core.review.retractions import undo
from core.review.verdicts import annotate, decide, decide_in
from core.review.waiting import queue_page
from core.vocabulary import Label
from tests.core.blocks import packed
from tests.core.frames import add_frames, add_reference, candidate, difference_facts, done, process
from tests.core.rows import add_candidate

PLACES = (20.0, 40.0, 60.0, 80.0)
ADA = {"session": "s", "reviewer": "ada"}


def shown(version: str, x: float) -> CandidateFacts:
    return candidate(x, 50.0, cutouts=f"{version} at {x:g}".encode())


def processed(store: Store, reference: int, version: str, *more: CandidateFacts) -> list[int]:
    """The candidates of the next frame, in order of x, as processed with the settings of a version."""
    outcome = done(
        reference,
        *(shown(version, x) for x in PLACES),
        *more,
        difference=difference_facts(reference, config_hash=version),
        score_map=packed(),
    )
    return list(process(store, outcome).candidate_ids)


@pytest.fixture
def twice(store: Store) -> tuple[list[int], list[int]]:
    """A frame that was processed again with other settings: its candidates then, and now."""
    reference = add_reference(store).id or 0
    frames = add_frames(store, 1)
    old = processed(store, reference, "old")
    requeue(store, frames)
    return old, processed(store, reference, "new")


def cutouts(store: Store) -> dict[int, bytes]:
    with store.read() as db:
        return {row.candidate_id: row.pixels for row in db.exec(select(Cutout))}


def maps(store: Store) -> list[bool]:
    """Of each map whether its difference is current."""
    with store.read() as db:
        query = select(Difference.is_current).join(ScoreMap).order_by(col(Difference.id))
        return list(db.exec(query))


def object_of(store: Store, key: int) -> int:
    with store.read() as db:
        return db.get_one(Candidate, key).sky_object_id


def pruned(store: Store) -> dict[str, int]:
    return counts(prune(store, 0, lambda *_: None))


def counts(found: Pruned) -> dict[str, int]:
    return {each.what: each.count for each in found.images}


def test_images_of_what_was_superseded_go_and_facts_stay(store, twice):
    old, new = twice
    facts = (Candidate, Difference, SkyObject, Rejection)
    with store.read() as db:
        before = [db.exec(select(table).order_by(col(table.id))).all() for table in facts]
    told = prunable(store)
    assert counts(told) == {"cutouts": 4, "maps of significance": 1}
    assert told.images[0].size == len("old at 20") * 4
    assert told.images[1].size == len(packed())
    assert sorted(cutouts(store)) == sorted(old + new)  # it only told

    seen: list[tuple[int, int]] = []
    done_ = prune(store, told.count, lambda done, total, _: seen.append((done, total)))
    assert done_.images == told.images
    assert seen[-1] == (5, 5)
    assert sorted(cutouts(store)) == sorted(new)
    assert maps(store) == [True]
    with store.read() as db:
        assert [db.exec(select(table).order_by(col(table.id))).all() for table in facts] == before
    assert pruned(store) == counts(prunable(store)) == {}


def test_what_was_spoken_of_stays_with_all_that_was_seen_of_its_object(store, twice):
    old, new = twice
    decide(store, **ADA, candidate_id=old[0], label=Label.ARTEFACT, shown={})
    annotate(store, **ADA, candidate_id=new[1], tags=["host"])  # the tag is its object's
    decide(store, **ADA, candidate_id=old[2], label=Label.SUPERNOVA, shown={})
    undo(store, **ADA)  # the row tells for ever what was on the screen
    assert pruned(store) == {"cutouts": 1}  # and not the map of a difference with what stays
    assert old[3] not in cutouts(store)
    assert sorted(cutouts(store)) == sorted({*old, *new} - {old[3]})
    assert maps(store) == [False, True]
    assert verify(store) == []


def test_what_is_of_a_body_that_was_judged_stays(store, twice):
    old, new = twice
    with store.write() as db:
        for key in (old[0], old[1]):
            db.get_one(SkyObject, db.get_one(Candidate, key).sky_object_id).tracklet_id = 7
    decide(store, **ADA, candidate_id=new[0], label=Label.MOVING, shown={})
    assert pruned(store) == {"cutouts": 2}
    assert sorted(cutouts(store)) == sorted([*new, old[0], old[1]])


def test_what_somebody_looks_at_stays_until_the_card_is_closed(store, twice):
    old, _ = twice
    with store.write() as db:
        card = OpenCard(session="s", reviewer="ada", sky_object_id=object_of(store, old[1]), until=0.0)
        card.until = store.now(db) + 60.0
        db.add(card)
    assert pruned(store) == {"cutouts": 3}
    assert old[1] in cutouts(store)
    with store.write() as db:
        db.get_one(OpenCard, "s").until = 1.0
    assert pruned(store) == {"cutouts": 1, "maps of significance": 1}


def test_what_cannot_be_made_again_stays(store):
    alert = add_candidate(store, source="ztf", is_current=False)
    with store.write() as db:
        db.add(Cutout(candidate_id=alert, pixels=b"alert"))
    assert pruned(store) == {}
    assert cutouts(store) == {alert: b"alert"}


def test_an_injected_source_is_treated_as_any_other(store):
    """Did its superseded images stay, they alone would tell what it is; what is in the queue stays."""
    reference = add_reference(store).id or 0
    frames = add_frames(store, 1)
    for version in ("old", "new"):
        found = shown(version, 50.0)
        drawn = InjectedFacts(
            x=50.0, y=50.0, ra=found.ra, dec=found.dec, flux=900.0, snr=9.1, host="galaxy", found=True,
            mag=20.0, mag_system="ab", mag_per_day=0.1, candidate=found,
        )  # fmt: skip
        with store.read() as db:
            known = db.exec(select(InjectedSource.sky_object_id)).first()
        process(
            store,
            done(
                reference,
                shown(version, 20.0),
                injected=(replace(drawn, sky_object_id=known),),
                difference=difference_facts(reference, config_hash=version),
            ),
        )
        requeue(store, frames)
    assert pruned(store) == {"cutouts": 2}
    assert sorted(cutouts(store).values()) == [b"new at 20", b"new at 50"]
    rows = queue_page(store).rows
    assert len(rows) == 2
    assert {row.candidate_id for row in rows} == set(cutouts(store))


def test_processed_again_as_it_was_a_frame_has_its_images_back(store, twice):
    old, new = twice
    prune(store, 5, lambda *_: None)
    card = read_card(store, object_of(store, old[0]), old[0])
    assert card.cutouts is None
    assert card.cutouts_problem == (
        "The images were removed as superseded: with the settings of then and reference 1,"
        " `astrid queue retry 1` and then `astrid run` make them again."
    )
    requeue(store, [1])
    assert processed(store, 1, "old") == old
    assert {cutouts(store)[key] for key in old} == {b"old at 20", b"old at 40", b"old at 60", b"old at 80"}
    assert maps(store) == [True, False]
    assert pruned(store) == {"cutouts": 4, "maps of significance": 1}  # of the other settings now
    assert sorted(cutouts(store)) == sorted(old)
    assert not set(new) & set(cutouts(store))


def test_it_goes_on_where_it_was_ended_and_sees_what_changed_meanwhile(store, twice, monkeypatch):
    old, new = twice
    monkeypatch.setattr(pruning, "AT_ONCE", {"cutouts": 1, "maps of significance": 1})

    def end(done: int, _total: int, _what: str) -> None:
        if done == 1:
            decide(store, **ADA, candidate_id=old[2], label=Label.ARTEFACT, shown={})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(store, 5, end)
    assert sorted(cutouts(store)) == sorted([*old[1:], *new])
    assert pruned(store) == {"cutouts": 2}
    assert sorted(cutouts(store)) == sorted([old[2], *new])


def test_a_verdict_between_two_batches_keeps_what_it_judges(store, twice, monkeypatch):
    old, new = twice
    monkeypatch.setattr(pruning, "AT_ONCE", {"cutouts": 1, "maps of significance": 1})
    prune(store, 5, lambda done, *_: done == 1 and decide(
        store, **ADA, candidate_id=old[3], label=Label.ARTEFACT, shown={}
    ))  # fmt: skip
    assert sorted(cutouts(store)) == sorted([old[3], *new])
    assert maps(store) == [False, True]


def test_what_is_being_judged_at_this_moment_stays(store, twice):
    """A verdict that is not at its end: a server's other programs do not wait for it, SQLite's do."""
    old, new = twice
    begun, ended = threading.Event(), threading.Event()

    def judge() -> None:
        with store.write(durable=True) as db:
            decide_in(db, **ADA, candidate_id=old[0], label=Label.ARTEFACT, shown={})
            begun.set()
            ended.wait(1.0)

    thread = threading.Thread(target=judge)
    thread.start()
    begun.wait(10.0)
    try:
        pruned(store)
    finally:
        ended.set()
        thread.join()
    assert sorted(cutouts(store)) == sorted([old[0], *new])
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(Verdict)) == 1
