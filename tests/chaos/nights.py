"""Nights of small frames, ready to be put into any store."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from core.database.store import Store, open_store
from core.frames import references
from core.frames.observations import register
from core.frames.outcome import ObservationFacts, ReferenceFacts
from core.settings import Settings
from core.settings_sections import DepthSettings, DetectSettings, StoreSettings
from pipeline.calibration.calibrators import masters_of
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.builders import empty_store


@dataclass(frozen=True)
class Night:
    """A night and its reference."""

    home: Path
    frames: list[ObservationFacts]
    reference: ReferenceFacts

    def fill(self, url: str, **sections: Any) -> Settings:
        with closing(new_store(url)) as store:
            register(store, self.frames)
            references.add(store, self.reference)
        return settings_in(self.home, url, **sections)


def make_night(folder: Path, *, frames: int, size: int, seed: int = 5) -> Night:
    home = folder / "home"
    paths = simulate_night(folder / "frames", frames=frames, size=size, seed=seed, references=2)
    settings = settings_in(home, f"sqlite:///{folder / 'astrid.db'}")
    found = [each for path in (*paths.calibration, *paths.science) for each in examine(path, settings)]
    with closing(new_store(settings.store_url)) as store:
        register(store, found)
        reference, *_ = from_frames(paths.reference, settings, masters_for=masters_of(store, settings))
    return Night(home, found, reference)


def new_store(url: str) -> Store:
    """A store that is there from now on, if it was not before."""
    path = Path(make_url(url).database or "")
    if url.startswith("sqlite") and not path.exists():
        path.write_bytes(empty_store())
    return open_store(url, create=True)


# A frame fills every table all the same, in two thirds of the time.
QUICK = {"detect": DetectSettings(unet=False), "depth": DepthSettings(sources=40)}


def settings_in(home: Path, url: str, **sections: Any) -> Settings:
    return Settings.model_construct(home=home, store=StoreSettings(url=url), **QUICK | sections)
