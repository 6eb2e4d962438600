"""The health screen's page at every size, and whatever stands in messages and logs."""

from dataclasses import replace

import pytest

from core.health.check import Check
from core.health.events import Event
from screens.health.view import Page, Pane, check_lines, event_sheet, moment, page_lines
from screens.lines import plain

NOW = 1_800_000_000.0
NAMES = ("store", "disk", "clock", "queue", "frames", "runs", "watch", "camera", "prefect", "gpu")
CHECKS = tuple(Check(name, "ok", f"all is well with {name}") for name in NAMES)
HOSTILE = "\x1b]0;x\x07[/red] [bold]\u202e"


def event(number: int = 1, **changes) -> Event:
    values = {
        "check": "runs", "host": "", "cause": "run 7", "severity": "warning", "message": "run 7 was lost",
        "first_at": NOW - 9e5, "opened_at": NOW - 3600, "last_at": NOW, "count": 2, "closed_at": None,
        "acknowledged_at": None, "acknowledged_by": None, "alerted_at": None, "alert_problem": None,
    }  # fmt: skip
    return Event(id=number, **(values | changes))


def page(**changes) -> Page:
    return Page(**({"now": NOW, "checks": CHECKS, "events": [event()], "log": "pipeline"} | changes))


def text(of: Page, width: int = 80, height: int = 21) -> str:
    return "\n".join(plain(line) for line in page_lines(of, width, height))


@pytest.mark.parametrize("size", [(40, 7), (80, 21), (140, 37), (200, 47)])
@pytest.mark.parametrize("pane", Pane)
def test_the_page_keeps_within_its_size_and_shows_the_cursor(size, pane):
    width, height = size
    many = page(
        events=[event(n, message=f"{HOSTILE} {n} " * 20) for n in range(300)],
        lines=[f"line {n} {HOSTILE}" * 9 for n in range(1000)],
        pane=pane,
        event_place=150,
        line_place=999,
        other_logs=3,
    )
    lines = page_lines(many, width, height)
    assert len(lines) <= height
    assert all(len(plain(line)) <= width for line in lines)
    assert sum(plain(line).startswith(" > ") for line in lines) == 1
    assert not any(
        ord(character) < 32 or character == "\u202e" for line in lines for character in plain(line)
    )


@pytest.mark.parametrize("width", [40, 47, 60, 80])
def test_what_is_cut_is_marked_and_short_sentences_are_told_whole(width):
    hot = Check("gpu", "warning", "gpu0 is at 91 °C, above 85 °C, which slows down whatever runs on it. " * 2)
    old = event(message="run 7 was lost with all of its workers: the machine went down while it ran. " * 2)
    many = page(checks=[*CHECKS[:9], hot], events=[replace(old, opened_at=NOW - 9e6), old])
    found = [plain(line) for line in page_lines(many, width, 21)]
    assert all(len(line) <= width for line in found)
    assert [line.endswith("…") for line in found if " warning " in line] == [True] * 3
    told = " ".join(text(page(events=[]), width).split())
    assert "none that lasts, none that nobody has seen" in told
    assert "ok " + " ".join(NAMES) in told


def test_a_small_page_spells_out_troubles_alone():
    hot = Check("gpu", "warning", "gpu0 is at 91 °C, above 85")
    unknown = Check("camera", "unknown", "its cadence is not known")
    checks = [*CHECKS[:7], unknown, CHECKS[8], hot]
    small = [plain(line) for line in check_lines(checks, 80, full=False)]
    assert small == [
        " warning   gpu       gpu0 is at 91 °C, above 85",
        " ok        store disk clock queue frames runs watch prefect",
        " not known camera",
    ]
    assert len(check_lines(checks, 80, full=True)) == len(checks)


def test_two_troubles_of_one_check_are_two_lines_and_no_name_is_told_twice():
    checks = [
        Check("runs", "warning", "a", "run 1"),
        Check("runs", "failed", "b", "run 2"),
        CHECKS[0],
        CHECKS[0],
    ]
    assert [plain(line).split() for line in check_lines(checks, 80, full=False)] == [
        ["warning", "runs", "a"],
        ["failed", "runs", "b"],
        ["ok", "store"],
    ]


def test_a_trouble_tells_its_state_its_times_and_how_often():
    shown = text(page())
    assert "> open warning runs" in shown
    assert "07:00 2x run 7 was lost" in shown
    assert "1 unseen of 1" in shown
    seen = event(acknowledged_at=NOW, acknowledged_by="vera", closed_at=NOW)
    assert "0 unseen" in text(page(events=[seen], past=True))
    assert "none that lasts" in text(page(events=[]))


def test_everything_about_a_trouble():
    seen = event(acknowledged_at=NOW - 60, acknowledged_by=HOSTILE, alerted_at=NOW, alert_problem="json: no")
    shown = "\n".join(plain(line) for line in event_sheet(seen, NOW, 70))
    for said in (
        "run 7 was lost",
        "the whole store",
        "2 times in all",
        "no: it lasts",
        "but json: no",
        "[/red]",
    ):
        assert said in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("head", ["2026-11-22 03:00:00,125Z 4242", "2026-11-22 03:00:00,125 4242"])
def test_a_narrow_line_of_a_log_begins_with_its_hour_and_its_message(head):
    lines = [
        f"{head} INFO pipeline.engines.sequential: run 1: science_007.fits: rejected",
        f"{head} ERROR core: no",
    ]
    narrow, wide = text(page(lines=lines)), text(page(lines=lines), width=140)
    assert "   03:00:00 run 1: science_007.fits: rejected" in narrow
    assert "03:00:00 ERROR no" in narrow
    assert all(line in wide for line in lines)


def test_a_log_that_is_missing_empty_filtered_or_unreadable_says_so():
    assert "nothing was logged yet" in text(page(log=None))
    assert "it is empty" in text(page())
    assert "no line passes" in text(page(chip=page_lines(page(), 80, 21)[0]))
    assert "cannot be read: Permission denied" in text(page(log_trouble="Permission denied"))


def test_times_of_the_last_day_have_no_date():
    assert moment(NOW - 60, NOW) == "07:59"
    assert moment(NOW - 86400, NOW) == "01-14 08:00"
    assert moment(NOW - 364 * 86400, NOW) == "2026-01-16"
    assert moment(NOW + 60, NOW) == "01-15 08:01"  # a clock is wrong
