"""Networks that score candidates, by ONNX Runtime: our own, and those of other frameworks.

ONNX holds no code; what else it can do to its reader is looked for first, by `onnx_network` and here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.model_file import ModelFile, ModelRefused
from pipeline.classify.onnx_network import checked, line_of, session, telling_before
from pipeline.classify.scorers import Inputs, calibrated
from pipeline.classify.triplets import NOISE, SIDE, SPREAD, network_input
from pipeline.classify.turns import TURNS, mean_logits

if TYPE_CHECKING:
    import onnxruntime

Array = NDArray[np.float64]
Batch = NDArray[np.float32]

BATCH = 64
ARCHITECTURE, IMPORTED = "cutout_cnn", "imported"
INPUT, OUTPUT, EMBEDDING = "triplet", "logit", "embedding"
PLANES, ALL_PLANES = 3, 6  # without and with the masks
MOST_ACTIVATIONS = 2**27  # numbers of one layer's output, of a whole batch
# fmt: off
OWN_OPERATORS = frozenset(
    (
        "Add", "AveragePool", "Concat", "Constant", "Conv", "Flatten", "Gemm", "GlobalAveragePool",
        "GlobalMaxPool", "Identity", "MatMul", "MaxPool", "ReduceMax", "ReduceMean", "Relu", "Reshape",
        "Shape", "Slice", "Squeeze",
    )
)
# Nothing that loops, branches, calls, or grows what it is given.
OPERATORS = OWN_OPERATORS | frozenset(
    (
        "Abs", "BatchNormalization", "Cast", "Clip", "Div", "Dropout", "Elu", "Erf", "Exp", "Gather",
        "GatherElements", "GatherND", "HardSigmoid", "HardSwish", "LayerNormalization", "LeakyRelu",
        "Log", "Max", "Min", "Mul", "Neg", "Pad", "Pow", "PRelu", "ReduceSum", "Selu", "Sigmoid",
        "Softmax", "Softplus", "Split", "Sqrt", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where",
    )
)
# fmt: on


class CandidateNetwork:
    """A network that was read, looked through and made ready.

    Parameters
    ----------
    model : ModelFile
        ``config`` of an imported one says ``input`` and ``output``, the names; ``layout``, ``nchw`` or
        ``nhwc``; ``planes``, 3 or 6; ``gives``, ``logit`` or ``probability``. That of one of our own says
        ``turns``, 8 where it is the mean over `pipeline.classify.turns`, and ``scale``, in what units it
        takes new and reference.
    threads : int
        Of one run.

    Raises
    ------
    ModelRefused
        It is none that may be run, or does not take what it should.
    """

    def __init__(self, model: ModelFile, threads: int = 1) -> None:
        said = model.description
        config = said.config
        own = said.architecture == ARCHITECTURE
        self.name: str = said.kind
        self.digest = model.digest
        self._calibration = said.calibration
        self._takes_features = said.inputs == "features"
        self._features = list(said.features)
        self._input = INPUT if own else str(config.get("input", INPUT))
        self._output = OUTPUT if own else str(config.get("output", OUTPUT))
        self._last = str(config.get("layout", "nchw")) == "nhwc"
        planes = config.get("planes", ALL_PLANES)
        self._planes = int(planes) if planes in (PLANES, ALL_PLANES) else 0
        self._is_turned = own and config.get("turns", 1) != 1
        self._scale = str(config.get("scale", SPREAD)) if own else SPREAD
        self._is_probability = str(config.get("gives", "logit")) == "probability"
        shape = self._shape(self.name, said.inputs)
        if own and config.get("turns", 1) not in (1, TURNS):
            raise ModelRefused(f"{self.name}: a cutout is looked at in one way or in {TURNS}")
        if self._scale not in (SPREAD, NOISE):
            raise ModelRefused(f"{self.name}: it takes cutouts in units that are not known here")
        operators = OWN_OPERATORS if own else OPERATORS
        if model.network is not None:
            check_sizes(
                self.name, checked(self.name, model.network, operators), {self._input: (BATCH, *shape)}
            )
        self._model, self._made_as = model, (operators, {self._input: [None, *shape]}, threads)
        self._session: onnxruntime.InferenceSession = session(model, *self._made_as)
        outputs = {each.name for each in self._session.get_outputs()}
        if self._output not in outputs:
            raise ModelRefused(f"{self.name}: model.onnx has no output {self._output[:64]!r}")
        self._has_embedding = EMBEDDING in outputs
        self._is_own = own
        self._also = EMBEDDING if own and self._has_embedding else None  # what it sees costs our own nothing

    def logits(self, inputs: Inputs) -> Array:
        """See `pipeline.classify.scorers.Scorer`. What a network of our own sees is left with the inputs.

        Raises
        ------
        ModelRefused
            It fails, or gives what are no logits.
        """
        told: list[Array] = []
        seen: list[NDArray[np.float32]] = []
        for batch in self._batches(inputs):
            raw, also = self._run(batch, self._also)
            told.append(self._turned(batch, raw))
            seen.append(also)
        if self._also is not None and seen:
            inputs.embeddings[self.digest] = np.concatenate(seen)
        return calibrated(np.concatenate([np.empty(0), *told]), self._calibration)

    def embedding(self, inputs: Inputs) -> NDArray[np.float32] | None:
        """What it sees of each candidate as numbers, (n, E), the layer before its last; none of most
        imported networks.
        """
        if not self._has_embedding:
            return None
        if self.digest in inputs.embeddings:
            return inputs.embeddings[self.digest]
        found = [self._run(batch, EMBEDDING)[1] for batch in self._batches(inputs)]
        return np.concatenate(found) if found else np.empty((0, 0), dtype=np.float32)

    def last_layers(self, inputs: Inputs) -> list[NDArray[np.float32]]:
        """What it sees of each candidate in its last layer but one and in the one before: each (n, E).

        Of an imported network the last but one alone, of most of these none.

        Raises
        ------
        ModelRefused
            It fails.
        """
        if self._wide is None:
            seen = self.embedding(inputs)
            layers = [] if seen is None else [seen]
        else:
            wide, before = self._wide
            found = [self._asked(wide, [EMBEDDING, before], batch) for batch in self._batches(inputs)]
            layers = [np.concatenate(layer) for layer in zip(*found, strict=True)]
        return [layer.reshape(len(layer), math.prod(layer.shape[1:])) for layer in layers]

    @cached_property
    def _wide(self) -> tuple[onnxruntime.InferenceSession, str] | None:
        """The network once more, which tells the layer before its embedding too, and that layer's name."""
        if self._model.network is None or not (self._is_own and self._has_embedding):
            return None
        if (telling := telling_before(self._model.network, EMBEDDING)) is None:
            return None
        network, before = telling
        return session(replace(self._model, network=network), *self._made_as), before

    def _shape(self, name: str, inputs: str) -> tuple[int, ...]:
        if inputs == "features":
            from pipeline.classify.cutout_features import NAMES

            if self._features != list(NAMES):
                raise ModelRefused(f"{name}: it takes other features than are measured here")
            return (len(NAMES),)
        if inputs != "triplet" or not self._planes:
            raise ModelRefused(f"{name}: it takes neither triplets nor features")
        return (SIDE, SIDE, self._planes) if self._last else (self._planes, SIDE, SIDE)

    def _batches(self, inputs: Inputs) -> Iterator[Batch]:
        for first in range(0, len(inputs), BATCH):
            yield self.input_of(inputs, slice(first, first + BATCH))

    def input_of(self, inputs: Inputs, which: slice) -> Batch:
        """What goes into the network for some candidates."""
        if self._takes_features:
            return np.nan_to_num(inputs.features[which], nan=0.0)  # what is missing is 0 to a network
        planes = network_input(inputs.triplets[which], self._scale)[:, : self._planes]
        return np.ascontiguousarray(np.moveaxis(planes, 1, -1) if self._last else planes)

    def _turned(self, batch: Batch, raw: Array) -> Array:
        return mean_logits(lambda some: self._run(some)[0], batch, raw) if self._is_turned else raw

    def _run(self, batch: Batch, also: str | None = None) -> tuple[Array, Any]:
        found = self._asked(self._session, [self._output] if also is None else [self._output, also], batch)
        raw = np.asarray(found[0], dtype=np.float64)
        if raw.size != len(batch):
            raise ModelRefused(
                f"{self.name}: it gives {raw.size} numbers for {len(batch)} candidates, not one each"
            )
        if not np.isfinite(raw).all():
            raise ModelRefused(f"{self.name}: what it gives is not one finite number a candidate")
        raw = raw.reshape(len(batch))
        if self._is_probability:
            sure = np.clip(raw, 1e-7, 1.0 - 1e-7)
            raw = np.log(sure) - np.log1p(-sure)
        return raw, found[-1]

    def _asked(self, network: onnxruntime.InferenceSession, names: list[str], batch: Batch) -> list[Any]:
        try:
            return list(network.run(names, {self._input: batch}))
        except Exception as error:  # noqa: BLE001 - ONNX Runtime raises many kinds, of no common base
            raise ModelRefused(f"{self.name}: it cannot be run: {line_of(error)}") from None


def check_sizes(name: str, network: Any, inputs: dict[str, tuple[int, ...]]) -> None:
    """Refuse a network whose layers would need more memory than any of ours.

    Parameters
    ----------
    name : str
    network : onnx.ModelProto
        Of operators that were looked at. It is changed.
    inputs : dict of str to tuple
        The shape of each input, of a whole batch.

    Raises
    ------
    ModelRefused
        Its layers do not fit together, or one gives more than `MOST_ACTIVATIONS` numbers, or so many that
        only running it would tell.
    """
    import onnx

    try:
        for each in network.graph.input:
            for size, dim in zip(inputs.get(each.name, ()), each.type.tensor_type.shape.dim, strict=False):
                dim.dim_value = size
        for each in network.graph.output:
            each.type.tensor_type.ClearField("shape")
        del network.graph.value_info[:]  # what its maker called the sizes would stand in for numbers
        inferred = onnx.shape_inference.infer_shapes(network, data_prop=True)
    except Exception as error:  # noqa: BLE001 - protobuf and ONNX raise many kinds, of no common base
        raise ModelRefused(
            f"{name}: model.onnx is no ONNX that can be understood: {line_of(error)}"
        ) from None
    layers = {each.name: each for each in (*inferred.graph.value_info, *inferred.graph.output)}
    for given in (name for node in inferred.graph.node for name in node.output if name):
        if given not in layers or not _has_sizes(layers[given]):
            raise ModelRefused(
                f"{name}: how large layer {given[:64]!r} of model.onnx is, its file does not tell"
            )
    for each in layers.values():
        sides = [dim.dim_value for dim in each.type.tensor_type.shape.dim]
        if min(sides, default=0) < 0:
            raise ModelRefused(f"{name}: a layer of model.onnx is smaller than what goes over it")
        if math.prod(sides) > MOST_ACTIVATIONS:
            raise ModelRefused(
                f"{name}: a layer of model.onnx has {math.prod(sides)} numbers, too many to run"
            )


def _has_sizes(layer: Any) -> bool:
    """Whether all sides of a layer are known before it is run."""
    kind = layer.type.tensor_type
    return kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim)
