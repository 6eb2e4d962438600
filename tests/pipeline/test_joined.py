"""The shipped U-Net beside the peaks of the score, on fields whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.settings import Settings
from core.settings_sections import DetectSettings
from pipeline.classify import unet
from pipeline.classify.model_file import Calibration, ModelRefused, read
from pipeline.classify.shipped import KINDS, SHIPPED
from pipeline.classify.unet import LogOdds
from pipeline.classify.unet_input import frame_input
from pipeline.detection import unet_look
from pipeline.detection.detect import detect
from pipeline.detection.joined import STREAK_CAUSE, join
from pipeline.detection.streak_check import streak_objects
from pipeline.detection.unet_objects import StreakObject
from pipeline.subtraction.subtract import subtract
from pipeline.training import fields as training_fields
from pipeline.training.conditions import PLAIN
from pipeline.training.events import Event
from pipeline.training.fields import CLASSES, field
from tests.pipeline import toy_models
from tests.pipeline.pairs import make_pair
from tests.pipeline.seen import with_unet

NOTHING = -9.0
SURE = 6.0


def a_streak(name="t"):
    return Event("satellite", 128.0, 128.0, 0.0, 12.0, "none", name, 20.0, 60.0, 236.0, 196.0)


@pytest.fixture(scope="module")
def made():
    """One field with a bright new source and a bright trail, and nothing else that changes."""

    def draw(random, scene, size, name, *_):
        one_sigma = training_fields_sigma(scene)
        point = Event(
            "point", 70.0, 190.0, 25.0 * one_sigma, 25.0, "none", f"{name}-0", 70.0, 190.0, 70.0, 190.0
        )
        return [point, replace(a_streak(), flux=12.0 * one_sigma)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_fields, "draw_conditions", lambda random: PLAIN)
        patch.setattr(training_fields, "draw_events", draw)
        return field(3, 256)


def training_fields_sigma(scene):
    from pipeline.training.events import _one_sigma

    return _one_sigma(scene, 128.0, 128.0)


@pytest.fixture(scope="module")
def peaks(made):
    return detect(made.difference, made.new, made.reference, made.settings)


@pytest.fixture(scope="module")
def result(made, peaks):
    return with_unet(*peaks, made.difference, made.new, made.reference, made.settings)


def near(found, x, y, within=2.0):
    return [each for each in found if np.hypot(each.x - x, each.y - y) < within]


def test_the_classes_of_training_are_those_that_are_served():
    assert CLASSES == unet.CLASSES


def test_the_shipped_weights_find_a_bright_source_and_are_sure_of_it(result):
    (source,) = near(result.detections, 70.0, 190.0)
    assert source.snr > 8.0
    assert source.scores["unet"] > 0.8
    assert result.remarks == ()


def test_a_streak_is_one_candidate_with_its_middle_length_and_angle(result, peaks):
    (streak,) = [each for each in result.detections if "streak_length" in each.features]
    event = a_streak()
    length = np.hypot(event.x_end - event.x_begin, event.y_end - event.y_begin)
    angle = np.degrees(np.arctan2(event.y_end - event.y_begin, event.x_end - event.x_begin))
    assert streak.features["streak_length"] == pytest.approx(length, rel=0.15)
    assert streak.features["streak_angle"] == pytest.approx(angle, abs=2.0)
    assert np.hypot(streak.x - 128.0, streak.y - 128.0) < 20.0
    assert streak.scores["unet"] > 0.8
    parts = [each for each in result.dropped if each.cause == STREAK_CAUSE]
    assert {(each.x, each.y) for each in parts} <= {(each.x, each.y) for each in peaks[0]}
    assert len(result.detections) < len(peaks[0]) + 1


def test_every_detection_has_a_probability_and_none_is_lost(result, peaks):
    assert all(0.0 <= each.scores["unet"] <= 1.0 for each in result.detections)
    everything = [*result.detections, *result.dropped]
    assert all(near(everything, each.x, each.y, 0.01) for each in (*peaks[0], *peaks[1]))
    snr = [abs(each.snr) for each in result.detections]
    assert snr == sorted(snr, reverse=True)


def test_a_frame_without_changes_has_nothing_of_the_network_alone():
    new, reference, _, _ = make_pair((256, 256), seed=11)
    difference = subtract(new, reference, Settings())
    peaks = detect(difference, new, reference, Settings())
    result = with_unet(*peaks, difference, new, reference, Settings())
    assert len(result.detections) <= len(peaks[0])
    assert not any("streak_length" in each.features for each in result.detections)


def test_without_its_weights_detection_goes_on_and_says_so(made, peaks, monkeypatch, tmp_path):
    def refuse():
        return read(tmp_path / "unet")

    monkeypatch.setattr(unet_look, "shipped", refuse)
    assert (
        "No U-Net took part."
        in with_unet(*peaks, made.difference, made.new, made.reference, made.settings).told
    )
    result = with_unet(*peaks, made.difference, made.new, made.reference, made.settings)
    assert (result.detections, result.dropped) == (list(peaks[0]), list(peaks[1]))
    assert result.remarks == (
        "unet: model.json cannot be read: No such file or directory.",
        "No U-Net took part.",
    )


def test_a_refused_version_leaves_its_place_to_the_shipped_one(made, peaks, result, tmp_path):
    version = (tmp_path / "mine", "0" * 64)
    found = with_unet(*peaks, made.difference, made.new, made.reference, made.settings, version)
    assert found.detections == result.detections
    why = "mine: model.json cannot be read: No such file or directory."
    assert found.remarks[0] == f"unet {'0' * 12} is refused: {why}"
    assert found.told.startswith(f"seen by unet {SHIPPED['unet'].digest[:12]}")


def test_weights_that_were_changed_are_refused(tmp_path):
    for name in ("model.json", "model.onnx", "weights.safetensors"):
        (tmp_path / name).write_bytes((SHIPPED["unet"].folder / name).read_bytes())
    content = (tmp_path / "model.json").read_bytes()
    (tmp_path / "model.json").write_bytes(content.replace(b'"seed"', b'"seeD"'))
    with pytest.raises(ModelRefused, match="SHA-256 differs"):
        unet.loaded(tmp_path, SHIPPED["unet"].digest)


def test_a_version_that_is_damaged_while_frames_are_searched_leaves_its_place_until_it_is_mended(
    made, peaks, tmp_path
):
    version = folder, digest = toy_models.unet(tmp_path / "unet")

    def told():
        return with_unet(*peaks, made.difference, made.new, made.reference, made.settings, version).told

    assert told() == f"seen by unet {digest[:12]}."
    network = folder / "model.onnx"
    whole = network.read_bytes()
    network.write_bytes(whole[:-1])
    assert told().startswith(f"seen by unet {SHIPPED['unet'].digest[:12]}. unet {digest[:12]} is refused")
    network.write_bytes(whole)
    assert told() == f"seen by unet {digest[:12]}."


def test_files_that_did_not_change_are_read_once(tmp_path):
    version = toy_models.unet(tmp_path / "unet")
    network = unet.loaded(*version)
    assert unet.loaded(*version) is network
    (tmp_path / "unet" / "model.onnx").touch()
    assert unet.loaded(*version) is not network


def test_switched_off_nothing_changes(made, peaks):
    settings = Settings(detect=DetectSettings(unet=False))
    result = with_unet(*peaks, made.difference, made.new, made.reference, settings)
    assert (result.detections, result.dropped, result.remarks) == (list(peaks[0]), list(peaks[1]), ())


def test_the_shipped_files_are_small_and_are_those_in_the_code():
    files = (path for each in (*SHIPPED.values(), KINDS) for path in each.folder.iterdir())
    assert sum(path.stat().st_size for path in files) <= 3_000_000  # all models together
    assert unet.shipped().digest == SHIPPED["unet"].digest


def opinions(made, **spots):
    """Maps that say nothing but at some places."""
    shape = made.difference.mask.shape
    maps = LogOdds(*(np.full(shape, NOTHING, dtype=np.float32) for _ in range(3)))
    for name, places in spots.items():
        for x, y in places:
            getattr(maps, name)[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2] = SURE
    return maps


def says(point=1.0, streak=np.inf):
    """By default nothing is a streak, which the light alone may tell."""
    return SimpleNamespace(
        point_threshold=point, streak_threshold=streak, calibration=Calibration(slope=0.5, offset=-1.0)
    )


def joined_by(made, peaks, maps):
    return join(*peaks, maps, says(), made.difference, made.new, made.reference, made.settings)


def test_an_object_at_a_peak_is_that_peak_and_one_on_empty_sky_is_judged_as_any_other(made, peaks):
    source = near(peaks[0], 70.0, 190.0)[0]
    empty = np.argwhere((np.abs(made.difference.score) < 0.3) & (made.difference.mask == 0))[1000]
    maps = opinions(made, point=[(source.x, source.y), (float(empty[1]), float(empty[0]))])
    result = joined_by(made, peaks, maps)
    (same,) = near(result.detections, source.x, source.y)
    assert replace(same, scores={}) == source
    assert same.scores["unet"] == pytest.approx(1.0 / (1.0 + np.exp(-(0.5 * SURE - 1.0))))
    assert len(result.detections) == len(peaks[0])
    assert len(result.dropped) == len(peaks[1]) + 1
    assert result.dropped[-1].stage == "unet"


def test_a_faint_source_that_the_network_sees_is_measured_below_the_threshold(made, peaks):
    """Between the floor and the threshold the score alone makes no candidate."""
    maps = opinions(made, point=[(70.0, 190.0)])
    above = made.settings.model_copy(update={"detect": DetectSettings(threshold=1e3)})
    strict = detect(made.difference, made.new, made.reference, above)
    assert strict[0] == []
    result = join(*strict, maps, says(), made.difference, made.new, made.reference, above)
    (found,) = result.detections
    (source,) = near(peaks[0], 70.0, 190.0)
    assert (found.x, found.y, found.flux) == pytest.approx((source.x, source.y, source.flux), rel=1e-3)
    assert found.features.keys() == source.features.keys()


def test_the_network_finds_the_streak_where_it_is(made):
    maps = unet.shipped().log_odds(frame_input(made.difference, made.new, made.reference))
    found = streak_objects(maps, made.difference, made.new, made.reference, 0.0)
    assert found
    assert found[0].distance(np.array([128.0]), np.array([128.0]))[0] < 3.0


def on_the_trail(found):
    line = StreakObject(20.0, 60.0, 236.0, 196.0, 0.0).longer(6.0)
    return [
        each
        for each in found
        if "streak_length" not in each.features
        and line.distance(np.array([each.x]), np.array([each.y]))[0] < 3.0
    ]


@pytest.fixture(scope="module")
def seen_as_points(made, peaks):
    """The maps of the network, had it taken every peak on the trail for a point source."""
    maps = unet.shipped().log_odds(frame_input(made.difference, made.new, made.reference))
    point = maps.point.copy()
    for each in on_the_trail(peaks[0]):
        point[round(each.y), round(each.x)] = 2.0 * SURE
    return replace(maps, point=point)


def with_a_streak(made, peaks, maps):
    network = says(point=np.inf, streak=unet.shipped().streak_threshold)
    return join(*peaks, maps, network, made.difference, made.new, made.reference, made.settings)


def test_what_is_no_brighter_than_a_streak_is_a_part_of_it_whatever_the_network_says(
    made, peaks, seen_as_points
):
    assert on_the_trail(peaks[0])
    result = with_a_streak(made, peaks, seen_as_points)
    assert any("streak_length" in each.features for each in result.detections)
    assert on_the_trail(result.detections) == []


def test_a_source_that_outshines_the_streak_it_lies_on_stays_a_candidate(made, peaks, seen_as_points):
    brightest = max(on_the_trail(peaks[0]), key=lambda each: each.snr)
    nova = replace(brightest, snr=3.0 * brightest.snr)
    others = [each for each in peaks[0] if each is not brightest]
    result = with_a_streak(made, ([nova, *others], peaks[1]), seen_as_points)
    (kept,) = on_the_trail(result.detections)
    assert (kept.x, kept.y, kept.snr) == (nova.x, nova.y, nova.snr)
