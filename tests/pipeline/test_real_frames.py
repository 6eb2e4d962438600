"""Real frames the whole way: ingest, reference, run, and what the store then lists."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Candidate, Difference, Observation
from core.frames import references
from core.frames.observations import register
from core.frames.queue import counts_by_state
from core.settings import Settings
from core.settings_sections import StoreSettings
from pipeline.engines.local import run
from pipeline.intake.ingest import examine, find_files
from pipeline.reference.references import from_file

FAINT = ("AKB13475I0173.fits", "AKB13475I0174.fits", "AKB13475I0177.fits")
BRIGHT = ("AKB13475I0018.fits", "AKB13475I0020.fits", "AKB13475I0028.fits")


@dataclass(frozen=True)
class Result:
    """The candidates of a run by frame, the most significant first, and its differences."""

    by_frame: dict[str, list[Candidate]]
    differences: dict[str, Difference]
    width: int
    height: int


@pytest.fixture
def process(sqlite_store: Store, tmp_path: Path) -> Callable[[Path, list[Path]], Result]:
    settings = Settings.model_construct(
        home=tmp_path / "home", store=StoreSettings(url=f"sqlite:///{sqlite_store.url}")
    )

    def processed(reference: Path, frames: list[Path]) -> Result:
        for path in frames:
            register(sqlite_store, examine(path, settings))
        row = references.add(sqlite_store, from_file(reference, settings))
        summary = run(settings)
        assert summary.counts == {"done": len(frames)}, summary.frames
        with sqlite_store.read() as session:
            found = session.exec(select(Candidate)).all()
            names = {each.id: each.frame for each in session.exec(select(Observation))}
            differences = {
                names[each.observation_id]: each for each in session.exec(select(Difference)).all()
            }
        by_frame = {
            path.name: sorted((c for c in found if c.frame == path.name), key=lambda c: -abs(c.snr))
            for path in frames
        }
        return Result(by_frame, differences, row.width, row.height)

    return processed


@pytest.mark.parametrize(("reference", "name"), [*zip(FAINT, BRIGHT, strict=True), (FAINT[0], BRIGHT[2])])
def test_the_microlensing_event_ranks_first(
    shared_data: Path, process: Callable[[Path, list[Path]], Result], reference: str, name: str
) -> None:
    """Frames without any WCS, tens of pixels apart; the star is bright in the three that are subtracted from.

    The last pair is the hardest: a crude subtraction has the star behind four others.
    """
    folder = shared_data / "images" / "saao_kb13475"
    with (folder / "truth.csv").open() as file:
        truth = {row["file"]: (float(row["x0"]), float(row["y0"])) for row in csv.DictReader(file)}
    result = process(folder / reference, [folder / name])
    first = result.by_frame[name][0]
    assert math.dist((first.x_frame or 0.0, first.y_frame or 0.0), truth[name]) < 1.5
    assert first.snr > 25
    assert first.ra is None  # there is no WCS: the grid is the coordinate system
    assert result.differences[name].registration_rms_px < 0.15


def test_a_field_without_transients_stays_quiet(
    shared_data: Path, process: Callable[[Path, list[Path]], Result]
) -> None:
    """A pointing jump of 51 arcsec and vignetted corners: few candidates, none at the edge."""
    paths = sorted((shared_data / "images" / "lt_rise").glob("*.fits"))
    result = process(paths[1], [paths[0], paths[2]])
    for name, candidates in result.by_frame.items():
        assert len(candidates) <= 5, name
        for each in candidates:
            assert 10 < (each.x or 0) < result.width - 10
            assert 10 < (each.y or 0) < result.height - 10


def test_no_strange_file_stops_a_run(shared_data: Path, sqlite_store: Store, tmp_path: Path) -> None:
    settings = Settings.model_construct(
        home=tmp_path / "home", store=StoreSettings(url=f"sqlite:///{sqlite_store.url}")
    )
    files = find_files([shared_data / "odd" / "fits", shared_data / "odd" / "wcs"])
    assert files
    for path in files:
        for each in register(sqlite_store, examine(path, settings)):
            assert each.reason or each.state in {"queued", "calibration"}
            assert "\n" not in (each.reason or "")
    summary = run(settings)
    assert summary.state == "done"
    assert set(summary.counts) <= {"waiting"}
    assert set(counts_by_state(sqlite_store)) <= {"waiting", "rejected", "quarantined", "calibration"}
