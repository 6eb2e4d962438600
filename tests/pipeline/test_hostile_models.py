"""Files that are no models, or that want something of their reader: one sentence each, and nothing runs."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.models.files import folder_of, trouble
from pipeline.classify.model_file import (
    DESCRIPTION,
    NETWORK,
    WEIGHTS,
    Description,
    ModelFile,
    ModelRefused,
    read,
)
from pipeline.classify.scorers import load
from pipeline.classify.triplets import SIDE
from tests.pipeline import toy_models


class Canary:
    """Leaves a file behind when a pickle of it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grown") / "tree"
    toy_models.tree(folder)
    return folder


@pytest.fixture
def tree(tmp_path: Path, grown: Path) -> Path:
    return shutil.copytree(grown, tmp_path / "tree")


def put(folder: Path, name: str, content: bytes) -> None:
    """Write a file, and its right hash into the description: only the content is wrong."""
    (folder / name).write_bytes(content)
    said = json.loads((folder / DESCRIPTION).read_bytes())
    said["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / DESCRIPTION).write_text(json.dumps(said))


def tensors(header: object, data: bytes = b"") -> bytes:
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + data


def refused(folder: Path, word: str) -> None:
    with pytest.raises(ModelRefused, match=word) as told:
        load(folder)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 500


RUN_CODE = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}  # as they are read
READERS = {"torch.load", "torch.export.load", "torch.jit.load", "torch.hub.load"}


def test_nothing_of_ours_reads_what_can_run():
    """Weights that are read by a pickle run what they say; so do models of MLflow and files of torch."""
    root = Path(__file__).parents[2]
    found = [
        f"{path.relative_to(root)}: {said}"
        for room in ("astrid_tui", "benchmarks", "core", "pipeline", "screens")
        for path in (root / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for said in running(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle as p",
        "from joblib import load",
        "import torch; torch.load(f, weights_only=True)",
        "mlflow.pyfunc.load_model(uri)",
        "from torch.export import load",
        "numpy.load(f, allow_pickle=True)",
    ],
)
def test_what_reads_what_can_run_is_seen(line):
    assert [said for node in ast.walk(ast.parse(line)) for said in running(node)]


def running(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names if each.name.partition(".")[0] in RUN_CODE)
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{each.name}" for each in node.names]
        yield from (each for each in names if each in READERS or each.partition(".")[0] in RUN_CODE)
    elif isinstance(node, ast.Attribute) and (node.attr == "load_model" or ast.unparse(node) in READERS):
        yield ast.unparse(node)
    elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
        yield "allow_pickle"


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
EMPTY = {**ONE, "shape": [0], "data_offsets": [0, 0]}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (tensors({"a": {**ONE, "shape": [10**12]}}, b"\0" * 4), "1000000000000 numbers"),
        (tensors({"a": {**ONE, "shape": [10**6, 10**6, 10**6]}}, b"\0" * 4), "numbers"),
        (tensors({"a": {**ONE, "shape": [2**63, 2]}}, b"\0" * 4), "numbers"),
        (tensors({"a": {**ONE, "shape": [-1]}}, b"\0" * 4), "cannot be read"),
        (tensors({"a": {**ONE, "shape": "all"}}, b"\0" * 4), "cannot be read"),
        (tensors({"a": ONE}, b"\0"), "cannot be read"),
        (tensors({"a": ONE}, np.float32(np.nan).tobytes()), "no finite numbers"),
        (tensors({"a": ONE}, np.float32(np.inf).tobytes()), "no finite numbers"),
        (tensors([1, 2]), "no header"),
        (struct.pack("<Q", 2**62) + b"{}", "no header"),
        (b"", "no header"),
        (
            tensors({f"a{i}": EMPTY for i in range(20_000)}),
            "no header",
        ),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "cannot be read|no header"),
        (tensors({"a": ONE}, b"\0" * 4), "the trees lack"),
    ],
)
def test_weights_that_are_none_are_refused(tree: Path, content: bytes, word: str) -> None:
    put(tree, WEIGHTS, content)
    refused(tree, word)


def test_a_pickle_as_weights_or_as_a_network_does_not_run(tree: Path, canary: Path) -> None:
    packed = pickle.dumps(Canary(canary))
    for name in (WEIGHTS, NETWORK):
        for content in (packed, tensors({"a": {**ONE, "data_offsets": [0, len(packed)]}}, packed)):
            put(tree, name, content)
            refused(tree, "cannot be read|no header|no ONNX")
    assert not canary.exists()
    pickle.loads(packed)
    assert canary.exists()


def test_a_file_that_was_cut_off_or_changed_is_refused_by_its_hash(tree: Path) -> None:
    whole = (tree / WEIGHTS).read_bytes()
    for changed in (whole[:-1], whole + b"\0", b""):
        (tree / WEIGHTS).write_bytes(changed)
        refused(tree, "SHA-256 differs")
    (tree / WEIGHTS).unlink()
    refused(tree, "cannot be read")
    with pytest.raises(ModelRefused, match="not the one that was registered"):
        read(tree, "0" * 64)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "oracle"}, "kind"),
        ({"architecture": "../../etc/passwd"}, "architecture"),
        ({"architecture": "resnet"}, "is not known"),
        ({"kind": "realbogus", "architecture": "cutout_cnn"}, "neither|takes other|no network"),
        ({"features": ["a"]}, "other features"),
        ({"inputs": "triplet"}, "other features"),
        ({"files": {"../../secret": "0" * 64}}, "no file of the name"),
        ({"files": {"/etc/passwd": "0" * 64}}, "no file of the name"),
        ({"config": {"a" * 10: [1]}}, "config"),
        ({"calibration": {"slope": float("inf")}}, "slope|no description"),
        ({"loader_module": "evil"}, "loader_module"),
        ({"features": ["a"] * 10_000}, "features"),
    ],
)
def test_descriptions_that_are_none_are_refused(tree: Path, change: dict[str, object], word: str) -> None:
    said = json.loads((tree / DESCRIPTION).read_bytes())
    (tree / DESCRIPTION).write_text(json.dumps(said | change))
    refused(tree, word)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[" * 100_000, b'{"a":' * 50_000, b" " * 1_000_001])
def test_json_of_absurd_shape_or_size_is_refused(tree: Path, content: bytes) -> None:
    (tree / DESCRIPTION).write_bytes(content)
    refused(tree, "no description|not read|nested")


def network(
    *nodes: onnx.NodeProto,
    weights: tuple[onnx.TensorProto, ...] = (),
    shape: tuple[object, ...] = ("n", 6, SIDE, SIDE),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes or [helper.make_node("GlobalAveragePool", ["triplet"], ["logit"])],
        "g",
        [helper.make_tensor_value_info("triplet", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def outside(place: str) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.zeros((1, 6, 1, 1), np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": "24"}.items():
        weight.external_data.add(key=key, value=value)
    return network(helper.make_node("Conv", ["triplet", "w"], ["logit"]), weights=(weight,))


def sparse_outside() -> onnx.ModelProto:
    """Other files as the values of a constant of which most is 0."""
    values = outside("/etc/passwd").graph.initializer[0]
    indices = numpy_helper.from_array(np.arange(6, dtype=np.int64))
    sparse = onnx.SparseTensorProto(values=values, indices=indices, dims=[1, 6, 1, 1])
    constant = helper.make_node("Constant", [], ["w"])
    constant.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse)
    return network(constant, helper.make_node("Conv", ["triplet", "w"], ["logit"]))


def hidden() -> onnx.ModelProto:
    """The same within a branch."""
    inner = outside("/etc/passwd").graph
    node = helper.make_node("If", ["triplet"], ["logit"], then_branch=inner, else_branch=inner)
    return network(node)


def with_weight(value: float) -> onnx.ModelProto:
    weights = np.zeros((1, 6, SIDE, SIDE), np.float32)
    weights[0, 0, 0, 0] = value
    return network(
        helper.make_node("Conv", ["triplet", "w"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["logit"]),
        weights=(numpy_helper.from_array(weights, "w"),),
    )


def sparse_and_unused() -> onnx.ModelProto:
    """Four bytes that are filled up to gigabytes as soon as they are read."""
    made = network()
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**4, 10**4]))
    return made


def of_another_size() -> onnx.ModelProto:
    made = with_weight(1.0)
    made.graph.initializer[0].dims[0] = 10**12
    return made


def padded() -> onnx.ModelProto:
    pads = [0, 0, 500_000, 500_000]
    weight = numpy_helper.from_array(np.zeros((1, 6, 1, 1), np.float32), "w")
    return network(
        helper.make_node("Conv", ["triplet", "w"], ["logit"], pads=[*pads[2:], *pads[2:]]), weights=(weight,)
    )


def own_domain() -> onnx.ModelProto:
    return network(helper.make_node("Evil", ["triplet"], ["logit"], domain="com.evil"))


def own_function() -> onnx.ModelProto:
    made = network()
    made.functions.add(name="GlobalAveragePool", domain="")
    return made


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: outside("/etc/passwd"), "other files"),
        (lambda: outside("../../../secret.bin"), "other files"),
        (sparse_outside, "other files"),
        (hidden, "operator 'If'|other files"),
        (own_domain, "operator 'Evil'"),
        (own_function, "functions of its own"),
        (padded, "too many to run"),
        (lambda: with_weight(np.nan), "values in 'w' that are no finite numbers"),
        (lambda: with_weight(np.inf), "values in 'w' that are no finite numbers"),
        (sparse_and_unused, "claims 100000000 numbers"),
        (of_another_size, "weights of another size than it says"),
        (lambda: network(helper.make_node("Loop", ["triplet"], ["logit"])), "operator 'Loop'"),
        (lambda: network(helper.make_node("ConstantOfShape", ["triplet"], ["logit"])), "ConstantOfShape"),
        (lambda: network(shape=("n", 3, 5, 5)), "other inputs|no ONNX"),
    ],
)
def test_networks_that_want_more_than_to_be_run_are_refused(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], word: str
) -> None:
    folder = tmp_path / "realbogus"
    folder.mkdir()
    said = {"kind": "realbogus", "architecture": "cutout_cnn", "inputs": "triplet", "files": {}}
    (folder / DESCRIPTION).write_text(json.dumps(said))
    put(folder, NETWORK, make().SerializeToString())
    refused(folder, word)


@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b"\x80\x02not onnx", pickle.dumps({"a": 1})])
def test_bytes_that_are_no_network_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "realbogus"
    folder.mkdir()
    said = {"kind": "realbogus", "architecture": "cutout_cnn", "inputs": "triplet", "files": {}}
    (folder / DESCRIPTION).write_text(json.dumps(said))
    put(folder, NETWORK, content)
    refused(folder, "ONNX|cannot be run|other inputs|no output")


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_pipe_or_a_device_in_place_of_a_file_is_refused_and_not_read(
    grown: Path, tmp_path: Path, name: str
) -> None:
    digest = hashlib.sha256((grown / DESCRIPTION).read_bytes()).hexdigest()
    tree = shutil.copytree(grown, folder_of(tmp_path, digest))
    for put_there in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (tree / name).unlink()
        put_there(tree / name)
        refused(tree, "no regular file")
        assert "no regular file" in str(trouble(tmp_path, "tree", digest))


@pytest.mark.parametrize("planes", ["x", "", 3.5, 0])
def test_planes_that_are_no_number_of_them_are_refused(tmp_path: Path, planes: object) -> None:
    folder = tmp_path / "realbogus"
    folder.mkdir()
    said = {
        "kind": "realbogus",
        "architecture": "imported",
        "inputs": "triplet",
        "files": {},
        "config": {"planes": planes},
    }
    (folder / DESCRIPTION).write_text(json.dumps(said))
    put(folder, NETWORK, network().SerializeToString())
    refused(folder, "neither triplets nor features")


def with_arrays(folder: Path, **changed: np.ndarray) -> None:
    from safetensors.numpy import load as load_arrays
    from safetensors.numpy import save

    put(folder, WEIGHTS, save({**load_arrays((folder / WEIGHTS).read_bytes()), **changed}))


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        # Differences of whole numbers wrap: each of these begins "after" the one before it.
        (
            {
                "start": np.array([0, 2**62 + 2**61, -(2**62), 3]),
                **{name: np.zeros(3) for name in ("threshold", "value")},
                **{name: np.zeros(3, np.int64) for name in ("left", "right", "missing_left")},
                "feature": np.full(3, -1),
            },
            "one after the other",
        ),
        ({"start": np.array([0.0, 1e19])}, "no whole numbers"),
        ({"value": np.array([1e308])}, "no sum could take"),
    ],
)
def test_numbers_that_wrap_or_overflow_are_refused(
    tree: Path, changed: dict[str, np.ndarray], word: str
) -> None:
    with_arrays(tree, **changed)
    refused(tree, word)


def test_more_sets_of_weights_than_members_form_are_refused() -> None:
    """Each candidate is compared with every set: millions of them would fill the memory."""
    description = Description(
        kind="ensemble", architecture="logistic_stacking", inputs="scores", features=["tree"]
    )
    sets = {"present": np.zeros((17, 1), np.uint8), "weights": np.zeros((17, 1)), "bias": np.zeros(17)}
    with pytest.raises(ModelRefused, match="17 sets of weights; members form 16"):
        load(ModelFile(description, "", sets))


def test_a_tree_whose_nodes_go_round_in_a_circle_is_refused(tree: Path) -> None:
    from safetensors.numpy import load as load_arrays
    from safetensors.numpy import save

    arrays = load_arrays((tree / WEIGHTS).read_bytes())
    asks = np.flatnonzero(arrays["feature"] >= 0)
    arrays["left"] = arrays["left"].copy()
    arrays["left"][asks] = 0
    put(tree, WEIGHTS, save(arrays))
    refused(tree, "before it or outside")
