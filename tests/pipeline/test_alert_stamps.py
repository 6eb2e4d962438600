"""The small FITS reader: what astropy reads it reads alike, and nothing makes it do more than that."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from pipeline.surveys.refusal import PacketError
from pipeline.surveys.stamps import MOST_BYTES, read_stamp, to_cutouts
from tests.pipeline.packets import as_fits, stamp

IMAGE = np.arange(20, dtype=np.float32).reshape(4, 5)


def file_of(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "i8", "f4", "f8", "u2"])
@pytest.mark.parametrize("zipped", [True, False])
def test_every_type_of_pixel_is_read_as_astropy_reads_it(kind, zipped):
    data = as_fits(IMAGE.astype(kind), zipped=zipped)
    plain = gzip.decompress(data) if zipped else data
    plane = read_stamp(data)
    assert plane.dtype == np.float32
    np.testing.assert_array_equal(plane, fits.getdata(io.BytesIO(plain)).astype(np.float32))


def test_missing_pixels_are_nan():
    blank = file_of(fits.PrimaryHDU(IMAGE.astype("i2"), fits.Header({"BLANK": 7})))
    scaled = fits.PrimaryHDU(IMAGE.astype("i2"))
    scaled.header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": 3})
    masked = as_fits(IMAGE, MASKVAL=-31415.0)
    assert np.argwhere(np.isnan(read_stamp(blank))).tolist() == [[1, 2]]
    plane = read_stamp(file_of(scaled))
    assert np.argwhere(np.isnan(plane)).tolist() == [[0, 3]]
    assert plane[0, 4] == 12.0
    assert np.isfinite(read_stamp(masked)).all()
    spoilt = IMAGE.copy()
    spoilt[0] = [-31415.0, np.nan, np.inf, -3.4e38, 2e30]
    assert np.isnan(read_stamp(as_fits(spoilt, MASKVAL=-31415.0))[0]).all()


def test_the_first_image_counts_wherever_it_is():
    cube = np.zeros((2, 3, 4), dtype=np.float32)
    companion = fits.ImageHDU(IMAGE * 2, name="UNCERT")
    table = fits.BinTableHDU(np.zeros(3, dtype=[("a", "i4")]))
    data = file_of(fits.PrimaryHDU(), table, fits.ImageHDU(cube), fits.ImageHDU(IMAGE), companion)
    np.testing.assert_array_equal(read_stamp(data), IMAGE)
    np.testing.assert_array_equal(read_stamp(file_of(fits.PrimaryHDU(IMAGE[None]))), IMAGE)
    with pytest.raises(PacketError, match="no image of two axes"):
        read_stamp(file_of(fits.PrimaryHDU(cube)))


def header(**cards: object) -> bytes:
    lines = [f"{name:8}= {value!s:>20}" for name, value in ({"SIMPLE": "T"} | cards).items()]
    return b"".join(line.encode().ljust(80) for line in [*lines, "END"]).ljust(2880) + b"\0" * 2880


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no FITS file"),
        (b"\x1f\x8b rubbish", "damaged"),
        (stamp()[:-2000], "truncated"),
        (stamp(zipped=False)[:9000], "truncated"),
        (gzip.compress(b"\0" * (MOST_BYTES + 2)), "inflates to more"),
        (b"SIMPLE  =".ljust(300_000), "header has no end"),
        (header(BITPIX=-32, NAXIS=2, NAXIS1=100_000, NAXIS2=100_000), "at most 1024"),
        (header(BITPIX=-32, NAXIS=2, NAXIS1=2**60, NAXIS2=2), "impossible sides"),
        (header(BITPIX=-32, NAXIS=2, NAXIS1=-5, NAXIS2=2), "impossible sides"),
        (header(BITPIX=-33, NAXIS=2, NAXIS1=2, NAXIS2=2), "does not describe"),
        (header(BITPIX=-32, NAXIS=99), "does not describe"),
        (header(BITPIX=-32, NAXIS="1E999"), "no number for NAXIS"),
        (header(BITPIX="'\x1b'", NAXIS=2), "no number for BITPIX"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(data, reason):
    with pytest.raises(PacketError, match=reason) as caught:
        read_stamp(data)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=400), st.integers(0, 2879))
def test_no_bytes_at_all_do_anything_else(noise, place):
    whole = bytearray(as_fits(IMAGE, zipped=False))
    whole[place : place + len(noise)] = noise
    for data in (bytes(whole), noise):
        try:
            plane = read_stamp(data)
        except PacketError:
            continue
        assert plane.ndim == 2
        assert not np.isinf(plane).any()


def test_blank_says_nothing_of_an_image_in_floats():
    """By the standard it is for whole numbers alone."""
    plain = as_fits(IMAGE, KEY=7, zipped=False)
    assert plain.count(b"KEY     =") == 1
    np.testing.assert_array_equal(read_stamp(plain.replace(b"KEY     =", b"BLANK   =")), IMAGE)


@pytest.mark.parametrize("shape", [(21, 41), (41, 21), (11, 41), (21, 11)])
def test_the_middle_of_a_longer_image_is_kept(shape):
    image = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    image[shape[0] // 2, shape[1] // 2] = 1000.0
    kept = to_cutouts(image, None, None, size=11)
    assert kept is not None
    assert kept.new.shape == (11, 11)
    assert np.unravel_index(kept.new.argmax(), (11, 11)) == (5, 5)


def test_no_image_at_all_makes_no_cutouts():
    assert to_cutouts(None, None, None, size=63) is None


def test_a_flat_image_has_no_sigma_and_is_masked():
    flat = np.full((20, 20), 5.0, dtype=np.float32)
    kept = to_cutouts(flat, None, IMAGE, size=63)
    assert kept is not None
    assert np.isnan(kept.new).all()
    assert np.isfinite(kept.diff).sum() == 20
