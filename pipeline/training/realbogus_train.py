"""The training of the real-bogus network: seeded, resumable at any epoch, stopped at any step without loss.

What a step learns from follows from the options, the examples, its number and the losses of steps before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.classify.triplets import NOISE, network_input
from pipeline.classify.turns import mean_logits
from pipeline.training import checkpoint as checkpoints
from pipeline.training.ahead import ahead, makers
from pipeline.training.calibration import fnr_at_fpr
from pipeline.training.checkpoint import Device, TrainingError, on_device
from pipeline.training.descent import descend
from pipeline.training.examples import BOGUS, REAL, Examples
from pipeline.training.muon import Muon
from pipeline.training.passes import Passes
from pipeline.training.realbogus_network import CutoutNetwork
from pipeline.training.varied import stacked, varied

WARM_UP = 60  # steps, or a tenth of all
SCORED = 256
MEASURED = 2048  # examples that tell how it goes meanwhile; when it is done all judge


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a training does.

    Attributes
    ----------
    steps : int, optional
        In all; none: as many as the minutes allow.
    minutes : float, optional
        After which it is to be done, if that is earlier; the rate then falls with the time, and two
        trainings are no longer the same to the last bit. One of both is there.
    width : int
        Channels of the first layer.
    batch : int
    rate, weight_decay : float
        Of AdamW, and from chance of `pipeline.training.muon`; the rate falls as half a cosine.
    last_rate : float
        What is left of the rate at the end. Where nothing is taken off, the average of the weights alone
        calms them, which fits other fields than the training's better (Izmailov et al. 2018, UAI, 876).
    average : float
        Of the exponential moving average of the weights, which is what is kept.
    seed : int
    threads : int
        Of torch; of several, one more makes what the next steps learn from, and where the device is no CPU
        all do. On a machine that others use too, more than one are slower.
    epoch_steps : int
        Steps between two measurements and checkpoints.
    device : str
        ``cpu`` or ``cuda``.
    scale : str
        In what units new and reference go in: `pipeline.classify.triplets.network_input`.
    """

    steps: int | None = 4000
    minutes: float | None = None
    width: int = 16
    batch: int = 128
    rate: float = 1e-3
    weight_decay: float = 1e-3
    last_rate: float = 0.01
    average: float = 0.995
    seed: int = 1
    threads: int = 1
    epoch_steps: int = 100
    device: Device = "cpu"
    scale: str = NOISE


@dataclass(frozen=True, slots=True)
class Start:
    """A network that a training begins with instead of chance; its optimiser begins anew.

    Attributes
    ----------
    digest : str
        Of its model.
    weights : mapping of str to array
    head_only : bool
        Only the last layer learns; else all do.
    norms_learn : bool
        What normalises the layers learns too; else it stays as it was, for few examples say little of it.
    """

    digest: str
    weights: Mapping[str, NDArray[np.generic]]
    head_only: bool = False
    norms_learn: bool = False

    def told_with(self, data: str) -> str:
        """The digest of examples, with how they are learnt from."""
        return f"{data} {self.digest} {self.head_only}{' norms' if self.norms_learn else ''}"


@dataclass(slots=True)
class Training:
    """A training as it stands.

    ``network`` is trained, ``averaged`` is what is kept; ``history`` has the metrics of every epoch. Both
    are on the device until the training ends, then in the host's memory.
    """

    network: CutoutNetwork
    averaged: CutoutNetwork
    optimiser: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    finished: bool = False
    passes: Passes = field(default_factory=Passes)
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step learns from, on the device.

    Attributes
    ----------
    planes : (batch, 6, SIDE, SIDE) tensor
    target, weight : (batch,) tensor
    chosen : (batch,) int
        Which examples they are.
    """

    planes: Tensor
    target: Tensor
    weight: Tensor
    chosen: NDArray[np.intp]


def train(
    examples: Examples,
    held_out: Examples,
    options: TrainOptions,
    checkpoint: Path,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    start: Start | None = None,
) -> Training:
    """Train, from a checkpoint where there is one.

    Parameters
    ----------
    examples, held_out : Examples
        Of different fields; those of unknown label are left out.
    options : TrainOptions
    checkpoint : Path
        A safetensors file, written after every epoch and where the training is stopped.
    on_epoch : callable, optional
        Called with the step and the metrics after every epoch.
    stopped : callable
        Asked after every step; where it answers True the training is kept and returned as it stands.
    start : Start, optional
        What to begin with; of the width of the options.

    Raises
    ------
    TrainingError
        There is nothing to learn, the device is not there, or the checkpoint is of another training.
    """
    examples, held_out = (each[each.label >= 0] for each in (examples, held_out))
    few = held_out[np.sort(np.random.default_rng(0).permutation(len(held_out))[:MEASURED])]
    for label, word in ((REAL, "real"), (BOGUS, "bogus")):
        if np.count_nonzero(examples.label == label) < options.batch // 8:
            raise TrainingError(
                f"there are too few {word} examples to learn from: give more of them, or more --fields"
            )
    with checkpoints.threads(options.threads), checkpoints.enough_memory():
        data = examples.digest if start is None else start.told_with(examples.digest)
        state = _start(options, checkpoint, data, start)
        batches = _batches(examples, options, state)
        before, begun, losses = state.seconds, time.monotonic(), list[Tensor]()
        while not state.finished:
            losses.append(_step(state, next(batches), options))
            state.step += 1
            state.seconds = before + time.monotonic() - begun
            state.finished = _progress(state, options) >= 1.0
            epoch_ends = state.finished or state.step % options.epoch_steps == 0
            if epoch_ends:
                state.history.append(_metrics(state, losses, held_out if state.finished else few))
                losses = []
            if epoch_ends or stopped():
                save(state, options, checkpoint, data)
            if epoch_ends and on_epoch is not None:
                on_epoch(state.step, state.history[-1])
            if stopped():
                break
    state.network.cpu()
    state.averaged.cpu()
    return state


def scores(network: CutoutNetwork, examples: Examples, *, turned: bool = True) -> NDArray[np.float64]:
    """The network's logits, (n,): as it is served, the mean over turned cutouts, or of each as it is."""
    network.eval()
    device = next(network.parameters()).device

    def run(planes: NDArray[np.float32]) -> NDArray[np.float64]:
        batch = torch.from_numpy(planes).to(device).contiguous(memory_format=torch.channels_last)
        logits: NDArray[np.float64] = network(batch)[0].cpu().numpy().astype(np.float64)
        return logits

    with torch.inference_mode():
        found = [
            mean_logits(run, planes) if turned else run(planes)
            for planes in (
                network_input(examples[slice(first, first + SCORED)].triplets, network.scale)
                for first in range(0, len(examples), SCORED)
            )
        ]
    return np.concatenate(found) if found else np.empty(0)


def save(state: Training, options: TrainOptions, path: Path, data: str) -> None:
    """Write a checkpoint, whole or not at all."""
    said = {
        "step": str(state.step),
        "seconds": str(state.seconds),
        "options": _same(options, data),
        "history": json.dumps(state.history),
    }
    checkpoints.save(state.network, state.averaged, state.optimiser, said, path, state.passes.kept())


def _start(options: TrainOptions, checkpoint: Path, data: str, start: Start | None = None) -> Training:
    device = on_device(options.device)
    torch.manual_seed(options.seed)
    network, averaged = (CutoutNetwork(options.width, options.scale) for _ in range(2))
    if start is not None:
        network.take(start.weights)
        if not start.norms_learn:
            network.freeze(head_only=start.head_only)
    averaged.load_state_dict(network.state_dict())
    for each in (network, averaged):
        each.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    learning = [each for each in network.parameters() if each.requires_grad]
    # From chance as fast as can be; what a network knows is to be kept, and few examples need no choice.
    kind, passes = (Muon, Passes()) if start is None else (torch.optim.AdamW, Passes(plainest=1.0))
    optimiser = kind(learning, lr=options.rate, weight_decay=options.weight_decay)
    state = Training(network, averaged, optimiser, passes=passes)
    if checkpoint.exists():
        _resume(state, options, checkpoint, data)
    state.finished = _progress(state, options) >= 1.0
    return state


def _resume(state: Training, options: TrainOptions, path: Path, data: str) -> None:
    said, kept = checkpoints.load(state.network, state.averaged, state.optimiser, _same(options, data), path)
    try:
        state.step, state.seconds = int(said["step"]), float(said["seconds"])
        state.history = json.loads(said["history"])
        state.passes.take(kept)
    except (KeyError, ValueError) as error:
        raise checkpoints.damaged(path, error) from error


def _same(options: TrainOptions, data: str) -> str:
    """What must be the same for a training to be gone on with."""
    free = ("threads", "epoch_steps", "device")
    said = {key: value for key, value in asdict(options).items() if key not in free}
    return sha256(json.dumps([said, data, "passes"], sort_keys=True).encode()).hexdigest()


def _progress(state: Training, options: TrainOptions) -> float:
    by_time = state.seconds / (60.0 * options.minutes) if options.minutes else 0.0
    return max(state.step / options.steps if options.steps else 0.0, by_time)


def _step(state: Training, batch: Batch, options: TrainOptions) -> Tensor:
    share = min(1.0, _progress(state, options))
    fall = options.last_rate + (1.0 - options.last_rate) * 0.5 * (1.0 + float(np.cos(np.pi * share)))
    warm_up = min(WARM_UP, 1 + options.steps // 10) if options.steps else WARM_UP
    warm = min(1.0, (state.step + 1) / warm_up)
    # What is left out by chance must be the same in a training that was resumed.
    torch.manual_seed(options.seed * 1_000_003 + state.step)
    state.network.train()
    logits, _ = state.network(batch.planes)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.target, reduction="none")
    state.passes.loss[batch.chosen] = loss.detach().cpu().numpy()
    return descend(state, (loss * batch.weight).mean(), options.rate * warm * fall, options.average)


def _weights(target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Both classes weigh the same, 1 on average."""
    share = float(target.mean())
    return np.where(target > 0, 0.5 / share, 0.5 / (1.0 - share)).astype(np.float32)


def _metrics(state: Training, losses: list[Tensor], known: Examples) -> dict[str, float]:
    """How it goes. Before the end cutouts are looked at once each: in all ways takes longer than to learn."""
    metrics = {"step": float(state.step), "seconds": state.seconds, "loss": float(torch.stack(losses).mean())}
    if 0 < np.count_nonzero(known.label == REAL) < len(known):
        found = scores(state.averaged, known, turned=state.finished)
        metrics["fnr_at_1_percent_fpr"] = fnr_at_fpr(found, known.label, 0.01)
    return metrics


def _batches(examples: Examples, options: TrainOptions, state: Training) -> Iterator[Batch]:
    """What each step learns from, from the next on."""
    planes = stacked(examples, options.scale)
    target = examples.label.astype(np.float32)
    weight = _weights(target)
    device = on_device(options.device)

    def batch(step: int) -> Batch:
        chosen = state.passes.chosen(step, options.batch)
        random = np.random.default_rng([options.seed, 2, step])
        made = varied(planes[chosen].astype(np.float32), random, device)
        labels, weights = (torch.from_numpy(each[chosen]).to(device) for each in (target, weight))
        return Batch(made, labels, weights, chosen)

    while True:
        # What the next pass takes is known when all of this one was learnt from: nothing is made beyond it.
        steps = state.passes.steps(state.step, len(planes), options.batch, options.seed)
        yield from ahead(batch, steps, makers(device.type, options.threads))
