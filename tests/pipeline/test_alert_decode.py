"""What becomes of a packet's words: signs, times, units, history, and what is not known."""

import math
from pathlib import Path

import numpy as np
import pytest

from core.review.cutouts import Cutouts, unpack
from core.surveys.alert import AlertFacts
from core.vocabulary import FluxKind, MaskPlane
from pipeline.surveys.decode import decode
from pipeline.surveys.refusal import PacketError
from pipeline.surveys.survey import Survey
from pipeline.surveys.tables import ATLAS, DECAM, PGIR, RUBIN, SURVEYS, WINTER, ZTF
from tests.pipeline.packets import JD, SIDE, ZTF_SCHEMA, as_fits, cutout, past, read, stamp, write_avro, ztf

HALF = 15.0 / 86400.0  # half of ZTF's exposure
NJY_OF_18 = 10 ** (0.4 * (31.4 - 18.0))


def decoded(packet: dict, survey: Survey = ZTF, **options) -> AlertFacts:
    return decode(survey, packet, **{"cutout_px": SIDE, "radius_arcsec": 1.0} | options)


def planes(alert: AlertFacts) -> Cutouts:
    assert alert.cutouts is not None
    return unpack(alert.cutouts)


def body(name: str = "candidate", **facts) -> dict:
    return {name: {"ra": 10.0, "dec": -5.0} | facts, "objectId": "o", "candid": 1}


def test_a_packet_becomes_an_alert_in_the_products_own_words():
    alert = decoded(ztf(5))
    assert (alert.source, alert.external_id, alert.object_id) == ("ztf", "5", "ZTF20test5")
    assert alert.mjd == pytest.approx(59000.0 + HALF, abs=1e-9)
    assert (alert.ra, alert.dec, alert.filter, alert.snr) == (150.0, 2.0, "r", 11.5)
    assert (alert.flux_unit, alert.mag_system) == ("nJy", "ab")
    assert alert.flux == pytest.approx(NJY_OF_18)
    assert alert.flux_err == pytest.approx(NJY_OF_18 * 0.125 * 0.4 * math.log(10))
    assert (alert.mag, alert.mag_err) == (pytest.approx(18.0), pytest.approx(0.125))
    assert (alert.x_frame, alert.y_frame) == (10.0, 20.0)  # ZTF counts from 1
    assert alert.frame == "ztf_2020_scimrefdiffimg.fits"
    assert alert.scores == {"ztf:rb": 0.75, "ztf:drb": 0.5}
    assert alert.radius_deg == pytest.approx(1.0 / 3600.0)
    assert decoded(ztf(5), radius_arcsec=2.5).radius_deg == pytest.approx(2.5 / 3600.0)
    assert decoded(ztf(5), radius_arcsec=0.1).radius_deg == pytest.approx(1.0 / 3600.0)  # half the seeing
    assert (alert.mask_flags, alert.remark) == (0, None)


@pytest.mark.parametrize("flag", ["f", "0", 0, False, "false", "F"])
def test_a_negative_flag_turns_snr_flux_and_the_difference_of_ztf_round(flag):
    packet = ztf(isdiffpos=flag)
    positive, negative = decoded(ztf()), decoded(packet)
    assert (negative.snr, negative.flux) == (-positive.snr, -positive.flux)
    assert negative.mag == positive.mag
    middle = SIDE // 2
    assert planes(positive).diff[middle, middle] > 10
    assert planes(negative).diff[middle, middle] < -10
    assert planes(negative).new[middle, middle] > 10


@pytest.mark.parametrize("flag", ["t", "1", 1, True, 1.0])
def test_a_positive_flag_leaves_them(flag):
    assert decoded(ztf(isdiffpos=flag)).snr == 11.5


def test_a_flag_that_says_neither_is_refused():
    with pytest.raises(PacketError, match="isdiffpos is 'maybe'"):
        decoded(ztf(isdiffpos="maybe"))


@pytest.mark.parametrize(
    ("jd", "told"), [(2400000.7, "MJD 0.2"), (JD + 400_000, "MJD 459000"), (math.nan, "nan"), (0.0, "-2.4")]
)
def test_times_that_no_exposure_has_are_refused(jd, told):
    with pytest.raises(PacketError, match=f"{told}.*no exposure"):
        decoded(ztf(jd=jd))


@pytest.mark.parametrize("told", [0.0, -30.0, 1e9, math.nan, None])
def test_a_length_that_no_exposure_has_is_that_of_most(told):
    assert decoded(ztf(exptime=told)).mjd == decoded(ztf(exptime=30.0)).mjd


@pytest.mark.parametrize("place", [(math.nan, 1.0), (10.0, 90.1), (-1.0, 0.0), (math.inf, 0.0), (1.0, None)])
def test_a_place_that_is_not_on_the_sky_is_refused(place):
    with pytest.raises(PacketError, match="nowhere on the sky"):
        decoded(ztf(ra=place[0], dec=place[1]))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (ztf() | {"candid": None} | {"candidate": {}}, "candid"),
        (ztf() | {"candidate": None}, "no candidate"),
        (ztf() | {"candidate": "all of it"}, "no candidate"),
        (ztf(scorr=None, magpsf=None), "significance"),
        (ztf() | {"objectId": "x" * 101}, "101 letters"),
    ],
)
def test_what_an_alert_must_have_is_asked_for(packet, reason):
    with pytest.raises(PacketError, match=reason):
        decoded(packet)


def test_sentinels_are_unknown_and_stay_out():
    alert = decoded(ztf(drb=-999.0, ssdistnr=-999.0, rb=math.nan, scorr=-3.4e38))
    assert alert.scores == {}
    assert "ztf:ssdistnr" not in alert.features
    assert alert.snr == pytest.approx(2.5 / math.log(10) / 0.125)  # from the flux and its error


@pytest.mark.parametrize("odd", [[1], {"a": 1}, b"g", 1.5, math.nan])
def test_a_filter_of_an_odd_kind_is_unknown(odd):
    """As a column of lists in a Parquet file has it."""
    assert decoded(ztf(fid=odd)).filter == decoded(ztf(fid=None)).filter


def test_a_filter_in_a_column_of_floats_is_the_same():
    """As Parquet has whole numbers of which some are missing."""
    assert decoded(ztf(fid=2.0)).filter == decoded(ztf(fid=2)).filter


def test_an_epoch_that_cannot_be_used_costs_no_alert():
    odd = past(2, candid=9, magpsf=19.0, sigmapsf=0.2, isdiffpos="maybe")
    alert = decoded(ztf(prv_candidates=[past(3), odd, past(1)]))
    assert [each.kind for each in alert.history] == [FluxKind.LIMIT, FluxKind.LIMIT]
    assert alert.remark is not None
    assert "of its history 1" in alert.remark
    assert "isdiffpos is 'maybe'" in alert.remark


def test_history_is_detections_forced_fluxes_and_limits():
    forced = {"jd": JD - 5, "fid": 1, "pid": 77, "magzpsci": 26.4, "forcediffimflux": -20.0}
    alert = decoded(
        ztf(
            prv_candidates=[
                past(3),
                past(2, candid=9, magpsf=19.0, sigmapsf=0.2, isdiffpos="f"),
                past(1, diffmaglim=-999.0),
            ],
            fp_hists=[
                forced | {"forcediffimfluxunc": 2.0},
                forced | {"pid": 78, "forcediffimflux": -99999.0, "forcediffimfluxunc": -99999.0},
                forced | {"pid": 79, "magzpsci": None, "forcediffimfluxunc": 2.0},
            ],
        )
    )
    limit, seen, measured, raw = alert.history
    assert (limit.external_id, limit.kind, limit.flux) == ("limit.997", FluxKind.LIMIT, None)
    assert limit.flux_err == pytest.approx(10 ** (0.4 * (31.4 - 20.5)) / 5)
    assert (seen.external_id, seen.kind, seen.filter) == ("9", FluxKind.DETECTION, "r")
    assert seen.flux == pytest.approx(-(10 ** (0.4 * (31.4 - 19.0))))
    assert seen.mjd == pytest.approx(58998.0 + HALF, abs=1e-9)
    assert (measured.external_id, measured.kind, measured.filter) == ("forced.77", FluxKind.FORCED, "g")
    assert (measured.flux, measured.flux_err) == (pytest.approx(-2000.0), pytest.approx(200.0))
    assert (raw.flux, raw.flux_unit, raw.zeropoint, raw.mag_system) == (-20.0, "count", None, None)


def test_a_missing_reference_is_legal_and_a_damaged_cutout_is_only_left_out():
    alert = decoded(ztf(cutoutTemplate=None, cutoutScience=cutout(b"no stars here")))
    assert alert.remark is not None
    assert "science cutout is left out: it is no FITS file" in alert.remark
    assert np.isnan(planes(alert).ref).all()
    assert np.isnan(planes(alert).new).all()
    assert np.isfinite(planes(alert).diff).all()
    bare = decoded(ztf(cutoutTemplate=None, cutoutScience=None, cutoutDifference=None))
    assert (bare.cutouts, bare.remark) == (None, None)


def test_cutouts_are_in_sigma_of_their_sky_and_sentinels_masked():
    image = np.random.default_rng(0).normal(300.0, 4.0, (SIDE, SIDE)).astype(np.float32)
    image[0, 0], image[1, 1], image[2, 2] = np.nan, -3.4e38, np.inf
    kept = planes(decoded(ztf(cutoutScience=cutout(as_fits(image)))))
    assert np.isnan([kept.new[0, 0], kept.new[1, 1], kept.new[2, 2]]).all()
    assert np.isnan(kept.new).sum() == 3
    assert kept.sigma[0] == pytest.approx(4.0, rel=0.1)
    assert np.nanmedian(kept.new) == pytest.approx(0.0, abs=0.2)


def test_cutouts_of_any_size_share_their_centre():
    big, small = stamp(100.0, side=91), stamp(100.0, side=31)
    kept = planes(decoded(ztf(cutoutScience=cutout(big), cutoutTemplate=cutout(small))))
    assert kept.new.shape == (SIDE, SIDE)
    for plane in (kept.new, kept.ref, kept.diff):
        assert np.unravel_index(np.nanargmax(plane), plane.shape) == (SIDE // 2, SIDE // 2)
    assert np.isnan(kept.ref[0]).all()
    assert planes(decoded(ztf(), cutout_px=21)).new.shape == (21, 21)


def test_rubin_has_tai_and_fluxes_with_signs():
    source = {
        "diaSourceId": 3, "visit": 5, "detector": 7, "midpointMjdTai": 61000.0, "snr": 8.0, "psfFlux": -900.0,
        "psfFluxErr": 100.0, "isNegative": True, "band": "i", "x": 5.0, "y": 6.0, "reliability": 0.9,
        "raErr": 0.5 / 3600.0, "decErr": 0.1 / 3600.0, "pixelFlags_cr": True, "diaObjectId": 44,
    }  # fmt: skip
    forced = {"diaForcedSourceId": 1, "midpointMjdTai": 60990.0, "psfFlux": 50.0, "psfFluxErr": 100.0}
    packet = body("diaSource", **source) | {
        "diaSourceId": 3,
        "prvDiaSources": [source | {"diaSourceId": 2, "midpointMjdTai": 60999.0, "isNegative": False}],
        "prvDiaForcedSources": [forced | {"band": "i"}],
        "diaNondetectionLimits": [
            {"ccdVisitId": 9, "midpointMjdTai": 60980.0, "band": "g", "diaNoise": 40.0}
        ],
    }
    alert = decoded(packet, RUBIN)
    assert alert.mjd == pytest.approx(61000.0 - 37.0 / 86400.0, abs=1e-9)
    assert (alert.external_id, alert.object_id, alert.frame) == ("3", "44", "visit 5 detector 7")
    assert (alert.snr, alert.flux, alert.x_frame) == (-8.0, -900.0, 5.0)
    assert alert.mag == pytest.approx(31.4 - 2.5 * math.log10(900.0))
    assert alert.scores == {"rubin:reliability": 0.9}
    assert alert.radius_deg == pytest.approx(1.5 / 3600.0)
    assert alert.mask_flags == MaskPlane.COSMIC_RAY
    seen, measured, limit = alert.history
    # The sign of a flux is believed where the flag does not say that it is negative.
    assert (seen.external_id, seen.flux, seen.kind) == ("2", -900.0, FluxKind.DETECTION)
    assert seen.mjd == pytest.approx(60999.0 - 37.0 / 86400.0, abs=1e-9)
    assert (measured.external_id, measured.flux, measured.kind) == ("forced.1", 50.0, FluxKind.FORCED)
    assert (limit.external_id, limit.flux, limit.flux_err) == ("limit.9", None, 40.0)


def test_what_rubin_took_back_of_its_history_is_marked_under_the_id_that_it_had():
    past = {"midpointMjdTai": 60990.0, "band": "g", "psfFlux": 900.0, "psfFluxErr": 9.0}
    taken_back = past | {"midpointMjdTai": 60991.0, "timeWithdrawnMjdTai": 60995.0}
    packet = {
        "diaSource": {"diaSourceId": 3, "ra": 10.0, "dec": -30.0, "snr": 9.0} | past,
        "prvDiaSources": [
            past | {"diaSourceId": 1, "timeWithdrawnMjdTai": None},
            taken_back | {"diaSourceId": 5},
            taken_back | {"diaSourceId": 6, "psfFlux": None},
        ],
        "prvDiaForcedSources": [taken_back | {"diaForcedSourceId": 2}],
    }
    assert [(point.external_id, point.kind.value) for point in decoded(packet, RUBIN).history] == [
        ("1", "detection"),
        ("5", "withdrawn"),
        ("6", "withdrawn"),
        ("forced.2", "withdrawn"),
    ]


def test_rubins_older_names_are_understood():
    source = {
        "diaSourceId": 3,
        "midPointTai": 61000.0,
        "psFlux": 900.0,
        "psFluxErr": 100.0,
        "filterName": "y",
    }
    packet = {"alertId": 3, "diaSource": {"ra": 1.0, "decl": 2.0} | source, "diaObject": {"diaObjectId": 0}}
    alert = decoded(packet, RUBIN)
    assert (alert.snr, alert.flux, alert.filter, alert.dec, alert.object_id) == (9.0, 900.0, "y", 2.0, None)


@pytest.mark.parametrize(("flux", "flag"), [(173.78, "f"), (-387.6, "t")])
def test_atlas_has_a_sign_in_its_flux_and_its_flag_the_other_way_round(flux, flag):
    facts = {"mjd": 59543.0, "filter": "o", "flux": flux, "Dflux": flux / 10, "isdiffpos": flag, "rb": 0.0}
    packet = {"objectId": "9", "candid": "02a_1", "candidate": {"RA": 1.0, "Dec": 2.0, "X": 10.0} | facts}
    alert = decoded(packet, ATLAS)
    assert (alert.mjd, alert.x_frame) == (59543.0, 9.5)
    assert alert.snr == pytest.approx(math.copysign(10.0, flux))
    assert alert.flux == pytest.approx(1000 * flux)
    assert alert.mag == pytest.approx(23.9 - 2.5 * math.log10(abs(flux)))


def test_pgir_magnitudes_are_brought_from_vega_to_ab():
    facts = {"jd": JD, "exptime": 70.0, "magpsf": 12.0, "sigmapsf": 0.1, "scorr": 20.0, "isdiffpos": "1"}
    old = {"jd": JD - 1, "subid": 4, "diffmaglim": 13.0, "candid": None, "magpsf": None}
    alert = decoded(body(**facts) | {"prv_candidates": [old]}, PGIR)
    offset = 2.5 * math.log10(3631.0 / 1594.0)
    assert (alert.filter, alert.mag) == ("J", pytest.approx(12.0 + offset))
    assert alert.mjd == pytest.approx(59000.0 + 35.0 / 86400.0, abs=1e-9)
    (limit,) = alert.history
    assert limit.flux_err == pytest.approx(10 ** (0.4 * (31.4 - 13.0 - offset)) / 5)
    assert limit.mjd == pytest.approx(58999.0 + 35.0 / 86400.0, abs=1e-9)


def test_winter_and_decam_are_read_by_their_tables():
    facts = {"jd": JD, "exptime": 120.0, "fid": 2, "magpsf": 15.0, "sigmapsf": 0.1, "scorr": 6.0}
    alert = decoded(body(**facts, isdiffpos=False, rb=None) | {"objectid": "WNTR1"}, WINTER)
    assert (alert.filter, alert.snr, alert.object_id, alert.scores) == ("J", -6.0, "WNTR1", {})
    others = [decoded(body(**facts | {"fid": fid}, isdiffpos=True), WINTER).filter for fid in (1, 3, 4)]
    assert others == ["Y", "H", "winter 4"]
    unknown = decoded(body(**facts, isdiffpos=True, rb=-999.0, nneg=-99999.0, nbad=0.0), WINTER)
    assert (unknown.scores, [name for name in unknown.features if "nneg" in name]) == ({}, [])
    flux = {"psfFlux": 1375.25, "psfFluxErr": 255.23, "isdiffpos": 1, "reliability": 0.93}
    alert = decoded(body(mjd=61229.08, band="g", **flux) | {"fp_hists": [{"mjd": 61228.0} | flux]}, DECAM)
    assert alert.mag == pytest.approx(23.554, abs=1e-3)
    assert (alert.snr, alert.scores) == (pytest.approx(5.388, abs=1e-3), {"decam:reliability": 0.93})
    assert alert.history[0].external_id == "forced.61228.000000"


def test_fields_that_are_missing_new_or_of_another_type_do_no_harm(tmp_path: Path):
    fields = [each for each in ZTF_SCHEMA["fields"] if each["name"] not in {"prv_candidates", "publisher"}]
    extra = {"name": "broker", "type": {"type": "map", "values": "string"}}
    schema = ZTF_SCHEMA | {"fields": [*fields, extra, {"name": "fp_hists2", "type": "double"}]}
    packet = {key: value for key, value in ztf().items() if key not in {"prv_candidates", "publisher"}}
    write_avro(tmp_path / "a.avro", [packet | {"broker": {"a": "b"}, "fp_hists2": 1.0}], schema)
    (alert,), refused = read(tmp_path / "a.avro")
    assert refused == []
    assert alert == decoded(ztf())
    odd = decoded(ztf() | {"prv_candidates": "none", "fp_hists": [None, 3, {}], "cutoutScience": 5})
    assert odd.history == ()


def test_no_survey_is_taken_for_another():
    for survey in SURVEYS:
        others = [
            each for each in SURVEYS if each is not survey and set(each.known_by) <= set(survey.known_by)
        ]
        assert others == []
