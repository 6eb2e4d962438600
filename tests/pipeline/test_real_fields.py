"""Training fields of given frames: their pixels stay, and what is injected is told truly."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from astropy.io import fits

from core.settings import Settings
from core.settings_sections import DetectSettings, SubtractSettings
from pipeline.detection.forced import forced_fluxes
from pipeline.frame import FrameRefused
from pipeline.simulate import simulate_pair
from pipeline.training.real_fields import FramesError, RealFields


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two frames of one sky, shifted against each other, as files."""
    folder = tmp_path_factory.mktemp("frames")
    pair = simulate_pair(400, 5, shift=(7.0, -4.0), flux_ratio=0.7, n_stars=160, n_transients=0)
    for name, image in (("one", pair.new), ("two", pair.ref)):
        hdu = fits.PrimaryHDU(image)
        hdu.header.update(GAIN=1.0, RDNOISE=pair.read_noise, EXPTIME=60.0, SATURATE=6e4)
        hdu.writeto(folder / f"{name}.fits")
    return folder


def test_injected_sources_have_the_significance_that_the_truth_tells(folder):
    fields = RealFields(folder, Settings())
    pulls = []
    for seed in range(2):
        made = fields.field(seed, 320)
        events = [event for event in made.events if not event.is_streak]
        x, y = np.array([[event.x, event.y] for event in events]).T
        flux, error = forced_fluxes(made.difference, x, y)
        expected = np.array([event.snr for event in events])
        pulls.append((flux / error - expected) / np.hypot(1.0, 0.1 * expected))
        assert made.classes.shape == (320, 320)
        assert not any(where.any() for where in made.defects.values())
    pulls = np.concatenate(pulls)
    assert len(pulls) > 10
    assert abs(np.median(pulls)) < 0.7
    assert np.mean(np.abs(pulls) < 3.0) > 0.8


def test_a_seed_is_a_field(folder):
    one, two = (RealFields(folder, Settings()).field(4, 320) for _ in range(2))
    assert np.array_equal(one.classes, two.classes)
    assert one.events == two.events


def test_they_follow_how_the_settings_subtract_and_search(folder):
    settings = Settings.model_construct(
        detect=DetectSettings(threshold=4.0), subtract=SubtractSettings(method="classic")
    )
    one, other = (RealFields(folder, each).field(4, 320) for each in (Settings(), settings))
    assert other.settings.detect.threshold == 4.0
    assert {one.difference.method, other.difference.method} == {"zogy", "classic"}


def test_fields_are_kept_under_a_name_of_the_pixels_and_settings_that_they_are_of(folder, tmp_path):
    settings = Settings()
    name = RealFields(folder, settings).name
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert RealFields(moved, Settings()).name == name
    other = settings.model_copy(update={"camera": settings.camera.model_copy(update={"gain": 2.0})})
    assert RealFields(moved, other).name != name
    as_before = (moved / "one.fits").stat()
    with fits.open(moved / "one.fits", mode="update") as file:
        file[0].data[7, 7] += 1.0
    os.utime(moved / "one.fits", ns=(as_before.st_atime_ns, as_before.st_mtime_ns))
    assert RealFields(moved, settings).name != name


def test_folders_and_windows_that_do_not_do_are_refused(folder, tmp_path):
    with pytest.raises(FramesError, match="0 FITS files"):
        RealFields(tmp_path, Settings())
    with pytest.raises(FrameRefused, match="smaller than the window"):
        RealFields(folder, Settings()).field(0, 512)
