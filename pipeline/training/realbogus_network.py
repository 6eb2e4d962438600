"""The real-bogus network as it is trained: a sharp look at the middle and a wide one at its surroundings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.classify.networks import ALL_PLANES, INPUT, OUTPUT
from pipeline.classify.triplets import NOISE, SIDE
from pipeline.training.checkpoint import TrainingError
from pipeline.training.onnx_graph import OnnxGraph

EMBEDDING = 32
CENTRE = 31  # pixels a side that are looked at in full resolution
FIRST = (SIDE - CENTRE) // 2


class Layer(nn.Module):
    """A convolution of 3 x 3, normalised over the batch and rectified."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """Of (n, inside, height, width): (n, outside, height, width)."""
        return torch.relu_(self.norm(self.convolve(x)))

    def halved(self, x: Tensor) -> Tensor:
        """The largest of each four pixels of `forward`: rectified last, where fewer are left to be."""
        return torch.relu_(torch.max_pool2d(self.norm(self.convolve(x)), 2))


class CutoutNetwork(nn.Module):
    """The logit of each candidate, and the layer before it.

    Parameters
    ----------
    width : int
        Channels of the first layer.
    scale : str
        In what units new and reference go in: `pipeline.classify.triplets.network_input`.
    """

    def __init__(self, width: int = 16, scale: str = NOISE) -> None:
        super().__init__()
        self.scale = scale
        self.centre = nn.ModuleList(
            Layer(a, b) for a, b in itertools.pairwise([ALL_PLANES, width, width, 2 * width, 2 * width])
        )
        around = 3 * width // 4
        self.around = nn.ModuleList(
            Layer(a, b) for a, b in itertools.pairwise([ALL_PLANES, around, 2 * around, 2 * around])
        )
        pooled = 2 * width * (2 + 9) + 2 * (2 * around)
        self.dropout = nn.Dropout(0.2)
        self.embed = nn.Linear(pooled, EMBEDDING)
        self.head = nn.Linear(EMBEDDING, 1)
        self._is_frozen = False

    def take(self, weights: Mapping[str, NDArray[np.generic]]) -> None:
        """Take a model's weights.

        Raises
        ------
        TrainingError
            They are of another network.
        """
        try:
            self.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in weights.items()})
        except (RuntimeError, TypeError) as error:
            why = str(error).splitlines()[-1].strip()[:200]
            raise TrainingError(f"the weights are those of another network: {why}") from None

    def freeze(self, *, head_only: bool) -> None:
        """Keep what normalises the layers, and all layers but the last where `head_only`, as they are."""
        self._is_frozen = True
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith("head.") if head_only else ".norm." not in name)

    def train(self, mode: bool = True) -> Self:
        """See `torch.nn.Module.train`; the norms of what was frozen learn nothing."""
        super().train(mode)
        if self._is_frozen:
            for each in self.modules():
                if isinstance(each, nn.BatchNorm2d):
                    each.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of (n, 6, SIDE, SIDE): logits (n,) and embeddings (n, EMBEDDING)."""
        # Taken out of its frame first: convolutions of a part of a tensor take longer than the copy.
        sharp = x[:, :, FIRST : FIRST + CENTRE, FIRST : FIRST + CENTRE].contiguous(
            memory_format=torch.channels_last
        )
        sharp = _layer(self.centre[1]).halved(self.centre[0](sharp))
        sharp = self.centre[3](_layer(self.centre[2]).halved(sharp))
        wide = _layer(self.around[0]).halved(nn.functional.avg_pool2d(x, 2))
        wide = self.around[2](_layer(self.around[1]).halved(wide))
        pooled = torch.cat(
            [
                sharp.mean(dim=(2, 3)),
                sharp.amax(dim=(2, 3)),
                torch.flatten(sharp[:, :, 2:5, 2:5], 1),
                wide.mean(dim=(2, 3)),
                wide.amax(dim=(2, 3)),
            ],
            dim=1,
        )
        embedding = torch.relu(self.embed(self.dropout(pooled)))
        return torch.flatten(self.head(embedding)), embedding


def exported(network: CutoutNetwork) -> bytes:
    """The network as ONNX, for any number of candidates.

    Parameters
    ----------
    network : CutoutNetwork
        It is left in evaluation mode.
    """
    network.eval()
    graph = OnnxGraph(INPUT, ("n", ALL_PLANES, SIDE, SIDE))

    def layer(x: str, each: nn.Module) -> str:
        return graph.rectify(graph.convolve(x, _layer(each).convolve, _layer(each).norm))

    sharp = graph.middle(INPUT, FIRST, FIRST + CENTRE)
    sharp = graph.halve(layer(layer(sharp, network.centre[0]), network.centre[1]), by="MaxPool")
    sharp = layer(graph.halve(layer(sharp, network.centre[2]), by="MaxPool"), network.centre[3])
    wide = graph.halve(layer(graph.halve(INPUT, by="AveragePool"), network.around[0]), by="MaxPool")
    wide = layer(graph.halve(layer(wide, network.around[1]), by="MaxPool"), network.around[2])
    pooled = graph.join(
        graph.over_pixels(sharp, by="ReduceMean"),
        graph.over_pixels(sharp, by="ReduceMax"),
        graph.flatten(graph.middle(sharp, 2, 5)),
        graph.over_pixels(wide, by="ReduceMean"),
        graph.over_pixels(wide, by="ReduceMax"),
    )
    embedding = graph.rectify(graph.connect(pooled, network.embed))
    logits = graph.only(graph.connect(embedding, network.head))
    return graph.content({OUTPUT: (logits, ("n",)), "embedding": (embedding, ("n", EMBEDDING))})


def _layer(each: nn.Module) -> Layer:
    assert isinstance(each, Layer)
    return each
