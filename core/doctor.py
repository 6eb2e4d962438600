"""Is everything in place? Each check answers with a state and one sentence."""

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from core.errors import AstridError
from core.settings import Settings, SettingsError, find_file, load

NEEDED = ("numpy", "scipy", "astropy", "sep", "sqlmodel", "alembic", "textual")
OPTIONAL = {"torch": "training models: pip install 'astrid-tui[train]'"}
LEAST_FREE_GIB = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    state: Literal["ok", "warning", "failed"]
    message: str

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def examine(config: Path | None = None) -> Iterator[Check]:
    """Check every part, the settings first: without them nothing else can be known.

    Parameters
    ----------
    config : Path, optional
        The configuration file named on the command line.

    Yields
    ------
    Check
    """
    yield _python()
    yield from _packages()
    try:
        settings = load(config)
    except SettingsError as error:
        yield Check("settings", "failed", str(error))
        return
    yield Check("settings", "ok", f"{find_file(config) or 'defaults'}; science {settings.science_hash}")
    checks: tuple[Callable[[Settings], Check], ...] = (_home, _disk, _store, _clock)
    for check in checks:
        yield check(settings)


def _python() -> Check:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check("python", "ok" if fits else "failed", found if fits else f"{found}; 3.11 to 3.13 is needed")


def _packages() -> Iterator[Check]:
    found = {name: _installed(name) for name in NEEDED}
    missing = [name for name, what in found.items() if what is None]
    if missing:
        yield Check("packages", "failed", f"not installed: {', '.join(missing)}")
    else:
        yield Check("packages", "ok", ", ".join(f"{name} {what}" for name, what in found.items()))
    for name, purpose in OPTIONAL.items():
        what = _installed(name)
        if what is None:
            yield Check(name, "warning", f"not installed; needed for {purpose}")
        else:
            yield Check(name, "ok", what)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _home(settings: Settings) -> Check:
    home = settings.home
    if not home.exists():
        return Check("home", "warning", f"{home} is not there yet; `astrid init` makes it")
    writable = os.access(home, os.W_OK | os.X_OK)
    return Check(
        "home", "ok" if writable else "failed", f"{home}{'' if writable else ' cannot be written to'}"
    )


def _disk(settings: Settings) -> Check:
    place = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(place).free / 2**30
    state: Literal["ok", "warning"] = "ok" if free >= LEAST_FREE_GIB else "warning"
    return Check("disk", state, f"{free:.1f} GiB free at {place}")


def _store(settings: Settings) -> Check:
    from core.store import open_store, shown_url

    try:
        store = open_store(settings.store_url, read_only=True)
        with store.read() as session:
            session.connection().exec_driver_sql("SELECT 1")
    except AstridError as error:
        return Check("store", "failed", str(error))
    return Check("store", "ok", f"{shown_url(settings.store_url)} (SQLite library {sqlite3.sqlite_version})")


def _clock(settings: Settings) -> Check:
    """A clock that runs behind what is already in the store would put new frames in the past."""
    newest = max((path.stat().st_mtime for path in settings.home.glob("*.db*")), default=0.0)
    ahead = newest - time.time()
    if ahead > 60:
        return Check("clock", "warning", f"the store was written {ahead:.0f} s in the future of this clock")
    return Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
