"""A network of another framework: brought in as ONNX it scores as it did at home."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.classify import imported
from pipeline.classify.cutout_features import MEANING, NAMES
from pipeline.classify.imported import bring_in
from pipeline.classify.model_file import ModelRefused, read
from pipeline.classify.scorers import Inputs, load
from pipeline.classify.triplets import SIDE, SOFTENING, network_input, of_arrays
from tests.pipeline.toy_models import blobs


@pytest.fixture(scope="module")
def examples():
    return blobs(24, seed=3)


def linear(path: Path, shape: list[object], *, sigmoid: bool = False) -> np.ndarray:
    """A network that sums its input with random weights; those weights."""
    size = int(np.prod(shape[1:]))
    weights = np.random.default_rng(4).normal(size=(size, 1)).astype(np.float32) / np.float32(size)
    nodes = [
        helper.make_node("Flatten", ["in"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["sum"]),
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["sum"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(weights, "w")],
    )
    save(graph, path)
    return weights


def save(graph: onnx.GraphProto, path: Path) -> None:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def test_a_keras_model_comes_in_and_scores_as_keras_does(tmp_path, monkeypatch, examples):
    pytest.importorskip("torch", reason="Keras needs one of its backends")
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras was loaded with another backend")
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Conv2D(4, 5, strides=3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    seen = np.moveaxis(network_input(examples.triplets)[:, :3], 1, -1)
    theirs = np.asarray(model.predict(seen, verbose=0), dtype=np.float64).ravel()
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    digest = bring_in(tmp_path / "model.onnx", tmp_path / "realbogus", "realbogus", "triplet").digest
    scorer = load(tmp_path / "realbogus", digest)
    assert scorer.name == "realbogus"
    ours = 1 / (1 + np.exp(-scorer.logits(Inputs(examples.triplets))))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert theirs.std() > 0


@pytest.mark.parametrize("shape", [["n", 3, 63, 63], ["n", 6, 63, 63], ["n", 63, 63, 3], ["n", 63, 63, 6]])
def test_every_order_of_axes_and_with_or_without_the_masks(tmp_path, examples, shape):
    weights = linear(tmp_path / "a.onnx", shape)
    scorer = load(
        tmp_path / "m", bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet").digest
    )
    seen = network_input(examples.triplets)
    seen = seen[:, :3] if 3 in shape else seen
    seen = np.moveaxis(seen, 1, -1) if shape[1] == SIDE else seen
    expected = seen.reshape(len(seen), -1) @ weights
    np.testing.assert_allclose(scorer.logits(Inputs(examples.triplets)), expected.ravel(), atol=1e-5)


def test_a_network_is_given_what_the_document_says():
    """Whoever makes one goes by it alone: the order of planes, their scale, and what masked pixels hold."""
    rng = np.random.default_rng(8)
    sky, sigma = np.array([500.0, 40.0, 0.0]), np.array([30.0, 4.0, 7.0])
    stacks = sky[:, None, None, None] + sigma[:, None, None, None] * rng.normal(size=(3, 2, SIDE, SIDE))
    stacks[:, :, 31, 31] += 50.0 * sigma[:, None]  # the candidate
    stacks[2, 1, 5, 7] = np.nan
    expected = []
    for stack in stacks:
        middle = np.nanmedian(stack, axis=(1, 2), keepdims=True)
        spread = 1.4826 * np.nanmedian(abs(stack - middle), axis=(1, 2), keepdims=True)
        expected.append(np.nan_to_num(np.arcsinh((stack - middle) / spread / 3)))
    given = network_input(of_arrays(*stacks))
    np.testing.assert_allclose(given[:, :3], np.stack(expected, axis=1), atol=0.02)
    assert given[1, 5, 5, 7] == given[1, 2, 5, 7] == 0.0
    assert given[:, 3:].sum() == 2 * 3 * SIDE * SIDE - 1

    document = Path(__file__).parents[2] / "docs" / "models.md"
    said = " ".join(document.read_text(encoding="utf-8").split())
    for words in (f"arcsinh(v / {SOFTENING:g})", f"(n, 3, {SIDE}, {SIDE})", "pixel (31, 31)"):
        assert words in said
    assert "pipeline.classify.cutout_features.MEANING" in said
    assert tuple(MEANING) == NAMES


def test_a_network_on_features_and_its_calibration_on_examples(tmp_path):
    examples = blobs(200, seed=6)
    linear(tmp_path / "a.onnx", ["n", len(NAMES)], sigmoid=True)
    known = bring_in(tmp_path / "a.onnx", tmp_path / "m", "tree", "features", examples=examples).digest
    said = read(tmp_path / "m", known).description
    assert (said.kind, said.features, said.config["gives"]) == ("tree", list(NAMES), "probability")
    assert said.calibration.prevalence == 0.5
    assert said.calibration.slope != 1.0
    assert np.isfinite(load(tmp_path / "m").logits(Inputs(examples.triplets))).all()


@pytest.mark.parametrize(
    ("shape", "inputs", "word"),
    [
        ([1, 3, 63, 63], "triplet", "exactly 1 candidates"),
        (["n", 3, 51, 51], "triplet", "63 x 63"),
        (["n", 3, "h", "w"], "triplet", "63 x 63"),
        (["n", 25], "features", "37 are measured"),
        (["n", 3, 63, 63], "features", "37 are measured"),
    ],
)
def test_a_network_that_takes_something_else_is_refused(tmp_path, shape, inputs, word):
    linear(tmp_path / "a.onnx", [8 if isinstance(each, str) and each in "hw" else each for each in shape])
    with pytest.raises(ModelRefused, match=word):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", inputs)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "model.h5", "absent.onnx"])
def test_files_of_other_kinds_are_refused(tmp_path, name):
    if name != "absent.onnx":
        (tmp_path / name).write_bytes(b"\x80\x05\x95something")
    with pytest.raises(ModelRefused, match=r"no ONNX|cannot be read"):
        bring_in(tmp_path / name, tmp_path / "m", "realbogus", "triplet")


def test_a_network_that_gives_more_than_one_number_is_refused(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["in"], ["out"])],
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", len(NAMES)])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", len(NAMES)])],
    )
    save(graph, tmp_path / "a.onnx")
    with pytest.raises(ModelRefused, match=f"gives {8 * len(NAMES)} numbers for 8 candidates, not one each"):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "tree", "features")


def network(path: Path, nodes: list[onnx.NodeProto], *weights: onnx.TensorProto, opset: int = 18) -> Path:
    """One that takes triplets in any number, and gives a number a candidate."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", 3, 63, 63])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array([1, 2, 3]), "axes"), *weights],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)
    return path


MEAN = helper.make_node("ReduceMean", ["in", "axes"], ["mean"], keepdims=0)


def test_a_network_that_scores_by_what_else_is_in_the_batch_is_refused(tmp_path):
    """As one that was exported as it trains takes the mean of each batch."""
    nodes = [
        MEAN,
        helper.make_node("ReduceMean", ["mean"], ["all"], keepdims=1),
        helper.make_node("Sub", ["mean", "all"], ["out"]),
    ]
    with pytest.raises(ModelRefused, match="another score alone than among others"):
        bring_in(network(tmp_path / "a.onnx", nodes), tmp_path / "m", "realbogus", "triplet")


def test_a_network_that_scores_by_chance_is_refused(tmp_path):
    nodes = [
        helper.make_node("Dropout", ["in", "half", "yes"], ["some"], seed=1),
        helper.make_node("ReduceMean", ["some", "axes"], ["out"], keepdims=0),
    ]
    half, yes = (
        numpy_helper.from_array(np.array(value), name)
        for value, name in ((np.float32(0.5), "half"), (True, "yes"))
    )
    with pytest.raises(ModelRefused, match="export it for inference"):
        bring_in(network(tmp_path / "a.onnx", nodes, half, yes), tmp_path / "m", "realbogus", "triplet")


def test_of_a_network_that_says_the_same_of_all_it_is_told(tmp_path):
    nodes = [MEAN, helper.make_node("Mul", ["mean", "nothing"], ["out"])]
    nothing = numpy_helper.from_array(np.array(0.0, np.float32), "nothing")
    brought = bring_in(
        network(tmp_path / "a.onnx", nodes, nothing), tmp_path / "m", "realbogus", "triplet", "logit"
    )
    assert brought.doubt == "it gave each of the 8 candidates that it was tried on the same number"


def test_a_network_of_operators_to_come_is_refused_in_words(tmp_path):
    path = network(tmp_path / "a.onnx", [helper.make_node("ReduceMean", ["in"], ["out"])], opset=99)
    with pytest.raises(ModelRefused, match=r"operator set 99, and [0-9]+ is the newest that is known here"):
        bring_in(path, tmp_path / "m", "realbogus", "triplet")


def test_a_network_in_double_precision_is_refused_in_words(tmp_path):
    graph = helper.make_graph(
        [MEAN, helper.make_node("Identity", ["mean"], ["out"])],
        "g",
        [helper.make_tensor_value_info("in", TensorProto.DOUBLE, ["n", 3, 63, 63])],
        [helper.make_tensor_value_info("out", TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(np.array([1, 2, 3]), "axes")],
    )
    save(graph, tmp_path / "a.onnx")
    with pytest.raises(ModelRefused, match="no numbers of single precision"):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet")


def test_a_network_whose_layers_grow_as_it_runs_is_refused(tmp_path):
    """Its padding is computed from its input, so that no look at the file tells how large it becomes."""
    nodes = [
        helper.make_node("ReduceMax", ["in"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "wide"], ["sides"]),
        helper.make_node("Cast", ["sides"], ["pads"], to=TensorProto.INT64),
        helper.make_node("Pad", ["in", "pads"], ["large"]),
        helper.make_node("ReduceMean", ["large", "axes"], ["out"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", 3, 63, 63])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])],
        [
            numpy_helper.from_array(np.zeros(1, np.float32), "nothing"),
            numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 0, 1500, 1500], np.float32), "wide"),
            numpy_helper.from_array(np.array([1, 2, 3]), "axes"),
        ],
    )
    save(graph, tmp_path / "a.onnx")
    with pytest.raises(ModelRefused, match="how large layer 'large'"):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet")


def test_what_looks_like_a_probability_and_is_taken_for_a_logit_is_told(tmp_path):
    one = numpy_helper.from_array(np.array(1.0, np.float32), "one")
    axes = numpy_helper.from_array(np.array([1, 2, 3]), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["in", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["half"]),
        helper.make_node("Mul", ["half", "one"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", 3, 63, 63])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])],
        [one, axes],
    )
    save(graph, tmp_path / "a.onnx")
    told = bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet")
    assert told.gives == "logit"
    assert "--gives probability" in (told.doubt or "")
    said = bring_in(tmp_path / "a.onnx", tmp_path / "n", "realbogus", "triplet", "logit")
    assert said.doubt is None


def aborting(path: Path) -> None:
    """A pool wider than its image: ONNX itself aborts as it asks how large the result is."""
    nodes = [
        helper.make_node("MaxPool", ["in"], ["pooled"], kernel_shape=[2, 1000]),
        helper.make_node("Slice", ["pooled", "from", "to", "across"], ["narrow"]),
        helper.make_node("ReduceMean", ["narrow"], ["out"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", 3, 63, 63])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array([3]), "from"),
            numpy_helper.from_array(np.array([9]), "to"),
            numpy_helper.from_array(np.array([3]), "across"),
        ],
    )
    save(graph, path)


def test_a_network_that_ends_the_program_which_reads_it_is_refused_by_one_that_goes_on(tmp_path, capfd):
    aborting(tmp_path / "a.onnx")
    with pytest.raises(ModelRefused, match="ends the program that runs it"):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet")
    assert capfd.readouterr() == ("", "")


def test_a_network_that_would_fill_the_memory_as_it_is_read_is_refused_by_one_that_goes_on(
    tmp_path, monkeypatch
):
    """Two bytes of a file make an empty node, which takes a hundred of memory: only the trial reads them."""
    network = b"".join([b"\x0a\x00"] * 3_000_000)
    (tmp_path / "a.onnx").write_bytes(b"\x3a" + _varint(len(network)) + network)
    monkeypatch.setattr(imported, "checked", lambda *_: pytest.fail("it was read here"))
    with pytest.raises(ModelRefused, match="operator ''"):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet")


def _varint(value: int) -> bytes:
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def test_operations_that_lead_round_in_a_circle_are_refused(tmp_path):
    nodes = [helper.make_node("Identity", ["out"], ["a"]), helper.make_node("Identity", ["a"], ["out"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", 3, 63, 63])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])],
    )
    save(graph, tmp_path / "a.onnx")
    with pytest.raises(ModelRefused, match=r"a\.onnx|model\.onnx"):
        bring_in(tmp_path / "a.onnx", tmp_path / "m", "realbogus", "triplet")
