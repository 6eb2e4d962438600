"""Reports of discoveries: what is refused and why, and what the report holds."""

import pytest

from core.database.tables import Candidate, CandidateMatch, ForcedFlux, Observation, SurveyFlux
from core.review.tns_report import document, preflight
from core.review.verdicts import decide
from core.settings_sections import ReviewSettings, TnsSettings
from core.vocabulary import Label
from tests.core.rows import add_candidate, add_difference, add_object

SITE = TnsSettings(
    reporter="A. Observer", reporting_group_id="7", data_source_group_id="8", instrument_id="9",
    filters={"r": "22"},
)  # fmt: skip
RULE = ReviewSettings(experts=("eve",))
FACTS = {"ra": 10.5, "dec": -41.25, "filter": "r", "mag": 19.25, "mag_err": 0.05, "mag_system": "ab"}


def discovery(store, name, label=Label.SUPERNOVA, who="eve", injected=False, **facts):
    values = FACTS | facts
    sky_object = add_object(store, name, ra=values["ra"], dec=values["dec"], injected=injected)
    for mjd in (60000.5, 60001.5):
        candidate = add_candidate(store, sky_object, mjd=mjd, **values)
    decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={})
    return candidate


def check(store, settings=SITE, **more):
    return {each.name: each for each in preflight(store, settings, RULE, **more)}


def test_what_passes_is_reported_with_all_that_is_required(store):
    discovery(store, "new")
    found = check(store)["new"]
    assert found.problems == ()
    discovery(store, "turned", ra=359.9999999)
    assert document([check(store)["turned"]])["at_report"]["0"]["ra"]["value"] == "0.000000"
    report = document([found])["at_report"]["0"]
    assert (report["ra"]["value"], report["dec"]["value"]) == ("10.500000", "-41.250000")
    assert report["discovery_datetime"] == "2023-02-25 12:00:00"
    assert (report["reporter"], report["reporting_group_id"], report["at_type"]) == ("A. Observer", "7", "1")
    first = report["photometry"]["photometry_group"]["0"]
    assert (first["flux"], first["flux_units"], first["filter_value"]) == ("19.250", "1", "22")
    assert report["non_detection"]["archival_remarks"]


@pytest.mark.parametrize("label", [Label.MOVING, Label.VARIABLE, Label.DIPOLE, Label.INDETERMINATE])
def test_what_is_nothing_new_at_its_place_is_not_looked_at(store, label):
    discovery(store, "old", label)
    assert check(store) == {}


def test_injected_sources_are_no_discoveries(store):
    discovery(store, "fake", injected=True)
    discovery(store, "true", ra=20.0)
    assert list(check(store)) == ["true"]


@pytest.mark.parametrize(
    ("facts", "settings", "problem"),
    [
        ({}, SITE.model_copy(update={"reporter": ""}), "[tns] reporter is not set"),
        ({}, TnsSettings(), "[tns] reporter, reporting_group_id, data_source_group_id, instrument_id are"),
        ({"filter": "g"}, SITE, "no number for 'g'"),
        ({"mag": None}, SITE, "a magnitude with its error"),
        ({"mag_system": "vega"}, SITE, "no number for 'vega'"),
        ({"ra": None, "dec": None}, SITE, "position"),
        ({"who": "ada"}, SITE, "not confirmed: that takes an expert of [review] experts, or reviewers"),
    ],
)
def test_what_is_missing_is_told_and_nothing_is_reported(store, facts, settings, problem):
    discovery(store, "new", **facts)
    found = check(store, settings)["new"]
    assert any(problem in each for each in found.problems)
    assert found.report is None
    assert document([found]) == {"at_report": {}}


def test_duplicates_are_refused_of_this_report_and_of_catalogues(store):
    discovery(store, "one")
    discovery(store, "two", dec=-41.25 + 1.0 / 3600)
    known = discovery(store, "three", ra=30.0)
    body = discovery(store, "four", ra=40.0)
    for candidate, kind in ((known, "transient"), (body, "solar_system")):
        with store.write() as db:
            answers = {kind: {"status": "match", "name": "2026abc"}}
            answers |= {"transient": {"status": "unknown"}} if kind != "transient" else {}
            db.add(CandidateMatch(candidate_id=candidate, state="x", at=1.0, answers=answers))
    found = check(store)
    assert found["one"].problems == ()
    assert "one of this report" in found["two"].problems[0]
    assert "2026abc is known there" in found["three"].problems[0]
    assert "of the solar system" in found["four"].problems[0]
    assert len(document(list(found.values()))["at_report"]) == 1
    unasked = ["no catalogue of kind transient was asked", "no catalogue of kind solar system was asked"]
    for name, told in (("one", unasked), ("three", unasked[1:]), ("four", unasked[:1])):
        assert [each for each in found[name].warnings if "asked" in each] == told
    assert list(check(store, filters="object:one")) == ["one"]


def test_a_known_star_is_told_with_its_distance(store):
    """Within 10 arcsec it is a match, and seldom what shines."""
    candidate = discovery(store, "new")
    star = {"status": "match", "name": "star601"}
    with store.write() as db:
        for key, away in ((candidate - 1, 9.93), (candidate, 9.871)):
            answers = {"star": star | {"distance_arcsec": away}}
            db.add(CandidateMatch(candidate_id=key, state="x", at=1.0, answers=answers))
    assert 'a known star is near: star601 (9.87" away)' in check(store)["new"].warnings


def test_a_match_whose_distance_is_known_in_pixels_alone_is_not_the_nearest(store):
    candidate = discovery(store, "new")
    with store.write() as db:
        for key, told in ((candidate - 1, {"distance_px": 9.0}), (candidate, {"distance_arcsec": 0.2})):
            answers = {"star": {"status": "match", "name": "star601"} | told}
            db.add(CandidateMatch(candidate_id=key, state="x", at=1.0, answers=answers))
    assert 'a known star is near: star601 (0.20" away)' in check(store)["new"].warnings


def test_a_filter_chooses_objects_and_the_report_holds_all_their_detections(sqlite_store):
    discovery(sqlite_store, "new")
    found = check(sqlite_store, filters="mjd>60001")["new"].report
    assert found["discovery_datetime"] == "2023-02-25 12:00:00"
    assert len(found["photometry"]["photometry_group"]) == 2
    assert check(sqlite_store, filters="mjd>60002") == {}


def test_what_fades_is_no_discovery_and_a_fading_detection_is_left_out(sqlite_store):
    discovery(sqlite_store, "gone", snr=-41.7, flux=-900.0)
    candidate = discovery(sqlite_store, "late", ra=30.0, flux=900.0)
    with sqlite_store.write() as db:
        row = db.get_one(Candidate, candidate)
        row.flux, row.snr = -200.0, 8.0  # of the flux the magnitude would be reported
    found = check(sqlite_store)
    assert "it fades: its first detection is -41.7 sigma" in found["gone"].problems[0]
    assert found["gone"].report is None
    assert "1 of 2 detections are fading, and are left out" in found["late"].warnings
    assert len(found["late"].report["photometry"]["photometry_group"]) == 1


def test_a_detection_that_was_judged_bogus_is_no_discovery(sqlite_store):
    candidate = discovery(sqlite_store, "new", flux=900.0)
    eve = {"session": "eve", "reviewer": "eve", "shown": {}}
    decide(sqlite_store, **eve, candidate_id=candidate - 1, label=Label.ARTEFACT)
    decide(sqlite_store, **eve, candidate_id=candidate, label=Label.SUPERNOVA)
    found = check(sqlite_store)["new"]
    assert found.problems == ()
    assert any("1 of 2 detections were judged bogus" in each for each in found.warnings)
    assert found.report["discovery_datetime"] == "2023-02-26 12:00:00"
    assert len(found.report["photometry"]["photometry_group"]) == 1


def test_a_packets_history_tells_when_it_was_discovered(sqlite_store):
    sky_object = add_object(sqlite_store, "new", ra=10.5, dec=-41.25)
    candidate = add_candidate(sqlite_store, sky_object, **(FACTS | {"mjd": 60005.5, "source": "ztf"}))
    decide(
        sqlite_store, session="eve", reviewer="eve", candidate_id=candidate, label=Label.SUPERNOVA, shown={}
    )
    theirs = SITE.model_copy(update={"source": "ztf"})
    alone = check(sqlite_store, theirs)["new"]
    assert "it was detected at one time alone" in alone.warnings
    assert "no limit before the first detection, and as faint as it, is known" in alone.warnings
    told = {"sky_object_id": sky_object, "source": "ztf", "flux_unit": "nJy", "mag_system": "ab"}
    told |= {"zeropoint": 31.4, "flux_err": 200.0}
    with sqlite_store.write() as db:
        for day, kind, flux in (
            (0.5, "limit", None),
            (1.0, "bright limit", None),
            (1.5, "detection", 4000.0),
            (2.5, "detection", -4000.0),
        ):
            # A limit is five times its error; a night of clouds would not have shown the source.
            errors = {"flux_err": 2000.0} if kind.startswith("bright") else {}
            row = {"external_id": f"e{day}", "kind": kind.split()[-1], "mjd": 60000 + day, "flux": flux}
            db.add(SurveyFlux(**(told | errors), **row, filter="r"))
    found = check(sqlite_store, theirs)["new"]
    assert "it was detected at one time alone" not in found.warnings
    assert found.report["discovery_datetime"] == "2023-02-26 12:00:00"
    assert found.report["non_detection"]["obsdate"] == "2023-02-25 12:00:00"
    assert len(found.report["photometry"]["photometry_group"]) == 2  # the fading one is none
    ours = check(sqlite_store, TnsSettings())["new"]
    never = "it was measured by ztf alone, and [tns] has the numbers of astrid"
    # What is missing besides is not told: with it the object could not be reported either.
    assert (ours.problems, ours.warnings) == ((f"it cannot be reported from here: {never}",), ())
    own = add_candidate(sqlite_store, sky_object, **(FACTS | {"mjd": 60006.5}))
    both = check(sqlite_store)["new"]
    assert own
    assert (both.problems, both.report["discovery_datetime"]) == ((), "2023-03-03 12:00:00")
    assert len(both.report["photometry"]["photometry_group"]) == 1
    assert "2 detections of ztf are left out: [tns] source is astrid" in both.warnings
    without = theirs.model_copy(update={"filters": {}})
    assert any(
        "the last limit before (r, ab)" in each for each in check(sqlite_store, without)["new"].warnings
    )


def test_how_long_each_exposure_was_is_told_of_detections_and_of_the_limit_before(store):
    candidate = discovery(store, "new")
    frames = {mjd: add_difference(store, f"{mjd}.fits") for mjd in (59999.5, 60000.5, 60001.5)}
    with store.write() as db:
        for (mjd, (frame, _)), seconds in zip(frames.items(), (30.0, 120.5, None), strict=True):
            row = db.get_one(Observation, frame)
            row.mjd, row.exposure_s = mjd, seconds
        db.get_one(Candidate, candidate - 1).observation_id = frames[60000.5][0]
        last = db.get_one(Candidate, candidate)
        last.observation_id = frames[60001.5][0]
        limit = {
            "flux": 1.0,
            "flux_err": 10.0,
            "flux_unit": "electron",
            "zeropoint": 25.0,
            "mag_system": "ab",
        }
        key = {"difference_id": frames[59999.5][1], "sky_object_id": last.sky_object_id}
        db.add(ForcedFlux(mjd=59999.5, filter="r", **key, **limit))
    report = check(store)["new"].report
    rows = report["photometry"]["photometry_group"]
    assert [rows[number]["exptime"] for number in ("0", "1")] == ["120.5", ""]
    assert (report["non_detection"]["obsdate"], report["non_detection"]["exptime"]) == (
        "2023-02-24 12:00:00",
        "30",
    )
