"""A frame beside a star catalogue: zeropoint and WCS against a truth that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Header
from astropy.wcs import WCS

from core.catalogs.library import Library
from core.settings import Settings
from core.settings_sections import QualitySettings
from pipeline.clock import StageClock
from pipeline.frame import Frame, FrameRefused
from pipeline.known.bands import band_of
from pipeline.known.colour_term import colour_of
from pipeline.known.field_stars import compare
from pipeline.measure import measure_calibrated
from pipeline.reference.prepare import calibrated, prepare_image
from pipeline.reference.reference_file import ReferenceImage, read
from pipeline.reference.references import from_file
from pipeline.stellar.psf import estimate_psf
from pipeline.stellar.stars import find_stars
from tests.pipeline.catalogs import added, gaia, write_csv
from tests.pipeline.synthetic import Truth, star_frame

ZEROPOINT = 25.3
CENTRE = (359.99, 60.0)  # across RA 0
SCALE = 0.6  # arcsec
MJD = 57388.5  # 2016.0, Gaia's epoch
SIZE = (400, 400)


def wcs(east_arcsec: float = 0.0, north_arcsec: float = 0.0) -> WCS:
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    made.wcs.cdelt = [-SCALE / 3600.0, SCALE / 3600.0]
    made.wcs.crpix = [SIZE[1] / 2, SIZE[0] / 2]
    east = east_arcsec / 3600.0 / np.cos(np.radians(CENTRE[1]))
    made.wcs.crval = [CENTRE[0] + east, CENTRE[1] + north_arcsec / 3600.0]
    return made


def exposed(stars: int = 120, seed: int = 3, **changes) -> tuple[Frame, Truth]:
    frame, truth = star_frame(SIZE, seed, n_stars=stars, wcs=wcs(), **changes)
    return replace(frame, exposure=replace(frame.exposure, filter="r", mjd=MJD)), truth


def catalogue(
    library: Library, folder: Path, truth: Truth, noise: float = 0.02, name: str = "stars", **more
) -> None:
    """The stars of a frame as a catalogue has them, in r, with its own errors."""
    ra, dec = wcs().all_pix2world(truth.x, truth.y, 0)
    random = np.random.default_rng(1)
    mag = ZEROPOINT - 2.5 * np.log10(truth.flux) + random.normal(0.0, noise, len(ra))
    columns = gaia(ra % 360.0, dec, rmag=mag) | more
    del columns["phot_g_mean_mag"]
    added(library, write_csv(folder / f"{name}.csv", **columns), kind="stars", mag_system="ab")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_construct(home=tmp_path / "home")


@pytest.fixture
def library(settings: Settings) -> Library:
    return Library(settings.home)


def test_the_zeropoint_is_that_of_the_light_of_stars(library: Library, tmp_path: Path) -> None:
    frame, truth = exposed()
    catalogue(library, tmp_path, truth)
    stars = find_stars(frame)
    # The wings of a PSF, beyond what single stars show, are known to about a hundredth of its light.
    by_aperture = compare(frame, stars, library).zeropoint
    by_psf = compare(frame, stars, library, estimate_psf(frame, stars, 0)).zeropoint
    for found, within in ((by_aperture, 0.03), (by_psf, 0.015)):
        assert found.value == pytest.approx(ZEROPOINT, abs=within)
        assert 0.005 < found.scatter < 0.05
        assert found.n_stars >= 20
        assert (found.catalog, found.band, found.mag_system) == ("stars", "r", "ab")


def test_a_few_variables_and_wrong_magnitudes_do_not_move_it(library: Library, tmp_path: Path) -> None:
    frame, truth = exposed()
    ra, dec = wcs().all_pix2world(truth.x, truth.y, 0)
    mag = ZEROPOINT - 2.5 * np.log10(truth.flux)
    mag[::6] -= 1.5
    columns = gaia(ra % 360.0, dec, rmag=mag)
    del columns["phot_g_mean_mag"]
    added(library, write_csv(tmp_path / "odd.csv", **columns), kind="stars")
    found = compare(frame, find_stars(frame), library).zeropoint
    assert found.value == pytest.approx(ZEROPOINT, abs=0.03)


@pytest.mark.parametrize("term", [0.12, -0.2])
def test_a_colour_term_is_fitted_where_it_is_asked_for(library: Library, tmp_path: Path, term: float) -> None:
    frame, truth = exposed()
    random = np.random.default_rng(5)
    colour = random.uniform(0.2, 1.8, len(truth.flux))
    inst = ZEROPOINT - 2.5 * np.log10(truth.flux)
    mag = inst + term * colour + random.normal(0.0, 0.01, len(colour))
    mag[::7] += 1.0  # variables
    ra, dec = wcs().all_pix2world(truth.x, truth.y, 0)
    columns = gaia(ra % 360.0, dec, rmag=mag, gmag=mag + colour)
    del columns["phot_g_mean_mag"]
    added(library, write_csv(tmp_path / "two.csv", **columns), kind="stars", mag_system="ab")
    stars = find_stars(frame)
    psf = estimate_psf(frame, stars, 0)
    plain = compare(frame, stars, library, psf).zeropoint
    assert plain.value == pytest.approx(ZEROPOINT + term * np.median(colour), abs=0.04)
    assert (plain.colour_term, plain.origin) == (None, "two r")
    found = compare(frame, stars, library, psf, colour_term=True).zeropoint
    assert found.value == pytest.approx(ZEROPOINT, abs=0.02)
    assert found.colour_term == pytest.approx(term, abs=0.015)
    assert found.scatter < 0.5 * plain.scatter
    assert found.origin == f"two r, colour term {found.colour_term:+.3f} of g-r"


def test_stars_of_one_colour_or_a_catalogue_of_one_band_tell_no_colour_term(
    library: Library, tmp_path: Path
) -> None:
    frame, truth = exposed()
    catalogue(library, tmp_path, truth)
    stars = find_stars(frame)
    found = compare(frame, stars, library, colour_term=True).zeropoint
    assert found == compare(frame, stars, library).zeropoint
    mag = ZEROPOINT - 2.5 * np.log10(truth.flux)
    catalogue(library, tmp_path, truth, name="grey", gmag=mag + 0.6, noise=0.0)
    grey = compare(frame, stars, library, colour_term=True).zeropoint
    assert grey.colour_term is None


@pytest.mark.parametrize(
    ("band", "bands", "expected"),
    [
        ("r", ["g", "r", "i"], ("g", "r")),
        ("g", ["r", "g"], ("g", "r")),
        ("G", ["G", "BP", "RP"], ("BP", "G")),
        ("r", ["r"], None),
        ("mag", ["mag", "r"], None),
    ],
)
def test_the_colour_is_that_of_the_band_and_its_neighbour(band, bands, expected) -> None:
    assert colour_of(band, bands) == expected


@pytest.mark.parametrize("offset", [(0.0, 0.0), (3.0, -1.5), (-20.0, 10.0), (50.0, -25.0)])
def test_an_offset_of_the_wcs_is_measured_to_a_tenth_of_a_pixel(
    library: Library, tmp_path: Path, offset: tuple[float, float]
) -> None:
    frame, truth = exposed()
    catalogue(library, tmp_path, truth)
    found = compare(replace(frame, wcs=wcs(*offset)), find_stars(frame), library).astrometry
    assert (found.dra_arcsec, found.ddec_arcsec) == pytest.approx(offset, abs=0.06)
    assert found.rms_arcsec < 0.1
    assert found.n_stars > 40
    complaint = found.complaint(5.0)
    assert (complaint is None) == (np.hypot(*offset) <= 5.0)
    if complaint:
        assert f"{np.hypot(*offset):.1f} arcsec" in complaint


def test_a_wcs_of_another_field_is_told_and_one_without_stars_known_is_not(
    library: Library, tmp_path: Path
) -> None:
    frame, _ = exposed()
    _, other = exposed(seed=77)
    catalogue(library, tmp_path, other)
    stars = find_stars(frame)
    found = compare(frame, stars, library)
    assert found.astrometry.n_stars == 0
    assert "does not fit the sky" in found.astrometry.complaint(5.0)
    assert found.zeropoint is None
    away = wcs()
    away.wcs.crval = [10.0, -20.0]
    nothing = compare(replace(frame, wcs=away), stars, library)
    assert (nothing.astrometry, nothing.zeropoint) == (None, None)
    assert compare(replace(frame, wcs=None), stars, library).astrometry is None


def test_proper_motion_is_no_error_of_the_wcs(library: Library, tmp_path: Path) -> None:
    """All stars move by 100 mas a year, as those of a near cluster, for 20 years."""
    frame, truth = exposed()
    moves = {"pmra": np.full(len(truth.x), 100.0), "pmdec": np.full(len(truth.x), -50.0)}
    catalogue(library, tmp_path, truth, **moves)
    later = replace(frame, exposure=replace(frame.exposure, mjd=MJD + 20 * 365.25))
    found = compare(later, find_stars(frame), library).astrometry
    assert (found.dra_arcsec, found.ddec_arcsec) == pytest.approx((-2.0, 1.0), abs=0.06)


@pytest.mark.parametrize(
    ("filter_", "band"),
    [
        ("r", "r"), ("rp", "r"), ("r'", "r"), ("SDSS-R", "r"), ("sdss_r", "r"), ("zs", "z"), ("ip", "i"),
        ("g DECam SDSS c0001", "g"), ("HSC-r", "r"), ("r'_SDSS 618_148", "r"),
        ("V", "V"), ("Bessell-V", "V"), ("R", None), ("B", None),
        ("Halpha", None),
        ("clear", "G"), ("", "G"), (None, "G"),
    ],
)  # fmt: skip
def test_a_filter_is_a_band_by_its_name_alone(filter_: str | None, band: str | None) -> None:
    assert band_of(filter_, ("G", "g", "r", "i", "z", "V")) == band


@pytest.mark.parametrize(
    ("filter_", "band"),
    [
        ("R", "R"), ("Rc", "R"), ("bessell_r", "R"), ("Cousins I", "I"), ("b", "B"), ("v", "V"),
        ("r", None), ("i", None), ("u", None), ("rc", None), ("r'", None), ("sdss_r", None),
    ],
)  # fmt: skip
def test_a_small_letter_is_no_band_of_johnson_and_cousins(filter_: str, band: str | None) -> None:
    assert band_of(filter_, ("U", "B", "V", "R", "I")) == band


@pytest.mark.parametrize("name", ["H-alpha", "H_alpha", "H alpha", "H-Beta", "g-r", "V-R"])
def test_a_line_or_a_colour_is_no_band(name: str) -> None:
    assert band_of(name, ("g", "r", "V", "R", "J", "H", "K")) is None


def test_what_is_found_goes_before_the_header_and_into_the_depth(settings: Settings, tmp_path: Path) -> None:
    frame, truth = exposed()
    frame = replace(frame, header=Header({"MAGZERO": 24.0}))
    before = measure_calibrated(frame, settings, StageClock())
    assert (before.quality.zeropoint_from, before.quality.mag_system) == ("header", "ab")
    catalogue(Library(settings.home), tmp_path, truth)
    after = measure_calibrated(frame, settings, StageClock())
    quality = after.quality
    assert quality.zeropoint == pytest.approx(ZEROPOINT, abs=0.03)
    assert quality.zeropoint_from == "stars r"
    assert quality.limit_mag - before.quality.limit_mag == pytest.approx(
        quality.zeropoint - before.quality.zeropoint
    )
    assert quality.wcs_catalog == "stars"
    assert after.remarks == ()


def test_a_wcs_that_is_off_is_a_remark_or_by_setting_a_refusal(settings: Settings, tmp_path: Path) -> None:
    frame, truth = exposed()
    catalogue(Library(settings.home), tmp_path, truth)
    off = replace(frame, wcs=wcs(8.0, 0.0))
    told = measure_calibrated(off, settings, StageClock())
    assert len(told.remarks) == 1
    assert "off by 8.0 arcsec (+8.0 east" in told.remarks[0]
    assert told.quality.wcs_dra_arcsec == pytest.approx(8.0, abs=0.06)
    strict = settings.model_copy(update={"quality": QualitySettings(reject_wcs_offset=True)})
    with pytest.raises(FrameRefused, match=r"off by 8\.0 arcsec") as refused:
        measure_calibrated(off, strict, StageClock())
    assert refused.value.value == pytest.approx(8.0, abs=0.1)
    assert refused.value.limit == 5.0


def test_a_reference_without_a_zeropoint_gets_that_of_the_catalogue(
    settings: Settings, tmp_path: Path
) -> None:
    """In its own stored unit, which is half an electron here."""
    frame, truth = exposed()
    frame = replace(frame, gain=2.0)
    prepared = prepare_image(ReferenceImage(frame, ("one",), "adu"), settings)
    assert calibrated(prepared, settings).zeropoint is None
    catalogue(Library(settings.home), tmp_path, truth)
    found = calibrated(prepared, settings)
    assert found.zeropoint == pytest.approx(ZEROPOINT - 2.5 * np.log10(2.0), abs=0.015)
    assert found.mag_system == "ab"


def test_a_reference_has_one_zeropoint_whether_it_or_the_catalogue_came_first(
    settings: Settings, tmp_path: Path
) -> None:
    """That of its PSF, which fluxes are of: in a crowd it is not what two apertures make of the stars."""
    frame, truth = exposed(stars=300)
    header = wcs().to_header()
    header.update({"FILTER": "r", "DATE-OBS": "2016-01-01T12:00:00", "EXPTIME": 60.0, "BUNIT": "electron"})
    header["RDNOISE"] = frame.read_noise
    path = tmp_path / "deep.fits"
    fits.PrimaryHDU(frame.data, header).writeto(path)
    first = from_file(path, settings)
    assert first.zeropoint is None
    catalogue(Library(settings.home), tmp_path, truth)
    later = calibrated(prepare_image(read(Path(first.path)), settings), settings)
    assert later.zeropoint == pytest.approx(ZEROPOINT, abs=0.01)
    at_once = from_file(path, settings)
    assert at_once.zeropoint == pytest.approx(later.zeropoint, abs=1e-6)
    assert read(Path(at_once.path)).zeropoint == pytest.approx(later.zeropoint, abs=1e-6)
