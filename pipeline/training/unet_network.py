"""The U-Net in torch: to be trained, and exported as it will be served.

An encoder of four levels and a decoder that takes in what the encoder saw at each (Ronneberger, Fischer and
Brox 2015, arXiv:1505.04597), narrow enough for a CPU: 8, 16, 32 and 64 channels are 121 thousand parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.classify.unet import CLASSES, HALO_PX, STRIDE_PX
from pipeline.classify.unet_input import CHANNELS
from pipeline.training.onnx_graph import OnnxGraph

LEVELS = 4


class Pair(nn.Module):
    """Two convolutions of 3 x 3, each normalised over the batch and rectified."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """Of (n, inside, height, width): (n, outside, height, width)."""
        x = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(x)))


class UNetwork(nn.Module):
    """Logits of `CLASSES` for every pixel of images whose sides are multiples of `STRIDE_PX`."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(
            Pair(inside, outside) for inside, outside in zip([CHANNELS, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * each, each, 2, stride=2) for each in widths[:-1])
        self.merge = nn.ModuleList(Pair(2 * each, each) for each in widths[:-1])
        self.head = nn.Conv2d(width, len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Of (n, CHANNELS, height, width): (n, classes, height, width)."""
        seen: list[Tensor] = []
        for level, pair in enumerate(self.down):
            x = pair(x if level == 0 else torch.max_pool2d(x, 2))
            seen.append(x)
        for level in reversed(range(LEVELS - 1)):
            x = self.merge[level](torch.cat([seen[level], self.up[level](x)], dim=1))
        logits: Tensor = self.head(x)
        return logits


def exported(network: UNetwork) -> bytes:
    """The network as ONNX, for any number of images of any size that its stride divides.

    Parameters
    ----------
    network : UNetwork
        It is left in evaluation mode.
    """
    assert 2 ** (LEVELS - 1) == STRIDE_PX
    assert HALO_PX % STRIDE_PX == 0
    network.eval()
    sides = ("n", CHANNELS, "height", "width")
    graph = OnnxGraph("image", sides)

    def two(x: str, pair: nn.Module) -> str:
        assert isinstance(pair, Pair)
        x = graph.rectify(graph.convolve(x, pair.first, pair.first_norm))
        return graph.rectify(graph.convolve(x, pair.second, pair.second_norm))

    x, seen = "image", []
    for level, pair in enumerate(network.down):
        x = two(x if level == 0 else graph.halve(x, by="MaxPool"), pair)
        seen.append(x)
    for level in reversed(range(LEVELS - 1)):
        up = network.up[level]
        assert isinstance(up, nn.ConvTranspose2d)
        x = two(graph.join(seen[level], graph.convolve(x, up)), network.merge[level])
    logits = graph.convolve(x, network.head)
    return graph.content({"logits": (logits, ("n", len(CLASSES), *sides[2:]))})
