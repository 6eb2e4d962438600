"""What a caller of `astrid diff` brings along: it is used, or refused in a sentence."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.diff import DiffOptions, diff_files, report
from pipeline.diff_file import write as write_difference
from pipeline.files.fits_files import read_frame
from pipeline.files.psf_file import read_psf
from pipeline.frame import FrameRefused
from pipeline.reference.reference_file import ReferenceImage, write
from pipeline.reference.reference_file import read as read_reference
from pipeline.stellar.profile import moffat, offsets
from tests.pipeline.synthetic import star_frame

SHAPE = (220, 220)
SKY = {"n_stars": 120, "flux_range": (4e3, 1e5), "seed": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """NEW and REF as files, REF as a reference of AstrID too, and PSFs and masks for them."""
    folder = tmp_path_factory.mktemp("given")
    frames = {
        "new": star_frame(SHAPE, **SKY, fwhm=3.4, noise_seed=8)[0],
        "ref": star_frame(SHAPE, **SKY, fwhm=2.8)[0],
    }
    for name, frame in frames.items():
        cards = fits.Header({"DATE-OBS": "2020-01-01T00:00:00", "GAIN": 1.0, "RDNOISE": 5.0})
        fits.PrimaryHDU(frame.data, cards).writeto(folder / f"{name}.fits")
    write(ReferenceImage(frame=frames["ref"], names=("ref",), flux_unit="electron"), folder / "own.fits")
    for fwhm in (2.8, 3.4, 12.0):
        stamp = moffat(offsets(15), fwhm, 3.0)
        fits.PrimaryHDU(stamp / stamp.sum()).writeto(folder / f"psf{fwhm}.fits")
    fits.PrimaryHDU(np.ones((3, 3))).writeto(folder / "tiny.fits")
    cube = fits.ImageHDU(np.stack([stamp] * 3))
    places = fits.BinTableHDU.from_columns(
        [fits.Column("x", "D", array=[0.0, np.nan, 9.0]), fits.Column("y", "D", array=[0.0, 1.0, 2.0])]
    )
    fits.HDUList([fits.PrimaryHDU(), cube, places]).writeto(folder / "cube.fits")
    half = np.zeros(SHAPE, dtype=np.uint8)
    half[:, :110] = 1
    fits.PrimaryHDU(half).writeto(folder / "half.fits")
    (folder / "junk.fits").write_text("junk")
    return folder


def subtracted(folder: Path, ref: str = "ref", **given):
    paths = {name: folder / value if isinstance(value, str) else value for name, value in given.items()}
    return diff_files(str(folder / "new.fits"), str(folder / f"{ref}.fits"), DiffOptions(**paths), Settings())


def test_right_psfs_are_taken_without_a_word(folder):
    result = subtracted(folder, psf_new="psf3.4.fits", psf_ref="psf2.8.fits")
    assert result.warnings == []
    assert result.difference.gain_ratio == pytest.approx(1.0, abs=0.02)
    assert result.fwhm_new_px == pytest.approx(3.4, rel=0.05)


@pytest.mark.parametrize("side", [11, 25, 51])
@pytest.mark.parametrize("fwhm", [2.0, 3.3, 5.0])
def test_the_width_of_a_stamp_does_not_depend_on_its_size(tmp_path, side, fwhm):
    stamp = moffat(offsets(side // 2), fwhm, 3.0)
    fits.PrimaryHDU(stamp / stamp.sum()).writeto(tmp_path / "psf.fits")
    psf, _ = read_psf(tmp_path / "psf.fits", SHAPE, 0)
    assert psf.fwhm == pytest.approx(fwhm, rel=0.04)


def test_psfs_that_are_interchanged_are_told(folder):
    warnings = subtracted(folder, psf_new="psf2.8.fits", psf_ref="psf3.4.fits").warnings
    assert [each.split("/")[-1].split(" is")[0] for each in warnings] == ["psf3.4.fits", "psf2.8.fits"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"psf_new": "psf12.0.fits"}, "is not theirs"),
        ({"psf_ref": "psf12.0.fits"}, "is not theirs"),
        ({"psf_new": "tiny.fits"}, "3 x 3 px"),
        ({"psf_new": "cube.fits"}, "no number"),
        ({"psf_new": "junk.fits"}, "not a FITS file"),
        ({"psf_ref": "missing.fits"}, "there is no such file"),
        ({"mask_new": "missing.fits"}, "there is no such file"),
        ({"saturation": 10.0}, "100% are saturated, at 10 and above"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(folder, given, said):
    with pytest.raises(FrameRefused, match=said) as refused:
        subtracted(folder, **given)
    assert "\n" not in str(refused.value)


SIDE = 2000
INFLATED = SIDE * SIDE * 8
REFUSED = f"it inflates to {INFLATED} bytes"


@pytest.fixture
def little_slack(monkeypatch) -> None:
    """A bomb may be a small one: of the bytes that any file may inflate to a file has a megabyte here."""
    monkeypatch.setattr("pipeline.files.fits_selection.GROWTH_SLACK", 2**20)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory) -> bytes:
    """A packed file of less than a hundredth of what its image takes."""
    header = fits.Header({"SIMPLE": True, "BITPIX": -64, "NAXIS": 2, "NAXIS1": SIDE, "NAXIS2": SIDE})
    header["ASTRIDRF"] = 1
    return gzip.compress(header.tostring().encode() + bytes(INFLATED), compresslevel=1)


def with_bomb(hdus: list, bomb: Any) -> bytes:
    """A packed file whose last extension, of zeros alone, takes so much too."""
    content = io.BytesIO()
    fits.HDUList([*hdus, bomb]).writeto(content)
    return gzip.compress(content.getvalue(), compresslevel=1)


READERS = {
    "psf": lambda folder, path: read_psf(path, SHAPE, 0),
    "mask": lambda folder, path: subtracted(folder, mask_new=path),
    "reference": lambda folder, path: read_reference(path),
}


@pytest.mark.usefixtures("little_slack")
@pytest.mark.parametrize("given", READERS)
def test_what_a_given_file_inflates_to_is_asked_before_it_is_inflated(folder, tmp_path, bomb, given):
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(bomb)

    def read() -> None:
        with pytest.raises(FrameRefused, match=REFUSED):
            READERS[given](folder, path)

    assert peak_of(read) < 0.4 * INFLATED


def peak_of(read: Callable[[], object]) -> int:
    """The most bytes that are held meanwhile."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("little_slack")
def test_what_the_table_of_a_psf_cube_inflates_to_is_asked_too(tmp_path):
    path = tmp_path / "cube.fits.gz"
    cube = fits.PrimaryHDU(np.tile(moffat(offsets(9), 3.0, 3.0), (2, 1, 1)))
    zeros = np.zeros(SIDE * SIDE // 2)
    table = fits.BinTableHDU.from_columns([fits.Column(name, "D", array=zeros) for name in "xy"])
    path.write_bytes(with_bomb([cube], table))
    del zeros, table

    def read() -> None:
        with pytest.raises(FrameRefused, match=REFUSED):
            read_psf(path, SHAPE, 0)

    assert peak_of(read) < 0.4 * INFLATED


RECORDS = ("EXTVER: 1", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2")
DISTORTED = {
    "WCSDVARR": [("CPDIS1", "LOOKUP"), *(("DP1", each) for each in RECORDS)],
    "D2IMARR": [],
    "TABLED": [("CTYPE1", "RA---TAB"), ("PS1_0", "TABLED"), ("PS1_1", "x")],
}


@pytest.mark.usefixtures("little_slack")
@pytest.mark.parametrize("name", DISTORTED)
def test_what_a_distortion_inflates_to_is_asked_too(tmp_path, name):
    frame, *_ = star_frame((64, 64), n_stars=4, flux_range=(1e4, 1e5), seed=4)
    cards = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 32.0, "CRPIX2": 32.0})
    cards.update(CRVAL1=10.0, CRVAL2=10.0, CDELT1=-1e-4, CDELT2=1e-4)
    image, own = tmp_path / "frame.fits.gz", tmp_path / "own.fits"
    write(ReferenceImage(frame=frame, names=("ref",), flux_unit="electron"), own)
    zeros = np.zeros((SIDE, SIDE))
    if name == "TABLED":
        extension = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=zeros.ravel())], name=name)
    else:
        extension = fits.ImageHDU(zeros, name=name)
    with fits.open(own) as layers:
        for header in (cards, layers[0].header):
            header.extend([fits.Card(*each) for each in DISTORTED[name]], update=True)
        image.write_bytes(with_bomb([fits.PrimaryHDU(frame.data, cards)], extension))
        own = own.with_suffix(".gz")
        own.write_bytes(with_bomb(list(layers), extension))
    del zeros, extension

    def read() -> None:
        raw = read_frame(image)
        assert raw.wcs is None
        assert f"whose distortion cannot be read: {REFUSED}" in str(raw.notes)
        with pytest.raises(FrameRefused, match=REFUSED):
            read_reference(own)

    assert peak_of(read) < 0.4 * INFLATED


def test_a_mask_holds_for_a_reference_of_our_own_too_and_the_rest_is_said_to_be_new_s(folder):
    result = subtracted(folder, "own", mask_ref="half.fits", gain=1.0)
    assert np.all(result.difference.mask[5:-5, 5:100] & MaskPlane.BAD)
    assert not np.any(result.difference.mask[20:-20, 130:200])
    assert any("NEW's alone" in each for each in result.warnings)


def test_a_gain_that_the_sky_contradicts_is_said_of_each_file(folder):
    warnings = subtracted(folder, gain=30.0).warnings
    assert [each.split(":")[0].split("/")[-1] for each in warnings] == ["ref.fits", "new.fits"]
    assert all("contradicts the sky's noise" in each for each in warnings)


def test_places_in_the_new_frame_are_those_of_its_file_with_its_prescan(folder, tmp_path):
    left, below = 24, 10
    frame, _ = star_frame(SHAPE, **SKY, fwhm=3.4, noise_seed=8, extra=[(100.0, 60.0, 3e4)])
    noise = np.random.default_rng(2).normal(0.0, 5.0, (SHAPE[0] + below, SHAPE[1] + left))
    raw = (noise + 300.0).astype(np.float32)
    raw[below:, left:] = frame.data + 300.0
    cards = fits.Header({"DATE-OBS": "2020-01-01T00:00:00", "GAIN": 1.0, "RDNOISE": 5.0})
    cards["TRIMSEC"] = f"[{left + 1}:{raw.shape[1]},{below + 1}:{raw.shape[0]}]"
    cards["BIASSEC"] = f"[1:{left},{below + 1}:{raw.shape[0]}]"
    fits.PrimaryHDU(raw, cards).writeto(tmp_path / "raw.fits")
    result = diff_files(str(tmp_path / "raw.fits"), str(folder / "ref.fits"), DiffOptions(), Settings())
    (source,) = report(result)["sources"]
    assert (source["x"], source["y"]) == pytest.approx((100.0, 60.0), abs=0.2)
    assert (source["x_new"], source["y_new"]) == pytest.approx((100.0 + left, 60.0 + below), abs=0.2)
    write_difference(tmp_path / "d.fits", result.difference, result.detections, result.new, result.reference)
    (row,) = fits.getdata(tmp_path / "d.fits", "SOURCES")
    assert (row["x_new"], row["y_new"]) == (source["x_new"], source["y_new"])
    assert fits.getheader(tmp_path / "d.fits")["CREATOR"].startswith("AstrID ")
