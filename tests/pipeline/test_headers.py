"""What headers say, in whatever words."""

import pytest
from astropy.io.fits import Header

from core.vocabulary import FrameKind
from pipeline.files.cards import as_known, text
from pipeline.files.headers import data_unit, exposure_of, filter_doubt, filter_of
from pipeline.files.kinds import kind_of
from pipeline.frame import FrameRefused

DATE = {"DATE-OBS": "2020-01-01T00:00:00"}


@pytest.mark.parametrize(
    ("cards", "kind"),
    [
        ({"IMAGETYP": "object"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "Light Frame"}, FrameKind.SCIENCE),
        ({"OBSTYPE": "EXPOSE"}, FrameKind.SCIENCE),
        ({}, FrameKind.SCIENCE),
        ({"IMAGETYP": "Bias Frame"}, FrameKind.BIAS),
        ({"OBSTYPE": "ZERO"}, FrameKind.BIAS),
        ({"IMAGETYP": "Dark Frame"}, FrameKind.DARK),
        ({"IMAGETYP": "DOME FLAT"}, FrameKind.FLAT),
        ({"OBSTYPE": "SKYFLAT"}, FrameKind.FLAT),
        ({"OBJECT": "bias"}, FrameKind.BIAS),
        ({"OBJECT": "Sky Flat 3"}, FrameKind.FLAT),
        ({"OBJECT": "Dark cloud B68"}, FrameKind.SCIENCE),
        ({"OBJECT": "flat galaxy", "IMAGETYP": "object"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "object, offset"}, FrameKind.SCIENCE),
        ({"HIERARCH ESO DPR TYPE": "FLAT,SKY"}, FrameKind.FLAT),
        ({"HIERARCH ESO DPR TYPE": "FLAT,LAMP"}, FrameKind.FLAT),
        ({"HIERARCH ESO DPR TYPE": "BIAS"}, FrameKind.BIAS),
        ({"HIERARCH ESO DPR TYPE": "OBJECT"}, FrameKind.SCIENCE),
        ({"IMGTYPE": "BIAS", "OBJECT": "LSST"}, FrameKind.BIAS),
        ({"DATA-TYP": "DOMEFLAT", "OBJECT": "DOMEFLAT"}, FrameKind.FLAT),
        ({"DATA-TYP": "BIAS", "OBJECT": "CAL"}, FrameKind.BIAS),
        ({"DATA-TYP": "STANDARD_STAR"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "TWILIGHT"}, FrameKind.FLAT),
        ({"IMAGETYP": "object (twilight)"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "DARKFLAT"}, FrameKind.DARK),
        ({"IMAGETYP": "Dark Flat"}, FrameKind.DARK),
        ({"IMAGETYP": "flat_dark"}, FrameKind.DARK),
        ({"IMAGETYP": "Light, flat fielded"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "object, flat-fielded"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "science (dark subtracted)"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "dark-corrected, flattened"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "bias and flat field corrected light"}, FrameKind.SCIENCE),
        ({"IMAGETYP": "Flat (dark subtracted)"}, FrameKind.FLAT),
        ({"IMAGETYP": "flat, bias and dark subtracted"}, FrameKind.FLAT),
        ({"IMAGETYP": "Dark, bias subtracted"}, FrameKind.DARK),
        ({"IMAGETYP": "dark subtracted", "OBJECT": "sky flat 3"}, FrameKind.FLAT),
        ({"IMAGETYP": "Dark Subframe"}, FrameKind.DARK),
        ({"OBSTYPE": "object", "PRODTYPE": "image", "DES_EXT": "IMAGE"}, FrameKind.SCIENCE),
        ({"PRODCATG": "SCIENCE.IMAGE"}, FrameKind.SCIENCE),
    ],
)
def test_the_kind_of_a_frame_is_read_from_its_type_or_its_target(cards, kind):
    assert kind_of(Header(cards)) is kind


@pytest.mark.parametrize(
    "cards",
    [
        {"IMAGETYP": "ARC"},
        {"OBSTYPE": "SPECTROSCOPIC"},
        {"IMAGETYP": "comp lamp"},
        {"HIERARCH ESO DPR TYPE": "WAVE,LAMP"},
        {"DATA-TYP": "FOCUSING"},
    ],
)
def test_lamps_and_spectra_are_refused(cards):
    with pytest.raises(FrameRefused, match="not an image of the sky"):
        kind_of(Header(cards))


@pytest.mark.parametrize(
    "cards",
    [
        {"PRODTYPE": "dqmask"},
        {"PRODTYPE": "wtmap"},
        {"PRODTYPE": "image", "DES_EXT": "WEIGHT"},
        {"PRODCATG": "ANCILLARY.WEIGHTMAP"},
    ],
)
def test_a_file_of_weights_or_flags_is_refused(cards):
    with pytest.raises(FrameRefused, match="goes with an image"):
        kind_of(Header({"OBSTYPE": "object", "FILTER": "r"} | cards))


@pytest.mark.parametrize(
    ("cards", "seconds"),
    [
        ({"ITIME": 30.0}, 30.0),
        ({"ITIME": 30.0, "COADDS": 4}, 120.0),  # Keck
        ({"ITIME": 30.0, "CO_ADDS": 4}, 120.0),  # IRTF
        ({"ITIME": 30.0, "COADDS": 0}, 30.0),
        ({"ITIME": 30000, "COADDS": 4, "ELAPTIME": 120.0}, 120.0),  # Keck's archive tells the whole itself
        ({"EXPTIME": 120.0, "COADDS": 4}, 120.0),  # nothing says that it is of a part
        ({"EXPTIME": 60.0, "HIERARCH ESO DET DIT": 10.0, "HIERARCH ESO DET NDIT": 6}, 60.0),
    ],
)
def test_what_a_camera_added_up_was_exposed_for_all_of_its_integrations(cards, seconds):
    told = exposure_of(Header(cards | {"DATE-OBS": "2020-01-01T00:00:00"}), "a.fits")
    assert told.exposure_s == seconds
    assert (told.mjd - 58849.0) * 86400.0 == pytest.approx(seconds / 2.0, abs=1e-4)


@pytest.mark.parametrize(
    ("unit", "kind", "per_second"),
    [
        ("", "counts", False),
        ("ADU", "counts", False),
        ("adu/pixel", "counts", False),
        ("DN / s", "counts", True),
        ("counts s-1", "counts", True),
        ("electron", "electrons", False),
        ("ELECTRONS/S", "electrons", True),
        ("e-", "electrons", False),
        ("nJy", "flux", False),
    ],
)
def test_units_of_light_per_pixel_are_known(unit, kind, per_second):
    found = data_unit(Header({"BUNIT": unit}))
    assert (found.kind, found.per_second) == (kind, per_second)


@pytest.mark.parametrize(
    "unit", ["km/s", "MJy/sr", "Jy/beam", "mag/arcsec2", "K", "erg/s/cm2/arcsec2", "deg"]
)
def test_a_unit_that_is_no_light_per_pixel_is_refused_by_name(unit):
    with pytest.raises(FrameRefused) as refused:
        exposure_of(Header({"BUNIT": unit, **DATE}), "x")
    assert unit in str(refused.value)


@pytest.mark.parametrize(
    ("cards", "gain"),
    [
        ({"GAIN": 1.9}, 1.9),
        ({"GAIN": "1.9"}, 1.9),
        ({"EGAIN": 1.3, "GAIN": 120}, 1.3),
        ({"GAIN": 0.0}, None),
        ({"GAIN": "unknown"}, None),
        ({"BUNIT": "electron", "GAIN": 1.9}, 1.0),
        ({"BUNIT": "adu/s", "GAIN": 2.0, "EXPTIME": 30.0}, 60.0),
        ({"BUNIT": "electron/s", "EXPTIME": 30.0}, 30.0),
        ({"BUNIT": "nJy", "GAIN": 2.0}, None),
    ],
)
def test_the_gain_is_electrons_per_stored_unit(cards, gain):
    assert exposure_of(Header({**cards, **DATE}), "x").gain == gain


@pytest.mark.parametrize("value", [-1.0, -300])
def test_a_negative_exposure_is_refused_with_its_number(value):
    with pytest.raises(FrameRefused, match=rf"negative \({value:g} s\)"):
        exposure_of(Header({"EXPTIME": value, **DATE}), "x")


def test_of_several_wheels_the_one_in_use_gives_the_filter():
    assert filter_of(Header({"FILTER1": "CLEAR1L", "FILTER2": "F606W"})) == "F606W"
    assert filter_of(Header({"FILTER1": "air", "FILTER2": "rp", "FILTER": "rp"})) == "rp"
    assert filter_of(Header({"FILTER": "Clear"})) == "Clear"
    assert filter_of(Header({"FILTERS": 58})) == "58"
    assert filter_of(Header({"FILT": "r", "FILTER1": "clear"})) == "r"
    assert filter_of(Header({"FILT": 3, "FILTER": "V"})) == "V"
    eso = {"HIERARCH ESO INS FILT1 NAME": "free", "HIERARCH ESO INS FILT2 NAME": "R_SPECIAL"}
    assert filter_of(Header(eso)) == "R_SPECIAL"
    assert filter_of(Header({"FILTER01": "HSC-r"})) == "HSC-r"
    assert filter_of(Header({"ALFLTNM": "Open", "FAFLTNM": "r' SDSS", "FBFLTNM": "Open"})) == "r' SDSS"
    assert filter_of(Header({"FILTER1": "clear", "FILTER2": "open"})) == "clear"
    assert filter_of(Header()) is None


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        (
            {"WHEEL2": "r", "HIERARCH INS UPPER FILT": "open"},
            "but has WHEEL2, INS UPPER FILT: see [camera] keywords",
        ),
        ({"WHEEL2": "r", "FILTER": "r"}, None),
        ({"WHEEL2": ""}, None),
        ({}, None),  # of a camera without filters
    ],
)
def test_a_filter_that_stands_under_an_unknown_word_is_told(cards, told):
    said = filter_doubt(Header(cards))
    assert said is None if told is None else (said or "").endswith(told)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("BG39", "r"),
        ("OG515", "KG5"),
        ("OG570", "r"),
        ("GG495", "g"),
        ("GG455", "B"),
        ("r", "Halpha"),
        ("GG400", "u"),
    ],
)
def test_two_filters_in_the_light_are_another_than_one_of_them(first, second):
    assert filter_of(Header({"FILTER1": first, "FILTER2": second, "FILTER3": "open"})) == f"{first}+{second}"


@pytest.mark.parametrize(
    ("glass", "band"),
    [("GG455", "r"), ("gg 455", "SDSS r"), ("GG495", "R"), ("RG610", "z'"), ("OG570", "i_SDSS")],
)
def test_glass_that_holds_back_no_light_of_a_filter_makes_no_other_of_it(glass, band):
    """As order blocking of a spectrograph that takes images: what was built before serves on."""
    assert filter_of(Header({"FILTER1": band, "FILTER2": glass})) == band
    assert filter_of(Header({"FILTER1": glass, "FILTER2": band})) == band
    assert filter_of(Header({"FILTER1": glass, "FILTER2": "open"})) == glass


@pytest.mark.parametrize("other", ["V", 0, "-", "blank", "no filter", "unknown", "Home", "Dummy"])
def test_one_filter_is_called_by_its_name_alone_whatever_stands_for_none_beside_it(other):
    assert filter_of(Header({"FILTER1": "V", "FILTERA": other})) == "V"
    assert filter_of(Header({"FILTER1": other, "FILTER01": "V"})) == "V"
    assert filter_of(Header({"FILTER1": 3, "FILTER2": 1})) == "3"


@pytest.mark.parametrize("cards", [{"BAYERPAT": "RGGB"}, {"FILTER": "GBRG"}])
def test_a_colour_mosaic_is_refused(cards):
    with pytest.raises(FrameRefused, match="colour mosaic"):
        filter_of(Header(cards))


def test_a_text_that_goes_on_over_many_cards_is_cut_so_that_every_store_can_index_it():
    header = Header()
    header["OBJECT"] = "M31 " * 5000
    assert text(header, "field") == "M31 " * 50


def test_a_chip_of_several_amplifiers_is_full_where_the_first_of_them_is():
    each = {"SATURATA": 42424.0, "SATURATB": 39146.0, "GAINA": 4.6, "GAINB": 4.4, "RDNOISEA": 7.2}
    found = exposure_of(Header(each | DATE), "x")
    assert (found.saturation, found.gain, found.read_noise) == (39146.0, 4.6, 7.2)
    assert exposure_of(Header(each | {"SATURATE": 41000.0} | DATE), "x").saturation == 41000.0


def test_what_pan_starrs_and_the_names_of_images_say_is_understood():
    told = {"FPA.FILTERID": "r.00000", "CELL.GAIN": 1.1, "CELL.READNOISE": 5.5, "CELL.SATURATION": 6e4}
    found = exposure_of(Header({f"HIERARCH {word}": value for word, value in told.items()} | DATE), "x")
    assert (found.filter, found.gain, found.read_noise, found.saturation) == ("r.00000", 1.1, 5.5, 6e4)
    cards = {"INSTRUME": "cam", "IMAGEID": "PAN001_20190405T110036"}  # of each image another: no detector
    assert exposure_of(Header(cards | DATE), "x").instrument == "cam"


def test_read_noise_and_saturation_of_palomar_are_known():
    found = exposure_of(Header({"READNOI": 10.2, "SATURVAL": 17000.0, "GAIN": 1.5, **DATE}), "x")
    assert (found.read_noise, found.saturation, found.gain) == (10.2, 17000.0, 1.5)


def test_saturation_of_the_liverpool_telescope_is_known():
    found = exposure_of(Header({"SATURATN": 63438, "GAIN": 2.4, "READNOIS": 12.0, **DATE}), "x")
    assert (found.saturation, found.gain, found.read_noise) == (63438.0, 2.4, 12.0)


def test_a_header_stays_as_it_is_where_keywords_are_another_cameras():
    """It need not be copied for each of many chips that are told apart by it."""
    header = Header({"WHEEL2": "r"})
    assert as_known(header, {"FILTER": "WHEEL2"})["FILTER"] == "r"
    assert [*header] == ["WHEEL2"]
    assert as_known(header, {"FILTER": "WHEEL9"}) is header
