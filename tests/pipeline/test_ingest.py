"""What ingest makes of files and folders."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.io import fits
from astropy.time import Time

from core import horizon
from core.frames.content import content_hash
from core.settings import Settings
from core.settings_sections import SiteSettings
from core.vocabulary import FrameKind, ObservationState
from pipeline.intake.ingest import examine, find_files

RNG = np.random.default_rng(1)
SKY = RNG.normal(1000.0, 20.0, (40, 50)).astype(np.float32)
CARDS = {
    "DATE-OBS": "2020-01-01T00:00:00",
    "EXPTIME": 20.0,
    "FILTER": "r",
    "OBJECT": "M31",
    "INSTRUME": "cam",
}
GRID = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 25.5,
    "CRPIX2": 20.5,
    "CRVAL1": 359.99,
    "CRVAL2": 60.0,
    "CDELT1": -0.01,
    "CDELT2": 0.01,
}


def write(path: Path, **cards) -> Path:
    fits.PrimaryHDU(SKY, fits.Header(CARDS | cards)).writeto(path)
    return path


def test_a_science_frame_is_queued_with_what_its_header_says(tmp_path):
    path = write(tmp_path / "a.fits", **GRID)
    (facts,) = examine(path, Settings())
    assert facts.state == ObservationState.QUEUED
    assert facts.reason is None
    assert facts.content == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts.frame, facts.path, facts.extension) == ("a.fits", str(path), 0)
    assert (facts.kind, facts.filter, facts.field, facts.instrument) == ("science", "r", "M31", "cam")
    assert facts.mjd == pytest.approx(58849.0 + 10.0 / 86400.0, abs=1e-9)
    assert (facts.exposure_s, facts.width, facts.height, facts.has_wcs) == (20.0, 50, 40, True)
    assert facts.ra == pytest.approx(359.99)
    assert facts.dec == pytest.approx(60.0)
    assert facts.radius_deg == pytest.approx(0.01 * np.hypot(25.0, 20.0), rel=1e-3)


@pytest.mark.parametrize(
    ("cards", "site", "airmass"),
    [
        ({"AIRMASS": 1.35}, (28.76, -17.88), 1.35),  # the header's own
        ({"AIRMASS": 0.0}, (28.76, -17.88), 2.10),  # no airmass can be that: the site's, as astropy has it
        ({}, (), None),
        ({}, (-60.0, -17.88), None),  # below the horizon
    ],
)
def test_the_airmass_is_the_header_s_or_the_site_s(tmp_path, cards, site, airmass):
    settings = Settings(site=SiteSettings(position=site))
    (facts,) = examine(write(tmp_path / "a.fits", **GRID, **cards), settings)
    assert facts.airmass == (None if airmass is None else pytest.approx(airmass, abs=0.02))
    if airmass == 2.10:
        at = EarthLocation(lat=site[0], lon=site[1])
        place = SkyCoord(facts.ra, facts.dec, unit="deg")
        high = place.transform_to(AltAz(obstime=Time(facts.mjd, format="mjd"), location=at))
        assert facts.airmass == pytest.approx(horizon.airmass(float(high.alt.deg)), rel=1e-3)


def test_without_a_wcs_there_is_no_place(tmp_path):
    (facts,) = examine(write(tmp_path / "a.fits"), Settings())
    assert (facts.has_wcs, facts.ra, facts.dec, facts.radius_deg) == (False, None, None, None)


@pytest.mark.parametrize("kind", [FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT])
def test_calibration_frames_are_kept_and_not_queued(tmp_path, kind):
    path = write(tmp_path / "a.fits", IMAGETYP=str(kind))
    (facts,) = examine(path, Settings())
    assert (facts.kind, facts.state, facts.reason) == (kind, ObservationState.CALIBRATION, None)


def test_a_frame_without_a_date_is_rejected_and_a_bias_without_one_is_kept(tmp_path):
    (facts,) = examine(write(tmp_path / "a.fits", **{"DATE-OBS": ""}), Settings())
    assert facts.state == ObservationState.REJECTED
    assert "no date" in facts.reason
    (facts,) = examine(write(tmp_path / "b.fits", **{"DATE-OBS": "", "IMAGETYP": "bias"}), Settings())
    assert facts.state == ObservationState.CALIBRATION


@pytest.mark.parametrize("date", ["2180-01-01T00:00:00", "1924-01-01T00:00:00"])
def test_a_frame_of_no_date_of_our_age_is_queued_with_a_word_on_it(tmp_path, date):
    (facts,) = examine(write(tmp_path / "a.fits", **{"DATE-OBS": date}), Settings())
    assert facts.state == ObservationState.QUEUED
    assert facts.reason.startswith(f"the date of its header, {date[:10]}, is ")


def test_the_same_bytes_under_another_name_are_the_same_content(tmp_path):
    path = write(tmp_path / "a.fits")
    other = tmp_path / "b.fits"
    other.write_bytes(path.read_bytes())
    assert content_hash(path) == content_hash(other)
    assert content_hash(tmp_path / "none") != content_hash(tmp_path / "none too")


def test_damage_is_quarantined_and_uselessness_rejected(tmp_path):
    whole = write(tmp_path / "a.fits").read_bytes()
    (tmp_path / "short.fits").write_bytes(whole[:6000])
    (tmp_path / "text.fits").write_bytes(b"no stars here")
    states = {
        name: examine(tmp_path / name, Settings())[0].state
        for name in ("short.fits", "text.fits", "none.fits")
    }
    assert states == {
        "short.fits": ObservationState.QUARANTINED,
        "text.fits": ObservationState.REJECTED,
        "none.fits": ObservationState.QUARANTINED,
    }


def test_folders_are_searched_and_named_files_always_taken(tmp_path):
    for name in (
        "b.FITS",
        "a.fit",
        "sub/c.fts.gz",
        "sub/d.fits.fz",
        "notes.txt",
        ".hidden.fits",
        ".git/e.fits",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    named = tmp_path / "notes.txt"
    found = find_files([named, tmp_path, named])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "notes.txt",
        "a.fit",
        "b.FITS",
        "sub/c.fts.gz",
        "sub/d.fits.fz",
    ]


ODD = {
    "a8280271.fits": None,
    "blank.fits": "too small",
    "c4d_170316_062107_ood_z_ls9.N2.fits": "one value 0",
    "c4d_170316_062107_ooi_z_ls9.N2.fits": None,
    "checksum_false.fits": "too small",
    "comp.fits": "no date",
    "double_ext.fits": "too small",
    "group_invalid.fits": "random groups",
    "history_header.fits": "no data",
    "lzw.fits.Z": "compress",
    "m13_gzip.fits": "no date",
    "m13_hcomp.fits": "no date",
    "m13_rice.fits": "no date",
    "ngc1316_checksum.fits": "no date",
    "noheader.fits": "no date",
    "o4sp040b0_raw.fits": "spectrum",
    "random_groups.fits": "random groups",
    "sample_cutout.fits": "too small",
    "scale.fits": "too small",
    "science-mef.fits": "too small",
    "solved.fits.fz": "colour mosaic",
    "tiny.fits": "colour mosaic",
    "dist.fits": "D2IMARR",
    "header_with_time.fits": "not standard",
    "invalid_header.hdr": "header",
    "j94f05bgq_flt.fits": "too small",
    "sip.fits": "no data",
    "siponly.hdr": "truncated",
    "tpvonly.hdr": "truncated",
}


@pytest.mark.parametrize("name", ODD)
def test_every_odd_file_is_a_frame_or_a_one_line_reason(shared_data, capfd, name):
    folder = shared_data / "odd"
    path = next(path for path in (folder / "fits" / name, folder / "wcs" / name) if path.exists())
    for facts in examine(path, Settings()):
        if ODD[name] is None:
            assert (facts.state, facts.reason) == (ObservationState.QUEUED, None)
        else:
            assert facts.state in {ObservationState.REJECTED, ObservationState.QUARANTINED}
            assert ODD[name] in facts.reason
            assert "\n" not in facts.reason
    assert capfd.readouterr() == ("", "")


def test_what_a_camera_calls_otherwise_is_read_by_the_settings_where_it_is_there(tmp_path):
    """With its comment, in which its unit may be; of any keyword that AstrID reads."""
    header = fits.Header({"FILTER": "1", "WHEEL2": "r", "OPENED": "2020-01-01T06:00:00", "MILLI": 60000})
    header.comments["MILLI"] = "[ms] shutter"
    header["OBJNAME"] = "NGC 3031"
    fits.PrimaryHDU(SKY, header).writeto(tmp_path / "x.fits")
    called = {
        "FILTER": "WHEEL2",
        "DATE-OBS": "OPENED",
        "EXPTIME": "MILLI",
        "OBJECT": "OBJNAME",
        "GAIN": "NOTHING",
    }
    settings = Settings(camera={"keywords": called})
    (facts,) = examine(tmp_path / "x.fits", settings)
    assert (facts.filter, facts.field, facts.exposure_s, facts.state) == ("r", "NGC 3031", 60.0, "queued")
    assert facts.mjd == pytest.approx(58849.25 + 30.0 / 86400.0, abs=1e-8)
    (plain,) = examine(tmp_path / "x.fits", Settings())
    assert (plain.filter, plain.state) == ("1", "rejected")
    exchanged = Settings(camera={"keywords": {"FILTER": "OBJNAME", "OBJNAME": "FILTER", "OBJECT": "OBJNAME"}})
    (facts,) = examine(tmp_path / "x.fits", exchanged)
    assert (facts.filter, facts.field) == ("NGC 3031", "NGC 3031")


def test_no_odd_file_is_forgotten_here(shared_data):
    folder = shared_data / "odd"
    names = {path.name for part in ("fits", "wcs") for path in (folder / part).iterdir()}
    assert names == set(ODD)


def test_however_it_is_packed_an_exposure_has_the_same_pixels(tmp_path):
    """The bytes of each copy are others. One value alone tells no bias from the next."""
    counts = np.round(SKY).astype(np.uint16)
    header = fits.Header(CARDS)
    fits.PrimaryHDU(counts, header).writeto(tmp_path / "x.fits")
    (tmp_path / "x.fits.gz").write_bytes(gzip.compress((tmp_path / "x.fits").read_bytes()))
    fits.CompImageHDU(counts, header, compression_type="RICE_1").writeto(tmp_path / "x.fits.fz")
    fits.PrimaryHDU(counts.astype(np.float32), fits.Header(CARDS | {"FILTER": "g"})).writeto(
        tmp_path / "g.fits"
    )
    found = [examine(path, Settings())[0] for path in find_files([tmp_path])]
    assert len({each.content for each in found}) == 4
    assert len({(each.pixels, each.mjd) for each in found}) == 1
    assert found[0].pixels is not None
    counts[3, 4] += 1
    fits.PrimaryHDU(counts, header).writeto(tmp_path / "y.fits")
    assert examine(tmp_path / "y.fits", Settings())[0].pixels != found[0].pixels
    (bias,) = examine(write(tmp_path / "bias.fits", IMAGETYP="bias"), Settings())
    assert bias.pixels is not None
    even_bias = fits.PrimaryHDU(np.full_like(SKY, 500.0), fits.Header(CARDS | {"IMAGETYP": "bias"}))
    even_bias.writeto(tmp_path / "even.fits")
    (even,) = examine(tmp_path / "even.fits", Settings())
    assert even.pixels is None


def test_a_folder_that_cannot_be_listed_is_told_and_one_that_is_gone_is_not(tmp_path, barred):
    for name in ("barred", "gone", "open", "lost+found"):
        (tmp_path / name).mkdir()
    write(tmp_path / "open" / "a.fits")
    barred(tmp_path / "barred")
    barred(tmp_path / "lost+found")  # of which every disk has one, for the system alone
    barred(tmp_path / "gone", FileNotFoundError)
    told = []
    assert find_files([tmp_path], on_unread=lambda *each: told.append(each)) == [tmp_path / "open" / "a.fits"]
    assert told == [(tmp_path / "barred", "this folder cannot be read: Permission denied")]
