"""What is found of point sources drawn into real frames, and how much of the field is lost."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.calibration.calibrate import calibrate
from pipeline.diff import DiffOptions, diff_files
from pipeline.files.fits_files import read_frame
from pipeline.stellar.psf import estimate_psf
from pipeline.stellar.stars import find_stars

NAMES = ("q_e_20200830_1_1_1_1.fits", "q_e_20200830_1_21_1_1.fits", "q_e_20200830_1_41_1_1.fits")
SOURCES = 50
APART_PX = 25.0


def _injected(source: Path, target: Path, seed: int) -> np.ndarray:
    """Copy a frame with point sources of SNR 10 to 30 in good pixels; their places (n, 2)."""
    frame = calibrate(read_frame(source), None, Settings())
    psf = estimate_psf(frame, find_stars(frame), 1)
    half = psf.basis.shape[1] // 2
    free = ndimage.binary_erosion(frame.mask == 0, iterations=8)
    free[: half + 1], free[-half - 1 :], free[:, : half + 1], free[:, -half - 1 :] = (
        False,
        False,
        False,
        False,
    )
    rng = np.random.default_rng(seed)
    places: list[tuple[int, int]] = []
    while len(places) < SOURCES:
        y, x = (int(rng.integers(0, side)) for side in frame.shape)
        if free[y, x] and all(np.hypot(x - a, y - b) > APART_PX for a, b in places):
            places.append((x, y))
    with fits.open(source) as file:
        data = file[0].data.astype(np.float32)
        for x, y in places:
            stamp = psf.at(x, y)
            box = np.s_[y - half : y + half + 1, x - half : x + half + 1]
            error = 1.0 / np.sqrt(np.sum(stamp**2 / frame.variance[box]))
            electrons = rng.poisson(rng.uniform(10, 30) * error * stamp)
            data[box] += electrons / frame.gain
        fits.PrimaryHDU(data, header=file[0].header).writeto(target)
    return np.array(places, dtype=float)


@pytest.mark.parametrize(("new", "ref"), [(0, 1), (1, 2), (2, 1)])
def test_sources_drawn_into_a_real_frame_are_found(shared_data, tmp_path, new, ref):
    folder = shared_data / "images" / "lt_rise"
    path = tmp_path / "new.fits"
    places = _injected(folder / NAMES[new], path, seed=10 * new + ref)
    result = diff_files(str(path), str(folder / NAMES[ref]), DiffOptions(), Settings())
    x, y = (np.array([getattr(each, axis) for each in result.detections]) for axis in "xy")
    found = np.column_stack(result.new.map_to_new(x, y))
    nearest = np.array([np.hypot(*(found - place).T).min() for place in places])
    # Where the pointing jumped, some fell outside the reference: those cannot be found.
    inside_x, inside_y = result.new.pixel_map.inverse(*places.T) if result.new.pixel_map else places.T
    height, width = result.difference.mask.shape
    inside = (inside_x > 0) & (inside_y > 0) & (inside_x < width - 1) & (inside_y < height - 1)
    assert np.count_nonzero(inside) > SOURCES // 2
    assert np.mean(nearest[inside] < 2.0) >= 0.8
    assert len(found) <= np.count_nonzero(nearest < 2.0) + 5
    lost = result.difference.mask != 0
    dark = (result.new.frame.mask | result.reference.frame.mask) & (MaskPlane.BAD | MaskPlane.EDGE) != 0
    assert np.mean(lost[~dark]) <= 0.15
