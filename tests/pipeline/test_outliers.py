"""Outlier detectors: equal to scikit-learn's, ranks that mean what they say, files that are not believed."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sklearn.ensemble import IsolationForest as SklearnForest
from sklearn.svm import OneClassSVM

from core.errors import AstridError
from core.models.names import EMBEDDING_OF
from pipeline.classify import cutout_features, model_file, outlier_inputs, outliers, trees
from pipeline.classify.classify import Classifier
from pipeline.classify.kinds import shipped
from pipeline.classify.model_file import Description, ModelRefused, read
from pipeline.classify.networks import EMBEDDING, INPUT, OUTPUT, CandidateNetwork
from pipeline.classify.scorers import Inputs, load, probabilities
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.triplets import SIDE
from pipeline.training import outlier_axes, outliers_train, search
from pipeline.training.outliers_train import OutlierOptions
from pipeline.training.search import OTHER, UNKNOWN, WANTED, compared_by, ranked, together
from tests.pipeline.toy_models import blobs

F = len(cutout_features.NAMES)
OPTIONS = OutlierOptions(trees=20, sample=64, vectors_from=400)


@pytest.fixture(scope="module")
def usual() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((600, F)).astype(np.float32)


def described(kind: str, architecture: str) -> Description:
    return Description(
        kind=kind, architecture=architecture, inputs="features", features=list(cutout_features.NAMES)
    )


def test_the_forest_orders_as_scikit_learn_does(usual):
    grown = SklearnForest(n_estimators=20, max_samples=64, random_state=1).fit(usual)
    ours = trees.sound("isolation_forest", outliers_train.forest_arrays(grown), F)
    path = -outliers.forest_oddness(ours, usual)
    typical = float(outliers_train.path_left(np.array([64]))[0])
    np.testing.assert_allclose(2.0 ** (-path / typical), -grown.score_samples(usual), rtol=1e-6)


def test_what_is_missing_takes_the_way_that_scikit_learn_gives_it(usual):
    holes = usual.copy()
    holes[np.random.default_rng(5).random(holes.shape) < 0.1] = np.nan
    grown = SklearnForest(n_estimators=20, max_samples=64, random_state=1).fit(holes)
    ours = trees.sound("isolation_forest", outliers_train.forest_arrays(grown), F)
    path = -outliers.forest_oddness(ours, holes)
    typical = float(outliers_train.path_left(np.array([64]))[0])
    np.testing.assert_allclose(2.0 ** (-path / typical), -grown.score_samples(holes), rtol=1e-6)
    arrays = outliers_train.machine(holes, OPTIONS)
    assert np.isfinite(outliers.machine_oddness(arrays, holes)).all()


def test_the_machine_says_what_scikit_learn_says(usual):
    arrays = outliers_train.machine(usual, OutlierOptions(vectors_from=1000))
    scaled = outlier_inputs.scaled_features(usual, arrays["centre"], arrays["scale"])
    fitted = OneClassSVM(kernel="rbf", gamma="scale", nu=0.05).fit(scaled)
    np.testing.assert_allclose(
        outliers.machine_oddness(arrays, usual), -fitted.decision_function(scaled), atol=2e-4
    )


@pytest.mark.parametrize("kind", ["isolation_forest", "one_class_svm"])
def test_what_is_said_is_the_share_that_is_less_odd(usual, kind, tmp_path):
    make, architecture = {
        "isolation_forest": (outliers_train.forest, outliers.FOREST),
        "one_class_svm": (outliers_train.machine, outliers.MACHINE),
    }[kind]
    model_file.write(tmp_path / kind, described(kind, architecture), make(usual, OPTIONS))
    scorer = load(tmp_path / kind)
    inputs = Inputs(None)
    inputs.features = usual
    ranks = probabilities(scorer.logits(inputs))
    assert np.abs(np.quantile(ranks, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.01
    inputs.features = np.full((1, F), 9.0, np.float32)
    assert probabilities(scorer.logits(inputs))[0] > 0.999
    assert scorer.name == kind


def test_too_few_examples_do_not_tell_what_is_usual(usual):
    for fit in (outliers_train.forest, outliers_train.machine):
        with pytest.raises(AstridError, match="100 are needed"):
            fit(usual[:99], OPTIONS)


@pytest.mark.parametrize(
    "damage",
    [
        {"gamma": np.array([-1.0])},
        {"scale": np.zeros(F)},
        {"vectors": np.zeros((3, 2), np.float32)},
        {"quantiles": np.array([1.0, 0.0])},
    ],
)
def test_a_machine_that_does_not_fit_together_is_refused(usual, damage, tmp_path):
    arrays = {**outliers_train.machine(usual, OPTIONS), **damage}
    model_file.write(tmp_path / "m", described("one_class_svm", outliers.MACHINE), arrays)
    with pytest.raises(ModelRefused, match="one_class_svm"):
        load(tmp_path / "m")


def test_other_features_are_refused(usual, tmp_path):
    about = described("isolation_forest", outliers.FOREST).model_copy(update={"features": ["mass"]})
    model_file.write(tmp_path / "m", about, outliers_train.forest(usual, OPTIONS))
    with pytest.raises(ModelRefused, match="other features"):
        load(tmp_path / "m")


def sighted(usual, kind="isolation_forest", seen=None, **damage):
    """A detector that takes what the network that came with AstrID sees, along three axes; and its arrays."""
    if seen is None:
        seen = np.random.default_rng(7).standard_normal((len(usual), 32))
    axes = outlier_axes.axes_of(seen, np.ones(len(usual), bool), 3)
    table = np.hstack([usual, outlier_inputs.sound_sight(kind, axes).along(seen)])
    fit = outliers_train.forest if kind == "isolation_forest" else outliers_train.machine
    architecture = outliers.FOREST if kind == "isolation_forest" else outliers.MACHINE
    config = {EMBEDDING_OF: outlier_inputs.network_digest()}
    about = described(kind, architecture).model_copy(update={"config": config})
    return about, {**fit(table, OPTIONS), **axes, **damage}


@pytest.mark.parametrize("kind", ["isolation_forest", "one_class_svm"])
def test_a_detector_looks_through_the_network_that_came_with_astrid_whichever_is_in_use(
    kind, tmp_path, monkeypatch
):
    triplets = blobs(150).triplets
    inputs = Inputs(triplets)
    about, arrays = sighted(inputs.features, kind, outlier_inputs.embedding_of(inputs))
    digest = model_file.write(tmp_path / kind, about, arrays)
    without = Classifier.of({kind: (tmp_path / kind, digest)})
    alone = without.score(triplets).by_model[kind]
    assert without.remarks == ()
    looked = []
    look = CandidateNetwork._run
    monkeypatch.setattr(CandidateNetwork, "_run", lambda *given: looked.append(0) or look(*given))
    shipped = Classifier.of({"realbogus": (SHIPPED["realbogus"].folder, None)})
    shipped.score(triplets)
    once, looked[:] = len(looked), []
    beside = Classifier((*shipped.scorers, *without.scorers)).score(triplets)
    assert len(looked) == once  # what the network saw in passing was used
    np.testing.assert_array_equal(beside.by_model[kind], alone)
    assert len(np.unique(alone)) > 10


def test_what_the_network_sees_decides_what_is_odd(usual, tmp_path):
    about, arrays = sighted(usual)
    model_file.write(tmp_path / "m", about, arrays)
    scorer = load(tmp_path / "m")
    inputs = Inputs(blobs(40).triplets)
    inputs.features = usual[:40]
    odd = {}
    for size in (0.0, 9.0):
        inputs.embeddings[outlier_inputs.network_digest()] = np.full((40, 32), size, np.float32)
        odd[size] = scorer.logits(inputs)
    assert (odd[9.0] > odd[0.0]).mean() > 0.9


def test_axes_are_those_along_which_the_bogus_are_no_odder_than_the_real():
    """The real differ along the first number, the bogus from them along the second, all along the third."""
    random = np.random.default_rng(1)
    seen = random.standard_normal((2000, 3)) * [5.0, 1.0, 1.0] + 10.0
    is_real = np.arange(2000) < 1000
    seen[~is_real] = random.standard_normal((1000, 3)) * [0.5, 1.0, 1.0] + [10.0, 40.0, 10.0]
    sight = outlier_inputs.sound_sight("axes", outlier_axes.axes_of(seen, is_real, 2))
    assert np.argmax(np.abs(sight.axes), axis=1).tolist() == [0, 2]
    along = sight.along(seen)
    np.testing.assert_allclose(along[is_real].std(axis=0), 1.0, atol=0.05)
    assert np.abs(along[~is_real]).mean() < 1.0
    alone = outlier_axes.axes_of(seen[is_real], np.ones(1000, bool), 3)
    assert outlier_inputs.sound_sight("axes", alone).along(seen[is_real]).shape == (1000, 3)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ({"embedding_axes": np.zeros((4, 32))}, "other features|wrong shape|a node asks|incomplete|vectors"),
        ({"embedding_axes": np.zeros(32)}, "wrong shape"),
        ({"embedding_axes": np.zeros((300, 32))}, "wrong shape"),
        ({"embedding_axes": np.zeros((3, 0))}, "wrong shape"),
        ({"embedding_centre": np.zeros(31)}, "wrong shape"),
        ({"embedding_scale": np.zeros(32)}, "not above 0"),
    ],
)
def test_axes_that_do_not_fit_together_are_refused(usual, damage, why, tmp_path):
    about, arrays = sighted(usual, "one_class_svm", **damage)
    model_file.write(tmp_path / "m", about, arrays)
    with pytest.raises(ModelRefused, match=why):
        load(tmp_path / "m")


@pytest.mark.parametrize("config", [{}, {"embedding_of": "0" * 64}, {"embedding_of": 1}])
def test_what_another_network_sees_is_refused_and_the_detector_that_came_with_astrid_scores(
    usual, config, tmp_path
):
    about, arrays = sighted(usual)
    digest = model_file.write(tmp_path / "m", about.model_copy(update={"config": config}), arrays)
    classifier = Classifier.of({"isolation_forest": (tmp_path / "m", digest)})
    (said,) = classifier.remarks
    assert "another network sees" in said
    assert "the isolation_forest that comes with AstrID scores instead" in said
    assert np.isfinite(classifier.score(blobs(10).triplets).by_model["isolation_forest"]).all()


@pytest.mark.parametrize("missing", ["embedding_axes", "embedding_centre", "embedding_scale"])
def test_axes_that_are_not_there_are_refused(usual, missing, tmp_path):
    about, arrays = sighted(usual)
    model_file.write(tmp_path / "m", about, {k: each for k, each in arrays.items() if k != missing})
    with pytest.raises(ModelRefused, match=missing):
        load(tmp_path / "m")


def test_axes_of_more_numbers_than_the_network_gives_are_told_and_passed_over(usual, tmp_path):
    about, arrays = sighted(usual)
    wide = {
        "embedding_axes": np.ones((3, 40)),
        "embedding_centre": np.zeros(40),
        "embedding_scale": np.ones(40),
    }
    digest = model_file.write(tmp_path / "m", about, {**arrays, **wide})
    said = Classifier.of({"isolation_forest": (tmp_path / "m", digest)}).score(blobs(10).triplets)
    assert said.digests["isolation_forest"] != digest
    assert "its axes are of 40 numbers" in said.remarks[0]
    assert "the isolation_forest that comes with AstrID scores instead" in said.remarks[0]


def test_three_examples_and_a_hundred_answers_find_a_rare_class():
    """The rare kind, 1.5 % of all, differs in two of many features, and by no more than others scatter."""
    random = np.random.default_rng(11)
    features = random.standard_normal((4000, F)).astype(np.float32)
    rare = np.zeros(4000, bool)
    rare[random.choice(4000, 60, replace=False)] = True
    features[rare, :2] += 2.5
    labels = np.full(4000, UNKNOWN)
    labels[np.flatnonzero(rare)[:3]] = WANTED
    oddness = np.linalg.norm(features, axis=1) / 20.0
    for _ in range(10):
        for each in ranked(features, labels, oddness)[0][:10]:
            labels[each] = WANTED if rare[each] else OTHER
    found = np.count_nonzero(labels == WANTED) - 3
    unaided = np.count_nonzero(rare[np.argsort(-oddness)[:100]])
    assert found >= 40
    assert unaided <= 15


def test_candidates_are_compared_by_what_is_measured_and_what_the_network_sees():
    triplets = blobs(20).triplets
    triplets.ref[:3] = np.nan  # what cannot be measured says nothing
    seen = compared_by(triplets, Classifier.of())
    measured = compared_by(triplets, Classifier.of({}))
    kinds = (20, len(shipped().kinds))
    assert [table.shape for table in measured] == [(20, F), (20, 69), kinds]
    assert [table.shape for table in seen] == [(20, F), (20, 69), kinds, (20, 32), (20, 400)]
    np.testing.assert_allclose(np.square(measured[2]).sum(axis=1), 1.0, atol=1e-5)
    for ours, theirs in zip(seen, measured, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    for table in seen:
        assert np.isfinite(table).all()
        assert (table.std(axis=0) > 0).any()


def test_what_the_layer_before_the_embedding_sees_is_what_the_embedding_is_made_of():
    inputs = Inputs(blobs(20).triplets)
    graph = onnx.load(SHIPPED["realbogus"].folder / "model.onnx").graph
    network = next(each for each in Classifier.of().scorers if isinstance(each, CandidateNetwork))
    embedding, before = network.last_layers(inputs)
    np.testing.assert_allclose(embedding, network.embedding(inputs), rtol=1e-5, atol=1e-6)
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    last = next(node for node in graph.node if node.op_type == "Gemm")
    weight, offset = (weights[name] for name in last.input[1:])
    weight = weight.T if any(each.name == "transB" and each.i for each in last.attribute) else weight
    np.testing.assert_allclose(np.maximum(before @ weight + offset, 0.0), embedding, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("made_by", "width"), [("Relu", 6 * SIDE**2), ("GlobalAveragePool", 6), ("Identity", 6 * SIDE**2)]
)
def test_of_a_network_whose_embedding_is_of_no_such_layer_the_embedding_alone_is_taken(made_by, width):
    """As of one that others changed: it says that it is of our architecture."""
    model = read(SHIPPED["realbogus"].folder)
    network = onnx.load_from_string(model.network)
    (at,) = (n for n, node in enumerate(network.graph.node) if EMBEDDING in node.output)
    network.graph.node[at].CopyFrom(onnx.helper.make_node(made_by, [INPUT], [EMBEDDING]))
    for output in network.graph.output:
        output.type.tensor_type.ClearField("shape")
    for node in list(network.graph.node[at + 1 :]):
        network.graph.node.remove(node)
    network.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3]), "axes"))
    network.graph.node.append(onnx.helper.make_node("ReduceMean", [INPUT, "axes"], [OUTPUT], keepdims=0))
    changed = CandidateNetwork(replace(model, network=network.SerializeToString()))
    (seen,) = changed.last_layers(Inputs(blobs(3).triplets))
    assert seen.shape == (3, width)


def test_tables_count_alike_however_wide_they_are():
    """The kind differs in a narrow table; what a wide one says of candidates has nothing to do with it."""
    random = np.random.default_rng(3)
    narrow, wide = random.standard_normal((600, 3)), random.standard_normal((600, 400))
    rare = np.arange(600) < 30
    narrow[rare] += 5.0
    table = together([narrow, wide, np.ones((600, 2))])
    assert table.dtype == np.float32
    assert np.square(table).sum(axis=1).mean() == pytest.approx(table.shape[1], rel=1e-3)
    labels = np.where(np.arange(600) < 3, WANTED, UNKNOWN)
    assert rare[ranked(table, labels, np.zeros(600))[0][:20]].all()


@pytest.mark.parametrize("count", [1, 2])
def test_a_search_among_hardly_anything_goes_on(count):
    table = together([np.ones((count, F)), np.zeros((count, 4))])
    labels = np.full(count, UNKNOWN)
    labels[0] = WANTED
    left, likeness = ranked(table, labels, np.zeros(count))
    assert left.tolist() == list(range(1, count))
    assert np.isfinite(likeness).all()


def test_without_an_example_the_oddest_come_first_and_answers_do_not_come_again():
    features = np.zeros((4, F), np.float32)
    oddness = np.array([0.1, 0.9, 0.5, 0.7])
    assert ranked(features, np.full(4, UNKNOWN), oddness)[0].tolist() == [1, 3, 2, 0]
    labels = np.array([UNKNOWN, OTHER, UNKNOWN, OTHER])
    assert ranked(features, labels, oddness)[0].tolist() == [2, 0]


def test_of_many_answers_as_many_are_learnt_from_as_there_is_memory_for(monkeypatch):
    asked = []
    monkeypatch.setattr(search, "TOLD", 40)
    solve = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda left, right: asked.append(len(left)) or solve(left, right))
    table = np.random.default_rng(1).standard_normal((900, 8)).astype(np.float32)
    table[:300] += 2.0
    labels = np.full(900, UNKNOWN)
    labels[:200], labels[300:600] = WANTED, OTHER
    left, _ = ranked(table, labels, np.zeros(900))
    assert asked == [2 * 40 + search.REST]
    assert np.mean(left[:80] < 300) > 0.9
    assert not set(left.tolist()) & {*range(200), *range(300, 600)}
