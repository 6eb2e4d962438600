"""The power screen as lines: what is measured, what is not and why, at any size."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from core.operations.power import DevicePower, DeviceUse, EnergyUse, History, StageUse
from screens.lines import Tone, plain
from screens.power.plot import LABEL_COLUMNS, area_lines, bins_in, ceiling
from screens.power.view import QUANTITIES, SPANS, Page, page_lines

NOW = 1.8e9
GPU = DevicePower(
    "dome/gpu0", "dome", "gpu", "NVIDIA H200", 143771.0, None, NOW - 2, 512.5, 61.0, 0.87, 40960.0
)
NO_CPU = DevicePower("dome/cpu", "dome", "cpu", "CPU", reason="this machine shows no RAPL counters")
HISTORY = History("dome/gpu0", "watts", NOW - 600, 5.0, (None, 100.0, 200.0, 400.0) * 30)
USE = EnergyUse(
    run_ids=(7,),
    since=NOW - 900,
    until=NOW,
    joules=123456.0,
    is_partial=True,
    devices=(
        DeviceUse("dome/cpu", None, 0.0, None, NO_CPU.reason),
        DeviceUse("dome/gpu0", 123456.0, 1.0, "counter", None),
    ),
    stages=(StageUse("read", 60, 1.0, 66.0), StageUse("subtract", 60, 50.0, None)),
    frames=60,
    judged_real=3,
    joules_per_frame=2057.6,
    joules_per_real=41152.0,
)
NIGHT = replace(USE, run_ids=(5, 6, 7), joules=2.5e7, is_partial=False)
FULL = Page(NOW, (GPU, NO_CPU), history=HISTORY, run=USE, night=NIGHT)


def text(page: Page, width: int = 80, rows: int = 21, *, ascii_only: bool = False) -> str:
    return "\n".join(plain(line) for line in page_lines(page, width, rows, plain=ascii_only))


def test_a_measured_device_shows_its_values_and_a_missing_one_its_reason() -> None:
    shown = text(FULL)
    for value in ("> dome/gpu0", "512.5 W", "61 °C", "87%", "40.0 of 140 GiB", "NVIDIA H200"):
        assert value in shown
    assert "dome/cpu" in shown
    assert "not measured: this machine shows no RAPL counters" in shown


def test_energy_is_told_by_frame_object_judged_real_and_stage() -> None:
    shown = text(FULL, width=120, rows=30)
    assert "run 7" in shown
    assert "at least 123.5 kJ  2058 J a frame  41.2 kJ an object judged real" in shown
    assert "24 h, 3 runs" in shown
    assert "25.0 MJ" in shown
    assert "at least 25.0 MJ" not in shown
    assert "read 1.1 J" in shown
    assert "subtract" not in shown  # not measured in all frames
    assert "without       dome/cpu (this machine shows no RAPL counters)" in shown


def test_what_was_not_measured_is_said_so_and_never_zero() -> None:
    use = replace(USE, joules=None, joules_per_frame=None, joules_per_real=None, stages=())
    no_gpu = DevicePower("dome/gpu", "dome", "gpu", "GPU", reason="no NVIDIA driver")
    empty = History("dome/gpu", "watts", NOW - 600, 5.0, (None,) * 120)
    shown = text(Page(NOW, (no_gpu, NO_CPU), history=empty, run=use))
    assert "not measured: no NVIDIA driver" in shown
    assert "energy not measured" in shown
    assert "0 J" not in shown
    assert "0 W" not in shown


def test_before_anything_was_sampled_the_screen_says_how_to_begin() -> None:
    shown = text(Page(NOW))
    assert "Nothing was measured yet." in shown
    assert "astrid power --watch --record" in shown
    assert "No run yet." in shown


def test_an_old_sample_is_told_by_its_time_and_nothing_changes_with_the_clock_alone() -> None:
    assert text(FULL) == text(replace(FULL, now=NOW + 20))
    old = text(replace(FULL, now=NOW + 3600))
    assert "at 07:59 UTC" in old
    assert "now" not in old
    assert old == text(replace(FULL, now=NOW + 7200))
    assert "at 01-15 07:59 UTC" in text(replace(FULL, now=NOW + 3 * 86400))


def test_the_cursor_stays_in_sight_among_many_devices() -> None:
    gpus = [replace(GPU, device=f"dome/gpu{n}") for n in range(40)]
    for cursor in (0, 17, 39):
        assert f"> dome/gpu{cursor} " in text(replace(FULL, devices=gpus, cursor=cursor))


def test_every_quantity_can_be_plotted() -> None:
    for shown in QUANTITIES:
        page = replace(FULL, shown=shown, span=SPANS[1], history=replace(HISTORY, quantity=shown.quantity))
        assert "of dome/gpu0  1 hour" in text(page)
        assert f"{shown.title} of dome/gpu0  1 hour" in text(page, width=50)
        (chip,) = [
            piece.text
            for line in page_lines(page, 80, 21, plain=False)
            for piece in line
            if piece.tone is Tone.CHIP
        ]
        assert chip.strip() == shown.title
    memory = replace(FULL, shown=QUANTITIES[3], history=replace(HISTORY, quantity="memory_mib"))
    assert "140.4 GiB" in text(memory)  # the axis ends with what the device has


@pytest.mark.parametrize("width", [60, 80, 140, 200])
@pytest.mark.parametrize("rows", [6, 10, 21, 40])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_and_no_page_higher_than_the_screen(width, rows, ascii_only) -> None:
    bins = bins_in(width, plain=ascii_only)
    page = replace(FULL, history=replace(HISTORY, means=(50.0,) * bins))
    lines = page_lines(page, width, rows, plain=ascii_only)
    assert len(lines) <= rows
    assert max(cell_len(plain(line)) for line in lines) <= width


def test_hostile_names_and_reasons_are_washed() -> None:
    hostile = replace(GPU, name="\x1b[2J[/bold]", device="\x1b]0;dome/gpu0")
    reason = replace(NO_CPU, reason="\x1b[31mred\nline")
    shown = text(Page(NOW, (hostile, reason), history=replace(HISTORY, device="\x1b[H")), width=140)
    assert "\x1b" not in shown
    assert "␛" in shown


def test_heights_of_braille_and_ascii_follow_the_values() -> None:
    area = area_lines([0.0, 5.0, 10.0, None], top=10.0, unit="W", rows=3, plain=False, ends=("-1 h", "now"))
    rows = [plain(line) for line in area]
    assert rows[0].startswith("  10 W ")
    assert rows[1].startswith("   0 W ")
    assert rows[0][LABEL_COLUMNS:] == " ⡇"  # the second bin is half high, the third full, the fourth missing
    assert rows[1][LABEL_COLUMNS:] == "⣸⡇"
    bars = area_lines([0.0, 5.0, 10.0, None], top=10.0, unit="W", rows=3, plain=True, ends=("", ""))
    assert [plain(line)[LABEL_COLUMNS:].rstrip() for line in bars[:2]] == ["  #", ".##"]
    assert all(ord(character) < 128 for line in bars for character in plain(line))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e5)), max_size=60), st.integers(3, 12), st.booleans())
def test_any_history_is_drawn_in_its_rows_and_columns(values, rows, plain_only) -> None:
    top = ceiling(values, 10.0)
    assert all(value is None or value <= top * (1 + 1e-6) for value in values)
    area = area_lines(values, top=top, unit="W", rows=rows, plain=plain_only, ends=("", ""))
    columns = len(values) if plain_only else (len(values) + 1) // 2
    assert len(area) == rows
    assert {len(line[1].text) for line in area[:-1]} == {columns}
    assert all(piece.tone in Tone for line in area for piece in line)


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0.0, 10.0), (9.0, 10.0), (10.1, 20.0), (250.0, 300.0), (420.0, 500.0), (700.0, 1000.0)],
)
def test_the_scale_ends_at_round_numbers(highest: float, top: float) -> None:
    assert ceiling([None, highest], 10.0) == pytest.approx(top)


def test_columns_stand_below_each_other_whatever_script_a_device_is_named_in() -> None:
    names = ("dome/gpu0", "観測所/gpu0", "e\N{COMBINING ACUTE ACCENT}toile/gpu0", "観測所" * 20)
    devices = tuple(replace(GPU, device=name, name="天文台" * 40) for name in names)
    for width in (60, 80, 120):
        shown = page_lines(replace(FULL, devices=devices, history=None), width, 30, plain=False)
        rows = [line for line in map(plain, shown) if "512.5 W" in line]
        assert len(rows) == len(names)
        assert len({cell_len(row[: row.index("512.5 W")]) for row in rows}) == 1
        assert all(cell_len(plain(line)) <= width for line in shown)


def test_a_reason_in_wide_characters_stays_within_the_width() -> None:
    page = replace(FULL, devices=(replace(NO_CPU, reason="計測不能" * 40),), history=None)
    assert all(cell_len(plain(line)) <= 80 for line in page_lines(page, 80, 30, plain=False))
