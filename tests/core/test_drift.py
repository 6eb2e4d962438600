"""Drift: what changes is found, what nights differ by anyway is not, and what people decide is compared."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sqlmodel import select

from core.database.tables import Candidate, SkyObject, Verdict
from core.models import versions
from core.models.distributions import adjusted, compare, effective, kolmogorov, ks_distance, psi
from core.models.drift import RANKED, calibrated, compared, drift
from core.models.drift_rows import Judged, Sample
from core.models.retraining import retraining
from core.settings_sections import DriftSettings, ReviewSettings
from tests.core.nights import add_nights

DIGEST = "a" * 64
LIMITS = DriftSettings(nights=3, reference_nights=5)
RULE = ReviewSettings(experts=("ada",))


def measured(store, limits=LIMITS, digest=DIGEST):
    return drift(store, {"realbogus": digest}, limits, RULE)


def test_distance_and_chance_are_those_of_the_statisticians():
    random = np.random.default_rng(1)
    first, second = random.normal(size=400), random.normal(0.2, 1.0, 300)
    said = stats.ks_2samp(first, second)
    assert ks_distance(first, second) == pytest.approx(said.statistic)
    assert kolmogorov(said.statistic, 400 * 300 / 700) == pytest.approx(said.pvalue, rel=0.1)
    p = random.random(20) ** 3
    np.testing.assert_allclose(adjusted(p.tolist()), stats.false_discovery_control(p))
    assert adjusted([]) == []


def test_the_stability_index_of_shares_is_as_it_is_defined():
    first = np.repeat(np.arange(10.0), 10)
    second = np.concatenate([np.repeat(0.0, 55), np.repeat(np.arange(1.0, 10.0), 5)])
    assert psi(first, second) == pytest.approx(0.45 * np.log(5.5) + 9 * -0.05 * np.log(0.5))
    assert psi(first, first) == 0.0


@pytest.mark.parametrize(("differ", "least", "most"), [(0.0, 2000, 4000), (10.0, 13, 16), (0.5, 40, 120)])
def test_values_of_one_night_count_as_often_as_they_differ(differ, least, most):
    random = np.random.default_rng(2)
    night = np.repeat(np.arange(13), 300)
    values = random.normal(differ * random.normal(size=13)[night], 1.0)
    now = night >= 10
    assert least < sum(effective(values[~now], values[now], night[~now], night[now])) < most


@pytest.mark.parametrize("differ", [0.0, 0.3, 2.0])
def test_nights_that_differ_as_nights_do_are_no_drift(differ):
    random = np.random.default_rng(3)
    night = np.repeat(np.arange(13), 100)
    now = night >= 10
    p = []
    for _ in range(100):
        values = random.normal(differ * random.normal(size=13)[night], 1.0)
        p.append(compare(values[~now], values[now], night[~now], night[now]).p)
    assert np.mean(np.array(p) < 0.05) <= 0.1


def test_steady_nights_are_steady(store):
    add_nights(store, 8)
    found = measured(store)
    assert (found.state, found.reference_nights, found.recent_nights, found.advice) == ("steady", 5, 3, ())
    assert {each.name for each in found.quantities} == {"realbogus", "elongation", "|snr|"}
    assert not any(each.is_drift for each in found.quantities)
    assert found.quantities[0].stratum == "camera r"
    json.dumps(found.record(), allow_nan=False)


def test_what_changed_is_told_and_what_did_not_is_not(store):
    add_nights(store, 5)
    add_nights(store, 3, first=5, shift=1.5)
    found = measured(store)
    assert found.state == "drift"
    assert {each.name for each in found.quantities if each.is_drift} == {"realbogus", "elongation"}
    by_name = {each.name: each for each in found.quantities}
    assert by_name["realbogus"].now - by_name["realbogus"].before == pytest.approx(1.5, abs=0.7)
    assert "realbogus" in found.advice[0]


def test_what_surveys_measure_besides_hides_nothing_of_what_frames_tell(sqlite_store):
    add_nights(sqlite_store, 8)
    with sqlite_store.write() as db:
        for number, row in enumerate(db.exec(select(Candidate)).all()):
            some = range(100) if number % 2 else range(200, 280)
            row.features = row.features | {f"atlas:{name}": 1.0 + number for name in some}
            db.add(row)
    assert {"|snr|", "elongation"} <= {each.name for each in measured(sqlite_store).quantities}


def test_scores_of_another_version_are_not_compared(sqlite_store):
    add_nights(sqlite_store, 5, scored_by="realbogus bbbbbbbbbbbb")
    add_nights(sqlite_store, 3, first=5, shift=1.5)
    found = measured(sqlite_store)
    assert {each.name for each in found.quantities} == {"elongation", "|snr|"}
    assert "camera" in found.advice[0]


def test_nights_before_a_promotion_are_no_reference(sqlite_store, monkeypatch):
    add_nights(sqlite_store, 8)
    made = versions.add(
        sqlite_store, name="realbogus", digest=DIGEST, origin="training", created_by="ada", description={}
    )
    monkeypatch.setattr(versions.time, "time", lambda: (60004.0 - 40587.0) * 86400.0)
    versions.promote(sqlite_store, "realbogus", made.number, by="ada")
    found = measured(sqlite_store)
    assert found.state == "too little"
    assert "5 nights" in found.advice[0]
    assert "there are 4 since the last promotion" in found.advice[0]
    assert measured(sqlite_store, DriftSettings(nights=2)).reference_nights == 2


def test_a_change_is_one_that_is_large_and_no_chance():
    """Of very many candidates even a small change is no chance, and it is no drift for that."""

    def told(shift, n, limits):
        random = np.random.default_rng(6)
        nights_of = [np.arange(first, last).repeat(n) for first, last in ((0, 5), (5, 8))]
        before, now = (
            Sample(
                np.full(len(mjd), "camera r"), mjd + 0.5,
                {"tree": random.normal(shift if mjd[0] else 0.0, 1.0, len(mjd))}, {}, len(mjd),
            )
            for mjd in nights_of
        )  # fmt: skip
        (found,) = compared(before, now, np.arange(8.0), limits)
        return found.p_adjusted < 0.01, found.psi >= 0.2, found.is_drift

    assert told(0.2, 1000, LIMITS) == (True, False, False)
    assert told(0.6, 1000, LIMITS) == (True, True, True)
    assert told(0.6, 1000, LIMITS.model_copy(update={"p": 1e-300})) == (True, True, False)


def test_many_candidates_are_sampled_evenly(sqlite_store, monkeypatch):
    from core.models import drift_rows
    from core.objects.tracklets import nights

    add_nights(sqlite_store, 6)
    spans = nights(sqlite_store)
    whole = type(spans[0])(spans[0].first, spans[-1].last)
    monkeypatch.setattr(drift_rows, "PAGE", 50)
    some = drift_rows.sample(sqlite_store, whole, {"realbogus": DIGEST}, most=120)
    assert (some.total, len(some)) == (360, 120)
    assert np.unique(some.mjd, return_counts=True)[1].tolist() == [20] * 6


def test_a_model_that_people_agree_with_less_than_before_is_told(store):
    add_nights(store, 5, decided=20)
    add_nights(store, 3, first=5, decided=40, wrong=0.5)
    found = measured(store)
    assert found.state == "drift"
    assert not any(each.is_drift for each in found.quantities)
    worse = found.calibrations[0]
    assert (worse.model, worse.stratum, worse.n_before, worse.n_now) == ("realbogus", "all", 100, 120)
    assert worse.change.low > 0
    assert worse.brier_before.value < 0.15 < worse.brier_now.low
    assert worse.ece_now.low > 0.1
    assert "further from what people decide" in found.advice[0]


def judged(random, n, *, slope=1.0):
    """Decisions on candidates of six bands; the log-odds of four models are too sure by the slope."""
    log_odds = random.normal(0.0, 2.0, n)
    real = random.random(n) < 1.0 / (1.0 + np.exp(-log_odds))
    scores = {name: slope * log_odds + random.normal(0.0, 0.3, n) for name in RANKED}
    return Judged(np.array([f"camera {'ugrizy'[i % 6]}" for i in range(n)]), np.arange(n), real, scores)


def test_scores_at_even_odds_are_as_they_are_defined():
    random = np.random.default_rng(4)
    rows = judged(random, 200, slope=1.5)
    found = calibrated(rows, rows, ["realbogus"], LIMITS)[0]
    said = 1.0 / (1.0 + np.exp(-rows.scores["realbogus"]))
    halves = (said[rows.real], said[~rows.real])
    assert found.brier_now.value == pytest.approx(
        (((halves[0] - 1) ** 2).mean() + (halves[1] ** 2).mean()) / 2
    )
    weight = np.where(rows.real, 0.5 / len(halves[0]), 0.5 / len(halves[1]))
    bins = np.array_split(np.argsort(said), 10)
    ece = sum(abs(weight[each] @ (said[each] - rows.real[each])) for each in bins)
    assert found.ece_now.value == pytest.approx(ece)
    for each in (found.brier_now, found.ece_now):
        assert each.low < each.value * 1.2
        assert each.value < each.high < 2 * each.value
    assert found.change.value == 0.0
    assert found.change.low < 0.0 < found.change.high


def test_what_a_model_says_alike_of_many_is_held_against_all_of_them_whatever_their_order():
    real = np.arange(200) < 100  # all real came first
    rows = Judged(np.full(200, "camera r"), np.arange(200), real, {"tree": np.zeros(200)})
    (found, *_) = calibrated(rows, rows, ["tree"], LIMITS)
    assert found.ece_now.value == pytest.approx(0.0)
    assert found.brier_now.value == pytest.approx(0.25)


@pytest.mark.parametrize("slope", [0.6, 1.3])
def test_intervals_and_chances_are_those_of_independent_decisions(slope, monkeypatch):
    """Half the mean over the real and half that over the bogus: its error is that of two means."""
    monkeypatch.setattr("core.models.drift.ROUNDS", 4000)
    random = np.random.default_rng(8)
    before, now = judged(random, 900), judged(random, 700, slope=slope)
    before, now = (replace(each, stratum=np.full(len(each), "camera r")) for each in (before, now))
    found = calibrated(before, now, ["realbogus"], LIMITS)[0]
    values, errors = zip(*(brier_and_error(each) for each in (before, now)), strict=True)
    change, error = values[1] - values[0], math.hypot(*errors)
    for told, value, sigma in (
        (found.brier_before, values[0], errors[0]),
        (found.brier_now, values[1], errors[1]),
        (found.change, change, error),
    ):
        assert told.value == pytest.approx(value)
        assert (told.high - value) / sigma == pytest.approx(1.96, abs=0.15)
        assert (value - told.low) / sigma == pytest.approx(1.96, abs=0.15)
    assert abs(change) > 0.5 * error
    assert found.p_adjusted == pytest.approx(stats.norm.sf(change / error), abs=0.015)


def brier_and_error(rows):
    said = 1.0 / (1.0 + np.exp(-rows.scores["realbogus"]))
    halves = [(said[which] - rows.real[which]) ** 2 for which in (rows.real, ~rows.real)]
    error = 0.5 * math.sqrt(sum(each.var() / len(each) for each in halves))
    return 0.5 * sum(each.mean() for each in halves), error


def test_of_many_models_and_bands_that_are_as_good_as_they_were_none_is_told(monkeypatch):
    monkeypatch.setattr("core.models.drift.ROUNDS", 100)
    random = np.random.default_rng(5)
    trials = [calibrated(judged(random, 360), judged(random, 330), list(RANKED), LIMITS) for _ in range(16)]
    assert sum(any(each.change.low > 0.0 for each in trial) for trial in trials) >= 4  # each by itself
    assert sum(any(each.is_drift for each in trial) for trial in trials) <= 1
    worse = calibrated(judged(random, 360), judged(random, 330, slope=-1.0), list(RANKED), LIMITS)
    assert all(each.is_drift for each in worse if each.stratum == "all")


def test_more_real_among_what_is_decided_is_no_drift_of_a_model_that_is_right(monkeypatch):
    monkeypatch.setattr("core.models.drift.ROUNDS", 200)
    random = np.random.default_rng(6)

    def decided(n, share):
        real = random.random(n) < share
        log_odds = 2.0 * (random.normal(size=n) + 2.0 * real) - 2.0  # exact at even odds
        return Judged(np.full(n, "camera r"), np.arange(n), real, {"realbogus": log_odds})

    trials = [calibrated(decided(1500, 0.1), decided(1500, 0.6), ["realbogus"], LIMITS) for _ in range(8)]
    assert not any(each.is_drift for trial in trials for each in trial)
    assert all(each.ece_now.value < 0.05 for trial in trials for each in trial)
    assert calibrated(decided(1500, 0.1), decided(100, 0.98), ["realbogus"], LIMITS) == ()  # too few bogus
    since = calibrated(decided(100, 0.98), decided(1500, 0.1), ["realbogus"], LIMITS)
    assert {(each.change, each.is_drift) for each in since} == {(None, False)}  # nothing to compare with


def test_decisions_that_were_not_learnt_of_are_counted(sqlite_store):
    add_nights(sqlite_store, 8, decided=10)
    found = measured(sqlite_store, LIMITS.model_copy(update={"decisions": 80}))
    assert found.state == "steady"
    assert "80 decisions" in found.advice[0]
    assert "--from shipped" in found.advice[0]
    assert found.calibrations == ()  # of 50


def test_an_empty_store_has_too_little(store):
    assert measured(store).state == "too little"


def test_a_training_is_due_by_drift_or_by_decisions_that_no_version_learnt_of(sqlite_store, monkeypatch):
    def due(decisions):
        limits = LIMITS.model_copy(update={"decisions": decisions})
        return retraining(sqlite_store, {"realbogus": DIGEST}, limits, RULE)

    add_nights(sqlite_store, 5, decided=4)
    add_nights(sqlite_store, 3, first=5, decided=4)
    assert (due(33).is_due, due(32).is_due) == (False, True)
    assert due(33).reason == "no drift of its scores, and 32 agreed decisions of 33 needed were made so far"
    add_nights(sqlite_store, 3, first=8, shift=1.5)
    assert due(320).is_due
    assert due(330).reason == "there is drift, and 32 agreed decisions of 33 needed were made so far"
    # The last decisions were made 1007 s after 1970: a version of that day has learnt of all but four.
    monkeypatch.setattr(versions.time, "time", lambda: 1006.5)
    versions.add(
        sqlite_store, name="realbogus", digest="b" * 64, origin="training", created_by="ada", description={}
    )
    found = due(41)
    assert (found.start, found.decisions, found.is_due) == (0, 4, True)
    assert not due(50).is_due
    assert "since version 1 was made" in found.reason


def test_only_what_a_training_would_learn_from_makes_it_due(sqlite_store, monkeypatch):
    """Injected and unsettled decisions teach nothing, nor do those without cutouts; imports learn nothing."""
    limits = LIMITS.model_copy(update={"decisions": 30})
    votes = ReviewSettings(votes=2)

    def due(review=RULE):
        return retraining(sqlite_store, {"realbogus": DIGEST}, limits, review)

    add_nights(sqlite_store, 2, decided=30)
    add_nights(sqlite_store, 1, first=2, decided=30, cutouts=False)
    assert (due().decisions, due().is_due) == (60, True)
    assert (due(votes).decisions, due(votes).is_due) == (0, False)  # one vote each, where two are asked for
    with sqlite_store.write() as db:
        objects = db.exec(select(SkyObject).join(Verdict, Verdict.sky_object_id == SkyObject.id)).all()
        for row in objects[:35]:
            row.injected = True
            db.add(row)
    found = due()
    assert (found.decisions, found.is_due) == (25, False)
    assert found.reason == "no drift of its scores, and 25 agreed decisions of 30 needed were made so far"
    monkeypatch.setattr(versions.time, "time", lambda: 5000.0)
    made = {"name": "realbogus", "created_by": "ada"}
    versions.add(sqlite_store, digest="c" * 64, origin="import", description={}, **made)
    unlabelled = {"trained": {"labelled": 0}}
    versions.add(sqlite_store, digest="d" * 64, origin="training", description=unlabelled, **made)
    assert due().decisions == 25
    versions.add(sqlite_store, digest="e" * 64, origin="training", description={}, **made)
    assert due().decisions == 0


def test_with_objects_of_one_kind_alone_no_training_is_due(sqlite_store):
    add_nights(sqlite_store, 2, decided=30)
    with sqlite_store.write() as db:
        for row in db.exec(select(Verdict)).all():
            row.label = "real"
            db.add(row)
    limits = LIMITS.model_copy(update={"decisions": 50})
    found = retraining(sqlite_store, {"realbogus": DIGEST}, limits, RULE)
    assert not found.is_due
    assert found.reason.endswith("but on 60 real and 0 bogus objects; 8 of each are needed to learn from")
    assert not any("train" in each for each in found.drift.advice)
