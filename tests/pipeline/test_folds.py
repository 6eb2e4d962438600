"""Folds keep apart what tells of each other: objects, nights, fields and the same pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.training.checkpoint import TrainingError
from pipeline.training.examples import Examples
from pipeline.training.folds import MOST_HELD, deal
from pipeline.training.splits import By, LeakingSplit, check
from tests.pipeline.toy_models import blobs

NO_NAME, OWN_NAME = np.full(60, ""), np.array([f"own {i}" for i in range(60)])


def named(**columns) -> Examples:
    """60 examples, alternately bogus and real, each of its own night and field but for what is told."""
    return replace(blobs(60), **{"night": OWN_NAME, "field": OWN_NAME} | columns)


def check_each(examples: Examples, of: np.ndarray, by: By) -> None:
    """Refuse folds of which one tells of the others."""
    for number in np.unique(of):
        held = of == number
        columns = [
            {"group": each.group, "new": each.new, "ref": each.ref, "diff": each.diff, by: getattr(each, by)}
            for each in (examples[~held], examples[held])
        ]
        check(*columns, by=by)


def test_a_night_or_a_field_is_in_one_fold_with_all_that_it_is_linked_to():
    night = np.array([f"night {i // 6}" for i in range(60)])
    field = np.array([f"field {i % 10 // 2}-{i // 12}" for i in range(60)])
    group = np.array([f"object {i // 2}-{i % 2}" for i in range(60)])
    examples = named(night=night, field=field, group=group)
    folds = deal(examples, 5, seed=1)
    assert (folds.count, folds.are_nights_apart) == (5, True)
    for by in ("group", "night", "field"):
        check_each(examples, folds.of, by)


@pytest.mark.parametrize("seed", range(5))
def test_each_fold_leaves_of_both_labels_to_learn_of(seed):
    """Nights of very unlike sizes, in some of which nothing is real."""
    random = np.random.default_rng(seed)
    night = np.array([f"night {n}" for n in np.minimum(random.geometric(0.25, 60), 12)])
    label = np.where(np.isin(night, ["night 2", "night 5"]), 0, blobs(60).label).astype(np.int8)
    examples = named(night=night, label=label)
    folds = deal(examples, 5, seed)
    assert folds.are_nights_apart
    check_each(examples, folds.of, "night")
    for number in range(folds.count):
        for value in (0, 1):
            ours = label == value
            assert np.count_nonzero(ours & (folds.of == number)) <= MOST_HELD * np.count_nonzero(ours)


def test_of_two_nights_each_judges_what_learnt_of_the_other():
    examples = named(night=np.array([f"night {i // 30}" for i in range(60)]))
    folds = deal(examples, 5, seed=1)
    assert (folds.count, folds.are_nights_apart) == (2, True)
    assert len(set(folds.of[:30])) == len(set(folds.of[30:])) == 1


def test_of_one_night_objects_are_dealt_and_it_is_said():
    group = np.array([f"object {i // 4}-{i % 2}" for i in range(60)])
    examples = named(night=np.full(60, "night"), group=group)
    folds = deal(examples, 5, seed=1)
    assert (folds.count, folds.are_nights_apart) == (5, False)
    with pytest.raises(LeakingSplit, match="night"):
        check_each(examples, folds.of, "night")
    assert all(len(set(folds.of[group == each])) == 1 for each in group)
    for value in (0, 1):
        first = [np.flatnonzero(group == each)[0] for each in np.unique(group[examples.label == value])]
        assert np.bincount(folds.of[first]).tolist() == [3] * 5


@pytest.mark.parametrize("unknown", [["night"], ["field"], ["night", "field"]])
def test_names_that_are_empty_link_nothing_and_nothing_is_claimed_of_them(unknown):
    folds = deal(named(**dict.fromkeys(unknown, NO_NAME)), 5, seed=1)
    assert not folds.are_nights_apart
    assert np.bincount(folds.of).tolist() == [12] * 5


def test_objects_without_a_name_are_not_one_and_keep_their_nights_apart():
    night = np.array([f"night {i // 6}" for i in range(60)])
    examples = named(group=NO_NAME, night=night, field=night)
    folds = deal(examples, 5, seed=1)
    assert (folds.count, folds.are_nights_apart) == (5, True)
    assert all(len(set(folds.of[night == each])) == 1 for each in night)


def test_the_same_pixels_under_another_name_are_in_one_fold():
    examples = named()
    twins = replace(
        examples,
        **{name: np.rot90(getattr(examples, name), axes=(1, 2)) for name in ("new", "ref", "diff")},
        group=np.char.add("twin of ", examples.group),
    )
    both = Examples(
        **{
            name: np.concatenate([getattr(each, name) for each in (examples, twins)])
            for name in examples.__slots__
        }
    )
    folds = deal(both, 5, seed=1)
    assert folds.of[:60].tolist() == folds.of[60:].tolist()


def test_copies_of_one_example_are_no_examples():
    examples = named()
    alike = examples[np.arange(60) % 2]
    with pytest.raises(TrainingError, match="same pixels"):
        deal(replace(alike, group=examples.group), 5, seed=1)


def test_folds_are_the_same_each_time_and_others_with_another_seed():
    one, again, other = (deal(named(), 5, seed).of.tolist() for seed in (1, 1, 2))
    assert one == again != other
