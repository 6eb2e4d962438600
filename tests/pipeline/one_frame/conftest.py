"""One simulated frame, and what comes out of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from astropy.table import Table

from core.database.store import open_store
from core.frames.outcome import FrameOutcome
from core.settings import Settings
from core.settings_sections import StoreSettings
from pipeline.calibration.calibrators import masters_of
from pipeline.files.fits_files import read_frame
from pipeline.intake.ingest import examine
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import read
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.pipeline.one_frame.case import Case


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    from core.frames.observations import register

    folder = tmp_path_factory.mktemp("night")
    night = simulate_night(folder / "frames", frames=1, size=256, seed=3, references=2)
    home = folder / "home"
    settings = Settings.model_construct(home=home, store=StoreSettings(url=f"sqlite:///{home / 'astrid.db'}"))
    store = open_store(settings.store_url, create=True)
    for path in night.calibration:
        register(store, examine(path, settings))
    find = masters_of(store, settings)
    facts, skipped, _ = from_frames(night.reference, settings, masters_for=find)
    assert skipped == {}
    raw = read_frame(night.science[0])
    height, width = raw.data.shape
    truth = Table.read(night.truth)
    store.close()
    return Case(
        path=night.science[0],
        truth=truth[truth["file"] == "science/science_001.fits"],
        reference=replace(prepare_image(read(Path(facts.path)), settings), reference_id=7),
        masters=find(raw.exposure, (height, width)),
        settings=settings,
    )


@pytest.fixture(scope="session")
def done(case: Case) -> FrameOutcome:
    return case.process()
