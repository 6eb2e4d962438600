"""One step down the loss, with the average of the weights that is what a training keeps."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

CLIP_NORM = 5.0


class Learner(Protocol):
    """A training as it stands: ``step`` of them are done."""

    @property
    def network(self) -> nn.Module: ...  # noqa: D102
    @property
    def averaged(self) -> nn.Module: ...  # noqa: D102
    @property
    def optimiser(self) -> torch.optim.Optimizer: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102


def descend(learner: Learner, loss: Tensor, rate: float, average: float) -> Tensor:
    """Learn from the loss of a step, in place.

    Parameters
    ----------
    learner : Learner
        Its network gave the loss.
    loss : Tensor
        A number.
    rate : float
        Of learning, in this step.
    average : float
        Of the exponential moving average of the weights; the first steps' is shorter, for the network that
        chance began with is to be forgotten (Polyak & Juditsky 1992, SIAM J. Control Optim. 30, 838).

    Returns
    -------
    Tensor
        The loss, apart from what it came of.
    """
    for group in learner.optimiser.param_groups:
        group["lr"] = rate
    learner.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(learner.network.parameters(), CLIP_NORM)
    learner.optimiser.step()
    keep = min(average, (1.0 + learner.step) / (10.0 + learner.step))
    with torch.no_grad():
        ours = learner.network.state_dict()
        for key, value in learner.averaged.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(ours[key], 1.0 - keep)
            else:
                value.copy_(ours[key])
    return loss.detach()
