"""Master calibration frames."""

import errno
import os
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io.fits import Header

from core.settings import Settings
from core.settings_sections import CalibrateSettings
from core.vocabulary import FrameKind, MaskPlane
from pipeline.calibration.choice import Choice
from pipeline.calibration.combine import clipped_mean
from pipeline.calibration.due import due
from pipeline.calibration.kept_masters import load, masters_for, save
from pipeline.calibration.masters import build
from pipeline.files.readout import MASTER_OF
from pipeline.frame import Exposure, FrameRefused
from tests.pipeline.raw_night import PATTERN, RATE, RESPONSE, SHAPE, calibrator, night


def test_bias_dark_and_flat_are_what_went_in():
    masters = build(Choice(tuple(night()), 60.0))
    assert np.std(masters.bias - 500.0 - PATTERN) < 1.2
    normal = RATE < 1.0
    assert np.std((masters.dark - RATE)[normal]) < 0.03
    lit = RESPONSE > 0.0
    assert np.std(masters.flat[lit] / RESPONSE[lit]) < 0.003
    assert np.median(masters.flat) == pytest.approx(1.0, abs=1e-3)


def test_a_master_counts_as_the_exposures_that_it_is_of():
    values = [100.0, 101.0, 102.0, 103.0, 104.0]
    raws = [calibrator(FrameKind.BIAS, n, np.full(SHAPE, value)) for n, value in enumerate(values)]
    master = calibrator(FrameKind.BIAS, 9, np.full(SHAPE, 110.0), header={"NCOMBINE": 20})
    unsaid = calibrator(FrameKind.BIAS, 8, np.full(SHAPE, 90.0), header={"IMAGETYP": "Master Bias"})
    expected = (5 * 102.0 + 20 * 110.0 + MASTER_OF * 90.0) / (25 + MASTER_OF)
    found = build(Choice((*raws, master, unsaid), 60.0)).bias
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(build(Choice((master,), 60.0)).bias, 110.0)


@pytest.mark.parametrize(
    ("held", "header"),
    [(True, {}), (False, {}), (False, {"CALSTAT": "B"}), (False, {"ZEROCOR": "Zero level correction done"})],
)
def test_a_master_dark_is_freed_of_the_bias_that_it_holds_and_of_none_that_it_does_not(held, header):
    biases = [one for one in night() if one.exposure.kind is FrameKind.BIAS]
    dark = RATE * 300.0 + held * (500.0 + PATTERN)
    master = calibrator(FrameKind.DARK, 0, dark, 300.0, header={"IMAGETYP": "Master Dark"} | header)
    found = build(Choice((*biases, master), 60.0))
    assert np.std((found.dark - RATE)[RATE < 1.0]) < 0.01
    assert np.argwhere(found.bad).tolist() == [[5, 6]]


def test_what_another_program_added_to_its_masters_is_taken_away():
    cards = {"PEDESTAL": -100, "NCOMBINE": 20, "CALSTAT": "BD"}
    biases = [one for one in night() if one.exposure.kind is FrameKind.BIAS]
    dark = calibrator(FrameKind.DARK, 0, RATE * 300.0 + 100.0, 300.0, header=cards | {"CALSTAT": "B"})
    flat = calibrator(FrameKind.FLAT, 0, 2000.0 * RESPONSE + 100.0, 10.0, "r", header=cards)
    found = build(Choice((*biases, dark, flat), 60.0))
    np.testing.assert_allclose(found.dark, RATE, rtol=1e-4, atol=1e-4)
    lit = RESPONSE > 0.0
    np.testing.assert_allclose(found.flat[lit], (RESPONSE / np.median(RESPONSE))[lit], rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 20000.0])
def test_a_master_flat_is_used_as_it_is(scale):
    others = [one for one in night() if one.exposure.kind is not FrameKind.FLAT]
    header = {"IMAGETYP": "MASTER FLAT", "SATURATE": 1.0}
    master = calibrator(FrameKind.FLAT, 0, scale * RESPONSE, 10.0, "r", header=header)
    found = build(Choice((*others, master), 60.0)).flat
    lit = RESPONSE > 0.0
    np.testing.assert_allclose(found[lit], (RESPONSE / np.median(RESPONSE))[lit], rtol=1e-5)


@pytest.mark.parametrize("kind", [FrameKind.BIAS, FrameKind.DARK])
def test_a_master_of_other_numbers_than_the_cameras_is_set_aside(kind):
    master = calibrator(kind, 99, (500.0 + PATTERN) / 65535.0, 60.0, header={"STACKCNT": 30})
    told = f"{kind}99: scaled to 1; save it in the camera's own numbers"
    with pytest.raises(FrameRefused, match=f"its only {kind} cannot be used, ingest others; {told}"):
        build(Choice((master,), 60.0))
    frames = night()
    found = build(Choice((*frames, master), 60.0))
    assert found.unread == ()  # the same file will be no better
    (note,) = found.notes
    assert note.startswith(f"{kind} {kind}99 was set aside: scaled to 1; save it")
    np.testing.assert_array_equal(found.bias, build(Choice(tuple(frames), 60.0)).bias)


def test_without_a_bias_a_flat_is_freed_of_it_by_the_darks():
    frames = [
        one
        for one in night()
        if one.exposure.kind is FrameKind.FLAT
        or (one.exposure.kind is FrameKind.DARK and one.exposure.exposure_s == 100.0)
    ]
    flat = build(Choice(tuple(frames), 60.0)).flat
    usual = (RESPONSE > 0.0) & (RATE < 1.0)
    assert np.polyfit(RESPONSE[usual], flat[usual], 1)[0] == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("header", [{}, {"CALSTAT": "B"}, {"ZEROCOR": "Zero level correction done"}])
def test_without_a_bias_a_dark_holds_it_unless_its_header_says_that_it_was_taken_out(tmp_path, header):
    """What was freed of it serves frames of any length, as a frame that is freed of it says for itself."""
    is_freed = bool(header)
    dark = RATE * 300.0 + (0.0 if is_freed else 500.0 + PATTERN)
    master = calibrator(FrameKind.DARK, 0, dark, 300.0, header={"IMAGETYP": "Master Dark"} | header)
    lit = calibrator(FrameKind.FLAT, 0, 500.0 + PATTERN + 20000.0 * RESPONSE, 10.0, "r")
    of_its_length = build(Choice((master,), 300.0))
    assert of_its_length.dark_holds_bias == (not is_freed)
    assert (build(Choice((master,), 60.0)).dark is not None) == is_freed
    notes = build(Choice((master, lit), 300.0)).notes
    assert any("without a bias" in note for note in notes) == is_freed
    save(tmp_path, replace(of_its_length, content="c"))
    kept = load(tmp_path, "c")
    assert kept.dark_holds_bias == (not is_freed)
    left = due(kept, Header({"CALSTAT": "B"})).dark
    if is_freed:
        np.testing.assert_allclose(left, RATE, rtol=1e-5)
    else:
        assert left is None


def test_a_single_dark_whose_header_says_so_is_not_freed_of_the_bias_again():
    biases = [one for one in night() if one.exposure.kind is FrameKind.BIAS]
    dark = calibrator(FrameKind.DARK, 0, RATE * 300.0, 300.0, header={"ZEROCOR": "done"})
    found = build(Choice((*biases, dark), 60.0)).dark
    np.testing.assert_allclose(found, RATE, rtol=1e-5)


def test_darks_of_another_length_still_free_the_flats_of_the_bias():
    pedestal = 2000.0 + PATTERN
    darks = tuple(calibrator(FrameKind.DARK, n, pedestal, 60.0) for n in range(3))
    flats = tuple(calibrator(FrameKind.FLAT, n, pedestal + 6000.0 * RESPONSE, 2.0, "r") for n in range(3))
    masters = build(Choice(darks + flats, 120.0))
    assert masters.bias is None
    assert masters.dark is None
    (note,) = masters.notes
    assert note.startswith("its camera's darks are of 60 s and it is of 120 s: without a bias neither dark")
    lit = RESPONSE > 0.0
    np.testing.assert_allclose(masters.flat[lit], (RESPONSE / np.median(RESPONSE))[lit], atol=1e-3)
    assert "without a bias or dark" in build(Choice(flats, 120.0)).notes[0]


def test_darks_of_which_no_header_tells_the_length_are_told():
    frames = [one for one in night() if one.exposure.kind is not FrameKind.FLAT]
    silent = [calibrator(FrameKind.DARK, n, 500.0 + PATTERN, None) for n in (7, 8)]
    made = build(Choice((*frames, *silent), 60.0))
    assert made.notes == (
        "dark dark7, dark dark8 were set aside: no exposure time (EXPTIME) can be read in the header",
    )
    assert np.std((made.dark - RATE)[RATE < 1.0]) < 0.03
    assert build(Choice(tuple(frames), 60.0)).notes == ()


def test_saturated_flats_are_left_out_and_told():
    good = [calibrator(FrameKind.FLAT, n, 500.0 + PATTERN + 20000.0 * RESPONSE, 2.0, "r") for n in (1, 2)]
    full = np.minimum(500.0 + PATTERN + 90000.0 * RESPONSE, 65535.0)
    bias = calibrator(FrameKind.BIAS, 0, 500.0 + PATTERN)
    masters = build(Choice((bias, *good, calibrator(FrameKind.FLAT, 3, full, 9.0, "r")), 60.0))
    lit = RESPONSE > 0.0
    np.testing.assert_allclose(masters.flat[lit], (RESPONSE / np.median(RESPONSE))[lit], atol=1e-3)
    assert masters.notes == ("flat flat3 was set aside: saturated",)
    with pytest.raises(FrameRefused, match="its only flat cannot be used, ingest others; flat3: saturated"):
        build(Choice((bias, calibrator(FrameKind.FLAT, 3, full, 9.0, "r")), 60.0))


def test_a_flat_is_saturated_by_the_limit_that_its_header_tells():
    flat = calibrator(FrameKind.FLAT, 1, 55000.0 + PATTERN, 2.0, "r")
    raw = flat.read()
    limited = replace(raw, exposure=replace(raw.exposure, saturation=57000.0))
    with pytest.raises(FrameRefused, match="saturated"):
        build(Choice((replace(flat, read=lambda: limited),), 60.0))


def test_hot_and_dead_pixels_are_bad_and_no_others():
    assert np.argwhere(build(Choice(tuple(night()), 60.0)).bad).tolist() == [[5, 6], [7, 8]]


@pytest.mark.parametrize("current", [0.5, 0.05, 0.005, 0.0])
def test_of_whole_numbers_that_are_nearly_all_alike_the_hot_pixel_alone_is_hot(current):
    biases = [calibrator(FrameKind.BIAS, n, np.full(SHAPE, 500.0)) for n in range(3)]
    for count in (1, 5):
        darks = []
        for n in range(count):
            data = 500.0 + np.random.default_rng(n).poisson(current, SHAPE)
            data[5, 6] += 3000.0
            darks.append(calibrator(FrameKind.DARK, n, data, 100.0))
        bad = build(Choice((*biases, *darks), 100.0)).bad
        assert bad[5, 6]
        assert np.count_nonzero(bad) <= 1 + 0.0027 * bad.size * (current < 0.1)


def test_of_a_dark_that_was_clipped_at_zero_the_hot_pixel_alone_is_hot():
    noise = np.maximum(np.random.default_rng(3).normal(-0.2, 2.0, SHAPE), 0.0)
    noise[5, 6] = 3000.0
    frames = (
        calibrator(FrameKind.BIAS, 0, np.zeros(SHAPE)), calibrator(FrameKind.DARK, 0, noise, 100.0)
    )  # fmt: skip
    assert np.argwhere(build(Choice(frames, 100.0)).bad).tolist() == [[5, 6]]


@pytest.mark.parametrize("count", [1, 2])
def test_a_pixel_of_which_biases_have_no_value_is_bad(count):
    """As of a master that is NaN there: zero would be taken from the frame, and the whole bias remain."""
    frames = night()
    biases = [one for one in frames if one.exposure.kind is FrameKind.BIAS]
    with_holes = []
    for one in biases[:count]:
        raw = one.read()
        data, mask = raw.data.copy(), raw.mask.copy()
        data[20, 30], mask[20, 30] = 0.0, MaskPlane.BAD
        raw = replace(raw, data=data, mask=mask)
        with_holes.append(replace(one, read=lambda raw=raw: raw))
    flats = [one for one in frames if one.exposure.kind is FrameKind.FLAT]
    found = build(Choice((*flats, *with_holes), 60.0)).bad
    assert np.argwhere(found).tolist() == [[7, 8], [20, 30]]
    most = build(Choice((*flats, *with_holes, *biases[count:]), 60.0))
    assert np.argwhere(most.bad).tolist() == [[7, 8]], "of the others the value is known"
    assert most.bias[20, 30] == pytest.approx(500.0 + PATTERN[20, 30], abs=4.0)


def test_a_cosmic_ray_in_one_frame_does_not_reach_the_mean():
    stack = [np.random.default_rng(n).normal(100.0, 3.0, SHAPE).astype(np.float32) for n in range(5)]
    stack[2][10, 10] += 5000.0
    for fewer in (stack, stack[:3]):
        assert clipped_mean(fewer)[10, 10] == pytest.approx(100.0, abs=6.0)


def test_the_few_that_are_a_whole_number_more_count_and_a_cosmic_ray_does_not() -> None:
    """Where most of a pixel's values are equal their scatter is nothing, but the others are no outliers."""
    random = np.random.default_rng(4)
    stack = (1000 + random.poisson(0.06, (15, 200, 200))).astype(np.float32)
    stack[3, 50, 60] += 300.0
    found = clipped_mean(stack)
    assert np.mean(found) == pytest.approx(1000.06, abs=0.003)
    assert found[50, 60] < 1001.0


def test_the_mean_of_chunks_is_the_mean_of_the_whole(monkeypatch):
    stack = [np.random.default_rng(n).normal(100.0, 3.0, SHAPE).astype(np.float32) for n in range(4)]
    whole = clipped_mean(stack)
    monkeypatch.setattr("pipeline.calibration.combine.CHUNK_BYTES", 8 * SHAPE[1] * 4 * 7)
    np.testing.assert_allclose(clipped_mean(stack), whole, rtol=1e-6)


def test_masters_are_kept_by_content_and_read_back_alike(tmp_path):
    settings = Settings(home=tmp_path)
    science = Exposure("x", exposure_s=60.0, filter="r", instrument="cam")
    built = masters_for(night(), science, SHAPE, settings)
    unreadable = [replace(one, read=lambda: pytest.fail("built again")) for one in night()]
    kept = masters_for(unreadable, science, SHAPE, settings)
    assert kept.content == built.content
    for name in ("bias", "dark", "flat", "bad"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(built, name))
    fewer = masters_for(night()[1:], science, SHAPE, settings)
    assert fewer.content != built.content
    assert sorted(path.suffix for path in (tmp_path / "masters").iterdir()) == [".npz", ".npz"]


def test_masters_that_cannot_be_kept_are_made_and_used_all_the_same(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.calibration.kept_masters.save", full)
    biases, science = [calibrator(FrameKind.BIAS, 1, PATTERN)], Exposure("x", instrument="cam")
    made = masters_for(biases, science, SHAPE, Settings(home=tmp_path))
    assert made is not None
    assert "No space left" in caplog.text


def test_masters_that_were_not_used_for_longest_go_and_never_one_in_use(tmp_path):
    science = Exposure("x", instrument="cam")
    biases = [calibrator(FrameKind.BIAS, n, PATTERN + n) for n in range(7)]

    def made(count: int, **limits: float) -> Path:
        settings = Settings(home=tmp_path, calibrate=CalibrateSettings(**limits))
        return tmp_path / "masters" / f"{masters_for(biases[:count], science, SHAPE, settings).content}.npz"

    paths = [made(count) for count in (1, 2, 3, 4)]
    for age, path in enumerate(paths):
        os.utime(path, (1_000_000.0 + age, 1_000_000.0 + age))
    assert made(1) == paths[0]  # it is used anew
    size = paths[0].stat().st_size
    newest = made(5, keep_gib=3.5 * size / 2**30)
    assert set((tmp_path / "masters").iterdir()) == {paths[0], paths[3], newest}
    newer = made(6, keep_gib=0.0)
    assert set((tmp_path / "masters").iterdir()) == {paths[0], newest, newer}  # all in use


def test_without_anything_that_fits_there_are_none(tmp_path):
    science = Exposure("x", instrument="cam")
    assert masters_for([], science, SHAPE, Settings(home=tmp_path)) is None


def test_damaged_masters_on_disk_are_built_again(tmp_path):
    masters = replace(build(Choice((calibrator(FrameKind.BIAS, 1, PATTERN),), 0.0)), content="abc")
    save(tmp_path, masters)
    path = tmp_path / "abc.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert load(tmp_path, "abc") is None
    assert load(tmp_path, "none") is None


def test_the_mean_of_images_of_different_sizes_is_refused():
    with pytest.raises(FrameRefused, match=r"different sizes \(60 x 20 and 60 x 40\)"):
        clipped_mean([PATTERN, PATTERN[:20]])


def test_what_goes_to_disk_meanwhile_is_the_same_to_the_last_bit_and_leaves_nothing(tmp_path, monkeypatch):
    frames = night()
    whole = build(Choice(tuple(frames), 60.0))
    monkeypatch.setattr("pipeline.calibration.stack.KEPT_BYTES", 4 * SHAPE[0] * SHAPE[1])  # of one frame
    monkeypatch.setattr("pipeline.calibration.combine.CHUNK_BYTES", 8 * SHAPE[1] * 12 * 7)
    parts = build(Choice(tuple(frames), 60.0), folder=tmp_path)
    for name in ("bias", "dark", "flat", "bad"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), strict=True)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch):
    shape = (400, 300)
    size = 4 * shape[0] * shape[1]
    monkeypatch.setattr("pipeline.calibration.stack.KEPT_BYTES", size)
    monkeypatch.setattr("pipeline.calibration.combine.CHUNK_BYTES", size)

    def read(number):
        data = np.random.default_rng(number).normal(500.0, 3.0, shape).astype(np.float32)
        return calibrator(FrameKind.BIAS, number, data).read()

    def peak(count):
        frames = [
            replace(calibrator(FrameKind.BIAS, n, np.zeros(shape)), read=partial(read, n))
            for n in range(count)
        ]
        tracemalloc.start()
        try:
            build(Choice(tuple(frames), 60.0), folder=tmp_path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = peak(4)
    assert few > size
    assert peak(24) < few + size  # twenty more frames are less than one in memory


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pipeline.calibration.stack.Stack.add", full)
    science = Exposure("s", FrameKind.SCIENCE, exposure_s=10.0, filter="r", instrument="cam")
    with pytest.raises(FrameRefused, match=r"cannot be combined in .*masters: No space left on device"):
        masters_for(night(), science, SHAPE, Settings(home=tmp_path))
    assert list((tmp_path / "masters").iterdir()) == []
