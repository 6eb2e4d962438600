"""No object, night or turned picture on both sides of a split."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import AstridError
from pipeline.classify.model_file import read
from pipeline.training import candidate_models
from pipeline.training.calibration import is_held_out
from pipeline.training.examples import Examples, join
from pipeline.training.remembered import OBJECTS, refuse, seen
from pipeline.training.splits import (
    LeakingSplit,
    check,
    check_groups,
    content,
    group_digest,
)
from pipeline.training.tree_train import TreeOptions
from tests.pipeline.example_sets import plain_examples


def columns(n=12, seed=0):
    rng = np.random.default_rng(seed)
    planes = {name: rng.normal(size=(n, 7, 7)).astype(np.float16) for name in ("new", "ref", "diff")}
    return planes | {
        "group": np.array([f"object {seed}/{i // 2}" for i in range(n)]),
        "night": np.array([f"night {seed}/{i // 4}" for i in range(n)]),
        "field": np.array(["one"] * n),
    }


def named(examples):
    return {each.name: getattr(examples, each.name) for each in fields(Examples)}


def of(rows, which):
    return {name: column[which] for name, column in rows.items()}


def linked(rows):
    """Examples of reviewers, each of an object, a night and a field by number; 0 is unknown."""
    examples = plain_examples(len(rows), 1, "sky")
    names = ("group", "night", "field")
    columns = {
        name: np.array([f"{name} {row[k]}" if row[k] else "" for row in rows]) for k, name in enumerate(names)
    }
    return replace(examples, **columns, source=np.full(len(rows), "label"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3), min_size=4, max_size=30))
def test_what_is_held_out_shares_no_object_night_or_field_with_what_is_learnt_from(rows):
    examples = linked(rows)
    try:
        ours, held = candidate_models.split(examples)
    except AstridError:  # too few that share nothing
        assume(False)
    assert len(ours) + len(held) == len(examples)
    for name in ("group", "night", "field"):
        shared = set(getattr(ours, name)) & set(getattr(held, name))
        assert shared <= {""}


def test_fields_of_the_simulation_are_held_out_by_their_names_and_most_of_the_labels_never():
    simulated = plain_examples(400, 1, "training")
    ours, held = candidate_models.split(simulated)
    assert set(held.field) == set(simulated.field[is_held_out(simulated.field)])
    for number in range(1, 20):  # one object seen on two nights of one field, whatever these are called
        labels = linked([(number, number, number), (number, number + 1, number)])
        ours, _ = candidate_models.split(join([simulated, labels]))
        assert np.count_nonzero(ours.source == "label") == 2


def test_a_model_says_how_many_labelled_candidates_it_learnt_from(tmp_path):
    sky = plain_examples(200, 2, "sky")
    both = join([plain_examples(400, 1, "training"), replace(sky, source=np.full(200, "label"))])
    candidate_models.train_tree(both, TreeOptions(trees=5), tmp_path / "tree")
    learnt = np.count_nonzero(~is_held_out(sky.field))
    assert 0 < learnt < 200
    assert read(tmp_path / "tree").description.trained["labelled"] == learnt


def test_a_night_on_both_sides_is_refused_with_its_row_but_not_where_objects_are_split():
    rows = columns()
    train, test = of(rows, np.arange(6)), of(rows, np.arange(6, 12))
    with pytest.raises(LeakingSplit, match=r"row 0 of what judges is of night night 0/1.*row 4"):
        check(train, test, "night")
    check(train, test, "group")


def test_an_object_on_both_sides_is_refused_with_its_row():
    rows = columns()
    with pytest.raises(LeakingSplit, match=r"row 0 of what judges is of object object 0/2.*row 4"):
        check(of(rows, np.arange(5)), of(rows, np.arange(5, 12)), "group")


def test_names_that_are_empty_say_nothing_of_a_leak():
    train, test = columns(seed=1), columns(seed=2)
    for name in ("group", "night", "field"):
        train[name][::2], test[name][::3] = "", ""
    check(train, test, "night")
    check_groups(frozenset([group_digest("")]), test, "tree")
    test["night"][5] = train["night"][3]
    with pytest.raises(LeakingSplit, match=r"row 5 of what judges is of night night 1/0.*row 1"):
        check(train, test, "night")


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_an_augmented_sibling_under_another_name_is_refused(turn, mirror):
    train, test = columns(seed=1), columns(seed=2)
    for name in ("new", "ref", "diff"):
        image = np.rot90(train[name][7], turn)
        test[name][3] = image[:, ::-1] if mirror else image
    with pytest.raises(LeakingSplit, match=r"row 3 of what judges has the pixels of row 7"):
        check(train, test, "night")
    test["diff"][3] = np.rot90(test["diff"][3])  # the planes turned apart: no sibling
    check(train, test, "night")


def test_masked_pixels_do_not_hide_a_sibling():
    rows = columns()
    rows["ref"][:] = np.nan
    turned = {name: np.rot90(rows[name], axes=(1, 2)) for name in ("new", "ref", "diff")}
    assert content(rows) == content(turned)
    assert len(set(content(rows))) == 12


@pytest.mark.parametrize("height", [None, -1])
def test_a_sibling_may_be_mirrored_of_any_shape(height):
    rows = {name: columns()[name][:, :height] for name in ("new", "ref", "diff")}
    for axes in (1, 2, (1, 2)):
        assert content({name: np.flip(values, axes) for name, values in rows.items()}) == content(rows)
    assert len(set(content(rows))) == 12


def test_what_a_model_says_it_was_trained_on_does_not_judge_it():
    rows = columns()
    trained = frozenset(group_digest(name) for name in ("elsewhere", "object 0/3"))
    with pytest.raises(LeakingSplit, match=r"row 6 .*object 0/3, which tree was trained on"):
        check_groups(trained, rows, "tree")
    check_groups(frozenset([group_digest("elsewhere")]), rows, "tree")


def test_of_simulated_objects_a_model_keeps_their_fields_alone():
    """They are in no other field; objects of the sky come again on other nights."""
    simulated = plain_examples(40, 1, "training")
    sky = replace(simulated, source=np.full(40, "label"))
    assert len(seen(sky)[OBJECTS]) == len(set(sky.group.tolist()))
    kept = seen(simulated)
    assert len(kept[OBJECTS]) == 0
    elsewhere = np.full(40, "elsewhere")
    again = replace(simulated, field=elsewhere, night=elsewhere)
    refuse(kept, named(again), "tree")
    for known in (replace(again, field=simulated.field), replace(again, night=simulated.night)):
        with pytest.raises(LeakingSplit, match="which tree was trained on"):
            refuse(kept, named(known), "tree")
