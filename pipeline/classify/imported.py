"""A network of any framework, brought in as ONNX: looked through, tried, and put into a model's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.bounded_file import FileTooLarge, bounded_bytes
from pipeline.classify.cutout_features import NAMES
from pipeline.classify.first_run import some_triplets
from pipeline.classify.model_file import MOST_FILE, Calibration, Description, ModelRefused, write
from pipeline.classify.networks import ALL_PLANES, IMPORTED, OPERATORS, PLANES
from pipeline.classify.onnx_network import checked
from pipeline.classify.scorers import Inputs, load
from pipeline.classify.trial import survive
from pipeline.classify.triplets import SIDE

if TYPE_CHECKING:
    from pipeline.training.examples import Examples

SHAPING = ("Identity", "Reshape", "Squeeze", "Flatten", "Cast")  # what changes no number
FLAG = "--gives probability"
SINGLE = 1  # what ONNX calls float32
SAME_LOGIT = 1e-3  # to which rounding alone leaves what a network gives


@dataclass(frozen=True, slots=True)
class Takes:
    """How an imported network is fed: the name of its input, the order of its axes, its planes."""

    inputs: Literal["triplet", "features"]
    name: str
    layout: str = "nchw"
    planes: int = ALL_PLANES


@dataclass(frozen=True, slots=True)
class Brought:
    """What was brought in.

    Attributes
    ----------
    digest : str
        Of the model's folder.
    gives : str
        ``probability`` or ``logit``, as was said or concluded.
    doubt : str or None
        One sentence, where what it gave when tried speaks against that.
    """

    digest: str
    gives: str
    doubt: str | None


def bring_in(
    path: Path,
    folder: Path,
    name: str,
    inputs: str,
    gives: str | None = None,
    examples: Examples | None = None,
) -> Brought:
    """Make a model's folder of an ONNX file.

    Parameters
    ----------
    path : Path
    folder : Path
        It must not exist.
    name : str
        ``realbogus`` or ``tree``: the model that it is a version of.
    inputs : str
        ``triplet``: (n, 3, 63, 63) or (n, 6, 63, 63), or with the planes last;
        ``features``: (n, F), those of `pipeline.classify.cutout_features`.
    gives : str, optional
        ``probability`` or ``logit``; by default a probability where its last operation is one of those
        that end in 0 to 1.
    examples : Examples, optional
        To calibrate it on; without, it is taken at its word.

    Raises
    ------
    ModelRefused
        It cannot be read, holds what may not be run, takes or gives something else, or fails when tried.
    """
    content = _read(path)
    is_concluded = gives is None
    # Not even read here before another process lived through it.
    asked = (path.name, content, str(name), str(inputs), None if gives is None else str(gives))
    survive(path.name, _tried, *asked)
    description, tried, given = _tried(*asked)
    gives = str(description.config["gives"])
    _refuse_unsteady(path.name, tried, given)
    if examples is not None:
        from pipeline.training.calibration import platt

        known = examples[examples.label >= 0]
        calibration: Calibration = platt(tried.logits(Inputs(known.triplets)), known.label)
        description = description.model_copy(update={"calibration": calibration})
    doubt = None
    if np.ptp(given) == 0.0:
        doubt = f"it gave each of the {len(given)} candidates that it was tried on the same number"
    elif is_concluded and gives == "logit" and bool(np.all((given >= 0.0) & (given <= 1.0))):
        doubt = (
            f"all that it gave when tried is between 0 and 1: if that is a probability, import it with {FLAG}"
        )
    return Brought(write(folder, description, {}, content), gives, doubt)


def _read(path: Path) -> bytes:
    try:
        return bounded_bytes(path, MOST_FILE)
    except FileTooLarge as error:
        raise ModelRefused(str(error)) from None
    except OSError as error:
        raise ModelRefused(f"{path.name} cannot be read: {error.strerror or error}") from None


def _takes(name: str, network: Any, inputs: str) -> Takes:
    weights = {each.name for each in network.graph.initializer}
    asked = [each for each in network.graph.input if each.name not in weights]
    if len(asked) != 1:
        raise ModelRefused(f"{name} takes {len(asked)} inputs; one is needed")
    taken = asked[0].type.tensor_type
    if taken.elem_type != SINGLE:
        raise ModelRefused(f"{name} takes no numbers of single precision (float32): export it for these")
    shape = [dim.dim_value for dim in taken.shape.dim]  # 0 where it is free
    if shape and shape[0] > 0:
        raise ModelRefused(f"{name} takes exactly {shape[0]} candidates at a time; export it for any number")
    if inputs == "features":
        if shape[1:] != [len(NAMES)]:
            raise ModelRefused(f"{name} takes {shape[1:]} numbers a candidate; {len(NAMES)} are measured")
        return Takes("features", asked[0].name)
    for planes in (PLANES, ALL_PLANES):
        for layout, wanted in (("nchw", [planes, SIDE, SIDE]), ("nhwc", [SIDE, SIDE, planes])):
            if shape[1:] == wanted:
                return Takes("triplet", asked[0].name, layout, planes)
    raise ModelRefused(
        f"{name} takes {shape[1:]}; a triplet is of 3 planes, or 6 with the masks, of {SIDE} x {SIDE} pixels"
    )


def _output(name: str, network: Any) -> tuple[str, bool]:
    """The name of its output, and whether that is between 0 and 1 by its last operation."""
    if len(network.graph.output) != 1:
        raise ModelRefused(f"{name} has {len(network.graph.output)} outputs; one is needed")
    output = str(network.graph.output[0].name)
    makers = {given: node for node in network.graph.node for given in node.output}
    node = makers.get(output)
    while node is not None and node.input and node.op_type in SHAPING:
        node = makers.pop(node.input[0], None)  # once each, as a file may lead round in a circle
    return output, node is not None and node.op_type in ("Sigmoid", "HardSigmoid")


def _refuse_unsteady(name: str, network: Any, given: NDArray[np.float64]) -> None:
    """Refuse a network by which a candidate's score hangs on chance, or on those it is scored beside.

    It was exported as it trains, with dropout or the mean of each batch, and not as it is to be used.

    Parameters
    ----------
    name : str
    network : Scorer
    given : (n,) float64
        What it gave candidates of `some_triplets`, all at once.
    """
    triplets = some_triplets()
    alone = np.concatenate([network.logits(Inputs(triplets[slice(i, i + 1)])) for i in range(len(given))])
    if not np.allclose(alone, given, rtol=SAME_LOGIT, atol=SAME_LOGIT):
        raise ModelRefused(
            f"{name} gives a candidate another score alone than among others, or when asked again: "
            "export it for inference, not as it trains"
        )


def _tried(
    path: str, content: bytes, name: str, inputs: str, gives: str | None
) -> tuple[Description, Any, NDArray[np.float64]]:
    """What a network is, the model, and what it gave some candidates."""
    from pipeline.classify.model_file import ModelFile

    description = _described(path, content, name, inputs, gives)
    made = load(ModelFile(description, "", {}, content))
    return description, made, made.logits(Inputs(some_triplets()))


def _described(path: str, content: bytes, name: str, inputs: str, gives: str | None) -> Description:
    network = checked(path, content, OPERATORS)
    takes = _takes(path, network, inputs)
    (output, is_bounded) = _output(path, network)
    config: dict[str, int | float | str] = {
        "input": takes.name,
        "output": output,
        "layout": takes.layout,
        "planes": takes.planes,
        "gives": gives or ("probability" if is_bounded else "logit"),
    }
    return Description(
        kind="tree" if name == "tree" else "realbogus",
        architecture=IMPORTED,
        config=config,
        inputs=takes.inputs,
        features=list(NAMES) if takes.inputs == "features" else [],
        trained={"imported_from": path[:200], "producer": str(network.producer_name)[:100]},
    )
