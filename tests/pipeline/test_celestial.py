"""World coordinates come out as RA and Dec of the ICRS, where astropy's own coordinates say they are."""

import math

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import (
    FK4,
    FK5,
    ICRS,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    Galactic,
    SkyCoord,
    Supergalactic,
)
from astropy.io import fits
from astropy.wcs import WCS

from pipeline.files.celestial import celestial_wcs

PIXELS = np.array([[0.0, 0.0], [499.0, 599.0], [250.0, 10.0]])
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "A_0_2": 3e-6, "B_1_1": 2e-5}
TPV = {"PV1_1": 1.0, "PV1_4": 0.01, "PV2_1": 1.0, "PV2_5": 0.02}
CENTRE = (157.2, -20.4)


def header(axes=("RA---TAN", "DEC--TAN"), centre=CENTRE, *, is_swapped=False, has_cd=True, **cards):
    """A header of rotated pixels of .4 arcsec, whose axes may be swapped."""
    scale, turn = 0.4 / 3600, 0.5
    matrix = np.array([[-math.cos(turn), math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    made = fits.Header()
    for number, axis in enumerate((1, 0) if is_swapped else (0, 1), 1):
        made[f"CTYPE{number}"], made[f"CRVAL{number}"] = axes[axis], centre[axis]
        made[f"CUNIT{number}"], made[f"CRPIX{number}"] = "deg", (250.0, 300.0)[number - 1]
        for column in (1, 2):
            value = matrix[axis, column - 1]
            made[f"{'CD' if has_cd else 'PC'}{number}_{column}"] = value * scale if has_cd else value
        if not has_cd:
            made[f"CDELT{number}"] = scale
    made.update(cards)
    return made


def read(made: fits.Header) -> tuple[WCS | None, str | None]:
    return celestial_wcs(fits.HDUList([fits.PrimaryHDU(np.zeros((600, 500), np.float32), made)]), 0)


@pytest.mark.filterwarnings("ignore:.*(EQUINOX|EPOCH)")
@pytest.mark.parametrize(
    ("made", "system", "tolerance_arcsec"),
    [
        (header(is_swapped=True), ICRS(), 1e-6),
        (header(is_swapped=True, has_cd=False), ICRS(), 1e-6),
        (header(RADESYS="FK5", EQUINOX=2025.2), FK5(equinox="J2025.2"), 1e-6),
        (header(is_swapped=True, has_cd=False, EQUINOX=2025.2), FK5(equinox="J2025.2"), 1e-6),
        (header(RADESYS="FK5?", EQUINOX=1997.69995), FK5(equinox="J1997.69995"), 1e-6),
        (header(centre=(10.0, 89.99), EQUINOX=2025.2), FK5(equinox="J2025.2"), 1e-6),
        (header(EQUINOX=1950.0), FK4(equinox="B1950"), 0.1),
        (header(EQUINOX="B1950"), FK4(equinox="B1950"), 0.1),
        (header(EQUINOX="1950.0"), FK4(equinox="B1950"), 0.1),
        (header(EPOCH="1950"), FK4(equinox="B1950"), 0.1),
        (header(EQUINOX="J2025.2", EPOCH=2000.0), FK5(equinox="J2025.2"), 1e-6),
        (header(("GLON-TAN", "GLAT-TAN")), Galactic(), 1e-6),
        (header(("GLON-SIN", "GLAT-SIN"), (10.0, 89.0)), Galactic(), 1e-6),
        # What SWarp writes of a mosaic of the Galaxy: of the equator, and of no meaning there.
        (header(("GLON-TAN", "GLAT-TAN"), RADESYS="ICRS"), Galactic(), 1e-6),
        (header(("GLON-TAN", "GLAT-TAN"), RADESYS="FK5", EQUINOX=2000.0), Galactic(), 1e-6),
        (header(("SLON-TAN", "SLAT-TAN"), EQUINOX=2000.0), Supergalactic(), 1e-6),
        (header(("ELON-TAN", "ELAT-TAN")), BarycentricMeanEcliptic(), 1e-6),
        (header(("ELON-TAN", "ELAT-TAN"), EQUINOX=2000.0), BarycentricMeanEcliptic(), 1e-6),
        (header(("ELON-TAN", "ELAT-TAN"), EQUINOX=2025.2), BarycentricMeanEcliptic(equinox="J2025.2"), 1e-6),
        (header(("RA---TPV", "DEC--TPV"), EQUINOX=2025.2, **TPV), FK5(equinox="J2025.2"), 1e-6),
        (
            header(("RA---TAN-SIP", "DEC--TAN-SIP"), is_swapped=True, EQUINOX=2025.2, **SIP),
            FK5(equinox="J2025.2"),
            1e-6,
        ),
    ],
)
def test_places_are_turned_to_the_icrs(
    made: fits.Header, system: BaseCoordinateFrame, tolerance_arcsec: float
) -> None:
    own = WCS(made)  # pixels to its own system, whatever that is called
    sky = own.all_pix2world(PIXELS, 0)[:, [own.wcs.lng, own.wcs.lat]]
    true = SkyCoord(sky * u.deg, frame=system).icrs
    wcs, remark = read(made)
    assert wcs is not None
    assert "was turned to right ascension and declination of the ICRS" in (remark or "")
    for each in (wcs, WCS(wcs.to_header(relax=True))):  # as references keep it
        found = SkyCoord(each.all_pix2world(PIXELS, 0) * u.deg)
        assert found.separation(true).arcsec.max() < tolerance_arcsec
        np.testing.assert_allclose(each.all_world2pix(each.all_pix2world(PIXELS, 0), 0), PIXELS, atol=1e-4)


@pytest.mark.parametrize("made", [header(), header(RADESYS="FK5", EQUINOX=2000.0), header(RADESYS="FK5?")])
def test_what_is_so_already_stays_as_it_is(made: fits.Header) -> None:
    wcs, remark = read(made)
    assert wcs is not None
    assert remark is None
    np.testing.assert_array_equal(wcs.all_pix2world(PIXELS, 0), WCS(made).all_pix2world(PIXELS, 0))


@pytest.mark.parametrize("written", [0.0, 19500.0, -1, "CURRENT", "J2000.0x", "2023-05-04", "2023/05/04"])
def test_an_equinox_that_is_no_year_counts_as_absent_and_is_told(written: float | str) -> None:
    wcs, remark = read(header(EQUINOX=written, EPOCH=2025.2))
    assert wcs is not None
    np.testing.assert_allclose(wcs.all_pix2world(PIXELS, 0), WCS(header()).all_pix2world(PIXELS, 0))
    if written == "J2000.0x":  # what follows the year says nothing against it
        assert remark is None
    else:
        assert remark == f"its EQUINOX of {str(written)!r} is no year, and counts as absent"


@pytest.mark.parametrize(
    "made",
    [
        header(("GLON-CAR", "GLAT-CAR")),
        header(("RA---TPV", "DEC--TPV"), is_swapped=True, **TPV),
        header(("HLON-TAN", "HLAT-TAN")),  # from the Sun, which moves
        header(("ELON-TAN", "ELAT-TAN"), EQUINOX=1950.0),  # of the FK4
    ],
)
def test_what_cannot_be_turned_is_no_wcs_and_told(made: fits.Header) -> None:
    wcs, remark = read(made)
    assert wcs is None
    assert "cannot be turned" in (remark or "")


def test_apparent_places_of_a_date_are_no_wcs_and_told() -> None:
    wcs, remark = read(header(RADESYS="GAPPT"))
    assert wcs is None
    assert "apparent ones of the date (GAPPT)" in (remark or "")


@pytest.mark.filterwarnings("ignore:CRPIX2")
def test_distortions_that_give_no_place_are_no_wcs():
    sip = header(("RA---TAN-SIP", "DEC--TAN-SIP"), **SIP)
    sip["CRPIX2"] = None  # without a value: of the distorted places none is a number
    wcs, remark = read(sip)
    assert wcs is None
    assert "cannot be read" in (remark or "")


def test_a_pixel_may_be_much_longer_than_wide():
    wcs, remark = read(header(CD1_1=-1e-3, CD1_2=0.0, CD2_1=0.0, CD2_2=2e-5))
    assert wcs is not None
    assert remark is None


def test_a_corner_beyond_the_sky_is_told_as_such():
    """As in the square frame of a camera that sees all of a round sky."""
    wcs, remark = read(header(("RA---ZEA", "DEC--ZEA"), CD1_1=-0.4, CD1_2=0.0, CD2_1=0.0, CD2_2=0.4))
    assert wcs is None
    assert "a corner of the frame has no place on the sky" in (remark or "")


def without(*keywords: str, **cards) -> fits.Header:
    """A header as capture programs write it before a plate is solved: some keywords are not there."""
    made = header(**cards)
    for keyword in keywords:
        del made[keyword]
    return made


SCALE = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize(
    ("made", "told"),
    [
        (without(*SCALE), "1 deg wide"),
        (header(CD1_1=0.0, CD1_2=0.0, CD2_1=0.0, CD2_2=0.0), "1 deg wide"),
        (header(CD1_1=-2.0, CD1_2=0.0, CD2_1=0.0, CD2_2=2.0), "2 deg wide"),
        (without("CRVAL1", "CRVAL2"), "CRVAL1 must be a number of degrees, and there is none"),
        (header(centre=("10:28:48.0", "-20:24:00")), "CRVAL1 must be a number of degrees, and '10:28:48.0'"),
    ],
)
def test_a_place_or_a_scale_that_nobody_told_is_no_wcs_and_told(made: fits.Header, told: str) -> None:
    """Else wcslib takes a degree for the width of a pixel, and the vernal equinox for the place."""
    wcs, remark = read(made)
    assert wcs is None
    assert told in (remark or "")


@pytest.mark.parametrize(("pixel_deg", "works"), [(0.1, True), (0.6, False)])
def test_the_pixels_of_a_camera_that_sees_all_of_the_sky_are_wide(pixel_deg: float, works: bool) -> None:
    made = header(CD1_1=-pixel_deg, CD1_2=0.0, CD2_1=0.0, CD2_2=pixel_deg)
    hdu = fits.PrimaryHDU(np.zeros((50, 40), np.float32), made)
    assert (celestial_wcs(fits.HDUList([hdu]), 0)[0] is not None) == works


LINEAR = {"PV1_0": 0.0, "PV1_1": 1.02, "PV1_2": 0.01, "PV2_0": 0.0, "PV2_1": 0.98, "PV2_2": -0.02}


@pytest.mark.parametrize("axes", [("RA---TAN", "DEC--TAN"), ("RA---TPV", "DEC--TPV")])
def test_the_polynomials_of_scamp_are_read_however_few_they_are(axes: tuple[str, str]) -> None:
    """Those of the first degree are but another matrix."""
    made, expected = header(axes, **LINEAR), header()
    (a, b), (c, d) = ((expected[f"CD{row}_1"], expected[f"CD{row}_2"]) for row in (1, 2))
    expected["CD1_1"], expected["CD1_2"] = 1.02 * a + 0.01 * c, 1.02 * b + 0.01 * d
    expected["CD2_1"], expected["CD2_2"] = 0.98 * c - 0.02 * a, 0.98 * d - 0.02 * b
    wcs, remark = read(made)
    assert wcs is not None
    assert remark is None
    np.testing.assert_allclose(
        wcs.all_pix2world(PIXELS, 0), WCS(expected).all_pix2world(PIXELS, 0), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize(
    "made",
    [
        header(("RA---TPV", "DEC--TPV")),
        header(("RA---TPV", "DEC--TPV"), PV1_1=1.0),
        header(PV1_0=0.0, PV1_1=1.0, PV1_2=0.0, PV2_0=0.0, PV2_1=1.0, PV2_2=0.0),
        header(PV1_1=0.0, PV1_2=90.0, PV1_3=180.0, PV2_1=0.0),  # what the FITS Standard has, and nothing
    ],
)
def test_polynomials_without_terms_are_none(made: fits.Header) -> None:
    wcs, _ = read(made)
    assert wcs is not None
    expected = WCS(header()).all_pix2world(PIXELS, 0)
    np.testing.assert_allclose(wcs.all_pix2world(PIXELS, 0), expected, rtol=0, atol=1e-9)


def test_a_distortion_that_puts_all_pixels_in_one_place_is_no_wcs_and_told() -> None:
    wcs, remark = read(header(("RA---TPV", "DEC--TPV"), PV1_1=0.0, PV2_1=0.0))
    assert wcs is None
    assert "0 times as wide as its CD or CDELT do" in (remark or "")


@pytest.mark.parametrize("word", ["WCSAXES", "WCSAXESA", "A_ORDER", "BP_ORDER"])
def test_axes_or_terms_that_would_take_all_memory_or_hours_are_not_tried(word: str) -> None:
    wcs, remark = read(header(("RA---TAN-SIP", "DEC--TAN-SIP"), **{word: 2000}))
    assert wcs is None
    assert f"its {word} is 2000" in (remark or "")
