"""Runs as processes of their own, which outlive the terminal that started them.

A run is recorded before its process begins, so that its number is known at once; what the process
says goes to a log beside the store.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.database.store import Store
from core.operations import prefect_server, runs
from core.operations.logs import prune_runs
from core.operations.processes import spawn
from core.settings import Settings, find_file

Engine = Literal["auto", "local", "prefect"]
MOST_AT_WORK = 10_000  # runs at once, far more than there can be
PREFECT_WAIT_S = 5.0  # so long a run waits for a Prefect server that it can do without


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that was started, and what drives it.

    ``note`` says why another engine than Prefect's drives it, where one was wished for.
    """

    run_id: int
    pid: int
    engine: str
    log: Path
    note: str | None = None


def start_run(
    store: Store,
    settings: Settings,
    *,
    config: Path | None = None,
    engine: Engine = "local",
    workers: int = 1,
    limit: int | None = None,
) -> StartedRun:
    """Start ``astrid run`` as a process of its own, and take away the oldest logs of such runs.

    Returns within moments; with the engine ``auto`` after `PREFECT_WAIT_S` at most: such a run is
    Prefect's if a server answers until then and a local one if not, while the server goes on warming up.

    Parameters
    ----------
    store : Store
    settings : Settings
        Those that `config` and the environment yield, which the new process reads again.
    config : Path, optional
        The configuration file, if one was named.
    engine : {"auto", "local", "prefect"}
    workers : int
        Processes.
    limit : int, optional
        Frames at most.

    Raises
    ------
    StoreError
        The store cannot be written to.
    RunRefused
        The process could not be started.
    """
    engine, note = _engine(settings) if engine == "auto" else (engine, None)
    at_work = [each.id or 0 for each in runs.newest(store, limit=MOST_AT_WORK, running=True)]
    prune_runs(settings, at_work)
    row = runs.start(
        store,
        engine=engine,
        workers=workers,
        config_hash=settings.science_hash,
        reason=note,
        by_another=True,
    )
    run_id = row.id or 0
    log = log_path(settings, run_id)
    options = ["--engine", engine, "--workers", str(workers), "--as-run", str(run_id)]
    if limit is not None:
        options += ["--limit", str(limit)]
    try:
        pid = spawn_astrid(["run", *options], log, config)
    except OSError as error:
        reason = f"it could not be started: {error}"
        runs.finish(store, run_id, "failed", reason=reason)
        raise runs.RunRefused(f"run {run_id} is over: {reason}") from error
    runs.hand_over(store, run_id, pid)
    return StartedRun(run_id, pid, engine, log, note)


def log_path(settings: Settings, run_id: int) -> Path:
    """Where a run that was started as a process of its own says what it does."""
    return settings.home / "logs" / f"run-{run_id}.log"


def spawn_astrid(words: list[str], log: Path, config: Path | None = None) -> int:
    """Start ``astrid WORDS`` in a session of its own, deaf to the hang-up of any terminal; its process id.

    Nothing that lies in the folder one stands in is run: that may be one of data, which others write into.

    Raises
    ------
    OSError
    """
    file = find_file(config)
    options = [] if file is None else ["--config", str(file.absolute())]
    return spawn([sys.executable, "-P", "-m", "astrid_tui", *options, *words], log)


def _engine(settings: Settings) -> tuple[Literal["local", "prefect"], str | None]:
    try:
        prefect_server.ensure(settings, wait_s=PREFECT_WAIT_S)
    except prefect_server.PrefectUnavailable as error:
        return "local", f"local: {error}"
    return "prefect", None
