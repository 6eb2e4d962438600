"""A file beside its packed copy is one exposure, and makes no coadd deeper."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from core.settings import Settings
from pipeline.frame import FrameRefused
from pipeline.pairing import is_same_exposure
from pipeline.reference.references import from_frames
from tests.pipeline.synthetic import star_frame


def seen(noise_seed, mjd=60000.0):
    frame, _ = star_frame((200, 220), seed=11, n_stars=80, fwhm=3.0, noise_seed=noise_seed)
    return replace(frame, exposure=replace(frame.exposure, mjd=mjd))


@pytest.mark.parametrize("mjd", [60000.0, None])
def test_noise_tells_whether_two_frames_hold_one_exposure(mjd):
    one = seen(1)
    rounded = replace(one, data=np.round(one.data))
    assert is_same_exposure(one, seen(1, mjd))
    assert is_same_exposure(one, rounded)
    assert not is_same_exposure(one, seen(2, mjd))
    assert not is_same_exposure(one, replace(one, exposure=replace(one.exposure, mjd=60000.1)))


def test_a_packed_copy_is_taken_once_for_a_reference_and_told(tmp_path):
    names = []
    for number in (1, 2):
        frame = seen(number)
        cards = {"DATE-OBS": f"2026-03-0{number}T03:00:00", "EXPTIME": 60.0, "FILTER": "r", "GAIN": 1.0}
        path = tmp_path / f"f{number}.fits"
        fits.PrimaryHDU(frame.data.astype(np.float32), fits.Header(cards)).writeto(path)
        names.append(path)
    copy = tmp_path / "f1.fits.gz"
    copy.write_bytes(gzip.compress(names[0].read_bytes()))
    settings = Settings(home=tmp_path / "home")
    said = []
    facts, skipped, _ = from_frames([names[0], copy, names[1]], settings, said=said)
    assert (facts.n_frames, skipped) == (2, {})
    assert said[-1] == "f1.fits.gz: it holds the exposure of f1.fits, which is taken once"
    with pytest.raises(FrameRefused, match=r"needs at least 2 frames, 1 can be used; f1\.fits\.gz: it holds"):
        from_frames([names[0], copy], settings)
