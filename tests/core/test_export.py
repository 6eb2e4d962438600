"""What leaves AstrID: real candidates only, in files that harm nobody who opens them."""

import csv
import io
import json

import pytest
from sqlmodel import select

from core.database.tables import Candidate, Injection, SkyObject
from core.review import real_rows
from core.review.export import COLUMNS, write_csv, write_json_lines
from core.review.filters import FilterError
from core.review.real_rows import InjectedSourceError, RealCandidate, real_candidates
from core.review.retractions import undo
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from tests.core.rows import add_candidate, add_difference, add_object

ADA = {"session": "s", "reviewer": "ada"}


def judge(store, candidate, label, **more):
    return decide(store, **ADA, candidate_id=candidate, label=label, shown={}, **more)


def as_csv(store, **more):
    stream = io.StringIO(newline="")
    count = write_csv(real_candidates(store, **more), stream)
    found = list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))
    assert len(found) == count
    return found


def as_json(store, **more):
    stream = io.StringIO()
    count = write_json_lines(real_candidates(store, **more), stream)
    assert stream.getvalue().isascii()
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(found) == count
    return found


def test_an_injected_source_reaches_no_export(store):
    real = add_candidate(store)
    of_injected_object = add_candidate(store, add_object(store, injected=True))
    observation, difference = add_difference(store)
    named_by_an_injection = add_candidate(store)
    with store.write() as db:
        facts = {"observation_id": observation, "difference_id": difference}
        db.add(Injection(candidate_id=named_by_an_injection, x=1.0, y=1.0, flux=9.0, **facts))
    for candidate in (real, of_injected_object, named_by_an_injection):
        judge(store, candidate, Label.REAL)
    for judged_only in (False, True):
        assert [row["id"] for row in as_json(store, judged_only=judged_only)] == [real]
        assert [row["id"] for row in as_csv(store, judged_only=judged_only)] == [str(real)]


def test_no_row_is_made_but_of_what_was_looked_up():
    candidate = Candidate(id=1, external_id="1", sky_object_id=2, mjd=1.0, snr=5.0)
    with pytest.raises(InjectedSourceError, match="made by"):
        RealCandidate(None, candidate, SkyObject(id=2, name="a"), {"id": 1}, None, None, (), False)


def test_rows_come_in_order_of_time_over_many_pages(store, monkeypatch):
    monkeypatch.setattr(real_rows, "PAGE", 3)
    sky_object = add_object(store)
    with store.write() as db:
        for number in range(11):
            facts = {"sky_object_id": sky_object, "snr": 5.0}
            db.add(Candidate(external_id=str(number), mjd=60000.0 - number // 2, **facts))
    with store.read() as db:
        expected = db.exec(select(Candidate.id).order_by(Candidate.mjd, Candidate.id)).all()
    assert [row.candidate.id for row in real_candidates(store)] == expected
    assert [row["id"] for row in as_json(store)] == expected


def test_the_verdict_in_force_goes_along(store):
    sky_object = add_object(store)
    first, second, other = (
        add_candidate(store, sky_object),
        add_candidate(store, sky_object),
        add_candidate(store),
    )
    judge(store, first, Label.DIPOLE, note="halo", tags=["edge", 7])
    given = judge(store, second, Label.SUPERNOVA)
    annotate(store, **ADA, candidate_id=other, note="only a note")
    told = {row["id"]: row for row in as_json(store)}
    assert (told[first]["verdict"], told[first]["note"], told[first]["tags"]) == (
        "dipole",
        "halo",
        ["edge", "7"],
    )
    assert (told[second]["verdict"], told[second]["reviewer"]) == ("supernova", "ada")
    assert told[second]["verdict_hash"] == given.hash
    assert told[second]["decided_at"].endswith("+00:00")
    assert (told[other]["verdict"], told[other]["note"]) == (None, "only a note")
    assert [row["id"] for row in as_json(store, judged_only=True)] == [first, second]


def test_notes_and_tags_without_a_verdict_go_along_with_all_of_their_object(store):
    sky_object = add_object(store)
    noted, judged, other = (
        add_candidate(store, sky_object),
        add_candidate(store, sky_object),
        add_candidate(store),
    )
    annotate(store, **ADA, candidate_id=noted, note="odd shape", tags=["host", "night2"])
    judge(store, judged, Label.SUPERNOVA, note="rising", tags=["host"])
    told = {row["id"]: row for row in as_json(store)}
    for each in (noted, judged):
        assert (told[each]["note"], told[each]["tags"]) == ("odd shape | rising", ["host", "night2"])
    assert (told[other]["note"], told[other]["tags"]) == (None, [])


def test_it_is_told_where_reviewers_differ_until_an_expert_settles_it(store):
    candidate, agreed = add_candidate(store), add_candidate(store)
    judge(store, candidate, Label.ARTEFACT)
    judge(store, agreed, Label.ARTEFACT)
    for each, label in ((candidate, Label.VARIABLE), (agreed, Label.DIPOLE)):
        decide(store, session="b", reviewer="bob", candidate_id=each, label=label, shown={})
    assert {row["id"]: row["disputed"] for row in as_json(store)} == {candidate: True, agreed: False}
    assert not any(row["disputed"] for row in as_json(store, experts=["bob"]))


def test_a_real_verdict_speaks_for_all_candidates_of_its_object(store):
    sky_object = add_object(store)
    first, second = add_candidate(store, sky_object), add_candidate(store, sky_object)
    judge(store, second, Label.VARIABLE)
    assert [row["verdict"] for row in as_json(store)] == ["variable", "variable"]
    undo(store, **ADA)
    judge(store, second, Label.TRAIL)
    assert {row["id"]: row["verdict"] for row in as_json(store)} == {first: None, second: "trail"}


def test_hostile_text_is_harmless_in_a_spreadsheet_and_in_a_terminal(store):
    candidate = add_candidate(
        store, add_object(store, name="-2+3"), frame="=HYPERLINK(1)\x1b[2J\n.fits", filter="@r", mag=-1.5
    )
    judge(store, candidate, Label.REAL, note='+1;"x",\r\n=2', tags=["=1"])
    (row,) = as_csv(store)
    assert row["object"] == "'-2+3"
    assert row["frame"] == "'=HYPERLINK(1)␛[2J␊.fits"
    assert row["filter"] == "'@r"
    assert row["mag"] == "-1.5"
    assert row["note"] == '\'+1;"x",␍␊=2'
    assert row["tags"] == "'=1"
    (raw,) = as_json(store)
    assert raw["frame"] == "=HYPERLINK(1)\x1b[2J\n.fits"


def test_an_empty_store_gives_an_empty_table(store):
    assert as_csv(store) == []
    stream = io.StringIO()
    write_csv(real_candidates(store), stream)
    assert stream.getvalue() == ",".join(COLUMNS) + "\n"
    assert as_json(store) == []


def test_filters_hold_and_a_wrong_one_writes_nothing(store):
    wanted = add_candidate(store, filter="g")
    add_candidate(store, filter="r")
    assert [row["id"] for row in as_json(store, filters="filter:g")] == [wanted]
    stream = io.StringIO()
    with pytest.raises(FilterError):
        write_csv(real_candidates(store, filters="colour:g"), stream)
    assert stream.getvalue() == ""
