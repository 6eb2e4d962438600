"""The way of one frame: what comes out of it, and how it ends when something is wrong."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.frames.outcome import FrameOutcome
from core.magnitudes import magnitude
from core.review.cutouts import unpack
from core.settings_sections import DepthSettings, QualitySettings
from pipeline.classify.classify import best_of
from pipeline.classify.shipped import SHIPPED
from pipeline.frame import FrameRefused
from pipeline.outcome_facts import KnownObject, limit_magnitude, match_radius_px
from pipeline.process import measure_again, process
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import read
from tests.pipeline.one_frame.case import Case

STAGES = [
    *("read", "calibrate", "stars", "quality", "align", "subtract"),
    *("detect", "unet", "cutouts", "classify", "known", "forced", "record", "depth"),
]


def test_every_stage_is_recorded_in_order(done: FrameOutcome) -> None:
    assert done.state == "done"
    assert [each.stage for each in done.stages] == STAGES
    assert {each.outcome for each in done.stages} == {"done"}
    assert done.difference is not None
    assert done.difference.reference_id == 7
    assert 0 < done.difference.registration_scatter_px < 0.2
    assert done.difference.registration_scatter_px >= done.difference.registration_rms_px
    assert done.quality is not None


def test_what_was_injected_is_found_where_it_is_in_the_file(case: Case, done: FrameOutcome) -> None:
    """Positions count the file's own pixels, though the overscan was cut."""
    strong = [row for row in case.truth if row["kind"] == "transient" and row["snr_change"] > 15]
    assert strong
    for row in strong:
        nearest = min(
            done.candidates, key=lambda each: math.hypot(each.x_frame - row["x"], each.y_frame - row["y"])
        )
        assert math.hypot(nearest.x_frame - row["x"], nearest.y_frame - row["y"]) < 1.0
        assert nearest.ra == pytest.approx(row["ra"], abs=1.0 / 3600.0)
        assert nearest.dec == pytest.approx(row["dec"], abs=1.0 / 3600.0)
        assert nearest.snr > 0


def test_a_candidate_is_complete(done: FrameOutcome) -> None:
    for each in done.candidates:
        assert set(each.scores) == set(SHIPPED)
        assert all(0.0 <= score <= 1.0 for score in each.scores.values())
        assert each.score == best_of(each.scores)
        assert each.mag is None  # nothing tells the zero point of this reference
        assert each.features
        assert each.cutouts is not None
        assert unpack(each.cutouts).new.shape == (63, 63)


def test_the_record_of_the_frame_says_which_versions_scored_it(done: FrameOutcome) -> None:
    told = {each.stage: each.reason for each in done.stages}["classify"]
    for name in ("realbogus", "tree"):
        assert f"{name} {SHIPPED[name].digest[:12]}" in told


def test_magnitudes_need_a_zero_point(case: Case) -> None:
    outcome = case.process(reference=replace(case.reference, zeropoint=25.0, mag_system="ab"))
    assert outcome.difference is not None
    assert (outcome.difference.zeropoint, outcome.difference.mag_system) == (25.0, "ab")
    assert outcome.difference.limit_mag is not None
    for each in outcome.candidates:
        assert each.mag == pytest.approx(25.0 - 2.5 * math.log10(abs(each.flux)))
        assert each.mag_err == pytest.approx(1.0857 * each.flux_err / abs(each.flux), rel=1e-3)


def test_the_depth_is_stored_with_a_magnitude_where_there_is_a_zero_point(
    case: Case, done: FrameOutcome
) -> None:
    assert done.difference is not None
    plain = done.difference
    assert plain.depth_reason is None
    assert plain.flux50 is not None
    assert plain.snr50 == pytest.approx(5.0, abs=1.5)
    assert (plain.m50, plain.limit_mag) == (None, None)
    assert plain.completeness is not None
    assert all(0 <= found <= tried for _, tried, found in plain.completeness["bins"])
    outcome = case.process(reference=replace(case.reference, zeropoint=25.0, mag_system="ab"))
    assert outcome.difference is not None
    assert outcome.difference.flux50 == plain.flux50  # the same frame, the same sources
    assert outcome.difference.m50 == pytest.approx(25.0 - 2.5 * math.log10(plain.flux50))
    assert outcome.difference.m50 != outcome.difference.limit_mag


def test_measuring_the_depth_changes_nothing_else(case: Case, done: FrameOutcome) -> None:
    settings = case.settings.model_copy(update={"depth": DepthSettings(enabled=False)})
    without = case.process(settings=settings)
    assert [each.stage for each in without.stages] == STAGES[:-1]
    assert without.difference is not None
    assert done.difference is not None
    assert without.difference.depth_reason == "switched off in [depth]"
    measured = {"flux50", "snr50", "m50_err", "depth_reason", "completeness"}
    unmeasured = dict.fromkeys(measured)
    assert replace(without.difference, **unmeasured) == replace(done.difference, **unmeasured)
    assert (without.candidates, without.rejections) == (done.candidates, done.rejections)
    assert (without.score_map, without.forced) == (done.score_map, done.forced)


def test_a_depth_that_breaks_leaves_the_frame_whole(
    case: Case, done: FrameOutcome, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise Exception("from C")  # noqa: TRY002 as SEP does

    monkeypatch.setattr("pipeline.process.measure_depth", broken)
    with caplog.at_level(logging.ERROR):
        outcome = case.process()
    assert outcome.state == "done"
    assert outcome.candidates == done.candidates
    assert outcome.difference is not None
    assert (outcome.difference.flux50, outcome.difference.depth_reason) == (None, "Exception: from C")
    assert (outcome.stages[-1].stage, outcome.stages[-1].outcome) == ("depth", "failed")
    assert "Traceback" in caplog.text


def test_a_magnitude_is_of_the_size_of_the_change() -> None:
    assert magnitude(-100.0, 10.0, 25.0) == (20.0, pytest.approx(0.10857, rel=1e-4))
    assert magnitude(100.0, 10.0, None) == (None, None)
    assert magnitude(0.0, 1.0, 25.0) == (None, None)
    assert magnitude(math.nan, 1.0, 25.0) == (None, None)


def test_known_objects_are_measured_where_they_are_not_detected(case: Case, done: FrameOutcome) -> None:
    found = max(done.candidates, key=lambda each: each.snr)
    wcs = case.reference.frame.wcs
    assert wcs is not None
    empty = empty_place(case, done)
    ra, dec = (float(value) for value in wcs.all_pix2world(*empty, 0))
    known = [
        KnownObject(1, ra=found.ra, dec=found.dec),  # detected
        KnownObject(2, ra=ra, dec=dec),
        KnownObject(3, ra=ra, dec=dec + 1.0),  # beyond the frame
        KnownObject(4, ra=(ra + 180.0) % 360.0, dec=-dec),  # on the other side of the sky
        KnownObject(5, x=10.0, y=10.0),  # on some other grid
    ]
    outcome = process(case.path, 0, case.reference, case.masters, known, case.settings)
    assert [each.sky_object_id for each in outcome.forced] == [2]
    assert abs(outcome.forced[0].flux) < 5.0 * outcome.forced[0].flux_err


def test_a_frame_that_its_reference_is_made_of_has_no_depth_and_no_limits(
    case: Case, done: FrameOutcome
) -> None:
    """A limit of what is subtracted from itself would say that there was no light where there was."""
    from pipeline.reference.references import from_file

    own = prepare_image(read(Path(from_file(case.path, case.settings).path)), case.settings)
    wcs = case.reference.frame.wcs
    assert wcs is not None
    ra, dec = (float(value) for value in wcs.all_pix2world(*empty_place(case, done), 0))
    known = [KnownObject(1, ra=ra, dec=dec)]
    outcome = case.process(reference=own, masters=None)
    assert "seem to hold the same exposure" in (outcome.reason or "")
    outcome = process(case.path, 0, own, None, known, case.settings)
    assert outcome.forced == ()
    assert outcome.difference is not None
    assert outcome.difference.m50 is None
    assert "seem to hold the same exposure" in (outcome.difference.depth_reason or "")
    with pytest.raises(FrameRefused, match="seem to hold the same exposure"):
        measure_again(case.path, 0, own, None, known, case.settings)


def empty_place(case: Case, done: FrameOutcome) -> tuple[float, float]:
    """A place far from everything that was detected or injected, with no star near."""
    stars = case.reference.stars
    busy = [*zip(stars.x, stars.y, strict=True), *((each.x, each.y) for each in done.candidates)]
    places = [(float(x), float(y)) for x in range(40, 216, 8) for y in range(40, 216, 8)]
    return max(places, key=lambda place: min(math.dist(place, other) for other in busy))


def test_a_reference_without_wcs_uses_its_grid(case: Case, done: FrameOutcome) -> None:
    grid = replace(case.reference, frame=replace(case.reference.frame, wcs=None))
    empty = empty_place(case, done)
    known = [KnownObject(1, x=empty[0], y=empty[1]), KnownObject(2, ra=1.0, dec=1.0)]
    outcome = process(case.path, 0, grid, case.masters, known, case.settings)
    assert outcome.state == "done", outcome.reason
    assert outcome.pixel_scale is None
    assert all(each.ra is None and each.dec is None for each in outcome.candidates)
    assert [each.sky_object_id for each in outcome.forced] == [1]


def test_the_radius_of_association(case: Case) -> None:
    scale = 0.6
    assert match_radius_px(case.reference, 10.0, case.settings) == 5.0  # half the FWHM
    assert match_radius_px(case.reference, 1.0, case.settings) == pytest.approx(1.0 / scale, rel=0.2)
    grid = replace(case.reference, frame=replace(case.reference.frame, wcs=None))
    assert match_radius_px(grid, 1.0, case.settings) == 0.5


def test_the_limit_is_five_times_the_median_error(case: Case) -> None:
    from pipeline.frame import Difference

    errors = np.full((10, 10), 4.0, dtype=np.float32)
    mask = np.zeros((10, 10), dtype=np.uint16)
    errors[0], mask[0] = 1e9, 1
    zeros = np.zeros_like(errors)
    difference = Difference(zeros, zeros, zeros, errors, mask, case.reference.psf, "zogy", "adu", 1.0, 1.0)
    assert limit_magnitude(difference, 25.0) == pytest.approx(25.0 - 2.5 * math.log10(20.0))
    assert limit_magnitude(difference, None) is None
    assert limit_magnitude(replace(difference, mask=np.ones_like(mask)), 25.0) is None


def test_a_frame_that_is_refused_is_rejected_with_the_reason(case: Case) -> None:
    strict = case.settings.model_copy(update={"quality": QualitySettings(min_stars=100_000)})
    outcome = case.process(settings=strict)
    assert outcome.state == "rejected"
    assert "100000" in (outcome.reason or "")
    assert [each.outcome for each in outcome.stages] == ["done", "done", "done", "rejected"]
    assert outcome.stages[-1].reason == outcome.reason
    assert outcome.candidates == ()


def test_a_file_that_is_gone_is_tried_again(case: Case, tmp_path: Path) -> None:
    """Its disk may be away for a minute; a night of rejected frames would be the end of it."""
    outcome = case.process(path=tmp_path / "gone.fits")
    assert (outcome.state, outcome.reason) == ("failed", "there is no such file")
    assert [each.outcome for each in outcome.stages] == ["failed"]


@pytest.mark.parametrize("error", [ValueError("first line\nsecond line"), MemoryError(), Exception("from C")])
def test_what_breaks_is_failed_in_one_line_and_whole_in_the_log(
    case: Case, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("pipeline.process.subtract", broken)
    with caplog.at_level(logging.ERROR):
        outcome = case.process()
    assert outcome.state == "failed"
    assert (outcome.reason or "").startswith(f"subtract: {type(error).__name__}")
    assert "second line" not in (outcome.reason or "")
    assert outcome.quality is not None  # what was measured before stays known
    assert "Traceback" in caplog.text


def test_an_interrupt_is_not_an_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.process.align", interrupted)
    with pytest.raises(KeyboardInterrupt):
        case.process()
