"""A version, run once before it is put to use: what would be refused of every frame is refused at once.

Its files may be those that were kept, and still be of an architecture that this AstrID does not know, or a
network that its ONNX Runtime does not take.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.classify.model_file import ModelRefused, read
from pipeline.classify.scorers import Inputs, load
from pipeline.classify.trial import survive
from pipeline.classify.triplets import SIDE, Triplets, of_arrays
from pipeline.classify.unet import NAME, UNet
from pipeline.classify.unet_input import CHANNELS

TRIED = 8  # candidates that it is tried on
FRAME_PX = 64


def see_that_it_runs(folder: Path, digest: str, name: str) -> None:
    """See that a version scores, in a process of its own.

    Parameters
    ----------
    folder : Path
    digest : str
        The one it must have.
    name : str
        The model that it is a version of.

    Raises
    ------
    ModelRefused
        It is refused, fails, ends its process, or is a version of another model.
    """
    survive(name, run_once, folder, digest, name)


def run_once(folder: Path, digest: str, name: str | None = None) -> None:
    """The same in this very process; without a name whatever it is a version of."""
    model = read(folder, digest)
    kind = model.description.kind
    if name not in (None, kind):
        raise ModelRefused(f"it is a model of kind {kind}, no {name}")
    if kind == NAME:
        UNet(model).log_odds(np.zeros((CHANNELS, FRAME_PX, FRAME_PX), dtype=np.float32))
    else:
        load(model).logits(Inputs(some_triplets(), np.full(TRIED, 10.0)))


def some_triplets() -> Triplets:
    """A few candidates, also of the kinds that are hardest to take."""
    random = np.random.default_rng(0)
    planes = random.normal(size=(3, TRIED, SIDE, SIDE)).astype(np.float32)
    planes[1, 0] = np.nan
    return of_arrays(*planes)
