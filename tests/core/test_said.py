"""Filters about verdicts and tags: pages of candidates are the same however they are found."""

import gc
from weakref import WeakSet

import pytest
from sqlalchemy import event
from sqlalchemy.orm.util import AliasedInsp

from core.review import candidates, waiting
from core.review.card_terms import conditions, in_state, parse
from core.review.narrow import few
from core.review.verdicts import annotate, decide
from core.review.waiting import queue_page
from core.vocabulary import Label, ReviewState
from tests.copies import made_once
from tests.core.rows import add_candidate, add_object
from tests.core.test_filters import matching
from tests.core.test_tracklets import linked_mover

SAID = ("verdict:none", "verdict:any", "verdict:snooze", "verdict:real", "verdict:moving", "-verdict:real",
        "tag:host", "tag:rare", "tag:none", "-tag:host", "verdict:real tag:host", "tag:host or snr>9",
        "verdict:dipole snr<9")  # fmt: skip


@made_once
def much_was_said(store):
    body = linked_mover(store)
    labels = (Label.REAL, Label.DIPOLE, Label.SNOOZE, Label.SUPERNOVA)
    sitting = {"session": "ada", "reviewer": "ada"}
    for number in range(24):
        key = add_object(store)
        pair = [add_candidate(store, key, snr=5.0 + (7 * number + each) % 11) for each in range(2)]
        if number % 3 == 0:
            label = labels[number // 3 % 4]
            decide(
                store, **sitting, candidate_id=pair[0], label=label, shown={}, tags=["host"] * (number % 2)
            )
        if number == 5:
            annotate(store, **sitting, candidate_id=pair[1], tags=["rare"])
    decide(store, **sitting, candidate_id=body[2], label=Label.MOVING, shown={})


@pytest.fixture
def said(store):
    """Objects of two candidates each, a third of which somebody judged or tagged; and a body that was."""
    much_was_said(store)
    return store


@pytest.mark.parametrize("limits", [{}, {"BEGINNING": 1}, {"BEGINNING": 1, "MOST_SAID": 0}])
def test_what_was_said_is_found_however_much_there_is(said, monkeypatch, limits):
    for name, value in limits.items():
        monkeypatch.setattr(candidates, name, value)
    for expression in SAID:
        wanted = matching(said, expression)
        for order in ("-score", "-id", "significance"):
            seen, after = [], None
            while True:
                page = candidates.page(said, order=order, filters=expression, limit=9, after=after)
                seen += [row["id"] for row in page.rows]
                if (after := page.next) is None:
                    break
            assert sorted(seen) == wanted, (expression, order)
    assert matching(said, "verdict:moving") == matching(said, "tracklet:any")
    assert len(matching(said, "verdict:moving")) == 4


@pytest.mark.parametrize("expression", ["verdict:snooze", "tag:rare", "verdict:real"])
def test_what_was_seldom_said_is_not_looked_for_among_all(sqlite_store, monkeypatch, expression):
    """After the beginning of their order candidates are found by what was said, and then sorted."""
    monkeypatch.setattr(candidates, "BEGINNING", 1)
    for _ in range(4):
        add_candidate(sqlite_store)
    statements = []
    with sqlite_store.read() as db:
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: statements.append(given[2:4]))
    candidates.page(sqlite_store, filters=expression, limit=1)
    asked = [each for each in statements if "page_key" in each[0]]
    with sqlite_store.read() as db:
        for statement, values in asked:
            plan = db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            outer = [step[3] for step in plan if step[1] == 0]
            assert not any(" candidate USING INDEX ix_candidate_score" in step for step in outer), outer
        # By which PostgreSQL would go through all objects for some; but of a tag each is asked by itself.
        assert " OR " not in statement or expression.startswith("tag:")
    assert len(asked) == 4  # of the beginning and of the few, each with a score and without


def test_those_on_lines_are_listed_without_going_through_all(sqlite_store):
    asked = []
    with sqlite_store.read() as db:
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    candidates.page(sqlite_store, filters="line:row", limit=1)
    words, values = next(each for each in asked if "FROM candidate" in each[0])
    with sqlite_store.read() as db:
        plan = str(db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values).all())
    assert "ix_candidate_row" in plan


def test_of_what_was_said_each_object_is_asked_for_its_state(store):
    """Told to join them, PostgreSQL goes through all that await a verdict for the few that were judged."""
    asked = []
    with store.read() as db:
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        assert few(db, parse("verdict:real"), states=["unreviewed"]) == []
        connection, explain = db.connection(), "EXPLAIN" if store.is_postgresql else "EXPLAIN QUERY PLAN"
        words, values = next(each for each in asked if "FROM verdict" in each[0])
        plan = str(connection.exec_driver_sql(f"{explain} {words}", values).all())
    assert ("SubPlan" if store.is_postgresql else "CORRELATED SCALAR SUBQUERY") in plan


@pytest.mark.parametrize("expression", ["tag:host", "tag:none", "-tag:host", "tag:any"])
def test_of_a_few_objects_each_is_asked_for_its_tags(store, monkeypatch, expression):
    """A page that looks at the first of a queue is not to read all that was ever said."""
    monkeypatch.setattr(waiting, "_BEGINNING", 1)
    for _ in range(3):
        add_candidate(store)
    asked = []
    with store.read() as db:
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2]))
    queue_page(store, filters=expression, limit=1)
    first = next(each for each in asked if "JOIN candidate" in each)
    assert "_1.sky_object_id = sky_object.id" in first
    assert "UNION" not in first


def test_postgresql_takes_objects_with_tags_for_few(store, monkeypatch):
    monkeypatch.setattr("core.review.narrow.VERY_FEW", -1)
    annotate(store, session="ada", reviewer="ada", candidate_id=add_candidate(store), tags=["host"])
    for expression in ("tag:host", "verdict:real", "line:row"):
        with store.read() as db:
            among = few(db, parse(expression))
        assert ("unnest(array(" in str(among)) is store.is_postgresql
    assert len(queue_page(store, filters="tag:host").rows) == 1


@pytest.mark.parametrize("expression", ["tag:host", "verdict:real", "disputed:yes", "expert:eve"])
def test_what_a_filter_is_made_of_goes_with_it(monkeypatch, expression):
    """A console asks for its queue all night long, each time by the names that tables have in that query."""
    kept, begin = WeakSet(), AliasedInsp.__init__

    def noted(self, *given, **more) -> None:
        begin(self, *given, **more)
        kept.add(self)

    monkeypatch.setattr(AliasedInsp, "__init__", noted)
    gc.freeze()  # what other tests left need not be looked through

    def names_kept() -> int:
        for _ in range(10):
            conditions(in_state(parse(expression), ReviewState.ESCALATED, "ada"))
        gc.collect()
        return len(kept)

    assert names_kept() == names_kept()
