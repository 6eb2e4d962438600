"""When an exposure was taken, in every shape that headers give it."""

import csv
import time
from datetime import UTC, datetime

import pytest
from astropy.io import fits
from astropy.io.fits import Header
from astropy.time import Time

from pipeline.files.fits_files import read_frame
from pipeline.files.headers import date_doubts, exposure_of, time_of, unknown_length
from pipeline.frame import FrameRefused

EPOCH = datetime(1858, 11, 17, tzinfo=UTC)


def utc(text: str) -> float:
    """MJD of an ISO date by the calendar alone."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH).total_seconds() / 86400.0


@pytest.mark.parametrize(
    ("cards", "start"),
    [
        ({"DATE-OBS": "2020-08-30T21:36:59.101"}, "2020-08-30T21:36:59.101"),
        ({"DATE-OBS": "2020-08-30 21:36:59.101"}, "2020-08-30T21:36:59.101"),
        ({"DATE-OBS": "2020-08-30T21:36:59Z"}, "2020-08-30T21:36:59"),
        ({"DATE-OBS": "2017-12-19T18:33:43.317-0700"}, "2017-12-20T01:33:43.317"),
        ({"DATE-OBS": "2017-12-20T07:03:43+05:30"}, "2017-12-20T01:33:43"),
        ({"DATE-OBS": "2013-07-06", "UT": "22:14:16"}, "2013-07-06T22:14:16"),
        ({"DATE-OBS": "2013-07-06", "UT": 22.5}, "2013-07-06T22:30:00"),
        ({"DATE-OBS": "2013-07-06", "UTSTART": "22:14:16.5"}, "2013-07-06T22:14:16.5"),
        ({"DATE-OBS": "2005-03-07", "TIME-OBS": "06:51:26"}, "2005-03-07T06:51:26"),
        ({"DATE-OBS": "2005-03-07", "UTC-OBS": "2005-03-07T06:51:26"}, "2005-03-07T06:51:26"),
        ({"DATE-OBS": "06/01/96", "TIME-OBS": "08:56:00"}, "1996-01-06T08:56:00"),
        ({"DATE-OBS": "06/01/1996", "TIME-OBS": "08:56:00"}, "1996-01-06T08:56:00"),
        ({"DATE-OBS": "20130706", "UT": "22:14:16"}, "2013-07-06T22:14:16"),
        ({"MJD-OBS": 56479.5}, "2013-07-06T12:00:00"),
        ({"MJD-OBS": "56479.5"}, "2013-07-06T12:00:00"),
        ({"JD": 2456480.25}, "2013-07-06T18:00:00"),
        ({"DATE-OBS": "2013-07-06", "MJD-OBS": 56479.5}, "2013-07-06T12:00:00"),
        # A whole day in MJD-OBS is the date again, not midnight.
        ({"DATE-OBS": "2013-07-13", "UT": "00:57:33", "MJD-OBS": 56486.0}, "2013-07-13T00:57:33"),
    ],
)
def test_the_start_plus_half_the_exposure_is_the_middle(cards, start):
    assert time_of(Header(cards), 120.0) == pytest.approx(utc(start) + 60.0 / 86400.0, abs=1e-8)


@pytest.mark.parametrize(
    ("cards", "middle"),
    [
        ({"DATE-BEG": "2024-03-01T23:59:00", "DATE-END": "2024-03-02T00:03:00"}, "2024-03-02T00:01:00"),
        ({"MJD-OBS": 60370.25, "MJD-END": 60370.75}, "2024-03-01T12:00:00"),
        ({"DATE-OBS": "2024-03-01T00:00:00", "DATE-END": "2024-03-01"}, "2024-03-01T00:00:00"),
        ({"DATE-OBS": "2024-03-01T01:00:00", "DATE-END": "2024-03-01T00:59:00"}, "2024-03-01T01:00:00"),
        ({"DATE-OBS": "2024-03-01T01:00:00", "MJD-END": 60400.1}, "2024-03-01T01:00:00"),
    ],
)
def test_without_an_exposure_time_the_middle_is_that_of_start_and_end(cards, middle):
    assert time_of(Header(cards), None) == pytest.approx(utc(middle), abs=1e-8)


def test_an_exposure_time_is_believed_before_an_end_which_may_be_that_of_the_readout():
    header = Header({"DATE-OBS": "2024-03-01T00:00:00", "DATE-END": "2024-03-01T00:10:00"})
    assert time_of(header, 60.0) == pytest.approx(utc("2024-03-01T00:00:30"), abs=1e-8)


@pytest.mark.parametrize(
    ("unit", "length"), [({}, 60.0), ({"TIMEUNIT": "d"}, 60.0 / 86400.0), ({"TIMEUNIT": "min"}, 1.0)]
)
def test_the_exposure_time_of_the_fits_standard_is_in_the_unit_that_the_header_names(unit, length):
    exposure = exposure_of(Header({"DATE-OBS": "2024-03-01T00:00:00", "XPOSURE": length} | unit), "x")
    assert exposure.exposure_s == pytest.approx(60.0)
    assert exposure.mjd == pytest.approx(utc("2024-03-01T00:00:30"), abs=1e-8)


def test_an_exposure_time_in_an_unknown_unit_is_not_known_and_others_are_in_seconds():
    start = {"DATE-OBS": "2024-03-01T00:00:00"}
    assert exposure_of(Header(start | {"XPOSURE": 60.0, "TIMEUNIT": "Ba"}), "x").exposure_s is None
    both = Header(start | {"EXPTIME": 60.0, "XPOSURE": 0.1, "TIMEUNIT": "d"})
    assert exposure_of(both, "x").exposure_s == 60.0


def test_a_middle_that_the_header_tells_is_taken_as_it_is():
    header = Header({"DATE-OBS": "2020-01-01T00:00:00", "DATE-AVG": "2020-01-01T00:01:40"})
    assert time_of(header, 100.0) == pytest.approx(utc("2020-01-01T00:01:40"), abs=1e-8)
    assert time_of(Header({"MJD-AVG": 58000.25, "MJD-OBS": 58000.1}), 100.0) == 58000.25


@pytest.mark.parametrize(
    ("date", "tai", "seconds", "behind"),
    [
        ("2007-09-16", "06:39:11.97", 4696641551.98, 33.0),  # as SDSS wrote run 6963, field 43, with its TAI
        ("2007-10-03", "10:20:24.24", 4698123624.24, 33.0),
        ("1998-09-19", "03:00:00.00", None, 31.0),
        ("2009-01-01", "00:00:20.00", None, 34.0),  # of the day before, by UTC
    ],
)
@pytest.mark.parametrize("scale", [{"TIMESYS": "TAI"}, {}])
def test_sdss_counts_its_hours_in_tai(date, tai, seconds, behind, scale):
    header = Header({"DATE-OBS": date, "TAIHMS": tai, "EXPTIME": "53.907456", **scale})
    found = exposure_of(header, "fpC").mjd
    assert found == pytest.approx(utc(f"{date}T{tai}") + (53.907456 / 2.0 - behind) / 86400.0, abs=1e-8)
    if seconds is not None:
        assert found == pytest.approx((seconds - behind + 53.907456 / 2.0) / 86400.0, abs=2e-7)


@pytest.mark.parametrize("rows", [1489, 1361])
def test_a_scan_is_of_the_middle_of_its_rows(rows):
    """As SDSS's files say: the TAI "at reading of col 0, row 0", which ended that row's exposure."""
    cards = {"DATE-OBS": "2007-09-16", "TAIHMS": "06:39:11.97", "TIMESYS": "TAI", "EXPTIME": "53.907456"}
    scan = Header(cards | {"CCDMODE": "DRIFT", "C_OBS": 26322, "NAXIS2": rows})
    ends = [utc("2007-09-16T06:39:11.97") - 33.0 / 86400.0 + row * 0.026322 / 86400.0 for row in (0, rows)]
    middle = sum(ends) / 2.0 - 53.907456 / 2.0 / 86400.0
    assert exposure_of(scan, "fpC").mjd == pytest.approx(middle, abs=1e-8)
    staring = exposure_of(Header(cards | {"CCDMODE": "STARING", "C_OBS": 26322, "NAXIS2": rows}), "fpC").mjd
    assert staring == pytest.approx(ends[0] + 53.907456 / 2.0 / 86400.0, abs=1e-8)


def test_a_time_of_utc_is_believed_before_one_of_tai():
    header = Header({"DATE-OBS": "2007-09-16", "UT": "06:38:38.97", "TAIHMS": "06:39:11.97"})
    assert time_of(header, 0.0) == pytest.approx(utc("2007-09-16T06:38:38.97"), abs=1e-8)


@pytest.mark.parametrize("scale", ["TAI", "TT", "TDB", "GPS"])
def test_other_time_scales_become_utc(scale):
    header = Header({"DATE-OBS": "2020-08-30T12:00:00", "TIMESYS": scale})
    behind = {"TAI": 37.0, "TT": 69.184, "TDB": 69.184, "GPS": 18.0}[scale]
    assert time_of(header, 0.0) == pytest.approx(utc("2020-08-30T12:00:00") - behind / 86400.0, abs=1e-8)


def test_of_a_scale_in_many_words_the_first_counts():
    for written, behind in (("UTC approximate", 0.0), ("TT(TAI)", 69.184), (" ", 0.0)):
        header = Header({"DATE-OBS": "2020-08-30T12:00:00", "TIMESYS": written})
        assert time_of(header, 0.0) == pytest.approx(utc("2020-08-30T12:00:00") - behind / 86400.0, abs=1e-8)


def test_a_leap_second_is_a_time():
    header = Header({"DATE-OBS": "2016-12-31T23:59:60.5"})
    assert time_of(header, 0.0) == pytest.approx(utc("2017-01-01T00:00:00.5"), abs=1e-8)


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({}, "no date"),
        ({"DATE-OBS": ""}, "no date"),
        ({"DATE-OBS": "last night"}, "cannot be used"),
        ({"DATE-OBS": "2013-13-45T00:00:00"}, "cannot be used"),
        ({"MJD-OBS": 0.0}, "no date"),
        ({"MJD-OBS": 56479.0}, "day only"),
        ({"JD": 2456480}, "day only"),
        ({"JD": 2456479.5}, "day only"),
        ({"DATE-OBS": "2013-07-06"}, "day only"),
        ({"DATE-OBS": "2013-07-06", "UT": "soon"}, "day only"),
        ({"DATE-OBS": "2013-07-06T01:02:03", "TIMESYS": "LOCAL"}, "TIMESYS"),
    ],
)
def test_what_tells_no_time_is_refused_in_a_sentence(cards, words):
    with pytest.raises(FrameRefused, match=words):
        time_of(Header(cards), 60.0)


def test_the_file_s_own_date_of_writing_is_no_date_of_exposure():
    with pytest.raises(FrameRefused, match="no date"):
        time_of(Header({"DATE": "2020-08-30T12:00:00"}), 60.0)


def test_an_exposure_without_a_time_can_still_be_read():
    assert exposure_of(Header({"EXPTIME": 10.0}), "x").mjd is None


def test_saao_frames_are_dated_at_their_start_with_ut_beside_the_date(shared_data):
    folder = shared_data / "images" / "saao_kb13475"
    with (folder / "truth.csv").open() as rows:
        for row in csv.DictReader(rows):
            exposure = read_frame(folder / row["file"]).exposure
            start = exposure.mjd - exposure.exposure_s / 2.0 / 86400.0
            assert start == pytest.approx(float(row["mjd"]), abs=1e-5)
            header = fits.getheader(folder / row["file"])
            if "PHJDMID" in header:  # heliocentric: at most 8.4 minutes from the middle, in UTC
                heliocentric = header["PHJDMID"] - 2400000.5
                assert 0.0 < heliocentric - exposure.mjd < 8.4 / 1440.0


def test_an_offset_of_seven_hours_agrees_with_the_same_header_s_utc(shared_data):
    paths = sorted((shared_data / "images" / "hatp32_microobservatory").glob("*.FITS"))
    assert paths
    for path in paths:
        header = fits.getheader(path)
        utc_start = header["UT-OBS"].removesuffix("-0000")
        middle = utc(utc_start) + header["EXPTIME"] / 2.0 / 86400.0
        assert read_frame(path).exposure.mjd == pytest.approx(middle, abs=1e-8)


def test_rise_frames_agree_with_their_mjd(shared_data):
    paths = sorted((shared_data / "images" / "lt_rise").glob("*.fits"))
    assert paths
    for path in paths:
        header = fits.getheader(path)
        exposure = read_frame(path).exposure
        assert exposure.mjd - 30.0 / 86400.0 == pytest.approx(header["MJD"], abs=1e-6)
        assert exposure.mjd == pytest.approx(
            Time(header["DATE-OBS"], scale="utc").mjd + 30.0 / 86400.0, abs=1e-8
        )


def test_two_dates_that_differ_are_told_and_an_absurd_one_is_not_none_at_all():
    assert date_doubts(Header({"DATE-OBS": "2020-08-30T21:36:59", "MJD-OBS": 59091.9}), 60.0) == ()
    told = date_doubts(Header({"DATE-OBS": "2020-01-01T00:00:00", "MJD-OBS": 56492.4}), 60.0)
    assert told == ("DATE-OBS and MJD-OBS of its header are 2357 days apart; DATE-OBS is believed",)
    with pytest.raises(FrameRefused, match=r"the date of its header cannot be used: 1e\+300"):
        time_of(Header({"MJD-OBS": 1e300}), None)


@pytest.mark.parametrize(
    ("hours", "exposure_s", "told"),
    [(7.0, 60.0, True), (2.0, 60.0, True), (1.0, 60.0, False), (2.0, 3600.0, False), (-7.0, 60.0, True)],
)
def test_a_local_time_beside_a_day_number_of_utc_is_told(hours, exposure_s, told):
    """A day number of one decimal, or of the middle or the end, is as far away as that."""
    for word, zero in (("MJD-OBS", 0.0), ("JD", 2400000.5)):
        start = Header({"DATE-OBS": "2020-08-30T12:01:00", word: zero + 59091.5 + (hours + 1 / 60) / 24.0})
        said = date_doubts(start, exposure_s)
        assert bool(said) == told
        assert not told or said[0].startswith(f"DATE-OBS and {word} of its header are {abs(hours):.1f} hours")


def test_a_date_whose_day_and_month_may_be_the_other_way_round_is_told_by_the_day_number():
    header = Header({"DATE-OBS": "04/07/2018", "UT": "14:03:03", "JD": 2458213.08545})  # of the 4th of April
    assert date_doubts(header, 300.0) == (
        "DATE-OBS and JD of its header are 91 days apart; DATE-OBS is believed",
    )


@pytest.mark.parametrize(
    ("exposure_s", "end", "told"),
    [
        (60.0, "2020-01-01T06:01:08", None),
        (70.0, "2020-01-01T06:01:00", None),  # rounded
        (
            60000.0,
            "2020-01-01T06:01:08",
            "its exposure time of 60000 s is more than from its start to its end (68 s)",
        ),
        (160000.0, None, "its exposure time is more than a day (160000 s)"),
    ],
)
def test_an_exposure_in_another_unit_than_seconds_is_told_by_when_it_ended(exposure_s, end, told):
    cards = {"DATE-OBS": "2020-01-01T06:00:00", "DATE-END": end}
    header = Header({name: value for name, value in cards.items() if value is not None})
    assert date_doubts(header, exposure_s) == (() if told is None else (told,))


@pytest.mark.parametrize(
    ("keyword", "cards"),
    [
        ("DATE-OBS", {"DATE-OBS": "2020-01-01T06:00:00"}),
        ("UT", {"DATE-OBS": "2020-01-01", "UT": "06:00:00"}),
        ("MJD-OBS", {"MJD-OBS": 58849.25}),
        ("MJD-OBS", {"DATE-OBS": "2020-01-01", "MJD-OBS": 58849.25, "JD": 2458849.5}),
        ("JD", {"JD": 2458849.75}),
        ("JD", {"DATE-OBS": "2020-01-01", "JD": 2458849.75}),
    ],
)
@pytest.mark.parametrize("words", ["UTC at mid exposure", "Middle of the exposure (UT)", "UT midpoint"])
def test_a_time_that_is_called_that_of_the_middle_is_it(keyword, cards, words):
    header = Header(cards | {"EXPTIME": 600.0})
    header.comments[keyword] = words
    assert time_of(header, 600.0) == pytest.approx(58849.25, abs=1e-9)
    for other in ("UTC at start of exposure", "start, not middle, of the exposure", "Begin; mid is MJD_MID"):
        header.comments[keyword] = other
        assert time_of(header, 600.0) == pytest.approx(58849.25 + 300.0 / 86400.0, abs=1e-9)


@pytest.mark.parametrize(
    ("words", "scale", "told"),
    [
        ("Local time at start", {}, True),
        ("local date and time", {}, True),
        ("UTC, not local time", {}, False),
        ("start of exposure", {}, False),
        ("local time", {"TIMESYS": "UTC"}, False),
        ("[d] TAI at start of exposure", {}, True),
        ("BJD (TDB)", {}, True),
        ("UTC, by which TAI is 37 s later", {}, False),
        ("TAI", {"TIMESYS": "TAI"}, False),
        ("start, by the GPS clock", {}, False),
    ],
)
@pytest.mark.parametrize("cards", [{"DATE-OBS": "2020-01-01T06:00:00"}, {"MJD-OBS": 58849.25}])
def test_a_time_that_is_called_another_than_utc_is_told(cards, words, scale, told):
    header = Header({**cards, "EXPTIME": 60.0, **scale})
    header.comments[next(iter(cards))] = words
    said = date_doubts(header, 60.0)
    assert [f"({words!r}), and it is taken as UTC" in each for each in said] == ([True] if told else [])


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        ({"TREFPOS": "BARYCENTER"}, "TREFPOS BARYCENTER"),
        ({"TREFPOS": "heliocen"}, "TREFPOS HELIOCEN"),
        ({"TIMEREF": "SOLARSYSTEM"}, "TIMEREF SOLARSYSTEM"),
        ({"TREFPOS": "TOPOCENTER"}, None),
        ({"TREFPOS": "GEOCENTER"}, None),  # .02 s
        ({"TIMEREF": "LOCAL"}, None),
    ],
)
def test_times_that_are_not_those_at_the_telescope_are_told(cards, told):
    said = date_doubts(Header({"DATE-OBS": "2020-01-01T06:00:00"} | cards), 60.0)
    assert [f"({told}), up to 8.4 minutes" in each for each in said] == ([] if told is None else [True])


@pytest.mark.parametrize(
    ("written", "told"), [("14/05/08", True), ("17/01/55", False), ("14/05/2008", False)]
)
def test_a_year_of_two_digits_before_there_were_such_images_is_told(written, told):
    said = date_doubts(Header({"DATE-OBS": written, "UT": "06:00:00"}), 60.0)
    assert said == ((f"its date {written} is of the year 1908, as the FITS Standard has it",) if told else ())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2020-01-01T18:00:00", None),
        ("2020-01-02T11:00:00", None),  # local, as far east as people live
        ("2020-01-02T13:00:00", "2020-01-02, is in the future: it or this computer's clock is wrong"),
        ("1950-01-01T00:00:00", None),
        ("1949-12-31T23:00:00", "1949-12-31, is before 1950, as only photographic plates are"),
    ],
)
def test_a_date_to_come_or_before_there_were_such_images_is_told(monkeypatch, written, told):
    monkeypatch.setattr(time, "time", lambda: Time("2020-01-01T12:00:00", scale="utc").unix)
    said = date_doubts(Header({"DATE-OBS": written}), 60.0)
    assert said == (() if told is None else (f"the date of its header, {told}",))


@pytest.mark.parametrize(("unit", "elapsed"), [("s", 1800.0), ("d", 1800.0 / 86400.0), (None, 1800.0)])
def test_the_middle_is_that_of_all_the_time_that_elapsed(unit, elapsed):
    """A satellite's exposure is what remains of it after readout and cosmic rays."""
    cards = {"DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 1180.0, "TELAPSE": elapsed, "TIMEUNIT": unit}
    header = Header({name: value for name, value in cards.items() if value is not None})
    assert time_of(header, 1180.0) == pytest.approx(58849.0 + 900.0 / 86400.0, abs=1e-9)
    assert unknown_length(header, None) is None


def test_subaru_tells_the_start_beside_a_ut_of_the_middle():
    cards = {"DATE-OBS": "2015-10-10", "UT": "08:01:15.0", "UT-STR": "08:00:00.0", "MJD": 57305.334201}
    assert time_of(Header(cards), 150.0) == pytest.approx(57305 + (8 * 3600 + 75) / 86400.0, abs=1e-9)
    assert time_of(Header({"MJD-STR": 57305.25, "MJD": 57305.26}), 0.0) == 57305.25


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        (
            {},
            "its header has no exposure time (EXPTIME), so its time is that of its start, not of its middle",
        ),
        (
            {"EXPTIME": "60,0"},
            "its header has no usable exposure time (60,0), so its time is that of its start",
        ),
        ({"EXPTIME": 0.0}, "its header has no usable exposure time (0.0), so its time is that of its start"),
        ({"EXPTIME": 60.0}, None),
        ({"ITIME": 10.0}, None),
        ({"DATE-AVG": "2026-03-01T03:00:30"}, None),
        ({"MJD-END": 61100.126}, None),
    ],
)
def test_an_exposure_of_unknown_length_is_told_where_its_middle_is_not_known(cards, told):
    header = Header({"DATE-OBS": "2026-03-01T03:00:00", **cards})
    said = unknown_length(header, exposure_of(header, "a").exposure_s)
    assert (said or "").startswith(told or "")
    assert (said is None) == (told is None)


@pytest.mark.parametrize(("told", "seconds"), [(10.0, 10.0), (60.0, 60.0), (None, 10.0)])
def test_the_middle_of_integrations_is_that_of_all_and_the_length_is_as_it_is_told(told, seconds):
    """Where a file holds their mean, darks and zeropoints are of the length of one."""
    cards = {"DATE-OBS": "2020-01-01T00:00:00", "HIERARCH ESO DET DIT": 10.0, "HIERARCH ESO DET NDIT": 6}
    found = exposure_of(Header(cards | ({} if told is None else {"EXPTIME": told})), "x")
    assert found.exposure_s == seconds
    assert found.mjd == pytest.approx(58849.0 + 30.0 / 86400.0, abs=1e-9)
