"""How the shipped models rank real alerts that they were not trained on, beside the survey's own score.

A survey's score is no truth: what is told is agreement. The classes are those of the index beside the
packets: alerts at known asteroids, at classified objects, and those that the survey finds bogus.
With ``--fine-tune`` also what a small fine-tuning on those of one survey changes (`packets_tuned`),
and with ``--fields N`` what it does to simulated examples.

    python -m benchmarks.packets_scores [--fine-tune [--fields N]] [--json]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks import packets_tuned
from pipeline.classify.classify import Classifier
from pipeline.surveys.packets import read_alerts
from pipeline.surveys.refusal import Refused

DATA = Path(os.environ.get("ASTRID_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
GROUPS = {
    "known solar-system object within 5 arcsec": "asteroids",
    "TNS class": "classified",
    "drb<0.1": "low drb",
}
MODELS = ("ensemble", "realbogus", "tree")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="How the shipped models rank real alerts.")
    parser.add_argument("--fine-tune", action="store_true", help="also what a small fine-tuning changes")
    parser.add_argument("--fields", type=int, default=0, help="simulated ones to judge that by, too")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = DATA / "alerts"
    if not folder.is_dir():
        print(f"no packets in {DATA}: set ASTRID_TEST_DATA")
        return
    told = measure(folder, fine_tune=asked.fine_tune, fields=asked.fields)
    if asked.json:
        print(json.dumps(told, indent=2))
        return
    print(f"{told['alerts']} alerts with cutouts, {told['with_drb']} of ZTF with drb")
    for name in MODELS:
        found = told[name]
        drb, rb = found["spearman_drb"], found["spearman_rb"]
        print(f"{name}: rank correlation with drb {drb:.2f}, with rb {rb:.2f}")
        for group, ranks in found["groups"].items():
            print(
                f"  {group:12} {ranks['count']:3}: median score {ranks['median']:.3f},"
                f" above one half {ranks['above_half']:.2f}, over one of low drb {ranks['above_low_drb']:.2f}"
            )
    if "fine_tuned" in told:
        print("\n".join(packets_tuned.lines(told["fine_tuned"])))


def measure(folder: Path, *, fine_tune: bool = False, fields: int = 0) -> dict[str, Any]:
    """The figures of all alerts in a folder."""
    with (folder / "alert_index.csv").open(newline="") as file:
        index = {row["candid"]: row for row in csv.DictReader(file)}
    alerts: dict[str, Any] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and each.parent != folder):
        for found in read_alerts(path, cutout_px=63, radius_arcsec=1.0):
            if not isinstance(found, Refused) and found.cutouts is not None and found.external_id in index:
                alerts.setdefault(found.external_id, found)
    rows = [index[key] for key in alerts]
    scores = Classifier.of().score_candidates(list(alerts.values()))
    groups = np.array([GROUPS.get(row["weak_label_reason"], "other") for row in rows])
    is_ztf = np.array([row["survey"] == "ztf" for row in rows])
    drb, rb = (np.array([float(row[name] or "nan") for row in rows]) for name in ("drb", "rb"))
    told: dict[str, Any] = {"alerts": len(alerts), "with_drb": int(np.isfinite(drb[is_ztf]).sum())}
    for name in MODELS:
        ours = scores.by_model[name]
        told[name] = {
            "digest": scores.digests[name],
            "spearman_drb": _spearman(ours[is_ztf], drb[is_ztf]),
            "spearman_rb": _spearman(ours[is_ztf], rb[is_ztf]),
            "groups": {
                kind: _group(ours, groups == kind, groups == "low drb") for kind in sorted(set(groups))
            },
        }
    if fine_tune:
        told["fine_tuned"] = packets_tuned.tuned(list(alerts.values()), groups, drb, fields)
    return told


def _spearman(ours: Any, theirs: Any) -> float:
    both = np.isfinite(ours) & np.isfinite(theirs)
    return float(spearmanr(ours[both], theirs[both]).statistic)


def _group(scores: Any, member: Any, low: Any) -> dict[str, float]:
    inside = scores[member]
    return {
        "count": len(inside),
        "median": float(np.median(inside)),
        "above_half": float(np.mean(inside > 0.5)),
        "above_low_drb": float(np.mean(inside[:, None] > scores[low][None, :])),
    }


if __name__ == "__main__":
    main()
