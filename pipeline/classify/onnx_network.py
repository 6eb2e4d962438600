"""A network from a model's folder, seen to be harmless before it is run.

ONNX holds no code, but it can name files to be read as weights and operators that others must bring. Neither
is let through: all weights are inside, and every operator is one that the architecture has.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.classify.model_file import MOST_NUMBERS, ModelFile, ModelRefused

if TYPE_CHECKING:
    import onnxruntime

MOST_NODES = 10_000
STANDARD = ("", "ai.onnx")  # domains of operators that ONNX itself defines


def session(
    model: ModelFile, operators: frozenset[str], inputs: dict[str, list[Any]], threads: int = 1
) -> onnxruntime.InferenceSession:
    """A network ready to be run.

    Parameters
    ----------
    model : ModelFile
    operators : frozenset of str
        Those that it may consist of.
    inputs : dict of str to list
        Shape of each input; sizes that are free are None.
    threads : int
        Of one run.

    Raises
    ------
    ModelRefused
        There is no network, or it is none that may be run.
    """
    # ONNX Runtime 1.32 tells Microsoft of every session, and leaves a file behind, unless this is set before.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # else it writes on the terminal, in colours
    name = model.description.kind
    if model.network is None:
        raise ModelRefused(f"{name}: there is no network to be run, model.onnx is missing")
    checked(name, model.network, operators)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A plan of memory is made after the first run, and is one more block beside those that this run left.
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    try:
        made = onnxruntime.InferenceSession(
            model.network,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # there is none, and it would print on standard output
        )
    except Exception as error:  # noqa: BLE001 - ONNX Runtime raises many kinds, of no common base
        raise ModelRefused(f"{name}: model.onnx cannot be run: {line_of(error)}") from None
    found = {each.name: list(each.shape) for each in made.get_inputs()}
    fits = found.keys() == inputs.keys() and all(
        len(found[key]) == len(shape)
        and all(want is None or want == size for want, size in zip(shape, found[key], strict=True))
        for key, shape in inputs.items()
    )
    if not fits:
        raise ModelRefused(f"{name}: model.onnx takes other inputs than the architecture has")
    return made


def telling_before(content: bytes, output: str) -> tuple[bytes, str] | None:
    """A network that tells one layer more, and the name of that: what an output is made of.

    None where the output is of no such layer.

    Parameters
    ----------
    content : bytes
        A network that is `checked`.
    output : str
        Of its outputs, that of a layer which weighs all numbers before it.
    """
    import onnx

    network = onnx.load_from_string(content)
    made_by = {name: node for node in network.graph.node for name in node.output}
    before, node = output, made_by[output]
    while node.op_type in ("Relu", "Gemm"):
        before = node.input[0]
        if before not in made_by:  # it is what is looked at itself, which the caller has
            return None
        node = made_by[before]
    if before == output:
        return None
    network.graph.output.append(onnx.helper.make_tensor_value_info(before, onnx.TensorProto.FLOAT, None))
    return network.SerializeToString(), before


def line_of(error: Exception) -> str:
    """The first line of what another library says, or the kind of its error."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def checked(name: str, content: bytes, operators: frozenset[str]) -> Any:
    """A network as `onnx` reads it, if it is harmless.

    Raises
    ------
    ModelRefused
        It is no ONNX, names other files, holds what is no number, or consists of other operators.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        network = onnx.load_from_string(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ModelRefused(f"{name}: it is no ONNX: {line_of(error)}") from None
    newest = onnx.defs.onnx_opset_version()
    asked = max((each.version for each in network.opset_import if each.domain in STANDARD), default=0)
    if asked > newest:
        raise ModelRefused(
            f"{name}: model.onnx is of ONNX's operator set {asked}, and {newest} is the newest that is known "
            "here: export it with that one or one before"
        )
    if len(network.functions):
        raise ModelRefused(f"{name}: model.onnx defines functions of its own")
    count = 0
    for graph in _graphs(network.graph):
        for tensor in _tensors(graph):
            _check_weights(name, tensor)
        for sparse in _sparse(graph):
            if math.prod(sparse.dims) > MOST_NUMBERS:
                raise ModelRefused(
                    f"{name}: model.onnx claims {math.prod(sparse.dims)} numbers, most of them 0; more than "
                    f"{MOST_NUMBERS} are not read"
                )
        for node in graph.node:
            count += 1
            if node.domain not in STANDARD or node.op_type not in operators:
                raise ModelRefused(
                    f"{name}: model.onnx holds the operator {node.op_type[:64]!r}, not of its architecture"
                )
    if count > MOST_NODES:
        raise ModelRefused(f"{name}: model.onnx has {count} nodes; more than {MOST_NODES} are not run")
    return network


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all within it."""
    waiting = [graph]
    while waiting:
        here = waiting.pop()
        yield here
        for node in here.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _check_weights(name: str, tensor: Any) -> None:
    """Refuse weights that lie in other files, or are no numbers."""
    import numpy as np
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ModelRefused(f"{name}: model.onnx names other files as its weights")
    if tensor.data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16):
        return
    try:
        numbers = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError, MemoryError):
        raise ModelRefused(f"{name}: model.onnx holds weights of another size than it says") from None
    # A single number may be infinite: a bound of what is clipped, or what a pool is padded with.
    if np.isnan(numbers).any() or (numbers.size > 1 and np.isinf(numbers).any()):
        raise ModelRefused(
            f"{name}: model.onnx holds values in {tensor.name[:64]!r} that are no finite numbers"
        )


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
    for each in _sparse(graph):
        yield each.values
        yield each.indices


def _sparse(graph: Any) -> Iterator[Any]:
    """Tensors of which only what is not 0 is kept, and which whoever runs them fills up."""
    yield from graph.sparse_initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor
            yield from attribute.sparse_tensors
