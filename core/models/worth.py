"""What is known of a model's worth, in the few numbers that a person asks for first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HELD_OUT = "held_out_examples"  # on which the others rest
# Of the metrics that trainings keep, those that a person asks for first.
METRICS = {
    "fnr_at_1_percent_fpr": "missed at 1 % FPR",
    "fnr_at_1_percent_fpr_snr_10": "missed at 1 % FPR, SNR 10 and more",
    "calibration_error": "calibration error",
    "bogus_among_the_oddest": "bogus among the oddest tenth",
    "auc_before": "area under ROC before",
    "auc_after": "area under ROC after",
    "iou_point": "overlap with point sources",
    "iou_streak": "overlap with streaks",
    "labels_fnr_at_10_percent_fpr": "missed of labels at 10 % FPR",
    "labels_calibration_error": "calibration error of labels",
    "labels_auc": "area under ROC of labels",
    HELD_OUT: "examples that were held out",
}
# A share of the bogus tells nothing of fewer than make one of it.
LEAST_BOGUS = {
    "fnr_at_1_percent_fpr": 100,
    "fnr_at_1_percent_fpr_snr_10": 100,
    "fnr_at_10_percent_fpr": 10,
    "labels_fnr_at_10_percent_fpr": 10,
}
SHARES = ("missed", "bogus among", "real ")  # told in percent
PARTS = {"simulated": "simulated", "simulated_and_real_pixels": "real frames included"}
NUMBERS = {
    "missed_at_1_percent_fpr": "missed at 1 % FPR",
    "missed_off_stars_snr_10": "missed off stars, SNR 10 and more",
    "calibration_error": "calibration error",
    "bogus_among_the_oddest": "bogus among the oddest tenth",
}
REAL_AMONG = "real_among_the_oddest"  # of a detector of the odd, by kind and by host

MOST_IN_A_LINE = 3

Rows = list[tuple[str, str]]


def metric_rows(metrics: object) -> Rows:
    """Of what a training measured on data of its own kind, the first to ask for; all where none is known."""
    found = metrics if isinstance(metrics, Mapping) else {}
    known = [
        (METRICS[name], too_few(found, name) or _told(METRICS[name], found[name]))
        for name in METRICS
        if name in found
    ]
    return known or [(str(name), _number(value)) for name, value in list(found.items())[:5]]


def too_few(metrics: Mapping[str, Any], name: str) -> str | None:
    """What is told instead of a metric that rests on too few bogus; none where they are enough."""
    which = "labels_" if name.startswith("labels_") else ""
    count, share = metrics.get(f"{which}{HELD_OUT}"), metrics.get(f"{which}prevalence")
    if name not in LEAST_BOGUS or not isinstance(count, int | float) or not isinstance(share, int | float):
        return None
    bogus = count * (1.0 - share)
    return f"too few to tell ({bogus:.0f} bogus)" if round(bogus) < LEAST_BOGUS[name] else None


def in_a_line(metrics: object) -> str:
    """The first of them for a list."""
    return ", ".join(f"{label} {value}" for label, value in metric_rows(metrics)[:MOST_IN_A_LINE])


def judged_rows(judged: object) -> Rows:
    """What the second generator says, beside the training's own kind of data; empty where it says nothing."""
    if not isinstance(judged, Mapping):
        return []
    rows: Rows = []
    second = _mapping(judged.get("second_generator"))
    for part, words in PARTS.items():
        rows += _numbers(_mapping(second.get(part)), words)
    rows += _numbers(_mapping(judged.get("own_kind")), "own kind of data")
    for part, value in _mapping(judged.get("gap")).items():
        if isinstance(value, int | float):
            rows.append(
                (f"gap to own kind, {PARTS.get(part, part)}", f"{100 * value:+.1f} percentage points")
            )
    return rows


def in_short(judged: object, metrics: object) -> str:
    """What a list has room for: by the second generator, else the first metric of the training's own data."""
    second = _mapping(_mapping(_mapping(judged).get("second_generator")).get("simulated"))
    missed, error = (
        _mapping(second.get(name)).get("value") for name in ("missed_at_1_percent_fpr", "calibration_error")
    )
    if isinstance(missed, int | float) and isinstance(error, int | float):
        return f"missed {100 * missed:.1f} %, ECE {error:.4f}"
    tuned = _tuned(metrics)
    if tuned is not None:
        return f"area under ROC {_number(tuned[1])}, {_number(tuned[0])} before"
    name, value = next(iter(metric_rows(metrics)), ("", ""))
    if name == METRICS["bogus_among_the_oddest"]:
        return f"oddest tenth {value} bogus"
    return f"{name} {value}".strip()


def tuned_rows(tuned: object) -> Rows:
    """What a fine-tuning changed, each with its interval where one can be told; empty of another training."""
    judged = _mapping(_mapping(tuned).get("judged"))
    changes = [
        (label, _mapping(_mapping(judged.get(name)).get("difference")))
        for name, label in (("auc", "area under ROC"), ("brier", "Brier score"))
    ]
    rows = [(f"{label}, change", _estimate(label, each)) for label, each in changes if each]
    return [*rows, ("judged by", f"{judged.get('real')} real, {judged.get('bogus')} bogus")] if rows else []


def no_gain(metrics: object) -> str | None:
    """A sentence where a fine-tuned version tells real from bogus no better than before; else none."""
    tuned = _tuned(metrics)
    if tuned is None or tuned[1] > tuned[0]:
        return None
    was, now = map(_number, tuned)
    return (
        f"it tells real from bogus no better than what it began with, by what it did not learn of: area "
        f"under ROC {now}, {was} before; more labels, of more nights, may help"
    )


def _tuned(metrics: object) -> tuple[float, float] | None:
    """The area under the ROC curve before a fine-tuning and after it; none of another training."""
    found = _mapping(metrics)
    before, after = found.get("auc_before"), found.get("auc_after")
    if isinstance(before, int | float) and isinstance(after, int | float):
        return float(before), float(after)
    return None


def stratum_rows(scorecard: object, most: int = 8) -> Rows:
    """The first strata of a scorecard: what is missed, and its interval."""
    strata = _mapping(scorecard).get("strata")
    rows = [each for each in strata if isinstance(each, Mapping)] if isinstance(strata, list) else []
    return [(str(each.get("name")), _estimate("missed", each)) for each in rows[:most]]


def _numbers(found: Mapping[str, Any], words: str) -> Rows:
    rows = [
        (f"{label}, {words}", _estimate(label, _mapping(found[name])))
        for name, label in NUMBERS.items()
        if found.get(name)
    ]
    for name, share in _mapping(found.get(REAL_AMONG)).items():
        label = f"real {name} in the oddest 5 %"
        rows.append((f"{label}, {words}", _estimate(label, _mapping(share))))
    if rows:
        rows.append((f"judged by, {words}", f"{found.get('real')} real, {found.get('bogus')} bogus"))
    return rows


def _estimate(label: str, estimate: Mapping[str, Any]) -> str:
    value, low, high = (estimate.get(name) for name in ("value", "low", "high"))
    if not isinstance(value, int | float):
        return "too few to tell"
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return _told(label, value)
    return f"{_told(label, value)} ({_told(label, low)} to {_told(label, high)})"


def _told(label: str, value: object) -> str:
    is_share = label.startswith(SHARES) and isinstance(value, int | float)
    return f"{100 * float(str(value)):.1f} %" if is_share else _number(value)


def _number(value: object) -> str:
    if value is None:
        return "not a number"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
    return str(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
