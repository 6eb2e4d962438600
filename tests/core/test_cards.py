"""The review queue and its cards."""

import itertools

import numpy as np
import pytest
from sqlalchemy import event, text
from sqlmodel import select

from core.database.keyset import PageError
from core.database.tables import (
    Candidate,
    CandidateMatch,
    Cutout,
    Difference,
    ForcedFlux,
    Observation,
    SkyObject,
    StageRun,
)
from core.objects.association import refresh, wake
from core.review import names, waiting
from core.review.card_stamp import read_stamp
from core.review.card_terms import conditions, holds_decided, parse
from core.review.cards import CardError, hidden, read_card
from core.review.cutouts import Cutouts, pack
from core.review.filters import FilterError
from core.review.narrow import few
from core.review.retractions import redo, undo
from core.review.verdicts import annotate, decide
from core.review.waiting import queue_count, queue_page
from core.vocabulary import Label, ReviewState
from tests.builders import add_night
from tests.core.rows import add_candidate, add_difference, add_object

ADA = {"session": "s", "reviewer": "ada"}


def judge(store, candidate, label):
    decide(store, **ADA, candidate_id=candidate, label=label, shown={})


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


@pytest.fixture
def night(store):
    """An object seen twice and missed twice, once in a superseded difference."""
    observation, difference = add_difference(
        store, seeing_px=3.25, limit_mag=20.5, m50=20.1, m50_err=0.04, snr50=5.2
    )
    _, superseded = add_difference(store, is_current=False)
    sky_object = add_object(store, name="AT2026x", ra=10.0, dec=20.0)
    facts = {"observation_id": observation, "difference_id": difference, "flux_unit": "electron"}
    first = add_candidate(store, sky_object, mjd=60001.0, score=9.0, snr=9.0, mag=18.0, **facts)
    last = add_candidate(store, sky_object, mjd=60004.0, score=7.0, snr=7.0, features={"fwhm": 3.0}, **facts)
    with store.write() as db:
        for parent, mjd, flux in ((difference, 60002.0, 3.0), (superseded, 60003.0, 3.0)):
            db.add(
                ForcedFlux(
                    difference_id=parent, sky_object_id=sky_object, mjd=mjd, flux=flux, flux_err=2.0,
                    flux_unit="electron", zeropoint=25.0, mag_system="ab",
                )
            )  # fmt: skip
    return sky_object, first, last, difference


def test_a_card_shows_the_best_candidate_unless_another_is_asked_for(store, night):
    sky_object, first, last, _ = night
    card = read_card(store, sky_object)
    assert (card.candidate_id, card.candidate["id"], card.name) == (first, first, "AT2026x")
    assert [epoch.candidate_id for epoch in card.epochs] == [last, first]
    other = read_card(store, sky_object, last)
    assert (other.candidate_id, other.features) == (last, {"fwhm": 3.0})
    assert other.epochs == card.epochs
    assert card.scores == {}


def test_a_card_tells_of_frame_and_subtraction(store, night):
    frame = read_card(store, night[0]).frame
    assert (frame.seeing_px, frame.limit_mag, frame.m50, frame.config_hash) == (3.25, 20.5, 20.1, "cafe")
    assert (frame.m50_err, frame.snr50, frame.flux50) == (0.04, 5.2, None)
    with store.write() as db:
        db.get_one(Difference, night[3]).limit_mag = 19.5
        db.exec(select(Observation)).first().seeing_px = 4.0
    assert read_card(store, night[0]).frame.limit_mag == 19.5


def test_a_card_tells_which_models_scored_the_newest_attempt_and_which_could_not(store, night):
    assert read_card(store, night[0]).frame.scored_by is None
    said_of_models = ("scored by tree abc.", "scored by tree abc. realbogus is damaged.")
    with store.write() as db:
        observation = db.exec(select(Observation)).first().id
        for attempt, said in enumerate(said_of_models):
            db.add(
                StageRun(
                    observation_id=observation, attempt=attempt, stage="classify", started_at=1.0,
                    seconds=0.1, outcome="done", reason=said,
                )
            )  # fmt: skip
    assert read_card(store, night[0]).frame.scored_by == "tree abc. realbogus is damaged."
    with store.write() as db:
        db.add(
            StageRun(
                observation_id=observation, attempt=1, stage="unet", started_at=1.0,
                seconds=0.1, outcome="done", reason="seen by unet def.",
            )
        )  # fmt: skip
    assert read_card(store, night[0]).frame.scored_by == "unet def, tree abc. realbogus is damaged."


def test_a_light_curve_has_limits_of_five_times_the_forced_error(store, night):
    sky_object, first, last, _ = night
    points = read_card(store, sky_object).light_curve
    assert [(point.mjd, point.is_limit, point.candidate_id) for point in points] == [
        (60001.0, False, first), (60002.0, True, None), (60004.0, False, last),
    ]  # fmt: skip
    assert points[1].mag == pytest.approx(25.0 - 2.5 * np.log10(5 * 2.0))
    assert [point.m50 for point in points] == [None, 20.1, None]  # of the frame, beside its own limit
    assert (points[1].flux, points[1].flux_err) == (3.0, 2.0)


@pytest.mark.parametrize(("flux", "is_limit"), [(9.9, True), (10.0, False), (-10.0, False), (-9.9, True)])
def test_a_forced_flux_beyond_five_sigma_is_a_measurement(sqlite_store, flux, is_limit):
    _, difference = add_difference(sqlite_store)
    sky_object = add_object(sqlite_store)
    add_candidate(sqlite_store, sky_object, mjd=1.0)
    with sqlite_store.write() as db:
        db.add(
            ForcedFlux(
                difference_id=difference, sky_object_id=sky_object, mjd=2.0, flux=flux, flux_err=2.0,
                flux_unit="electron", zeropoint=25.0,
            )
        )  # fmt: skip
    point = read_card(sqlite_store, sky_object).light_curve[-1]
    assert point.is_limit is is_limit
    assert point.mag == pytest.approx(25.0 - 2.5)  # ten electrons, as a limit and as a flux
    assert (point.mag_err is None) is is_limit


def test_cutouts_come_with_the_card_and_a_damaged_blob_only_says_so(store, night):
    sky_object, first, last, _ = night
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    with store.write() as db:
        db.add(Cutout(candidate_id=first, pixels=pack(Cutouts(plane, plane, plane))))
        db.add(Cutout(candidate_id=last, pixels=b"rubbish"))
    card = read_card(store, sky_object)
    assert np.array_equal(card.cutouts.new, plane)
    assert len(card.cutouts_sha256) == 64
    damaged = read_card(store, sky_object, last)
    assert damaged.cutouts is None
    assert damaged.cutouts_problem == (
        "The store's copy of the images is damaged: "
        "`astrid queue retry 1` and then `astrid run` make them again."
    )
    shown = card.shown(stretch="asinh")
    assert shown["stretch"] == "asinh"
    assert shown["cutouts_sha256"] == card.cutouts_sha256
    assert (shown["snr"], shown["config_hash"]) == (9.0, "cafe")


@pytest.mark.parametrize("put_there", ["text", "", 7, 2.5])
def test_what_is_no_bytes_in_a_column_of_bytes_only_says_so(sqlite_store, put_there):
    """SQLite keeps whatever another program gives it."""
    add_night(sqlite_store)
    with sqlite_store.write() as db:
        db.execute(text("UPDATE cutout SET pixels = :given"), {"given": put_there})
        kinds = db.execute(text("SELECT DISTINCT typeof(pixels) FROM cutout")).scalars().all()
        sky_object = db.execute(text("SELECT min(id) FROM sky_object")).scalar_one()
    assert "blob" not in kinds
    card = read_card(sqlite_store, sky_object)
    assert card.cutouts is None
    assert "is damaged" in card.cutouts_problem
    assert len(card.cutouts_sha256) == 64


def test_the_history_has_everyones_rows_and_which_stand(store, night):
    sky_object, first, last, _ = night
    judge(store, first, Label.REAL)
    decide(store, session="b", reviewer="bob", candidate_id=last, label=Label.SUPERNOVA, shown={})
    annotate(store, **ADA, candidate_id=first, note="see host", tags=["host"])
    undo(store, session="b", reviewer="bob")
    card = read_card(store, sky_object)
    told = [(past.reviewer, past.label, past.stands) for past in card.history]
    assert told == [
        ("bob", None, False), ("ada", None, False), ("bob", "supernova", False), ("ada", "real", True),
    ]  # fmt: skip
    assert (card.history[1].note, card.history[1].tags) == ("see host", ("host",))
    assert card.last_decision == card.history[3]
    assert (card.review_state, card.review_label) == ("real", "real")


def test_an_alert_without_frame_or_difference_makes_a_card(store):
    sky_object = add_object(store)
    add_candidate(store, sky_object, source="ztf", external_id="1")
    card = read_card(store, sky_object)
    assert card.cutouts is None
    assert card.frame.seeing_px is None
    assert card.candidate["source"] == "ztf"


def test_what_is_no_card_is_a_clear_error(store, night):
    stranger = add_candidate(store)
    with pytest.raises(CardError, match="no sky object 4711"):
        read_card(store, 4711)
    with pytest.raises(CardError, match=f"has no candidate {stranger}"):
        read_card(store, night[0], stranger)
    with pytest.raises(CardError, match="no candidate to show"):
        read_card(store, add_object(store))


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


FILTERS = (
    "score<12 snr>5", "mag>20", "field:M*", "known:star", "known:none", "tag:host", "tag:any", "tag:none",
    "verdict:real", "verdict:none", "tracklet:none", "survey:any", "survey:none", "object:*", "score<3",
    "-tag:host -snr>15", "snr>16 or tag:host", "frame:k* (mag>20 or known:star) or score<2",
    "-known:star", "-verdict:real -mag>20",
    "score>=3 score<9", "zone:fast", "x>0", "object:aid*", "frame:k*", "mjd<60000.5",
    "frame:*2.fits", "frame:*x", "object:*7",
)  # fmt: skip


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


def test_a_card_bears_the_stamp_of_its_object_until_there_is_more_to_it(store):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object, score=9.0)

    def bears_it():
        return read_card(store, sky_object).stamp == read_stamp(store, sky_object)

    def forget_candidate():
        with store.write() as db:
            db.get_one(Candidate, candidate).is_current = False

    changes = [
        lambda: add_candidate(store, sky_object, score=1.0),
        lambda: annotate(store, **ADA, candidate_id=candidate, note="near the core"),
        lambda: judge(store, candidate, Label.DIPOLE),
        lambda: undo(store, **ADA),
        forget_candidate,
    ]
    for change in changes:
        before = read_card(store, sky_object)
        assert bears_it()
        change()
        assert read_stamp(store, sky_object) != before.stamp
    add_candidate(store)  # another object's
    assert bears_it()
    assert hidden(read_card(store, sky_object)).stamp == read_stamp(store, sky_object)
    assert read_stamp(store, 999) is None


def test_a_stamp_is_read_by_the_objects_alone(sqlite_store):
    """An index by what is current would lead through all candidates of the store."""
    asked = []
    event.listen(sqlite_store._reader, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    read_stamp(sqlite_store, add_object(sqlite_store))
    selects = [(statement, values) for statement, values in asked if statement.startswith("SELECT")]
    assert len(selects) == 3
    with sqlite_store.read() as db:
        plans = [
            db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", with_) for one, with_ in selects
        ]
        steps = [step[3] for plan in plans for step in plan]
    assert all(
        "sky_object_id=?" in step or "rowid=?" in step or "ix_candidate_object" in step for step in steps
    )
