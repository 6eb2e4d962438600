"""A few frames of a simulated night in a store, processed, and verdicts on what was found in them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from core.database.store import Store, open_store
from core.database.tables import Candidate
from core.frames import references
from core.frames.observations import register
from core.review.verdicts import decide
from core.settings import Settings
from core.settings_sections import ReviewSettings, StoreSettings
from core.vocabulary import Label
from pipeline.engines.local import run
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.chaos.nights import QUICK

FRAMES = 2


def processed(folder: Path, **sections: Any) -> Settings:
    """A night of `FRAMES` frames below a folder; whoever reviews there is believed alone.

    It is searched without the U-Net, unless other sections of the settings are given.
    """
    url = f"sqlite:///{folder / 'home' / 'astrid.db'}"
    settings = Settings.model_construct(
        home=folder / "home",
        store=StoreSettings(url=url),
        **QUICK | {"review": ReviewSettings(votes=1)} | sections,
    )
    settings.home.mkdir()
    night = simulate_night(folder / "frames", frames=FRAMES, size=256, seed=3, references=2)
    with closing(open_store(url, create=True)) as store:
        register(store, [each for path in night.science for each in examine(path, settings)])
        references.add(store, from_frames(night.reference, settings)[0])
    assert run(settings).counts == {"done": FRAMES}
    return settings


def candidates(store: Store) -> list[Candidate]:
    """Those of the night, one an object, the most significant first."""
    with store.read() as session:
        query = select(Candidate).where(col(Candidate.is_current)).order_by(col(Candidate.snr).desc())
        first: dict[int | None, Candidate] = {}
        for each in session.exec(query):
            first.setdefault(each.sky_object_id, each)
        return list(first.values())


def judge(store: Store, candidate: Candidate, label: Label) -> None:
    """Decide on a candidate."""
    decide(store, session="ada", reviewer="ada", candidate_id=candidate.id or 0, label=label, shown={})
