"""Whatever signals fall on runners and workers, each frame is done once and nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from core.database.store import open_store
from core.database.tables import Candidate, Difference, Observation, QueueEvent, Run, SkyObject, StageRun
from core.frames.queue import counts_by_state
from core.objects.sphere import separation_deg
from core.settings import Settings
from core.settings_sections import QueueSettings
from core.vocabulary import QueueEventKind
from pipeline.engines.local import run
from tests.chaos.nights import Night, make_night
from tests.chaos.processes import a_run, eventually, family, none_survives, send, somebody_lives

FRAMES = int(os.environ.get("ASTRID_CHAOS_FRAMES", "10"))
SIZE = 160
LEASE_S = 2.0
ASLEEP_S = 1.5 * LEASE_S
BLOWS = {signal.SIGKILL: 4, signal.SIGTERM: 2, signal.SIGHUP: 2, signal.SIGSTOP: 3}
KINDS = [kind for kind, weight in BLOWS.items() for _ in range(weight)]
# A frame may be hit again and again before it is done: here that is never its own fault.
PATIENT = QueueSettings(lease_s=LEASE_S, attempts=1000, retry_s=0.0)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), frames=FRAMES, size=SIZE)


@pytest.fixture(scope="module")
def calm(night: Night, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """What becomes of each frame when nothing disturbs, and the seconds that one takes."""
    url = f"sqlite:///{tmp_path_factory.mktemp('calm') / 'astrid.db'}"
    summary = run(night.fill(url))
    assert sum(summary.counts.values()) == FRAMES
    assert set(summary.counts) <= {"done", "rejected"}  # late in a long night frames are poor
    assert summary.counts["done"] >= FRAMES / 2
    with closing(open_store(url)) as store, store.read() as session:
        return yielded(session), summary.seconds / FRAMES


def test_a_storm_of_signals_loses_and_repeats_nothing(
    night: Night, calm: tuple[dict[str, Any], float], store_url: str, tmp_path: Path
) -> None:
    expected, frame_s = calm
    settings = night.fill(store_url, queue=PATIENT)
    temporary, log = tmp_path / "tmp", tmp_path / "log"
    temporary.mkdir()
    before = files_in(night.home)

    blows = storm(settings, frame_s, temporary, log)
    last = run(settings)

    said = log.read_text(errors="replace")
    assert last.state == "done", said
    assert min(blows[number] for number in BLOWS) >= 1, blows
    with closing(open_store(store_url)) as store, store.read() as session:
        assert yielded(session) == expected, said
        assert_each_committed_once(session)
        assert_no_object_twice(session)
        assert "running" not in session.exec(select(Run.state)).all()
        leased = select(Observation).where(col(Observation.lease_token).is_not(None))
        assert session.exec(leased).all() == []
    assert eventually(lambda: not somebody_lives(log))
    assert list(temporary.iterdir()) == []
    assert files_in(night.home) - before <= {"logs/pipeline.log"}


def storm(settings: Settings, frame_s: float, temporary: Path, log: Path) -> Counter[signal.Signals]:
    """Let two runners work until all frames are done; strike one of their processes after each frame."""
    chance, blows = random.Random(7), Counter[signal.Signals]()
    asleep: dict[int, float] = {}
    limit_s = 120.0 + 40 * FRAMES * frame_s
    until = time.monotonic() + limit_s
    struck_at = 0  # frames that had ended at the last blow
    with none_survives() as runners, closing(open_store(settings.store_url)) as store:
        try:
            while time.monotonic() < until:
                wake(asleep, time.monotonic())
                counts = counts_by_state(store)
                if not counts.get("queued") and not counts.get("running"):
                    break
                alive = [each for each in runners if each.is_alive()]
                while len(alive) < 2:  # one that works itself, and one that has workers
                    alive.append(a_run(settings, 1 + len(runners) % 2, temporary=temporary, log=log))
                    runners.append(alive[-1])
                time.sleep(frame_s * chance.random())
                ended = counts.get("done", 0) + counts.get("rejected", 0)
                if ended == struck_at:
                    continue  # so that every frame is reached in the end, however busy the machine is
                target = chance.choice([pid for each in alive for pid in family(each)])
                kind = next((each for each in BLOWS if not blows[each]), None) or chance.choice(KINDS)
                if target not in asleep and send(target, kind):
                    struck_at = ended
                    blows[kind] += 1
                    if kind == signal.SIGSTOP:
                        asleep[target] = time.monotonic() + ASLEEP_S
        finally:
            wake(asleep, float("inf"))
        assert time.monotonic() < until, f"not done within {limit_s:.0f} s: {counts}, {blows}"
        for each in runners:
            each.join(60)
            assert not each.is_alive()
    return blows


def wake(asleep: dict[int, float], now: float) -> None:
    for pid in [pid for pid, until in asleep.items() if until <= now]:
        send(pid, signal.SIGCONT)
        del asleep[pid]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def yielded(session: Session) -> dict[str, Any]:
    """The state of each frame and what was found in it: no keys, which depend on the order of frames."""
    states = session.exec(select(Observation.frame, Observation.state, Observation.reason)).all()
    query = select(Candidate).join(Difference).where(col(Candidate.is_current), col(Difference.is_current))
    found: dict[str, list[Any]] = {}
    for row in session.exec(query):
        found.setdefault(row.frame or "", []).append((row.x, row.y, row.snr, row.flux))
    return {frame: (state, reason, sorted(found.get(frame, []))) for frame, state, reason in sorted(states)}


def assert_each_committed_once(session: Session) -> None:
    """Only a commit writes stages and a difference; no attempt broke, for no signal is a frame's fault."""
    differences = Counter(session.exec(select(Difference.observation_id)).all())
    assert set(differences.values()) == {1}
    broken = select(QueueEvent.observation_id, QueueEvent.attempt, QueueEvent.reason).where(
        QueueEvent.event == QueueEventKind.FAILED.value
    )
    assert session.exec(broken).all() == []
    stages = Counter(session.exec(select(StageRun.observation_id, StageRun.stage)).all())
    assert {key: count for key, count in stages.items() if count > 1} == {}


def assert_no_object_twice(session: Session) -> None:
    """Two objects within the radius of association were seen in the same frame, or one is too many."""
    seen: dict[int, set[int | None]] = {}
    for row in session.exec(select(Candidate)):
        seen.setdefault(row.sky_object_id, set()).add(row.observation_id)
    objects = [row for row in session.exec(select(SkyObject)) if row.ra is not None and row.dec is not None]
    for one, other in combinations(objects, 2):
        if separation_deg(one.ra, one.dec, other.ra, other.dec) < 1.0 / 3600.0:
            assert seen[one.id or 0] & seen[other.id or 0], (one.name, other.name)
