"""Pace, fatigue, self-agreement, and where a given time cuts the queue."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from core.database.tables import Candidate, Verdict
from core.review.pace import (
    AGAIN,
    BREAK_S,
    BY,
    COMMAND_LINE,
    FEWEST,
    WINDOW,
    PaceError,
    cut,
    due_again,
    pace,
    share,
    stretches,
)
from core.review.retractions import redo, undo
from core.review.verdicts import decide, decide_together
from core.vocabulary import Label
from tests.core.rows import add_candidate

ADA = {"session": "s", "reviewer": "ada"}


def judge(store, candidate, label, **shown):
    decide(store, **ADA, candidate_id=candidate, label=label, shown=shown)


def set_times(store, times):
    """Verdicts were given when told; the chain's hashes do not matter here."""
    with store.write() as db:
        for row, at in zip(db.exec(select(Verdict).order_by(Verdict.id)), times, strict=True):
            row.created_at = at
            db.add(row)


@given(st.lists(st.floats(0, 1e4), max_size=60))
def test_stretches_hold_every_verdict_once_and_no_break(times):
    times = sorted(times)
    found = list(stretches(times))
    assert sum(each.verdicts for each in found) == len(times)
    for one, other in itertools.pairwise(found):
        assert other.began - (one.began + one.seconds) > BREAK_S


def test_a_reviewer_who_slows_down_is_tired_and_one_who_does_not_is_not():
    steady = [3.0 * i for i in range(60)]
    slowing, now = [], 0.0
    for i in range(60):
        now += 3.0 + 0.1 * i
        slowing.append(now)
    (fresh,), (tired,) = stretches(steady), stretches(slowing)
    assert fresh.slowing == pytest.approx(1.0)
    assert not fresh.is_tired
    assert tired.is_tired
    assert next(stretches(steady[:WINDOW])).slowing is None


@given(st.integers(FEWEST, 500), st.floats(0, 1))
def test_an_interval_holds_its_share_and_stays_within_bounds(n, part):
    found = share(round(n * part), n)
    assert 0 <= found.low <= found.share <= found.high <= 1


def test_wilson_of_known_numbers():
    found = share(15, 20)  # R: binom::binom.wilson(15, 20)
    assert (found.low, found.high) == (pytest.approx(0.5313, abs=1e-4), pytest.approx(0.8881, abs=1e-4))
    assert share(5, FEWEST - 1).share is None


def test_a_pace_leaves_out_breaks_and_what_was_decided_at_once(store):
    candidates = [add_candidate(store) for _ in range(34)]
    for candidate in candidates[:30]:
        judge(store, candidate, Label.REAL)
    times = [4.0 * i for i in range(15)] + [1000 + 4.0 * i for i in range(15)]
    set_times(store, times)
    decide_together(store, **ADA, candidate_ids=candidates[30:], label=Label.DIPOLE, shown={})
    found = pace(store, "ada")
    assert (found.verdicts, found.gaps, found.seconds, found.per_hour) == (34, 28, 4.0, 900.0)
    assert [each.verdicts for each in found.stretches] == [15, 15]
    assert pace(store, "bob").per_hour is None


def test_a_time_cuts_the_queue_at_the_reviewers_own_pace_and_says_what_lies_below(store):
    for i in range(FEWEST + 1):
        judge(store, add_candidate(store, score=5.0), Label.REAL if i < 3 else Label.DIPOLE)
    set_times(store, [6.0 * i for i in range(FEWEST + 1)])
    waiting = [add_candidate(store, score=10.0 + i) for i in range(30)]
    found = cut(store, "ada", 2)  # 120 s at 6 s each
    assert (found.rank, found.below) == (20, 10)
    assert (found.real.hits, found.real.n) == (3, FEWEST + 1)
    low, high = found.expected_real
    assert 0 < low < 10 * 3 / 21 < high < 10
    assert cut(store, "ada", 60).below == 0
    with pytest.raises(PaceError, match="less than one"):
        cut(store, "ada", 0.09)
    assert cut(store, "ada", 0.11).rank == 1
    with pytest.raises(PaceError, match="not known yet"):
        cut(store, "bob", 25)
    assert len(waiting) == 30


def test_what_is_expected_below_is_unknown_where_too_little_was_judged_there(store):
    for _ in range(FEWEST + 1):
        judge(store, add_candidate(store, score=99.0), Label.REAL)
    set_times(store, [6.0 * i for i in range(FEWEST + 1)])
    for i in range(30):
        add_candidate(store, score=10.0 + i)
    assert cut(store, "ada", 2).expected_real is None


def test_self_agreement_is_of_cards_that_were_shown_again(store):
    candidates = [add_candidate(store) for _ in range(FEWEST)]
    for candidate in candidates:
        judge(store, candidate, Label.SUPERNOVA)
    for i, candidate in enumerate(candidates):
        judge(store, candidate, Label.REAL if i >= 5 else Label.DIPOLE, **{AGAIN: True})
    found = pace(store, "ada").self_agreement
    assert (found.hits, found.n, found.share) == (FEWEST - 5, FEWEST, 0.75)


@pytest.mark.parametrize("order", ["score", "brightness"])
def test_what_is_shown_again_is_near_in_rank_and_at_its_own_place(store, order):
    def add(value):
        return add_candidate(store, score=value, mag=30 - value)

    judged = {add(value): value for value in (99.0, 15.5, 12.5, 1.0)}
    for candidate in judged:
        judge(store, candidate, Label.REAL)
    waiting = [add(value) for value in (18.0, 16.0, 13.0, 12.0)]
    with store.read() as db:
        value_of = {row.sky_object_id: judged[row.candidate_id] for row in db.exec(select(Verdict))}
        among = [db.get_one(Candidate, each).sky_object_id for each in waiting]

    def due(count):
        found = due_again(store, "ada", count, before=9e9, among=among, order=order)
        return [(value_of[each], place) for each, place in found]

    assert due(2) == [(15.5, 2), (12.5, 3)]
    assert due(3) == [(15.5, 2), (12.5, 3), (1.0, 4)]  # 1 is nearer to what awaits than 99
    assert due(9) == [(99.0, 0), (15.5, 2), (12.5, 3), (1.0, 4)]


def test_only_what_one_decided_once_and_long_ago_is_due_again(store):
    one, two, asked = (add_candidate(store) for _ in range(3))
    judge(store, one, Label.REAL)
    judge(store, two, Label.REAL)
    judge(store, two, Label.REAL, **{AGAIN: True})
    judge(store, asked, Label.ASK_EXPERT)
    with store.read() as db:
        rows = list(db.exec(select(Verdict).order_by(Verdict.id)))
    late = rows[-1].created_at + 1
    assert due_again(store, "ada", 5, before=late) == [(rows[0].sky_object_id, 0)]
    assert due_again(store, "ada", 5, before=rows[0].created_at) == []
    assert due_again(store, "bob", 5, before=late) == []
    assert due_again(store, "ada", 0, before=late) == []


def test_what_was_taken_back_or_given_by_scripts_or_to_many_has_no_pace(sqlite_store):
    store = sqlite_store
    for i in range(FEWEST + 2):
        judge(store, add_candidate(store), Label.REAL)
        if i == 0:
            judge(store, add_candidate(store), Label.DIPOLE)
            undo(store, **ADA)
    for _ in range(FEWEST):
        judge(store, add_candidate(store), Label.DIPOLE, **{BY: COMMAND_LINE})
    many = [add_candidate(store) for _ in range(2 * FEWEST)]
    decide_together(store, **ADA, candidate_ids=many, label=Label.DIPOLE, shown={})
    times = [0.0, 1.0, 2.0, *(6.0 * i for i in range(1, FEWEST + 2))]
    set_times(store, times + [1000.0 + 0.1 * i for i in range(3 * FEWEST)])
    found = pace(store, "ada")
    assert (found.gaps, found.mean_s, found.seconds) == (FEWEST + 1, 6.0, 6.0)
    assert found.verdicts == FEWEST + 2 + 3 * FEWEST
    assert (found.as_json()["median_s"], found.as_json()["mean_s"]) == (6.0, 6.0)
    add_candidate(store)
    assert cut(store, "ada", 1).seconds == found.mean_s


def test_self_agreement_is_of_what_stands(sqlite_store):
    store = sqlite_store
    candidates = [add_candidate(store) for _ in range(FEWEST)]
    for candidate in candidates:
        judge(store, candidate, Label.REAL)
    for candidate in candidates:
        judge(store, candidate, Label.DIPOLE, **{AGAIN: True})  # a slip of the hand
        undo(store, **ADA)
        judge(store, candidate, Label.REAL, **{AGAIN: True})
    found = pace(store, "ada").self_agreement
    assert (found.hits, found.n) == (FEWEST, FEWEST)
    undo(store, **ADA)
    redo(store, **ADA)
    assert pace(store, "ada").self_agreement == found
