"""Training fields as the ensemble learns from them: examples, and what the U-Net saw at their places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings
from core.unfinished import unfinished
from pipeline.classify.unet import UNet
from pipeline.files.npz_file import DAMAGE
from pipeline.frame import FrameRefused
from pipeline.training import examples as example_sets
from pipeline.training.detected import Seen, detections_of, kept_as
from pipeline.training.examples import Examples, ExamplesError, of_detections
from pipeline.training.fields import TrainingField, field

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Examples, and the calibrated log-odds that the U-Net gives each: (n,); none where none took part."""

    examples: Examples
    unet: Array | None


def of_training_field(found: TrainingField, network: UNet | None) -> Scored | None:
    """One field; none where nothing is detected."""
    seen = None if network is None else Seen.by(network, found)
    told = detections_of(found, seen)
    if not told:
        return None
    return Scored(of_detections(found, told), None if seen is None else seen.log_odds_at(found, told))


def make(
    folder: Path,
    seeds: range,
    size: int,
    network: UNet | None,
    on_field: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    settings: Settings | None = None,
) -> Scored:
    """The fields of some seeds; those that a folder lacks are made, and kept there.

    Parameters
    ----------
    folder : Path
    seeds : range
    size : int
        Pixels along a side.
    network : UNet or None
        The one that takes part in the detection, if one does.
    on_field : callable, optional
        Called with how many are there and how many will be.
    stopped : callable
        Asked after every field; where it answers True no more are made.
    settings : Settings, optional
        Those that the fields follow: `pipeline.training.fields.field`.

    Raises
    ------
    ExamplesError
        No field gave any detection.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Scored] = []
    begin = kept_as(None if network is None else network.digest, settings)
    for done, seed in enumerate(seeds, start=1):
        path = folder / f"{begin}{size}-{seed}.npz"
        part = _read(path, with_unet=network is not None) if path.exists() else None
        if part is None:
            try:
                part = of_training_field(field(seed, size, settings=settings), network)
            except FrameRefused:
                part = None
            if part is not None:
                _write(path, part)
        if part is not None:
            parts.append(part)
        if on_field is not None:
            on_field(done, len(seeds))
        if stopped():
            break
    return joined(parts)


def of_seeds(
    seeds: Iterable[int],
    size: int,
    network: UNet,
    on_field: Callable[[int, int], None] | None = None,
    settings: Settings | None = None,
) -> Scored:
    """As `pipeline.training.examples.of_seeds`, each example with what a U-Net says of it.

    Parameters
    ----------
    seeds : iterable of int
    size : int
        Pixels along the sides of a field.
    network : UNet
    on_field : callable, optional
        Called with the number of fields and of examples so far.
    settings : Settings, optional
        Those that the fields follow.

    Raises
    ------
    ExamplesError
        No field gave any.
    """
    parts: list[Scored] = []
    for done, seed in enumerate(seeds, start=1):
        with suppress(FrameRefused):  # no draw of this seed could be subtracted
            part = of_training_field(field(seed, size, settings=settings), network)
            parts += [] if part is None else [part]
        if on_field is not None:
            on_field(done, sum(len(each.examples) for each in parts))
    return joined(parts)


def joined(parts: Sequence[Scored]) -> Scored:
    """Several as one.

    Raises
    ------
    ExamplesError
        There is none.
    """
    if not parts:
        raise ExamplesError("no field gave any detection to learn from")
    said = [each.unet for each in parts if each.unet is not None]
    return Scored(
        example_sets.join([each.examples for each in parts]), np.concatenate(said) if said else None
    )


def _write(path: Path, scored: Scored) -> None:
    example_sets.write(scored.examples, path)
    if scored.unet is None:
        return
    with unfinished(path.with_suffix(".npy")) as part, part.open("wb") as file:
        np.save(file, scored.unet, allow_pickle=False)


def _read(path: Path, *, with_unet: bool) -> Scored | None:
    """What is kept of a field; none where that is incomplete or damaged."""
    try:
        examples = example_sets.read(path)
        if not with_unet:
            return Scored(examples, None)
        said = np.load(path.with_suffix(".npy"), allow_pickle=False).astype(np.float64)
    except (*DAMAGE, ExamplesError):
        return None
    return Scored(examples, said) if said.shape == (len(examples),) else None
