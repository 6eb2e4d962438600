"""Scorecards tell the truth where it is known: perfect, constant and random scores, Gaussians, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pipeline.training import measures, resample
from pipeline.training.scorecard import calibrated, paired, scorecard
from pipeline.training.scorecard_text import lines, percent
from pipeline.training.strata import CLEAR_NAME, CLEAR_OF


def examples(n=3000, share=0.25, shift=2.0, seed=0, per_group=1):
    """Scores of two unit Gaussians, `shift` apart, and columns."""
    rng = np.random.default_rng(seed)
    real = rng.random(n) < share
    score = rng.normal(size=n) + shift * real
    group = np.arange(n) // per_group
    return {
        "label": real.astype(np.int8),
        "group": group.astype(str),
        "night": (np.arange(n) % 4).astype(str),
        "snr_true": np.where(real, np.exp(rng.uniform(1, 4, n)), np.nan),
        "snr": np.exp(rng.uniform(1.7, 4, n)),
        "host": np.where(real, rng.choice(["none", "galaxy", "star"], n), "none"),
        "kind": np.where(real, "point", "residual"),
        "mag": rng.uniform(18, 22, n),
    }, score


def log_odds(score, shift=2.0):
    """The true ones of `examples`, at even odds."""
    return shift * score - shift**2 / 2


def test_two_gaussians_give_what_theory_says():
    columns, score = examples(n=100_000)
    rank = measures.ranking(columns["label"] == 1, score)
    for fpr in (0.1, 0.01, 0.001):
        expected = norm.cdf(norm.isf(fpr) - 2.0)
        assert measures.fnr_at_fpr(rank, fpr) == pytest.approx(expected, abs=0.02)
    assert measures.fpr_at_fnr(rank, 0.01) == pytest.approx(norm.sf(2.0 + norm.ppf(0.01)), abs=0.02)
    assert measures.auc(rank) == pytest.approx(norm.cdf(2.0 / math.sqrt(2.0)), abs=0.003)
    assert measures.threshold_at_fpr(rank, 0.01) == pytest.approx(norm.isf(0.01), abs=0.03)
    tp, fp, p, n = measures.kept_at(rank, 1.0)
    assert (tp / p, fp / n) == pytest.approx((norm.sf(-1.0), norm.sf(1.0)), abs=0.01)


def test_perfect_scores_miss_nothing_and_constant_ones_tell_nothing():
    columns, _ = examples(400)
    real = columns["label"] == 1
    perfect = measures.ranking(real, np.where(real, 5.0, -5.0))
    assert measures.fnr_at_fpr(perfect, 0.01) == 0.0
    assert measures.fpr_at_fnr(perfect, 0.01) == 0.0
    assert measures.auc(perfect) == measures.average_precision(perfect) == measures.mcc(perfect, 0.0) == 1.0
    constant = measures.ranking(real, np.zeros(400))
    assert measures.fnr_at_fpr(constant, 0.01) == measures.fpr_at_fnr(constant, 0.01) == 1.0
    assert measures.auc(constant) == 0.5
    assert measures.average_precision(constant) == pytest.approx(real.mean())
    assert measures.mcc(constant, 0.0) == measures.mcc(constant, 1.0) == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40), st.floats(0.0, 1.0))
def test_a_threshold_keeps_no_more_bogus_than_it_says_and_none_lower_does(rows, fpr):
    real, score = (np.array(column) for column in zip(*rows, strict=True))
    rank = measures.ranking(real, score.astype(float))
    threshold = measures.threshold_at_fpr(rank, fpr)
    if (~real).any():
        assert np.mean(score[~real] >= threshold) <= fpr + 1e-9
        lower = score[score < threshold]
        assert len(lower) == 0 or np.mean(score[~real] >= lower.max()) > fpr
        if real.any():
            assert measures.fnr_at_fpr(rank, fpr) == pytest.approx(np.mean(score[real] < threshold))
            by_hand = np.mean([(a > b) + 0.5 * (a == b) for a in score[real] for b in score[~real]])
            assert measures.auc(rank) == pytest.approx(by_hand)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-2, 2), st.integers(0, 3)), min_size=3, max_size=30))
def test_weights_are_the_same_as_copies(rows):
    real, score, often = (np.array(column) for column in zip(*rows, strict=True))
    rank = measures.ranking(real, score.astype(float))
    copies = measures.ranking(np.repeat(real, often), np.repeat(score, often).astype(float))
    for measure in (
        lambda r, w: measures.fnr_at_fpr(r, 0.3, w),
        lambda r, w: measures.fpr_at_fnr(r, 0.3, w),
        measures.auc,
        lambda r, w: measures.mcc(r, 0.0, w),
        lambda r, w: measures.fnr_at_count(r, 4, w),
    ):
        np.testing.assert_allclose(measure(rank, often.astype(float)), measure(copies, None))


def test_recall_at_rank_counts_the_highest_of_each_night_and_equal_scores_against_it():
    real = np.array([True, False, True, True, False, True])
    score = np.array([3.0, 2.0, 1.0, 5.0, 5.0, 4.0])
    night = np.array(["a", "a", "a", "b", "b", "b"])
    place = measures.places(real, score, night)
    assert measures.recall_at_rank(real, place, 1) == pytest.approx(1 / 4)  # b's tie is lost
    assert measures.recall_at_rank(real, place, 2) == pytest.approx(2 / 4)
    assert measures.recall_at_rank(real, place, 3) == 1.0


def test_true_log_odds_are_calibrated_and_doubled_ones_are_not():
    columns, score = examples(40_000)
    real = columns["label"] == 1
    weights = resample.draws(columns["group"], 50, 1)
    good = calibrated(real, log_odds(score), weights)
    assert good.ece.value < 0.01
    assert good.better_than_constant.low > 0.05
    assert sum(each.n for each in good.bins) == len(real)
    assert np.ptp([each.n for each in good.bins]) <= 1
    for each in good.bins:
        assert each.said == pytest.approx(each.real, abs=4 * math.sqrt(0.25 / each.n))
    proud = calibrated(real, 3.0 * log_odds(score), weights)
    assert proud.ece.low > 0.02
    assert proud.brier.value > good.brier.value
    none = calibrated(real, np.zeros(len(real)), weights)
    assert none.brier.value == pytest.approx(none.brier_constant)
    assert len(none.bins) == 1


@pytest.mark.parametrize("share", [0.02, 0.1, 0.9])
def test_true_log_odds_are_calibrated_whatever_share_is_real(share):
    """They are stated at even odds: held against another share as they are, they would all be wrong."""
    columns, score = examples(40_000, share=share)
    real = columns["label"] == 1
    weights = resample.draws(columns["group"], 30, 1)
    good = calibrated(real, log_odds(score), weights)
    assert good.ece.value < 0.01
    assert good.better_than_constant.low > 0.0
    assert [each.said for each in good.bins] == pytest.approx([each.real for each in good.bins], abs=0.04)
    as_stated = calibrated(real, log_odds(score), weights, stated_at=0.5)
    assert as_stated.ece.value > 0.1
    card = scorecard("x", columns, log_odds(score), rounds=30)
    assert card.calibration.ece.value == good.ece.value


def test_precision_is_that_of_the_nights_prevalence():
    columns, score = examples(30_000)
    card = scorecard("x", columns, score, is_probability=False, prevalences=(0.001,), rounds=20)
    tpr = norm.sf(norm.isf(0.01) - 2.0)
    assert card.precision[0.001].value == pytest.approx(0.001 * tpr / (0.001 * tpr + 0.999 * 0.01), rel=0.1)
    assert card.precision[card.prevalence].value > 0.9


def test_intervals_hold_the_truth_as_often_as_they_say_when_groups_are_drawn_together():
    truth = norm.cdf(norm.isf(0.1) - 1.5)
    inside, alone = 0, 0
    rounds = 60
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        groups, each = 80, 10
        real = np.repeat(rng.random(groups) < 0.5, each)
        # What a group shares is most of a score's spread.
        score = np.sqrt(0.9) * np.repeat(rng.normal(size=groups), each) + np.sqrt(0.1) * rng.normal(
            size=groups * each
        )
        rank = measures.ranking(real, score + 1.5 * real)
        together = np.repeat(np.arange(groups), each)
        for by, what in ((together, "together"), (np.arange(len(real)), "alone")):
            found = resample.estimate(
                lambda w, rank=rank: measures.fnr_at_fpr(rank, 0.1, w), resample.draws(by, 150, seed), 100
            )
            hit = found.low <= truth <= found.high
            inside += hit and what == "together"
            alone += hit and what == "alone"
    assert inside / rounds >= 0.83
    assert alone / rounds < 0.7


@pytest.mark.parametrize(("groups", "interval"), [(2, False), (5, False), (6, True)])
def test_few_groups_give_a_number_and_no_interval(groups, interval):
    """Between two nights a bootstrap knows three outcomes: what it gives is far too narrow."""
    columns, score = examples(3000)
    columns["night"] = np.array([f"night {i % groups}" for i in range(len(score))])
    card = scorecard("x", columns, score, drawn_by="night", rounds=40)
    missed = [card.fnr_at_fpr[0.01], card.auc, card.calibration.ece, card.calibration.better_than_constant]
    missed += [stratum.missed for stratum in card.strata if 0 < (stratum.missed.value or 0) < 1]
    assert len(missed) > 4
    for each in (*missed, paired(columns, score, -score, drawn_by="night", rounds=40)):
        assert each.value is not None
        assert (each.low is not None) == interval
        assert each.note == ("" if interval else f"no interval: {groups} groups")
    told = percent(missed[0])
    assert ("no interval: " in told) != interval


def test_what_has_no_name_is_drawn_by_itself_and_told():
    columns, score = examples(3000)
    by_rows = scorecard("x", columns, score, rounds=40)
    columns["group"] = np.full(len(score), "")
    card = scorecard("x", columns, score, rounds=40)
    width = by_rows.auc.high - by_rows.auc.low
    assert card.auc.high - card.auc.low == pytest.approx(width, rel=0.6)
    assert "3000 examples are of no named group: each is drawn by itself" in card.notes
    assert not any("no named" in note for note in by_rows.notes)
    assert paired(columns, score, -score, rounds=40).low is not None


def test_a_share_of_none_has_an_exact_interval_however_few_the_groups():
    found = resample.of_draws(0.0, np.zeros(100), 400, groups=2)
    assert (found.low, found.high) == (0.0, pytest.approx(1.0 - 0.025**0.5))


def test_a_paired_difference_sees_what_two_intervals_hide():
    columns, score = examples(3000, seed=3)
    rng = np.random.default_rng(9)
    worse = score + 0.4 * rng.normal(size=len(score))
    options = {"rounds": 150, "fpr": 0.05}
    same = paired(columns, score, score, **options)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    difference = paired(columns, score, worse, **options)
    assert difference.low > 0.0
    backwards = paired(columns, worse, score, **options)
    assert backwards.value == pytest.approx(-difference.value)
    strong = paired(columns, score, worse, only=columns["snr_true"] > 20, **options)
    assert 0 < strong.n < difference.n


def test_small_strata_say_so_and_rare_rates_are_not_told():
    columns, score = examples(500, share=0.5)
    columns["kind"][:7] = "ghost"
    columns["label"][:7] = 0
    card = scorecard("x", columns, score, rounds=40)
    ghost = next(each for each in card.strata if each.name == "ghost")
    assert ghost.kept.value is None
    assert "only 7 bogus" in ghost.kept.note
    assert card.fnr_at_fpr[0.01].value is not None
    assert card.fnr_at_fpr[0.001].value is None
    assert "1000 are needed" in card.fnr_at_fpr[0.001].note
    clear = next(each for each in card.strata if (each.of, each.name) == (CLEAR_OF, CLEAR_NAME))
    which = (columns["label"] == 1) & (columns["snr_true"] >= 10) & (columns["host"] != "star")
    assert clear.missed.n == np.count_nonzero(which)
    assert clear.missed.value == pytest.approx(np.mean(score[which] < card.threshold))
    assert clear.missed.low <= clear.missed.value <= clear.missed.high


def test_with_few_bogus_nothing_at_a_rate_of_bogus_is_told():
    columns, score = examples(600, share=0.9)
    card = scorecard("x", columns, score, rounds=30)
    assert card.n_bogus < 100
    assert card.fnr_at_fpr[0.01].value is card.mcc.value is card.precision[card.prevalence].value is None
    assert card.strata == ()
    assert any("no strata: only" in note for note in card.notes)
    assert not any("at the threshold" in line for line in lines(card))
    assert paired(columns, score, -score, rounds=30).value is None
    assert card.auc.value == pytest.approx(norm.cdf(2.0 / math.sqrt(2.0)), abs=0.06)


def test_what_judges_nothing_is_refused():
    columns, score = examples(100)
    with pytest.raises(ValueError, match="no numbers"):
        scorecard("x", columns, np.where(score > 2, np.nan, score))
    columns["label"][:] = 1
    with pytest.raises(ValueError, match="judge nothing"):
        scorecard("x", columns, score)


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.1194), (1.0, 0.8806, 1.0)])
def test_none_of_a_few_is_no_certainty(value: float, low: float, high: float) -> None:
    """By Clopper and Pearson: of 29, none missed says that up to 12 % may be."""
    told = resample.of_draws(value, np.full(500, value), 29)
    assert (told.low, told.high) == pytest.approx((low, high), abs=1e-4)
    same = resample.difference(lambda _: value, lambda _: value, np.ones((500, 29)), 29, groups=29)
    assert (same.low, same.high) == (0.0, 0.0)


@pytest.mark.parametrize(("objects", "high"), [(2, 0.8419), (40, 0.0881)])
def test_detections_of_one_object_say_as_much_as_one(objects: int, high: float) -> None:
    """None is missed of 200 detections: by Clopper and Pearson, of so many objects."""
    group = np.concatenate([np.arange(200) % objects, 1000 + np.arange(300)])
    label = (np.arange(500) < 200).astype(np.int8)
    columns = {"label": label, "group": group, "snr": np.full(500, 30.0), "kind": np.full(500, "point")}
    card = scorecard("x", columns, np.where(label == 1, 5.0, -5.0), rounds=50)
    missed = card.fnr_at_fpr[0.01]
    assert (missed.value, missed.low, missed.high) == pytest.approx((0.0, 0.0, high), abs=1e-3)
    kinds = next(each for each in card.strata if each.of == "kind")
    assert kinds.missed.high == pytest.approx(high, abs=1e-3)
    assert card.auc.low == pytest.approx(1.0 - high, abs=1e-3)


def test_host_offsets_make_strata_of_known_truth_without_stars_that_vary():
    """Half of what is at a core is missed, nothing beyond it; a star that varies is its own core."""
    columns, _ = examples(4000)
    real = columns["label"] == 1
    rng = np.random.default_rng(4)
    offset = np.where(rng.random(4000) < 0.8, rng.choice([0.2, 1.0, 9.0], 4000), np.nan)
    star = columns["host"] == "star"
    offset[star] = 0.0
    at_core = real & (offset < 0.5) & ~star
    lost = at_core & (np.arange(4000) % 2 == 0)
    score = np.where(real & ~lost, 5.0, -5.0) + rng.normal(size=4000) * 0.1
    card = scorecard("x", columns | {"host_offset": offset}, score, rounds=20)
    found = {each.name: each for each in card.strata if each.of == "host offset"}
    assert list(found) == ["core: 0 to 0.5 FWHM", "0.5 to 2 FWHM", "2 FWHM and more"]
    for each, (low, high) in zip(found.values(), ((0.0, 0.5), (0.5, 2.0), (2.0, np.inf)), strict=True):
        inside = (offset >= low) & (offset < high) & ~star
        assert each.missed.n == np.count_nonzero(inside & real)
        assert each.kept.n == np.count_nonzero(inside & ~real)
        assert each.missed.value == pytest.approx(lost[inside & real].mean(), abs=0.01)
    assert found["core: 0 to 0.5 FWHM"].missed.value == pytest.approx(0.5, abs=0.06)
    assert found["2 FWHM and more"].missed.value == 0.0


def test_where_no_offset_is_known_there_are_no_strata_of_it():
    columns, score = examples()
    card = scorecard("x", columns | {"host_offset": np.full(3000, np.nan)}, score, rounds=20)
    assert not [each for each in card.strata if each.of == "host offset"]
    assert card.strata == scorecard("x", columns, score, rounds=20).strata
