"""Trees as plain arrays: what scikit-learn says they say, and what is no tree is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.classify.cutout_features import NAMES, measure
from pipeline.classify.model_file import ModelRefused, read
from pipeline.classify.scorers import Inputs, load
from pipeline.classify.trees import sound
from pipeline.training.candidate_models import train_tree
from pipeline.training.feature_bins import Bins
from pipeline.training.tree_train import TreeOptions, train
from tests.pipeline.toy_models import blobs, tree


@pytest.fixture(scope="module")
def grown():
    return train(blobs(400), TreeOptions(trees=12, least_in_leaf=5))


def test_our_sums_are_those_of_scikit_learn_also_of_missing_features(grown):
    arrays, bins, model = grown
    features = measure(blobs(200, seed=1).triplets)
    features[np.random.default_rng(2).random(features.shape) < 0.2] = np.nan
    ours = sound("tree", arrays, len(NAMES)).sums(features)
    np.testing.assert_allclose(ours, model.decision_function(bins.numbers(features)), rtol=0, atol=1e-6)
    assert ours.std() > 0.5


def test_bins_hold_equally_many_and_a_threshold_asks_what_its_bin_does():
    random = np.random.default_rng(3)
    features = np.column_stack(
        [random.normal(size=20_000), random.integers(0, 5, 20_000), np.full(20_000, 7.0)]
    )
    features[::11, 0] = np.nan
    bins = Bins.of(features)
    numbers = bins.numbers(features)
    known = numbers[np.isfinite(numbers[:, 0]), 0]
    counts = np.bincount(known.astype(int))
    assert len(counts) == 255
    assert np.ptp(counts) <= 1
    assert np.array_equal(np.isnan(numbers), np.isnan(features))
    assert np.array_equal(numbers[:, 1], features[:, 1])  # a bin a value
    assert np.array_equal(numbers[:, 2], np.zeros(20_000))
    for feature, number in ((0, 3.5), (0, 253.5), (1, 0.5), (1, 4.5), (2, 0.0)):
        (threshold,) = bins.threshold(np.array([feature]), np.array([number]))
        assert np.array_equal(features[:, feature] <= threshold, numbers[:, feature] <= number)


def test_a_written_tree_scores_what_it_was_grown_for(tmp_path):
    digest = tree(tmp_path / "tree")
    scorer = load(tmp_path / "tree", digest)
    fresh = blobs(100, seed=5)
    log_odds = scorer.logits(Inputs(fresh.triplets))
    assert (scorer.name, scorer.digest) == ("tree", digest)
    assert np.mean((log_odds > 0) == (fresh.label == 1)) > 0.95
    said = read(tmp_path / "tree").description
    assert said.calibration.prevalence == pytest.approx(0.5, abs=0.1)
    assert said.trained["metrics"]["held_out_examples"] > 0


def test_a_tree_that_asks_only_whether_a_feature_is_there_can_be_kept(tmp_path):
    """Its threshold is endless, and nothing adds thresholds up."""
    examples = blobs(400)
    label = np.random.default_rng(6).permutation(examples.label)  # the images tell nothing else
    lacking = np.where((label == 1)[:, None, None], np.float16(np.nan), examples.ref)
    examples = replace(examples, label=label, ref=lacking)
    made = train_tree(examples, TreeOptions(trees=5), tmp_path / "tree")
    assert np.abs(read(made.folder, made.digest).arrays["threshold"]).max() > 1e100
    found = load(made.folder, made.digest).logits(Inputs(examples.triplets))
    assert np.isfinite(found).all()
    assert np.mean((found > 0) == (examples.label == 1)) > 0.95


def change(arrays, name, index, value):
    changed = {key: array.copy() for key, array in arrays.items()}
    changed[name][index] = value
    return changed


def test_trees_that_are_not_sound_are_refused(grown):
    arrays, *_ = grown
    asks = int(np.flatnonzero(arrays["feature"] >= 0)[0])
    last = int(np.flatnonzero(arrays["feature"] >= 0)[-1])
    for changed, word in [
        (change(arrays, "left", asks, asks), "before it or outside"),  # itself: round in a circle
        (change(arrays, "right", last, 0), "before it or outside"),
        (change(arrays, "right", asks, 10_000), "before it or outside"),
        (change(arrays, "left", asks, -3), "before it or outside"),
        (change(arrays, "feature", asks, len(NAMES)), "feature that there is not"),
        (change(arrays, "feature", asks, -7), "feature that there is not"),
        (change(arrays, "start", -1, 10_000_000), "one after the other"),
        (change(arrays, "start", 1, -5), "one after the other"),
        ({key: array for key, array in arrays.items() if key != "value"}, "lack value"),
        (arrays | {"value": arrays["value"][:-1]}, "another shape"),
        (arrays | {"feature": arrays["feature"][:0]}, "no trees"),
    ]:
        with pytest.raises(ModelRefused, match=word):
            sound("tree", changed, len(NAMES))


def test_a_tree_deeper_than_any_is_refused():
    nodes = 300
    chain = np.arange(nodes)
    arrays = {
        "start": np.array([0, nodes]),
        "feature": np.where(chain < nodes - 2, 0, -1),
        "threshold": np.zeros(nodes),
        "left": np.minimum(chain + 1, nodes - 1),
        "right": np.full(nodes, nodes - 1),
        "missing_left": np.zeros(nodes, np.uint8),
        "value": np.zeros(nodes),
        "baseline": np.zeros(1),
    }
    with pytest.raises(ModelRefused, match="deeper than"):
        sound("tree", arrays, 1)
