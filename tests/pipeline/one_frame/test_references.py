"""What a frame becomes as a reference, and what becomes none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.frame import FrameRefused
from pipeline.reference.reference_file import read
from pipeline.reference.references import from_frames
from tests.pipeline.one_frame.case import Case


def test_frames_of_two_filters_make_no_reference(case: Case, tmp_path: Path) -> None:

    other = tmp_path / "other.fits"
    with fits.open(case.path) as hdus:
        hdus[0].header["FILTER"] = "g"
        hdus.writeto(other)
    with pytest.raises(FrameRefused, match="2 filters"):
        from_frames([case.path, other], case.settings)


def test_a_single_file_becomes_a_reference(case: Case) -> None:
    from pipeline.reference.references import from_file

    facts = from_file(case.path, case.settings)
    kept = read(Path(facts.path))
    assert Path(facts.path).parent == case.settings.home / "references"
    assert facts.n_frames == 1
    assert facts.flux_unit == "adu"
    assert kept.frame.shape == (facts.height, facts.width)
    assert facts.has_wcs
    assert facts.radius_deg is not None
    again = from_file(case.path, case.settings)
    assert (again.content, again.path) == (facts.content, facts.path)


def test_a_reference_whose_header_names_its_filter_otherwise_serves_the_frames_that_are_meant(
    case: Case, tmp_path: Path
) -> None:
    """A stack of another survey: no filter, and a field of its own."""

    from pipeline.reference.references import from_file

    stack = tmp_path / "stack.fits"
    with fits.open(case.path) as hdus:
        del hdus[0].header["FILTER"]
        hdus[0].header["OBJECT"] = "skycell.1234"
        hdus.writeto(stack)
    silent: list[str] = []
    plain = from_file(stack, case.settings, said=silent)
    assert (plain.filter, plain.field) == (None, "skycell.1234")
    assert "--filter" in silent[-1]
    told: list[str] = []
    meant = from_file(stack, case.settings, band="r", field="SIM", said=told)
    assert (meant.filter, meant.field) == ("r", "SIM")
    assert not any("--filter" in each for each in told)
    kept = read(Path(meant.path)).frame.exposure  # the file says it too
    assert (kept.filter, kept.field) == ("r", "SIM")
    assert meant.content != plain.content


def test_what_shows_no_star_becomes_no_reference(case: Case, tmp_path: Path) -> None:
    """Every frame of its field would fail by it."""

    from pipeline.reference.references import from_file

    dark = tmp_path / "negative.fits"
    with fits.open(case.path) as hdus:
        hdus[0].data = (2000 - hdus[0].data.astype(np.int32)).astype(np.float32)
        hdus.writeto(dark)
    before = set((case.settings.home / "references").iterdir())
    with pytest.raises(FrameRefused, match="nothing can be subtracted from it"):
        from_file(dark, case.settings)
    assert set((case.settings.home / "references").iterdir()) == before


def test_the_zeropoint_of_a_reference_is_of_its_stored_unit(case: Case, tmp_path: Path) -> None:
    """A header's zeropoint is of its data units, and so are those of a reference made from it."""

    from pipeline.reference.references import from_file

    told = tmp_path / "told.fits"
    with fits.open(case.path) as hdus:
        hdus[0].header["MAGZERO"] = 26.5
        assert hdus[0].header["GAIN"] != 1.0
        hdus.writeto(told)
    facts = from_file(told, case.settings)
    assert facts.zeropoint == pytest.approx(26.5)
    assert (facts.flux_unit, facts.mag_system) == ("adu", "ab")
