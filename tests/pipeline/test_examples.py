"""Example sets: what is in them is what the product detects, and nothing leaks in."""

from __future__ import annotations

import hashlib
import json
import shutil
import tracemalloc
from dataclasses import asdict, replace

import numpy as np
import pytest

from core.errors import AstridError
from core.models.trainings import CHECKPOINT
from core.settings import Settings
from core.settings_sections import DetectSettings
from pipeline.classify.cutout_features import measure
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.triplets import SIDE
from pipeline.classify.unet import shipped
from pipeline.detection.detect import detect
from pipeline.detection.joined import opinion
from pipeline.training import candidate_run
from pipeline.training import examples as sets
from pipeline.training.candidate_run import CandidateRun
from pipeline.training.conditions import PLAIN
from pipeline.training.detected import DOUBT, DOUBTED, Seen, detections_of
from pipeline.training.examples import BOGUS, REAL, ExamplesError, of_field, of_seeds
from pipeline.training.fields import field as make_field
from pipeline.training.fields import nature
from pipeline.training.recording import Recording
from tests.pipeline.drawn import drawn_once
from tests.pipeline.seen import with_unet
from tests.pipeline.toy_models import blobs


@pytest.fixture(scope="module", autouse=True)
def _fields_drawn_once():
    with drawn_once("examples"):
        yield


@pytest.fixture(scope="module")
def made():
    return of_seeds([2, 10, 18], 320)


def test_what_is_detected_in_a_field_is_told_truly(made):
    assert len(made) > 8
    assert set(made.label.tolist()) <= {REAL, BOGUS}
    real = made[made.label == REAL]
    # What was injected is measured as bright as it was made, to its noise.
    points = real[np.isin(real.kind, ["point", "dark"]) & (real.cut == "") & (np.abs(real.snr_true) > 8)]
    assert len(points) >= 3
    assert np.median(np.abs(points.snr - points.snr_true) / np.abs(points.snr_true)) < 0.25
    assert np.array_equal(np.sign(points.snr), np.sign(points.snr_true))
    middle = made.diff[:, 30:33, 30:33].astype(np.float32)
    seen = np.isfinite(middle).all(axis=(1, 2))
    assert np.mean(np.sign(middle[seen].sum(axis=(1, 2))) == np.sign(made.snr[seen])) > 0.9
    assert np.isnan(made.snr_true[made.kind == "cosmic_ray"]).all()


def test_a_seed_gives_the_same_examples_and_no_two_fields_share_a_name(made, monkeypatch):
    monkeypatch.setattr(sets, "field", make_field)
    again = of_seeds([10], 320)
    assert again.digest == made[made.field == "sim-10"].digest
    assert set(made.field) == {"sim-2", "sim-10", "sim-18"}
    groups = [set(made.group[made.field == name]) for name in set(made.field)]
    assert sum(map(len, groups)) == len(set().union(*groups))


def on_long_trail(found, detection):
    _, event = nature(found, detection.x, detection.y)
    return event is not None and event.kind == "trail" and event.length > SIDE


@pytest.fixture(scope="module")
def fields():
    """One with a satellite's trail, one with a source that only the U-Net sees."""
    return [make_field(seed, 256) for seed in (9_200_000, 9_200_015)]


def test_models_learn_of_all_that_the_product_shows_what_only_the_unet_sees_too(fields):
    network = shipped()
    for found in fields:
        plain = detect(found.difference, found.new, found.reference, found.settings)
        shown = with_unet(*plain, found.difference, found.new, found.reference, found.settings)
        told = detections_of(found, Seen.by(network, found))
        expected = {(each.x, each.y) for each in shown.detections if not on_long_trail(found, each)}
        assert {(peak.x, peak.y) for peak, _, _ in told if peak.cut == ""} == expected
        assert expected - {(peak.x, peak.y) for peak, _, _ in detections_of(found)}
        examples = of_field(found, network)
        assert len(examples) == len(told)
        assert (examples.cut == "").sum() == len(expected)


def test_of_what_the_unet_is_not_sure_of_models_learn_too_but_nothing_of_it_is_shown(monkeypatch):
    network, found = shipped(), make_field(9_200_006, 256)
    seen, fwhm = Seen.by(network, found), found.difference.psf.fwhm
    told = detections_of(found, seen)
    doubted = [peak for peak, _, _ in told if peak.cut == DOUBTED]
    assert len(doubted) >= 2
    others = np.array([(peak.x, peak.y) for peak, _, _ in told if peak.cut != DOUBTED])
    for peak in doubted:
        assert np.hypot(others[:, 0] - peak.x, others[:, 1] - peak.y).min() > fwhm
        (log_odds,) = opinion(seen.maps, np.array([peak.x]), np.array([peak.y]), 3.0 * fwhm)
        assert network.point_threshold - DOUBT < log_odds
    examples = of_field(found, network)
    assert (np.abs(examples.snr[examples.cut == DOUBTED]) > 3.4).all()
    monkeypatch.setattr("pipeline.training.detected.DOUBT", 0.0)
    sure = [peak for peak, _, _ in detections_of(found, seen)]
    assert sure == [peak for peak, _, _ in told if peak.cut != DOUBTED]


def test_what_only_the_unet_sees_is_told_truly(fields):
    trail, faint = (of_field(found, shipped()) for found in fields)
    middle = (trail.kind == "streak") & (trail.cut == "") & (np.abs(trail.snr) < 5.0)
    assert middle.sum() == 1
    assert trail.label[middle] == BOGUS
    vanished = (faint.kind == "dark") & (np.abs(faint.snr) < 5.0)
    assert vanished.sum() == 1
    assert faint.label[vanished] == REAL


def test_trails_that_no_cutout_shows_an_end_of_are_learnt_as_satellites_or_not_at_all():
    long, short = (make_field(seed, 256, conditions=PLAIN) for seed in (9_204_391, 9_200_015))
    assert max(event.length for event in long.events if event.kind == "trail") > 300
    assert min(event.length for event in long.events if event.kind == "trail") > SIDE
    examples = of_field(long, shipped())
    assert "trail" not in examples.kind
    assert (examples.label[examples.kind == "streak"] == BOGUS).all()
    assert max(event.length for event in short.events if event.kind == "trail") < SIDE
    examples = of_field(short, shipped())
    assert (examples.kind == "trail").sum() >= 1
    assert (examples.label[examples.kind == "trail"] == REAL).all()


def test_examples_are_of_the_unet_that_saw_the_fields_and_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(candidate_run, "FIELD_PX", 192)
    settings = Settings(home=tmp_path)

    def examples(models):
        return candidate_run.examples_of(
            settings, CandidateRun("tree", fields=2, seed=7), lambda *_: None, lambda: False, models
        )

    one = examples({})
    (file,) = (tmp_path / "examples").iterdir()
    assert shipped().digest[:12] in file.name
    with monkeypatch.context() as refusing:
        refusing.setattr(sets, "field", None)
        again = examples({})
    assert again.digest == one.digest
    other = tmp_path / "other"
    shutil.copytree(SHIPPED["unet"].folder, other)
    card = json.loads((other / "model.json").read_text())
    card["config"]["point_threshold"] = -2.0
    (other / "model.json").write_text(json.dumps(card))
    keen = examples({"unet": (other, None)})
    assert len(keen) > len(one)
    assert len(list((tmp_path / "examples").iterdir())) == 2


def test_models_learn_of_what_is_found_at_the_threshold_in_force(tmp_path, monkeypatch):
    monkeypatch.setattr(candidate_run, "FIELD_PX", 192)

    def shown(threshold):
        settings = Settings(home=tmp_path, detect=DetectSettings(threshold=threshold, unet=False))
        wanted = CandidateRun("tree", fields=2, seed=7)
        found = candidate_run.examples_of(settings, wanted, lambda *_: None, lambda: False, {})
        return np.abs(found.snr[found.is_shown])

    keen, usual, strict = (shown(threshold) for threshold in (4.5, 5.0, 8.0))
    assert len(keen) > len(usual) > len(strict) > 0
    assert 4.0 < keen.min() < usual.min() < 6.0 < 7.0 < strict.min()
    assert len(list((tmp_path / "examples").iterdir())) == 3  # none is mixed with those of another


def test_a_training_goes_on_in_no_fields_of_another_threshold(tmp_path, monkeypatch):
    settings, wanted = Settings(home=tmp_path), CandidateRun("realbogus", fields=2)
    begun = asdict(wanted) | {"examples_sha256": "cd" * 32, "unet": shipped().digest}
    with Recording(settings, "realbogus", begun) as recording:
        (recording.folder / CHECKPOINT).touch()
        recording.stopped("stopped; --resume goes on from here")
    monkeypatch.setattr(sets, "field", None)
    keen = settings.model_copy(update={"detect": DetectSettings(threshold=4.0)})
    with pytest.raises(AstridError, match="was begun with other options; it goes on only with the same"):
        candidate_run.run(keen, wanted, lambda *_: None, lambda: False, resume=True)


def test_the_training_with_the_same_options_goes_on_though_a_newer_one_ended_early_too(tmp_path):
    settings = Settings(home=tmp_path)
    keys = []
    for seed in (1, 2):
        with Recording(settings, "realbogus", {"seed": seed}) as recording:
            (recording.folder / CHECKPOINT).touch()
            recording.stopped("stopped; --resume goes on from here")
            keys.append(recording.folder.name)
    assert candidate_run.unfinished(settings, "realbogus", {"seed": 1}).folder.name == keys[0]
    assert candidate_run.unfinished(settings, "realbogus", {"seed": 3}).folder.name == keys[1]


def test_a_mask_of_other_examples_chooses_none_of_these():
    examples = blobs(6)
    assert examples[np.ones(6, dtype=bool)] is examples
    with pytest.raises(IndexError):
        examples[np.ones(5, dtype=bool)]


@pytest.mark.parametrize(
    ("saw", "told"),
    [(None, "without a U-Net in its fields"), ("ab" * 32, f"with U-Net {'ab' * 6} in its fields")],
)
def test_a_training_of_fields_that_another_unet_saw_goes_on_in_none_and_makes_no_fields_to_find_that(
    tmp_path, monkeypatch, saw, told
):
    settings, wanted = Settings(home=tmp_path), CandidateRun("realbogus", fields=2)
    begun = asdict(wanted) | {"examples_sha256": "cd" * 32} | ({"unet": saw} if saw else {})
    with Recording(settings, "realbogus", begun) as recording:
        (recording.folder / CHECKPOINT).touch()
        recording.stopped("stopped; --resume goes on from here")
    monkeypatch.setattr(sets, "field", None)
    with pytest.raises(AstridError, match=f"was begun {told}.*: begin anew without --resume"):
        candidate_run.run(settings, wanted, lambda *_: None, lambda: False, resume=True)
    assert candidate_run.unfinished(settings, "realbogus").key == recording.key


def test_features_are_those_of_the_images_and_take_less_memory_than_these(monkeypatch):
    examples = blobs(1200)
    # The last bits follow how many are measured at once, on some processors.
    whole = np.concatenate([measure(examples[slice(at, at + 100)].triplets) for at in range(0, 1200, 100)])
    monkeypatch.setattr(sets, "AT_ONCE", 100)
    tracemalloc.start()
    found = examples.features
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(found, whole, equal_nan=True)
    np.testing.assert_allclose(found, measure(examples.triplets), rtol=1e-3, atol=1e-3)
    assert most < 0.7 * sum(plane.nbytes for plane in examples.triplets.planes)
    assert examples[:0].features.shape == (0, whole.shape[1])


def test_a_set_comes_back_as_it_was_written(made, tmp_path):
    sets.write(made, tmp_path / "a.npz")
    assert sets.read(tmp_path / "a.npz").digest == made.digest
    assert sets.join([made, made])[slice(0, len(made))].digest == made.digest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_brighter_than_a_set_keeps_stays_bright_and_sentinels_are_masked(tmp_path, dtype):
    good = blobs(4)
    diff = good.diff.astype(dtype)
    diff[0, 0, :5] = 3e5, -3e5, np.inf, -3.4e38, np.nan
    columns = {name: getattr(good, name) for name in sets.COLUMNS} | {"diff": diff}
    np.savez(tmp_path / "bright.npz", **columns)
    found = sets.read(tmp_path / "bright.npz").diff
    assert found[0, 0, :2].tolist() == [65504.0, -65504.0]
    assert np.isnan(found[0, 0, 2:5]).all()
    assert np.array_equal(found[1:], good.diff[1:])


@pytest.mark.parametrize("spoil", ["no label", "short", "objects", "shape", "bytes", "absent"])
def test_what_is_no_set_is_refused_in_one_sentence(tmp_path, spoil):
    good = blobs(4)
    columns = {name: getattr(good, name) for name in sets.COLUMNS}
    path = tmp_path / "bad.npz"
    if spoil == "no label":
        columns.pop("label")
    elif spoil == "short":
        columns["snr"] = columns["snr"][:-1]
    elif spoil == "objects":
        columns["kind"] = np.array([object()] * 4, dtype=object)
    elif spoil == "shape":
        columns["diff"] = columns["diff"][:, :9]
    if spoil == "bytes":
        path.write_bytes(b"\x80\x02no archive")
    elif spoil != "absent":
        np.savez(path, **columns)
    with pytest.raises(ExamplesError, match=r"bad\.npz") as told:
        sets.read(path)
    assert "\n" not in str(told.value)
    assert "pickle" not in str(told.value) or spoil == "objects"  # nobody is told how to run a file


@pytest.mark.parametrize(("label", "dtype"), [(256, "i8"), (2, "i1"), (255, "u1"), (-2, "i2")])
def test_labels_that_mean_nothing_are_refused_by_their_row(tmp_path, label, dtype):
    columns = {name: getattr(blobs(4), name) for name in sets.COLUMNS}
    for right in (0, 1):
        np.savez(tmp_path / "bad.npz", **columns | {"label": np.array([0, 1, right, 1], dtype=dtype)})
        assert sets.read(tmp_path / "bad.npz").label.tolist() == [0, 1, right, 1]
    np.savez(tmp_path / "bad.npz", **columns | {"label": np.array([0, 1, label, 1], dtype=dtype)})
    with pytest.raises(ExamplesError, match=f"row 2 has the label {label}; a label is 1 for real"):
        sets.read(tmp_path / "bad.npz")


def test_a_set_without_host_offsets_is_read_and_has_the_digest_that_it_had(tmp_path):
    old = blobs(4)
    np.savez(tmp_path / "old.npz", **{name: getattr(old, name) for name in sets.COLUMNS})
    found = sets.read(tmp_path / "old.npz")
    assert np.isnan(found.host_offset).all()
    # Of all columns but that one, in their order, as it was told before there was one.
    made = hashlib.sha256()
    for name in sets.COLUMNS:
        column = getattr(old, name)
        made.update(f"{name} {column.dtype.kind} {column.shape}".encode())
        made.update("\0".join(column).encode() if column.dtype.kind == "U" else column.tobytes())
    told = replace(old, host_offset=np.array([0.0, 1.5, 7.0, np.nan], np.float32))
    assert found.digest == told.digest == made.hexdigest()
    sets.write(told, tmp_path / "new.npz")
    assert np.array_equal(sets.read(tmp_path / "new.npz").host_offset, told.host_offset, equal_nan=True)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.full(4, "near")])
def test_host_offsets_that_do_not_fit_are_refused(tmp_path, wrong):
    columns = {name: getattr(blobs(4), name) for name in sets.COLUMNS}
    np.savez(tmp_path / "bad.npz", **columns, host_offset=wrong)
    with pytest.raises(ExamplesError, match="the column host_offset is not as the others are"):
        sets.read(tmp_path / "bad.npz")


def test_what_was_injected_knows_its_offset_and_all_else_that_to_the_nearest_light():
    found = next(
        each
        for each in (make_field(seed, 256) for seed in range(2_000_001, 2_000_040))
        if sum(event.host == "galaxy" for event in each.events) >= 3
    )
    told = detections_of(found)
    made = sets.of_detections(found, told)
    fwhm, stars = max(found.difference.psf.fwhm, 1.5), found.reference.stars
    injected = 0
    for (peak, _, event), offset in zip(told, made.host_offset, strict=True):
        if event is None:
            nearest = np.hypot(stars.x - peak.x, stars.y - peak.y).min() / fwhm
            assert offset == pytest.approx(nearest, rel=1e-5) if nearest <= 5.0 else np.isnan(offset)
        elif event.host == "galaxy":
            injected += 1
            assert offset == pytest.approx(event.host_offset / fwhm, rel=1e-5)
        else:
            assert offset == 0.0 if event.host == "star" else np.isnan(offset)
    assert injected
