"""Checkpoints of trainings of networks, in which nothing can run, and what all such trainings need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor, nn

from core.cuda import no_cuda
from core.errors import AstridError
from core.unfinished import unfinished
from core.vocabulary import ExitCode

Device = Literal["cpu", "cuda"]


class TrainingError(AstridError):
    """A training that cannot begin or go on; one sentence says why."""


class NoDevice(TrainingError):
    """A training is to be on a device that this machine does not have."""

    exit_code = ExitCode.UNAVAILABLE


def on_device(name: Device) -> torch.device:
    """The device that a network learns on.

    A training on a CUDA device can be gone on with on a CPU, and the other way round. On the first it is not
    the same to the last bit when it is done again: the order of sums is the device's.

    Raises
    ------
    NoDevice
        ``cuda`` where torch finds none.
    """
    if name == "cuda" and (why_not := no_cuda("--device is cuda", "train with --device cpu")):
        raise NoDevice(why_not)
    return torch.device(name)


def save(
    network: nn.Module,
    averaged: nn.Module,
    optimiser: torch.optim.Optimizer,
    said: dict[str, str],
    path: Path,
    also: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    said, also : mapping
        What `load` gives back; ``options`` of what is said tells of which training it is.

    Raises
    ------
    OSError
        It cannot be written.
    """
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"averaged.{key}": value for key, value in averaged.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{key}": value for key, value in moments.items()}
    tensors |= {f"also.{key}": value for key, value in (also or {}).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    content = serialised({key: value.contiguous() for key, value in tensors.items()}, metadata=said)
    with unfinished(path) as part:
        part.write_bytes(content)


def load(
    network: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer, options: str, path: Path
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Take up a checkpoint, and give back what was said with it and what else was kept.

    Raises
    ------
    TrainingError
        It is damaged, or of a training with other options or examples.
    """
    try:
        with safe_open(path, framework="pt") as file:
            said = dict(file.metadata() or {})
        if said.get("options") != options:
            raise TrainingError(
                f"{path.name} is of a training with other options or examples; remove it to begin anew"
            )
        tensors = load_file(path)
        network.load_state_dict(_below(tensors, "network."))
        averaged.load_state_dict(_below(tensors, "averaged."))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, "optimiser.").items():
            number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error
    return said, _below(tensors, "also.")


def damaged(path: Path, error: Exception) -> TrainingError:
    """What is told of a file that is no checkpoint."""
    return TrainingError(f"{path.name} is no checkpoint of a training: {str(error)[:200]}")


@contextmanager
def enough_memory() -> Iterator[None]:
    """Say in a sentence that a device's memory was not enough.

    Raises
    ------
    TrainingError
        It was not.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            "the device has too little memory left: stop what else is on it, train with smaller steps"
            " where there is --batch, or with --device cpu"
        ) from error


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
