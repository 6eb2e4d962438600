"""The training of the U-Net: it learns, and stopping it changes nothing."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.vocabulary import ExitCode  # noqa: E402
from pipeline.classify.model_file import Calibration, ModelRefused, read  # noqa: E402
from pipeline.classify.unet import CLASSES, UNet  # noqa: E402
from pipeline.training import field_cache, unet_labels, unet_made, unet_train  # noqa: E402
from pipeline.training.ahead import ahead  # noqa: E402
from pipeline.training.checkpoint import TrainingError  # noqa: E402
from pipeline.training.field_cache import read as read_field  # noqa: E402
from pipeline.training.fields import ARTEFACT, UNTOLD  # noqa: E402
from pipeline.training.label_fields import LabelFields  # noqa: E402
from pipeline.training.label_window import LabelWindow  # noqa: E402
from pipeline.training.member_scores import ROWS, SAID  # noqa: E402
from pipeline.training.remembered import NIGHTS, OBJECTS, weights_of  # noqa: E402
from pipeline.training.stopping import until_stopped  # noqa: E402
from pipeline.training.unet_choice import (  # noqa: E402
    LOWEST_STREAK,
    Examined,
    Seen,
    calibration,
    most,
    point_threshold,
    streak_rate,
    streak_threshold,
)
from pipeline.training.unet_train import TrainOptions, loss_of, train  # noqa: E402
from tests.pipeline.devices import needs_cuda, needs_no_cuda  # noqa: E402

SMALL = TrainOptions(steps=8, width=2, patch_px=64, batch=2, epoch_steps=4, seed=5)


def write_field(path, seed):
    """A field with spots of three classes that a glance at one plane tells apart."""
    random = np.random.default_rng(seed)
    planes = random.normal(0.0, 0.3, (5, 72, 72))
    classes = np.zeros((72, 72), dtype=np.uint8)
    for kind in (1, 2, 3):
        row, column = random.integers(8, 60, 2)
        planes[kind, row : row + 6, column : column + 6] += 3.0
        classes[row : row + 6, column : column + 6] = kind
    planes[4] = 0.0
    classes[:2] = UNTOLD
    np.savez(
        path,
        name=np.array(path.stem),
        planes=planes.astype(np.float16),
        classes=classes,
        fwhm=np.float64(3.0),
        kinds=np.array([], dtype="U16"),
        hosts=np.array([], dtype="U16"),
        places=np.zeros((0, 7)),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    paths = [folder / f"field-{seed}.npz" for seed in range(5)]
    for seed, path in enumerate(paths):
        write_field(path, seed)
    return paths


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    return train(files[:4], files[4:], SMALL, tmp_path_factory.mktemp("whole") / "checkpoint.safetensors")


def weights(state):
    found = state.averaged.state_dict().items()
    return {key: value.numpy() for key, value in found if value.dtype.is_floating_point}


def same(one, other):
    return all(np.array_equal(value, weights(other)[key]) for key, value in weights(one).items())


def test_a_training_that_was_stopped_ends_as_one_that_was_not(files, whole, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    asked = []

    def after_five():
        asked.append(1)
        return len(asked) >= 5

    first = train(files[:4], files[4:], SMALL, checkpoint, stopped=after_five)
    assert 0 < first.step < SMALL.steps
    again = train(files[:4], files[4:], SMALL, checkpoint)
    assert again.step == SMALL.steps
    assert same(again, whole)
    assert again.history == whole.history
    assert list(tmp_path.iterdir()) == [checkpoint]


@needs_cuda
def test_a_cuda_device_learns_what_a_cpu_does_and_either_goes_on_with_what_the_other_began(
    files, whole, tmp_path
):
    there = replace(SMALL, device="cuda", threads=3)
    all_of_it = train(files[:4], files[4:], there, tmp_path / "cuda.safetensors")
    assert all(each.device.type == "cpu" for each in all_of_it.averaged.parameters())
    losses = [each["loss"] for each in whole.history]
    assert [each["loss"] for each in all_of_it.history] == pytest.approx(losses, rel=0.02)
    for number, (first, then) in enumerate([(SMALL, there), (there, SMALL)]):
        checkpoint = tmp_path / f"{number}.safetensors"
        train(files[:4], files[4:], first, checkpoint, stopped=lambda: True)
        gone_on = train(files[:4], files[4:], then, checkpoint)
        assert gone_on.step == SMALL.steps
        assert [each["loss"] for each in gone_on.history][-1] == pytest.approx(losses[-1], rel=0.02)


@needs_no_cuda
def test_a_device_that_is_not_there_is_told_before_anything_is_made(files, tmp_path):
    with pytest.raises(TrainingError, match="no CUDA device: train with --device cpu") as told:
        train(files[:4], [], replace(SMALL, device="cuda"), tmp_path / "c.safetensors")
    assert told.value.exit_code == ExitCode.UNAVAILABLE
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_told_in_a_sentence_and_what_was_done_is_kept(files, tmp_path, monkeypatch):
    kept = tmp_path / "c.safetensors"
    train(files[:4], [], SMALL, kept, stopped=lambda: True)

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(unet_train, "_step", full)
    with pytest.raises(TrainingError, match=r"too little memory left: .* --device cpu"):
        train(files[:4], [], SMALL, kept)
    monkeypatch.undo()
    assert train(files[:4], [], SMALL, kept).step == SMALL.steps


def test_what_a_step_learns_from_is_the_same_whoever_makes_it(files, monkeypatch):
    alone = list(unet_train._batches(files, SMALL, 2))
    monkeypatch.setattr(unet_train, "ahead", lambda make, steps, _: ahead(make, steps, 3))
    together = list(unet_train._batches(files, SMALL, 2))
    assert len(alone) == len(together) == SMALL.steps - 2
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_seed_decides_the_weights(files, whole, tmp_path):
    other = train(files[:4], [], TrainOptions(**{**vars_of(SMALL), "seed": 6}), tmp_path / "c.safetensors")
    assert not same(other, whole)


def write_window(path, seed):
    """A window in which one spot is told, a bogus one, as no field has it; of one that all have it is not."""
    random = np.random.default_rng(seed)
    planes = random.normal(0.0, 0.3, (5, 72, 72))
    planes[4] = 0.0
    classes = np.full((72, 72), UNTOLD, dtype=np.uint8)
    (row, column), (other, beside) = random.integers(8, 60, (2, 2))
    planes[1, other : other + 6, beside : beside + 6] += 3.0  # which nobody judged
    planes[0, row : row + 6, column : column + 6] += 3.0
    classes[row : row + 6, column : column + 6] = ARTEFACT
    place = [column + 2.5, row + 2.5]
    field_cache.store(
        LabelWindow(
            path.stem, planes.astype(np.float16), classes, 3.0, np.array(["bogus"]), np.array([""]),
            np.array([[*place, 9.0, 0, 0, 0, 0]]), np.array([seed]), np.array([place]),
            np.array(classes.shape),
        ),
        path,
    )  # fmt: skip


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    paths = [folder / f"label-{seed}.npz" for seed in range(6)]
    for seed, path in enumerate(paths):
        write_window(path, 100 + seed)
    return paths


def test_a_training_with_labels_that_was_stopped_ends_as_one_that_was_not(files, whole, windows, tmp_path):
    plain = train(files[:4], [], SMALL, tmp_path / "plain.safetensors", labelled=windows)
    kept = tmp_path / "c.safetensors"
    train(files[:4], [], SMALL, kept, stopped=lambda: True, labelled=windows)
    with pytest.raises(TrainingError, match="other options or examples"):
        train(files[:4], [], SMALL, kept, labelled=windows[1:])
    assert same(train(files[:4], [], SMALL, kept, labelled=windows), plain)
    assert not same(plain, whole)
    with pytest.raises(TrainingError, match=r"label-0\.npz is both"):
        train(files[:4], windows[:1], SMALL, kept, labelled=windows)


def test_every_patch_of_a_labelled_frame_holds_a_label_and_few_windows_are_not_drawn_all_the_time(
    files, windows
):
    assert unet_train.label_share(400, 0) == 0.0
    assert unet_train.label_share(400, 10) == pytest.approx(40 / 440)
    assert unet_train.label_share(400, 10_000) == unet_train.LABEL_SHARE
    options = replace(SMALL, steps=150)
    patches = [each for _, classes in unet_train._batches(files, options, 0, windows) for each in classes]
    told = [(each != UNTOLD).sum().item() for each in patches]
    few = [each for each in told if each <= 36]  # of a field most pixels are told
    assert 0.15 < len(few) / len(patches) < 0.35
    assert min(few) > 0


def test_a_window_moves_nothing_but_what_is_said_at_its_label(windows):
    made = read_field(windows[0])
    logits = torch.zeros(1, len(CLASSES), *made.classes.shape, requires_grad=True)
    loss_of(logits, torch.from_numpy(made.classes.astype(np.int64))[None]).backward()
    moved = logits.grad[0].abs().sum(dim=0).numpy() > 0
    assert np.array_equal(moved, made.classes == ARTEFACT)
    assert (logits.grad[0, ARTEFACT].numpy()[moved] < 0).all()  # towards the class


def vars_of(options):
    return {name: getattr(options, name) for name in options.__slots__}


def test_it_tells_its_metrics_after_every_epoch(files, tmp_path):
    seen = []
    train(
        files[:4], files[4:], SMALL, tmp_path / "c.safetensors", lambda step, told: seen.append((step, told))
    )
    assert [step for step, _ in seen] == [4, 8]
    assert all(np.isfinite(told["loss"]) for _, told in seen)
    assert all(0.0 <= told["iou_background"] <= 1.0 for _, told in seen)


def test_it_learns_what_a_glance_tells(files, tmp_path):
    options = TrainOptions(steps=75, width=4, patch_px=64, batch=2, epoch_steps=25, rate=1e-2, average=0.9)
    history = train(files[:4], files[4:], options, tmp_path / "c.safetensors").history
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    learnt = [history[-1][f"iou_{name}"] for name in ("point", "dark", "streak")]
    assert np.mean(learnt) > 0.15


def test_a_checkpoint_of_another_training_or_none_at_all_is_refused(files, whole, tmp_path):
    checkpoint = tmp_path / "c.safetensors"
    train(files[:4], [], TrainOptions(**{**vars_of(SMALL), "steps": 1}), checkpoint)
    with pytest.raises(TrainingError, match="other options"):
        train(files[:4], [], TrainOptions(**{**vars_of(SMALL), "rate": 0.5}), checkpoint)
    for content in (checkpoint.read_bytes()[:-100], b"\x80\x04cos\nsystem\n.", b"\xff" * 64):
        checkpoint.write_bytes(content)
        with pytest.raises(TrainingError, match="no checkpoint"):
            train(files[:4], [], SMALL, checkpoint)


def test_a_field_on_both_sides_is_refused_by_name(files, tmp_path):
    with pytest.raises(TrainingError, match=r"field-4\.npz is both"):
        train(files, files[4:], SMALL, tmp_path / "c.safetensors")
    with pytest.raises(TrainingError, match="no fields"):
        train([], [], SMALL, tmp_path / "c.safetensors")


def test_untold_pixels_do_not_count():
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(1, len(CLASSES), 16, 16, generator=random)
    classes = torch.randint(0, len(CLASSES), (1, 16, 16), generator=random)
    classes[:, :8] = UNTOLD
    changed = logits.clone()
    changed[:, :, :8] += torch.randn(1, len(CLASSES), 8, 16, generator=random) * 10.0
    assert loss_of(logits, classes).item() == pytest.approx(loss_of(changed, classes).item(), rel=1e-5)
    right = torch.nn.functional.one_hot(torch.where(classes == UNTOLD, 0, classes), len(CLASSES))
    assert loss_of(right.permute(0, 3, 1, 2) * 30.0, classes).item() < 0.05


def test_a_signal_asks_a_training_to_stop_and_is_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with until_stopped() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()
    assert signal.getsignal(signal.SIGTERM) is before


def seen(origin, odds, *, real, streak_free=True):
    return Seen(origin, odds, odds, 6.0, "point", real, streak_free)


def test_the_threshold_of_points_keeps_to_the_budget_of_false_alarms():
    false = [seen("unet", odds, real=False) for odds in np.linspace(0.1, 5.0, 50)]
    others = [seen("unet", 9.0, real=True), seen("peak", 9.0, real=False), seen("streak", 9.0, real=False)]
    point = point_threshold(Examined((*false, *others), 6 * 2048**2, 6 * 2048**2), false_alarms=2.0)
    assert sum(each.log_odds > point for each in false) == 12
    assert point_threshold(Examined((), 2048**2, 0), 2.0) == 0.0


def test_so_few_false_streaks_are_kept_as_are_allowed_or_none_where_that_cannot_be_shown():
    streaks = [seen("streak", odds, real=False) for odds in (6.0, 7.0, 8.0, 9.0)]
    streaks.append(seen("streak", 14.0, real=False, streak_free=False))  # a piece of a true one, perhaps
    streaks.append(seen("streak", 14.0, real=True))
    for patches, kept in ((100, 0), (999, 0), (1000, 3), (1333, 3), (1334, 4)):
        examined = Examined(tuple(streaks), 0, patches * 256**2)
        threshold = streak_threshold(examined)
        assert sum(each.log_odds > threshold for each in streaks[:4]) == kept
        shown, rate, high = streak_rate(examined, threshold)
        assert (shown, rate) == (patches, kept / patches)
        assert rate <= 0.003 < high  # how sure that is, is told
    assert streak_threshold(Examined((), 0, 2000 * 256**2)) == LOWEST_STREAK


def test_no_more_than_the_interval_says_is_expected_where_so_few_were_counted():
    random = np.random.default_rng(4)
    for expected in (0.7, 3.0, 6.5):
        counts = random.poisson(expected, 4000)
        upper = np.array([most(count) for count in range(counts.max() + 1)])
        assert np.mean(upper[counts] >= expected) >= 0.97


def test_the_calibration_recovers_the_chances_that_made_the_labels():
    random = np.random.default_rng(2)
    odds = random.normal(0.0, 3.0, 8000)
    real = random.random(8000) < 1.0 / (1.0 + np.exp(-(0.6 * odds - 1.0)))
    found = calibration(Examined(tuple(seen("peak", o, real=bool(r)) for o, r in zip(odds, real)), 1, 1))  # noqa: B905
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert found.offset == pytest.approx(-1.0, abs=0.1)
    assert found.prevalence == pytest.approx(real.mean())
    one = calibration(Examined((seen("peak", 1.0, real=True),), 1, 1))
    assert (one.slope, one.offset) == (1.0, 0.0)


def test_a_model_is_published_whole_and_read_back(whole, files, tmp_path):
    made = unet_made.publish(whole, SMALL, files[:4], [], [], 2.0, tmp_path / "model")
    model = read(made.folder, made.digest)
    network = UNet(model)
    assert network.digest == made.digest
    assert model.description.trained["fields"] == 4
    assert same_arrays(weights_of(model.arrays), weights(whole))
    assert len(model.arrays[NIGHTS]) == 4
    assert len(model.arrays[OBJECTS]) == 0
    (made.folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelRefused, match="damaged"):
        read(made.folder)


def test_a_model_keeps_of_which_labels_it_learnt_and_is_judged_by_others(whole, files, windows, tmp_path):
    learnt = LabelFields(tuple(windows[:1]), tuple(windows[1:]), ("object:1",), ("camera:1",), {"learnt": 1})
    made = unet_made.publish(whole, SMALL, files[:4], [], [], 2.0, tmp_path / "told", learnt)
    model = read(made.folder)
    assert (len(model.arrays[OBJECTS]), len(model.arrays[NIGHTS])) == (1, 5)
    assert model.description.trained["labels"] == {"learnt": 1}
    assert (made.metrics["labels_real"], made.metrics["labels_bogus"]) == (0, len(windows) - 1)
    assert {"labels_bogus_seen"} == {name for name in made.metrics if name.endswith(("seen", "auc"))}
    trail = tmp_path / "trail.npz"
    seen = read_field(windows[1])
    field_cache.store(replace(seen, kinds=np.full(len(seen.kinds), "trail")), trail)
    said, plain = (
        unet_labels.said_of(UNet(model), some, lambda _done: None)
        for some in ([trail, *windows[2:]], windows[2:])
    )
    assert said.metrics == plain.metrics  # that it sees a trail is no mistake
    own = unet_made.publish(
        whole, SMALL, files[:4], [], [], 2.0, tmp_path / "own", learnt, has_own_frames=True
    )
    # Nobody knows what is agreed on in a user's own frames.
    assert not {OBJECTS, ROWS, SAID} & set(read(own.folder).arrays)


def test_a_model_keeps_what_it_says_of_labels_that_were_held_out_and_of_no_others(
    whole, files, windows, tmp_path, monkeypatch
):
    calibrated = Calibration(slope=0.5, offset=-1.0)
    monkeypatch.setattr(unet_made, "calibration", lambda _found: calibrated)
    held = LabelFields(tuple(windows[:1]), tuple(reversed(windows[1:])), (), (), {})
    made = unet_made.publish(whole, SMALL, files[:4], [], [], 2.0, tmp_path / "told", held)
    model = read(made.folder)
    assert model.description.calibration == calibrated
    assert model.arrays[ROWS].tolist() == [101, 102, 103, 104, 105]
    for path, said in zip(windows[1:], model.arrays[SAID], strict=True):
        window = read_field(path)
        (x, y, *_), = window.places  # fmt: skip
        near = UNet(model).log_odds(window.planes.astype(np.float32)).real[
            round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3
        ]  # fmt: skip
        assert said == pytest.approx(0.5 * near.max() - 1.0)


def same_arrays(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
