"""Alerts beside the bodies of the solar system: as their own survey's site sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.catalogs.library import Library
from core.database.store import Store
from core.objects.known import known_sky
from core.settings import Settings
from core.settings_sections import CatalogSettings, SiteSettings
from core.surveys.sites import PALOMAR, site_of
from pipeline.engines.matching import match_stored
from pipeline.intake.alerts import take_alerts
from pipeline.known.kepler import Orbits, seen
from pipeline.known.match import KnownSky
from pipeline.surveys.tables import SURVEYS
from tests.pipeline.catalogs import added, write_csv
from tests.pipeline.packets import write_avro, ztf

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
