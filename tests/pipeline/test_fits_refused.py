"""What is no exposure, or damaged, or larger than any is: one sentence, and nothing is inflated before."""

import gzip
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.files.fits_files import read_frame, read_frames
from pipeline.files.fits_selection import Refusal
from pipeline.frame import FrameRefused
from tests.pipeline.fits_written import RNG, SKY, header, only, written


def cards(**values) -> bytes:
    return "".join(f"{key:<8}= {value:>20}".ljust(80) for key, value in values.items()).encode()


def test_a_huge_header_without_data_is_refused_without_an_array(tmp_path):
    import tracemalloc

    block = cards(SIMPLE="T", BITPIX=-64, NAXIS=2, NAXIS1=100000, NAXIS2=100000) + b"END".ljust(80)
    path = tmp_path / "huge.fits"
    path.write_bytes(block.ljust(2880))
    (tmp_path / "huge.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    tracemalloc.start()
    plain, packed = only(path), only(tmp_path / "huge.fits.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "truncated" in plain.reason
    assert plain.damaged
    assert "100000 x 100000" in plain.reason
    assert "at most" in packed.reason
    assert peak < 50e6


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_truncated_file_is_damaged(tmp_path, suffix):
    whole = written(tmp_path / "a.fits", fits.PrimaryHDU(RNG.normal(size=(200, 200)), header()))
    path = tmp_path / f"b.fits{suffix}"
    content = whole.read_bytes()
    path.write_bytes(gzip.compress(content)[:150_000] if suffix else content[:150_000])
    found = only(path)
    assert found.damaged
    assert ("what it compresses is damaged" if suffix else "truncated") in found.reason


@pytest.mark.parametrize("name", ["DQ", "WHT"])
def test_a_file_that_is_truncated_in_its_mask_or_weights_is_damaged(tmp_path, name):
    image = fits.PrimaryHDU(np.abs(RNG.normal(size=(200, 200))), header())
    path = written(tmp_path / "a.fits", image, fits.ImageHDU(np.ones((200, 200), np.int16), name=name))
    path.write_bytes(path.read_bytes()[:-30_000])
    found = only(path)
    assert found.damaged
    assert "truncated" in found.reason


@pytest.mark.parametrize(
    ("hdus", "words"),
    [
        ([fits.PrimaryHDU()], "holds no image"),
        (
            [fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])],
            "only tables",
        ),
        ([fits.PrimaryHDU(np.zeros(100, np.float32))], "one axis"),
        ([fits.PrimaryHDU(np.stack([SKY, SKY, SKY]), header())], "cube"),
        ([fits.PrimaryHDU(SKY * np.nan, header())], "NaN"),
        ([fits.PrimaryHDU(np.ones((40, 50), np.float32), header())], "one value"),
        ([fits.PrimaryHDU(SKY[:1, :1], header())], "too small"),
        ([fits.PrimaryHDU(SKY[:31], header())], "too small"),
        ([fits.PrimaryHDU(SKY, header(BUNIT="km/s"))], "km/s"),
        ([fits.PrimaryHDU(SKY, header(EXPTIME=-5.0))], "negative"),
        ([fits.PrimaryHDU(SKY, header(CTYPE1="LAMBDA", CTYPE2="ANGLE"))], "spectrum"),
        ([fits.PrimaryHDU(), fits.ImageHDU(SKY, name="PSF")], "an extension named PSF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_exposure_is_refused_in_one_line(tmp_path, hdus, words):
    found = only(written(tmp_path / "a.fits", *hdus))
    assert isinstance(found, Refusal)
    assert words in found.reason
    assert "\n" not in found.reason
    with pytest.raises(FrameRefused):
        read_frame(tmp_path / "a.fits")


@pytest.mark.parametrize(
    ("content", "words", "damaged"),
    [
        (b"", "empty", True),
        (b"hello, this is text", "not a FITS file", False),
        (b"\x1f\x9d\x90rest", "compress", False),
        (b"SIMPLE  = nonsense" + b"\x00" * 5000, "header", True),
        (b"\x1f\x8b not gzip at all", "compresses is damaged", True),
    ],
)
def test_bytes_that_are_no_fits_are_refused(tmp_path, content, words, damaged):
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    found = only(path)
    assert words in found.reason
    assert found.damaged is damaged


def zipped(path: Path, *names: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_a_zip_of_one_file_is_read_and_others_are_refused_before_they_are_inflated(tmp_path, monkeypatch):
    content = written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, header())).read_bytes()
    assert only(zipped(tmp_path / "one.zip", "a.fits", content=content)).data.shape == SKY.shape
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_args: pytest.fail("it was inflated"))
    bomb = zipped(tmp_path / "bomb.zip", "a.fits", content=bytes(100 * 2**20))
    assert bomb.stat().st_size < 2**20
    assert "inflates" in only(bomb).reason
    assert "2 files" in only(zipped(tmp_path / "two.zip", "a.fits", "b.fits", content=content)).reason
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    assert only(tmp_path / "broken.zip").damaged


def test_what_a_packed_file_inflates_to_is_asked_before_it_is_inflated(tmp_path):
    import tracemalloc

    block = cards(SIMPLE="T", BITPIX=-64, NAXIS=2, NAXIS1=4000, NAXIS2=4000) + b"END".ljust(80)
    path = tmp_path / "bomb.fits.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(block.ljust(2880))
        for _ in range(4000):
            file.write(bytes(8 * 4000))
    tracemalloc.start()
    refused = only(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "it inflates to 128000000 bytes" in refused.reason
    assert peak < 50e6


@pytest.mark.parametrize("width", [-512, 999999999])
def test_a_size_that_no_file_has_is_told_in_words(tmp_path, width):
    block = cards(SIMPLE="T", BITPIX=16, NAXIS=2, NAXIS1=width, NAXIS2=999999999) + b"END".ljust(80)
    path = tmp_path / "a.fits"
    path.write_bytes(block.ljust(2880) + bytes(2880))
    assert "Errno" not in only(path).reason


def test_a_folder_a_missing_file_and_a_pipe_are_refused(tmp_path):
    assert "directory" in only(tmp_path).reason
    assert "no such file" in only(tmp_path / "none.fits").reason
    os.mkfifo(tmp_path / "pipe.fits")
    assert "regular file" in only(tmp_path / "pipe.fits").reason


def test_a_file_that_may_not_be_read_is_damaged_goods(tmp_path, monkeypatch):
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, header()))

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # a mode of 000 stops nobody who is root
    found = only(path)
    assert "permission denied" in found.reason
    assert found.damaged


def test_warnings_are_collected_and_never_shown(tmp_path, capfd):
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, header()))
    content = bytearray(path.read_bytes())
    content += b"rubbish after the last unit" * 10
    path.write_bytes(bytes(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = only(path)
    assert raw.notes
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_is_a_frame_or_a_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path / "a.fits"
    written(path, fits.PrimaryHDU(header=header()), fits.CompImageHDU(SKY.astype(np.int16), header()))
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), 30):
        content[place] = rng.integers(0, 256)
    path.write_bytes(bytes(content[: rng.integers(1, len(content))] if seed % 2 else content))
    for found in read_frames(path):
        if isinstance(found, Refusal):
            assert found.reason
            assert "\n" not in found.reason
        else:
            assert np.isfinite(found.data).all()


@pytest.mark.parametrize(
    ("keyword", "claim"), [("NAXIS", 10**12), ("NAXIS", 10**22), ("TFIELDS", 10**11), ("ZNAXIS", 10**12)]
)
def test_axes_and_columns_without_end_are_refused_before_they_are_listed(tmp_path, keyword, claim):
    packed = fits.CompImageHDU(SKY, header(), compression_type="RICE_1")
    image = fits.PrimaryHDU() if keyword != "NAXIS" else fits.PrimaryHDU(SKY, header())
    path = written(tmp_path / "a.fits", image, packed)
    content = path.read_bytes()
    at = content.rindex(f"{keyword:8}=".encode())
    for name, write in (("b.fits", bytes), ("b.fits.gz", gzip.compress)):
        broken = tmp_path / name
        broken.write_bytes(
            write(content[:at] + f"{keyword:8}= {claim:>20}".encode().ljust(80) + content[at + 80 :])
        )
        found = only(broken)
        assert isinstance(found, Refusal)
        assert found.damaged
        assert found.reason == "its header is damaged: it claims more than 999 axes or columns"
