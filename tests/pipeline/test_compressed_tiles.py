"""Tiles of compressed images that are damaged, or lie: a sentence, and no decoder is trusted with them."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.files import safe_tiles
from pipeline.files.fits_selection import Refusal
from pipeline.frame import RawFrame
from tests.pipeline.fits_written import SKY, header, only, written


def test_astropy_decompresses_by_checked_tiles():
    """Else it is an astropy that this program does not know, whose decoders see tiles unchecked."""
    assert safe_tiles.IS_KNOWN


@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_damaged_tiles_are_refused_or_read_and_never_raise(tmp_path, codec):
    """Tiles 0 or 255 from some byte on: what unpacks them raises an error of its own."""
    packed = fits.CompImageHDU(SKY, header(), compression_type=codec)
    content = written(tmp_path / "a.fits", fits.PrimaryHDU(), packed).read_bytes()
    path, end, refused = tmp_path / "b.fits", len(content.rstrip(b"\0")), 0
    for back in (8, 100, 400):
        for value in (b"\0", b"\xff"):
            path.write_bytes(content[: end - back] + value * back + content[end:])
            found = only(path)
            refused += isinstance(found, Refusal)
            assert isinstance(found, RawFrame) or "\n" not in found.reason
    assert refused


@pytest.mark.parametrize("keyword", ["SIMPLE", "XTENSION", "TFIELDS"])
def test_a_broken_card_of_a_compressed_file_ends_the_reading(tmp_path, keyword):
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(), fits.CompImageHDU(SKY, header()))
    content = bytearray(path.read_bytes())
    content[content.rindex(f"{keyword:8}=".encode()) + 12] = 0xA0  # no letter of ASCII
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(content))
    assert isinstance(only(packed), Refusal)


def bintable(path: Path, **changed: object) -> bytearray:
    """A file with a compressed image, whose table's header says something else of it."""
    with fits.open(path, disable_image_compression=True) as hdus:
        for keyword, value in changed.items():
            hdus[1].header[keyword] = value
        hdus.writeto(path, overwrite=True)
    return bytearray(path.read_bytes())


def tiles_at(path: Path) -> int:
    with fits.open(path, disable_image_compression=True) as hdus:
        return int(hdus[1].fileinfo()["datLoc"] + hdus[1].header["NAXIS1"] * hdus[1].header["NAXIS2"])


@pytest.mark.parametrize(
    ("codec", "at", "bytes_", "words"),
    [
        ("HCOMPRESS_1", 2, b"\0\1\0\0", "pixels, not"),  # its rows, far beyond the room for them
        ("HCOMPRESS_1", 22, b"\xff", "255 bits"),  # the planes of its first quadrant
        ("PLIO_1", 6, b"\x7f\xff\x7f\xff", "words, and has"),  # how many words follow
    ],
)
def test_what_a_tile_says_of_itself_is_not_believed(tmp_path, codec, at, bytes_, words):
    pixels = SKY.astype(np.int32)
    tile = {"tile_shape": SKY.shape}
    path = written(
        tmp_path / "a.fits",
        fits.PrimaryHDU(),
        fits.CompImageHDU(pixels, header(), compression_type=codec, **tile),
    )
    np.testing.assert_array_equal(only(path).data, pixels)
    content, start = bytearray(path.read_bytes()), tiles_at(path)
    content[start + at : start + at + len(bytes_)] = bytes_
    path.write_bytes(content)
    found = only(path)
    assert isinstance(found, Refusal)
    assert words in found.reason


@pytest.mark.parametrize("changed", [{"ZVAL1": 0}, {"ZVAL2": -64}, {"ZVAL2": 8}])
def test_settings_of_rice_tiles_that_cannot_be_are_refused(tmp_path, changed):
    path = written(
        tmp_path / "a.fits",
        fits.PrimaryHDU(),
        fits.CompImageHDU(SKY.astype(np.int16), header(), compression_type="RICE_1"),
    )
    path.write_bytes(bintable(path, **changed))
    found = only(path)
    assert isinstance(found, Refusal)
    assert "a tile of RICE_1" in found.reason


def test_a_tile_that_inflates_without_end_is_refused(tmp_path):
    path = written(
        tmp_path / "a.fits",
        fits.PrimaryHDU(),
        fits.CompImageHDU(SKY, header(), compression_type="GZIP_1", quantize_level=0, tile_shape=SKY.shape),
    )
    bomb = gzip.compress(bytes(100 * 2**20))
    with fits.open(path, disable_image_compression=True) as hdus:
        made = fits.BinTableHDU.from_columns(
            [fits.Column("COMPRESSED_DATA", "1PB()", array=[np.frombuffer(bomb, np.uint8)])], hdus[1].header
        )
        made.header["ZIMAGE"] = True
        fits.HDUList([fits.PrimaryHDU(), made]).writeto(path, overwrite=True)
    found = only(path)
    assert isinstance(found, Refusal)
    assert "inflates to more than 100 times" in found.reason
