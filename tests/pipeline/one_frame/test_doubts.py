"""What is doubtful in a frame, in its header or its calibration is told with what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from pipeline.calibration.masters import Masters
from pipeline.detection.new_saturated import CAUSE
from pipeline.files.fits_files import read_frame
from pipeline.intake.ingest import examine
from pipeline.process import process
from tests.pipeline.one_frame.case import Case


def test_a_version_that_is_refused_is_told_with_the_frame(case: Case, tmp_path: Path) -> None:
    outcome = process(
        case.path, 0, case.reference, case.masters, [], case.settings, models={"tree": (tmp_path, "0" * 64)}
    )
    assert outcome.state == "done"
    assert "the tree that comes with AstrID scores instead" in outcome.reason
    assert all("tree" in each.scores and "realbogus" not in each.scores for each in outcome.candidates)


def test_what_is_to_be_said_of_the_calibration_is_told(case: Case) -> None:
    masters = replace(case.masters or Masters(), notes=("flat f3 was set aside: saturated",))
    outcome = case.process(masters=masters)
    assert outcome.state == "done"
    assert "Flat f3 was set aside: saturated." in (outcome.reason or "")


def test_a_frame_that_its_reference_was_made_of_is_told(case: Case) -> None:
    mjd = read_frame(case.path, 0).exposure.mjd
    names = (f"tonight/{case.path.name}", "earlier.fits")
    its_own = replace(case.reference, names=names, epochs=(mjd - 1.0, mjd))
    outcome = case.process(reference=its_own)
    assert outcome.state == "done"
    assert "The frame is one of the 2 that its reference was made of" in (outcome.reason or "")
    assert "its reference was made of" not in (case.process().reason or "")


def test_a_new_star_that_saturates_is_told_with_its_place(case: Case, tmp_path: Path) -> None:
    with fits.open(case.path) as hdus:
        rows, columns = np.indices(hdus[0].data.shape)
        star = 1e6 * np.exp(-0.5 * ((rows - 120) ** 2 + (columns - 130) ** 2) / 1.5**2)
        hdus[0].data = np.minimum(hdus[0].data + star, 65535).astype(np.uint16)
        hdus.writeto(tmp_path / "nova.fits")
    outcome = case.process(path=tmp_path / "nova.fits")
    assert outcome.state == "done"
    assert "saturated here, and faint in the reference" in (outcome.reason or "")
    assert [each.cause for each in outcome.rejections].count(CAUSE) == 1


def test_what_is_doubtful_in_a_header_is_still_told_when_the_frame_is_done(
    case: Case, tmp_path: Path
) -> None:
    with fits.open(case.path) as hdus:
        header = hdus[0].header
        header["DATE-OBS"], header["MJD-OBS"] = "2026-03-05T03:00:00", 61100.125
        header["GAIN"] = 139  # as a camera calls its setting
        for keyword in ("EXPTIME", "DATE-AVG", "MJD-AVG", "DATE-END"):
            header.remove(keyword, ignore_missing=True)
        hdus.writeto(tmp_path / "doubtful.fits")
    (facts,) = examine(tmp_path / "doubtful.fits", case.settings)
    outcome = case.process(path=tmp_path / "doubtful.fits")
    assert (facts.state, outcome.state) == ("queued", "done")
    for told in ("ATE-OBS and MJD-OBS of its header are 4 days apart", "ts header has no exposure time"):
        assert told in (facts.reason or "")
        assert told in (outcome.reason or "")
    assert "Gain 139 contradicts the sky's noise" in (outcome.reason or "")


def test_a_gain_that_the_sky_contradicts_is_told_with_what_mends_it(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "gain.fits"
    with fits.open(case.path) as hdus:
        hdus[0].header["GAIN"] = 30.0
        hdus.writeto(path)
    outcome = case.process(path=path)
    assert outcome.state == "done"
    assert "Gain 30 contradicts the sky's noise: " in (outcome.reason or "")
    assert "where [camera] gain is mended, `astrid queue retry` processes the frame" in (outcome.reason or "")
    assert "contradicts" not in (case.process().reason or "")


def test_a_wcs_that_its_stars_contradict_is_told_with_the_frame(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "astray.fits"
    with fits.open(case.path) as hdus:
        hdus[0].header["CRVAL2"] += 5.0 / 60.0
        hdus.writeto(path)
    outcome = case.process(path=path)
    assert outcome.state == "done"
    assert "The stars lie 5 arcmin from where the frame's own WCS has them" in (outcome.reason or "")
    assert "own WCS" not in (case.process().reason or "")


def test_cards_that_cannot_be_read_are_told_of(case: Case, tmp_path: Path) -> None:
    """Damaged on their way, they would count as absent without a word: a frame without a filter waits."""
    path = tmp_path / "damaged.fits"
    with fits.open(case.path) as hdus:
        hdus[0].header["OBJECT"], hdus[0].header["FILTER"] = "A galaxy", "r1"
        hdus.writeto(path)
    path.write_bytes(path.read_bytes().replace(b"'A galaxy", b"'A\tgalaxy").replace(b"'r1", b"'\x071"))
    (facts,) = examine(path, case.settings)
    assert (facts.field, facts.filter) == (None, None)
    assert "FILTER, OBJECT of its header cannot be read" in (facts.reason or "")


def test_a_date_that_cannot_be_read_is_told_of(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "damaged.fits"
    with fits.open(case.path) as hdus:
        header = hdus[0].header
        for keyword in ("DATE-AVG", "MJD-AVG", "MJD-OBS", "MJD", "JD"):
            header.remove(keyword, ignore_missing=True)
        header["DATE-OBS"] = "2026-03-05T03:00:00"
        hdus.writeto(path)
    path.write_bytes(path.read_bytes().replace(b"'2026-03-05T03", b"'2026-03-05\t03"))
    (facts,) = examine(path, case.settings)
    assert facts.state == "rejected"
    assert "no date that can be read: DATE-OBS of its header cannot be read" in (facts.reason or "")
