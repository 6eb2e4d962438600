"""The registry as MLflow leaves it: its tables, made by hand with the columns that MLflow 3.17 gives them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.models.registry import own_database, read_registry
from core.settings import Settings

NOW_MS = 1_800_000_000_000
WORKSPACE = "workspace VARCHAR(63) DEFAULT 'default' NOT NULL"
TABLES = f"""
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
CREATE TABLE registered_models (
    name VARCHAR(256) NOT NULL, creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000),
    {WORKSPACE}, PRIMARY KEY (workspace, name));
CREATE TABLE model_versions (
    name VARCHAR(256) NOT NULL, version INTEGER NOT NULL, creation_time BIGINT, last_updated_time BIGINT,
    description VARCHAR(5000), user_id VARCHAR(256), current_stage VARCHAR(20), source VARCHAR(500),
    run_id VARCHAR(32), status VARCHAR(20), status_message VARCHAR(500), run_link VARCHAR(500),
    storage_location VARCHAR(500), {WORKSPACE}, PRIMARY KEY (workspace, name, version));
CREATE TABLE registered_model_aliases (
    alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, name VARCHAR(256) NOT NULL,
    {WORKSPACE}, PRIMARY KEY (workspace, name, alias));
CREATE TABLE model_version_tags (
    "key" VARCHAR(250) NOT NULL, value TEXT, name VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
    {WORKSPACE}, PRIMARY KEY (workspace, "key", name, version));
CREATE TABLE latest_metrics (
    "key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT, step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY ("key", run_uuid));
"""


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Settings(home=tmp_path)


def fill(path: Path, *statements: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            database.executescript(TABLES)
        for statement in statements:
            database.execute(statement)
    return path


def a_model(name: str = "realbogus", versions: int = 2) -> list[str]:
    """A model whose version 1 is the champion."""
    run = "'run1'"
    return [
        "INSERT INTO registered_models (name, creation_time, description) VALUES"
        f" ('{name}', {NOW_MS}, 'CNN')",
        *(
            "INSERT INTO model_versions (name, version, creation_time, source, status, run_id) VALUES"
            f" ('{name}', {n}, {NOW_MS + n}, 'models:/m-{n}', 'READY', {run if n == 1 else 'NULL'})"
            for n in range(1, versions + 1)
        ),
        f"INSERT INTO registered_model_aliases (alias, version, name) VALUES ('champion', 1, '{name}')",
        f"INSERT INTO model_version_tags (key, value, name, version) VALUES ('sha256', 'ab', '{name}', 1)",
        *(
            f"INSERT OR REPLACE INTO latest_metrics VALUES ('{key}', {value}, 1, 0, {is_nan}, {run})"
            for key, value, is_nan in (("auc", 0.97, 0), ("ece", 0.0, 1), ("loss", "9e999", 0))
        ),
    ]


def test_before_the_first_model_there_is_no_trouble_and_no_file_is_made(settings: Settings):
    registry = read_registry(settings)
    assert (registry.models, registry.trouble) == ((), None)
    assert not own_database(settings).parent.exists()


def test_models_are_told_with_versions_aliases_tags_and_metrics(settings: Settings):
    fill(own_database(settings), *a_model())
    registry = read_registry(settings)
    assert registry.trouble is None
    (model,) = registry.models
    assert (model.name, model.description, model.created_at) == ("realbogus", "CNN", NOW_MS / 1000)
    newest, first = model.versions
    assert (newest.number, newest.aliases, newest.run_id, newest.metrics) == (2, (), None, {})
    assert (first.number, first.aliases, first.tags) == (1, ("champion",), {"sha256": "ab"})
    assert first.metrics == {"auc": 0.97, "ece": None, "loss": None}  # what JSON has no word for
    assert model.champion is first
    assert model.record()["champion"] == 1


def test_a_model_without_versions_has_no_champion(settings: Settings):
    fill(own_database(settings), *a_model(versions=0))
    (model,) = read_registry(settings).models
    assert (model.versions, model.champion, model.record()["champion"]) == ((), None, None)


def test_what_was_read_is_kept_until_the_database_is_written_to(settings: Settings):
    fill(own_database(settings), *a_model())
    first = read_registry(settings)
    assert read_registry(settings, first) is first
    fill(own_database(settings), "DELETE FROM registered_model_aliases")
    again = read_registry(settings, first)
    assert again.models[0].champion is None


def test_tables_of_another_version_of_mlflow_are_one_sentence(settings: Settings):
    path = fill(own_database(settings), "ALTER TABLE model_versions RENAME COLUMN source TO origin")
    assert read_registry(settings).trouble == (
        "the registry is of a version of MLflow that is not understood here: model_versions has no source"
    )
    fill(path, "DROP TABLE latest_metrics", "ALTER TABLE model_versions RENAME COLUMN origin TO source")
    assert "there is no table latest_metrics" in (read_registry(settings).trouble or "")


def test_a_damaged_or_busy_database_is_one_sentence(settings: Settings):
    path = own_database(settings)
    fill(path, *a_model())
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert "locked" in (read_registry(settings).trouble or "")
    path.write_bytes(b"this is no database, and long enough to be taken for one" * 99)
    assert "cannot be read: file is not a database" in (read_registry(settings).trouble or "")


def test_the_registry_of_the_environment_goes_before_astrids_own(settings: Settings, tmp_path, monkeypatch):
    fill(own_database(settings), *a_model("mine"))
    elsewhere = fill(tmp_path / "else where" / "m.db", *a_model("theirs"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    assert [model.name for model in read_registry(settings).models] == ["theirs"]


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@host/db", "https://u:secret@host", "./mlruns", "http://[u:secret@::1"]
)
def test_a_registry_elsewhere_is_not_read_and_its_password_not_told(settings: Settings, monkeypatch, url):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    registry = read_registry(settings)
    assert "only one in SQLite is read here: AstrID's versions are all told" in (registry.trouble or "")
    assert "secret" not in repr(registry)


def test_hostile_names_and_long_values_are_read_as_they_are(settings: Settings):
    long = "x" * 5000
    fill(
        own_database(settings),
        "INSERT INTO registered_models (name) VALUES (char(27) || '[2J[/red]')",
        "INSERT INTO model_versions (name, version) VALUES (char(27) || '[2J[/red]', 1)",
        "INSERT INTO model_version_tags (name, version, key, value) VALUES"
        f" (char(27) || '[2J[/red]', 1, 'k', '{long}')",
    )
    (model,) = read_registry(settings).models
    assert model.name == "\x1b[2J[/red]"
    assert (model.versions[0].status, model.versions[0].created_at) == ("", None)
    assert len(model.versions[0].tags["k"]) == 1000
