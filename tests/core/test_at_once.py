"""What several programs do with one store at the same moment: each is done, one after the other."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select, update

from core.database.store import Store
from core.database.tables import Assignment, CandidateMatch, Observation, Verdict
from core.frames import observations, queue
from core.frames.outcome import FrameOutcome
from core.frames.watched_folders import Watch, take
from core.frames.zeropoints import look, write
from core.models import versions
from core.objects.association import lock, refresh
from core.objects.known import write_known
from core.review.agreement import assign
from core.review.label_file import read_labels
from core.review.label_import import BATCH, Fate, Reach, bring, plan
from core.review.verdicts import decide, decide_together
from core.vocabulary import Label
from tests.core.frames import add_frames, add_reference, done, frame_facts, process
from tests.core.rows import add_candidate, add_object

PROGRAMS = 4


def at_once(work: Callable[[int], object]) -> list[object]:
    """What each of some threads returned that did the same at the same moment."""
    start = threading.Barrier(PROGRAMS)
    found: list[object] = []

    def one(number):
        start.wait()
        try:
            found.append(work(number))
        except Exception as error:  # noqa: BLE001 a thread must report whatever ended it
            found.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(PROGRAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def beside(
    store: Store,
    change: Callable[[Session], object],
    work: Callable[[], object],
    then: Callable[[Session], object] = lambda _: None,
) -> object:
    """What some work returned that began while a transaction had changed something and was not at its end."""
    found: list[object] = []

    def one() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 a thread must report whatever ended it
            found.append(error)

    thread = threading.Thread(target=one)
    with store.write() as session:
        change(session)
        thread.start()
        until_it_waits(store, thread)
        then(session)
    thread.join()
    return found[0]


def until_it_waits(store: Store, thread: threading.Thread) -> None:
    """SQLite's writers wait before they have seen anything."""
    end = time.monotonic() + 60.0
    while store.is_postgresql and thread.is_alive() and time.monotonic() < end:
        with store.read() as db:
            if db.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                return
        time.sleep(0.01)


def in_hand(frame: int) -> Callable[[Session], object]:
    """The change that lets a worker have a frame."""
    facts: dict[str, Any] = {"state": "running", "lease_token": "t", "lease_until": time.time() + 600.0}
    taken = update(Observation).where(col(Observation.id) == frame).values(**facts)
    return lambda session: session.exec(taken)


def state_of(store: Store, frame: int) -> str:
    return queue.states(store, [frame])[frame]


def add(store, digest):
    return versions.add(
        store, name="realbogus", digest=digest, origin="import", created_by="ann", description={}
    )


def test_a_model_is_one_version_however_often_it_is_added(store):
    found = at_once(lambda _: add(store, "a").number)
    assert found == [1] * PROGRAMS


def test_models_that_are_added_have_numbers_of_their_own(store):
    found = at_once(lambda number: add(store, f"{number}").number)
    assert sorted(found) == list(range(1, PROGRAMS + 1))


def test_each_roll_back_is_one_step_further_back(store):
    for number in range(PROGRAMS + 1):
        add(store, f"{number}")
        versions.promote(store, "realbogus", number + 1, by="ann")
    found = at_once(lambda _: versions.rollback(store, "realbogus", by="ann").number)
    assert sorted(found) == list(range(1, PROGRAMS + 1))


def test_an_expert_is_asked_once(store):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object)
    decide(store, session="s", reviewer="ada", candidate_id=candidate, label=Label.ASK_EXPERT, shown={})
    found = at_once(
        lambda number: assign(store, sky_object, f"e{number}", by="ada", at=1.0, session=f"s{number}")
    )
    assert len(set(found)) == 1
    with store.read() as db:
        assert len(db.exec(select(Assignment)).all()) == 1


def test_a_folder_is_taken_by_one(store, tmp_path):
    found = at_once(lambda _: take(store, tmp_path, interval_s=5.0))
    assert len(found) == PROGRAMS
    assert all(isinstance(each, Watch) for each in found)  # one process, which takes what it has
    assert len({each.folder_id for each in found}) == 1


def test_what_is_known_of_a_candidate_is_kept_once(store):
    candidates = [add_candidate(store) for _ in range(20)]

    def work(number):
        with store.write() as session:
            write_known(session, {key: {"star": {"by": number}} for key in candidates}, "s")

    assert at_once(work) == [None] * PROGRAMS
    with store.read() as db:
        assert db.query(CandidateMatch).count() == len(candidates)


def importer(store, tmp_path, candidates):
    """How each of some programs brings in the same labels."""
    path = tmp_path / "labels.csv"
    path.write_text("id,verdict,reviewer\n" + "".join(f"{key},real,eve\n" for key in candidates))
    labels = read_labels(path, {})
    rows = plan(store, labels, reviewer="eve", reach=Reach(1.0, 1.0), report=lambda *_: None)

    def work(number):
        found = bring(
            store, rows, sha256="", session_of=lambda who: f"{who}-{number}", report=lambda *_: None
        )
        return [row.fate for row in found].count(Fate.NEW)

    return work


def judge(store, number, candidates):
    """All of them as artefacts, at a sitting of its own."""
    return decide_together(
        store,
        session=f"s{number}",
        reviewer="ada",
        candidate_ids=candidates,
        label=Label.ARTEFACT,
        shown={},
    )


def test_labels_that_many_bring_in_are_stored_once(store, tmp_path):
    candidates = [add_candidate(store, add_object(store)) for _ in range(BATCH + 1)]
    found = at_once(importer(store, tmp_path, candidates))
    assert sum(found) == len(candidates)
    with store.read() as db:
        assert sorted(db.scalars(select(Verdict.candidate_id))) == candidates


def test_labels_and_verdicts_on_many_do_not_wait_for_each_other(store, tmp_path):
    candidates = [add_candidate(store, add_object(store)) for _ in range(BATCH + 1)]
    bring_in = importer(store, tmp_path, candidates[::-1])

    def work(number):
        if number == 0:
            return bring_in(number)
        return len(judge(store, number, candidates))

    assert at_once(work) == [len(candidates)] * PROGRAMS


def test_commits_and_verdicts_on_many_do_not_wait_for_each_other(store):
    objects = [add_object(store) for _ in range(20)]
    candidates = [add_candidate(store, key) for key in objects]

    def work(number):
        if number:
            for _ in range(3):
                judge(store, number, candidates)
            return
        for _ in range(10):  # as the commit of a frame does: some objects, and then others
            with store.write() as session:
                lock(session)
                refresh(session, objects[10:])
                refresh(session, objects[:10])

    assert at_once(work) == [None] * PROGRAMS


def test_a_frame_that_waited_and_is_in_hand_stays_so_when_its_reference_comes(store):
    (frame,) = add_frames(store, 1)
    process(store, FrameOutcome("waiting", "no reference"))
    beside(store, in_hand(frame), lambda: add_reference(store))
    assert state_of(store, frame) == "running"


def test_a_frame_that_was_refused_and_is_in_hand_stays_so_when_its_file_comes_again(store, monkeypatch):
    if not store.is_postgresql:
        pytest.skip("SQLite has one writer at a time")
    refused = frame_facts(1, width=None, state="quarantined", reason="no disk")
    (told,) = observations.register(store, [refused])
    drop_replaced = observations._drop_replaced

    def meanwhile(*arguments):
        drop_replaced(*arguments)
        with store.write() as session:
            in_hand(told.id)(session)

    monkeypatch.setattr(observations, "_drop_replaced", meanwhile)
    observations.register(store, [frame_facts(1, path="/data/elsewhere/n1.fits")])
    assert state_of(store, told.id) == "running"


def test_a_zeropoint_and_the_commit_of_its_frame_do_not_wait_for_each_other(store):
    (frame,) = add_frames(store, 1)
    made = process(store, done(add_reference(store).id))
    lack = look(store, frame, made.difference_id)

    def work():
        return write(store, lack, quality=None, remark=None, zeropoint=25.0, mag_system="ab")

    assert beside(store, in_hand(frame), work, then=lock) is None
    assert state_of(store, frame) == "running"
