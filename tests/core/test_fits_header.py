"""Headers are shown as they stand in the file, whatever state the file is in."""

import bz2
import gzip
import os

import numpy as np
import pytest
from astropy.io import fits

from core.frames.fits_header import MAX_CARDS, HeaderUnreadable, read_cards


@pytest.fixture
def file(tmp_path):
    """Three headers: an empty primary one, an image, a table."""
    image = fits.ImageHDU(np.zeros((31, 47), dtype=np.int16), name="SCI")
    image.header["OBJECT"] = ("M 31", "what was looked at")
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.arange(99.0))], name="LIST")
    path = tmp_path / "m31.fits"
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(path)
    return path


@pytest.mark.parametrize("extension", [0, 1, 2])
def test_each_header_has_the_cards_that_astropy_finds(file, extension):
    with fits.open(file) as hdus:
        expected = [card.image.rstrip() for card in hdus[extension].header.cards]
    assert list(read_cards(file, extension)) == expected


@pytest.mark.parametrize(("suffix", "packer"), [(".gz", gzip), (".bz2", bz2)])
def test_packed_files_are_read_as_well(file, suffix, packer):
    packed = file.with_name(file.name + suffix)
    packed.write_bytes(packer.compress(file.read_bytes()))
    assert read_cards(packed, 1) == read_cards(file, 1)


def test_a_file_that_ends_early_is_read_as_far_as_it_goes(file):
    whole = file.read_bytes()
    file.write_bytes(whole[: 2 * 2880 + 100])
    assert any(card.startswith("OBJECT") for card in read_cards(file, 1))
    with pytest.raises(HeaderUnreadable, match="no header number 2"):
        read_cards(file, 2)
    file.write_bytes(whole[:3000])
    with pytest.raises(HeaderUnreadable, match="ends within"):
        read_cards(file, 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ends within"),
        (b"PK\x03\x04" * 2000, "no FITS header"),
        (b"SIMPLE  =                    T".ljust(80) * (MAX_CARDS + 36), "no end"),
    ],
)
def test_what_is_no_header_is_told_apart(tmp_path, content, why):
    path = tmp_path / "odd.fits"
    path.write_bytes(content)
    with pytest.raises(HeaderUnreadable, match=why):
        read_cards(path)


@pytest.mark.parametrize(
    ("naxis", "length", "why"), [("-3", "5", "axes"), ("1", "-5", "size"), ("1", "x", "number")]
)
def test_impossible_sizes_are_refused_before_anything_is_skipped(tmp_path, naxis, length, why):
    cards = ["SIMPLE  =  T", f"NAXIS   =  {naxis}", f"NAXIS1  =  {length}", "BITPIX  =  16", "END"]
    path = tmp_path / "odd.fits"
    path.write_bytes("".join(card.ljust(80) for card in cards).ljust(2880).encode())
    with pytest.raises(HeaderUnreadable, match=why):
        read_cards(path, 1)


def test_a_file_that_is_not_here_is_told_of(tmp_path):
    with pytest.raises(HeaderUnreadable, match="cannot be read from here: No such file"):
        read_cards(tmp_path / "gone.fits")
    (tmp_path / "text.fits.gz").write_bytes(b"no gzip at all")
    with pytest.raises(HeaderUnreadable, match="gzip"):
        read_cards(tmp_path / "text.fits.gz")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.fits")
    with pytest.raises(HeaderUnreadable, match="not a regular file"):
        read_cards(tmp_path / "pipe.fits")
