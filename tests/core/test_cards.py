"""The review queue and its cards."""

import numpy as np
import pytest
from sqlalchemy import event, text
from sqlmodel import select

from core.database.tables import (
    Candidate,
    Cutout,
    Difference,
    ForcedFlux,
    Observation,
    StageRun,
)
from core.review.card_stamp import read_stamp
from core.review.cards import CardError, hidden, read_card
from core.review.cutouts import Cutouts, pack
from core.review.retractions import undo
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from tests.builders import add_night
from tests.core.rows import ADA, add_candidate, add_difference, add_object, judge


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


def test_a_card_bears_the_stamp_of_its_object_until_there_is_more_to_it(store):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object, score=9.0)

    def bears_it():
        return read_card(store, sky_object).stamp == read_stamp(store, sky_object)

    def forget_candidate():
        with store.write() as db:
            db.get_one(Candidate, candidate).is_current = False

    _, difference = add_difference(store)

    def measure():
        with store.write() as db:
            flux = {"mjd": 59000.0, "flux": 1.0, "flux_err": 9.0, "flux_unit": "electron"}
            db.add(ForcedFlux(difference_id=difference, sky_object_id=sky_object, **flux))

    changes = [
        lambda: add_candidate(store, sky_object, score=1.0),
        measure,
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
    assert len(selects) == 4
    with sqlite_store.read() as db:
        plans = [
            db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", with_) for one, with_ in selects
        ]
        steps = [step[3] for plan in plans for step in plan]
    assert all(
        "sky_object_id=?" in step or "rowid=?" in step or "ix_candidate_object" in step for step in steps
    )
