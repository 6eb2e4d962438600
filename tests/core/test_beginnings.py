"""How names begin is found by an index on each database, whatever a language's rules of sorting."""

import pytest
from sqlalchemy import event, insert, text
from sqlmodel import col, select

from core.database.beginnings import begins, index_order
from core.database.tables import SkyObject, SurveyObject
from core.objects import beginnings
from core.objects.beginnings import names_beginning
from core.review.card_terms import parse
from core.review.narrow import few

# A language sorts capitals beside small letters, and passes over signs and blanks.
NAMES = ("ab", "aB c", "A-b", "a b", "ab%", "ab_", "abz", "ABZ", "ac", "b", "äb", "Äc", "z", "az\U0010fffe")
OTHERS = 2000


@pytest.fixture
def named(store, monkeypatch):
    """A store whose objects have these names, and such names of a survey; none is among the newest."""
    monkeypatch.setattr(beginnings, "LOOKED_AT", 0)
    with store.write() as db:
        rows = [SkyObject(name=name) for name in NAMES]
        db.add_all(rows)
        db.flush()
        db.add_all(SurveyObject(source="s", external_id=f"s{row.name}", sky_object_id=row.id) for row in rows)
    return store


@pytest.fixture
def crowded(named):
    """With many more, or any way through so few may seem to cost the same, all the more once counted."""
    with named.write() as db:
        db.execute(insert(SkyObject), [{"name": f"q{number}"} for number in range(OTHERS)])
        ids = db.scalars(select(SkyObject.id).where(col(SkyObject.name).like("q%"))).all()
        rows = [{"source": "s", "external_id": f"t{each}", "sky_object_id": each} for each in ids]
        db.execute(insert(SurveyObject), rows)
    with named.write() as db:
        if named.is_postgresql:
            db.execute(text("ANALYZE sky_object, survey_object"))
    return named


def plans(store, ask):
    """How the database would carry out each statement on names, had it to use an index where it can."""
    asked = []
    with store.read() as db:
        connection = db.connection()
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    ask()
    names = [each for each in asked if "lower(" in each[0]]
    with store.read() as db:
        if store.is_postgresql:
            for way in ("seqscan", "bitmapscan", "sort"):
                db.execute(text(f"SET LOCAL enable_{way} = off"))
        explain = "EXPLAIN" if store.is_postgresql else "EXPLAIN QUERY PLAN"
        run = db.connection().exec_driver_sql
        rows = [run(f"{explain} {words}", values).all() for words, values in names]
    return [" ".join(str(step) for step in plan) for plan in rows]


@pytest.mark.parametrize("start", [*NAMES, "a", "A", "ä", "_", "%", "x", "s", "sa", "sAb"])
def test_names_that_begin_so_are_found(named, start):
    words = {word for word, _ in names_beginning(named, start)}
    assert words == {name for name in (*NAMES, *(f"s{each}" for each in NAMES)) if name.startswith(start)}


def test_they_come_in_the_order_of_the_characters(named):
    with named.read() as db:
        dialect = db.get_bind().dialect.name
        query = select(SkyObject.name).where(begins(col(SkyObject.name), "A", dialect))
        found = list(db.scalars(query.order_by(index_order(col(SkyObject.name), dialect), col(SkyObject.id))))
    wanted = [name for name in NAMES if name[0] in "aA"]
    assert found == sorted(wanted, key=lambda name: (name.lower(), NAMES.index(name)))


INDEXES = ("ix_sky_object_lower_name", "ix_survey_object_lower_external_id")


@pytest.mark.parametrize("index", INDEXES)
def test_an_index_finds_what_is_completed_in_its_order(crowded, index):
    found = [plan for plan in plans(crowded, lambda: names_beginning(crowded, "abc")) if index in plan]
    assert len(found) == 1
    assert "Index Cond" in found[0] or "SEARCH" in found[0]
    assert "Sort" not in found[0]
    assert "TEMP B-TREE" not in found[0]


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("filters", ["object:abc*", "object:abc"])
def test_an_index_finds_what_a_filter_names(crowded, index, filters):
    def ask():
        with crowded.read() as db:
            few(db, parse(filters))

    found = [plan for plan in plans(crowded, ask) if index in plan]
    assert found
    assert all("Index Cond" in plan or "SEARCH" in plan for plan in found)
