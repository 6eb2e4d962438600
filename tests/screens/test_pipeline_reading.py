"""What the pipeline's screen reads of runs."""

import os
from pathlib import Path

import pytest
from sqlmodel import col, update

from core.database.store import Store
from core.database.tables import Observation, Run
from core.operations import runs
from core.operations.processes import PROC, mark_of
from core.settings import Settings
from screens.frame.opened import Opened
from screens.pipeline.reading import read, start


@pytest.mark.skipif(not PROC.exists(), reason="only on Linux a mark tells of a boot")
def test_a_run_of_another_container_of_the_same_name_is_not_said_to_be_gone(
    sqlite_store: Store, tmp_path: Path
) -> None:
    run = runs.start(sqlite_store, engine="local", workers=1, config_hash="abc")
    boot, tick, *_ = (mark_of(os.getpid()) or "").split(":")
    for mark, is_gone in ((f"{boot}:{tick}:4026539999", False), (f"{boot}:0", True)):
        with sqlite_store.write() as session:
            session.execute(update(Run).where(col(Run.id) == run.id).values(process=mark))
        (told,) = read(None, Settings(home=tmp_path), sqlite_store).runs
        assert told.is_gone is is_gone


def test_a_run_is_started_by_what_the_store_holds_now(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, object]] = []
    monkeypatch.setattr("screens.pipeline.reading.start_run", lambda *_, **wished: begun.append(wished))
    opened = Opened(sqlite_store, Settings(home=tmp_path), None, "vera")
    with pytest.raises(runs.RunRefused, match="no frame is queued"):
        start(opened, engine="local")
    with sqlite_store.write() as session:
        session.add(Observation(content="o", frame="n1.fits", path="n1.fits", created_at=1.0))
    start(opened, engine="local", workers=2)
    assert [(wished["engine"], wished["workers"]) for wished in begun] == [("local", 2)]
