"""The models screen's page: versions and what they are used for, trainings, curves, cards."""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from core.database.store import Store
from core.models.overview import ModelRow, VersionRow, shipped_worth
from core.models.registry import Registry
from core.models.trainings import Training, TrainingRefused
from core.review.judged import Judged, judged
from core.vocabulary import ReviewState
from screens.lines import plain
from screens.models.card import card_lines, training_sheet
from screens.models.plots import plot_lines
from screens.models.reading import Answer, Card, command_of
from screens.models.view import Page, Pane, facts_lines, number, page_lines
from tests.core.rows import add_object

HOSTILE = "\x1b]0;x\x07[/red] [bold]\u202e"
CURVE = {"loss": [(float(n), 1 / (n + 1)) for n in range(30)], "fnr": [(0.0, 0.5), (9.0, 0.1)]}
SCORECARD = {
    "strata": [
        {"name": "SNR 6 to 10", "n": 400, "value": 0.12, "low": 0.1, "high": 0.15},
        {"name": HOSTILE, "n": 3, "value": None},
    ],
    "reliability": {"predicted": [0.1, 0.5, 0.9], "observed": [0.12, 0.45, 0.92]},
    "completeness": {"snr": [5.0, 10.0, 20.0], "found": [0.4, 0.9, 0.99]},
}


def version(n: int = 1, **changes) -> VersionRow:
    values = {"created_at": 1.8e9, "origin": "training", "created_by": "ann@dome", "digest": "ab" * 32}
    values |= {"training": None, "registry_version": "1", "architecture": "cnn", "metrics": {"auc": 0.98765}}
    return VersionRow(number=n, **(values | changes))


def training(**changes) -> Training:
    values = {"key": "20270115-realbogus-a", "name": "realbogus", "state": "running", "folder": Path("/x")}
    return Training(**(values | {"started_at": 1.8e9} | changes))


def page(*models: ModelRow, trouble: str | None = None, trainings=(), curve=None, **changes) -> Page:
    answer = Answer(Registry("/home/mlflow.db", (), trouble), Judged(12, 1), models, tuple(trainings), curve)
    return Page(answer, 1.8e9 + 90, **changes)


def text(of: Page, width: int = 80, height: int = 21) -> str:
    return "\n".join(plain(line) for line in page_lines(of, width, height))


def test_models_and_the_versions_of_the_chosen_one():
    used = version(3)
    rows = (version(5), version(4, registry_version=None, metrics={}), used, version(2))
    shown = text(page(ModelRow("tree", 0, None), ModelRow("realbogus", 3, 2, rows), model_place=1))
    lines = shown.splitlines()
    assert "12 objects judged real, 1 bogus" in lines[0]
    assert "learn" not in lines[0]  # that takes agreement
    assert lines[1].startswith("   tree              as AstrID came")
    assert lines[2].startswith(" > realbogus         version 3")
    assert "of 5 versions   auc 0.9877" in lines[2]
    assert "Versions of realbogus" in shown
    assert "5  challenger 2027-01-15 08:00  training" in shown
    assert "4             2027-01-15 08:00  training registry not told" in shown
    assert "3  champion" in shown
    assert "2  previous" in shown
    assert "0             came with AstrID" in shown
    assert "none yet" in shown


def test_a_registry_that_cannot_be_read_says_why_and_hides_nothing():
    shown = text(page(ModelRow("tree", 0, None), trouble="the registry is of a version of MLflow that …"))
    assert "of a version of MLflow" in shown
    assert "> tree" in shown


def test_a_training_at_work_shows_its_curve_where_there_is_room():
    failed = training(state="failed", reason="no examples", ended_at=1.8e9 + 30, name="unet", energy_j=1500.0)
    shown = page(ModelRow("realbogus", 0, None), trainings=[training(), failed], curve=CURVE)
    tall = text(shown, 140, 37)
    assert "realbogus         running  1.5 min" in tall
    assert "unet              failed   0.5 min  1.5 kJ  no examples" in tall
    assert "● loss  by step" in tall
    assert "loss" not in text(shown, 80, 21)


@pytest.mark.parametrize("size", [(40, 7), (80, 21), (140, 37), (200, 47)])
@pytest.mark.parametrize("pane", Pane)
def test_the_page_keeps_within_its_size_and_shows_the_cursor(size, pane):
    width, height = size
    rows = tuple(version(n, origin=HOSTILE, metrics={HOSTILE * 9: 1.0}) for n in range(300, 0, -1))
    models = [ModelRow(f"{HOSTILE}{n}" * 9, 4, 3, rows) for n in range(60)]
    many = [training(key=f"{HOSTILE}{n}", name=HOSTILE, state=HOSTILE, reason=HOSTILE * 9) for n in range(50)]
    places = {"model_place": 30, "version_place": 150, "training_place": 40}
    lines = page_lines(page(*models, pane=pane, trainings=many, curve=CURVE, **places), width, height)
    assert len(lines) <= height
    assert all(len(plain(line)) <= width for line in lines)
    if height > 7:
        assert sum(plain(line).startswith(" > ") for line in lines) == 1
    shown = "".join(plain(line) for line in lines)
    assert min(shown) >= " "
    assert "\u202e" not in shown


@pytest.mark.parametrize("is_plain", [False, True])
def test_a_card_lays_a_version_beside_the_one_in_use(is_plain):
    worse = {"strata": [{"name": "SNR 6 to 10", "n": 400, "value": 0.2, "low": 0.15, "high": 0.25}]}
    card = Card("realbogus", 5, 3, {"digest": "ab", "seed": 7, "metrics": {"auc": 0.9}}, SCORECARD, worse)
    lines = [plain(line) for line in card_lines(card, 110, plain=is_plain)]
    shown = "\n".join(lines)
    assert "version 5               version 3, in use" in shown
    assert "SNR 6 to 10             0.120 (0.100 to 0.150)  0.200 (0.150 to 0.250)" in shown
    assert "too few: 3              not measured" in shown
    assert "Calibration" in shown
    assert "Completeness" in shown
    assert all(len(line) <= 110 for line in lines)
    assert "\x1b" not in shown
    plots = "\n".join(lines[lines.index(" Calibration: share that is real, by what the model said") :])
    assert plots.isascii() is is_plain


def test_a_scorecard_of_another_kind_says_what_it_tells_of():
    rows = [{"name": "point", "n": 900, "value": 0.75, "low": 0.7, "high": 0.8}]
    own = {
        "title": HOSTILE + "Missed at 6.4",
        "strata": rows,
        "tables": [{"title": "Pixels", "rows": rows}, 3],
    }
    lines = [plain(line) for line in card_lines(Card("unet", 2, 1, {}, own, SCORECARD), 110, plain=True)]
    shown = "\n".join(lines)
    assert "Missed at 6.4" in shown
    assert "1 % false positives" not in shown
    pixels = lines[lines.index(" Pixels") :]
    assert pixels[2].startswith("   point                   0.750 (0.700 to 0.800)  not measured")
    assert "\x1b" not in shown


def test_a_card_without_a_scorecard_or_with_a_damaged_one_says_so():
    bare = Card("tree", 1, 0, {"digest": "ab"}, None, None)
    assert "It has no scorecard" in "".join(plain(line) for line in card_lines(bare, 80, plain=False))
    damaged = {"strata": [1, {"n": 2}], "reliability": {"predicted": 3}, "completeness": [None]}
    odd = Card("tree", 1, 1, {}, damaged, None)
    assert "none was measured" in "".join(plain(line) for line in card_lines(odd, 80, plain=False))


def test_a_training_is_told_whole():
    lines = training_sheet(training(parameters={"seed": 3, HOSTILE: HOSTILE}), CURVE, 80, plain=False)
    shown = "\n".join(plain(line) for line in lines)
    for said in ("seed", "not measured", "● loss", "● fnr", "not told yet"):
        assert said in shown
    assert "\x1b" not in shown


def test_a_rate_of_too_few_bogus_is_told_as_such_in_cards_and_trainings():
    metrics = {"fnr_at_1_percent_fpr": 0.125, "held_out_examples": 40.0, "prevalence": 0.5}
    facts = Card("tree", 1, 0, {"metrics": metrics}, None, None)
    sheet = training_sheet(training(metrics=metrics, earlier_s=90.0), CURVE, 80, plain=False)
    for lines in (card_lines(facts, 80, plain=False), sheet):
        shown = "\n".join(plain(line) for line in lines)
        assert "too few to tell (20 bogus)" in shown
        assert "0.125" not in shown
    assert "before that" in shown


def test_a_plot_needs_room_and_numbers():
    assert plot_lines(CURVE, 20, 10, title="t", plain=False) == []
    assert plot_lines(CURVE, 80, 3, title="t", plain=False) == []
    assert plot_lines({"loss": [(float("nan"), 1.0)]}, 80, 10, title="t", plain=False) == []


def test_a_training_is_asked_for_in_words():
    assert command_of("realbogus minutes=10 seed=3") == ("realbogus", ["--minutes", "10", "--seed", "3"])
    assert command_of("realbogus from=shipped")[1] == ["--from", "shipped"]
    for words in (
        "",
        "forest",
        "tree minutes",
        "tree rm=1",
        "tree minutes=",
        "tree minutes=--json",
        "tree '",
    ):
        with pytest.raises(TrainingRefused):
            command_of(words)


def test_metrics_are_told_to_four_digits():
    assert [number(value) for value in (0.123456, 1e-9, 12345.6, None)] == [
        "0.1235", "1e-09", "1.235e+04", "not a number",
    ]  # fmt: skip


def test_what_was_judged_is_counted(store: Store):
    for state in (ReviewState.REAL, ReviewState.BOGUS, ReviewState.BOGUS, ReviewState.SNOOZED):
        add_object(store, review_state=state.value)
    assert judged(store) == Judged(real=1, bogus=2)


def test_a_model_that_came_with_astrid_tells_its_worth_in_the_list():
    worth = shipped_worth("realbogus")
    assert re.fullmatch(r"missed \d+\.\d %, ECE 0\.\d{4}", worth)
    told = shipped_worth("isolation_forest")
    assert re.fullmatch(r"oddest tenth \d+\.\d % bogus", told)
    assert shipped_worth("none") == ""
    lines = page_lines(page(ModelRow("realbogus", 0, None, shipped=worth)), 80, 21)
    listed = [plain(line) for line in lines if worth in plain(line)]
    assert len(listed) == 2  # of the model, and of its version 0
    assert any("on independent simulations" in plain(line) for line in lines)


def test_columns_stand_below_each_other_whatever_script_is_in_them():
    models = [ModelRow(name, 0, None) for name in ("tree", "樹木", "樹木" * 12)]
    trainings = [training(name=name, state=state) for name, state in (("樹", "done"), ("tree", "終了"))]
    shown = page_lines(page(*models, trainings=trainings), 80, 30)
    for mark, count in (("as AstrID came", 3), ("1.5 min", 2)):
        rows = [line for line in map(plain, shown) if mark in line]
        assert len(rows) == count
        assert len({cell_len(row[: row.index(mark)]) for row in rows}) == 1


def test_facts_and_strata_stand_below_each_other_whatever_script_is_in_them():
    rows = [
        {"name": name, "n": 400, "value": 0.12, "low": 0.1, "high": 0.15} for name in ("SNR 6", "明るい星")
    ]
    facts = {"明るさ": "eins", "seed": "zwei"}
    card = Card("tree", 1, 1, facts, {"strata": rows}, None, ())
    shown = [plain(line) for line in card_lines(card, 100, plain=False)]
    for marks in (("eins", "zwei"), ("0.120", "0.120")):
        found = [row for row in shown if any(mark in row for mark in marks)]
        assert len(found) == 2
        starts = {cell_len(row[: min(row.index(mark) for mark in marks if mark in row)]) for row in found}
        assert len(starts) == 1


def test_what_was_not_asked_for_of_a_training_is_no_option():
    (line,) = facts_lines([("options", {"steps": 4000, "minutes": None, "rate": 0.0015})], 80)
    assert plain(line).split() == ["options", "steps", "4000", "rate", "0.0015"]
