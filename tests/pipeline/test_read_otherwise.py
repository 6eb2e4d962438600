"""A header that is read otherwise than ingest read it is told; one that is read alike is not."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation
from core.frames.observations import register
from core.settings import Settings
from pipeline.intake.ingest import examine
from pipeline.intake.read_otherwise import read_otherwise

SKY = np.random.default_rng(3).normal(1000.0, 20.0, (40, 50)).astype(np.float32)
CARDS = {"DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 10.0, "WHEEL2": "r", "OBJECT": "M31", "GAIN": 1.5}
WCS = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.7, "CRVAL2": 41.3, "CRPIX1": 25.0,
    "CRPIX2": 20.0, "CD1_1": -3e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 3e-4,
}  # fmt: skip


@pytest.fixture
def row(tmp_path: Path, sqlite_store: Store) -> Observation:
    """A frame as ingest kept it."""
    path = tmp_path / "a.fits"
    fits.writeto(path, SKY, fits.Header(CARDS | WCS))
    register(sqlite_store, examine(path, Settings()))
    with sqlite_store.read() as session:
        return session.exec(select(Observation)).one()


def mend(row: Observation, **cards: object) -> None:
    with fits.open(row.path, mode="update") as hdus:
        hdus[0].header.update(cards)


def test_what_is_read_alike_is_not_told(row):
    mend(row, AUTHOR="vera", GAIN=1.5)
    assert read_otherwise(row, Settings()) is None


def test_the_last_digits_of_another_library_are_no_other_reading(row):
    row.ra, row.mjd = row.ra * (1.0 + 1e-14), row.mjd * (1.0 - 1e-15)
    assert read_otherwise(row, Settings()) is None


def test_other_keywords_of_the_camera_are_told_by_both_readings(row):
    said = read_otherwise(row, Settings(camera={"keywords": {"FILTER": "WHEEL2"}}))
    assert said == "its header is read otherwise now (filter r, not none) than when it was ingested"


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        ({"OBJECT": "M33"}, "field M33, not M31"),
        ({"CRVAL1": 10.8}, "place"),
        ({"EXPTIME": 20.0}, "exposure time, time"),
        ({"IMAGETYP": "flat"}, "kind flat, not science"),
        ({"DATE-OBS": "2020-01-02T00:00:00"}, "time"),
        ({"GAIN": 3.0}, "readout"),
    ],
)
def test_a_mended_header_is_told(row, cards, told):
    mend(row, **cards)
    assert f"({told})" in (read_otherwise(row, Settings()) or "")


def test_a_file_that_is_gone_says_nothing_of_its_header(row):
    Path(row.path).unlink()
    assert read_otherwise(row, Settings()) is None
