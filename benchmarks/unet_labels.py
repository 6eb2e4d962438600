"""What a U-Net gains by labels: trained of the same few fields with and without, judged by another night.

`python -m benchmarks.unet_labels --work DIR` simulates two nights as `astrid demo` does, decides on all that
is found in both by their tables of truth, trains twice, on the first night's labels and on none, and judges
both by the second night's: how well what each says at a candidate's place tells real from bogus.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from sqlmodel import col, select

from astrid_tui.demo import demo_settings, run_demo
from core.database.store import open_store
from core.database.tables import Candidate
from core.review.verdicts import decide
from core.settings import Settings
from core.settings_sections import ReviewSettings
from core.vocabulary import Label
from pipeline.classify.model_file import read
from pipeline.classify.unet import UNet
from pipeline.training import label_fields, unet_labels
from pipeline.training.unet_run import UnetRun, run

NEAR_PX = 3.0
CLEAR = 3.0  # sigma that a change must have to be what was detected
SEEDS = {"learnt": 0, "judging": 1}
WANTED = UnetRun(fields=16, held_out=2, streak_free=0, judged=0, size=384, steps=300, width=4)


def night(folder: Path, seed: int, frames: int, size: int) -> Settings:
    """A night that is processed and judged; again at once where it is there."""
    settings = demo_settings(folder).model_copy(update={"review": ReviewSettings(votes=1)})
    run_demo(folder, frames=frames, size=size, seed=seed, workers=1)
    truth = Table.read(next(folder.rglob("truth.ecsv")))
    name_of = np.array([Path(str(path)).name for path in truth["file"]])
    with closing(open_store(settings.store_url)) as store:
        with store.read() as session:
            found = session.exec(select(Candidate).where(col(Candidate.is_current))).all()
        for each in found:
            label = label_of(each, truth[name_of == each.frame])
            decide(store, session="truth", reviewer="truth", candidate_id=each.id or 0, label=label, shown={})
    return settings


def label_of(candidate: Candidate, truth: Table) -> Label:
    """What a candidate is by the table of its frame."""
    place = np.array([candidate.x_frame, candidate.y_frame], dtype=float)
    found = Label.ARTEFACT
    for row in truth:
        begin = np.array([row["x"], row["y"]], dtype=float)
        end = np.array([row["x_end"], row["y_end"]], dtype=float)
        step = np.where(np.isfinite(end), end, begin) - begin
        along = np.clip((place - begin) @ step / max(float(step @ step), 1e-12), 0.0, 1.0)
        if np.hypot(*(place - begin - along * step)) > NEAR_PX:
            continue
        if row["kind"] == "streak":
            found = Label.TRAIL
        elif "cosmic" in row["kind"]:
            found = Label.COSMIC_RAY
        elif abs(row["snr_change"]) >= CLEAR:
            return Label.REAL
    return found


def main() -> None:
    """Print what both are worth, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--steps", type=int, default=WANTED.steps)
    given = parser.parse_args()
    settings = {
        name: night(given.work / name, seed, given.frames, given.size) for name, seed in SEEDS.items()
    }
    labels: dict[str, label_fields.Labels] = {}
    for name, each in settings.items():
        with closing(open_store(each.store_url, read_only=True)) as store:
            labels[name] = label_fields.labels_of(store, each)
    windows = label_fields.make(
        given.work / "windows", labels["judging"], settings["judging"], lambda *_: None, lambda: False
    )
    assert windows is not None
    judged_by = (*windows.learnt, *windows.held_out)
    told: dict[str, Any] = {"judged_by": windows.told}
    for name, learnt in (("without", None), ("with", labels["learnt"])):
        out = given.work / f"unet-{name}"
        wanted = replace(WANTED, steps=given.steps)
        made = run(settings["learnt"], wanted, out, lambda *_: None, lambda: False, learnt)
        assert made is not None
        network = UNet(read(made.folder, made.digest))
        told[name] = unet_labels.said_of(network, judged_by, lambda _done: None).metrics | {
            "labels": made.labels
        }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
