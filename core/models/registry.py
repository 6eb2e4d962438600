"""What the model registry holds: MLflow's own database, read in milliseconds without importing MLflow.

The tables are MLflow's and may change with its versions: what is needed of them is looked for first,
and one sentence says so where it is not there.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.settings import Settings

CHAMPION = "champion"  # the alias of the version that is in use
MOST_VERSIONS = 1000  # the newest
MOST_TEXT = 1000  # characters of one value
BUSY_S = 0.5  # it is asked again soon
_NEEDED = {
    "registered_models": {"name", "creation_time", "description"},
    "model_versions": {"name", "version", "creation_time", "status", "source", "run_id", "description"},
    "registered_model_aliases": {"name", "alias", "version"},
    "model_version_tags": {"name", "version", "key", "value"},
    "latest_metrics": {"run_uuid", "key", "value", "is_nan"},
}


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model. Text in it is as it came.

    Attributes
    ----------
    created_at : float or None
        Unix seconds.
    status : str
        MLflow's: ``READY``, ``PENDING_REGISTRATION`` or ``FAILED_REGISTRATION``.
    aliases : tuple of str
        Such as ``champion``.
    metrics : mapping
        The last value of each that its training run logged; none where that is not a number.
    """

    number: int
    created_at: float | None
    status: str
    source: str
    run_id: str | None
    description: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model and its versions, the newest first."""

    name: str
    description: str
    created_at: float | None
    versions: tuple[ModelVersion, ...] = ()

    @property
    def champion(self) -> ModelVersion | None:
        """The version in use."""
        return next((each for each in self.versions if CHAMPION in each.aliases), None)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        champion = self.champion
        return {**asdict(self), "champion": champion.number if champion else None}


@dataclass(frozen=True, slots=True)
class Registry:
    """What is registered.

    Attributes
    ----------
    place : str
        Where the registry is, without anything secret.
    trouble : str or None
        Why it cannot be read; none also where there is no registry yet: then nothing is registered.
    stamp : tuple
        Differs when the database was written to.
    """

    place: str
    models: tuple[Model, ...] = ()
    trouble: str | None = None
    stamp: tuple[int, ...] = ()


def read_registry(settings: Settings, known: Registry | None = None) -> Registry:
    """Read the registry that MLflow would use: ``MLFLOW_TRACKING_URI``, or AstrID's own.

    Parameters
    ----------
    settings : Settings
    known : Registry, optional
        What was read before; it is given back if the database was not written to since.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    path = own_database(settings) if not given else _sqlite_file(given)
    if path is None:
        kind = given.partition("://")[0] if "://" in given else "a folder"
        unread = f"the registry is kept by {kind}; only one in SQLite is read here"
        return Registry(
            kind, trouble=f"{unread}: AstrID's versions are all told, what others registered is not"
        )
    place = str(path)
    stamp = _stamp(path)
    if not stamp:
        return Registry(place)
    if known is not None and (known.place, known.stamp) == (place, stamp) and known.trouble is None:
        return known
    try:
        with closing(sqlite3.connect(f"file:{quote(place)}?mode=ro", uri=True, timeout=BUSY_S)) as database:
            lacking = _lacking(database)
            if lacking is not None:
                return Registry(place, trouble=lacking, stamp=stamp)
            return Registry(place, _models(database), stamp=stamp)
    except sqlite3.DatabaseError as error:
        return Registry(place, trouble=f"the registry in {place} cannot be read: {error}", stamp=stamp)


def own_database(settings: Settings) -> Path:
    """Where AstrID keeps MLflow's database."""
    return settings.home / "mlflow" / "mlflow.db"


def _sqlite_file(url: str) -> Path | None:
    scheme, _, path = url.partition(":///")
    is_sqlite = scheme.partition("+")[0] == "sqlite"
    return Path(path.partition("?")[0]) if is_sqlite and path else None


def _stamp(path: Path) -> tuple[int, ...]:
    """Of the database and what is about to go into it; empty where there is none."""
    found: list[int] = []
    for name in (path, Path(f"{path}-wal")):
        try:
            facts = name.stat()
        except OSError:
            continue
        found += [facts.st_mtime_ns, facts.st_size]
    return tuple(found)


def _lacking(database: sqlite3.Connection) -> str | None:
    """What of the tables that are needed is not there."""
    for table, columns in _NEEDED.items():
        found = {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}
        if not columns <= found:
            missing = ", ".join(sorted(columns - found))
            what = f"{table} has no {missing}" if found else f"there is no table {table}"
            return f"the registry is of a version of MLflow that is not understood here: {what}"
    return None


def _models(database: sqlite3.Connection) -> tuple[Model, ...]:
    versions = _versions(database)
    rows = database.execute("SELECT name, description, creation_time FROM registered_models ORDER BY name")
    return tuple(
        Model(_text(name), _text(description), _seconds(created), tuple(versions.get(_text(name), ())))
        for name, description, created in rows
    )


def _versions(database: sqlite3.Connection) -> Mapping[str, list[ModelVersion]]:
    newest = "SELECT name, version FROM model_versions ORDER BY creation_time DESC LIMIT ?"
    aliases = _by_version(
        database.execute("SELECT name, version, alias, alias FROM registered_model_aliases ORDER BY alias")
    )
    tags = _by_version(
        database.execute(
            "SELECT name, version, key, substr(value, 1, ?) FROM model_version_tags"
            f" WHERE (name, version) IN ({newest}) ORDER BY key",
            (MOST_TEXT, MOST_VERSIONS),
        )
    )
    metrics = _metrics(database, newest)
    found: dict[str, list[ModelVersion]] = defaultdict(list)
    rows = database.execute(
        "SELECT name, version, creation_time, status, source, run_id, description FROM model_versions"
        f" WHERE (name, version) IN ({newest}) ORDER BY name, version DESC",
        (MOST_VERSIONS,),
    )
    for name, number, created, status, source, run_id, description in rows:
        key = _text(name), int(number)
        version = ModelVersion(
            number=int(number),
            created_at=_seconds(created),
            status=_text(status),
            source=_text(source),
            run_id=_text(run_id) or None,
            description=_text(description),
            aliases=tuple(aliases.get(key, {})),
            tags=tags.get(key, {}),
            metrics=metrics.get(_text(run_id), {}),
        )
        found[_text(name)].append(version)
    return found


def _metrics(database: sqlite3.Connection, newest: str) -> Mapping[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = defaultdict(dict)
    rows = database.execute(
        "SELECT run_uuid, key, value, is_nan FROM latest_metrics WHERE run_uuid IN"
        f" (SELECT run_id FROM model_versions WHERE (name, version) IN ({newest})) ORDER BY key",
        (MOST_VERSIONS,),
    )
    for run_id, key, value, is_nan in rows:
        number = isinstance(value, int | float) and math.isfinite(value) and not is_nan
        found[_text(run_id)][_text(key)] = float(value) if number else None
    return found


def _by_version(rows: Iterable[Any]) -> Mapping[tuple[str, int], dict[str, str]]:
    found: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for name, number, key, value in rows:
        found[_text(name), int(number)][_text(key)] = _text(value)
    return found


def _text(value: object) -> str:
    return "" if value is None else str(value)[:MOST_TEXT]


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000.0 if isinstance(milliseconds, int | float) else None
