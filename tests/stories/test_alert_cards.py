"""Alerts of surveys under review: a card like any other, that says whose it is."""

import pytest
from sqlmodel import select

from core.catalogs.coverage import Coverage
from core.database.tables import Verdict
from core.objects.detail import read_object
from core.objects.tracklets import FoundTracklet, NightSpan, sentence, write_tracklets
from core.review.cards import read_card
from core.settings import Settings
from core.surveys.alert import FluxFacts
from core.surveys.register import register_alerts
from core.vocabulary import FluxKind
from pipeline.engines.matching import match_stored
from pipeline.intake.alerts import take_alerts
from pipeline.known.add import Options, add
from pipeline.known.alerts import reference_answer
from pipeline.known.match import KnownSky
from screens.lines import plain
from screens.review.facts import _facts, _images, detail_lines, fact_lines
from screens.review.view import curve_points
from tests.builders import make_store
from tests.core.rows import add_candidate
from tests.pipeline.packets import past, read, write_avro, ztf
from tests.stories.desk import console


@pytest.fixture
def taken(tmp_path):
    """A store with one object of ZTF: a limit, a detection before, and a negative alert."""
    store, url = make_store(tmp_path)
    before = [past(2), past(1, candid=9, magpsf=19.0, sigmapsf=0.2, isdiffpos="t")]
    packet = ztf(1, isdiffpos="f", prv_candidates=before, objectId="ZTF20\x1b[31mabc")
    alerts, _ = read(write_avro(tmp_path / "a.avro", [packet]))
    register_alerts(store, alerts)
    yield store, url
    store.close()


def test_a_card_tells_whose_alert_it_is_and_calls_no_score_ours(taken) -> None:
    card = read_card(taken[0], 1)
    text = "\n".join(plain(line) for line in fact_lines(card, 80, 6))
    assert "ZTF20␛[31mabc" in text
    assert "snr -11.5σ  ztf:rb 0.75  ztf:drb 0.50" in text
    assert "mag 18.00 ±0.12 ab r fading" in text
    assert "ztf ztf_2020_scimrefdiffimg.fits" in text
    assert "seen 2× in 1.00 d, 1 limit" in text
    assert "subtraction" not in text
    details = "\n".join(plain(line) for line in detail_lines(card, 100))
    assert "ztf:drb" in details
    assert "\x1b" not in text + details


def test_a_curve_with_a_negative_flux_is_in_the_surveys_unit(taken) -> None:
    points, in_magnitudes, unit = curve_points(read_card(taken[0], 1))
    assert (in_magnitudes, unit) == (False, "nJy")
    assert [point.is_limit for point in points] == [True, False, False]
    assert points[-1].value < 0 < points[1].value
    assert points[-1].is_shown


def test_magnitudes_of_two_systems_are_never_on_one_axis(taken) -> None:
    store, _ = taken
    own = {"mjd": 59001.0, "mag": -9.0, "mag_system": "instrumental", "flux": 4000.0, "flux_unit": "electron"}
    number = add_candidate(store, 1, **own)
    points, in_magnitudes, unit = curve_points(read_card(store, 1, number))
    assert (in_magnitudes, unit, [point.value for point in points]) == (True, "mag instrumental", [-9.0])
    assert len(curve_points(read_card(store, 1, 1))[0]) == 3


def test_a_light_curve_has_all_sources(taken) -> None:
    store, _ = taken
    add_candidate(store, 1, mjd=59001.0, mag=20.0, mag_system="ab", flux=40.0, flux_unit="electron")
    limit = FluxFacts("limit.x", FluxKind.LIMIT, 59000.5, "o", None, 200.0)
    from tests.core.test_alerts import alert

    place = {"ra": 150.0, "dec": 2.0, "mjd": 59003.0}
    register_alerts(store, [alert("02a_1", source="atlas", object_id="7", history=(limit,), **place)])
    card = read_card(store, 1, 3)
    assert {point.source for point in card.light_curve} == {"ztf", "atlas", "astrid"}
    assert curve_points(card)[2] == "nJy"  # the alert of ZTF is negative


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_an_alert_is_judged_like_any_candidate(taken, tmp_path, size) -> None:
    store, url = taken
    async with console(url, tmp_path, size) as vera:
        assert "ZTF20␛[31mabc" in vera.text
        assert "ztf:drb 0.50" in vera.text
        await vera.press("o")
        await vera.until(lambda: "Detections, newest first" in vera.text)
        await vera.pilot.press("escape")
        await vera.press("v")
        await vera.pilot.press("q")
    with store.read() as db:
        (row,) = db.exec(select(Verdict)).all()
    assert (row.label, row.shown["snr"], row.shown["scores"]) == (
        "variable",
        -11.5,
        {"ztf:rb": 0.75, "ztf:drb": 0.5},
    )
    assert row.shown["cutouts_sha256"]


def test_alerts_come_with_what_is_known_and_are_matched_again_with_new_catalogues(tmp_path) -> None:
    store, _ = make_store(tmp_path)
    settings = Settings(home=tmp_path / "home")
    path = write_avro(tmp_path / "a.avro", [ztf(1)])
    (file,) = take_alerts(store, settings, [path])
    assert file.new == 1
    card = read_card(store, 1)
    assert card.known["star"] == {"status": "unknown", "reason": "no catalogue of stars"}
    assert card.cutouts.to_sky is None  # nothing in the packet says how they lie
    assert card.cutouts.pixel_arcsec == pytest.approx(1.01, abs=0.005)
    assert _images(card) == "63 x 63 px, 1.01″/px, no WCS: north unknown"
    told = reference_answer("ztf", {"ztf:distnr": 2.0, "ztf:magnr": 18.25}, "r")
    assert (told["status"], told["distance_arcsec"], told["mag"], told["band"]) == (
        "match",
        2.026,
        18.25,
        "r",
    )
    assert card.known["reference"] == reference_answer("ztf", {}, "r")  # unknown
    assert "known sky unknown: no catalogue" in {plain(piece) for piece in _facts(card)}
    assert read_object(store, "1").record()["known"]["star"]["status"] == "unknown"

    stars = tmp_path / "stars.csv"
    stars.write_text(f"source_id,ra,dec,phot_g_mean_mag\n7,{card.ra},{card.dec},15.5\n")
    add(stars, KnownSky.of(settings).library, Options(kind="stars", coverage=Coverage("all-sky")))
    assert match_stored(store, settings) == (1, 0)
    again = read_card(store, 1)
    assert (again.known["star"]["name"], again.known["star"]["distance_arcsec"]) == ("7", 0.0)
    assert again.known["reference"] == card.known["reference"]
    second = write_avro(tmp_path / "b.avro", [ztf(2)])
    assert next(iter(take_alerts(store, settings, [second]))).new == 1
    assert match_stored(store, settings) == (0, 0)  # what came beside the catalogues is not asked again
    store.close()


def test_a_card_and_its_object_tell_that_it_moves(taken) -> None:
    store, _ = taken
    motion = {"rate_arcsec_hour": 31.0, "position_angle": 241.0, "ra": 1.0, "dec": 1.0, "chance": 0.01}
    facts = FoundTracklet((1,), {**motion, "first_mjd": 59000.0, "last_mjd": 59000.05})
    mjd = read_card(store, 1).candidate["mjd"]
    write_tracklets(store, NightSpan(mjd - 0.1, mjd + 0.1), [facts])
    card = read_card(store, 1)
    assert card.moving
    assert "moving 31″/h PA 241°, seen 1× in 1.2 h" in {plain(piece) for piece in _facts(card)}
    detail = read_object(store, "1")
    assert [each["candidates"] for each in detail.record()["tracklets"]] == [[1]]
    assert sentence(detail.tracklets[0]) == '1 detections in 1.2 h, 31"/h towards PA 241'
