"""The training of the U-Net: seeded, resumable at any step, and stopped at any step without loss.

What a step does follows from the options, the files and its number alone: a training that was stopped and
resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.classify.unet import CLASSES, STRIDE_PX
from pipeline.training import checkpoint as checkpoints
from pipeline.training.ahead import ahead, makers
from pipeline.training.checkpoint import Device, TrainingError, on_device
from pipeline.training.descent import descend
from pipeline.training.field_cache import CachedField, memory_for, read
from pipeline.training.fields import STREAK, UNTOLD
from pipeline.training.unet_network import UNetwork

CLASS_WEIGHTS = (
    0.2,
    15.0,
    15.0,
    5.0,
    5.0,
)  # with small and equal ones nothing is learnt in the first minutes
DICE_SHARE = 0.3
WARM_UP = 100  # steps
LAST_RATE = 0.02  # of the first
BUSY_SHARE = 0.7  # of patches that are centred on a pixel of some other class than background
KEPT_FIELDS = 256  # in memory; one of 512 x 512 pixels has 3 MB. Where a device waits for them, more are
STREAK_SHARE = 0.4  # of these, on a pixel of a streak where there is one
LABEL_SHARE = 0.25  # of patches, of labelled frames, where there are enough:
MOST_OFTEN = 4  # times as often as a simulated field each of their windows is drawn


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a training does.

    Attributes
    ----------
    steps : int
        In all.
    width : int
        Channels of the first level.
    patch_px, batch : int
    rate : float
        Of AdamW, after the warm-up; it falls to `LAST_RATE` of that as half a cosine.
    weight_decay, average : float
        Of AdamW; of the exponential moving average of the weights, which is what is kept.
    seed : int
    threads : int
        Of torch; of several, one more makes what the next steps learn from, and where the device is no CPU
        all do. On a machine that others use too, more than one are slower.
    epoch_steps : int
        Steps between two measurements and checkpoints.
    device : str
        ``cpu`` or ``cuda``.
    """

    steps: int = 4000
    width: int = 8
    patch_px: int = 160
    batch: int = 4
    rate: float = 2e-3
    weight_decay: float = 1e-4
    average: float = 0.998
    seed: int = 1
    threads: int = 1
    epoch_steps: int = 250
    device: Device = "cpu"


@dataclass(slots=True)
class Training:
    """A training as it stands.

    ``network`` is trained, ``averaged`` is what is kept; ``history`` has the metrics of every epoch,
    ``losses`` those of the steps since. Both networks are on the device until the training ends, then in the
    host's memory.
    """

    network: UNetwork
    averaged: UNetwork
    optimiser: torch.optim.AdamW
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)


def train(
    files: Sequence[Path],
    held_out: Sequence[Path],
    options: TrainOptions,
    checkpoint: Path,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    labelled: Sequence[Path] = (),
) -> Training:
    """Train, from a checkpoint where there is one.

    Parameters
    ----------
    files, held_out : sequence of Path
        Of `pipeline.training.field_cache`; what is held out is never trained on.
    options : TrainOptions
    checkpoint : Path
        A safetensors file, written after every epoch and where the training is stopped.
    on_epoch : callable, optional
        Called with the step and the metrics after every epoch.
    stopped : callable
        Asked after every step; where it answers True the training is kept and returned as it stands.
    labelled : sequence of Path, optional
        Windows of labelled frames, to learn from besides: `pipeline.training.label_fields`.

    Returns
    -------
    Training
        Finished where its ``step`` is that of the options.

    Raises
    ------
    TrainingError
        There is nothing to train on, a field is both trained on and held out, the device is not there, or
        the checkpoint is of another training.
    """
    if not files:
        raise TrainingError("there are no fields to train on")
    both = {path.name for path in (*files, *labelled)} & {path.name for path in held_out}
    if both:
        raise TrainingError(f"{min(both)} is both trained on and held out")
    with checkpoints.threads(options.threads), checkpoints.enough_memory():
        same = _same(options, labelled)
        state = _start(options, checkpoint, same)
        batches = _batches(files, options, state.step, labelled)
        while state.step < options.steps:
            state.losses.append(_step(state, *next(batches), options))
            state.step += 1
            epoch_ends = state.step % options.epoch_steps == 0 or state.step == options.steps
            if epoch_ends:
                metrics = {"step": float(state.step), "loss": float(torch.stack(state.losses).mean())}
                metrics |= intersections(state.averaged, held_out) if held_out else {}
                state.history.append(metrics)
                state.losses = []
            if epoch_ends or stopped():
                save(state, same, checkpoint)
            if epoch_ends and on_epoch is not None:
                on_epoch(state.step, state.history[-1])
            if stopped():
                break
    state.network.cpu()
    state.averaged.cpu()
    return state


def intersections(network: UNetwork, files: Sequence[Path]) -> dict[str, float]:
    """Intersection over union of every class over some fields; NaN is left out."""
    both, either = np.zeros(len(CLASSES)), np.zeros(len(CLASSES))
    network.eval()
    device = next(network.parameters()).device
    for path in files:
        made = read(path)
        planes, classes = _cropped(made)
        with torch.inference_mode():
            logits = network(torch.from_numpy(planes[np.newaxis]).to(device))
            found = logits.argmax(dim=1)[0].cpu().numpy()
        told = classes != UNTOLD
        for each in range(len(CLASSES)):
            true, said = (classes == each) & told, (found == each) & told
            both[each] += np.count_nonzero(true & said)
            either[each] += np.count_nonzero(true | said)
    return {f"iou_{name}": float(both[i] / either[i]) for i, name in enumerate(CLASSES) if either[i] > 0}


def loss_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Weighted cross entropy, and the Dice loss of what is no background; untold pixels count in neither."""
    told = classes != UNTOLD
    target = torch.where(told, classes, 0)
    weights = torch.tensor(CLASS_WEIGHTS, dtype=logits.dtype, device=logits.device)
    entropy = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    weight = weights[target] * told
    entropy = (entropy * weight).sum() / weight.sum().clamp(min=1.0)
    share = torch.softmax(logits, dim=1)[:, 1:] * told[:, None]
    truth = torch.stack([(target == each) & told for each in range(1, len(CLASSES))], dim=1).to(logits.dtype)
    overlap = (share * truth).sum(dim=(0, 2, 3))
    total = share.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    dice = 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)
    loss: Tensor = entropy + DICE_SHARE * dice.mean()
    return loss


def save(state: Training, same: str, path: Path) -> None:
    """Write a checkpoint, whole or not at all; ``same`` says of which training."""
    said = {
        "step": str(state.step),
        "options": same,
        "history": json.dumps(state.history),
        "losses": json.dumps([float(each) for each in state.losses]),
    }
    checkpoints.save(state.network, state.averaged, state.optimiser, said, path)


def _start(options: TrainOptions, checkpoint: Path, same: str) -> Training:
    device = on_device(options.device)
    torch.manual_seed(options.seed)
    network = UNetwork(options.width).to(device)
    averaged = UNetwork(options.width).to(device)
    averaged.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=options.weight_decay)
    state = Training(network, averaged, optimiser)
    if checkpoint.exists():
        _resume(state, same, checkpoint)
    return state


def _resume(state: Training, same: str, path: Path) -> None:
    said, _ = checkpoints.load(state.network, state.averaged, state.optimiser, same, path)
    try:
        state.step, state.history = int(said["step"]), json.loads(said["history"])
        device = next(state.network.parameters()).device
        state.losses = [torch.tensor(each, device=device) for each in json.loads(said.get("losses", "[]"))]
    except (KeyError, ValueError, TypeError) as error:
        raise checkpoints.damaged(path, error) from error


def _same(options: TrainOptions, labelled: Sequence[Path]) -> str:
    """What must be the same for a training to be gone on with."""
    free = ("steps", "threads", "epoch_steps", "device")  # a training may be prolonged
    said: dict[str, Any] = {key: value for key, value in asdict(options).items() if key not in free}
    if labelled:
        said["labelled"] = [path.name for path in labelled]
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _step(state: Training, planes: Tensor, classes: Tensor, options: TrainOptions) -> Tensor:
    state.network.train()
    loss = loss_of(state.network(planes), classes)
    return descend(state, loss, options.rate * _rate_share(state.step, options.steps), options.average)


def _rate_share(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * (LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + float(np.cos(np.pi * step / steps))))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A field in memory, and where it has something, as flat indices: any class but background; streaks."""

    field: CachedField
    busy: NDArray[np.int32]
    streaks: NDArray[np.int32]


def _keep(path: Path) -> _Kept:
    made = read(path)
    busy = np.flatnonzero((made.classes > 0) & (made.classes != UNTOLD)).astype(np.int32)
    return _Kept(made, busy, np.flatnonzero(made.classes == STREAK).astype(np.int32))


def label_share(fields: int, windows: int) -> float:
    """The share of patches that are of labelled frames: of few windows each is not drawn much more often than
    a field is.
    """
    often = MOST_OFTEN * windows
    return min(LABEL_SHARE, often / (often + fields)) if windows else 0.0


def _batches(
    files: Sequence[Path], options: TrainOptions, first: int, labelled: Sequence[Path] = ()
) -> Iterator[tuple[Tensor, Tensor]]:
    """Random patches, turned and mirrored; the batch of a step is the same whenever it is asked for."""
    device = on_device(options.device)
    most = KEPT_FIELDS if device.type == "cpu" else max(KEPT_FIELDS, memory_for(files))
    kept = lru_cache(maxsize=most)(_keep)
    share = label_share(len(files), len(labelled))

    def drawn(random: np.random.Generator, number: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        if labelled and random.random() < share:
            window = labelled[int(random.integers(len(labelled)))]
            return _patch(random, kept(window), options.patch_px, busy=1.0)
        return _patch(random, kept(files[number]), options.patch_px)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([options.seed, step])
        chosen = random.choice(len(files), options.batch, replace=len(files) < options.batch)
        patches = [drawn(random, int(i)) for i in chosen]
        planes = torch.from_numpy(np.stack([each[0] for each in patches])).to(device)
        classes = torch.from_numpy(np.stack([each[1] for each in patches])).to(device)
        return planes.float().contiguous(memory_format=torch.channels_last), classes.long()

    return ahead(batch, range(first, options.steps), makers(device.type, options.threads))


def _patch(
    random: np.random.Generator, kept: _Kept, patch_px: int, busy: float = BUSY_SHARE
) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    made = kept.field
    height, width = made.classes.shape
    size = min(patch_px, height, width) // STRIDE_PX * STRIDE_PX
    row, column = int(random.integers(height - size + 1)), int(random.integers(width - size + 1))
    if random.random() < busy:
        is_for_streaks = random.random() < STREAK_SHARE
        places = kept.streaks if is_for_streaks and kept.streaks.size else kept.busy
        if places.size:
            place = int(random.choice(places))
            row, column = (
                int(np.clip(at - random.integers(size), 0, length - size))
                for at, length in ((place // width, height), (place % width, width))
            )
    cut = (slice(row, row + size), slice(column, column + size))
    planes, classes = made.planes[(slice(None), *cut)], made.classes[cut]
    turns = int(random.integers(4))
    planes, classes = np.rot90(planes, turns, axes=(1, 2)), np.rot90(classes, turns)
    if random.random() < 0.5:
        planes, classes = planes[:, :, ::-1], classes[:, ::-1]
    return np.ascontiguousarray(planes), np.ascontiguousarray(classes)


def _cropped(made: CachedField) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    height, width = (length // STRIDE_PX * STRIDE_PX for length in made.classes.shape)
    return made.planes[:, :height, :width].astype(np.float32), made.classes[:height, :width]
