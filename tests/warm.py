"""What a process does once, done before others are forked from it: they all inherit it.

Imported by the server of `tests.forks` alone. Half of a run's time to its first frame is to compile the
store's statements, which a fork then finds compiled, and to load what is loaded when it is first needed.
"""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from core.database.store import open_store
from core.operations import runs
from pipeline.engines.worker import Worker
from tests.chaos.nights import make_night
from tests.statements import compile_once

compile_once(pytest.MonkeyPatch())  # for good
with TemporaryDirectory() as folder:
    night = make_night(Path(folder), frames=1, size=160)
    settings = night.fill(f"sqlite:///{folder}/warm.db")
    with closing(open_store(settings.store_url)) as store:
        runs.reconcile(store)
        run = runs.start(store, engine="local", workers=1, config_hash=settings.science_hash)
        worker = Worker(store, settings, run.id or 0)
        while worker.one() is not None:
            continue
        runs.finish(store, run.id or 0, "done", {})
