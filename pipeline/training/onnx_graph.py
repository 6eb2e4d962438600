"""Networks as ONNX, written layer by layer.

An exporter that follows any Python code takes seconds to find out which layers there are. Here that is known,
and nothing of the machine is in what is written: the bytes follow from the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 18
IR_VERSION = 10  # of that time, so that older readers understand it too
PIXEL_AXES = (2, 3)

Side = int | str  # a name where it may be of any size


class OnnxGraph:
    """A network that is being written: every method adds a layer and returns the name of what it gives.

    Parameters
    ----------
    name : str
        Of its one input.
    sides : sequence of int or str
        Of that input; (n, channels, height, width) for images.
    """

    def __init__(self, name: str, sides: Sequence[Side]) -> None:
        self._input = helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
        self._nodes: list[onnx.NodeProto] = []
        self._arrays: list[onnx.TensorProto] = []

    def convolve(
        self, of: str, layer: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d | None = None
    ) -> str:
        """A convolution, what normalises its output by what was seen in training worked into its weights."""
        weight, bias = layer.weight.detach().double(), torch.zeros(layer.out_channels, dtype=torch.float64)
        if layer.bias is not None:
            bias = layer.bias.detach().double()
        if norm is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
            weight = weight * scale[:, None, None, None]
            bias = norm.bias.detach().double() + (bias - norm.running_mean.double()) * scale
        kind = "ConvTranspose" if isinstance(layer, nn.ConvTranspose2d) else "Conv"
        wide = [int(each) for each in layer.padding]
        return self._add(
            kind, of, self._array(weight.float().numpy()), self._array(bias.float().numpy()),
            kernel_shape=layer.kernel_size, pads=wide * 2, strides=layer.stride,
        )  # fmt: skip

    def connect(self, of: str, layer: nn.Linear) -> str:
        """A layer that connects all with all, of (n, inside): (n, outside)."""
        arrays = (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        return self._add("Gemm", of, *map(self._array, arrays), transB=1)

    def rectify(self, of: str) -> str:
        """All that is negative becomes 0."""
        return self._add("Relu", of)

    def halve(self, of: str, *, by: str) -> str:
        """Images of half the size, each pixel of four: ``MaxPool`` or ``AveragePool``."""
        return self._add(by, of, kernel_shape=(2, 2), strides=(2, 2))

    def over_pixels(self, of: str, *, by: str) -> str:
        """One number of each image: ``ReduceMean`` or ``ReduceMax``."""
        return self._add(by, of, self._array(np.array(PIXEL_AXES)), keepdims=0)

    def middle(self, of: str, first: int, last: int) -> str:
        """The rows and columns of images from one to before another."""
        given = ((first, first), (last, last), PIXEL_AXES)
        return self._add("Slice", of, *(self._array(np.array(each)) for each in given))

    def join(self, *of: str) -> str:
        """Channels, one after the other."""
        return self._add("Concat", *of, axis=1)

    def flatten(self, of: str) -> str:
        """All pixels of all channels in a row, of (n, channels, height, width): (n, numbers)."""
        return self._add("Flatten", of, axis=1)

    def only(self, of: str) -> str:
        """The one number of each, of (n, 1): (n,)."""
        return self._add("Squeeze", of, self._array(np.array([1])))

    def content(self, outputs: Mapping[str, tuple[str, Sequence[Side]]]) -> bytes:
        """The network as the bytes of a file.

        Parameters
        ----------
        outputs : mapping of str to (str, sequence of int or str)
            The name of each output: what a method called it, and its sides.
        """
        named = {made: name for name, (made, _) in outputs.items()}
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [named.get(each, each) for each in names]
        given = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)
            for name, (_, sides) in outputs.items()
        ]
        graph = helper.make_graph(self._nodes, "network", [self._input], given, self._arrays)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
            producer_name="AstrID",
        )  # fmt: skip
        return bytes(model.SerializeToString(deterministic=True))

    def _add(self, kind: str, *of: str, **how: int | Sequence[int]) -> str:
        name = f"{kind}_{len(self._nodes)}"
        node = helper.make_node(kind, of, [name])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(how.items()))
        self._nodes.append(node)
        return name

    def _array(self, values: NDArray[np.generic]) -> str:
        name = f"array_{len(self._arrays)}"
        self._arrays.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
