"""What a U-Net says of labels that it did not learn of: what it is worth by them, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.model_file import Calibration
from pipeline.classify.unet import UNet
from pipeline.detection.joined import opinion
from pipeline.training import label_window, member_scores
from pipeline.training.measures import auc, ranking

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """What a U-Net says at some labels, not calibrated.

    Attributes
    ----------
    judging : (n,) float64
        Of those that judge it.
    is_real : (n,) bool
        What these are.
    rows : (m,) int64
        Numbers of the cutouts of all that have any: `pipeline.training.member_scores.rows_of`.
    log_odds : (m,) float64
        Of these; minus infinity of a place that its frame does not have any more.
    """

    judging: Array
    is_real: NDArray[np.bool_]
    rows: NDArray[np.int64]
    log_odds: Array

    @property
    def metrics(self) -> dict[str, float]:
        """How many real and bogus judge it: ``labels_real, labels_bogus``; of either, where there are any,
        which share is rather a change than not (``labels_real_seen, labels_bogus_seen``); and where there are
        both, the area under the ROC curve: ``labels_auc``.
        """
        count = int(np.count_nonzero(self.is_real))
        told = {"labels_real": float(count), "labels_bogus": float(len(self.is_real) - count)}
        for name, which in (("real", self.is_real), ("bogus", ~self.is_real)):
            if which.any():
                told[f"labels_{name}_seen"] = float(np.mean(self.judging[which] > 0.0))
        if 0 < count < len(self.is_real):
            told["labels_auc"] = auc(ranking(self.is_real, self.judging))
        return told

    def kept(self, calibration: Calibration) -> dict[str, NDArray[np.generic]]:
        """What the U-Net keeps of them: what it would have said of each as its frame was processed."""
        return member_scores.kept_by_row(self.rows, calibration.slope * self.log_odds + calibration.offset)


def said_of(network: UNet, windows: Sequence[Path], report: Callable[[int], None]) -> Said:
    """What a U-Net says at the labels of some windows.

    Trails do not judge it: reviewers call them bogus, and it is to see them as light along a line.

    Parameters
    ----------
    network : UNet
    windows : sequence of Path
        Of labelled frames that it did not learn of.
    report : callable
        Told how many windows are done.
    """
    judging, is_real = [np.empty(0)], [np.empty(0, dtype=bool)]
    rows, log_odds = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for done, path in enumerate(windows, start=1):
        made = label_window.read(path)
        rows_within, columns_within = made.within  # as a frame ends there, whose maps tell nothing beyond
        planes = made.planes[:, :rows_within, :columns_within].astype(np.float32)
        maps, fwhm = network.log_odds(planes), max(made.fwhm, 1.5)
        judges = made.kinds != "trail"
        judging.append(opinion(maps, made.places[judges, 0], made.places[judges, 1], fwhm))
        is_real.append(made.kinds[judges] == "real")
        rows.append(made.rows)
        log_odds.append(opinion(maps, made.at[:, 0], made.at[:, 1], fwhm))
        report(done)
    return Said(*(np.concatenate(each) for each in (judging, is_real, rows, log_odds)))
