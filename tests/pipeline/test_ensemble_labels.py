"""The ensemble is weighed by labels too: as much as by fields, and by none that a member learnt of."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import col, select

from core.database.tables import Candidate, StageRun
from core.review.verdicts import decide
from core.settings_sections import ReviewSettings
from core.vocabulary import Label
from pipeline.classify.ensemble import MEMBERS, member_table
from pipeline.classify.model_file import read, write
from pipeline.classify.scorers import Inputs, load
from pipeline.classify.shipped import SHIPPED
from pipeline.training.candidate_models import split, train_tree
from pipeline.training.ensemble_models import train_ensemble
from pipeline.training.ensemble_train import at_even_odds, weigh
from pipeline.training.ensemble_zones import zones
from pipeline.training.examples import LABELLED, Examples, join
from pipeline.training.label_examples import of_labels, scored_labels
from pipeline.training.member_scores import (
    ROWS,
    SAID,
    Weighable,
    kept_by_row,
    kept_of_split,
    rows_of,
    weighable,
)
from pipeline.training.remembered import NIGHTS, OBJECTS, PREFIX, numbers
from pipeline.training.scored_fields import Scored
from pipeline.training.tree_train import TreeOptions
from tests.builders import add_night
from tests.pipeline.example_sets import plain_examples
from tests.pipeline.test_ensemble import drawn, of_fields
from tests.pipeline.toy_models import blobs

FEW_TREES = TreeOptions(trees=5, least_in_leaf=5)


def labelled(count: int, seed: int, first_night: int = 0) -> Examples:
    """Blobs that reviewers agree on, four objects a night."""
    found = blobs(count, seed)
    names = np.array([f"label:M31:{first_night + i // 4}" for i in range(count)])
    return replace(
        found,
        group=np.array([f"object:{first_night}.{i}" for i in range(count)]),
        night=names,
        field=names,
        source=np.full(count, LABELLED),
    )


def drawn_by_labels(count: int, seed: int) -> tuple[Inputs, np.ndarray]:
    """As fields are drawn, but of these the tree knows nothing."""
    inputs, label = drawn(count, seed)
    inputs.log_odds["tree"] = 2.0 * np.random.default_rng(seed).standard_normal(count)
    return inputs, label


def weights_of(arrays: dict) -> dict[str, float]:
    """Those of the set of all members."""
    (whole,) = np.flatnonzero(arrays["present"].all(axis=1))
    return dict(zip(MEMBERS, arrays["weights"][whole], strict=True))


def test_a_member_that_knows_nothing_of_labels_loses_weight_however_few_they_are():
    fields, label = drawn(4000, 1)
    few, theirs = drawn_by_labels(300, 2)
    table = np.vstack([member_table(fields, MEMBERS), member_table(few, MEMBERS)])
    both = np.concatenate([label, theirs])
    objects = np.concatenate([np.full(4000, ""), np.arange(300).astype(str)])
    alone, besides = (weigh(table, both, MEMBERS, which) for which in (np.full(4300, ""), objects))
    assert weights_of(besides)["tree"] < 0.7 * weights_of(alone)["tree"]
    assert weights_of(besides)["realbogus"] > 0.8 * weights_of(alone)["realbogus"]


def test_labels_count_as_much_as_fields_and_the_real_as_much_as_the_bogus():
    random = np.random.default_rng(3)
    label, is_labelled = random.random(5000) < 0.2, random.random(5000) < 0.03
    weight = at_even_odds(label.astype(int), is_labelled)
    parts = [weight[(label == kind) & (is_labelled == which)].sum() for kind in (0, 1) for which in (0, 1)]
    assert parts == pytest.approx([1250.0] * 4)


def test_a_handful_of_labelled_objects_weighs_nothing_however_often_each_was_seen():
    fields, label = drawn(2000, 4)
    few, theirs = drawn_by_labels(400, 5)
    table = np.vstack([member_table(fields, MEMBERS), member_table(few, MEMBERS)])
    both = np.concatenate([label, theirs])
    objects = np.concatenate([np.full(2000, ""), (np.arange(400) % 20).astype(str)])
    found, without = weigh(table, both, MEMBERS, objects), weigh(table[:2000], label, MEMBERS)
    assert all(np.array_equal(found[name], without[name]) for name in without)


def test_labels_only_ever_narrow_the_zones():
    fields = of_fields(1)
    found = zones(*fields)
    said, label, field, _ = of_fields(2, 300)
    assert zones(*fields, (np.where(label == 1, 0.999, 0.001), label, field)) == found
    assert zones(*fields, (said[:50], label[:50], field[:50])) == found  # too few to see anything
    wrong = zones(*fields, (np.where(np.arange(len(label)) % 20 == 0, 1.0 - said, said), label, field))
    assert (wrong.reject_below, wrong.fast_above) == (0.0, 1.0)
    harder = zones(*fields, of_fields(2, 300, harder=1.5)[:3])
    assert harder.fast_above > found.fast_above
    assert harder.reject_below <= found.reject_below


def test_zones_that_labels_narrow_hold_the_budgets_of_fields_too():
    """Of the fields the bogus that score high score highest, of the labels in the middle."""
    random = np.random.default_rng(0)
    high = np.repeat((0.75, 0.98, 0.1), (3740, 260, 4000)) + random.uniform(-0.01, 0.01, 8000)
    label = (np.arange(8000) < 3990).astype(int)
    fields = (high, label, (np.arange(8000) % 80).astype(str), {})
    middle = np.repeat((0.75, 0.98), 1500) + random.uniform(-0.01, 0.01, 3000)
    labels = (middle, (np.arange(3000) >= 150).astype(int), (np.arange(3000) % 60).astype(str))
    found, both = zones(*fields), zones(*fields, labels)
    assert found.fast_above < 0.74
    assert np.mean(label[high >= 0.96] == 0) > 0.03
    assert both.fast_above == 1.0  # not .96, where of the labels alone hardly any is wrong
    assert both.reject_below <= found.reject_below


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A tree that learnt of labels, with the labels, and its folder."""
    labels = labelled(60, 7)
    folder = tmp_path_factory.mktemp("learnt") / "tree"
    train_tree(join([blobs(200), labels]), FEW_TREES, folder)
    return labels, folder


def test_a_label_that_a_member_learnt_of_never_counts_but_by_what_was_said_while_it_was_held_out(
    learnt, tmp_path
):
    labels, original = learnt
    model, folder = read(original), tmp_path / "tree"
    said = np.linspace(50.0, 60.0, len(model.arrays[SAID]))  # what no tree says
    write(folder, model.description, {**model.arrays, SAID: said})
    new = labelled(40, 8, first_night=100)
    ours, held = split(join([blobs(200), labels]))
    held = held[held.source == LABELLED]
    scorer = load(folder)
    found = weighable(Scored(join([labels, new]), None), [scorer], {"tree": (folder, scorer.digest)})
    assert 0 < len(held) < 60
    assert set(found.examples.group) == set(held.group) | set(new.group)
    assert found.left_out == {"learnt": np.count_nonzero(ours.source == LABELLED), "unknown": 0}
    own = scorer.logits(Inputs(found.examples.triplets))
    is_new = np.isin(found.examples.group, new.group)
    assert np.array_equal(found.log_odds["tree"][is_new], own[is_new])
    assert sorted(found.log_odds["tree"][~is_new]) == pytest.approx(said)
    changed = replace(labels, diff=(labels.diff + np.float16(0.5)).astype(np.float16))
    assert len(weighable(Scored(changed, None), [scorer], {"tree": (folder, scorer.digest)}).examples) == 0


def test_what_was_held_out_is_calibrated_by_no_label():
    held = join([plain_examples(300, 1, "field"), labelled(40, 2)])
    raw = np.random.default_rng(3).standard_normal(340) + held.label
    turned = replace(held, label=np.where(held.source == LABELLED, 1 - held.label, held.label))
    one, other = kept_of_split(held, raw), kept_of_split(turned, raw)
    assert len(one[SAID]) == 40
    assert np.array_equal(one[SAID], other[SAID])
    assert kept_of_split(held[held.source == LABELLED], raw[300:]) == {}  # nothing else calibrates them


def test_where_a_member_does_not_tell_what_it_learnt_of_no_label_counts(learnt, tmp_path):
    _, folder = learnt
    model = read(folder)
    new = labelled(40, 8, first_night=100)
    plain = {name: each for name, each in model.arrays.items() if not name.startswith(PREFIX)}
    tuned = model.description.model_copy(update={"trained": {"fine_tuned": {"is_start_told": False}}})
    begun = model.description.model_copy(update={"trained": {"begun_from": "a" * 64}})
    for number, (about, arrays) in enumerate(
        [(model.description, plain), (tuned, model.arrays), (begun, model.arrays)]
    ):
        digest = write(tmp_path / str(number), about, arrays)
        models = {"tree": (tmp_path / str(number), digest)}
        found = weighable(Scored(new, None), [load(*models["tree"])], models)
        assert (len(found.examples), found.left_out) == (0, {"learnt": 0, "unknown": 40})


def test_what_came_with_astrid_learnt_of_no_labels():
    models = {name: (SHIPPED[name].folder, SHIPPED[name].digest) for name in ("tree", "unet")}
    labels = labelled(24, 9)
    saw = np.where(np.arange(24) < 10, 1.5, np.nan)
    found = weighable(Scored(labels, saw), [load(*models["tree"])], models, SHIPPED["unet"].digest)
    assert len(found.examples) == 24
    assert found.told["without_unet"] == 14


def test_what_a_unet_learnt_of_never_counts_and_what_was_held_out_from_it_does(tmp_path):
    labels = labelled(24, 9)
    first = labels[labels.field == labels.field[0]]
    shipped = read(SHIPPED["unet"].folder)
    seen = {OBJECTS: numbers(first.group), NIGHTS: numbers(first.night)}
    found = {}
    for name, arrays in (("told", {**shipped.arrays, **seen}), ("untold", shipped.arrays)):
        about = shipped.description.model_copy(update={"trained": {}})
        digest = write(tmp_path / name, about, arrays, shipped.network)
        models = {"unet": (tmp_path / name, digest)}
        found[name] = weighable(Scored(labels, np.ones(24)), [], models, digest)
    assert set(found["told"].examples.group) == set(labels.group) - set(first.group)
    assert found["told"].left_out == {"learnt": len(first), "unknown": 0}
    assert found["untold"].left_out == {"learnt": 0, "unknown": 24}


def test_of_pixels_of_which_two_things_were_said_nothing_is_kept():
    kept = kept_by_row(np.array([7, 5, 9, 7, 5]), np.array([1.0, 2.0, 3.0, 1.0, -2.0]))
    assert (kept[ROWS].tolist(), kept[SAID].tolist()) == ([7, 9], [1.0, 3.0])
    nothing = kept_by_row(np.empty(0, dtype=np.int64), np.empty(0))
    assert len(nothing[ROWS]) == len(nothing[SAID]) == 0


def test_labels_of_before_a_unet_count_by_what_it_kept_of_them_and_none_that_it_knows_of_does(tmp_path):
    labels = labelled(24, 9)
    first = labels[labels.field == labels.field[0]]
    shipped = read(SHIPPED["unet"].folder)
    kept = kept_by_row(rows_of(labels[:12]), np.arange(12.0))
    known = {OBJECTS: numbers(first.group), NIGHTS: numbers([])}  # since they were held out
    about = shipped.description.model_copy(update={"trained": {}})
    digest = write(tmp_path / "unet", about, {**shipped.arrays, **known, **kept}, shipped.network)
    saw = np.where(np.arange(24) % 3 == 0, 50.0, np.nan)  # as their frames were processed
    found = weighable(Scored(labels, saw), [], {"unet": (tmp_path / "unet", digest)}, digest)
    assert found.left_out == {"learnt": 4, "unknown": 0}
    assert found.examples.digest == labels[4:].digest
    expected = np.where(np.arange(24) < 12, np.arange(24.0), np.nan)
    assert np.array_equal(found.log_odds["unet"], np.where(np.isnan(saw), expected, saw)[4:], equal_nan=True)
    assert found.told["without_unet"] == 8


@dataclass(frozen=True)
class Oracle:
    """A member that says what it is told to."""

    name: str
    said: dict[int, np.ndarray]  # by how many are asked about
    digest: str = "b" * 64

    def logits(self, inputs: Inputs) -> np.ndarray:
        return self.said[len(inputs)]


def test_an_ensemble_tells_by_how_many_labels_it_was_weighed_and_never_judges_by_what_weighed_it(
    tmp_path: Path,
):
    fields, labels = blobs(900), labelled(400, 10)
    random = np.random.default_rng(11)
    truth = np.where(fields.label == 1, 3.0, -3.0) + 2.0 * random.standard_normal(900)
    theirs = np.where(labels.label == 1, 3.0, -3.0) + 2.0 * random.standard_normal(400)
    members = [Oracle("realbogus", {900: truth}), Oracle("tree", {900: truth})]
    noise = {"realbogus": theirs, "tree": 3.0 * random.standard_normal(400)}
    weighed = Weighable(labels, noise, {"learnt": 7, "unknown": 0})
    made, alone = (
        train_ensemble(Scored(fields, None), members, None, tmp_path / name, given)
        for name, given in (("made", weighed), ("alone", None))
    )
    about, before = (read(each.folder) for each in (made, alone))
    trained = about.description.trained
    assert trained["labels"]["weighed_by"] == 400
    assert (trained["labels"]["learnt"], trained["labels"]["is_too_few"]) == (7, False)
    assert 0 < trained["labelled"] < 400
    assert made.metrics["labels_held_out_examples"] == 400 - trained["labelled"]
    assert trained["examples_sha256"] != before.description.trained["examples_sha256"]
    assert "labels" not in before.description.trained
    whole, plain = (
        dict(zip(each.description.features, each.arrays["weights"][0], strict=True))
        for each in (about, before)
    )
    assert whole["tree"] < 0.5 * plain["tree"]
    assert made.scorecard["examples"] == alone.scorecard["examples"]  # of fields, so that cards compare


def test_what_the_unet_said_is_known_where_it_is_this_one_that_saw_the_frame(sqlite_store):
    digest, seen = SHIPPED["unet"].digest, {"M31": "0" * 12, "M33": SHIPPED["unet"].digest[:12]}
    for field, by in seen.items():
        add_night(sqlite_store, objects=1, epochs=1, field=field)
        with sqlite_store.write() as db:
            candidate = db.exec(select(Candidate).order_by(col(Candidate.id).desc())).first()
            candidate.scores = {"unet": 0.9}
            db.add(
                StageRun(
                    observation_id=candidate.observation_id, attempt=1, stage="unet", started_at=1.0,
                    seconds=1.0, outcome="done", reason=f"seen by unet {by}.",
                )
            )  # fmt: skip
            shown = candidate.id
        decide(sqlite_store, session="a", reviewer="ada", candidate_id=shown, label=Label.REAL, shown={})
    alone = ReviewSettings(votes=1)
    found = scored_labels(sqlite_store, alone, None, digest)
    assert found.examples.digest == of_labels(sqlite_store, alone).digest
    is_ours = np.char.find(found.examples.field, "M33") >= 0
    assert found.unet[is_ours] == pytest.approx(np.log(9.0))
    assert np.isnan(found.unet[~is_ours]).all()
