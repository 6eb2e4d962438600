"""The training of the real-bogus network: it learns, can be repeated, and loses nothing when stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import AstridError
from pipeline.classify.model_file import NETWORK, ModelRefused, read
from pipeline.classify.networks import OWN_OPERATORS, CandidateNetwork
from pipeline.classify.onnx_network import checked
from pipeline.classify.scorers import Inputs
from pipeline.classify.triplets import NOISE, SIDE, SPREAD, network_input
from pipeline.training.calibration import at_share, calibration_error, fnr_at_fpr, is_held_out, platt
from pipeline.training.candidate_models import split
from pipeline.training.examples import LABELLED, join
from tests.pipeline.toy_models import blobs

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from pipeline.training import realbogus_train, varied  # noqa: E402
from pipeline.training.candidate_models import train_realbogus  # noqa: E402
from pipeline.training.checkpoint import TrainingError  # noqa: E402
from pipeline.training.realbogus_train import TrainOptions  # noqa: E402
from pipeline.training.remembered import weights_of  # noqa: E402
from tests.pipeline.devices import needs_cuda  # noqa: E402

SHORT = TrainOptions(steps=32, batch=32, width=8, epoch_steps=16)


@pytest.fixture(scope="module")
def examples():
    return blobs(160)


@pytest.fixture(scope="module")
def made(examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    epochs = []
    trained = train_realbogus(
        examples,
        SHORT,
        folder / "model",
        folder / "kept",
        lambda step, metrics: epochs.append((step, metrics)),
    )
    return trained, epochs, folder / "kept"


@needs_cuda
def test_a_cuda_device_learns_what_a_cpu_does_and_a_cpu_goes_on_with_it(examples, tmp_path):
    there = replace(SHORT, device="cuda", threads=3)
    on_cuda = realbogus_train.train(examples, examples, there, tmp_path / "cuda")
    assert all(each.device.type == "cpu" for each in on_cuda.averaged.parameters())
    first, last = on_cuda.history[0], on_cuda.history[-1]
    assert last["loss"] < 0.8 * first["loss"]
    assert last["fnr_at_1_percent_fpr"] < 0.2
    halted = realbogus_train.train(examples, examples[:0], there, tmp_path / "both", stopped=lambda: True)
    assert halted.step == 1
    assert realbogus_train.train(examples, examples[:0], SHORT, tmp_path / "both").finished


def test_it_learns_and_tells_of_every_epoch(made):
    trained, epochs, _ = made
    assert trained.finished
    assert [step for step, _ in epochs] == [16, 32]
    assert epochs[1][1]["loss"] < 0.8 * epochs[0][1]["loss"]
    assert trained.metrics["fnr_at_1_percent_fpr"] < 0.2


def test_it_learns_of_all_and_is_judged_by_what_is_shown(examples, tmp_path):
    cut = np.where(np.arange(len(examples)) % 3 == 0, "doubted by the U-Net", "")
    partly, options = replace(examples, cut=cut), replace(SHORT, steps=1)
    (ours, held), folder = split(partly), tmp_path / "model"
    made = train_realbogus(partly, options, folder, tmp_path / "kept")
    trained, shown = read(folder).description.trained, held[held.is_shown]
    assert trained["examples"] == len(ours) > np.count_nonzero(ours.is_shown)
    assert made.metrics["held_out_examples"] == sum(made.scorecard["examples"].values()) == len(shown)
    network = realbogus_train._start(options, tmp_path / "kept", ours.digest).averaged
    (epoch,) = trained["history"]
    raw = realbogus_train.scores(network, shown)
    assert epoch["fnr_at_1_percent_fpr"] == fnr_at_fpr(raw, shown.label, 0.01)


def test_meanwhile_a_few_tell_how_it_goes_each_looked_at_once(examples, tmp_path, monkeypatch):
    looks, scores = [], realbogus_train.scores

    def counted(network, some, *, turned=True):
        looks.append((len(some), turned))
        return scores(network, some, turned=turned)

    monkeypatch.setattr(realbogus_train, "MEASURED", 50)
    monkeypatch.setattr(realbogus_train, "scores", counted)
    assert len(examples) == 160
    realbogus_train.train(examples, examples, replace(SHORT, steps=3, epoch_steps=1), tmp_path / "kept")
    assert looks == [(50, False), (50, False), (160, True)]


def test_without_a_number_of_steps_the_minutes_end_it_and_the_rate_falls_with_them(
    examples, tmp_path, monkeypatch
):
    clock = iter(range(1000))
    monkeypatch.setattr(realbogus_train.time, "monotonic", lambda: float(next(clock)))
    options = replace(SHORT, steps=None, minutes=0.5, epoch_steps=1000)
    state = realbogus_train.train(examples, examples[:0], options, tmp_path / "kept")
    assert state.finished
    assert state.step == 30
    (group,) = state.optimiser.param_groups
    fall = 0.5 * (1.0 + np.cos(np.pi * 29 / 30)) * 30 / realbogus_train.WARM_UP
    left = options.last_rate * 30 / realbogus_train.WARM_UP
    assert group["lr"] == pytest.approx(options.rate * (left + (1.0 - options.last_rate) * fall))


def test_the_same_again_is_the_same_version_however_long_it_took(made, examples, tmp_path):
    assert train_realbogus(examples, SHORT, tmp_path / "m", tmp_path / "k").digest == made[0].digest


@pytest.mark.parametrize("left", [0.01, 1.0])
def test_at_the_end_so_much_is_left_of_the_rate(examples, tmp_path, left):
    options = replace(SHORT, steps=8, last_rate=left)
    state = realbogus_train.train(examples, examples[:0], options, tmp_path / "kept")
    (group,) = state.optimiser.param_groups
    fall = 0.5 * (1.0 + np.cos(np.pi * 7 / 8))  # of the last of eight steps
    assert group["lr"] == pytest.approx(options.rate * (left + (1.0 - left) * fall))


def test_zoomed_cutouts_show_stars_of_other_sizes_up_to_so_much_longer_than_wide():
    y, x = np.mgrid[-31:32, -31:32].astype(np.float32)
    star = np.exp(-(x**2 + y**2) / (2.0 * 3.0**2))
    values = torch.from_numpy(np.broadcast_to(star, (200, 3, SIDE, SIDE)).copy())
    seen, good = varied.zoomed(np.random.default_rng(1), values, torch.ones_like(values) > 0)
    light = torch.where(good, seen, 0.0).numpy()[:, 0]
    wide, high = (np.sqrt((light * each**2).sum((1, 2)) / light.sum((1, 2))) for each in (x, y))
    size, longer = np.sqrt(wide * high) / 3.0, wide / high
    most = varied.STRETCH**2
    for drawn, low, top in ((1.0 / size, *varied.ZOOM), (longer, 1.0 / most, most)):
        assert low - 0.05 < drawn.min() < low + 0.1
        assert top - 0.1 < drawn.max() < top + 0.05


def test_a_training_begins_with_a_network_that_is_there_and_all_of_it_learns(made, examples, tmp_path):
    start = read(made[0].folder)
    options = replace(SHORT, steps=1, rate=1e-6, average=0.0)
    trained = train_realbogus(examples, options, tmp_path / "m", tmp_path / "k", start=start)
    after = read(trained.folder)
    before, now = weights_of(start.arrays), weights_of(after.arrays)
    for name, array in before.items():
        if "running" in name or "batches" in name:  # what normalises has seen one batch more
            assert not np.array_equal(now[name], array)
        else:
            np.testing.assert_allclose(now[name], array, atol=2e-6)
            assert array.size < 100 or not np.array_equal(now[name], array)
    assert after.description.trained["begun_from"] == start.digest
    assert trained.metrics["fnr_at_1_percent_fpr"] == made[0].metrics["fnr_at_1_percent_fpr"]


def test_what_a_network_learnt_before_does_not_judge_it_later(made, examples, tmp_path):
    start, options = read(made[0].folder), replace(SHORT, steps=1)
    known = replace(examples, source=np.full(len(examples), LABELLED))
    with pytest.raises(AstridError, match="learnt of all that would judge it"):
        train_realbogus(known, options, tmp_path / "m", tmp_path / "k", start=start)
    names = {name: np.char.add(getattr(known, name), " later") for name in ("group", "night", "field")}
    both = join([known, replace(known, **names)])
    held = split(both)[1].field
    trained = train_realbogus(both, options, tmp_path / "m", tmp_path / "k", start=start)
    new = np.count_nonzero(np.char.endswith(held, " later"))
    assert trained.metrics["held_out_examples"] == new < len(held)
    assert {*start.arrays["seen.nights"]} < {*read(trained.folder).arrays["seen.nights"]}
    tuned = replace(start, description=start.description.model_copy(update={"trained": {"fine_tuned": {}}}))
    with pytest.raises(AstridError, match="was fine-tuned"):
        train_realbogus(both, options, tmp_path / "m2", tmp_path / "k2", start=tuned)


def test_what_is_served_is_what_was_trained(made, examples):
    trained, _, kept = made
    served = CandidateNetwork(read(trained.folder, trained.digest))
    state = realbogus_train._start(SHORT, kept, split(examples)[0].digest)
    raw = realbogus_train.scores(state.averaged, examples)
    calibration = read(trained.folder).description.calibration
    expected = calibration.slope * raw + calibration.offset
    np.testing.assert_allclose(served.logits(Inputs(examples.triplets)), expected, rtol=1e-4, atol=1e-4)
    assert served.embedding(Inputs(examples.triplets)).shape == (len(examples), 32)


def test_a_version_of_before_is_served_in_the_units_it_learnt_in_and_one_of_others_not(made, examples):
    model, some = read(made[0].folder), Inputs(examples[:8].triplets)

    def told(**config):
        about = model.description.model_copy(update={"config": {"width": 8, "turns": 8, **config}})
        return CandidateNetwork(replace(model, description=about))

    before, now = (each.input_of(some, slice(0, 8)) for each in (told(), told(scale=NOISE)))
    np.testing.assert_array_equal(before, network_input(some.triplets, SPREAD))
    np.testing.assert_array_equal(now, network_input(some.triplets, NOISE))
    assert np.abs(before - now)[:, :2].max() > 0.01
    assert model.description.config["scale"] == NOISE
    with pytest.raises(ModelRefused, match="in units that are not known here"):
        told(scale="magnitudes")


def test_what_is_exported_takes_any_number_and_tells_of_no_machine(made):
    content = (made[0].folder / NETWORK).read_bytes()
    graph = checked("realbogus", content, OWN_OPERATORS).graph
    sides = [dim.dim_param or dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    assert sides == ["n", 6, SIDE, SIDE]
    assert [out.type.tensor_type.shape.dim[0].dim_param for out in graph.output] == ["n", "n"]
    for word in (b"site-packages", str(Path(__file__).parents[2]).encode(), b".py"):
        assert word not in content


def test_a_training_that_was_stopped_ends_as_one_that_was_not(made, examples, tmp_path):
    asked = iter([False, False, True])
    halted = train_realbogus(
        examples, SHORT, tmp_path / "m", tmp_path / "k", stopped=lambda: next(asked, True)
    )
    assert not halted.finished
    assert not (tmp_path / "m").exists()
    resumed = realbogus_train.train(*split(examples), SHORT, tmp_path / "k").averaged.state_dict()
    whole = weights_of(read(made[0].folder).arrays)
    assert whole.keys() == resumed.keys()
    for name, array in whole.items():
        np.testing.assert_allclose(resumed[name].numpy().ravel(), array.ravel(), rtol=1e-5, atol=1e-6)


def test_a_training_that_took_cutouts_in_other_units_does_not_go_on(examples, tmp_path):
    ours, held = split(examples)
    before = replace(SHORT, scale=SPREAD)
    assert realbogus_train.train(ours, held, before, tmp_path / "k", stopped=lambda: True).step == 1
    with pytest.raises(TrainingError, match="other options"):
        realbogus_train.train(ours, held, SHORT, tmp_path / "k")
    assert realbogus_train.train(ours, held, before, tmp_path / "k").network.scale == SPREAD


def test_a_checkpoint_of_another_training_or_of_none_is_refused(made, examples, tmp_path):
    ours, held = split(examples)
    other = TrainOptions(steps=32, batch=32, width=8, epoch_steps=16, seed=2)
    with pytest.raises(TrainingError, match="other options"):
        realbogus_train.train(ours, held, other, made[2])
    for content in (b"", b"\x80\x02pickle", made[2].read_bytes()[:-50]):
        (tmp_path / "k").write_bytes(content)
        with pytest.raises(TrainingError, match="no checkpoint"):
            realbogus_train.train(ours, held, SHORT, tmp_path / "k")


def test_examples_of_one_kind_alone_teach_nothing(examples, tmp_path):
    real = examples[examples.label == 1]
    with pytest.raises(TrainingError, match="too few bogus examples to learn from: give more"):
        realbogus_train.train(real, real, SHORT, tmp_path / "k")


def test_of_too_few_fields_to_hold_one_out_it_is_told_what_to_do(examples):
    one = replace(examples, field=np.full(len(examples), "one"), night=np.full(len(examples), "one"))
    with pytest.raises(AstridError, match=r"one in five is held out .* give more, such as with --fields 20"):
        split(one)


def test_what_is_held_out_is_whole_fields_and_the_same_every_time(examples):
    held = is_held_out(examples.field)
    ours, others = split(examples)
    assert not set(ours.field) & set(others.field)
    assert np.array_equal(held, is_held_out(examples.field[::-1])[::-1])


def test_calibration_finds_the_slope_and_offset_that_were_hidden():
    random = np.random.default_rng(1)
    truth = random.normal(-1.0, 2.5, 20_000)
    labels = (random.random(20_000) < 1 / (1 + np.exp(-truth))).astype(int)
    share = float(labels.mean())
    assert share < 0.4
    found = platt((truth - 0.7) / 3.0, labels)
    even = found.slope * (truth - 0.7) / 3.0 + found.offset
    assert found.slope == pytest.approx(3.0, rel=0.05)
    assert found.prevalence == 0.5
    assert at_share(even, share) == pytest.approx(truth, abs=0.3)
    assert calibration_error(at_share(even, share), labels) < 0.01 < calibration_error(even, labels)
    assert calibration_error(truth, labels) < 0.01 < 0.05 < calibration_error(3.0 * truth, labels)


def test_the_share_that_is_missed_is_counted_at_the_share_that_is_let_through():
    labels = np.array([0] * 100 + [1] * 4)
    logits = np.concatenate([np.arange(100.0), [97.5, 98.5, 99.5, 10.0]])
    assert fnr_at_fpr(logits, labels, 0.01) == 0.5  # above 98 are one bogus and two of the real
    assert fnr_at_fpr(logits, labels, 0.0) == 0.75
