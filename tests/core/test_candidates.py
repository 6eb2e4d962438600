"""Pages of candidates: complete, in order, on both databases, whatever happens between two pages."""

import base64
import json

import pytest
from sqlalchemy import event
from sqlmodel import select

from core.database.keyset import PageError
from core.database.tables import Candidate, ForcedFlux
from core.review.candidates import ORDERS, CandidateError, page, show, shown_capsule
from core.review.retractions import undo
from core.review.verdicts import decide
from core.vocabulary import Label
from tests.core.rows import add_candidate, add_difference, add_object

PROMISED = {
    "id", "object", "frame", "x", "y", "x_frame", "y_frame", "ra", "dec", "mjd", "filter", "snr", "flux",
    "flux_err", "mag", "score", "scores", "verdict",
}  # fmt: skip


def walk(store, limit, **more):
    """All rows, by pages."""
    rows, after = [], None
    while True:
        found = page(store, limit=limit, after=after, **more)
        assert len(found.rows) <= limit
        rows += found.rows
        if found.next is None:
            return rows
        assert len(found.rows) == limit
        after = found.next


@pytest.fixture
def many(store):
    """Candidates with ties, nulls and both signs in every order."""
    sky_object = add_object(store)
    with store.write() as db:
        for number in range(23):
            value = None if number % 5 == 0 else float(number % 7) * 1.1
            snr = (-1) ** number * (5.0 + number % 4)
            facts = {"score": value, "mag": value, "snr": snr, "mjd": 60000.0 + number % 3}
            db.add(Candidate(external_id=str(number), sky_object_id=sky_object, **facts))
    with store.read() as db:
        return sorted(db.exec(select(Candidate.id)))


def test_pages_are_the_whole_in_every_order(store, many):
    for order in (sign + name for name in ORDERS for sign in ("", "-")):
        name, descending = order.removeprefix("-"), order.startswith("-")
        whole = page(store, order=order, limit=100)
        assert whole.next is None
        assert sorted(row["id"] for row in whole.rows) == many
        values = [abs(row["snr"]) if name == "significance" else row[name] for row in whole.rows]
        known = [
            (value, row["id"]) for value, row in zip(values, whole.rows, strict=True) if value is not None
        ]
        assert known == sorted(known, reverse=descending), order
        assert all(value is None for value in values[len(known) :]), order
        for limit in (4, 23):
            assert walk(store, limit, order=order) == list(whole.rows), (order, limit)


def test_rows_that_come_between_two_pages_shift_nothing(store, many):
    whole = [row["id"] for row in walk(store, 100)]
    first = page(store, limit=5)
    add_candidate(store, score=1e6)
    rest = page(store, limit=100, after=first.next)
    assert [row["id"] for row in first.rows + rest.rows] == whole


def test_the_first_page_by_default_is_the_most_significant(store):
    weak, strong = add_candidate(store, score=6.0), add_candidate(store, score=60.0)
    assert [row["id"] for row in page(store).rows] == [strong, weak]


def test_superseded_candidates_are_left_out(store):
    add_candidate(store, is_current=False)
    current = add_candidate(store)
    assert [row["id"] for row in page(store).rows] == [current]


def test_a_record_has_what_was_promised_and_is_json(store):
    observation, difference = add_difference(store)
    candidate = add_candidate(
        store, add_object(store, name="AT2026x"), observation_id=observation, difference_id=difference,
        frame="a\x1b.fits", x=1.5, y=2.5, x_frame=3.5, y_frame=4.5, filter="r", mjd=60000.5, snr=-7.5,
        flux=-120.0, flux_err=16.0, flux_unit="electron", score=7.5,
    )  # fmt: skip
    (row,) = page(store).rows
    assert set(row) >= PROMISED
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    expected = {
        "id": candidate, "object": "AT2026x", "frame": "a\x1b.fits", "x": 1.5, "y": 2.5, "x_frame": 3.5,
        "y_frame": 4.5, "ra": None, "dec": None, "mjd": 60000.5, "filter": "r", "snr": -7.5, "flux": -120.0,
        "flux_err": 16.0, "mag": None, "score": 7.5, "scores": {}, "verdict": None, "method": "zogy",
    }  # fmt: skip
    assert {key: row[key] for key in expected} == expected


def test_nothing_in_a_record_tells_an_injected_source(store):
    real = add_candidate(store, add_object(store))
    fake = add_candidate(store, add_object(store, injected=True))
    rows = {row["id"]: row for row in page(store).rows}
    assert set(rows) == {real, fake}
    assert set(rows[real]) == set(rows[fake])
    for detail in (rows[fake], show(store, fake), shown_capsule(store, fake, by="test")):
        assert "inject" not in json.dumps(detail)


def test_the_verdict_of_a_record_follows(store):
    candidate = add_candidate(store)
    decide(store, session="s", reviewer="ada", candidate_id=candidate, label=Label.TRAIL, shown={})
    assert page(store).rows[0]["verdict"] == "trail"
    assert page(store, filters="verdict:trail").rows[0]["id"] == candidate
    assert page(store, filters="verdict:none").rows == ()
    undo(store, session="s", reviewer="ada")
    assert page(store).rows[0]["verdict"] is None


def test_filters_and_pages_go_together(store, many):
    rows = walk(store, 3, filters="snr>0", order="mjd")
    assert len(rows) == 12
    assert all(row["snr"] > 0 for row in rows)


def cursor(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"order": "beauty"}, "ordered by score"),
        ({"order": "--score"}, "ordered by score"),
        ({"limit": 0}, "0 rows"),
        ({"limit": 10_001}, "10001 rows"),
        ({"after": "?"}, "damaged"),
        ({"after": "é"}, "damaged"),
        ({"after": cursor("x")}, "damaged"),
        ({"after": cursor(["-score", "1", 1])}, "damaged"),
        ({"after": cursor(["-score", 1.0, 2**70])}, "damaged"),
        ({"after": cursor(["-score", 2**70, 1])}, "damaged"),
        ({"after": cursor(["-score", -(10**400), 1])}, "damaged"),
        ({"after": cursor(["-score", float("nan"), 1])}, "damaged"),
        ({"after": cursor(["mjd", 1.0, 1])}, "another order"),
    ],
)
def test_what_makes_no_page_is_refused(sqlite_store, arguments, reason):
    with pytest.raises(PageError, match=reason) as refused:
        page(sqlite_store, **arguments)
    assert refused.value.exit_code == 2


def test_an_index_holds_each_order(sqlite_store):
    asked = []

    def note(connection, cursor, statement, parameters, context, executemany):
        asked.append((statement, parameters))

    with sqlite_store.read() as db:
        engine = db.get_bind()
    for order in ORDERS.keys() - {"significance"}:
        event.listen(engine, "before_cursor_execute", note)
        page(sqlite_store, order=f"-{order}")
        event.remove(engine, "before_cursor_execute", note)
    pages = [statement for statement, _ in asked if "IS NOT NULL ORDER BY" in statement]
    assert len(pages) == len(ORDERS) - 1
    with sqlite_store.read() as db:
        for statement, parameters in asked:
            if statement in pages:
                plan = db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                steps = [step.detail for step in plan if step.parent == 0]
                assert not any("TEMP B-TREE" in step for step in steps), (statement, steps)


def test_show_has_all_of_one_candidate(store):
    observation, difference = add_difference(store, seeing_px=3.25)
    sky_object = add_object(store)
    facts = {"observation_id": observation, "difference_id": difference}
    older = add_candidate(store, sky_object, mjd=60001.0, features={"fwhm": 3.5, "odd": None}, **facts)
    newer = add_candidate(store, sky_object, mjd=60003.0, **facts)
    with store.write() as db:
        db.add(
            ForcedFlux(
                difference_id=difference, sky_object_id=sky_object, mjd=60002.0, flux=1.0, flux_err=2.0,
                flux_unit="electron", zeropoint=25.0, mag_system="ab",
            )
        )  # fmt: skip
    decide(store, session="s", reviewer="ada", candidate_id=newer, label=Label.REAL, shown={}, tags=["a"])
    detail = show(store, older)
    assert json.loads(json.dumps(detail, allow_nan=False)) == detail
    assert detail["id"] == older
    assert detail["features"] == {"fwhm": 3.5, "odd": None}
    assert detail["measured"]["seeing_px"] == 3.25
    assert [epoch["candidate_id"] for epoch in detail["epochs"]] == [newer, older]
    assert [point["is_limit"] for point in detail["light_curve"]] == [False, True, False]
    assert [past["label"] for past in detail["verdicts"]] == ["real"]
    assert detail["verdict"] == "real"


def test_an_unknown_candidate_is_a_clear_error(store):
    for read in (show, lambda store, number: shown_capsule(store, number, by="x")):
        with pytest.raises(CandidateError, match="no candidate 4711"):
            read(store, 4711)
