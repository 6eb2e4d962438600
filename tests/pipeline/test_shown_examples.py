"""Models learn of all examples, and are worth what they say of those that are shown."""

from dataclasses import replace

import numpy as np
import pytest

from core.models.names import ODD_BY
from pipeline.classify.model_file import read
from pipeline.training.candidate_models import metrics_of, split, train_tree
from pipeline.training.detected import DOUBTED
from pipeline.training.outlier_models import train_outliers
from pipeline.training.outliers_train import OutlierOptions
from pipeline.training.scorecard_summary import of_held_out
from pipeline.training.tree_train import TreeOptions
from tests.pipeline.toy_models import blobs


def partly_shown(count, share=0.6):
    """Examples of which so many are shown, more of the real than of the bogus."""
    examples = blobs(count)
    drawn = np.random.default_rng(5).random(count) < np.where(examples.label == 1, share, 0.5 * share)
    return replace(examples, cut=np.where(drawn, "", DOUBTED))


def test_what_is_not_shown_tells_nothing_of_a_models_worth():
    examples = partly_shown(600)
    right = np.where(examples.label == 1, 3.0, -3.0)
    said = np.where(examples.is_shown, right, -right)  # wrong of all that nobody is shown
    metrics, card = metrics_of(said, examples), of_held_out("tree", said, examples)
    shown = examples.label[examples.is_shown]
    assert metrics["held_out_examples"] == len(shown)
    assert metrics["prevalence"] == pytest.approx(np.mean(shown))
    assert metrics["fnr_at_1_percent_fpr"] == metrics["fnr_at_1_percent_fpr_snr_10"] == 0.0
    assert card["examples"] == {"real": int(shown.sum()), "bogus": int((shown == 0).sum())}
    assert all(each["value"] == 0.0 for each in card["strata"] if each["value"] is not None)
    nothing = replace(examples, cut=np.full(len(examples), DOUBTED))
    assert (metrics_of(said, nothing), of_held_out("tree", said, nothing)) == ({}, None)


def test_a_tree_learns_of_all_and_is_judged_by_what_is_shown(tmp_path):
    examples = partly_shown(600)
    ours, held = split(examples)
    made = train_tree(examples, TreeOptions(trees=5, least_in_leaf=5), tmp_path / "tree")
    assert read(made.folder).description.trained["examples"] == len(ours)
    assert made.metrics["held_out_examples"] == np.count_nonzero(held.is_shown) < len(held)
    assert sum(made.scorecard["examples"].values()) == np.count_nonzero(held.is_shown)


@pytest.mark.parametrize("kind", ODD_BY)
def test_outlier_detectors_are_judged_by_what_is_shown(tmp_path, kind):
    examples = partly_shown(1200)
    ours, held = split(examples)
    made = train_outliers(kind, examples, OutlierOptions(), tmp_path / kind)
    assert read(made.folder).description.trained["examples"] == np.count_nonzero(ours.label == 1)
    assert made.metrics["prevalence"] == pytest.approx(held.label[held.is_shown].mean())
    shown = held.label[held.is_shown]
    assert made.scorecard["examples"] == {"real": int(shown.sum()), "bogus": int((shown == 0).sum())}
