"""What names in a filter stand for is looked up first; what is found stays the same."""

import pytest
from sqlalchemy import event
from sqlmodel import select

from core.database.tables import Candidate, SkyObject, SurveyObject
from core.objects.object_list import object_page
from core.review import candidates, card_terms, filters, names
from core.review.filter_terms import AnyOf, Match, Not
from core.review.names import looked_up
from tests.copies import made_once
from tests.core.rows import add_candidate, add_difference, add_object

EXPRESSIONS = (
    "frame:*x", "frame:*7.FITS", "frame:K*", "frame:*", "frame:k7.fits", "frame:*é*", "frame:*_7*",
    "object:*2", "object:*", "object:*ztf*", "object:at*", "field:*31", "field:m*", "field:*x",
    "-frame:*7.fits", "frame:*x or snr>7", "-(field:*31 or object:*2) frame:*",
)  # fmt: skip


def ids(store, conditions):
    query = select(Candidate.id).join(SkyObject, Candidate.sky_object_id == SkyObject.id).where(*conditions)
    with store.read() as db:
        return set(db.scalars(query))


@made_once
def eight_objects(store):
    fields = [add_difference(store, field=field)[0] for field in ("M31", "m 31", "NGC 1")]
    frames = ("K7.fits", "k17.fits", "K_7.fits", "É7.fits", "É8.fits", "z.fits.fz", "k7.fits", None)
    for number, frame in enumerate(frames):
        key = add_object(store, name=f"AT{number}")
        facts = {"frame": frame, "observation_id": fields[number % 3], "snr": 5.0 + number}
        add_candidate(store, key, score=float(number), **facts)
        add_candidate(store, key, score=-1.0, is_current=False, **facts)
    with store.write() as db:
        db.add(SurveyObject(source="ztf", external_id="ZTF2", sky_object_id=key))


@pytest.fixture
def some(store):
    """Eight objects on frames of all kinds, one of each superseded, one without any frame."""
    eight_objects(store)
    return store


@pytest.mark.parametrize("most", [names.MOST, 1])
def test_what_is_looked_up_finds_the_same(some, monkeypatch, most):
    monkeypatch.setattr(names, "MOST", most)
    monkeypatch.setattr(names, "MOST_NAMES", min(most, names.MOST_NAMES))
    for expression in EXPRESSIONS:
        terms, cards = filters.parse(expression), card_terms.parse(expression)
        wanted, on_cards = ids(some, filters.conditions(terms)), ids(some, card_terms.conditions(cards))
        with some.read() as db:
            terms, cards = looked_up(db, terms), looked_up(db, cards)
        assert ids(some, filters.conditions(terms)) == wanted, expression
        for one_by_one in (False, True):
            found = ids(some, card_terms.conditions(cards, one_by_one=one_by_one))
            assert found == on_cards, expression
        with some.read() as db:
            current = set(
                db.scalars(select(Candidate.id).where(Candidate.id.in_(wanted), Candidate.is_current))
            )
        for order in ("-score", "id"):
            rows = candidates.page(some, order=order, filters=expression).rows
            assert {row["id"] for row in rows} == current, (expression, order)
        assert {row["candidate"] for row in object_page(some, filters=expression).rows} == current, expression


def test_what_a_name_stands_for(some):
    with some.read() as db:
        frames, shown, no_object, negated, either = (
            looked_up(db, parse(expression))[0]
            for parse, expression in [
                (filters.parse, "frame:*7.fits"),
                (card_terms.parse, "frame:z*"),
                (filters.parse, "object:*x"),
                (filters.parse, "-frame:*x"),
                (filters.parse, "frame:*x or snr>7"),
            ]
        )
    lowered = {"k7.fits", "k17.fits", "k_7.fits"}
    assert {name for name in frames.few if name.isascii()} == lowered
    assert len(frames.few) == 4
    assert shown == card_terms.SeenOn("z*", ("z.fits.fz",))
    assert no_object == Match("object", "*x", ())
    assert negated == Not(Match("frame", "*x", ()))
    assert isinstance(either, AnyOf)
    assert either.alternatives[0] == (Match("frame", "*x", ()),)


@pytest.mark.parametrize(("limit", "value"), [("MOST", 1), ("MOST_NAMES", 1), ("MOST_FRAMES", 3)])
def test_where_much_passes_a_pattern_stays_one(some, monkeypatch, limit, value):
    monkeypatch.setattr(names, limit, value)
    with some.read() as db:
        (term,) = looked_up(db, filters.parse("frame:*7*"))
    assert term == Match("frame", "*7*")


@pytest.mark.parametrize("expression", ["frame:*7.fits", "field:*31", "object:*2", "object:AT2"])
def test_a_page_reads_only_the_candidates_that_were_looked_up(sqlite_store, expression):
    """Not all of them in their order, which is what the database would do for a page."""
    observation, _ = add_difference(sqlite_store, field="M31")
    for number in range(4):
        key = add_object(sqlite_store, name=f"AT{number}")
        add_candidate(sqlite_store, key, frame=f"k{number}7.fits", observation_id=observation)
    statements = []
    with sqlite_store.read() as db:
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: statements.append(given[2:4]))
    candidates.page(sqlite_store, filters=expression)
    asked = [each for each in statements if "page_key" in each[0]]
    with sqlite_store.read() as db:
        for statement, values in asked:
            plan = db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert "is_current" not in str(plan)
            assert "SCAN candidate" not in str(plan)
    assert asked
