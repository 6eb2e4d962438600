"""Filters on a store in which somebody had SQLite count what there is (``ANALYZE``, ``PRAGMA optimize``).

The numbers are averages over the whole of an index, and lead it astray where nearly all rows are alike.
"""

import re

import pytest
from sqlalchemy import event, text

from core.review import candidates, waiting
from core.vocabulary import ReviewState
from tests.core.rows import add_candidate

# What `ANALYZE` counts among a million candidates, a tenth of them judged (`benchmarks.million`).
COUNTED = {
    ("candidate", "ix_candidate_snr"): "1000000 1000000 1 1",
    ("candidate", "ix_candidate_score"): "1000000 1000000 1 1",
    ("candidate", "ix_candidate_mag"): "1000000 1000000 1 1",
    ("candidate", "ix_candidate_mjd"): "1000000 1000000 1000 1",
    ("candidate", "ix_candidate_observation_id"): "1000000 1000",
    ("candidate", "ix_candidate_object"): "1000000 1 1",
    ("candidate", "ix_candidate_lower_frame"): "1000000 1000",
    ("candidate", "ix_candidate_cone"): "1000000 47 1",
    ("sky_object", "ix_sky_object_queue"): "1000000 250000 1 1",
    ("sky_object", "ix_sky_object_brightness"): "1000000 250000 1 1",
    ("sky_object", "ix_sky_object_age"): "1000000 250000 500 1",
    ("sky_object", "ix_sky_object_cone"): "1000000 47 1",
    ("verdict", "ix_verdict_sky_object_id"): "105000 1",
    ("verdict", "ix_verdict_candidate_id"): "105000 1",
    ("verdict", "ix_verdict_tagged"): "6010 1",
    ("verdict", "ix_verdict_reviewer"): "105000 21000",
    ("verdict", "ix_verdict_retracts_id"): "105000 105000",
}
FILTERS = (
    "verdict:real", "verdict:dipole", "verdict:none", "-verdict:real", "tag:host", "snr<5.5", "score>0.9",
    "mag>20 filter:r", "zone:human", "state:real", "known:star", "disputed:yes",
)  # fmt: skip


@pytest.fixture(params=[False, True], ids=["as it comes", "analysed"])
def counted(request, sqlite_store, monkeypatch):
    """A store, and the plans of what is asked of it."""
    monkeypatch.setattr(waiting, "_BEGINNING", 1)
    monkeypatch.setattr(candidates, "BEGINNING", 1)
    for number in range(4):
        add_candidate(sqlite_store, score=float(number))
    if request.param:
        with sqlite_store.write() as db:
            db.execute(text("ANALYZE"))
            db.execute(text("DELETE FROM sqlite_stat1"))
            for (table, index), stat in COUNTED.items():
                row = {"table": table, "index": index, "stat": stat}
                db.execute(text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :stat)"), row)
        sqlite_store._reader.dispose()  # a connection reads it when it begins
    return sqlite_store


def plans(store, ask) -> list[list[str]]:
    asked = []

    def note(*given):
        asked.append(given[2:4])

    event.listen(store._reader, "before_cursor_execute", note)
    ask()
    event.remove(store._reader, "before_cursor_execute", note)
    with store.read() as db:
        run = db.connection().exec_driver_sql
        return [
            [step[3] for step in run(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement, values in asked
            if statement.startswith(("SELECT", "WITH"))
        ]


def steps(store, ask) -> list[str]:
    return [step for plan in plans(store, ask) for step in plan]


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("order", ["score", "brightness", "age"])
def test_no_verdict_is_sought_among_all_for_another(counted, filters, order):
    """A hundred thousand times a hundred thousand: a page of them took 100 s."""
    found = steps(counted, lambda: waiting.queue_page(counted, filters=filters, order=order))
    found += steps(counted, lambda: waiting.queue_count(counted, filters=filters, order=order))
    found += steps(counted, lambda: candidates.page(counted, filters=filters))
    assert found
    assert not any(re.match(r"SCAN verdict_[2-9]", step) for step in found), found


@pytest.mark.parametrize("filters", FILTERS)
def test_what_goes_through_all_candidates_goes_through_them_once_and_as_they_lie(
    counted, filters, monkeypatch
):
    monkeypatch.setattr(waiting, "few", lambda *_, **__: None)
    found = plans(counted, lambda: waiting.queue_count(counted, filters=filters, states=(ReviewState.REAL,)))
    among = [plan for plan in found if "promotion" not in plan[0]]  # by which zones end where they do
    assert [plan[0].startswith("SCAN candidate") for plan in among] == [True], found


@pytest.mark.parametrize("filters", ["zone:human", "snr<5.5", "score>0.9 mag>20"])
def test_candidates_by_their_ids_are_read_in_that_order(counted, filters):
    found = steps(counted, lambda: candidates.page(counted, order="-id", filters=filters))
    assert "SCAN candidate" in found
    assert not any("ORDER BY" in step for step in found), found
