"""Which examples a training goes through, pass after pass: soon most of those that are in doubt.

Most examples are plain after a pass or two, and hardly change a network any more (Katharopoulos & Fleuret
2018, ICML, 2525). So a pass takes all whose loss was large when they were learnt from last, and of the others
a share, as they may have been plain by chance. What a pass takes follows from the losses before it, so these
are kept with a training that goes on later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PLAIN = 0.05  # loss below which an example is taken less often, in proportion
PLAINEST = 0.25  # the share of the plainest that a pass takes


@dataclass(slots=True)
class Passes:
    """The pass in hand, and what is known of the examples.

    Attributes
    ----------
    loss : (n,) float32
        Of each example when it was learnt from last; infinite before.
    order : (m,) int64
        The examples of this pass.
    begun : int
        The step that it began with.
    number : int
        Of the next pass.
    plainest : float
        The share of the plainest examples that a pass takes; 1: all are taken.
    """

    loss: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    order: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    begun: int = 0
    number: int = 0
    plainest: float = PLAINEST

    def steps(self, step: int, count: int, batch: int, seed: int) -> range:
        """The steps of this pass that are still to come; those of the next where none is.

        Parameters
        ----------
        step : int
            The next one.
        count, batch : int
            Examples in all, and of a step.
        seed : int
        """
        if step >= self.begun + len(self.order) // batch:
            if not self.number:
                self.loss = np.full(count, np.inf, np.float32)
            random = np.random.default_rng([seed, 1, self.number])
            order = random.permutation(count)
            is_taken = random.random(count) < np.clip(self.loss / PLAIN, self.plainest, 1.0)
            some = order[is_taken[order]]
            self.order = some if len(some) >= batch else order
            self.begun, self.number = step, self.number + 1
        return range(step, self.begun + max(1, len(self.order) // batch))

    def chosen(self, step: int, batch: int) -> NDArray[np.intp]:
        """The examples of a step of this pass: (batch,)."""
        first = (step - self.begun) * batch
        return self.order[first : first + batch]

    def kept(self) -> dict[str, Tensor]:
        """What `take` takes."""
        return {
            "loss": torch.from_numpy(self.loss),
            "order": torch.from_numpy(self.order),
            "place": torch.tensor([self.begun, self.number]),
        }

    def take(self, kept: Mapping[str, Tensor]) -> None:
        """Go on where another was.

        Raises
        ------
        KeyError, ValueError
            It is not what was kept.
        """
        self.loss, self.order = kept["loss"].numpy(), kept["order"].numpy()
        self.begun, self.number = kept["place"].tolist()
