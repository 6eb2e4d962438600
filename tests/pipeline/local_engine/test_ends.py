"""How a run of the local engine ends: by signals, by another, by its own mistakes; no frame stays leased."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from multiprocessing import active_children

import pytest
from sqlmodel import select

import pipeline.engines.heartbeat
import pipeline.engines.processes
import pipeline.engines.worker
from core.database.store import Store
from core.database.store_errors import StoreMissing
from core.database.tables import Difference
from core.frames.outcome import FrameOutcome
from core.operations import runs
from core.settings import Settings
from core.settings_sections import StoreSettings
from pipeline.engines.local import run
from pipeline.engines.signals import TERMINALS, held_back
from pipeline.engines.worker import FrameEvent
from tests.chaos.processes import eventually
from tests.pipeline.local_engine.night import FRAMES, last_run, nothing, rows, states


def test_a_worker_that_is_killed_is_replaced_and_its_frame_done(on_sqlite: tuple[Settings, Store]) -> None:
    settings, store = on_sqlite
    killed = []

    def kill(_: FrameEvent) -> None:
        if not killed:
            victim = active_children()[0]
            killed.append(victim.pid)
            victim.kill()

    summary = run(settings, workers=2, on_event=kill)
    assert killed
    assert summary.state == "done"
    assert states(store) == ["done"] * FRAMES
    with store.read() as session:
        assert len(session.exec(select(Difference)).all()) == FRAMES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_frame_in_hand(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def signalled(*_: object) -> FrameOutcome:
        os.kill(os.getpid(), number)
        return FrameOutcome("done")

    before = signal.getsignal(number)
    monkeypatch.setattr(pipeline.engines.worker, "process", signalled)
    told: list[str] = []
    summary = run(settings, on_stop=lambda: told.append("it is finished first"))
    assert told == ["it is finished first"]
    assert (summary.state, summary.counts) == ("interrupted", {"done": 1})
    assert states(store) == ["done", "queued", "queued", "queued"]
    assert last_run(store).state == "interrupted"
    assert signal.getsignal(number) is before


def test_a_second_signal_gives_the_frame_back(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signalled(*_: object) -> FrameOutcome:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        return FrameOutcome("done")

    monkeypatch.setattr(pipeline.engines.worker, "process", signalled)
    summary = run(settings)
    assert (summary.state, summary.counts) == ("interrupted", {})
    assert states(store) == ["queued"] * FRAMES
    assert rows(store)[0].attempts == 0


def test_an_interrupt_that_a_library_makes_another_error_of_gives_the_frame_back(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def importing(*_: object) -> FrameOutcome:
        try:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            return FrameOutcome("failed", "unet: ImportError: initialization failed")
        raise AssertionError("the signals did not come")

    monkeypatch.setattr(pipeline.engines.worker, "process", importing)
    assert (run(settings).state, states(store)) == ("interrupted", ["queued"] * FRAMES)
    assert rows(store)[0].attempts == 0
    monkeypatch.setattr(pipeline.engines.worker, "process", lambda *_: FrameOutcome("failed", "it broke"))
    assert run(settings, limit=1).state == "done"
    assert rows(store)[0].attempts == 1


def test_a_run_that_was_ended_by_another_takes_no_more_frames(
    on_sqlite: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would look after frames that it went on to take."""
    settings, store = on_sqlite
    monkeypatch.setattr(pipeline.engines.worker.Worker, "_outcome", nothing)
    monkeypatch.setattr(pipeline.engines.heartbeat, "EVERY_S", 0.01)

    def end_it(_: FrameEvent) -> None:
        runs.finish(store, last_run(store).id or 0, "interrupted", reason="by hand")
        assert eventually(lambda: not any(each.name == "heartbeat" for each in threading.enumerate()))

    with pytest.raises(runs.RunRefused, match="run 1 was ended by another"):
        run(settings, on_event=end_it)
    assert states(store) == ["done"] + ["queued"] * (FRAMES - 1)
    assert (last_run(store).state, last_run(store).reason) == ("interrupted", "by hand")


def test_a_process_that_is_started_hears_nothing_of_the_terminal_before_it_can_tell() -> None:
    """Ctrl-C goes to all processes of a terminal, also to a worker that still imports what it needs."""
    ask = (
        "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []) >= {signal.SIGINT, signal.SIGHUP})"
    )
    with held_back(TERMINALS):
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"
    with pytest.raises(KeyboardInterrupt), held_back(TERMINALS):  # which is not lost for who started it
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_signal_stops_processes_too(on_sqlite: tuple[Settings, Store]) -> None:
    settings, store = on_sqlite
    summary = run(settings, workers=2, on_event=lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert summary.state == "interrupted"
    assert set(states(store)) <= {"done", "queued"}
    assert active_children() == []


def test_an_error_of_the_program_ends_the_run_as_failed(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> FrameOutcome:
        raise AssertionError("a mistake in the engine")

    monkeypatch.setattr(pipeline.engines.worker, "process", broken)
    with pytest.raises(AssertionError):
        run(settings)
    assert last_run(store).state == "failed"
    assert states(store) == ["queued"] * FRAMES  # nothing stays leased


def test_a_worker_that_cannot_open_the_store_says_why_and_so_does_the_run(
    on_sqlite: tuple[Settings, Store], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As where the server takes no more connections; the run itself has one."""
    settings, store = on_sqlite
    other = settings.model_copy(update={"store": StoreSettings(url=f"sqlite:///{settings.home / 'none.db'}")})
    begin = pipeline.engines.processes._started
    monkeypatch.setattr(pipeline.engines.processes, "_started", lambda _, *words: begin(other, *words))
    with pytest.raises(StoreMissing, match=r"none\.db"):
        run(settings, workers=2)
    ended = last_run(store)
    assert (ended.state, "none.db" in (ended.reason or "")) == ("failed", True)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("code", "words"), [(-15, "was stopped by SIGTERM"), (1, "ended with exit code 1"), (-99, "signal 99")]
)
def test_how_a_worker_ended_is_told_in_words(code: int, words: str) -> None:
    assert words in pipeline.engines.processes.ended_how(code)
