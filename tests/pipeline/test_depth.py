"""Depth: injected sources answer as drawn ones do, are found as all others are, and change nothing."""

from dataclasses import fields, replace

import numpy as np
import pytest

from core.settings import Settings
from core.settings_sections import DepthSettings
from core.vocabulary import MaskPlane
from pipeline.depth import depth as depth_module
from pipeline.depth.completeness import fit
from pipeline.depth.depth import RANGE, Depth, draw, luck_of, measure_depth, typical_error
from pipeline.depth.injection import Sources, apart, free_places, inject, reach_px
from pipeline.depth.recovery import recover
from pipeline.detection import detect as detection
from pipeline.detection.detect import Cut, detect
from pipeline.subtraction import subtract as subtraction
from pipeline.subtraction.match import match
from pipeline.subtraction.subtract import subtract
from tests.pipeline.injected import drawn_into_pixels, grid_of_sources
from tests.pipeline.pairs import make_pair

SETTINGS = Settings()
METHODS = ["zogy", "classic"]
RADIUS_PX = 2.0
SCENES = {
    "new blurred and thin": {"new": {"fwhm": 3.8, "transparency": 0.7, "sky": 400.0}, "ref": {"fwhm": 2.8}},
    "deep reference": {"new": {"fwhm": 3.5}, "ref": {"fwhm": 2.9, "sky": 20.0, "read_noise": 2.0}},
    "varying": {"new": {"fwhm": 3.5, "psf_gradient": 0.06}, "ref": {"psf_gradient": -0.04}},
}


class Silent(np.random.Generator):
    """Draws what is expected: sources without photon noise."""

    def poisson(self, lam, size=None):
        return lam


def silent() -> Silent:
    return Silent(np.random.PCG64(0))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("held", [True, False])
def test_linear_response_is_what_drawn_pixels_give(scene, method, held, monkeypatch):
    new, reference, truth, _ = make_pair((320, 320), **SCENES[scene])
    matched = match(new, reference)
    left = []
    measured = subtraction.left_over
    monkeypatch.setattr(subtraction, "left_over", lambda *given: left.append(measured(*given)) or left[-1])
    before = subtract(new, reference, SETTINGS, method)
    sources = grid_of_sources((320, 320), 64, 8.0 * typical_error(before))
    linear = inject(sources, before, new, silent()).difference
    drawn = drawn_into_pixels(new, truth, sources, matched.gain_ratio)
    if held:
        monkeypatch.setattr(subtraction, "match", lambda *_: matched)
    # So many sources in so small a frame disturb what the stars are seen to leave.
    monkeypatch.setattr(subtraction, "left_over", lambda *_: left[0])
    pixels = subtract(drawn, replace(reference, caches={}), SETTINGS, method)
    core = np.zeros(before.mask.shape, dtype=bool)
    for x, y in zip(np.rint(sources.x).astype(int), np.rint(sources.y).astype(int), strict=True):
        core[y - 3 : y + 4, x - 3 : x + 4] = True
    for name in ("flux", "data", "score"):
        one, other, without = (getattr(each, name)[core] for each in (linear, pixels, before))
        size = np.std(one - without)
        assert np.std(one - other) < 0.03 * size, name  # most of it the sky, which the pixels move
    more, other = (
        np.mean(each.flux_err[core] ** 2 - before.flux_err[core] ** 2) for each in (linear, pixels)
    )
    assert more == pytest.approx(other, rel=0.15)


@pytest.mark.parametrize(("method", "scene"), [("zogy", "new blurred and thin"), ("classic", "varying")])
def test_m50_is_that_of_sources_drawn_into_the_pixels(method, scene):
    new, reference, truth, _ = make_pair((448, 448), n_stars=150, **SCENES[scene])
    gain = match(new, reference).gain_ratio
    difference = subtract(new, reference, SETTINGS, method)
    detections, _ = detect(difference, new, reference, SETTINGS)
    at_threshold = 5.0 * typical_error(difference)
    random = np.random.default_rng(3)
    everywhere = free_places(difference, detections, 8000, random)
    brightness, linear, pixels, luck = [], [], [], []
    for _ in range(3):
        sources = draw(difference, detections, at_threshold, RANGE, SETTINGS, random)
        injected = inject(sources, difference, new, silent())  # both without photon noise: no two draws
        drawn = drawn_into_pixels(new, truth, sources, gain)
        again = replace(injected, difference=subtract(drawn, reference, SETTINGS, method), new=drawn)
        linear.append(recover(sources, injected, reference, RADIUS_PX, SETTINGS).found)
        pixels.append(recover(sources, again, reference, RADIUS_PX, SETTINGS).found)
        brightness.append(2.5 * np.log10(sources.flux / at_threshold))
        luck.append(luck_of(sources, difference, injected.difference, everywhere, 5.0))
    b, known = np.concatenate(brightness), np.concatenate(luck)
    one, other = (fit(b, np.concatenate(found) - known) for found in (linear, pixels))
    assert len(b) >= 120
    assert one.b50 == pytest.approx(other.b50, abs=0.05)
    assert one.b50 == pytest.approx(0.0, abs=0.15)  # noise and bright stars move it a little
    assert one.b50_err < 0.06
    near, found = np.abs(b) < 0.5, np.concatenate(linear)
    assert np.std((found - known)[near]) < 0.93 * np.std(found[near])  # luck is part of what is found there


def case(method="zogy", **scene):
    extra = [(90.3, 140.8, 2e4), (250.1, 60.4, 1e4), (200.0, 230.0, 8e3)]
    new, reference, *_ = make_pair((320, 320), new={"fwhm": 3.4, "extra": extra}, **scene)
    difference = subtract(new, reference, SETTINGS, method)
    detections, dropped = detect(difference, new, reference, SETTINGS)
    return new, reference, difference, detections, dropped


def depth_of(new, reference, difference, detections, settings=SETTINGS) -> Depth:
    return measure_depth(difference, new, reference, detections, RADIUS_PX, settings)


def test_looking_near_the_sources_alone_finds_what_looking_everywhere_finds():
    new, reference, difference, detections, _ = case(n_stars=300)
    assert detections
    random = np.random.default_rng(2)
    for _ in range(3):
        at_threshold = 5.0 * typical_error(difference)
        sources = draw(difference, detections, at_threshold, RANGE, SETTINGS, random)
        injected = inject(sources, difference, new, random)
        recovery = recover(sources, injected, reference, RADIUS_PX, SETTINGS)
        everything, _ = detect(injected.difference, injected.new, reference, SETTINGS)
        assert len(everything) > recovery.found.sum() >= 5
        for i in range(len(sources)):
            near = [
                each for each in everything
                if np.hypot(each.x - sources.x[i], each.y - sources.y[i])
                <= max(RADIUS_PX, 3.0 * each.position_error_px) and each.snr > 0
            ]  # fmt: skip
            assert recovery.found[i] == bool(near)
            if near:
                assert recovery.snr[i] in [each.snr for each in near]
                assert recovery.flux[i] in [each.flux for each in near]


def test_what_is_found_is_measured_without_bias():
    new, reference, difference, _, _ = case()
    sources = grid_of_sources((320, 320), 40, 12.0 * typical_error(difference))
    injected = inject(sources, difference, new, np.random.default_rng(4))
    recovery = recover(sources, injected, reference, RADIUS_PX, SETTINGS)
    assert recovery.found.mean() > 0.8
    assert np.nanmedian(recovery.flux / sources.flux) == pytest.approx(1.0, abs=0.04)  # 40 of 12 sigma


def test_only_copies_are_touched_and_the_same_frame_has_the_same_depth():
    new, reference, difference, detections, dropped = case()
    arrays = [getattr(difference, each.name) for each in fields(difference)]
    arrays += [new.frame.data, new.frame.variance, new.frame.mask, reference.frame.data]
    kept = [each.copy() for each in arrays if isinstance(each, np.ndarray)]
    one = depth_of(new, reference, difference, detections)
    now = [each for each in arrays if isinstance(each, np.ndarray)]
    assert all(np.array_equal(a, b) for a, b in zip(kept, now, strict=True))
    assert depth_of(new, reference, difference, detections) == one
    assert detect(difference, new, reference, SETTINGS) == (detections, dropped)
    exposure = replace(new.frame.exposure, name="another frame \udcff")  # as undecodable names come
    other = replace(new, frame=replace(new.frame, exposure=exposure))
    assert depth_of(other, reference, difference, detections).curve != one.curve


def test_a_depth_is_whole_and_near_the_threshold():
    depth = depth_of(*case()[:4])
    assert depth.reason is None
    assert depth.snr50 == pytest.approx(5.0, abs=1.2)
    assert depth.flux50 == pytest.approx(depth.snr50 * typical_error(case()[2]))
    assert 0.0 < depth.error < 0.2
    assert depth.plateau > 0.7
    assert sum(each.tried for each in depth.curve) >= 15
    assert all(0 <= each.found <= each.tried for each in depth.curve)
    fluxes = [each.flux for each in depth.curve]
    assert fluxes == sorted(fluxes)
    bins = depth.record()["bins"]
    assert [each[1:] for each in bins] == [[each.tried, each.found] for each in depth.curve]


def test_a_higher_threshold_loses_depth_in_proportion():
    new, reference, difference, detections, _ = case()
    low, high = (
        depth_of(new, reference, difference, detections, Settings(detect={"threshold": value}))
        for value in (5.0, 10.0)
    )
    assert high.snr50 / low.snr50 == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize("span", [(-1.2, 0.1), (0.1, 1.4)])
def test_where_half_is_found_at_an_end_of_what_was_tried_more_is_tried_beyond_it(monkeypatch, span):
    made = case()[:4]
    usual = depth_of(*made)
    monkeypatch.setattr(depth_module, "RANGE", span)
    depth = depth_of(*made)
    assert depth.snr50 == pytest.approx(usual.snr50, rel=0.25)  # two errors
    tried = 2.5 * np.log10(depth.curve[-1].flux / depth.curve[0].flux)
    assert tried > span[1] - span[0] + 0.5


def test_places_are_free_apart_and_everywhere():
    _, _, difference, detections, _ = case()
    mask = difference.mask.copy()
    mask[:, :160] |= MaskPlane.SATURATED
    half = replace(difference, mask=mask)
    x, y = free_places(half, detections, 4000, np.random.default_rng(1))
    assert np.all(mask[np.rint(y).astype(int), np.rint(x).astype(int)] == 0)
    beside = [np.hypot(x - each.x, y - each.y).min() for each in detections]
    assert min(beside) > 2.0 * difference.psf.fwhm
    assert np.histogram(y, bins=8, range=(0, 320))[0].min() > 100
    chosen = apart(x, y, 30.0)
    dx, dy = (np.abs(each[chosen][:, None] - each[chosen]) for each in (x, y))
    assert np.all((np.maximum(dx, dy) > 30.0) | np.eye(len(chosen), dtype=bool))
    sources = draw(difference, detections, 100.0, RANGE, SETTINGS, np.random.default_rng(1))
    dx, dy = (np.abs(each[:, None] - each) for each in (sources.x, sources.y))
    assert np.all((np.maximum(dx, dy) > 2 * reach_px(difference)) | np.eye(len(sources), dtype=bool))
    brightness = 2.5 * np.log10(sources.flux / 100.0)
    assert (brightness.min(), brightness.max()) == (pytest.approx(RANGE[0]), pytest.approx(RANGE[1]))


def test_sources_bring_the_noise_of_their_photons():
    new, reference, *_ = make_pair((320, 320), new={"sky": 4.0, "read_noise": 1.0}, ref={"sky": 4.0})
    difference = subtract(new, reference, SETTINGS)
    sources = grid_of_sources((320, 320), 32, 20.0 * typical_error(difference))
    clean, noisy = (inject(sources, difference, new, each).difference for each in (silent(), noisily()))
    at = np.rint(sources.y).astype(int), np.rint(sources.x).astype(int)
    expected = np.sqrt(clean.flux_err[at] ** 2 - difference.flux_err[at] ** 2)
    assert np.median(expected) > 0.5 * np.median(difference.flux_err[at])
    pull = (noisy.flux[at] - clean.flux[at]) / expected
    assert np.std(pull) == pytest.approx(1.0, abs=0.25)  # 81 values
    assert np.mean(pull) == pytest.approx(0.0, abs=0.35)


def noisily() -> np.random.Generator:
    return np.random.default_rng(6)


def test_why_there_is_no_depth_is_said(monkeypatch):
    new, reference, difference, detections, _ = case()
    everything = np.full_like(difference.mask, MaskPlane.BAD)
    masked = depth_of(new, reference, replace(difference, mask=everything), detections)
    assert (masked.flux50, masked.reason) == (None, "no pixel of the difference is unmasked")
    everything[100:140, 100:140] = 0
    small = depth_of(new, reference, replace(difference, mask=everything), detections)
    assert "sources found a free place, and 15 are needed" in small.reason
    monkeypatch.setattr(detection, "CUTS", (Cut("all", "significance", above=True, limit=0.0),))
    lost = depth_of(new, reference, difference, detections)
    assert lost.flux50 is None
    assert "half of the injected sources are lost even at" in lost.reason
    assert sum(each.found for each in lost.curve) == 0
    monkeypatch.undo()
    monkeypatch.setattr(depth_module, "MAX_ERROR", 0.001)
    assert "mag only" in depth_of(new, reference, difference, detections).reason


def test_a_difference_without_its_response_cannot_be_injected_into():
    new, reference, *_ = make_pair((128, 128))
    off = SETTINGS.model_copy(update={"depth": DepthSettings(enabled=False)})
    difference = subtract(new, reference, off)
    assert difference.response is None
    one = np.array([60.0])
    with pytest.raises(ValueError, match="without its response"):
        inject(Sources(one, one, one), difference, new, silent())
