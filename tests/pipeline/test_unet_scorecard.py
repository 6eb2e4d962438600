"""The scorecard of a U-Net counts what it should, at the budget that it says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.classify.unet import CLASSES, STRIDE_PX, shipped
from pipeline.training.events import Event
from pipeline.training.fields import UNTOLD, field
from pipeline.training.unet_choice import FRAME_PX
from pipeline.training.unet_scorecard import NOWHERE, JudgedField, judge, judged_field, summary


def event(snr: float, kind: str = "point", host: str = "none") -> Event:
    return Event(kind, 5.0, 5.0, 9.0, snr, host, "o", 5.0, 5.0, 5.0, 5.0)


def judged(odds: list[float], false: list[float], confusion=None, **of) -> JudgedField:
    events = tuple(event(12.0, **of) for _ in odds)
    table = np.zeros((len(CLASSES),) * 2, dtype=np.int64) if confusion is None else confusion
    return JudgedField(events, np.array(odds), np.array(false), FRAME_PX // 10, table)


def rows_of(table):
    return {each["name"]: each for each in table}


def test_what_is_missed_is_counted_at_the_budget_of_false_alarms():
    # 40 fields are 4 frames, which allow 25: the 4 false candidates at 5, and not all of the 40 at 0.
    fields = [judged([6.0, 4.0, -1.0, NOWHERE], [5.0, 0.0] if i < 4 else [0.0]) for i in range(40)]
    card = summary(fields)
    strata = rows_of(card["strata"])
    assert card["title"] == "Missed at 6.4 false alarms per 2048 x 2048 pixels"
    for name in ("all", "SNR 10 to 20", "kind point", "host none"):
        assert (strata[name]["n"], strata[name]["value"]) == (160, 0.5)
    assert strata["SNR over 20"]["value"] is None
    assert card["completeness"] == {"snr": [10.0], "found": [0.5]}
    many = [judged([6.0, 4.0], [5.0] * 8) for _ in range(40)]
    assert rows_of(summary(many)["strata"])["all"]["value"] == 0.5


def test_a_smaller_budget_misses_more():
    fields = [judged([3.0, 2.0, 1.0], [2.5] if i % 10 < 3 else [0.5]) for i in range(100)]
    card = summary(fields)  # 10 frames: 64 and 20 are allowed, and 30 are at 2.5
    assert rows_of(card["strata"])["all"]["value"] == pytest.approx(0.0)
    assert rows_of(card["tables"][0]["rows"])["all"]["value"] == pytest.approx(2 / 3)
    false = card["tables"][1]["rows"][0]
    assert (false["n"], false["value"]) == (100, pytest.approx(10.0))


def test_fields_that_differ_make_intervals_and_nothing_makes_none():
    fields = [judged([5.0] * 3 if i % 2 else [NOWHERE] * 3, []) for i in range(30)]
    row = rows_of(summary(fields)["strata"])["all"]
    assert row["low"] < 0.4 < 0.5 < 0.6 < row["high"]
    assert json.dumps(summary([judged([], [])]), allow_nan=False)


def test_pixels_are_told_by_truth_and_by_what_was_said():
    table = np.zeros((len(CLASSES),) * 2, dtype=np.int64)
    point = CLASSES.index("point")
    table[0, 0], table[point, point], table[point, 0], table[0, point] = 1000, 60, 20, 30
    *_, found, right = summary([judged([], [], table) for _ in range(5)])["tables"]
    assert rows_of(found["rows"])["point"]["value"] == pytest.approx(0.75)
    assert rows_of(right["rows"])["point"]["value"] == pytest.approx(60 / 90)
    assert rows_of(right["rows"])["streak"]["value"] is None


def test_the_changes_of_a_field_are_looked_for():
    made = field(2_000_001, 256)
    found = judged_field(shipped(), made)
    assert len(found.events) == len(found.log_odds) > 0
    assert all(abs(each.snr) >= 4.0 or each.is_streak for each in found.events)
    assert (found.log_odds > 0).any()
    side = 256 // STRIDE_PX * STRIDE_PX
    height, width = (min(side, length // STRIDE_PX * STRIDE_PX) for length in made.classes.shape)
    assert found.confusion.sum() == np.count_nonzero(made.classes[:height, :width] != UNTOLD)
    assert len(judge(shipped(), [made])) == 1
