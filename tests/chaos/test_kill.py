"""`kill -9` at any moment loses nothing and duplicates nothing."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from core import references
from core.observations import register
from core.outcome import ObservationFacts, ReferenceFacts
from core.settings import Settings, StoreSettings
from core.store import open_store
from core.tables import (
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
from pipeline.calibrators import masters_of
from pipeline.engine_local import run
from pipeline.ingest import examine
from pipeline.references import from_frames
from pipeline.simulate import simulate_night

KILLS = 20
FRAMES = 14
SIZE = 256
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["pipeline.engine_local"])  # a life then begins in milliseconds


@dataclass(frozen=True)
class Night:
    """A night of small frames and its reference, ready to be put into any store."""

    home: Path
    frames: list[ObservationFacts]
    reference: ReferenceFacts

    def fill(self, url: str) -> Settings:
        with closing(open_store(url, create=True)) as store:
            register(store, self.frames)
            references.add(store, self.reference)
        return settings_in(self.home, url)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    home = folder / "home"
    paths = simulate_night(folder / "frames", frames=FRAMES, size=SIZE, seed=5, references=2)
    settings = settings_in(home, f"sqlite:///{folder / 'astrid.db'}")
    frames = [each for path in (*paths.calibration, *paths.science) for each in examine(path, settings)]
    with closing(open_store(settings.store_url, create=True)) as store:
        register(store, frames)
        reference, _ = from_frames(paths.reference, settings, masters_for=masters_of(store, settings))
    return Night(home, frames, reference)


def settings_in(home: Path, url: str) -> Settings:
    return Settings.model_construct(home=home, store=StoreSettings(url=url))


Undisturbed = tuple[dict[str, Any], float, float]


@pytest.fixture(scope="module")
def undisturbed(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What the store holds after runs that nothing disturbed.

    Also the seconds of a run of one frame, and of each frame that follows in one run.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('undisturbed') / 'astrid.db'}"
    settings = night.fill(url)
    lasted(settings, 0)  # the first waits for the imports
    first_s = lasted(settings, 1)
    summary = run(settings)
    assert summary.counts == {"done": FRAMES - 1}, summary.frames
    return content(url), first_s, summary.seconds / (FRAMES - 1)


def lasted(settings: Settings, limit: int) -> float:
    """The seconds that a run of some frames takes in a process of its own."""
    start = time.perf_counter()
    process = FORKS.Process(target=life, args=(settings, limit))
    process.start()
    process.join()
    return time.perf_counter() - start


def life(settings: Settings, limit: int | None = None) -> None:
    """One `astrid run` with one worker."""
    run(settings, limit=limit)


def moments(first_s: float, frame_s: float) -> list[float]:
    """When each run is killed: two within its first frame, then one within its second, and so on.

    A frame that is in hand whenever its run dies is quarantined in the end, and rightly so.
    """
    chance = random.Random(42)
    return [
        first_s + frame_s * chance.random() if number % 3 == 2 else first_s * chance.random()
        for number in range(KILLS)
    ]


@pytest.fixture
def lives() -> Iterator[list[BaseProcess]]:
    started: list[BaseProcess] = []
    yield started
    for each in started:
        each.kill()
        each.join()


def test_twenty_kills_change_nothing(
    night: Night,
    undisturbed: Undisturbed,
    store_url: str,
    lives: list[BaseProcess],
) -> None:
    expected, first_s, frame_s = undisturbed
    settings = night.fill(store_url)
    killed = 0
    for moment in moments(first_s, frame_s):
        process = FORKS.Process(target=life, args=(settings,))
        process.start()
        lives.append(process)
        process.join(moment)
        killed += process.is_alive()
        process.kill()
        process.join()
    summary = run(settings)
    assert summary.state == "done"
    found = content(store_url)
    for table in expected:
        assert found[table] == expected[table], table
    assert killed == KILLS, "the frames were done before all runs were killed"
    with closing(open_store(store_url)) as store, store.read() as session:
        states = [row.state for row in session.exec(select(Run).order_by(col(Run.id)))]
    assert "running" not in states
    assert states.count("lost") >= 1


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
    return in_order([(frame[row.observation_id], plain(row)) for row in session.exec(select(Difference))])


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
