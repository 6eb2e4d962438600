"""Reports of moving bodies: what is refused and why, and what the report holds."""

import io

import pytest
from sqlmodel import col, select, update

from core.database.tables import Candidate, CandidateMatch, Observation, Reference
from core.objects.tracklets import newest_night, write_tracklets
from core.review.ades_report import COLUMNS, preflight, write
from core.review.labelled_otherwise import Otherwise
from core.review.verdicts import decide
from core.settings_sections import MpcSettings, ReviewSettings
from core.vocabulary import Label
from tests.copies import made_once
from tests.core.test_tracklets import found, linked_mover, one_mover

SITE = MpcSettings(
    station="K94", submitter="A. Observer", observers=("A. Observer", "B. Helper"),
    measurers=("A. Observer",), design="Reflector", aperture_m=1.0, detector="CCD",
    astrometric_catalog="Gaia3", photometric_catalog="PS1", bands={"r": "Pr"},
)  # fmt: skip
RULE = ReviewSettings(experts=("eve",))
MEASURED = {"mag": 18.254, "mag_err": 0.05, "mag_system": "ab", "filter": "r", "position_error_px": 0.2}


@made_once
def judged_mover(store):
    candidates = linked_mover(store)
    change(store, candidates, flux=100.0, flux_err=5.0, **MEASURED)
    with store.write() as db:
        db.exec(update(Reference).values(pixel_scale=1.5))
    judge(store, candidates[0])
    return candidates


@pytest.fixture
def body(store):
    """A body of four detections that an expert judged."""
    return judged_mover(store)


def change(store, candidates, **columns):
    with store.write() as db:
        db.exec(update(Candidate).where(col(Candidate.id).in_(candidates)).values(**columns))


def judge(store, candidate, who="eve", label=Label.MOVING):
    decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={})


def written(store, settings=SITE):
    checked = preflight(store, settings, RULE)
    stream = io.StringIO()
    write(checked, settings, stream)
    lines = stream.getvalue().splitlines()
    head = [line for line in lines if line[0] in "#!"]
    names, *rows = [line.split("|") for line in lines if line[0] not in "#!"]
    return checked, head, [dict(zip(names, row, strict=True)) for row in rows]


def test_what_passes_is_reported_with_all_that_is_required(store, body):
    (checked,), head, rows = written(store)
    assert checked.problems == ()
    assert head == [
        "# version=2022", "# observatory", "! mpcCode K94", "# submitter", "! name A. Observer",
        "# observers",
        "! name A. Observer", "! name B. Helper", "# measurers", "! name A. Observer", "# telescope",
        "! design Reflector", "! aperture 1", "! detector CCD",
    ]  # fmt: skip
    with store.read() as db:
        first = db.exec(select(Candidate).where(Candidate.id == body[0])).one()
    assert len(rows) == 4
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "trkSub": checked.name, "mode": "CCD", "stn": "K94", "obsTime": "2023-02-26T00:00:00.00Z",
        "ra": f"{first.ra:.6f}", "dec": f"{first.dec:.6f}", "rmsRA": "0.300", "rmsDec": "0.300",
        "astCat": "Gaia3", "mag": "18.25", "rmsMag": "0.05", "band": "Pr", "photCat": "PS1",
    }  # fmt: skip
    assert len(checked.name) <= 8
    assert checked.name.isalnum()
    assert [row["obsTime"] for row in rows] == sorted({row["obsTime"] for row in rows})


def test_a_place_just_before_the_whole_turn_is_reported_at_its_beginning(store, body):
    change(store, body[:1], ra=359.9999999)
    _, _, rows = written(store)
    assert rows[0]["ra"] == "0.000000"


@pytest.mark.parametrize(
    ("detector", "mode"), [("CCD", "CCD"), ("e2v ccd", "CCD"), ("CMOS", "CMO"), ("plate", "UNK")]
)
def test_the_mode_is_that_of_the_detector(store, body, detector, mode):
    _, _, rows = written(store, SITE.model_copy(update={"detector": detector}))
    assert {row["mode"] for row in rows} == {mode}


@pytest.mark.parametrize(
    ("mjd", "told"),
    [
        (60000.5, "2023-02-25T12:00:00.00Z"),
        (60000.999999999, "2023-02-26T00:00:00.00Z"),  # no second 60
        (60000.5 + 12.34 / 86400, "2023-02-25T12:00:12.34Z"),
    ],
)
def test_times_are_to_a_hundredth_of_a_second(store, body, mjd, told):
    change(store, body[:1], mjd=mjd)
    assert told in {row["obsTime"] for row in written(store)[2]}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"station": ""}, "[mpc] station is not set"),
        ({"observers": ()}, "[mpc] observers is not set"),
        ({"station": "Mt. X"}, "no code of an observatory"),
        ({"submitter": "A|B"}, "character that a report cannot"),
        ({"detector": "CCD\n# version=1"}, "character that a report cannot"),
        ({"astrometric_catalog": "Gaia 3"}, "no name of a catalogue"),
    ],
)
def test_what_the_site_must_say_is_told(store, body, changed, problem):
    (checked,), _, rows = written(store, SITE.model_copy(update=changed))
    assert any(problem in each for each in checked.problems)
    assert rows == []


def test_only_what_is_judged_to_move_and_confirmed_is_reported(store):
    candidates = one_mover(store)
    write_tracklets(store, newest_night(store), [found(*candidates)])
    assert preflight(store, SITE, RULE) == []
    judge(store, candidates[0], who="ann")
    (checked,) = preflight(store, SITE, RULE)
    assert any("agree as [review] votes says" in each for each in checked.problems)
    judge(store, candidates[1], who="ann", label=Label.ARTEFACT)
    judge(store, candidates[0], who="ann", label=Label.VARIABLE)
    assert preflight(store, SITE, RULE) == []


@pytest.fixture
def linked(store):
    """A body of four detections that nobody judged."""
    candidates = linked_mover(store)
    change(store, candidates, flux=100.0, flux_err=5.0, **MEASURED)
    return candidates


def test_a_body_is_confirmed_whichever_of_its_detections_was_judged_first(store, linked):
    judge(store, linked[2], label=Label.REAL)
    judge(store, linked[0])
    (checked,), _, rows = written(store)
    assert (checked.problems, len(rows)) == ((), 3)


def test_a_detection_that_was_judged_otherwise_before_is_left_out_and_named(store, linked):
    judge(store, linked[2], label=Label.REAL)
    judge(store, linked[0])
    (checked,), _, rows = written(store)
    assert (checked.problems, checked.candidates) == ((), (linked[0], linked[1], linked[3]))
    assert len(rows) == 3
    assert checked.contradictions == (Otherwise("real", "eve", (linked[2],)),)
    assert checked.contradictions[0].told == (
        f"candidate {linked[2]} has the label real by eve, so it is left out"
    )
    judge(store, linked[2])
    (checked,), _, rows = written(store)
    assert (checked.contradictions, len(rows)) == ((), 4)


def test_what_another_reviewer_says_of_a_body_is_named_until_an_expert_settles_it(store, linked):
    judge(store, linked[0], who="ann", label=Label.SUPERNOVA)
    judge(store, linked[0], who="bob")
    (checked,), _, rows = written(store)
    assert (checked.problems, len(rows)) == ((), 4)
    assert [each.told for each in checked.contradictions] == ["ann labels it supernova"]
    judge(store, linked[0])
    (checked,), _, rows = written(store)
    assert (checked.contradictions, len(rows)) == ((), 4)


def test_a_body_that_was_judged_otherwise_since_is_not_reported_and_named(store, linked):
    judge(store, linked[0], who="ann")
    judge(store, linked[0], who="bob", label=Label.REAL)
    (checked,), _, rows = written(store)
    assert (checked.candidates, rows) == ((), [])
    assert checked.problems == ("by the labels that stand none of its detections moves",)
    numbers = ", ".join(map(str, linked))
    told = f"candidates {numbers} have the label real by bob, so they are left out"
    assert [each.told for each in checked.contradictions] == [told]
    judge(store, linked[0], label=Label.VARIABLE)  # an expert
    assert preflight(store, SITE, RULE) == []


def test_a_bogus_detection_is_none_of_the_body_and_contradicts_nothing(store, linked):
    judge(store, linked[0])
    judge(store, linked[1], label=Label.ARTEFACT)
    (checked,), _, rows = written(store)
    assert (checked.problems, checked.contradictions, len(rows)) == ((), (), 3)


def test_what_is_unknown_stays_empty_and_is_told(store, body):
    change(store, body[:1], mag=None)
    change(store, body[1:2], position_error_px=None)
    change(store, body[2:3], filter="V")
    change(store, body[3:], flux=-100.0)  # fainter than the reference
    (checked,), _, rows = written(store)
    assert [row["mag"] for row in rows] == ["", "18.25", "", ""]
    assert [row["rmsRA"] for row in rows] == ["0.300", "", "0.300", "0.300"]
    told = " ".join(checked.warnings)
    assert all(words in told for words in ("no magnitude", "error of a place", "'V' are left out"))


def test_detections_of_surveys_are_theirs_to_report(store, body):
    change(store, body[:2], source="ztf")
    (checked,), _, rows = written(store)
    assert checked.candidates == tuple(body[2:])
    assert any("2 of 4 detections are of surveys" in each for each in checked.warnings)
    change(store, body[:3], source="ztf")
    (checked,), _, rows = written(store)
    assert any("too few" in each for each in checked.problems)
    assert rows == []


@pytest.mark.parametrize(("seconds", "is_told"), [(0.5, False), (0.0, True), (None, True)])
def test_frames_whose_length_is_unknown_are_told_as_their_times_may_be_of_the_start(
    store, body, seconds, is_told
):
    with store.write() as db:
        db.exec(update(Observation).values(exposure_s=60.0))
        first = select(Candidate.observation_id).where(Candidate.id == body[0])
        db.exec(update(Observation).where(col(Observation.id).in_(first)).values(exposure_s=seconds))
    (checked,), _, rows = written(store)
    told = [each for each in checked.warnings if "tell no exposure time" in each]
    said = "the headers of 1 frame tell no exposure time: look whether times are of mid-exposure"
    assert told == ([said] if is_told else [])
    assert len(rows) == 4


def test_a_known_body_is_told(store, body):
    with store.write() as db:
        db.exec(update(Observation).values(exposure_s=60.0))
    (checked,) = preflight(store, SITE, RULE)
    assert checked.warnings == ("no catalogue of orbits was asked whether it is known",)
    eros = {"status": "match", "name": "433 Eros"}
    told = ("it is at the place of 433 Eros: the report calls it by its trkSub",)
    for key, answer, warnings in ((body[0], {"status": "none"}, ()), (body[1], eros, told)):
        with store.write() as db:
            db.add(CandidateMatch(candidate_id=key, state="x", at=1.0, answers={"solar_system": answer}))
        (checked,) = preflight(store, SITE, RULE)
        assert checked.warnings == warnings


def test_a_body_passes_a_filter_by_any_of_its_detections(store, body):
    change(store, body[3:], snr=77.0)
    assert len(preflight(store, SITE, RULE, filters="snr>70")) == 1
    assert preflight(store, SITE, RULE, filters="snr>80") == []
