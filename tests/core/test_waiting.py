"""The review queue: its orders, its pages and its filters."""

import itertools
from contextlib import closing

import pytest
from sqlalchemy import event
from sqlmodel import select

from core.database.keyset import PageError
from core.database.store import open_store
from core.database.tables import (
    Candidate,
    CandidateMatch,
    SkyObject,
)
from core.objects.association import refresh, wake
from core.review import names, waiting
from core.review.card_terms import conditions, holds_decided, parse
from core.review.filters import FilterError
from core.review.narrow import few
from core.review.retractions import redo, undo
from core.review.verdicts import annotate
from core.review.waiting import queue_count, queue_page
from core.vocabulary import Label, ReviewState
from tests.core.rows import ADA, add_candidate, add_object, judge

FILTERS = (
    "score<12 snr>5", "mag>20", "field:M*", "known:star", "known:none", "tag:host", "tag:any", "tag:none",
    "verdict:real", "verdict:none", "tracklet:none", "survey:any", "survey:none", "object:*", "score<3",
    "-tag:host -snr>15", "snr>16 or tag:host", "frame:k* (mag>20 or known:star) or score<2",
    "-known:star", "-verdict:real -mag>20",
    "score>=3 score<9", "zone:fast", "x>0", "object:aid*", "frame:k*", "mjd<60000.5",
    "frame:*2.fits", "frame:*x", "object:*7",
)  # fmt: skip


def queue(store, **more):
    return [row.object_id for row in queue_page(store, **more).rows]


def test_one_row_for_each_object_that_awaits_the_best_first(store):
    weak, strong = add_object(store), add_object(store)
    add_candidate(store, weak, score=6.0)
    add_candidate(store, strong, score=7.0)
    best = add_candidate(store, strong, score=60.0, snr=-60.0, filter="r", mag=17.0)
    rows = queue_page(store).rows
    assert [row.object_id for row in rows] == [strong, weak]
    assert (rows[0].candidate_id, rows[0].score, rows[0].snr, rows[0].mag) == (best, 60.0, -60.0, 17.0)
    assert rows[0].n_candidates == 2
    assert queue_count(store) == 2


def test_a_verdict_takes_an_object_out_and_undo_brings_it_back_to_its_place(store):
    candidates = [add_candidate(store, score=float(score)) for score in (9, 8, 7)]
    before = queue(store)
    judge(store, candidates[1], Label.DIPOLE)
    assert queue(store) == [before[0], before[2]]
    undo(store, **ADA)
    assert queue(store) == before
    redo(store, **ADA)
    assert queue_count(store) == 2


def test_what_an_expert_was_asked_about_waits_what_was_snoozed_does_not(store):
    asked, snoozed, unclear, fresh = (add_candidate(store, score=float(score)) for score in (9, 8, 7, 6))
    for candidate, label in [
        (asked, Label.ASK_EXPERT), (snoozed, Label.SNOOZE), (unclear, Label.INDETERMINATE)
    ]:  # fmt: skip
        judge(store, candidate, label)
    assert [row.candidate_id for row in queue_page(store).rows] == [asked, fresh]
    only = queue_page(store, states=[ReviewState.UNREVIEWED]).rows
    assert [row.candidate_id for row in only] == [fresh]
    assert queue_count(store, states=[ReviewState.ESCALATED]) == 1


def test_an_object_whose_candidates_are_all_superseded_makes_no_row(store):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object)
    with store.write() as db:
        db.get_one(Candidate, candidate).is_current = False
        refresh(db, [sky_object])
    assert queue(store) == []
    assert queue_count(store) == 0


def test_pages_are_the_whole_while_verdicts_fall_between_them(store):
    with store.write() as db:
        for number in range(1, 18):
            score = None if number % 6 == 0 else float(number % 5)
            state = ReviewState.ESCALATED if number % 3 == 0 else ReviewState.UNREVIEWED
            facts = {"best_score": score, "best_candidate_id": number, "review_state": state}
            db.add(SkyObject(id=number, name=str(number), **facts))
            db.flush()
            values = {"sky_object_id": number, "mjd": 1.0, "snr": 1.0}
            db.add(Candidate(id=number, external_id=str(number), **values))
    whole = queue(store)
    assert sorted(whole) == list(range(1, 18))
    seen, after = [], None
    while True:
        page = queue_page(store, limit=4, after=after)
        seen += [row.object_id for row in page.rows]
        judge(store, page.rows[-1].candidate_id, Label.REAL)  # the very row the cursor stands on
        if page.next is None:
            break
        after = page.next
    assert seen == whole


def test_the_queue_takes_filters(store):
    add_candidate(store, score=9.0, filter="r")
    green = add_candidate(store, score=8.0, filter="g")
    assert [row.candidate_id for row in queue_page(store, filters="filter:g").rows] == [green]
    assert queue_count(store, filters="score>8.5") == 1
    with pytest.raises(FilterError):
        queue_page(store, filters="colour:g")
    with pytest.raises(PageError):
        queue_page(store, limit=0)
    with pytest.raises(PageError):
        queue_page(store, after="nonsense")


def test_orders_of_the_queue_page_by_page_and_what_has_no_value_last(store):
    facts = [(9.0, 18.0, 60003.0), (8.0, None, 60001.0), (7.0, 17.0, 60002.0), (6.0, 18.0, 60004.0)]
    first, second, third, fourth = (
        add_candidate(store, score=score, mag=mag, mjd=mjd) for score, mag, mjd in facts
    )
    judge(store, third, Label.ASK_EXPERT)  # another state: merged into the same order

    def paged(order):
        found, after = [], None
        while True:
            page = queue_page(store, limit=1, order=order, after=after)
            found += [row.candidate_id for row in page.rows]
            after = page.next
            if after is None:
                return found

    assert paged("score") == [first, second, third, fourth]
    assert paged("brightness") == [third, first, fourth, second]
    assert paged("age") == [second, third, first, fourth]


@pytest.mark.parametrize(
    ("scores", "anomaly", "uncertainty"),
    [
        ({}, None, None),
        ({"ensemble": 0.5}, None, 1.0),
        ({"ensemble": 0.9, "realbogus": 0.5, "tree": 0.5}, None, 0.2),
        ({"tree": 0.25, "one_class_svm": 0.7}, 0.7, 0.5),
        ({"realbogus": 1.0, "isolation_forest": 0.4, "one_class_svm": 0.8}, 0.6, 0.0),
        ({"ensemble": 0.09, "isolation_forest": 0.9}, None, 0.18),  # an artefact, however odd
        ({"isolation_forest": 0.9}, None, None),
    ],
)
def test_an_object_has_from_its_best_detection_how_odd_and_how_doubtful_it_is(
    store, scores, anomaly, uncertainty
):
    sky_object = add_object(store)
    add_candidate(store, sky_object, score=0.9, scores=scores)
    add_candidate(store, sky_object, score=0.8, scores={"ensemble": 0.3, "isolation_forest": 0.3})
    with store.write() as db:
        refresh(db, [sky_object])
        row = db.get_one(SkyObject, sky_object)
        assert (row.anomaly, row.uncertainty) == (pytest.approx(anomaly), pytest.approx(uncertainty))


def test_an_order_by_models_holds_only_what_a_model_has_seen(store):
    one, _other = add_object(store, anomaly=0.9, uncertainty=0.1), add_object(store)
    two = add_object(store, anomaly=0.2, uncertainty=0.4)
    for sky_object in (one, _other, two):
        add_candidate(store, sky_object)
    assert queue(store, order="anomaly") == [one, two]
    assert queue(store, order="uncertainty") == [two, one]
    assert queue_count(store, order="anomaly") == 2
    assert queue_count(store) == 3
    with pytest.raises(PageError, match="anomaly"):
        queue_page(store, order="beauty")


@pytest.mark.parametrize(
    ("label", "days", "comes_back"),
    [
        (Label.COSMIC_RAY, 0.01, True),
        (Label.TRAIL, 0.01, True),
        (Label.MOVING, 0.2, False),
        (Label.MOVING, 1.0, True),
        (Label.DIPOLE, 1.0, False),
        (Label.SUPERNOVA, 1.0, False),
        (Label.SNOOZE, 0.01, True),
    ],
)
def test_a_decided_object_comes_back_when_asked_for_or_contradicted(store, label, days, comes_back):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object, mjd=60000.0)
    judge(store, candidate, label)
    add_candidate(store, sky_object, mjd=60000.0)  # the same epoch again, such as a new version of it
    with store.write() as db:
        wake(db, [sky_object], 60000.0)
    assert queue(store) == []
    with store.write() as db:
        wake(db, [sky_object], 60000.0 + days)
    assert bool(queue(store)) is comes_back


def test_each_side_of_an_or_keeps_to_the_states_that_it_leads_to(store):
    faint, bright, decided, dipole = (add_candidate(store, snr=snr) for snr in (6.0, 30.0, 40.0, 50.0))
    judge(store, decided, Label.REAL)
    judge(store, dipole, Label.DIPOLE)

    def found(filters):
        return {row.candidate_id for row in queue_page(store, filters=filters).rows}

    assert found("snr>20") == {bright}
    assert found("snr>20 or verdict:dipole") == {bright, dipole}
    assert found("snr<7 or state:real") == {faint, decided}
    assert found("state:real (snr>20 or snr<7)") == {decided}
    assert found("verdict:any (snr>45 or snr<41)") == {decided, dipole}
    assert found("verdict:real or verdict:dipole snr>60") == {decided}
    assert found("(snr<7 or state:real) (snr>35 or snr<7)") == {faint, decided}
    assert queue_count(store, filters="snr>20 or verdict:dipole") == 2
    assert holds_decided("snr>20 or verdict:dipole")
    assert not holds_decided("snr>20 or mag<20")


def test_a_page_is_the_same_whichever_way_it_is_found(store, monkeypatch):
    """By the queue's beginning, by what leaves few, or through all of it: page by page the same objects."""
    for number in range(14):
        facts = {"mag": 19.0 + number % 3, "frame": f"K{number % 4}.fits"}
        key = add_candidate(store, score=float(number), snr=5.0 + number, **facts)
        if number % 5 == 0:
            judge(store, key, Label.ASK_EXPERT)
            annotate(store, **ADA, candidate_id=key, tags=["host"] if number else ["other"])
        if number % 3 == 0:
            star = {"star": {"status": "match" if number % 2 else "none"}}
            with store.write() as db:
                db.add(CandidateMatch(candidate_id=key, state="x", at=1.0, answers=star))
    for (beginning, most), filters in itertools.product(((2500, 1), (1, names.MOST)), FILTERS):
        monkeypatch.setattr(waiting, "_BEGINNING", beginning)
        monkeypatch.setattr(names, "MOST", most)
        with store.read() as db:
            query = select(SkyObject.id).join(Candidate, SkyObject.best_candidate_id == Candidate.id)
            wanted = set(db.scalars(query.where(*conditions(parse(filters)))))
        found, after = [], None
        while True:
            page = queue_page(store, limit=6, filters=filters, after=after)
            found += [(row.score, row.object_id) for row in page.rows]
            if (after := page.next) is None:
                break
        assert {object_id for _, object_id in found} == wanted, filters
        assert len(found) == len(wanted) == queue_count(store, filters=filters)
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("filters", "index"),
    [("tag:host", "ix_verdict_tagged"), ("known:star", "ix_candidate_match_star"),
     ("known:solar", "ix_candidate_match_solar_system"), ("line:streak", "ix_candidate_streak"),
     ("line:row", "ix_candidate_row"), ("line:any", "ix_candidate_streak"), ("snr>9", "ix_candidate_snr"),
     ("object:AID1", "ix_sky_object_lower_name"), ("object:ztf18*", "ix_survey_object_lower_external_id"),
     ("frame:A.fits", "ix_candidate_lower_frame"), ("frame:a*", "ix_candidate_lower_frame"),
     ("verdict:real tag:host", "ix_verdict_tagged"), ("verdict:real snr>9", "ix_candidate_snr"),
     ("tag:host or snr>9 x>1", "ix_candidate_snr"), ("x>1 snr>9 or tag:host", "ix_verdict_tagged")],
)  # fmt: skip
def test_what_leaves_few_is_found_by_an_index(sqlite_store, filters, index):
    statements = []
    with sqlite_store.read() as db:
        connection = db.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
        few(db, parse(filters))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[0][0]}", statements[0][1]).all()
    assert any(index in str(step) for step in plan), plan


@pytest.mark.parametrize("filters", ["line:streak", "line:row", "line:any", "line:row or line:streak"])
def test_of_all_candidates_none_is_read_but_those_on_lines(postgres_url, filters):
    """PostgreSQL cannot tell that these are few: what it joins them to it would read from end to end."""
    statements = []
    store = open_store(postgres_url)
    with closing(store), store.read() as db:
        connection = db.connection()
        for way in ("seqscan", "bitmapscan"):  # an empty table is not worth an index
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
        few(db, parse(filters))
        plan = connection.exec_driver_sql(f"EXPLAIN {statements[0][0]}", statements[0][1]).scalars().all()
    scans = [step for step in plan if "Scan" in step]
    assert scans
    assert all("ix_candidate_row" in step or "ix_candidate_streak" in step for step in scans), plan


@pytest.mark.parametrize(
    "filters",
    [
        "-tag:host",
        "-snr>9",
        "-object:AID1",
        "-frame:a*",
        "-known:star",
        "-(tag:host or snr>9)",
        "snr>9 or |snr|>1",
        "x<1e9 or -snr>9",
    ],
)
def test_what_a_minus_leaves_is_not_narrowed_by_the_term(sqlite_store, filters):
    add_candidate(sqlite_store)
    with sqlite_store.read() as db:
        assert few(db, parse(filters)) is None
    assert queue_count(sqlite_store, filters=filters) == 1


def test_where_nothing_leaves_few_candidates_are_read_as_they_lie(sqlite_store, monkeypatch):
    """In the order of the queue each would be sought by itself, which takes thirty times as long."""
    statements = []
    monkeypatch.setattr(waiting, "_BEGINNING", 1)
    for number in range(4):
        add_candidate(sqlite_store, score=float(number))
    with sqlite_store.read() as db:
        connection = db.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
        waiting._rows(db, ReviewState.UNREVIEWED, parse("x<-1"), waiting.ORDERS["score"], None, 1)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[-2][0]}", statements[-2][1]).all()
    assert "SCAN candidate" in str(plan[0])
