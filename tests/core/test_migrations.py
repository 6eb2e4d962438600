"""Stores of other versions: migrations up and down, what differs, and what is refused."""

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel, select

from core.database import migrations, tables
from core.database.engine import make_engine, parse_url
from core.database.store import HEAD, open_store
from core.database.store_errors import (
    StoreOutdated,
    StoreTooNew,
    StoreUnreachable,
)
from core.database.tables import SavedFilter
from tests.conftest import _database


def set_version(url: str, version: str) -> None:
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    engine.dispose()


def test_the_constant_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(migrations.FOLDER)).get_current_head() == HEAD


def test_migrations_go_up_and_down_and_up(empty_url: str) -> None:
    assert migrations.upgrade(empty_url) == (None, HEAD)
    assert migrations.upgrade(empty_url) == (HEAD, HEAD)
    migrations.downgrade(empty_url, "base")
    engine = make_engine(parse_url(empty_url))
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    migrations.upgrade(empty_url)
    assert migrations.check(empty_url) == []


def test_a_step_down_and_up_again_keeps_the_one_current_difference(empty_url: str) -> None:
    """SQLite copies the table to drop a column, and the condition of an index is easily lost."""
    migrations.upgrade(empty_url)
    migrations.downgrade(empty_url, "0002")
    migrations.upgrade(empty_url)
    assert migrations.check(empty_url) == []
    engine = make_engine(parse_url(empty_url))
    indexes = {each["name"]: each for each in inspect(engine).get_indexes("difference")}
    engine.dispose()
    current = indexes["ix_difference_current"]
    assert current["unique"]
    assert any("is_current" in str(where) for where in current["dialect_options"].values())


def test_the_check_names_what_differs(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    engine = make_engine(parse_url(empty_url))
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_candidate_cone"))
        connection.execute(text("DROP INDEX ix_sky_object_lower_name"))
        connection.execute(text("ALTER TABLE reference DROP COLUMN seeing_px"))
        connection.execute(text("ALTER TABLE run ADD COLUMN colour INTEGER"))
        connection.execute(text("DROP TABLE open_card"))
        connection.execute(text("CREATE TABLE mine (x INTEGER)"))
    engine.dispose()
    problems = migrations.check(empty_url)
    assert set(problems) >= {
        "the table candidate has no index ix_candidate_cone",
        "the table reference has no column seeing_px",
        "the table run has a column colour, which is not AstrID's",
        "the store has no table open_card",
        "the store has a table mine, which is not AstrID's",
    }
    assert any("ix_sky_object_lower_name" in each for each in problems)
    assert not any("(" in each for each in problems)


def test_the_check_tells_of_a_column_of_another_type(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    engine = make_engine(parse_url(empty_url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE reference DROP COLUMN seeing_px"))
        connection.execute(text("ALTER TABLE reference ADD COLUMN seeing_px INTEGER"))
    engine.dispose()
    assert migrations.check(empty_url) == [
        "the column seeing_px of the table reference is of another type than AstrID's"
    ]


def test_the_check_lets_the_comments_of_whoever_runs_the_server_be(postgres_server: str) -> None:
    with _database(postgres_server) as url:
        migrations.upgrade(url)
        engine = make_engine(parse_url(url))
        with engine.begin() as connection:
            connection.execute(text("COMMENT ON TABLE verdict IS 'never delete'"))
            connection.execute(text("COMMENT ON COLUMN verdict.note IS 'as it was typed'"))
            connection.execute(text("ALTER TABLE run ALTER COLUMN counts DROP NOT NULL"))
        engine.dispose()
        assert migrations.check(url) == [
            "the column counts of the table run is of another nullability than AstrID's"
        ]


def test_a_store_of_a_newer_program_is_refused(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    for version in ("9999", "abcd"):
        set_version(empty_url, version)
        with pytest.raises(StoreTooNew, match="update AstrID"):
            open_store(empty_url, create=True)
        with pytest.raises(StoreTooNew, match="update AstrID"):
            migrations.upgrade(empty_url)


def test_a_store_of_an_older_program_asks_for_an_upgrade(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    set_version(empty_url, "0000")
    with pytest.raises(StoreOutdated, match="astrid db upgrade"):
        open_store(empty_url)


def test_every_table_and_constraint_has_a_name_that_a_migration_can_use() -> None:
    assert tables.Observation.__tablename__ in SQLModel.metadata.tables
    for table in SQLModel.metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name, f"{table.name}: {constraint}"


def test_a_store_that_lacks_what_its_version_promises_says_so(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    engine = make_engine(parse_url(empty_url))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE saved_filter"))
    engine.dispose()
    store = open_store(empty_url)
    with pytest.raises(StoreUnreachable, match=r"saved_filter.*astrid db check"), store.read() as session:
        session.exec(select(SavedFilter)).all()
    store.close()
    assert any("saved_filter" in problem for problem in migrations.check(empty_url))


def test_an_upgrade_that_cannot_be_finished_changes_nothing(empty_url: str) -> None:
    migrations.upgrade(empty_url, "0001")
    engine = make_engine(parse_url(empty_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE watched_file (name VARCHAR)"))  # as if half of it had been done
    before = set(inspect(engine).get_table_names())
    with pytest.raises(StoreUnreachable, match=r"cannot change .*watched_file"):
        migrations.upgrade(empty_url)
    assert set(inspect(engine).get_table_names()) == before
    engine.dispose()
    with pytest.raises(StoreOutdated, match="astrid db upgrade"):
        open_store(empty_url)
