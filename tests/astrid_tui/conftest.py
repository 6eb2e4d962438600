"""`astrid` in a home of its own, and the files of a camera of three chips to give to it."""

from pathlib import Path

import numpy as np
import pytest

from tests.astrid_tui.command import Command
from tests.astrid_tui.mosaics import CHIPS, SIDE
from tests.builders import stores_copied
from tests.copies import registries_copied


@pytest.fixture(autouse=True)
def _databases_copied(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """How stores and MLflow's database are made is tested elsewhere."""
    stores_copied(monkeypatch)
    registries_copied(monkeypatch, lambda: request.getfixturevalue("registry_template"))


@pytest.fixture(scope="module")
def chips():
    """By chip the pixels of two exposures, and the header of its place on the sky."""
    from pipeline.simulate.pair import simulate_pair  # which most tests beside these need nothing of

    made = {}
    for number, chip in enumerate(CHIPS):
        pair = simulate_pair(SIDE, 40 + number, n_stars=300, n_transients=0)
        header = pair.wcs_ref.to_header()
        header["CRVAL2"] += 0.06 * number  # of a field of 0.043 degrees
        header["GAIN"], header["RDNOISE"], header["EXPTIME"] = 1.0, 6.0, 60.0
        made[chip] = (pair.new, pair.ref), header
    return made


@pytest.fixture
def astrid(tmp_path, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    command = Command(monkeypatch, capsys.readouterr)
    command("init")
    return command


@pytest.fixture
def mosaic(chips, tmp_path) -> Path:
    """A folder of two files of three extensions."""
    from astropy.io import fits

    folder = tmp_path / "mosaic"
    folder.mkdir()
    for exposure in range(2):
        first = fits.PrimaryHDU()
        first.header["INSTRUME"], first.header["FILTER"], first.header["OBJECT"] = "WIDE", "r", "M 31"
        first.header["MJD-OBS"] = 60000.25 + exposure
        images = [
            fits.ImageHDU(pixels[exposure], header, name=chip) for chip, (pixels, header) in chips.items()
        ]
        fits.HDUList([first, *images]).writeto(folder / f"exp{exposure}.fits")
    return folder


@pytest.fixture
def triplets(tmp_path):
    """A file of triplets in counts, and the examples that it is of."""
    from tests.pipeline.toy_models import blobs

    made = blobs(30, seed=8)
    path = tmp_path / "some.npz"
    np.savez(path, new=made.new * 117.0 + 5e4, ref=made.ref, diff=made.diff.astype(np.float32))
    return path, made
