"""Fine-tuning learns what is different about own examples, and is judged by objects that it did not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_tui.cli.models_card import card_lines
from pipeline.classify.model_file import Calibration, Description, ModelFile, read
from pipeline.classify.triplets import NOISE, SPREAD
from pipeline.training.examples import LABELLED
from pipeline.training.member_scores import SAID
from pipeline.training.splits import LeakingSplit
from tests.pipeline.toy_models import blobs

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from pipeline.training import fine_tune as tuning  # noqa: E402
from pipeline.training import realbogus_train, remembered  # noqa: E402
from pipeline.training.calibration import platt  # noqa: E402
from pipeline.training.candidate_models import fine_tune_realbogus  # noqa: E402
from pipeline.training.checkpoint import TrainingError  # noqa: E402
from pipeline.training.evaluate import Candidate, refuse_leaks  # noqa: E402
from pipeline.training.fine_tune import FineTuneOptions, fine_tune  # noqa: E402
from pipeline.training.folds import deal  # noqa: E402
from pipeline.training.realbogus_network import CutoutNetwork  # noqa: E402
from pipeline.training.realbogus_train import TrainOptions  # noqa: E402

QUICK = {"head": 0.1, "all": 3e-3}  # rates that need few steps


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A network that tells round sources from hot pixels."""
    folder = tmp_path_factory.mktemp("start")
    options = TrainOptions(steps=24, batch=32, width=4, epoch_steps=24, rate=1e-2, average=0.5)
    state = realbogus_train.train(blobs(100), blobs(10), options, folder / "kept")
    said = Description(
        kind="realbogus",
        architecture="cutout_cnn",
        config={"width": 4, "scale": options.scale},
        inputs="triplet",
        calibration=Calibration(slope=0.7, offset=-0.2, prevalence=0.3),
    )
    weights = {key: value.numpy() for key, value in state.averaged.state_dict().items()}
    return ModelFile(said, "a" * 64, weights)


def quietly(*_args):
    pass


def tuned(start, examples, tmp_path, **options):
    return fine_tune(start, examples, FineTuneOptions(folds=3, **options), tmp_path, quietly)


@pytest.mark.parametrize("layers", ["head", "all"])
def test_it_learns_what_the_network_before_did_not_know(start, tmp_path, layers, monkeypatch):
    monkeypatch.setattr(tuning, "RATES", QUICK)
    examples = blobs(40, seed=6)
    unlike = replace(examples, label=(1 - examples.label).astype(np.int8))
    made = tuned(start, unlike, tmp_path, layers=layers, steps=24)
    auc = made.record["judged"]["auc"]
    assert auc["before"]["high"] < 0.5
    assert auc["difference"]["low"] > 0.2
    assert auc["difference"]["value"] == auc["after"]["value"] - auc["before"]["value"]
    after = made.network.state_dict()
    changed = {name for name in after if not np.array_equal(after[name].numpy(), start.arrays[name])}
    if layers == "head":
        assert changed == {"head.weight", "head.bias"}
    else:
        assert not any(".norm." in name for name in changed)
        assert "centre.0.convolve.weight" in changed


@pytest.mark.parametrize(
    ("told", "scale"), [({}, SPREAD), ({"scale": SPREAD}, SPREAD), ({"scale": NOISE}, NOISE)]
)
def test_it_takes_cutouts_in_the_units_that_the_network_before_took_them_in(start, tmp_path, told, scale):
    about = start.description.model_copy(update={"config": {"width": 4, **told}})
    options, before = FineTuneOptions(folds=2, steps=2), replace(start, description=about)
    assert tuned(before, blobs(20), tmp_path, steps=2).network.scale == scale
    made = read(fine_tune_realbogus(before, blobs(20), options, tmp_path / "m", quietly).folder)
    assert made.description.config == {"width": 4, "turns": 8, **told}


def test_the_brier_score_is_of_probabilities_at_the_share_of_real_that_there_is():
    """A tenth is real and nothing tells which: the best to be said is a tenth."""
    label = (np.arange(400) % 10 == 0).astype(np.int8)
    examples, unit = replace(blobs(400), label=label), np.arange(400)
    even, sure = np.zeros(400), np.where(label == 1, 9.0, -9.0)
    told = tuning.compared(examples, even, sure, unit)["brier"]
    assert told["before"]["value"] == pytest.approx(0.09)
    assert told["after"]["value"] < 1e-4
    assert tuning.compared(examples, even, sure, unit, stated_at=0.5)["brier"]["before"]["value"] == 0.25


def test_what_a_fine_tuning_is_worth_is_told_by_what_is_shown(start, tmp_path):
    examples = replace(blobs(60), cut=np.where(np.arange(60) % 6 < 2, "doubted by the U-Net", ""))
    made = tuned(start, examples, tmp_path, steps=2)
    assert (made.record["real"], made.record["bogus"]) == (30, 30)
    assert (made.record["judged"]["real"], made.record["judged"]["bogus"]) == (20, 20)
    whole = fine_tune_realbogus(start, examples, FineTuneOptions(folds=3, steps=2), tmp_path / "m", quietly)
    assert whole.scorecard["examples"] == {"real": 20, "bogus": 20}


def test_few_labels_move_the_last_layer_alone(start, tmp_path, monkeypatch):
    assert tuned(start, blobs(20), tmp_path / "few", steps=2).record["layers"] == "head"
    monkeypatch.setattr(tuning, "FEW", 10)
    assert tuned(start, blobs(20), tmp_path / "more", steps=2).record["layers"] == "all"


def test_an_object_a_night_or_a_field_never_judges_what_learnt_of_it(start, tmp_path, monkeypatch):
    examples = blobs(60)
    examples = replace(examples, group=np.array([f"object {i // 4}-{i % 2}" for i in range(60)]))
    learnt, told = [], []
    scores = realbogus_train.scores

    def train(some, _held, options, _checkpoint, **_more):
        learnt.append(some)
        network = CutoutNetwork(options.width)
        return realbogus_train.Training(network, network, None, finished=True)

    def score(network, some, **how):
        told.append(some)
        return scores(network, some, **how)

    monkeypatch.setattr(realbogus_train, "train", train)
    monkeypatch.setattr(realbogus_train, "scores", score)
    made = tuned(start, examples, tmp_path)
    assert len(learnt) == 4
    assert len(learnt[-1]) == 60
    judging = [each for each in told if len(each) < 60]
    assert sorted(name for each in judging for name in each.group.tolist()) == sorted(examples.group.tolist())
    for ours, theirs in zip(learnt, judging, strict=False):
        for by in ("group", "night", "field"):
            assert not set(getattr(ours, by)) & set(getattr(theirs, by))
        assert set(ours.label) == set(theirs.label) == {0, 1}
    assert np.isfinite(made.log_odds).all()


def test_what_was_learnt_of_before_does_not_judge_again(start, tmp_path):
    first, second = blobs(40), blobs(40, seed=2)
    second = replace(second, group=np.char.add("later-", second.group))
    made = tuned(start, first, tmp_path / "1", steps=2)
    trained = {"fine_tuned": made.record}
    again = replace(start, description=start.description.model_copy(update={"trained": trained}))
    assert not tuned(again, first, tmp_path / "2", steps=2).judged.any()
    assert tuned(again, second, tmp_path / "3", steps=2).judged.all()
    with pytest.raises(LeakingSplit, match="was trained on"):
        refuse_leaks(first, [Candidate("realbogus", None, again)])


def test_what_the_first_training_saw_does_not_judge_either(start, tmp_path):
    """By object, by night and by field: each excludes its rows, and what is left judges."""
    examples = blobs(60)
    number = np.arange(60)
    named = {
        "group": np.array([f"object {i}" for i in number]),
        "night": np.array([f"night {i // 2}" for i in number]),
        "field": np.array([f"field {i // 2}" for i in number]),
    }
    examples = replace(examples, **named)
    kept = {
        remembered.OBJECTS: remembered.numbers(["object 7"]),
        remembered.NIGHTS: remembered.numbers(["night 10", "field 20"]),
    }
    made = tuned(replace(start, arrays={**start.arrays, **kept}), examples, tmp_path / "told", steps=2)
    assert np.flatnonzero(~made.judged).tolist() == [7, 20, 21, 40, 41]
    judged = examples[made.judged]
    assert made.record["judged"]["real"] == np.count_nonzero(judged.label == 1)
    assert made.record["is_start_told"]
    untold = tuned(start, examples, tmp_path / "untold", steps=2)
    assert untold.judged.all()
    assert not untold.record["is_start_told"]


def test_what_is_not_known_of_a_start_is_not_known_of_what_it_became(start, tmp_path):
    options = FineTuneOptions(steps=2, folds=2)
    folder = fine_tune_realbogus(start, blobs(40), options, tmp_path / "once", quietly).folder
    once = read(folder)
    assert set(once.arrays) >= {remembered.OBJECTS, remembered.NIGHTS}
    assert "unknown" in once.description.trained["judged_by"]
    assert not tuned(once, blobs(40, seed=2), tmp_path / "twice", steps=2).record["is_start_told"]


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        (True, "did not learn of its object, night or field"),
        (False, "may have of its night and field, which tells too much good of it"),
    ],
)
def test_a_model_says_whether_its_judges_share_a_night_with_what_it_learnt(start, tmp_path, apart, said):
    knows = replace(start, arrays={**start.arrays, **remembered.seen(blobs(4, seed=9)[:0])})
    options = FineTuneOptions(steps=2, folds=2)
    examples = blobs(40)
    examples = replace(examples, night=examples.night if apart else np.full(len(examples), "one night"))
    examples = replace(examples, source=np.full(len(examples), LABELLED))
    made = fine_tune_realbogus(knows, examples, options, tmp_path / "m", quietly)
    assert (SAID in read(made.folder).arrays) == apart  # it weighs an ensemble as what was not learnt of
    trained = read(made.folder).description.trained
    assert trained["fine_tuned"]["are_nights_apart"] == apart
    assert trained["judged_by"].endswith(said)
    assert card_lines({"name": "realbogus", "number": 2, "description": {"trained": trained}}).count(
        f"Worth, by {trained['judged_by']}"
    )


def test_where_the_start_saw_all_of_it_nothing_is_judged(start, tmp_path):
    examples = blobs(40)
    knows = replace(start, arrays={**start.arrays, **remembered.seen(examples)})
    made = fine_tune_realbogus(knows, examples, FineTuneOptions(steps=2, folds=2), tmp_path / "m", quietly)
    assert (made.metrics, made.scorecard) == ({}, None)


def test_probabilities_are_those_of_the_start_until_there_are_enough_to_calibrate(
    start, tmp_path, monkeypatch
):
    made = tuned(start, blobs(40), tmp_path / "few", steps=2)
    assert made.calibration == start.description.calibration
    monkeypatch.setattr(tuning, "LEAST_TO_CALIBRATE", 20)
    made = tuned(start, blobs(40), tmp_path / "more", steps=2)
    assert made.calibration != start.description.calibration
    assert made.record["is_recalibrated"]


def test_a_fold_is_judged_by_a_calibration_that_knows_nothing_of_it(start, tmp_path, monkeypatch):
    """What is kept is calibrated by all of them."""
    monkeypatch.setattr(tuning, "LEAST_TO_CALIBRATE", 30)
    examples = blobs(80)
    raw = np.random.default_rng(4).normal(0.8 * examples.label, 1.0)
    said = dict(zip(examples.group.tolist(), raw.tolist(), strict=True))

    def told(_network, some, **_how):
        return np.array([said[name] for name in some.group])

    monkeypatch.setattr(realbogus_train, "scores", told)
    made = tuned(start, examples, tmp_path, steps=2)
    assert made.calibration == platt(raw, examples.label)
    of = deal(examples, 3, seed=1).of
    for fold in range(3):
        held = of == fold
        fitted = platt(raw[~held], examples.label[~held])
        np.testing.assert_allclose(made.log_odds[held], fitted.slope * raw[held] + fitted.offset)


def test_intervals_draw_together_what_was_dealt_together():
    """Ten nights of 40 objects, half of which spoil all of theirs: the mean is as sure as of ten."""
    night = np.arange(400) // 40
    examples = blobs(400)
    right = np.where(examples.label == 1, 3.0, -3.0)
    after = np.where(night % 2, right, -right)

    def width(unit):
        found = tuning.compared(examples, np.zeros(400), after, unit)["brier"]["after"]
        return found["high"] - found["low"]

    assert width(night) > 4 * width(np.arange(400))
    nights = night.astype(str)
    unit = deal(replace(examples, night=nights, field=nights), 5, seed=1).unit
    assert width(unit) == pytest.approx(width(night), rel=0.3)
    assert len(set(unit.tolist())) == len(set(zip(unit.tolist(), nights.tolist(), strict=True))) == 10


def test_what_cannot_be_tuned_is_refused_in_a_sentence(start, tmp_path):
    with pytest.raises(TrainingError, match="3 real and 3 bogus objects"):
        tuned(start, blobs(6), tmp_path)
    imported = replace(start, description=start.description.model_copy(update={"architecture": "imported"}))
    with pytest.raises(TrainingError, match="imported"):
        tuned(imported, blobs(40), tmp_path)
    wider = replace(start, description=start.description.model_copy(update={"config": {"width": 8}}))
    with pytest.raises(TrainingError, match="another network"):
        tuned(wider, blobs(40), tmp_path, steps=2)


def test_a_tuning_that_is_stopped_leaves_nothing(start, tmp_path):
    made = fine_tune_realbogus(
        start, blobs(40), FineTuneOptions(steps=5), tmp_path / "m", quietly, lambda: True
    )
    assert not made.finished
    assert not (tmp_path / "m").exists()
