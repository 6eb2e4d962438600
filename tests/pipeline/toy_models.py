"""Small examples that anything can be learnt from, models that were trained on them, and others."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from pipeline.classify.model_file import Calibration, read, write
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.triplets import SIDE, of_arrays
from pipeline.training.candidate_models import train_tree
from pipeline.training.examples import Examples
from pipeline.training.tree_train import TreeOptions


@lru_cache(maxsize=16)
def _planes(count: int, seed: int) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    steps = np.arange(SIDE) - SIDE // 2
    new, ref, diff = random.normal(size=(3, count, SIDE, SIDE)).astype(np.float32)
    for i in range(count):
        x, y = random.uniform(-0.5, 0.5, 2)
        if i % 2:
            light = 12.0 * np.exp(-0.5 * ((steps[:, None] - y) ** 2 + (steps - x) ** 2) / 1.5**2)
        else:
            light = np.where((steps[:, None] == 0) & (steps == 0), 30.0, 0.0)
        new[i] += light
        diff[i] += light
    planes = tuple(plane.astype(np.float16) for plane in of_arrays(new, ref, diff).planes)
    for plane in planes:
        plane.flags.writeable = False
    return planes


def blobs(count: int, seed: int = 0) -> Examples:
    """Half of them round sources in new and difference, half hot pixels; 10 fields."""
    label = (np.arange(count) % 2).astype(np.int8)
    names = np.array([f"f{i // 2 % 10}" for i in range(count)])
    blank = np.full(count, "")
    return Examples(
        *_planes(count, seed),
        label=label,
        kind=np.where(label == 1, "point", "hot"),
        snr=np.full(count, 12.0, np.float32),
        snr_true=np.full(count, 12.0, np.float32),
        group=np.array([f"g{i}" for i in range(count)]),
        night=names,
        field=names,
        host=np.full(count, "none"),
        near_bright=np.zeros(count, dtype=bool),
        filter=blank,
        instrument=blank,
        cut=blank,
        source=np.full(count, "training"),
        host_offset=np.full(count, np.nan, dtype=np.float32),
    )


def tree(folder: Path, seed: int = 0) -> str:
    """A tree in a folder; its digest."""
    return train_tree(blobs(200, seed), TreeOptions(trees=5, least_in_leaf=5), folder).digest


def unet(folder: Path) -> tuple[Path, str]:
    """The U-Net that comes with AstrID, calibrated otherwise: a version of its own; folder and digest."""
    made = read(SHIPPED["unet"].folder)
    description = made.description.model_copy(update={"calibration": Calibration(slope=0.5)})
    return folder, write(folder, description, made.arrays, made.network)
