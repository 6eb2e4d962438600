"""Cutouts as a network learns from them: every time turned, mirrored, varied and spoilt in another way."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.classify.networks import PLANES
from pipeline.classify.pixel_noise import in_pixel_noise
from pipeline.classify.triplets import LIT, NOISE, SOFTENING
from pipeline.training.examples import Examples

NO_REFERENCE, NO_PLANE, CUT_OFF = 0.03, 0.01, 0.05  # shares of examples that are spoilt in each way
MOST_CUT_OFF = 24  # pixels of one side
SCALE_ERROR, LEVEL_ERROR = 0.12, 0.15  # of a plane's sigma, in logarithm, and of its sky, in sigma
ZOOMED = 0.25  # share of steps whose cutouts are of other pixels, and with them of other seeing and noise
ZOOM = (0.75, 1.3)
STRETCH = 1.25  # of one axis, and the other shrunk by as much, at most: stars up to 1.6 times as long as wide
AT_ONCE = 512
MOST_HALF = float(np.finfo(np.float16).max)


def stacked(examples: Examples, scale: str) -> NDArray[np.float16]:
    """(n, 3, SIDE, SIDE), in the units that the network takes, NaN where masked."""
    planes = np.stack([examples.new, examples.ref, examples.diff], axis=1)
    if scale == NOISE:
        for first in range(0, len(planes), AT_ONCE):
            for i in range(LIT):
                some = planes[first : first + AT_ONCE, i]
                some[:] = np.clip(in_pixel_noise(some.astype(np.float32)), -MOST_HALF, MOST_HALF)
    return planes


def varied(batch: NDArray[np.float32], random: np.random.Generator, device: torch.device) -> Tensor:
    """What the network takes in of some cutouts: turned, mirrored, varied and spoilt."""
    for turn in range(8):
        some = batch[turn::8]
        turned = np.rot90(some, turn % 4, axes=(2, 3))
        batch[turn::8] = (turned[..., ::-1] if turn >= 4 else turned).copy()
    each = (*batch.shape[:2], 1, 1)
    batch *= np.exp(SCALE_ERROR * random.normal(size=each)).astype(np.float32)
    batch += (LEVEL_ERROR * random.normal(size=each)).astype(np.float32)
    _spoil(random, batch)
    values, good = (torch.from_numpy(each).to(device) for each in (batch, np.isfinite(batch)))
    if random.random() < ZOOMED:
        values, good = zoomed(random, torch.where(good, values, 0.0), good)
    return _input(values, good)


def zoomed(random: np.random.Generator, values: Tensor, good: Tensor) -> tuple[Tensor, Tensor]:
    """Cutouts as they would be with other pixels; what lies outside is masked."""
    zoom = random.uniform(*ZOOM, len(values)).astype(np.float32)
    stretch = STRETCH ** random.uniform(-1.0, 1.0, len(values)).astype(np.float32)
    move = torch.zeros(len(values), 2, 3, device=values.device)
    move[:, 0, 0], move[:, 1, 1] = (torch.from_numpy(each) for each in (zoom * stretch, zoom / stretch))
    grid = torch.nn.functional.affine_grid(move, list(values.shape), align_corners=True)
    both = torch.cat([values, good.float()], dim=1)
    moved = torch.nn.functional.grid_sample(both, grid, align_corners=True)
    return moved[:, :PLANES], moved[:, PLANES:] > 0.99


def _spoil(random: np.random.Generator, batch: NDArray[np.float32]) -> None:
    """Take away at random what may be absent of real candidates, in place."""
    draw = random.random((3, len(batch)))
    batch[draw[0] < NO_REFERENCE, 1] = np.nan
    for i in np.flatnonzero(draw[1] < NO_PLANE):
        batch[i, random.integers(PLANES)] = np.nan
    for i in np.flatnonzero(draw[2] < CUT_OFF):
        lost = int(random.integers(1, MOST_CUT_OFF))
        side = batch[i] if random.random() < 0.5 else batch[i].swapaxes(1, 2)
        side[:, :lost] = np.nan


def _input(values: Tensor, good: Tensor) -> Tensor:
    """As `pipeline.classify.triplets.network_input` makes it."""
    known = torch.where(good, values, 0.0) / SOFTENING
    # On a CPU NumPy takes vectors at a time, torch a number.
    softened = (
        torch.from_numpy(np.arcsinh(known.numpy())) if known.device.type == "cpu" else torch.asinh(known)
    )
    whole = torch.cat([softened, good.float()], dim=1)
    return whole.contiguous(memory_format=torch.channels_last)
