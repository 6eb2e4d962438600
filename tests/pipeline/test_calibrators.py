"""A calibration frame serves as long as its file is the one that was ingested."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation
from core.frames.content import was_written_over
from core.frames.observations import register
from core.settings import Settings
from pipeline.calibration.calibrators import calibrators, masters_of, served
from pipeline.frame import FrameRefused
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate.night import simulate_night


def test_a_flat_that_was_written_over_is_not_divided_by(store: Store, tmp_path: Path) -> None:
    night = simulate_night(tmp_path / "night", frames=1, size=128, seed=3, references=1)
    one, other = night.calibration[:2]
    register(store, examine(one, Settings.model_construct(home=tmp_path)))
    settings = Settings.model_construct(home=tmp_path)
    (known,) = calibrators(store, settings)
    assert known.read().data.shape == known.shape
    one.write_bytes(other.read_bytes())
    (known,) = calibrators(store, settings)
    with pytest.raises(FrameRefused, match="other content than when it was ingested"):
        known.read()


def test_the_header_of_the_frame_decides_of_what_part_its_masters_are(store: Store, tmp_path: Path) -> None:
    """Where that is lost, most of the calibration frames do."""
    random = np.random.default_rng(1)
    settings = Settings.model_construct(home=tmp_path)

    def written(name: str, kind: str, section: str) -> Path:
        cards = {"IMAGETYP": kind, "TRIMSEC": section, "INSTRUME": "cam", "DATE-OBS": "2020-01-01T00:00"}
        pixels = random.normal(500.0, 3.0, (40, 50)).astype(np.float32)
        fits.PrimaryHDU(pixels, fits.Header(cards)).writeto(tmp_path / name)
        return tmp_path / name

    for number, section in enumerate(["[1:40,1:40]", *["[1:45,1:40]"] * 3]):
        register(store, examine(written(f"b{number}.fits", "bias", section), settings))
    science = written("science.fits", "object", "[1:40,1:40]")
    register(store, examine(science, settings))
    with store.read() as session:
        row = session.exec(select(Observation).where(Observation.frame == "science.fits")).one()
    masters = masters_of(store, settings)
    found = masters(*served(row, settings))
    assert found is not None
    assert found.shape == (40, 40)
    (note,) = found.notes
    assert note.startswith("bias b1.fits, bias b2.fits, bias b3.fits were set aside: they are 45 x 40 pixels")
    science.unlink()
    lost = masters(*served(row, settings))
    assert lost is not None
    assert lost.shape == (40, 45)


def test_a_frame_that_was_cut_off_since_is_told_where_a_reference_is_built(
    store: Store, tmp_path: Path
) -> None:
    night = simulate_night(tmp_path / "night", frames=1, size=128, seed=3, references=2)
    settings = Settings.model_construct(home=tmp_path)
    for path in night.calibration:
        register(store, examine(path, settings))
    flats = [path for path in night.calibration if path.name.startswith("flat")]
    flats[0].write_bytes(flats[0].read_bytes()[:9000])
    said: list[str] = []
    facts, skipped, _ = from_frames(
        night.reference, settings, masters_for=masters_of(store, settings), said=said
    )
    assert (facts.n_frames, skipped) == (2, {})
    assert any(f"flat {flats[0].name} was set aside: the file holds other content" in each for each in said)
    for path in flats:
        path.unlink()
    for path in (tmp_path / "masters").iterdir():
        path.unlink()
    with pytest.raises(
        FrameRefused, match=rf"none of its {len(flats)} flat frames can be used, ingest others; flat"
    ):
        from_frames(night.reference, settings, masters_for=masters_of(store, settings))


def test_a_damaged_frame_is_read_again_only_once_it_looks_otherwise(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night of frames asks for it, each by a list of its own from the store."""
    night = simulate_night(tmp_path / "night", frames=1, size=128, seed=3, references=1)
    path, whole = night.calibration[0], night.calibration[0].read_bytes()
    settings = Settings.model_construct(home=tmp_path)
    register(store, examine(path, settings))
    looked: list[Path] = []

    def counted(path: Path, content: str) -> bool:
        looked.append(path)
        return was_written_over(path, content)

    monkeypatch.setattr("pipeline.calibration.calibrators.was_written_over", counted)
    path.write_bytes(whole[:9000])
    for _ in range(3):
        with pytest.raises(FrameRefused, match="other content than when it was ingested"):
            calibrators(store, settings)[0].read()
    assert looked == [path]
    path.write_bytes(whole)
    assert calibrators(store, settings)[0].read().data.shape == (128, 128 + 32)
    path.unlink()
    for _ in range(2):  # the disk may be back for any frame
        with pytest.raises(FrameRefused, match="there is no such file"):
            calibrators(store, settings)[0].read()
    assert looked == [path] * 4


UNREADABLE = Path("/proc/self/mem")  # a file that is there and cannot be read, even by root


@pytest.mark.skipif(not UNREADABLE.is_file(), reason="this system has no file that nobody can read")
def test_a_disk_that_fails_is_told_as_such_and_no_file_that_was_written_over(
    store: Store, tmp_path: Path
) -> None:
    night = simulate_night(tmp_path / "night", frames=1, size=128, seed=3, references=1)
    path = night.calibration[0]
    settings = Settings.model_construct(home=tmp_path)
    register(store, examine(path, settings))
    moved = path.rename(tmp_path / "moved.fits")
    path.symlink_to(UNREADABLE)
    with pytest.raises(FrameRefused, match="the file cannot be read"):
        calibrators(store, settings)[0].read()
    path.unlink()
    moved.rename(path)
    assert calibrators(store, settings)[0].read().data.any()


def test_how_it_was_read_out_goes_through_the_store(store: Store, tmp_path: Path) -> None:
    header = fits.Header(
        {"GAIN": 1.5, "READOUTM": "High", "IMAGETYP": "bias", "DATE-OBS": "2020-01-01T00:00"}
    )
    pixels = np.random.default_rng(1).normal(500.0, 3.0, (40, 50)).astype(np.float32)
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / "b.fits")
    register(store, examine(tmp_path / "b.fits", Settings.model_construct(home=tmp_path)))
    (known,) = calibrators(store, Settings.model_construct(home=tmp_path))
    assert known.exposure.readout == (("gain", 1.5), ("mode", "High"))
