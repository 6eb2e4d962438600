"""The queue and pipeline screens' pages as pure lines: ages, strips, folders, chips, one frame."""

from dataclasses import fields, replace

import pytest
from rich.cells import cell_len

from core.frames.frame_detail import Quality, Subtraction
from core.frames.frame_list import Counted, FrameRow
from core.frames.intake import Folder, Intake
from core.frames.queue_history import Happening
from core.operations.causes import Cause
from core.operations.crew import Worker
from core.operations.night import Night, NightPoint
from core.operations.stage_times import Pace
from screens import ages
from screens.action import Situation
from screens.ingest import actions as ingest_actions
from screens.ingest.depth import depth_facts
from screens.ingest.detail import clock, last_attempt, utc, zeropoint_words
from screens.ingest.view import (
    ListPage,
    Marks,
    folder_lines,
    frame_lines,
    list_lines,
    standing_line,
    state_line,
)
from screens.lines import Tone, plain
from screens.pipeline.night import night_series
from screens.pipeline.reading import Answer, RunFacts
from screens.pipeline.strip import Series, strip_lines
from screens.pipeline.view import (
    PANES,
    Page,
    page_lines,
    progress_line,
    run_lines,
    stage_lines,
    tab_line,
    worker_lines,
)

NOW = 1_800_000_000.0
HOSTILE = "\x1b[2J[/red]\u202e\nnight"
ROW = FrameRow(
    id=1, frame="n1.fits", state="queued", reason=None, kind="science", filter="r", field="M31", mjd=60999.1,
    exposure_s=60.0, attempts=0, priority=0, registered_at=NOW - 300, finished_at=None, not_before=None,
    worker=None, lease_until=None, candidates=None,
)  # fmt: skip
FOLDER = Folder(
    path="/data/night1", host="dome", is_watched=True, processes=False, heard_at=NOW, interval_s=5.0,
    last_file_at=NOW - 90, cadence_s=40.0, unsettled=0, files=3, refused=0, problem=None,
)  # fmt: skip
INTAKE = Intake({"queued": 3, "done": 9}, NOW - 300, 4, Pace(9, 90.0, 12.0, NOW), (FOLDER,))
RUN = RunFacts(7, "local", "dome", "running", 2, NOW - 600, NOW, None, {"done": 3}, None)
ANSWER = Answer(NOW, (RUN,), RUN, (), Pace(9, 60.0, 30.0, NOW), 30, 1800.0, (), (), Night(), (), "run-7.log")


def listed(*rows: FrameRow, **changes) -> ListPage:
    page = ListPage(
        now=NOW, state="", chip=(), intake=INTAKE, rows=rows, top=0, here=0, before=Counted(0),
        total=Counted(len(rows)),
    )  # fmt: skip
    return replace(page, **changes)


def text(lines) -> str:
    return "\n".join(plain(line) for line in lines)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "under 1 min"),
        (59, "under 1 min"),
        (61, "1 min"),
        (3599, "60 min"),
        (7300, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_ages_are_coarse(seconds, said):
    assert ages.length(seconds) == said
    assert len(ages.short(seconds)) <= 7


@pytest.mark.parametrize("seconds", [0.0, 0.004, 0.0994, 0.0996, 1.234, 9.96, 12.3, 99.6, 5999.0, 1e5])
def test_work_takes_seven_characters_at_most(seconds):
    assert len(ages.work(seconds)) <= 7


class TestList:
    def test_the_chosen_state_is_always_in_sight(self):
        counts = dict.fromkeys(
            ("queued", "running", "waiting", "done", "rejected", "quarantined", "dropped"), 12345
        )
        for chosen in ("", *counts):
            for width in (40, 60, 80, 200):
                line = state_line(replace(INTAKE, counts=counts), chosen, width)
                assert len(plain(line)) <= width
                assert [piece.text for piece in line if piece.tone is Tone.CHIP] == [
                    f" {chosen or 'all'} {12345 * 7 if not chosen else 12345} "
                ]

    def test_falling_behind_is_said_with_the_factor(self):
        assert "keeps up 2×" in plain(standing_line(replace(INTAKE, set_cadence_s=80.0), NOW))
        slow = replace(INTAKE, set_cadence_s=20.0)
        assert "falls behind 0.5×" in plain(standing_line(slow, NOW))
        assert "no frame was processed" in plain(standing_line(Intake({}, None, 0, Pace(), ()), NOW))

    def test_folders_in_trouble_come_first_and_the_rest_are_counted(self):
        broken = replace(FOLDER, path="/z", problem="it is gone")
        silent = replace(FOLDER, path="/y", heard_at=NOW - 500)
        left = replace(FOLDER, path="/a", is_watched=False)
        lines = text(folder_lines([left, FOLDER, FOLDER, silent, broken], NOW, 100)).splitlines()
        assert "fell silent 8 min ago" in lines[0]
        assert "it is gone" in lines[1]
        assert "3 more folders" in lines[2]
        assert "astrid watch DIR" in text(folder_lines([], NOW, 100))
        assert "…" in text(folder_lines([replace(FOLDER, path="/very/long" * 30)], NOW, 80))

    def test_files_of_no_use_are_told_where_a_line_is_short(self):
        folder = replace(FOLDER, files=14, refused=2, unsettled=1)
        assert "2 of no use" in text(folder_lines((folder,), NOW, 80))

    def test_a_reason_has_the_place_of_empty_columns_and_is_told_whole_below(self):
        reason = "it holds no image: its primary header has no NAXIS1, and no extension has one"
        refused = replace(ROW, state="rejected", reason=reason, filter=None)
        lines = list_lines(listed(refused, ROW), 80, 20)
        assert len(lines) == 20
        assert reason in plain(lines[-1])
        assert all(len(plain(line)) <= 80 for line in lines)
        alone = frame_lines(listed(refused), 80, 12)
        assert "band" not in plain(alone[0])
        assert "it holds no image: its primary header" in plain(alone[1])
        assert reason not in text(list_lines(listed(refused), 80, 8))

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"state": "done", "candidates": 1}, "1 candidate"),
            ({"state": "running", "worker": "run-3/0", "lease_until": NOW - 1}, "run-3/0, lease ran out"),
            ({"not_before": NOW + 130, "reason": "broke", "attempts": 1}, "again in 2 min: broke"),
            ({"state": "rejected", "reason": HOSTILE}, "␛[2J[/red]<U+202E>␊night"),
        ],
    )
    def test_each_row_says_the_one_thing_to_know(self, changes, said):
        assert said in text(frame_lines(listed(replace(ROW, **changes)), 120, 5))

    def test_places_are_told_as_far_as_they_were_counted(self):
        page = listed(ROW, ROW, before=Counted(40), total=Counted(10_000, more=True), here=1)
        assert "42 of 10000 or more" in text(list_lines(page, 100, 20))
        assert " of " not in plain(list_lines(replace(page, before=Counted(10_000, more=True)), 100, 20)[3])

    def test_marks(self):
        marks = Marks().toggled(3).toggled(4).toggled(3)
        assert (marks.has(4), marks.has(3), marks.count(Counted(9))) == (True, False, 1)
        assert Marks(everything=True).count(Counted(9)) == 9
        assert "2 marked" in text(list_lines(listed(ROW, marks=Marks(frozenset({1, 2}))), 80, 20))

    @pytest.mark.parametrize("rows", [7, 11, 12, 30])
    def test_it_fits_whatever_room_there_is(self, rows):
        lines = list_lines(listed(*[replace(ROW, frame=HOSTILE * 20, reason="x" * 500)] * 90), 60, rows)
        assert len(lines) <= rows
        assert max(len(plain(line)) for line in lines) <= 60


class TestFrame:
    def test_only_the_newest_attempt_is_the_last(self):
        def stage(what, attempt, at):
            return Happening(at, what, attempt, "done", None, None, 1.0)

        failed = Happening(2.5, "failed", 1, "queued", "run-1/0", "broke")
        history = (
            stage("read", 1, 1),
            stage("align", 1, 2),
            failed,
            stage("read", 2, 3),
            stage("align", 2, 4),
        )
        assert [line.at for line in last_attempt(history)] == [3, 4]
        retried = (stage("read", 1, 1), stage("align", 1, 2), stage("read", 1, 3))
        assert [line.at for line in last_attempt(retried)] == [3]
        assert last_attempt(()) == []

    def test_times_no_calendar_reaches_are_dashes(self):
        assert utc(60999.5) == "2025-11-20 12:00:00"
        assert clock(1e30) == "–"

    @pytest.mark.parametrize(
        ("action", "situation", "excuse"),
        [
            ("retry", Situation(is_open=True, has_row=True, state="running"), "that is running"),
            ("retry", Situation(is_open=True, has_row=True, state="quarantined"), None),
            ("retry", Situation(is_open=True, has_row=True, state="running", marked=3), None),
            ("retry", Situation(is_open=True, read_only=True, has_row=True, state="done"), "read-only"),
            ("drop", Situation(is_open=True, has_row=True, state="done"), "that is done"),
            ("drop", Situation(is_open=True), "nothing under the cursor"),
            (
                "candidates",
                Situation(is_open=True, has_row=True, state="queued"),
                "only frames that are done",
            ),
        ],
    )
    def test_why_something_cannot_be_done(self, action, situation, excuse):
        found = next(each for each in ingest_actions.ACTIONS if each.id == f"ingest:{action}")
        said = found.why_disabled(situation)
        assert said is None if excuse is None else excuse in said


MADE = Subtraction(
    reference_id=1, reference="ref.fits", method="zogy", score_std=1.0, registration_rms_px=0.1,
    gain_ratio=1.0, fwhm_new_px=3.0, fwhm_ref_px=3.0, masked_fraction=0.0, m50=20.1, limit_mag=20.3,
    zeropoint=25.0, flux_unit="adu", m50_err=0.031, flux50=91.2, snr50=5.12,
    completeness={"bins": [[50.0, 10, 0], [91.0, 10, 5], [200.0, 10, 10]], "plateau": 0.98, "width_mag": 0.1},
)  # fmt: skip


class TestDepth:
    def told(self, is_plain=False, **changes):
        facts = depth_facts(replace(MADE, **changes), is_plain=is_plain)
        return {title: plain(line) for title, line in facts}

    def test_the_depth_is_told_with_its_error_and_curve(self):
        told = self.told()
        assert told["m50"] == "20.10 ± 0.03 mag  half of injected sources found at 5.1σ"
        assert told["completeness"] == "20.8 ▁▅█ 19.2, 98% of bright ones"
        assert self.told(is_plain=True)["completeness"].isascii()

    def test_without_a_zeropoint_there_is_a_flux(self):
        told = self.told(m50=None, zeropoint=None)
        assert "no zeropoint" in told["m50"]
        assert "91.2 adu ± 0.03 mag" in told["m50"]
        assert told["completeness"].startswith("2.8σ ")

    def test_why_there_is_none_is_told_and_never_a_limit_instead(self):
        nothing = {"m50": None, "flux50": None, "snr50": None, "m50_err": None, "completeness": None}
        assert self.told(**nothing) == {}
        told = self.told(**nothing, depth_reason=HOSTILE)
        assert told == {"m50": "not measured: ␛[2J[/red]<U+202E>␊night"}

    @pytest.mark.parametrize(
        "kept", [{}, {"bins": 3}, {"bins": [["x", 1, 1]]}, {"bins": [[1.0, 0, 0], [-1.0, 2, 1], [1.0, 2, 3]]}]
    )
    def test_a_curve_that_makes_no_sense_is_left_out(self, kept):
        assert "completeness" not in self.told(completeness=kept)


class TestStrip:
    @pytest.mark.parametrize("plain_signs", [False, True])
    def test_dots_stand_at_their_heights(self, plain_signs):
        series = Series("seeing", "px", [1.0, None, 3.0])
        lines = strip_lines([0.0, 1.0, 2.0], series, 2, width=28, rows=5, plain=plain_signs)
        shown = [plain(line) for line in lines]
        assert "3.00 px" in shown[0]
        assert shown[1].startswith("   3.00 ")
        assert shown[1].rstrip().endswith("X" if plain_signs else "◆")
        assert shown[4].startswith("   1.00 ")
        assert shown[4][8] not in " \u2800"
        assert [line[8:].strip() for line in shown[2:4]] == ["", ""]

    def test_what_each_strip_tells_begins_above_its_dots(self):
        told = [Series("seeing", "″", [2.47]), Series("depth", "mag", [20.33]), Series("score σ", "", [None])]
        titles = [
            plain(strip_lines([0.0], one, 0, width=40, rows=3, plain=False)[0]).rstrip() for one in told
        ]
        assert titles == [
            "seeing  2.47″   2.47 to 2.47",
            "depth   20.33 mag   20.33 to 20.33",
            "score σ not measured",
        ]

    def test_what_was_not_measured_is_said(self):
        lines = strip_lines([0.0], Series("depth", "mag", [None]), 0, width=40, rows=3, plain=False)
        assert "not measured" in plain(lines[0])
        assert len(lines) == 3

    def test_equal_values_and_one_time_do_not_divide_by_nothing(self):
        lines = strip_lines([5.0], Series("σ", "", [1.0]), 0, width=30, rows=4, plain=True)
        assert "X" in text(lines[1:])


class TestPipeline:
    @pytest.mark.parametrize(
        ("first", "second", "said"),
        [
            ({"depth": 20.0, "depth_is_m50": True}, {"depth": 20.3, "depth_is_m50": True}, "mag, m50"),
            ({"depth": 20.0}, {"depth": 20.3}, "mag, 5σ limit"),
            (
                {"depth": 20.0, "depth_is_m50": True}, {"depth": 20.3},
                "mag, m50 (m50 of 1, 5σ of 1)",
            ),
            ({"depth": 20.0}, {"depth": 20.3, "depth_is_m50": True}, "mag, 5σ limit (m50 of 1, 5σ of 1)"),
            ({"flux50": 100.0}, {}, "flux50, no zeropoint"),
        ],
    )  # fmt: skip
    def test_depths_say_what_they_are(self, first, second, said):
        points = tuple(
            NightPoint(n, "n.fits", "done", 60999.0 + n, **facts) for n, facts in enumerate((first, second))
        )
        depth = night_series(Night(points), 0)[1]
        assert depth.unit == said
        assert depth.values[0] == first.get("depth", 100.0)

    def test_the_registration_is_its_scatter_and_what_of_it_is_beyond_noise(self):
        points = (
            NightPoint(0, "0.fits", "done", 60999.0, residual_px=0.0, scatter_px=0.041),
            NightPoint(1, "1.fits", "done", 60999.1, residual_px=0.03, scatter_px=0.052),
            NightPoint(2, "2.fits", "queued", 60999.2),
        )
        told = [night_series(Night(points), chosen)[2] for chosen in range(3)]
        assert list(told[0].values) == [0.041, 0.052, None]
        assert [each.unit for each in told] == [
            "px of stars, < 0.01 beyond noise",
            "px of stars, 0.03 beyond noise",
            "px of stars",
        ]
        older = (*points, NightPoint(3, "3.fits", "done", 60999.3, residual_px=0.02))
        assert list(night_series(Night(older), 0)[2].values) == [0.0, 0.03, None, 0.02]

    def page(self, **changes) -> Page:
        return Page(now=NOW, answer=replace(ANSWER, **changes), pane="runs", cursors={}, start_key="s")

    def test_the_end_is_told_where_it_can_be(self):
        assert "30 min, until about" in plain(progress_line(self.page(), 100))
        assert "not known yet" in plain(progress_line(self.page(left_s=None), 100))
        over = replace(RUN, state="done")
        assert "no run is at work: s starts one" in plain(progress_line(self.page(runs=(over,)), 100))
        assert "no frame is queued" in plain(progress_line(self.page(left=0), 100))

    def test_silence_and_stopping_are_no_work(self):
        from core.operations.runs import ASKED_TO_STOP

        assert "silent" in text(page_lines(self.page(runs=(replace(RUN, heard_at=NOW - 999),)), 80, 20))
        assert "stopping" in text(page_lines(self.page(runs=(replace(RUN, reason=ASKED_TO_STOP),)), 80, 20))

    def test_no_end_is_told_of_work_that_nobody_does(self):
        gone, silent = replace(RUN, is_gone=True), replace(RUN, heard_at=NOW - 999)
        said = plain(progress_line(self.page(runs=(gone,)), 100))
        assert "no run is at work: s starts one" in said
        assert "nobody at work is heard of" in (told := plain(progress_line(self.page(runs=(silent,)), 100)))
        assert "until" not in said + told
        assert "until about" in plain(progress_line(self.page(runs=(silent, RUN)), 100))
        page = self.page(runs=(gone,), workers=(Worker("run-7/0", 7, "dome", 3, "n3.fits", NOW + 60, NOW),))
        assert " gone " in text(run_lines(page, 80, 5))
        assert "its run is gone" in text(worker_lines(page, 80, 5))

    def test_a_run_without_frames_says_whether_any_may_come(self):
        ended = replace(RUN, state="done", counts={}, ended_at=NOW)
        for run, said in ((replace(RUN, counts={}), "counted at its end"), (ended, "none was due")):
            assert said in text(run_lines(self.page(runs=(run,)), 80, 5))
        assert "No stage of run 7 is recorded" in text(stage_lines(self.page(runs=(ended,)), 80, 5))

    def test_workers_say_whether_they_still_speak(self):
        workers = (
            Worker("run-7/0", 7, "dome", 3, "n3.fits", NOW + 60, NOW),
            Worker("run-7/1", 7, "dome", 4, "n4.fits", NOW - 120, NOW),
            Worker("run-6/0", None, None, 5, "n5.fits", NOW + 60, None),
        )
        lines = text(worker_lines(self.page(workers=workers), 100, 9)).splitlines()
        assert "heard just now" in lines[0]
        assert "its lease ran out 2 min ago" in lines[1]
        assert "of no run that is known" in lines[2]

    @pytest.mark.parametrize("pane", PANES)
    @pytest.mark.parametrize("size", [(40, 7), (80, 21), (109, 50), (140, 37), (200, 47)])
    def test_every_pane_fits_and_shows_hostile_text_harmless(self, pane, size):
        width, rows = size
        points = [NightPoint(n, HOSTILE, "done", 60999.0 + n / 99, 2.0, 20.0, 0.1, 1.0) for n in range(50)]
        full = self.page(
            causes=(Cause(HOSTILE, "rejected", 3, 1, HOSTILE, HOSTILE),) * 50,
            workers=(Worker(HOSTILE, None, HOSTILE, 1, HOSTILE, NOW, None),) * 50,
            log=(HOSTILE,) * 300,
            night=Night(tuple(points)),
            runs=(replace(RUN, reason=HOSTILE),) * 30,
        )  # fmt: skip
        lines = page_lines(replace(full, pane=pane), width, rows)
        assert len(lines) <= rows
        assert max(len(plain(line)) for line in lines) <= width
        assert not {"\x1b", "\u202e", "\n"} & set("".join(plain(line) for line in lines))

    @pytest.mark.parametrize("pane", PANES)
    @pytest.mark.parametrize("width", [40, 47, 60, 80, 109])
    def test_every_pane_is_named_and_the_chosen_one_set_apart(self, pane, width):
        page = self.page(
            causes=(Cause("x", "rejected", 99999, 1, "x", "x"),),
            workers=(Worker("w", None, "dome", 1, "n", NOW, None),) * 640,
            log=("x",) * 900,
            runs=(RUN,) * 30,
        )
        line = tab_line(replace(page, pane=pane, cursors={"log": 888}), width)
        assert cell_len(plain(line)) <= width
        assert [word for word in plain(line).split() if word.isalpha()] == list(PANES)
        chosen = [piece.text for piece in line if piece.tone is Tone.CHIP]
        assert [each.split()[0] for each in chosen] == [pane]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_frames_with_wide_names_keep_their_columns(width):
    names = ("n1.fits", "星雲観測フレーム.fits", "星雲観測フレーム" * 9)
    page = listed(*(replace(ROW, id=place, frame=name) for place, name in enumerate(names)))
    heading, *rows = [plain(line) for line in frame_lines(page, width, 6) if line]
    assert {cell_len(row[: row.index("queued")]) for row in rows} == {heading.index("state")}
    assert max(map(cell_len, rows)) <= width


@pytest.mark.parametrize(
    ("origin", "end"),
    [("gaia r", "gaia r, no colour term"), ("gaia r, colour term +0.109 of g-r",) * 2],
)
def test_a_zeropoint_of_a_catalogue_says_whether_it_has_a_colour_term(origin, end):
    nothing = Quality(**dict.fromkeys((each.name for each in fields(Quality)), None))
    told = {"zeropoint": 28.25, "zeropoint_from": origin, "zeropoint_scatter": 0.017, "zeropoint_stars": 28}
    assert zeropoint_words(replace(nothing, **told)) == f"28.25 mag ± 0.02, 28 stars of {end}"
