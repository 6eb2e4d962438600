"""Which calibration frames serve a frame."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header

from core.settings import Settings
from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator, choose
from pipeline.calibration.due import due
from pipeline.calibration.kept_masters import load, masters_for, save
from pipeline.calibration.masters import Masters, build
from pipeline.files.readout import readout_of
from pipeline.frame import Exposure, RawFrame

SHAPE = (40, 60)
COLD = (("gain", 100.0), ("offset", 50.0), ("temperature", -20.0))
SCIENCE = Exposure("x", exposure_s=60.0, filter="r", instrument="cam", mjd=60000.3, readout=COLD)


def unread() -> RawFrame:
    pytest.fail("nothing need be read")


def calibrator(kind, number, shape=SHAPE, **changes):
    exposure = Exposure(f"{kind}{number}", kind, exposure_s=10.0, instrument="cam", mjd=60000.0, readout=COLD)
    if kind is FrameKind.FLAT:
        exposure = replace(exposure, filter="r")
    return Calibrator(replace(exposure, **changes), shape, f"{kind}-{number}", unread)


def bias_of(level):
    exposure = Exposure("b", FrameKind.BIAS)
    mask = np.zeros(SHAPE, np.uint16)
    return RawFrame(np.full(SHAPE, level, np.float32), mask, exposure, Header())


def names(calibrators, science=SCIENCE):
    return [one.content for one in choose(calibrators, science, SHAPE).calibrators]


@pytest.mark.parametrize("hour", [5.0, 10.0, 13.0, 15.5])
def test_a_night_that_noon_of_utc_lies_in_has_one_set_of_masters(hour):
    """On Hawaii it is from about 4:30 to 16:30, and biases are taken before each dusk."""
    biases = [
        calibrator(FrameKind.BIAS, 10 * day + i, mjd=60000.0 + day + 3.0 / 24.0)
        for day in range(3)
        for i in range(5)
    ]
    science = replace(SCIENCE, mjd=60001.0 + hour / 24.0)
    chosen = choose(biases, science, SHAPE, longitude=-155.5).calibrators
    assert [one.content for one in chosen] == [f"bias-{number}" for number in range(10, 15)]


def test_masters_go_by_the_nights_of_the_site(tmp_path):
    before, after = (
        replace(calibrator(FrameKind.BIAS, number, mjd=mjd), read=lambda level=level: bias_of(level))
        for number, mjd, level in ((1, 60001.1, 100.0), (2, 60002.1, 200.0))
    )
    science = replace(SCIENCE, mjd=60001.6)
    for position, level in (((), 200.0), ((19.8, -155.5), 100.0)):
        settings = Settings(home=tmp_path, site={"position": position})
        found = masters_for([before] * 5 + [after] * 5, science, SHAPE, settings)
        assert found is not None
        assert found.bias == pytest.approx(level)


def test_only_what_fits_the_frame_is_used():
    frames = [
        calibrator(FrameKind.BIAS, 1),
        calibrator(FrameKind.BIAS, 2, instrument="other"),
        calibrator(FrameKind.BIAS, 3, shape=(20, 60)),
        calibrator(FrameKind.DARK, 4),
        calibrator(FrameKind.FLAT, 5),
        calibrator(FrameKind.FLAT, 6, filter="g"),
    ]
    assert names(frames) == ["bias-1", "dark-4", "flat-5"]


@pytest.mark.parametrize(
    ("kind", "readout", "serves"),
    [
        (FrameKind.BIAS, (("gain", 0.0), ("offset", 50.0)), False),
        (FrameKind.BIAS, (("gain", 100.5),), True),
        (FrameKind.BIAS, (("mode", "fast"), ("temperature", 5.0)), True),
        (FrameKind.BIAS, (), True),
        (FrameKind.DARK, (("temperature", 0.0),), False),
        (FrameKind.DARK, (("temperature", -19.0),), True),
        (FrameKind.FLAT, (("offset", 10.0),), False),
    ],
)
def test_what_both_headers_tell_of_the_readout_must_agree(kind, readout, serves):
    one = calibrator(kind, 1, readout=readout)
    assert (names([one]) == [one.content]) == serves


@pytest.mark.parametrize(
    ("of_frame", "of_bias", "told"),
    [
        ({"CCDSUM": "2 2"}, {"CCDSUM": "1 1"}, "binning x"),
        ({"CCDSUM": "1 2"}, {"XBINNING": 1, "YBINNING": 1}, "binning y"),
        ({"BINNING": "2x2"}, {"CCDSUM": "2 2"}, None),
        ({"XORGSUBF": 1000, "YORGSUBF": 0}, {"XORGSUBF": 1010, "YORGSUBF": 0}, "window x"),
        ({"XORGSUBF": 0, "YORGSUBF": 256}, {"XORGSUBF": 0, "YORGSUBF": 0}, "window y"),
        ({"CCDSEC": "[257:512,1:256]"}, {"CCDSEC": "[256:1, 1:256]"}, "window (CCDSEC) x"),
        ({"CCDSEC": "[512:257,1:256]"}, {"CCDSEC": "[257:512, 1:256]"}, None),
        ({"LTV1": -50.0, "LTV2": 0.0}, {"LTV1": 0.0, "LTV2": 0.0}, None),  # trimmed by two programs
        ({"CCDSEC": "[0:0,0:0]"}, {"CCDSEC": "[257:512,1:256]"}, None),
        ({"BINNING": 1.0}, {"XBINNING": 1, "YBINNING": 1}, None),
        ({"BINNING": 2}, {"XBINNING": 1, "YBINNING": 1}, "binning x"),
        ({"PEDESTAL": -100}, {"PEDESTAL": 0}, "pedestal"),
        ({"PEDESTAL": -100}, {"PEDESTAL": 100.0}, None),
        ({"PEDESTAL": -100}, {}, None),
        ({"PEDESTAL": 0}, {"PEDESTAL": -100, "CALSTAT": "B"}, None),  # which is taken away
    ],
)
def test_a_bias_that_was_read_out_otherwise_does_not_serve(of_frame, of_bias, told):
    science = replace(SCIENCE, readout=readout_of(Header(of_frame)))
    bias = calibrator(FrameKind.BIAS, 1, readout=readout_of(Header(of_bias)))
    choice = choose([bias], science, SHAPE)
    assert len(choice.calibrators) == (told is None)
    assert choice.notes == (f"no bias of its {told} is there: the only one of its camera differs",) * bool(
        told
    )


def test_where_none_of_a_kind_serves_a_sentence_says_why(tmp_path):
    hot = [calibrator(FrameKind.DARK, n, readout=(("temperature", 0.0),)) for n in range(3)]
    choice = choose([*hot, calibrator(FrameKind.BIAS, 1)], SCIENCE, SHAPE)
    assert choice.notes == ("no dark of its temperature is there: all 3 of its camera differ",)
    masters = masters_for(hot, SCIENCE, SHAPE, Settings(home=tmp_path))
    assert masters is not None
    assert (masters.shape, masters.notes) == (None, choice.notes)


@pytest.mark.parametrize(
    ("band", "told"),
    [("i", ("no flat of its filter (i) is there: those of its camera are of g, r",)), ("r", ())],
)
def test_a_frame_whose_camera_has_flats_of_other_filters_alone_is_told_of_it(band, told):
    flats = [calibrator(FrameKind.FLAT, n, filter=each) for n, each in enumerate("rgr")]
    flats.append(calibrator(FrameKind.FLAT, 9, filter="z", instrument="other"))
    assert choose(flats, replace(SCIENCE, filter=band), SHAPE).notes == told
    assert choose(flats[3:], replace(SCIENCE, filter="i"), SHAPE).notes == ()


@pytest.mark.parametrize("band", [None, "r"])
def test_a_flat_whose_header_names_no_filter_serves_frames_without_one_alone(band):
    flats = [calibrator(FrameKind.FLAT, n, filter=None) for n in range(3)]
    choice = choose(flats, replace(SCIENCE, filter=band), SHAPE)
    assert bool(choice.calibrators) == (band is None)
    rule = "of no filter (a flat whose header names none serves frames without one alone)"
    told = f"no flat of its filter (r) is there: those of its camera are {rule}"
    assert choice.notes == (() if band is None else (told,))


@pytest.mark.parametrize(
    ("own", "of", "told"),
    [
        ("SIMCAM", "SIMCAM 1", True),
        ("SIMCAM 1", "SIMCAM", True),
        ("SIMCAM 2", "SIMCAM 1", False),
        ("SIMCAM2", "SIMCAM", False),
        (None, "SIMCAM", False),
        ("SIMCAM", None, False),
    ],
)
def test_a_frame_that_names_no_chip_as_its_camera_s_calibration_frames_do_is_told(own, of, told):
    """As those of a camera whose chips an earlier version knew by another word."""
    frames = [calibrator(FrameKind.BIAS, n, instrument=of) for n in range(2)]
    said = f"no calibration frame of its camera ({own}) is there, but of {of}: "
    notes = choose(frames, replace(SCIENCE, instrument=own), SHAPE).notes
    assert notes == ((said + "if that is the same, `astrid ingest` them again",) if told else ())


def test_a_frame_of_another_size_than_all_of_its_camera_is_told_both_sizes(tmp_path):
    frames = [calibrator(FrameKind.BIAS, n) for n in range(4)] + [
        calibrator(FrameKind.FLAT, 0, shape=(20, 30)),
        calibrator(FrameKind.FLAT, 1, shape=(7, 9), instrument="other"),
    ]
    masters = masters_for(frames, SCIENCE, (80, 120), Settings(home=tmp_path))
    assert masters is not None
    assert masters.shape is None
    assert masters.notes == (
        "it is 120 x 80 pixels and its camera's calibration frames (5) 60 x 40 or 30 x 20: none is applied",
    )
    assert due(masters, Header({"CALSTAT": "B"})).notes == masters.notes
    assert due(masters, Header({"CALSTAT": "BDF"})).notes == ()  # it needs none
    assert choose(frames, replace(SCIENCE, instrument="third"), (80, 120)).notes == ()


def test_the_nearest_nights_serve_until_there_are_enough():
    flats = [calibrator(FrameKind.FLAT, n, mjd=60000.0 - n // 3) for n in range(12)]
    assert names(flats) == [f"flat-{n}" for n in range(6)]
    without_date = calibrator(FrameKind.FLAT, 99, mjd=None)
    assert names([without_date, *flats]) == [f"flat-{n}" for n in range(6)]
    assert names([without_date, flats[0]]) == ["flat-0", "flat-99"]
    assert len(names(flats, replace(SCIENCE, mjd=None))) == 12


@pytest.mark.parametrize(
    ("kind", "nights", "told"),
    [(FrameKind.FLAT, -101, "before"), (FrameKind.FLAT, 150, "after"), (FrameKind.FLAT, -90, None),
     (FrameKind.BIAS, -390, None), (FrameKind.BIAS, -800, "before"), (FrameKind.DARK, 800, "after")],
)  # fmt: skip
def test_calibration_frames_of_long_ago_serve_and_are_told(kind, nights, told):
    older = SCIENCE.mjd + 3 * nights
    frames = [calibrator(kind, n, mjd=mjd) for n, mjd in enumerate((SCIENCE.mjd + nights, older, None))]
    choice = choose(frames, SCIENCE, SHAPE)
    assert len(choice.calibrators) == 3
    said = f"the nearest {kind} of its camera that serves it was taken {abs(nights)} nights {told} it"
    assert choice.notes == (said,) * bool(told)
    assert choose(frames, replace(SCIENCE, mjd=None), SHAPE).notes == ()


def test_a_master_of_the_nearest_night_is_enough_by_itself():
    master = calibrator(FrameKind.FLAT, 0, readout=(*COLD, ("combined", 20)))
    flats = [calibrator(FrameKind.FLAT, n, mjd=59999.0) for n in range(1, 9)]
    assert names([master, *flats]) == ["flat-0"]
    assert names([master], replace(SCIENCE, readout=(*COLD, ("combined", 3)))) == ["flat-0"]


def test_the_frames_of_a_night_share_their_calibration():
    biases = [calibrator(FrameKind.BIAS, n, mjd=59995.0 + n / 2.0) for n in range(20)]
    evening, morning = (names(biases, replace(SCIENCE, mjd=mjd)) for mjd in (59999.6, 60000.4))
    assert evening == morning


def test_darks_of_each_length_are_chosen_by_themselves():
    long = [calibrator(FrameKind.DARK, n, exposure_s=60.0) for n in range(5)]
    short = [calibrator(FrameKind.DARK, 10 + n, mjd=59990.0) for n in range(5)]
    assert sorted(names([*long, *short])) == sorted(one.content for one in (*long, *short))


def test_with_a_bias_darks_are_those_of_the_length_that_tells_the_current_best():
    bias = calibrator(FrameKind.BIAS, 0)
    of_flats = [calibrator(FrameKind.DARK, n, exposure_s=2.0) for n in range(10)]
    own = [calibrator(FrameKind.DARK, 20 + n, exposure_s=60.0) for n in range(3)]
    long = [calibrator(FrameKind.DARK, 30 + n, exposure_s=300.0) for n in range(2)]
    assert names([bias, *of_flats, *own, *long]) == ["bias-0", "dark-20", "dark-21", "dark-22"]
    assert names([bias, *of_flats, *own[:2], *long]) == ["bias-0", "dark-30", "dark-31"]
    assert names([bias, *of_flats]) == ["bias-0", *(f"dark-{n}" for n in range(10))]


def test_darks_of_the_flats_put_no_noise_into_a_long_frame():
    random, shape = np.random.default_rng(5), (100, 100)

    def dark_of(kind, seconds, number):
        data = random.normal(500.0 + 0.05 * seconds, 6.0, shape).astype(np.float32)
        exposure = Exposure(f"{kind}{seconds}", kind, exposure_s=seconds, instrument="cam", mjd=60000.0)
        raw = RawFrame(data, np.zeros(shape, np.uint16), exposure, Header())
        return Calibrator(exposure, shape, f"{kind}-{seconds}-{number}", lambda: raw)

    frames = [dark_of(FrameKind.BIAS, 0.0, n) for n in range(8)]
    frames += [dark_of(FrameKind.DARK, seconds, n) for seconds in (2.0, 300.0) for n in range(8)]
    science = Exposure("x", exposure_s=300.0, instrument="cam", mjd=60000.3)
    dark = build(choose(frames, science, shape)).dark
    assert dark is not None
    assert 300.0 * float(dark.std()) < 6.0  # of one read-out
    assert 300.0 * float(dark.mean()) == pytest.approx(15.0, abs=1.0)


def test_notes_are_kept_with_the_masters(tmp_path):
    made = Masters(flat=np.ones(SHAPE, np.float32), content="abc", notes=("one note", "größer"))
    save(tmp_path, made)
    kept = load(tmp_path, "abc")
    assert kept is not None
    assert kept.notes == made.notes
