"""Is everything in place? What is installed and set, and then the health of what runs on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.cuda import SUBTRACTING, device_name, no_cuda
from core.extras import lacking
from core.health.check import Check
from core.health.checks import examine
from core.settings import Settings, SettingsError, find_file, load
from core.settings_variables import variables

NEEDED = ("numpy", "scipy", "astropy", "sep", "sqlmodel", "alembic", "textual")
OPTIONAL = {"torch": f"training models: {lacking('train')}"}


def diagnose(config: Path | None = None) -> Iterator[Check]:
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
    sources = ", ".join([str(find_file(config) or "defaults"), *variables(Settings.model_fields)])
    yield Check("settings", "ok", f"{sources}; science {settings.science_hash}")
    yield from _device(settings)
    yield _home(settings)
    from core.health.facts import gather

    yield from examine(gather(settings), settings.health)
    yield from _references(settings)
    yield from _broker(settings)


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


def _device(settings: Settings) -> Iterator[Check]:
    if settings.subtract.device == "cpu":
        return  # nothing needs another
    if why_not := no_cuda(*SUBTRACTING):
        yield Check("cuda", "failed", why_not)
        return
    yield Check("cuda", "ok", device_name())


def _references(settings: Settings) -> Iterator[Check]:
    """Whether this machine can read what frames are subtracted from: another's home may hold it.

    One that only reviews does not need to, and one that has yet to run cannot be told from it.
    """
    from core.database.store import open_store
    from core.database.store_errors import StoreError
    from core.frames.reference_files import file_of
    from core.frames.references import newest_first
    from core.operations.runs import has_run_here

    try:
        with closing(open_store(settings.store_url, read_only=True)) as store:
            paths = [file_of(each.path, settings.home) for each in newest_first(store) if each.is_current]
            needs_them = has_run_here(store)
    except StoreError:
        return  # as was told
    lost = [path for path in paths if not os.access(path, os.R_OK)]
    if lost:
        yield Check(
            "references",
            "failed" if needs_them else "warning",
            f"{len(lost)} of {len(paths)} cannot be read on this machine, such as {lost[0]}: "
            + (
                "frames need them there or in the folder references of AstrID's home"
                if needs_them
                else "no run was made here yet, and to review needs none; before one, see that they lie"
                " there or in the folder references of AstrID's home"
            ),
        )
    elif paths:
        yield Check("references", "ok", f"all that are in use can be read: {len(paths)}")


def _broker(settings: Settings) -> Iterator[Check]:
    from core.operations import broker

    if not settings.dramatiq.broker.get_secret_value():
        return  # nothing needs it
    try:
        broker.connect(settings)
    except broker.BrokerUnavailable as error:
        yield Check("dramatiq", "failed", str(error))
    else:
        yield Check("dramatiq", "ok", f"Redis at {broker.place(settings)} answers")


def _home(settings: Settings) -> Check:
    if settings.home.exists():
        return Check("home", "ok", str(settings.home))
    return Check("home", "warning", f"{settings.home} is not there yet; `astrid init` makes it")
