"""Versions of models in the store: kept once, promoted, rolled back."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from core.database.tables import TrainedModel
from core.models import versions
from core.models.overview import overview
from core.models.versions import SHIPPED, ModelUnknown


def add(store, digest: str, name: str = "realbogus"):
    return versions.add(
        store, name=name, digest=digest, origin="training", created_by="ann@dome", description={"kind": name}
    )


def used(store, name: str = "realbogus") -> int:
    return versions.in_use(store, [name])[name].number


def test_numbers_count_up_by_model_and_the_same_files_are_the_same_version(store):
    assert [add(store, digest).number for digest in ("a", "b", "a")] == [1, 2, 1]
    assert add(store, "a", "tree").number == 1
    assert [row.digest for row in versions.versions(store, "realbogus")] == ["b", "a"]


def test_what_astrid_came_with_is_in_use_until_something_is_promoted(store):
    assert used(store) == SHIPPED
    add(store, "a")
    assert used(store) == SHIPPED
    versions.promote(store, "realbogus", 1, by="ann", reason="twice as good")
    (told,) = versions.in_use(store, ["realbogus"]).values()
    assert (told.number, told.digest) == (1, "a")
    (row,) = versions.promotions(store, "realbogus")
    assert (row.kind, row.number, row.previous, row.reason) == ("promote", 1, SHIPPED, "twice as good")


def test_hundreds_of_versions_are_listed_in_as_many_questions_as_a_few_and_without_their_scorecards(
    sqlite_store, tmp_path
):
    asked: list[str] = []
    with sqlite_store.read() as db:
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2]))

    def listed() -> tuple[int, int]:
        asked.clear()
        rows = {row.name: row for row in overview(sqlite_store, tmp_path)}["realbogus"].versions
        return len(rows), len(asked)

    add(sqlite_store, "0")
    (one, few) = listed()
    with sqlite_store.write() as session:
        session.add_all(
            TrainedModel(
                name="realbogus",
                number=number,
                digest=str(number),
                origin="training",
                created_at=1.0,
                created_by="ann",
                description={"kind": "realbogus", "trained": {"metrics": {"auc": 0.9}}},
                scorecard={"strata": ["x" * 1000]},
            )
            for number in range(2, 501)
        )
    assert (one, listed()) == (1, (500, few))
    assert not any("scorecard" in each for each in asked)


def test_what_is_not_there_is_not_promoted(store):
    with pytest.raises(ModelUnknown, match="no version 1"):
        versions.promote(store, "realbogus", 1, by="ann")
    with pytest.raises(ModelUnknown, match="in use already"):
        versions.promote(store, "realbogus", SHIPPED, by="ann")
    with pytest.raises(ModelUnknown, match="nothing to go back to"):
        versions.rollback(store, "realbogus", by="ann")
    assert versions.promotions(store) == []


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(0, 3), st.none()), max_size=12))
def test_rolling_back_walks_back_along_what_was_promoted(sqlite_store, steps):
    name = f"m{len(versions.promotions(sqlite_store, limit=10_000))}"
    for number in (1, 2, 3):
        add(sqlite_store, f"{name}{number}", name)
    stack = [SHIPPED]
    for step in steps:
        if step is None and len(stack) > 1:
            stack.pop()
            versions.rollback(sqlite_store, name, by="ann")
        elif step is not None and step != stack[-1]:
            stack.append(step)
            versions.promote(sqlite_store, name, step, by="ann")
        assert used(sqlite_store, name) == stack[-1]
        assert versions.previous(sqlite_store, name) == (stack[-2] if len(stack) > 1 else None)
