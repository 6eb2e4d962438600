"""Alerts beside the bodies of the solar system: as their survey's site sees them and as it names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.catalogs.library import Library
from core.database.store import Store
from core.database.tables import CandidateMatch
from core.objects.known import known_lines, known_sky
from core.places.why import why
from core.review.real_rows import real_candidates
from core.review.tns_report import preflight
from core.review.verdicts import decide
from core.settings import Settings
from core.settings_sections import CatalogSettings, ReviewSettings, SiteSettings, TnsSettings
from core.surveys.sites import PALOMAR, site_of
from core.vocabulary import Label
from pipeline.engines.matching import match_stored
from pipeline.intake.alerts import take_alerts
from pipeline.known.alerts import body_answer, with_body
from pipeline.known.kepler import Orbits, seen
from pipeline.known.match import KnownSky
from pipeline.surveys.decode import decode
from pipeline.surveys.tables import RUBIN, SURVEYS, ZTF
from screens.lines import plain
from screens.review.known import known_facts
from tests.pipeline.catalogs import added, write_csv
from tests.pipeline.packets import JD, write_avro, ztf

# 594913 'Aylo'chaxnim, 0.8 au away, and where JPL Horizons has it for X05: see `tests.pipeline.test_kepler`.
NEAR = (
    "94913   16.2   0.15 K2086  21.97053  187.32403    6.70959   15.86811  0.1769556  2.38092500   0.5554441"
    "  0 MPO000000    50   2 2020-2020 0.40"
).ljust(166) + "(594913) 'Aylo'chaxnim"
X05 = (59073.99919927128, 166.08002803, -1.326917345)


@pytest.fixture
def orbits(tmp_path: Path) -> Path:
    path = tmp_path / "MPCORB.DAT"
    path.write_text(NEAR + "\n")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of an observer on the other side of the Earth."""
    return Settings(home=tmp_path / "home", site=SiteSettings(position=(-20.0, 63.0)))


def taken(store: Store, settings: Settings, folder: Path, *packets: dict) -> None:
    (file,) = take_alerts(store, settings, [write_avro(folder / "taken.avro", packets)])
    assert file.new == len(packets)


ASTEROID = {"ssdistnr": 1.0, "ssmagnr": 18.5, "ssnamenr": "6281"}  # of an alert of magnitude 18


def test_every_survey_has_a_site_and_it_is_its_own() -> None:
    ids = {"atlas": "02a59543o0040o_006230"}
    assert {each.name for each in SURVEYS if site_of(each.name, ids.get(each.name, "1")) is None} == set()
    assert site_of("ztf", "1") == PALOMAR
    assert site_of("atlas", "03a60000o0001o_000001") == (-32.3783, 20.8105)
    assert site_of("atlas", "1234567890") is None  # as a broker may call it
    assert site_of("elsewhere", "1") is None


def test_what_is_near_is_where_horizons_has_it_for_the_survey(orbits: Path, tmp_path: Path) -> None:
    library = Library(tmp_path / "home")
    added(library, orbits)
    mjd, ra, dec = (np.array([each]) for each in X05)
    known = KnownSky(library, CatalogSettings(), (52.0, 13.0))
    (told,) = known.match(ra, dec, mjd, [site_of("rubin", "1")])
    assert told["solar_system"]["distance_arcsec"] < 0.3
    (told,) = known.match(ra, dec, mjd)
    assert told["solar_system"]["status"] == "none"  # our own frames would have it elsewhere


def test_alerts_are_matched_from_their_own_site_at_ingest_and_later(
    store: Store, settings: Settings, orbits: Path, tmp_path: Path
) -> None:
    """A body so near that the ground makes more of a difference than a match may be away."""
    catalog = added(KnownSky.of(settings).library, orbits)
    mjd = 59062.5
    place = seen(Orbits.of(np.load(catalog.folder / "orbits.npy")), mjd, PALOMAR)
    jd = mjd + 2400000.5 - 15.0 / 86400.0
    packet = ztf(1, jd=jd, ra=float(place.ra[0]), dec=float(place.dec[0]))
    (file,) = take_alerts(store, settings, [write_avro(tmp_path / "a.avro", [packet])])
    assert file.new == 1
    told = known_sky(store, [1])[1]["solar_system"]
    assert (told["status"], told["distance_arcsec"]) == ("match", pytest.approx(0.0, abs=0.05))
    stars = write_csv(tmp_path / "stars.csv", ra=[10.0], dec=[10.0])
    added(KnownSky.of(settings).library, stars, kind="stars")
    assert match_stored(store, settings) == (1, 0)
    assert known_sky(store, [1])[1]["solar_system"] == told


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (ASTEROID, "6281"),
        (ASTEROID | {"ssdistnr": 0.0}, "6281"),
        (ASTEROID | {"ssmagnr": -999.0}, "6281"),
        (ASTEROID | {"ssnamenr": "null"}, None),
    ],
)
def test_a_body_that_ztf_names_is_a_match(facts: dict, name: str | None) -> None:
    alert = decode(ZTF, ztf(**facts), cutout_px=63, radius_arcsec=1.0)
    told = body_answer("ztf", alert.body, alert.mag)
    assert told is not None
    assert (told["status"], told["catalog"], told["name"]) == ("match", "ZTF itself", name)
    assert told["distance_arcsec"] == facts["ssdistnr"]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"ssdistnr": None, "ssmagnr": None, "ssnamenr": None},
        ASTEROID | {"ssdistnr": -999.0},  # whatever stands beside it
        ASTEROID | {"ssdistnr": float("nan")},
        ASTEROID | {"ssdistnr": 27.0},  # as ZTF tells of 137058, whose orbit is right to an arcsecond
        ASTEROID | {"ssmagnr": 21.0},  # three magnitudes fainter than what was seen
    ],
)
def test_a_body_that_is_elsewhere_or_too_faint_is_none(facts: dict) -> None:
    alert = decode(ZTF, ztf(**facts), cutout_px=63, radius_arcsec=1.0)
    assert body_answer("ztf", alert.body, alert.mag) is None


def test_what_rubin_took_for_a_body_is_one() -> None:
    source = {"ra": 10.0, "dec": -5.0, "midpointMjdTai": 61000.2, "psfFlux": 900.0, "psfFluxErr": 30.0}
    source |= {"diaSourceId": 3, "band": "r"}
    packet = {"diaSourceId": 3, "diaSource": source | {"ssObjectId": 0}}

    def answer(**more: object) -> dict | None:
        alert = decode(RUBIN, packet | more, cutout_px=63, radius_arcsec=1.0)
        return body_answer("rubin", alert.body, alert.mag)

    assert answer() is None
    assert answer(ssSource={"ssObjectId": None, "designation": None, "ephOffset": None}) is None
    ss_source = {"designation": "2004 JQ12", "ephOffset": 0.03, "ephVmag": 0.0}
    told = answer(diaSource=source | {"ssObjectId": 21163624394469969}, ssSource=ss_source)
    assert told is not None
    assert (told["name"], told["distance_arcsec"], told["mag"]) == ("2004 JQ12", 0.03, None)
    bare = answer(diaSource=source | {"ssObjectId": 21163624394469969})
    assert bare is not None
    assert (bare["name"], bare["distance_arcsec"]) == ("ssObjectId 21163624394469969", None)
    assert known_lines({"solar_system": bare}) == [
        ("solar system", "ssObjectId 21163624394469969; RUBIN itself")
    ]


def test_an_alert_that_comes_again_tells_of_the_body_that_was_not_kept_of_it(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    """As of Rubin's, which older releases stored without."""
    taken(store, settings, tmp_path, ztf(1), ztf(2, ra=200.0), ztf(3, ra=201.0, **ASTEROID))
    before = known_sky(store, [1, 2, 3])
    assert "survey_body" not in before[1]
    again = write_avro(tmp_path / "again.avro", [ztf(1, **ASTEROID), ztf(2, ra=200.0), ztf(3, ra=201.0)])
    (file,) = take_alerts(store, settings, [again])
    assert (file.new, file.known) == (0, 3)
    after = known_sky(store, [1, 2, 3])
    assert after[1]["solar_system"]["name"] == after[1]["survey_body"]["name"] == "6281"
    assert after[1]["star"] == before[1]["star"]
    assert {key: after[key] for key in (2, 3)} == {key: before[key] for key in (2, 3)}


def test_an_asteroid_of_the_surveys_own_counts_as_ours_do(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    """On the card, under `why`, in filters, and against a report to the TNS."""
    taken(store, settings, tmp_path, ztf(1, **ASTEROID), ztf(2, ra=200.0), ztf(3, ra=201.0, **ASTEROID))
    assert known_sky(store, [1])[1]["solar_system"]["name"] == "6281"
    sheet = [plain(line) for line in known_facts(known_sky(store, [1])[1])]
    assert any("near SSO 6281 1.0″ 18.5" in each for each in sheet)
    (alert,) = why(store, 150.0, 2.0).alerts
    assert alert["body"] == '6281, 1.00", V 18.50; ZTF itself'
    assert why(store, 200.0, 2.0).alerts[0]["body"] is None
    assert [row.candidate.id for row in real_candidates(store, filters="known:solar")] == [1, 3]
    assert [row.candidate.id for row in real_candidates(store, filters="-known:solar")] == [2]
    for key in (1, 2):
        decide(store, session="e", reviewer="eve", candidate_id=key, label=Label.SUPERNOVA, shown={})
    review = ReviewSettings(experts=("eve",))
    found = {each.name: each for each in preflight(store, TnsSettings(source="ztf"), review)}
    (near,) = [each for each in found["ZTF20test1"].problems if "of the solar system" in each]
    assert near.startswith("it is at the place of 6281 (")
    assert not any("solar system" in each for each in found["ZTF20test2"].problems)


def test_what_the_survey_named_outlives_the_catalogues(
    sqlite_store: Store, settings: Settings, orbits: Path, tmp_path: Path
) -> None:
    store = sqlite_store
    taken(store, settings, tmp_path, ztf(1, **ASTEROID))
    before = known_sky(store, [1])[1]["solar_system"]
    catalog = added(KnownSky.of(settings).library, orbits)  # it has nothing there, or does not reach that day
    assert match_stored(store, settings) == (1, 0)
    assert known_sky(store, [1])[1]["solar_system"] == before
    with store.write() as session:  # as an older release left it
        row = session.get_one(CandidateMatch, 1)
        row.answers, row.state = {"star": {"status": "none"}}, "older"
    KnownSky.of(settings).library.remove(catalog.name)
    assert match_stored(store, settings) == (1, 0)
    assert known_sky(store, [1])[1]["solar_system"] == before | {"name": None}


def test_a_body_is_kept_where_no_catalogue_could_be_asked(
    sqlite_store: Store, settings: Settings, orbits: Path, tmp_path: Path
) -> None:
    added(KnownSky.of(settings).library, orbits)
    days = [ztf(1 + day, jd=JD + day, ra=150.0 + day, **(ASTEROID if day == 1 else {})) for day in range(4)]
    taken(sqlite_store, settings, tmp_path, *days)
    known = known_sky(sqlite_store, [1, 2, 3, 4])
    assert set(known) == {2}
    assert known[2]["solar_system"]["name"] == "6281"
    assert match_stored(sqlite_store, settings) == (4, 0)
    assert known_sky(sqlite_store, [2])[2]["solar_system"]["name"] == "6281"


def test_of_two_bodies_the_nearer_stands_and_the_catalogues_where_it_is_as_near() -> None:
    def match(name: str, arcsec: float | None) -> dict:
        return {"status": "match", "name": name, "distance_arcsec": arcsec}

    theirs = match("theirs", 0.0)
    assert with_body({"solar_system": match("ours", 0.6)}, theirs)["solar_system"]["name"] == "ours"
    assert with_body({"solar_system": match("ours", 7.0)}, theirs)["solar_system"]["name"] == "theirs"
    assert (
        with_body({"solar_system": match("ours", 7.0)}, match("far", None))["solar_system"]["name"] == "ours"
    )
    assert with_body({"solar_system": {"status": "none"}}, theirs)["solar_system"] == theirs
    assert with_body({}, theirs)["survey_body"] == theirs
    assert with_body({"star": {"status": "none"}}, None) == {"star": {"status": "none"}}
