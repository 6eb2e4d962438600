"""Outlier detectors: equal to scikit-learn's, ranks that mean what they say, files that are not believed."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as SklearnForest
from sklearn.svm import OneClassSVM

from core.errors import AstridError
from pipeline.classify import cutout_features, model_file, outliers, trees
from pipeline.classify.classify import Classifier
from pipeline.classify.model_file import Description, ModelRefused
from pipeline.classify.scorers import Inputs, load, probabilities
from pipeline.training import outliers_train
from pipeline.training.outliers_train import OutlierOptions
from pipeline.training.search import OTHER, UNKNOWN, WANTED, compared_by, ranked
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
    scaled = outliers.scaled_features(usual, arrays["centre"], arrays["scale"])
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
    seen = compared_by(triplets, Classifier.of())
    measured = compared_by(triplets, Classifier.of({}))
    assert (measured.shape, seen.shape) == ((20, F), (20, F + 32))
    np.testing.assert_array_equal(seen[:, :F], measured)
    assert np.isfinite(seen).all()
    assert (seen[:, F:].std(axis=0) > 0).any()


def test_without_an_example_the_oddest_come_first_and_answers_do_not_come_again():
    features = np.zeros((4, F), np.float32)
    oddness = np.array([0.1, 0.9, 0.5, 0.7])
    assert ranked(features, np.full(4, UNKNOWN), oddness)[0].tolist() == [1, 3, 2, 0]
    labels = np.array([UNKNOWN, OTHER, UNKNOWN, OTHER])
    assert ranked(features, labels, oddness)[0].tolist() == [2, 0]
