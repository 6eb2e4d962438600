"""Reading FITS files: whole, odd, broken."""

import numpy as np
import pytest
from astropy.io import fits

from core.vocabulary import MaskPlane
from pipeline.files.doubts import doubts
from pipeline.files.fits_files import read_frame, read_frames
from tests.pipeline.fits_written import RNG, SKY, header, only, written


def test_data_come_back_as_float32_with_nothing_masked(tmp_path):
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, header())))
    assert raw.data.dtype == np.float32
    np.testing.assert_array_equal(raw.data, SKY)
    assert not raw.mask.any()
    assert raw.exposure.name == "a.fits"


def test_unsigned_and_scaled_integers_are_unscaled(tmp_path):
    counts = np.clip(SKY, 0, None).astype(np.uint16) + 40000
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(counts, header())))
    np.testing.assert_array_equal(raw.data, counts)


@pytest.mark.parametrize("level", [1000.0, 32700.0, 45000.0])
def test_unsigned_integers_that_lost_their_offset_are_what_they_were(tmp_path, level):
    y, x = np.mgrid[:40, :50]
    star = (60000.0 - level) * np.exp(-((x - 25) ** 2 + (y - 20) ** 2) / 2.0 / 1.8**2)
    counts = (SKY - 1000.0 + level + star).astype(np.uint16)
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(counts.view(np.int16), header())))
    np.testing.assert_array_equal(raw.data, counts)
    assert any("lost their BZERO" in said for said in doubts(raw))


def test_signed_integers_are_what_they_are_however_negative_a_few_be(tmp_path):
    data = (SKY - 1000.0).astype(np.int16)
    data[20:24, 20:24] = 30000
    data[30, 30:36], data[22, 24:40] = -30000, -32768
    data[:, 22] = -9999  # a column of no value, through the star
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(data, header())))
    np.testing.assert_array_equal(raw.data, data)
    assert doubts(raw) == ()


def test_blank_nan_infinite_and_huge_pixels_are_masked_and_finite(tmp_path):
    data = SKY.copy()
    data[0, 0], data[1, 1], data[2, 2] = np.nan, np.inf, -3.4e38
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(data, header())))
    assert np.isfinite(raw.data).all()
    assert sorted(zip(*np.nonzero(raw.mask == MaskPlane.BAD), strict=True)) == [(0, 0), (1, 1), (2, 2)]

    integers = SKY.astype(np.int16)
    integers[3, 4] = -999
    raw = only(written(tmp_path / "b.fits", fits.PrimaryHDU(integers, header(BLANK=-999))))
    assert np.argwhere(raw.mask).tolist() == [[3, 4]]


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fits.fz", ".fits.bz2"])
def test_every_compression_gives_the_same_pixels(tmp_path, suffix):
    counts = SKY.astype(np.int16)
    path = tmp_path / f"a{suffix}"
    if suffix == ".fits.fz":
        written(path, fits.PrimaryHDU(), fits.CompImageHDU(counts, header()))
    else:
        written(path, fits.PrimaryHDU(counts, header()))
    np.testing.assert_array_equal(only(path).data, counts)


def test_every_science_extension_is_a_frame_of_its_own_with_what_the_primary_says(tmp_path):
    primary = fits.PrimaryHDU(header=header(FILTER="r", CTYPE1="LAMBDA"))
    chips = [fits.ImageHDU(SKY + n, fits.Header({"CCDNUM": n}), name=f"CCD{n}") for n in (1, 2)]
    path = written(tmp_path / "a.fits", primary, *chips)
    frames = list(read_frames(path))
    assert [frame.exposure.name for frame in frames] == ["a.fits[1]", "a.fits[2]"]
    assert [frame.extension for frame in frames] == [1, 2]
    assert {frame.exposure.filter for frame in frames} == {"r"}
    np.testing.assert_array_equal(read_frame(path, 2).data, SKY + 2)
    assert "CTYPE1" not in frames[0].header


def test_inherit_false_takes_nothing_from_the_primary(tmp_path):
    chip = fits.ImageHDU(SKY, header(INHERIT=False))
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(header=header(FILTER="r")), chip)
    assert only(path).exposure.filter is None


@pytest.mark.parametrize("kind", [fits.ImageHDU, fits.CompImageHDU])
def test_blank_pixels_of_unsigned_integers_are_masked(tmp_path, kind):
    counts = SKY.astype(np.uint16)
    counts[3, 4] = 7
    image = kind(counts, name="SCI")
    image.header["BLANK"] = 7 - 32768
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(header=header()), image))
    assert np.argwhere(raw.mask).tolist() == [[3, 4]]
    assert raw.data[5, 5] == counts[5, 5]


def test_squares_of_zeros_in_a_frame_of_the_sky_are_masked_and_single_zeros_are_not(tmp_path):
    light = SKY - 1000.0  # its sky was subtracted
    light[:, :9] = 0.0  # where the frame did not reach, when it was turned
    light[20:28, 30:38] = 0.0
    light[5, 20], light[10:17, 40:50] = 0.0, 0.0  # 7 rows are no square
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(light, header())))
    expected = np.zeros(SKY.shape, dtype=bool)
    expected[:, :9] = expected[20:28, 30:38] = True
    np.testing.assert_array_equal(raw.mask == MaskPlane.BAD, expected)
    few = RNG.poisson(0.3, SKY.shape).astype(np.int16)
    assert not only(written(tmp_path / "few.fits", fits.PrimaryHDU(few, header()))).mask.any()
    dark = only(written(tmp_path / "dark.fits", fits.PrimaryHDU(light, header(IMAGETYP="DARK"))))
    assert not dark.mask.any()


def test_companions_are_no_frames_and_a_mask_masks(tmp_path):
    flags = np.zeros(SKY.shape, np.int16)
    flags[5, 6] = 4
    path = written(
        tmp_path / "a.fits",
        fits.PrimaryHDU(header=header()),
        fits.ImageHDU(SKY, name="SCI"),
        fits.ImageHDU(SKY, name="ERR"),
        fits.ImageHDU(flags, name="DQ"),
        fits.ImageHDU(np.ones((41, 41), np.float32), name="PSFIMAGE"),
    )
    raw = only(path)
    assert raw.exposure.name == "a.fits"
    assert np.argwhere(raw.mask).tolist() == [[5, 6]]


def test_every_value_of_a_mask_that_names_no_planes_masks(tmp_path):
    flags = np.zeros(SKY.shape, np.uint8)
    flags[5, :8] = range(8)
    mask = fits.ImageHDU(flags, name="MASK")
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(header=header()), fits.ImageHDU(SKY), mask)
    assert np.argwhere(only(path).mask).tolist() == [[5, x] for x in range(1, 8)]


def test_the_lowest_planes_of_a_mask_mask_though_few_harmless_ones_are_named(tmp_path):
    flags = np.zeros(SKY.shape, np.int32)
    flags[5, 6], flags[7, 8], flags[9, 10] = 1 << 0, 1 << 1, 1 << 5
    named = fits.Header({"MP_BAD": 0, "MP_SAT": 1, "HIERARCH MP_DETECTED": 5})
    mask = fits.ImageHDU(flags, named, name="MASK")
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(header=header()), fits.ImageHDU(SKY), mask)
    assert np.argwhere(only(path).mask).tolist() == [[5, 6], [7, 8]]


def test_a_plane_that_marks_detections_is_no_reason_to_mask(tmp_path):
    flags = np.zeros(SKY.shape, np.int32)
    flags[5, 6], flags[7, 8] = 1 << 5, 1 << 2
    planes = fits.ImageHDU(flags, fits.Header({"HIERARCH MP_DETECTED": 5, "MP_CR": 2}), name="MASK")
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(header=header()), fits.ImageHDU(SKY), planes)
    assert np.argwhere(only(path).mask).tolist() == [[7, 8]]


def test_a_plane_of_a_mask_that_is_named_for_it_is_of_what_is_saturated(tmp_path):
    """What is of another plane too, as interpolated values are, is bad as well."""
    flags = np.zeros(SKY.shape, np.int32)
    flags[5, 6:10] = 1 << 1, 1 << 1 | 1 << 5, 1 << 1 | 1 << 2, 1 << 2
    named = fits.Header({"MP_SAT": 1, "MP_INTRP": 2, "HIERARCH MP_DETECTED": 5})
    mask = fits.ImageHDU(flags, named, name="MASK")
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(header=header()), fits.ImageHDU(SKY), mask))
    full, bad = MaskPlane.SATURATED, MaskPlane.BAD
    assert raw.mask[5, 6:10].tolist() == [full, full, full | bad, bad]
    np.testing.assert_array_equal(raw.data, SKY)


def test_a_cube_of_one_plane_is_an_image(tmp_path):
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(SKY[None], header())))
    np.testing.assert_array_equal(raw.data, SKY)


def test_mirrored_and_plain_wcs_are_kept_and_a_broken_one_is_none(tmp_path):
    for name, scale, skew, works in (
        ("plain", -1e-4, 0.0, True),
        ("mirror", 1e-4, 0.0, True),
        ("broken", 1e-4, 1e-4, False),
    ):
        cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0}
        cards |= {"CRPIX1": 25.0, "CRPIX2": 20.0, "CD1_1": scale, "CD2_2": 1e-4, "CD1_2": skew, "CD2_1": skew}
        wcs = only(written(tmp_path / f"{name}.fits", fits.PrimaryHDU(SKY, header(**cards)))).wcs
        assert (wcs is not None) == works
        if wcs is not None:
            assert np.sign(np.linalg.det(wcs.pixel_scale_matrix)) == np.sign(scale)
            assert wcs.all_pix2world([[24.0, 19.0]], 0)[0] == pytest.approx([10.0, 20.0])


@pytest.mark.parametrize("axes", [("RA---XYZ", "DEC--XYZ"), ("ra---tan", "dec--tan"), ("RA--TAN", "DEC-TAN")])
def test_axes_of_the_sky_that_cannot_be_read_are_told_and_those_of_the_detector_are_not(tmp_path, axes):
    cards = {"CRVAL1": 10.0, "CRVAL2": 20.0, "CD1_1": -1e-4, "CD2_2": 1e-4}
    made = header(CTYPE1=axes[0], CTYPE2=axes[1], **cards)
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, made)))
    assert raw.wcs is None
    assert doubts(raw) == ("its WCS is left out: it cannot be read as the FITS Standard has it",)
    pixels = header(CTYPE1="LINEAR", CTYPE2="LINEAR", **cards)
    raw = only(written(tmp_path / "b.fits", fits.PrimaryHDU(SKY, pixels)))
    assert (raw.wcs, doubts(raw)) == (None, ())


def test_a_number_beyond_all_that_a_detector_tells_is_masked_and_a_bright_star_is_not(tmp_path):
    """As a flipped bit of the exponent makes one: of a sky that scatters by 20."""
    data = SKY.copy()
    data[0, 0], data[1, 1], data[2, 2], data[3, 3] = 8e27, -5e12, 65535.0, 1e8
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(data, header())))
    assert sorted(zip(*np.nonzero(raw.mask), strict=True)) == [(0, 0), (1, 1)]
    assert raw.data[0, 0] == raw.data[1, 1] == 0.0
    assert (raw.data[2, 2], raw.data[3, 3]) == (65535.0, 1e8)


def test_the_declination_may_come_first(tmp_path):
    cards = {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 20.0, "CRVAL2": 10.0}
    cards |= {"CRPIX1": 25.0, "CRPIX2": 20.0, "CD1_1": 1e-4, "CD2_2": -1e-4}
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, header(**cards))))
    assert raw.wcs.all_pix2world([[24.0, 19.0]], 0)[0] == pytest.approx([10.0, 20.0])
    assert raw.wcs.all_pix2world([[34.0, 19.0]], 0)[0] == pytest.approx([10.0, 20.001])
    assert any("DEC and RA" in note for note in raw.notes)


def test_asinh_magnitudes_of_pan_starrs_are_made_linear(tmp_path):
    softening, offset, unit = 3.7, 12.0, 2.5 / np.log(10.0)
    stored = (unit * np.arcsinh((SKY.astype(float) - offset) / (2.0 * softening))).astype(np.float32)
    stored[3, 4] = np.nan
    told = header(BSOFTEN=softening, BOFFSET=offset)
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(stored, told)))
    assert np.argwhere(raw.mask).tolist() == [[3, 4]]
    good = raw.mask == 0
    np.testing.assert_allclose(raw.data[good], SKY[good], rtol=1e-5)
    assert any("asinh" in note for note in raw.notes)


def test_the_chips_of_a_mosaic_are_cameras_of_their_own(tmp_path):
    primary = fits.PrimaryHDU(header=header(INSTRUME="WFC"))
    chips = [fits.ImageHDU(SKY + n, name=f"im{n}") for n in (1, 2)]
    found = list(read_frames(written(tmp_path / "a.fits", primary, *chips)))
    assert [raw.exposure.instrument for raw in found] == ["WFC IM1", "WFC IM2"]
    told = [fits.ImageHDU(SKY + n, fits.Header({"CCDNAME": f"A{n}"}), name=f"im{n}") for n in (1, 2)]
    found = list(read_frames(written(tmp_path / "b.fits", primary, *told)))
    assert [raw.exposure.instrument for raw in found] == ["WFC A1", "WFC A2"]
    alone = fits.ImageHDU(SKY, name="im1")
    assert only(written(tmp_path / "c.fits", primary, alone)).exposure.instrument == "WFC"


def test_the_chips_of_a_mosaic_are_told_apart_by_the_keyword_that_the_settings_name(tmp_path):
    chips = [fits.ImageHDU(SKY + n, fits.Header({"SLOT": f"S{n}"}), name="SCI") for n in (1, 2)]
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(header=header(INSTRUME="WFC")), *chips)
    found = list(read_frames(path, {"CCDNUM": "SLOT"}))
    assert [raw.exposure.instrument for raw in found] == ["WFC S1", "WFC S2"]


@pytest.mark.parametrize(
    ("inherited", "names", "own", "told"),
    [
        ({"DETECTID": "fa03"}, ("AMP1", "AMP2"), ({}, {}), ["WFC fa03 AMP1", "WFC fa03 AMP2"]),
        ({}, ("", ""), ({}, {}), ["WFC [1]", "WFC [2]"]),
        ({}, ("SCI", "SCI"), ({"CCDNAME": "A"}, {"CCDNAME": "A"}), ["WFC A [1]", "WFC A [2]"]),
        ({}, ("SCI", "SCI"), ({"CCDNAME": "A"}, {"CCDNAME": "B"}), ["WFC A", "WFC B"]),
    ],
)
def test_amplifiers_of_one_chip_have_biases_of_their_own(tmp_path, inherited, names, own, told):
    primary = fits.PrimaryHDU(header=header(INSTRUME="WFC", **inherited))
    amplifiers = [fits.ImageHDU(SKY, fits.Header(c), name=name) for name, c in zip(names, own, strict=True)]
    found = read_frames(written(tmp_path / "a.fits", primary, *amplifiers))
    assert [raw.exposure.instrument for raw in found] == told


def test_how_a_frame_was_read_out_is_kept(tmp_path):
    told = header(GAIN=100, OFFSET=50, READOUTM="High Gain", XBINNING=2)
    told["CCD-TEMP"] = -19.9
    raw = only(written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, told)))
    expected = {"binning x": 2.0, "gain": 100.0, "offset": 50.0, "mode": "High Gain", "temperature": -19.9}
    assert dict(raw.exposure.readout) == expected


@pytest.mark.parametrize("name", [b"M 31\t(bulge)", b"M 31\x00\x00", b"\x1b[31mM 31", b"M\xfcller 31"])
def test_a_target_s_name_that_is_no_fits_text_does_not_cost_the_wcs(tmp_path, name):
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CDELT1": -1e-4}
    made = header(OBJECT="PLACE".ljust(20, "-"), **cards, CDELT2=1e-4, CRPIX1=25.0, CRPIX2=20.0)
    path = written(tmp_path / "a.fits", fits.PrimaryHDU(SKY, made))
    path.write_bytes(path.read_bytes().replace(b"PLACE".ljust(20, b"-"), name.ljust(20)))
    raw = only(path)
    assert raw.wcs.all_pix2world([[24.0, 19.0]], 0)[0] == pytest.approx([10.0, 20.0])
    assert raw.exposure.exposure_s == 10.0
