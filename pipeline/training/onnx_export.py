"""Networks as ONNX: what was computed, and nothing of the machine that exported it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 18


def export(
    network: nn.Module, example: Tensor, name: str, outputs: Sequence[str], free: dict[int, str]
) -> bytes:
    """A network in evaluation mode as ONNX.

    Its bytes follow from its weights.

    Parameters
    ----------
    network : nn.Module
        Of one input; it is left in evaluation mode.
    example : Tensor
        Its free sides of two or more: of one, the exporter would take the size for a fixed one.
    name, outputs : str, sequence of str
        Of the input and the outputs.
    free : dict of int to str
        Names of the sides of the input that may be of any size.
    """
    network.eval()
    dynamic = torch.export.Dim.DYNAMIC
    with _quietly():
        program: Any = torch.onnx.export(
            network,
            (example,),
            input_names=[name],
            output_names=list(outputs),
            dynamic_shapes=[dict.fromkeys(free, dynamic)],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto
    graph = model.graph
    _name_sides(graph.input[0], graph.output, free)
    del graph.value_info[:]
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        _forget(each)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _name_sides(given: Any, outputs: Any, free: dict[int, str]) -> None:
    """Call free sides by our names instead of the exporter's, also where an output has them."""
    named: dict[str, str] = {}
    for side, word in free.items():
        size = given.type.tensor_type.shape.dim[side]
        named[size.dim_param] = word
        size.dim_param = word
    for each in outputs:
        for size in each.type.tensor_type.shape.dim:
            if size.dim_param in named:
                size.dim_param = named[size.dim_param]


def _forget(part: Any) -> None:
    """Take away notes, which name files and lines of the machine that exported it."""
    part.doc_string = ""
    del part.metadata_props[:]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what the exporter says of its own inner affairs off the terminal."""
    loggers = [logging.getLogger(each) for each in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)
