"""The few numbers that a card tells first."""

from core.models.worth import in_short, judged_rows, metric_rows, no_gain, stratum_rows, too_few, tuned_rows

MISSED = {"value": 0.103, "low": 0.06, "high": 0.1359}
PART = {
    "real": 30,
    "bogus": 29,
    "missed_at_1_percent_fpr": MISSED,
    "calibration_error": {"value": 0.0069, "low": 0.0046, "high": 0.0117},
}


def test_the_second_generator_is_told_beside_the_own_kind_and_the_gap():
    second = {"simulated": PART, "simulated_and_real_pixels": PART}
    judged = {"second_generator": second, "own_kind": PART, "gap": {"simulated": 0.0265}}
    rows = dict(judged_rows(judged))
    assert rows["judged by, real frames included"] == "30 real, 29 bogus"
    assert rows["missed at 1 % FPR, simulated"] == "10.3 % (6.0 % to 13.6 %)"
    assert rows["calibration error, simulated"] == "0.0069 (0.0046 to 0.0117)"
    assert rows["judged by, own kind of data"] == "30 real, 29 bogus"
    assert rows["gap to own kind, simulated"] == "+2.6 percentage points"
    assert judged_rows(None) == judged_rows({"second_generator": None}) == []


def test_metrics_and_strata_are_few_and_in_words():
    metrics = {"history": [], "fnr_at_1_percent_fpr": 0.0268, "held_out_examples": 17934.0}
    assert metric_rows(metrics) == [("missed at 1 % FPR", "2.7 %"), ("examples that were held out", "17934")]
    assert metric_rows({"odd": 1.5}) == [("odd", "1.5")]
    card = {"strata": [{"name": "SNR 6 to 10", "value": None}, {"name": "kind point", **MISSED}]}
    assert stratum_rows(card)[0] == ("SNR 6 to 10", "too few to tell")
    assert stratum_rows(card, 1) == stratum_rows(card)[:1]


def test_a_rate_of_fewer_bogus_than_make_one_of_it_is_not_told():
    few = {"fnr_at_1_percent_fpr": 0.0, "held_out_examples": 396.0, "prevalence": 0.75}
    assert metric_rows(few)[0] == ("missed at 1 % FPR", "too few to tell (99 bogus)")
    assert in_short(None, few) == "missed at 1 % FPR too few to tell (99 bogus)"
    assert metric_rows(few | {"held_out_examples": 400.0})[0] == ("missed at 1 % FPR", "0.0 %")
    labels = {"labels_fnr_at_10_percent_fpr": 0.5, "labels_held_out_examples": 18.0, "labels_prevalence": 0.5}
    assert metric_rows(labels)[0][1] == "too few to tell (9 bogus)"
    assert too_few(few | labels, "labels_calibration_error") is None
    assert too_few({"fnr_at_1_percent_fpr": 0.0}, "fnr_at_1_percent_fpr") is None  # of how many is not known


def test_of_a_detector_of_the_odd_it_is_told_which_bogus_it_brings_and_which_of_the_real():
    share = {"value": 0.1, "low": 0.05, "high": 0.2}
    odd = {
        "real": 30,
        "bogus": 29,
        "bogus_among_the_oddest": {"value": 0.9, "low": 0.8, "high": 0.95},
        "real_among_the_oddest": {"kind dark": share, "host star": {"value": None}},
    }
    assert judged_rows({"second_generator": {"simulated": odd}}) == [
        ("bogus among the oddest tenth, simulated", "90.0 % (80.0 % to 95.0 %)"),
        ("real kind dark in the oddest 5 %, simulated", "10.0 % (5.0 % to 20.0 %)"),
        ("real host star in the oddest 5 %, simulated", "too few to tell"),
        ("judged by, simulated", "30 real, 29 bogus"),
    ]


def test_of_a_fine_tuning_both_areas_are_told_and_that_it_won_nothing():
    worse = {"auc_before": 0.925, "auc_after": 0.8589}
    assert in_short(None, worse) == "area under ROC 0.8589, 0.925 before"
    assert "no better" in (no_gain(worse) or "")
    assert "area under ROC 0.8589, 0.925 before" in (no_gain(worse) or "")
    assert no_gain(worse | {"auc_after": 0.95}) is None
    assert no_gain(worse | {"auc_after": None}) is no_gain({}) is no_gain(None) is None


def test_what_a_fine_tuning_changed_is_told_with_its_interval():
    changed = {"difference": {"value": -0.066, "low": -0.154, "high": 0.008}}
    judged = {"real": 56, "bogus": 40, "auc": changed, "brier": {"difference": {"value": -0.03, "low": None}}}
    assert tuned_rows({"judged": judged}) == [
        ("area under ROC, change", "-0.066 (-0.154 to 0.008)"),
        ("Brier score, change", "-0.03"),
        ("judged by", "56 real, 40 bogus"),
    ]
    assert tuned_rows(None) == tuned_rows({"judged": {"real": 1, "bogus": 0}}) == []
