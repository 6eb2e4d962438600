"""What a U-Net is worth by labels that it did not learn of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.classify.unet import UNet
from pipeline.detection.joined import opinion
from pipeline.training.field_cache import read
from pipeline.training.measures import auc, ranking


def judge(network: UNet, windows: Sequence[Path], report: Callable[[int], None]) -> dict[str, float]:
    """How many real and bogus are in some windows, and the area under the ROC curve of what it says of them.

    Trails are neither: reviewers call them bogus, and it is to see them as light along a line.

    Parameters
    ----------
    network : UNet
    windows : sequence of Path
        Of labelled frames that it did not learn of.
    report : callable
        Told how many windows are done.

    Returns
    -------
    dict of str to float
        ``labels_real, labels_bogus``; of either, where there are any, which share is rather a change than not
        (``labels_real_seen, labels_bogus_seen``); ``labels_auc`` where there are both.
    """
    odds, real = [np.empty(0)], [np.empty(0, dtype=bool)]
    for done, path in enumerate(windows, start=1):
        made = read(path)
        x, y = made.places[:, 0], made.places[:, 1]
        maps = network.log_odds(made.planes.astype(np.float32))
        judges = made.kinds != "trail"
        odds.append(opinion(maps, x, y, max(made.fwhm, 1.5))[judges])
        real.append(made.kinds[judges] == "real")
        report(done)
    is_real, said = np.concatenate(real), np.concatenate(odds)
    count = int(np.count_nonzero(is_real))
    told = {"labels_real": float(count), "labels_bogus": float(len(is_real) - count)}
    for name, which in (("real", is_real), ("bogus", ~is_real)):
        if which.any():
            told[f"labels_{name}_seen"] = float(np.mean(said[which] > 0.0))
    if 0 < count < len(is_real):
        told["labels_auc"] = auc(ranking(is_real, said))
    return told
