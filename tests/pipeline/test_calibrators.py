"""A calibration frame serves as long as its file is the one that was ingested."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from core.database.store import Store
from core.frames.observations import register
from core.settings import Settings
from pipeline.calibration.calibrators import calibrators
from pipeline.frame import FrameRefused
from pipeline.intake.ingest import examine
from pipeline.simulate.night import simulate_night


def test_a_flat_that_was_written_over_is_not_divided_by(store: Store, tmp_path: Path) -> None:
    night = simulate_night(tmp_path / "night", frames=1, size=128, seed=3, references=1)
    one, other = night.calibration[:2]
    register(store, examine(one, Settings.model_construct(home=tmp_path)))
    (known,) = calibrators(store)
    assert known.read().data.shape == known.shape
    one.write_bytes(other.read_bytes())
    (known,) = calibrators(store)
    with pytest.raises(FrameRefused, match="other content than when it was ingested"):
        known.read()


def test_how_it_was_read_out_goes_through_the_store(store: Store, tmp_path: Path) -> None:
    header = fits.Header(
        {"GAIN": 1.5, "READOUTM": "High", "IMAGETYP": "bias", "DATE-OBS": "2020-01-01T00:00"}
    )
    pixels = np.random.default_rng(1).normal(500.0, 3.0, (40, 50)).astype(np.float32)
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / "b.fits")
    register(store, examine(tmp_path / "b.fits", Settings.model_construct(home=tmp_path)))
    (known,) = calibrators(store)
    assert known.exposure.readout == (("gain", 1.5), ("mode", "High"))
