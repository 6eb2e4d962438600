"""Verdicts are appended, chained, and taken back without limit."""

import threading

import numpy as np
import pytest
from sqlalchemy import event, text
from sqlmodel import select

from core.database.store import open_store
from core.database.tables import Candidate, SkyObject, Verdict
from core.review.chain import FIRST_HASH, row_hash, session_heads, verify
from core.review.retractions import objects_of_step, redo, step_size, undo
from core.review.verdicts import VerdictError, annotate, decide, decide_together
from core.vocabulary import LABELS, Label, ReviewState
from tests.core.rows import add_candidate, add_object

ADA = {"session": "ada-1", "reviewer": "ada"}
BOB = {"session": "bob-1", "reviewer": "bob"}


def judge(store, candidate, label, who=ADA, **more):
    return decide(store, **who, candidate_id=candidate, label=label, shown=more.pop("shown", {}), **more)


def state_of(store, sky_object_id):
    with store.read() as db:
        row = db.get_one(SkyObject, sky_object_id)
        return row.review_state, row.review_label


@pytest.fixture
def one(store):
    """An object and its one candidate."""
    sky_object = add_object(store)
    return sky_object, add_candidate(store, sky_object)


def test_each_label_leaves_its_state(store, one):
    sky_object, candidate = one
    for label in Label:
        judge(store, candidate, label)
        assert state_of(store, sky_object) == (LABELS[label].review_state, label)


def test_a_verdict_comes_back_as_it_was_given(store, one):
    sky_object, candidate = one
    shown = {"scores": {"tree": np.float32(0.5)}, "stretch": "asinh", "n": np.int64(3), "bad": float("nan")}
    given = judge(store, candidate, Label.REAL, shown=shown, note="host à côté", tags=["sn", "host"])
    with store.read() as db:
        row = db.get_one(Verdict, given.id)
    assert (row.candidate_id, row.sky_object_id, row.reviewer) == (candidate, sky_object, "ada")
    assert row.note == "host à côté"
    assert row.tags == ["sn", "host"]
    assert {key: row.shown[key] for key in shown} == {
        "scores": {"tree": 0.5}, "stretch": "asinh", "n": 3, "bad": None,
    }  # fmt: skip


def test_text_that_no_database_holds_breaks_nothing(store, one):
    judge(store, one[1], Label.REAL, note="a\x00b\ud800", tags=["\x00"], shown={"stretch\x00": "\udfff"})
    assert verify(store) == []
    with store.read() as db:
        assert db.exec(select(Verdict.note)).one() == "a\N{REPLACEMENT CHARACTER}b?"


def test_an_unknown_candidate_is_a_clear_error_and_leaves_no_row(store):
    with pytest.raises(VerdictError, match="no candidate 4711"):
        judge(store, 4711, Label.REAL)
    with pytest.raises(VerdictError, match="no candidate 4711"):
        annotate(store, **ADA, candidate_id=4711, note="x")
    assert session_heads(store) == []


def test_an_unknown_label_is_refused(store, one):
    with pytest.raises(ValueError, match="splendid"):
        judge(store, one[1], "splendid")


def test_undo_goes_back_through_all_and_then_has_nothing(store, one):
    sky_object, candidate = one
    judge(store, candidate, Label.REAL)
    judge(store, candidate, Label.DIPOLE)
    judge(store, candidate, Label.SUPERNOVA)
    states = []
    while undo(store, **ADA):
        states.append(state_of(store, sky_object))
    assert states == [
        (ReviewState.BOGUS, Label.DIPOLE),
        (ReviewState.REAL, Label.REAL),
        (ReviewState.UNREVIEWED, None),
    ]
    with store.read() as db:
        assert len(db.exec(select(Verdict)).all()) == 6  # nothing was removed


def test_undo_reaches_back_to_an_earlier_session(store, one):
    sky_object, candidate = one
    first = judge(store, candidate, Label.REAL)
    taken_back = undo(store, session="ada-2", reviewer="ada")
    assert taken_back.retracts_id == first.id
    assert taken_back.session == "ada-2"
    assert state_of(store, sky_object) == (ReviewState.UNREVIEWED, None)


def test_undo_takes_back_the_reviewers_own_only(store, one):
    sky_object, candidate = one
    judge(store, candidate, Label.ARTEFACT, BOB)
    assert undo(store, **ADA) is None
    judge(store, candidate, Label.REAL, ADA)
    undo(store, **BOB)
    assert state_of(store, sky_object) == (ReviewState.REAL, Label.REAL)
    undo(store, **ADA)
    assert state_of(store, sky_object) == (ReviewState.UNREVIEWED, None)


def test_redo_gives_all_that_was_undone_again_in_order(store, one):
    sky_object, candidate = one
    judge(store, candidate, Label.REAL, note="first", shown={"stretch": "log"})
    judge(store, candidate, Label.DIPOLE)
    undo(store, **ADA)
    undo(store, **ADA)
    again = redo(store, **ADA)
    assert (again.label, again.note, again.shown["stretch"]) == (Label.REAL, "first", "log")
    assert redo(store, **ADA).label == Label.DIPOLE
    assert redo(store, **ADA) is None
    assert state_of(store, sky_object) == (ReviewState.BOGUS, Label.DIPOLE)
    undo(store, **ADA)
    assert state_of(store, sky_object) == (ReviewState.REAL, Label.REAL)
    assert redo(store, **ADA).label == Label.DIPOLE


def test_a_new_decision_ends_redo(store, one):
    _, candidate = one
    judge(store, candidate, Label.REAL)
    undo(store, **ADA)
    judge(store, candidate, Label.TRAIL)
    assert redo(store, **ADA) is None


def test_a_note_decides_nothing_and_is_no_obstacle_to_undo_and_redo(store, one):
    sky_object, candidate = one
    judge(store, candidate, Label.REAL)
    undo(store, **ADA)
    note = annotate(store, **ADA, candidate_id=candidate, note="bright host", tags=["host"])
    assert note.label is None
    assert state_of(store, sky_object) == (ReviewState.UNREVIEWED, None)
    assert redo(store, **ADA).label == Label.REAL
    assert undo(store, **ADA).candidate_id == candidate
    with pytest.raises(VerdictError, match="says nothing"):
        annotate(store, **ADA, candidate_id=candidate, note="  ")


def test_a_snooze_remembers_when_and_ends_with_a_new_detection(store):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object, mjd=60000.0)
    judge(store, candidate, Label.SNOOZE)
    with store.read() as db:
        assert db.get_one(SkyObject, sky_object).snoozed_at_mjd == 60000.0
    judge(store, candidate, Label.REAL)
    add_candidate(store, sky_object, mjd=60005.0)
    undo(store, **ADA)  # the snooze stands again, but the object was detected since
    assert state_of(store, sky_object) == (ReviewState.UNREVIEWED, None)


@pytest.mark.parametrize(
    ("label", "days"), [(Label.COSMIC_RAY, 0.0), (Label.TRAIL, 0.0), (Label.MOVING, 0.5)]
)
def test_what_is_there_but_once_stands_until_something_is_there_later(store, label, days):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object, mjd=60000.0)
    judge(store, candidate, label)
    with store.read() as db:
        assert db.get_one(SkyObject, sky_object).snoozed_at_mjd == 60000.0 + days
    add_candidate(store, sky_object, mjd=60000.0 + days)  # the same body may still be there
    judge(store, candidate, Label.REAL)
    undo(store, **ADA)
    assert state_of(store, sky_object) == (LABELS[label].review_state, label)
    judge(store, candidate, Label.REAL)
    add_candidate(store, sky_object, mjd=60000.1 + days)
    undo(store, **ADA)
    assert state_of(store, sky_object) == (ReviewState.UNREVIEWED, None)


def test_the_verdict_on_one_object_leaves_others_alone(store, one):
    other = add_object(store)
    add_candidate(store, other)
    judge(store, one[1], Label.REAL)
    assert state_of(store, other) == (ReviewState.UNREVIEWED, None)


def test_chains_run_within_sessions_and_end_in_their_heads(store, one):
    _, candidate = one
    bobs = [judge(store, candidate, Label.REAL, BOB)]
    rows = [judge(store, candidate, Label.REAL), annotate(store, **ADA, candidate_id=candidate, note="n")]
    bobs += [judge(store, candidate, Label.REAL, BOB)]
    rows += [undo(store, **ADA), redo(store, **ADA)]
    for chain in (rows, bobs):
        assert [row.sequence for row in chain] == list(range(1, len(chain) + 1))
        assert [row.previous_hash for row in chain] == [FIRST_HASH] + [row.hash for row in chain[:-1]]
    assert verify(store) == []
    heads = [(head.session, head.sequence, head.hash) for head in session_heads(store)]
    assert heads == [("ada-1", 4, rows[-1].hash), ("bob-1", 2, bobs[-1].hash)]


@pytest.mark.parametrize(
    "change",
    [
        "label = 'real'",
        "retracts_id = 1",
        "candidate_id = 2",
        "sky_object_id = 2",
        "reviewer = 'eve'",
        "note = 'x'",
        "tags = '[1]'",
        "shown = '{}'",
        "created_at = created_at + 1",
        "sequence = 9",
        "previous_hash = 'x'",
        "hash = 'x'",
        "session = 'eve-1'",
    ],
)
def test_any_change_breaks_the_chain(sqlite_store, change):
    candidate, _ = add_candidate(sqlite_store), add_candidate(sqlite_store)
    for label in (Label.TRAIL, Label.DIPOLE, Label.TRAIL):
        judge(sqlite_store, candidate, label)
    assert verify(sqlite_store) == []
    with sqlite_store.write() as db:
        db.execute(text(f"UPDATE verdict SET {change} WHERE sequence = 2"))
    assert verify(sqlite_store) != []


def test_a_row_that_is_gone_breaks_the_chain(store, one):
    for label in (Label.TRAIL, Label.DIPOLE, Label.TRAIL):
        judge(store, one[1], label)
    with store.write() as db:
        db.execute(text("DELETE FROM verdict WHERE sequence = 2"))
    (link,) = verify(store)
    assert (link.session, link.sequence) == ("ada-1", 3)
    assert "another row before it" in link.reason


def test_a_change_with_its_hash_made_anew_breaks_the_next_link(store, one):
    for label in (Label.TRAIL, Label.DIPOLE, Label.TRAIL):
        judge(store, one[1], label)
    with store.write() as db:
        row = db.exec(select(Verdict).where(Verdict.sequence == 2)).one()
        row.label = Label.REAL
        row.hash = row_hash(row)
        db.add(row)
    assert [link.sequence for link in verify(store)] == [3]


def test_state_and_verdict_are_written_together_or_not_at_all(store, one):
    sky_object, candidate = one

    def fail(mapper, connection, target):
        raise RuntimeError("the disk is full")

    event.listen(SkyObject, "before_update", fail)
    try:
        with pytest.raises(RuntimeError):
            judge(store, candidate, Label.REAL)
    finally:
        event.remove(SkyObject, "before_update", fail)
    assert session_heads(store) == []
    assert state_of(store, sky_object) == (ReviewState.UNREVIEWED, None)


def test_two_at_once_in_one_session_make_one_chain(store, store_url):
    candidates = [add_candidate(store) for _ in range(2)]
    failures = []

    def work(candidate):
        mine = open_store(store_url)
        try:
            for _ in range(10):
                judge(mine, candidate, Label.REAL)
        except Exception as error:  # noqa: BLE001 a thread must report whatever ended it
            failures.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=work, args=(candidate,)) for candidate in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert verify(store) == []
    assert [head.sequence for head in session_heads(store)] == [20]


def test_many_verdicts_of_one_step_are_undone_and_redone_as_one(store):
    before = add_candidate(store)
    many = [add_candidate(store) for _ in range(4)]
    decide(store, **ADA, candidate_id=before, label=Label.REAL, shown={})
    given = decide_together(store, **ADA, candidate_ids=many, label=Label.DIPOLE, shown={"by": "bulk"})
    assert [row.candidate_id for row in given] == many
    assert step_size(given[0]) == 4
    assert _labels(store, [before, *many]) == ["real", *["dipole"] * 4]

    taken = undo(store, session="another day", reviewer="ada")
    assert step_size(taken) == 4
    assert _labels(store, [before, *many]) == ["real", None, None, None, None]
    again = redo(store, session="a third", reviewer="ada")
    assert (again.label, step_size(again)) == ("dipole", 4)
    assert _labels(store, [before, *many]) == ["real", *["dipole"] * 4]
    assert redo(store, session="a third", reviewer="ada") is None

    undo(store, session="a third", reviewer="ada")
    undo(store, session="a third", reviewer="ada")
    assert _labels(store, [before, *many]) == [None] * 5
    assert step_size(redo(store, session="a third", reviewer="ada")) == 1
    assert step_size(redo(store, session="a third", reviewer="ada")) == 4
    assert _labels(store, [before, *many]) == ["real", *["dipole"] * 4]
    assert verify(store) == []


def test_a_step_is_none_of_what_was_decided_before_and_after_it(store):
    objects = [add_object(store) for _ in range(4)]
    candidates = [add_candidate(store, each) for each in objects]
    judge(store, candidates[0], Label.REAL)
    step = decide_together(store, **ADA, candidate_ids=candidates[1:3], label=Label.DIPOLE, shown={})
    judge(store, candidates[3], Label.REAL)
    assert [objects_of_step(store, row) for row in step] == [tuple(objects[1:3])] * 2
    undo(store, **ADA)
    taken = undo(store, **ADA)
    assert (step_size(taken), objects_of_step(store, taken)) == (2, tuple(objects[1:3]))
    assert _labels(store, candidates) == ["real", None, None, None]
    redo(store, **ADA)
    assert _labels(store, candidates) == ["real", "dipole", "dipole", None]


def test_a_step_with_a_candidate_that_does_not_exist_writes_nothing(store):
    candidate = add_candidate(store)
    with pytest.raises(VerdictError, match="no candidate"):
        decide_together(store, **ADA, candidate_ids=[candidate, 999999], label=Label.REAL, shown={})
    with pytest.raises(VerdictError, match="at once"):
        decide_together(store, **ADA, candidate_ids=[], label=Label.REAL, shown={})
    assert _labels(store, [candidate]) == [None]
    assert undo(store, **ADA) is None


def _labels(store, candidates):
    with store.read() as db:
        found = {
            row.id: label
            for row, label in db.execute(
                select(Candidate, SkyObject.review_label).join(
                    SkyObject, Candidate.sky_object_id == SkyObject.id
                )
            )
        }
    return [found[each] for each in candidates]


def test_consoles_of_one_reviewer_take_back_different_verdicts_at_once(store):
    """Each of many undos at the same moment takes back a verdict of its own."""
    candidates = [add_candidate(store, add_object(store)) for _ in range(6)]
    given = {judge(store, candidate, Label.REAL).id for candidate in candidates}
    start = threading.Barrier(len(candidates))
    found = []

    def work(number):
        start.wait()
        row = undo(store, session=f"ada-{number}", reviewer="ada")
        found.append(row.retracts_id if row else None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(candidates))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == given
    assert undo(store, **ADA) is None
