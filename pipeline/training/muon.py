"""An optimiser for short trainings: kernels step as far in every direction that a gradient has.

Of a gradient of many directions a few are large, and steps along it learn of these alone for long. Muon
(Jordan et al. 2024) makes all of them as large, by a polynomial that needs no singular values, and so learns
as much in fewer steps. Since what follows a convolution normalises it, only the direction of a kernel counts:
its length is kept, so that a rate is a share of it. All else learns by AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.9
STEP = 17.0  # of kernels, in rates of all else
ROUNDS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)  # brings singular values between .01 and 1 to .7 to 1.2 in as many rounds


class Muon(torch.optim.AdamW):
    """AdamW, but for kernels of convolutions whose output is normalised.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those of four axes are kernels.
    lr, weight_decay : float
        As AdamW has them; kernels, whose length is kept, do not decay.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(list(parameters), lr=lr, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """See `torch.optim.Optimizer.step`."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.ndim == 4 and kernel.grad is not None:
                    self._step_of(kernel, kernel.grad, STEP * group["lr"])
                    kernel.grad = None  # for AdamW there is nothing left to do
        return super().step(closure)

    def _step_of(self, kernel: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
            state["step"] = torch.tensor(0.0)  # AdamW looks for it where a state is taken up
        momentum = state["momentum"].lerp_(gradient, 1.0 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM)  # Nesterov's
        length = float(kernel.norm())
        directions = min(len(kernel), kernel[0].numel())
        step = orthogonal(ahead.flatten(1)).view_as(kernel)
        kernel.sub_(step, alpha=rate * length / directions**0.5)
        kernel.mul_(length / kernel.norm().clamp_min(1e-7))


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the singular vectors of another, whose singular values are all about 1."""
    a, b, c = QUINTIC
    tall = len(matrix) > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / x.norm().clamp_min(1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
