"""What a small fine-tuning changes: the shipped real-bogus network, and a few alerts of one survey.

Learnt of are alerts at known asteroids and at classified objects as real, and alerts that the survey's own
score finds bogus as bogus. The latter is what the survey said, and no truth: what is told of those measures
how well the network takes up the survey's opinion. Each object is judged by a network that learnt neither
of it nor, where there are nights enough, of its night. Alerts of other surveys, and simulated examples, tell
what it costs elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from core.surveys.alert import AlertFacts
from pipeline.classify import unet
from pipeline.classify.model_file import read
from pipeline.classify.networks import CandidateNetwork
from pipeline.classify.scorers import Inputs
from pipeline.classify.shipped import SHIPPED
from pipeline.training import examples as example_sets
from pipeline.training import resample
from pipeline.training.calibration import EVEN_ODDS, fnr_at_fpr
from pipeline.training.examples import BOGUS, REAL, UNKNOWN
from pipeline.training.label_examples import of_alerts

Array = NDArray[np.float64]

LABELS = {"asteroids": REAL, "classified": REAL, "low drb": BOGUS}
SURVEY = "ztf"
LAYERS = ("head", "all")
FIRST_FIELD = 977_000_000  # seeds that no training and no judging draws
FIELD_PX = 512


def tuned(
    alerts: Sequence[AlertFacts], groups: NDArray[np.str_], drb: Array, fields: int = 0
) -> dict[str, Any]:
    """The figures, for each choice of layers.

    Parameters
    ----------
    alerts : sequence of AlertFacts
        With cutouts.
    groups : (n,) str
        Of each alert, as `LABELS` has them.
    drb : (n,) float64
        The survey's score, NaN where there is none.
    fields : int
        Simulated ones, to see what becomes of the network's own kind of data.
    """
    from pipeline.training.fine_tune import FineTuneOptions, compared, fine_tune
    from pipeline.training.realbogus_train import scores

    found = of_alerts(alerts)
    if found is None or len(found) != len(alerts):
        raise ValueError("every alert needs cutouts")
    is_ours = np.array([each.source == SURVEY for each in alerts])
    label = np.where(is_ours, [LABELS.get(each, UNKNOWN) for each in groups], UNKNOWN)
    learnt = replace(found, label=label.astype(np.int8))[np.flatnonzero(label != UNKNOWN)]
    rest = is_ours & ~np.isin(found.group, learnt.group) & np.isfinite(drb)
    elsewhere = (groups == "low drb") & ~is_ours
    start = read(SHIPPED["realbogus"].folder, SHIPPED["realbogus"].digest)
    before = CandidateNetwork(start).logits(Inputs(found.triplets))
    seeds = range(FIRST_FIELD, FIRST_FIELD + fields)
    simulated = example_sets.of_seeds(seeds, FIELD_PX, network=unet.shipped()) if fields else None
    if simulated is not None:
        simulated = simulated[simulated.cut == ""]  # what is shown
    told: dict[str, Any] = {
        "start": start.digest,
        "learnt_of": {name: int(np.sum(is_ours & (groups == name))) for name in LABELS},
        "objects": len(set(learnt.group.tolist())),
    }
    for layers in LAYERS:
        with tempfile.TemporaryDirectory() as work:
            made = fine_tune(start, learnt, FineTuneOptions(layers), Path(work), lambda *_said: None)
        if made is None:
            raise RuntimeError("it was not stopped")

        def after(some: example_sets.Examples, made: Any = made) -> Array:
            found = made.calibration.slope * scores(made.network, some) + made.calibration.offset
            return np.asarray(found, dtype=np.float64)

        ours = after(found)
        pair = made.before[made.judged], made.log_odds[made.judged]
        told[layers] = compared(learnt[made.judged], *pair, made.unit[made.judged], stated_at=EVEN_ODDS) | {
            "spearman_drb_of_the_rest": _agreement(before[rest], ours[rest], drb[rest], found.group[rest]),
            "low_drb_elsewhere_above_half": {
                "count": int(elsewhere.sum()),
                "before": float(np.mean(before[elsewhere] > 0)),
                "after": float(np.mean(ours[elsewhere] > 0)),
            },
        }
        if simulated is not None:
            was = CandidateNetwork(start).logits(Inputs(simulated.triplets))
            now = after(simulated)
            told[layers]["simulated"] = {
                "real": int(np.sum(simulated.label == REAL)),
                "bogus": int(np.sum(simulated.label == BOGUS)),
                "fnr_at_1_percent_fpr_before": fnr_at_fpr(was, simulated.label, 0.01),
                "fnr_at_1_percent_fpr_after": fnr_at_fpr(now, simulated.label, 0.01),
            }
    return told


def lines(told: Mapping[str, Any]) -> list[str]:
    """The figures in words."""
    counts = ", ".join(f"{count} {name}" for name, count in told["learnt_of"].items())
    said = [
        f"fine-tuned on {counts} ({told['objects']} objects of {SURVEY}); low drb is what the survey said"
    ]
    for layers in LAYERS:
        found = told[layers]
        said.append(f"{layers}:")
        for name in ("auc", "brier"):
            parts = [f"{when} {_estimate(found[name][when])}" for when in ("before", "after", "difference")]
            said.append(f"  {name}: {', '.join(parts)}")
        rest, else_ = found["spearman_drb_of_the_rest"], found["low_drb_elsewhere_above_half"]
        parts = [f"{when} {_estimate(rest[when])}" for when in ("before", "after", "difference")]
        said.append(f"  rank correlation with drb of {rest['after']['n']} others: {', '.join(parts)}")
        said.append(
            f"  low drb of other surveys above one half: {else_['before']:.2f}, after {else_['after']:.2f}"
            f" of {else_['count']}"
        )
        if "simulated" in found:
            own = found["simulated"]
            missed = [own[f"fnr_at_1_percent_fpr_{when}"] for when in ("before", "after")]
            said.append(
                f"  simulated, missed of {own['real']} at 1 % of {own['bogus']} bogus:"
                f" before {missed[0]:.3f}, after {missed[1]:.3f}"
            )
    return said


def _agreement(before: Array, after: Array, drb: Array, group: NDArray[np.str_]) -> dict[str, Any]:
    weights = resample.draws(group, resample.ROUNDS, 0)

    def with_drb(ours: Array) -> resample.Measure:
        def measure(weight: Array) -> float:
            drawn = np.repeat(np.arange(len(ours)), weight.astype(int))
            return float(np.corrcoef(rankdata(ours[drawn]), rankdata(drb[drawn]))[0, 1])

        return measure

    n, groups = len(drb), len(np.unique(group))
    first, second = with_drb(before), with_drb(after)
    return {
        "before": asdict(resample.estimate(first, weights, n, groups=groups, is_share=False)),
        "after": asdict(resample.estimate(second, weights, n, groups=groups, is_share=False)),
        "difference": asdict(resample.difference(first, second, weights, n, groups=groups)),
    }


def _estimate(found: Mapping[str, Any]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
