"""`kill -9` at any moment loses nothing and duplicates nothing."""

from __future__ import annotations

import hashlib
import random
import time
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any

import pytest
from sqlmodel import Session, col, select

from core.database.store import open_store
from core.database.tables import (
    Candidate,
    Cutout,
    Difference,
    ForcedFlux,
    Observation,
    Rejection,
    Run,
    SkyObject,
    StageRun,
)
from core.settings import Settings
from pipeline.engines.local import run
from tests.chaos.nights import Night, make_night
from tests.forks import FORKS

KILLS = 20
FRAMES = 14
SIZE = 192


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), frames=FRAMES, size=SIZE)


@pytest.fixture(scope="module")
def undisturbed(night: Night, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the store holds after a run that nothing disturbed."""
    url = f"sqlite:///{tmp_path_factory.mktemp('undisturbed') / 'astrid.db'}"
    summary = run(night.fill(url))
    assert summary.counts == {"done": FRAMES}, summary.frames
    return content(url)


class Life:
    """One `astrid run` with one worker, in a process that tells of each frame it has done."""

    def __init__(self, settings: Settings) -> None:
        self.pipe, theirs = FORKS.Pipe()
        self.process = FORKS.Process(target=live, args=(settings, theirs))
        self.process.start()
        theirs.close()

    def frame_done(self, timeout: float | None) -> bool:
        """Wait for the next frame; false where it takes longer."""
        if not self.pipe.poll(timeout):
            return False
        self.pipe.recv()
        return True

    def kill(self) -> None:
        assert self.process.is_alive(), "the frames were done before all runs were killed"
        self.process.kill()
        self.process.join()
        self.pipe.close()


def live(settings: Settings, pipe: Connection) -> None:
    run(settings, on_event=lambda _: pipe.send("done"))


def test_twenty_kills_change_nothing(night: Night, undisturbed: dict[str, Any], store_url: str) -> None:
    """Three runs of four are killed within their first frame, the fourth within its second.

    A frame that is in hand whenever its run dies is quarantined in the end, and rightly so.
    """
    settings = night.fill(store_url)
    chance = random.Random(42)
    first_s = frame_s = 60.0  # what a frame takes, learnt from the last that was done
    for number in range(KILLS):
        life, start = Life(settings), time.monotonic()
        if number % 4 == 0:
            assert life.frame_done(None)
            first_s = time.monotonic() - start
            start = time.monotonic()
            if life.frame_done(chance.uniform(0.0, min(frame_s, first_s))):
                frame_s = time.monotonic() - start
        elif life.frame_done(chance.uniform(0.0, first_s)):
            first_s = time.monotonic() - start
        life.kill()
    summary = run(settings)
    assert summary.state == "done"
    found = content(store_url)
    for table, rows in undisturbed.items():
        assert found[table] == rows, table
    with closing(open_store(store_url)) as store, store.read() as session:
        states = [row.state for row in session.exec(select(Run).order_by(col(Run.id)))]
    assert "running" not in states
    assert states.count("lost") >= KILLS // 4  # those that had done a frame; others died before they began


def content(url: str) -> dict[str, Any]:
    """All that frames yielded, by natural keys: no row numbers, no times of the clock."""
    with closing(open_store(url)) as store, store.read() as session:
        return {
            "observation": observations(session),
            "difference": differences(session),
            "candidate": candidates(session),
            "sky_object": sky_objects(session),
            "forced_flux": forced(session),
            "rejection": rejections(session),
            "stage_run": stages(session),
        }


def names(session: Session) -> dict[int | None, str]:
    return {row.id: row.frame for row in session.exec(select(Observation))}


def plain(row: Any, *left_out: str) -> dict[str, Any]:
    keys = {
        key for key in type(row).model_fields if key == "id" or key.endswith("_id") or key.endswith("_at")
    }
    return row.model_dump(exclude=keys | set(left_out))


def in_order(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=repr)


def observations(session: Session) -> list[Any]:
    return in_order([plain(row, "interruptions") for row in session.exec(select(Observation))])


def differences(session: Session) -> list[Any]:
    frame = names(session)
    # The last object that was measured in it is a row number, and a commit that was killed uses some up.
    rows = [(row.observation_id, plain(row, "forced_through")) for row in session.exec(select(Difference))]
    return in_order([(frame[key], row) for key, row in rows])


def candidates(session: Session) -> list[Any]:
    query = select(Candidate, SkyObject.name, Cutout.pixels).join(SkyObject).join(Cutout, isouter=True)
    return in_order(
        [
            (plain(row, "external_id"), row.external_id.rpartition(".")[2], name, digest(pixels))
            for row, name, pixels in session.exec(query)
        ]
    )


def digest(pixels: bytes | None) -> str:
    return hashlib.sha256(pixels or b"").hexdigest()


def sky_objects(session: Session) -> list[Any]:
    return in_order([plain(row) for row in session.exec(select(SkyObject))])


def forced(session: Session) -> list[Any]:
    frame = names(session)
    query = select(ForcedFlux, SkyObject.name, Difference.observation_id).join(SkyObject).join(Difference)
    return in_order([(frame[key], name, plain(row)) for row, name, key in session.exec(query)])


def rejections(session: Session) -> list[Any]:
    frame = names(session)
    return in_order([(frame[row.observation_id], plain(row)) for row in session.exec(select(Rejection))])


def stages(session: Session) -> list[Any]:
    frame = names(session)
    return in_order(
        [
            (frame[row.observation_id], row.attempt, row.stage, row.outcome, row.reason)
            for row in session.exec(select(StageRun))
        ]
    )
