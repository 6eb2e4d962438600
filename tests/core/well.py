"""A machine where all is well, but for what a test says."""

from dataclasses import replace
from pathlib import Path

from core.database.tables import Run, WatchedFolder
from core.health.check import Check
from core.health.checks import examine
from core.health.facts import Facts, Place, StoreFacts
from core.operations.power import DevicePower
from core.settings_sections import HealthSettings

NOW = 1_800_000_000.0
LIMITS = HealthSettings()
GIB = 2**30


def facts(**changes) -> Facts:
    """A machine where all is well, but for what is said."""
    store = StoreFacts("astrid.db", library="SQLite 3", filesystem="ext4", journal_mode="wal")
    of_store = {key: changes.pop(key) for key in list(changes) if key in StoreFacts.__slots__}
    whole = Facts(NOW, "here", store, places=(Place(Path("/home"), 50 * GIB, True),), clock_is_kept=True)
    return replace(whole, store=replace(store, **of_store), **changes)


def found(name: str, **changes) -> list[Check]:
    return [check for check in examine(facts(**changes), LIMITS) if check.name == name]


def one(name: str, **changes) -> Check:
    checks = found(name, **changes)
    assert len(checks) == 1, checks
    return checks[0]


def run(number: int = 7, **changes) -> Run:
    values = {"engine": "local", "host": "here", "pid": 99, "workers": 1, "state": "running"}
    return Run(
        id=number, config_hash="", started_at=NOW - 900, **{"heartbeat_at": NOW - 10, **values, **changes}
    )


def folder(**changes) -> WatchedFolder:
    values = {"host": "here", "path": "/data", "watcher": "w", "interval_s": 5.0, "heartbeat_at": NOW - 3}
    return WatchedFolder(**(values | changes))


def gpu(**changes) -> DevicePower:
    return DevicePower(**({"device": "here/gpu0", "host": "here", "kind": "gpu", "name": "H"} | changes))
