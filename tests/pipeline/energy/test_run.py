"""A run on a machine whose GPU draws a steady 100 W: every stage and the run are charged with it."""

from pathlib import Path

import pytest

from core.database.store import Store
from core.frames import references
from core.frames.observations import register
from core.operations import power
from core.settings import Settings
from core.settings_sections import PowerSettings, StoreSettings
from pipeline.engines.local import run
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.pipeline.energy.conftest import FakeNvml

WATTS = 100.0


def test_a_run_and_its_stages_are_charged_with_what_the_machine_took(
    nvml: FakeNvml, sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NVML_WATTS", str(WATTS))
    settings = Settings.model_construct(
        home=tmp_path / "home",
        store=StoreSettings(url=f"sqlite:///{sqlite_store.url}"),
        power=PowerSettings(devices=("gpu0",), sample_s=0.1),
    )
    paths = simulate_night(tmp_path / "night", frames=1, size=256, seed=3, references=2)
    register(sqlite_store, examine(paths.science[0], settings))
    references.add(sqlite_store, from_frames(paths.reference, settings)[0])
    assert run(settings).counts == {"done": 1}
    use = power.last_run(sqlite_store)
    assert use.frames == 1
    assert {"read", "subtract", "detect"} <= {each.stage for each in use.stages}
    for stage in use.stages:
        assert stage.joules >= WATTS * stage.seconds - 0.1
    assert sum(stage.joules for stage in use.stages) <= use.joules
    assert use.joules <= WATTS * (use.until - use.since) + 0.1
    assert not use.is_partial
    assert use.joules_per_frame == use.joules
