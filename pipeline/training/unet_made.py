"""A trained U-Net as a model in its folder: exported, compared, with its thresholds and what it learnt of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.classify.model_file import Calibration, Description, ModelFile, write
from pipeline.classify.unet import ARCHITECTURE, CLASSES, STRIDE_PX, UNet
from pipeline.classify.unet_input import CHANNELS
from pipeline.training import field_cache, unet_labels
from pipeline.training.checkpoint import TrainingError
from pipeline.training.fields import VERSION, TrainingField
from pipeline.training.label_fields import LabelFields
from pipeline.training.remembered import NIGHTS, OBJECTS, numbers
from pipeline.training.unet_choice import (
    Examined,
    calibration,
    examine,
    point_threshold,
    streak_rate,
    streak_threshold,
)
from pipeline.training.unet_network import UNetwork, exported
from pipeline.training.unet_train import Training, TrainOptions

MOST_DIFFERENCE = 1e-4  # of the exported network's logits from torch's
NO_LABELS = LabelFields((), (), (), (), {})


@dataclass(frozen=True, slots=True)
class Made:
    """A model that was written."""

    folder: Path
    digest: str
    metrics: dict[str, float]
    training: Path | None = None  # the folder of its record
    labels: dict[str, int] | None = None  # how many were learnt of, and not; none where none were to be

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {name: getattr(self, name) for name in ("digest", "metrics", "labels")}
        return {"folder": str(self.folder), **told}


def publish(
    state: Training,
    options: TrainOptions,
    files: Sequence[Path],
    held_out: Iterable[TrainingField],
    streak_free: Iterable[TrainingField],
    false_alarms: float,
    out: Path,
    windows: LabelFields = NO_LABELS,
    on_window: Callable[[int], None] = lambda _done: None,
    *,
    has_own_frames: bool = False,
) -> Made:
    """Export a training, choose its thresholds on held-out fields, and write it as a model.

    It keeps of which objects and nights it learnt, so that no label of them judges it or weighs it, and what
    it says of labels that were held out. Of own frames nobody knows what is agreed on in them: then it does
    not claim to tell all, and no label judges it.
    """
    content = exported(state.averaged)
    plain = _description(options, state, files)
    network = UNet(ModelFile(plain, "", {}, content), options.threads)
    _compare(state.averaged, network)
    found = examine(network, held_out)
    free = examine(network, streak_free)
    point, streak = point_threshold(found, false_alarms), streak_threshold(free)
    metrics = {**state.history[-1], **_counts(found, point, streak), **_streak_counts(free, streak)}
    calibrated, apart = calibration(found), dict[str, NDArray[np.generic]]()
    if windows.held_out and not has_own_frames:
        said = unet_labels.said_of(network, windows.held_out, on_window)
        metrics |= said.metrics
        apart = said.kept(calibrated)
    description = plain.model_copy(
        update={
            "config": {**plain.config, "point_threshold": point, "streak_threshold": streak},
            "calibration": calibrated,
            "trained": {
                **plain.trained,
                "metrics": metrics,
                "false_alarms": false_alarms,
                "labelled": windows.told.get("learnt", 0),
                "labels": windows.told,
            },
        }
    )
    kept = state.averaged.state_dict().items()
    arrays = {key: value.numpy() for key, value in kept if value.dtype.is_floating_point}
    arrays[NIGHTS] = numbers([*map(field_cache.name_of, files), *windows.nights])
    if not has_own_frames:
        arrays[OBJECTS] = numbers(windows.objects)
    return Made(out, write(out, description, {**arrays, **apart}, content), metrics)


def _description(options: TrainOptions, state: Training, files: Sequence[Path]) -> Description:
    names = hashlib.sha256("\n".join(sorted(path.name for path in files)).encode()).hexdigest()
    return Description(
        kind="unet",
        architecture=ARCHITECTURE,
        config={"width": options.width, "point_threshold": 0.0, "streak_threshold": 0.0},
        inputs="image",
        classes=list(CLASSES),
        calibration=Calibration(),
        trained={
            "options": asdict(options),
            "steps": state.step,
            "fields": len(files),
            "data": names,
            "field_version": VERSION,
            "versions": {name: version(name) for name in ("torch", "numpy", "onnx", "onnxruntime")},
            "history": state.history,
        },
    )


def _compare(network: UNetwork, served: UNet) -> None:
    """Refuse an export that gives other numbers than torch, at sizes that it was not exported with."""
    random = np.random.default_rng(0)
    for height, width in ((9 * STRIDE_PX, 12 * STRIDE_PX), (5 * STRIDE_PX, 4 * STRIDE_PX)):
        planes = random.normal(0.0, 2.0, (CHANNELS, height, width)).astype(np.float32)
        with torch.inference_mode():
            ours = network(torch.from_numpy(planes[np.newaxis]))[0].numpy()
        theirs = served.logits(planes)
        if not float(np.abs(ours - theirs).max()) <= MOST_DIFFERENCE * max(1.0, float(np.abs(ours).max())):
            raise TrainingError("the exported network gives other numbers than the one that was trained")


def _counts(found: Examined, point: float, streak: float) -> dict[str, float]:
    kept = [
        each
        for each in found.seen
        if each.origin == "peak" or each.rank > (point if each.origin == "unet" else streak)
    ]
    counts = {}
    for origin in ("peak", "unet", "streak"):
        mine = [each for each in kept if each.origin == origin]
        counts[f"{origin}_real"] = float(sum(each.real for each in mine))
        counts[f"{origin}_false"] = float(sum(not each.real for each in mine))
    return {**counts, "held_out_megapixels": found.pixels / 1e6}


def _streak_counts(free: Examined, threshold: float) -> dict[str, float]:
    """What the threshold of streaks rests on."""
    patches, rate, high = streak_rate(free, threshold)
    if patches == 0:
        return {}
    return {
        "streak_free_patches": round(patches, 1),
        "false_streaks_per_patch": rate,
        "false_streaks_per_patch_high": high,
    }
