"""A Redis server, and a queue of frames whose workers it wakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dramatiq as messages
import pytest

import pipeline.engines.worker
from core.database.store import Store
from core.frames import references
from core.frames.observations import register
from core.frames.outcome import FrameOutcome
from core.operations import broker
from core.settings import Settings
from core.settings_sections import StoreSettings
from pipeline.engines import dramatiq
from tests.core.frames import frame_facts, reference_facts
from tests.pipeline.dramatiq_engine.at_work import (
    FRAMES,
    free_port,
    named,
    redis_server,
)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis server of this module's own."""
    port = free_port()
    with redis_server(tmp_path_factory.mktemp("redis"), port):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def settings(store: Store, store_url: str, redis_url: str, tmp_path: Path, monkeypatch) -> Settings:
    """A queue of six frames, and what stands for the pipeline: this is about messages."""
    register(store, [frame_facts(number) for number in range(FRAMES)])
    references.add(store, reference_facts())
    monkeypatch.setattr(pipeline.engines.worker.Worker, "_outcome", lambda *_: FrameOutcome("done"))
    monkeypatch.setattr(dramatiq, "LOOK_S", 3600.0)
    monkeypatch.setattr(dramatiq, "_TICK_S", 0.02)
    # How soon they see that they are to end, and listen again after damage.
    monkeypatch.setitem(messages.Worker.__init__.__kwdefaults__, "worker_timeout", 50)
    monkeypatch.setattr(messages.worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)
    settings = named(redis_url, store=StoreSettings(url=store_url), home=tmp_path)
    broker.connect(settings).flushall()
    return settings
