"""A simulated night for the local engine, and what its store holds afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation, Run
from core.frames.outcome import FrameOutcome, ObservationFacts, ReferenceFacts
from core.settings import Settings
from core.settings_sections import StoreSettings
from tests.chaos.nights import QUICK

FRAMES = 4


@dataclass(frozen=True)
class Night:
    """Small frames of one field, and the reference for them."""

    home: Path
    frames: list[ObservationFacts]
    reference: ReferenceFacts

    def settings(self, url: str) -> Settings:
        return Settings.model_construct(home=self.home, store=StoreSettings(url=url), **QUICK)


def nothing(*_: object) -> FrameOutcome:
    """Stands for the pipeline where a test is of the queue alone."""
    return FrameOutcome("done")


def rows(store: Store) -> list[Observation]:
    with store.read() as session:
        return list(session.exec(select(Observation).order_by(Observation.id)))


def states(store: Store) -> list[str]:
    return [row.state for row in rows(store)]


def last_run(store: Store) -> Run:
    with store.read() as session:
        return session.exec(select(Run).order_by(Run.id.desc())).first()
