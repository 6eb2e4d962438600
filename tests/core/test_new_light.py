"""A new source that is too bright to be measured is told of, once, to whoever looks after the telescope."""

import time

import pytest
from sqlalchemy import event

from core.database.tables import Observation, Rejection
from core.health.checks import examine
from core.health.facts import Facts, StoreFacts
from core.health.new_light import LATELY_S, NewLight, new_light
from core.settings_sections import HealthSettings
from core.vocabulary import NEW_SATURATED
from tests.core.rows import add_difference

NOW = time.time()


def add_rejection(store, frame, *, cause=NEW_SATURATED, ago_s=60.0, is_current=True, count=1, **facts):
    observation, difference = add_difference(store, frame, is_current=is_current)
    with store.write() as db:
        db.get_one(Observation, observation).finished_at = NOW - ago_s
        values = {"x": 10.0, "y": 20.0, "ra": 150.0, "dec": 2.0} | facts
        of_frame = {"observation_id": observation, "difference_id": difference}
        for _ in range(count):
            db.add(Rejection(**of_frame, stage="detect", cause=cause, **values))


def seen(store):
    with store.read() as db:
        return new_light(db, NOW)


def test_each_place_is_told_of_once_with_its_newest_frame(store):
    add_rejection(store, "old.fits", ago_s=LATELY_S + 60.0)
    add_rejection(store, "cut.fits", cause="edge", ra=10.0)
    add_rejection(store, "before.fits", ra=20.0, is_current=False)  # the frame was processed anew since
    assert seen(store) == ()
    add_rejection(store, "a.fits")
    add_rejection(store, "b.fits", ra=150.0001)
    add_rejection(store, "c.fits", ra=None, dec=None, x=301.4, y=50.0)
    assert [(each.frame, each.place) for each in seen(store)] == [
        ("c.fits", "pixel 301, 50 of the reference"),
        ("b.fits", "150.00010 +2.00000"),
    ]


def test_what_is_in_each_frame_of_a_night_hides_no_other_place(store):
    add_rejection(store, "nova.fits", ra=20.0)
    add_rejection(store, "a.fits", count=300)
    assert [each.frame for each in seen(store)] == ["a.fits", "nova.fits"]


def test_places_that_are_seen_by_turns_keep_their_order(store):
    """Else each would be told of anew with every frame, where more are than are told one by one."""
    add_rejection(store, "first.fits", ra=20.0)
    orders = set()
    for ra in (30.0, 20.0, 30.0, 20.0):
        add_rejection(store, "next.fits", ra=ra)
        orders.add(tuple(each.ra for each in seen(store)))
    assert orders == {(30.0, 20.0)}


def test_without_a_wcs_a_place_is_one_of_its_reference(store):
    for frame in ("a.fits", "b.fits"):  # each has a reference of its own
        add_rejection(store, frame, ra=None, dec=None)
    assert {each.frame for each in seen(store)} == {"a.fits", "b.fits"}


def test_they_are_found_by_an_index(sqlite_store):
    statements = []
    with sqlite_store.read() as db:
        connection = db.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
        new_light(db, NOW)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[0][0]}", statements[0][1]).all()
    assert any("ix_rejection_saturated" in str(step) for step in plan), plan


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_check_says_where_to_look(count):
    light = tuple(NewLight("a.fits", 10.0 + i, -2.0, 1.0, 2.0) for i in range(count))
    facts = Facts(NOW, "here", StoreFacts("astrid.db", new_light=light))
    checks = [each for each in examine(facts, HealthSettings()) if each.name == "sky"]
    assert len(checks) == min(max(count, 1), 6)
    assert checks[0].is_trouble == (count > 0)
    if count:
        assert checks[0].message == (
            "look at 10.00000 -2.00000: saturated in a.fits, and faint in its reference"
        )
        assert len({each.cause for each in checks}) == len(checks)
    if count > 5:
        assert checks[-1].message == (
            "2 further places with a new source that is saturated: `astrid queue list"
            " --filter 'reason:\"*saturated here*\"'` tells of their frames"
        )
