"""Orbits of comets, open and nearly so: against integration, published numbers and what orbits must obey."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from core.catalogs.library import Library
from core.settings_sections import CatalogSettings
from pipeline.known import kepler
from pipeline.known.kepler import MU, Orbits, comet_magnitude, displaced, seen
from pipeline.known.match import KnownSky
from pipeline.known.open_orbits import GAUSS, in_plane, stumpff
from tests.pipeline.catalogs import added
from tests.pipeline.test_kepler import table

K2 = (
    "    CK17K020  2022 12 19.6877  1.796887  1.000807  236.2008   88.2357   87.5633  20230113   1.5  4.0  "
    "C/2017 K2 (PANSTARRS)                                    MPEC 2023-A16"
)
BORISOV = (
    "0002I         2019 12  9.0572  1.997724  3.345952  209.2911  307.8024   44.2624  20251121  11.0  4.0  "
    "2I/Borisov                                               MPEC 2019-V34"
)
OLD = (
    "0001P         1986  2  9.4589  0.587104  0.967276  111.8657   58.8601  162.2422             4.0  6.0  "
    "1P/Halley"
)
ECCENTRICITIES = [0.0, 0.6, 0.97, 0.99, 0.9999, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.0003, 1.2, 3.36, 6.1]


def one(*values):
    return tuple(np.array([value], dtype=np.float64) for value in values)


@pytest.mark.parametrize(
    "e", [0.0, 0.6, 0.97, 0.99, 0.9999, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.0003, 1.2, 3.36, 6.1]
)
@pytest.mark.parametrize(("perihelion", "days"), [(0.02, 3.0), (0.5, -40.0), (1.8, 400.0), (5.0, -3000.0)])
def test_an_orbit_is_that_of_the_law_of_gravity(e, perihelion, days):
    """Integrated from perihelion on, in steps that know nothing of conics."""
    start = [perihelion, 0.0, 0.0, np.sqrt(MU * (1.0 + e) / perihelion)]

    def pulled(_, state):
        return [*state[2:], *(-MU * state[:2] / np.hypot(*state[:2]) ** 3)]

    end = solve_ivp(pulled, (0.0, days), start, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]
    place, velocity = in_plane(*one(perihelion, e, days))
    scale = np.hypot(*end[:2])
    np.testing.assert_allclose(place[0], end[:2], atol=2e-9 * scale)
    np.testing.assert_allclose(velocity[0], end[2:], atol=2e-9 * np.hypot(*end[2:]))


@pytest.mark.parametrize(
    ("perihelion", "e", "days", "anomaly", "radius"),
    [
        (0.921326, 1.0, 138.4783, 102.74426, 2.364192),
        (0.1, 0.987, 254.9, 164.50029, 4.063777),
        (0.123456, 0.99997, -30.47, 221.91190, 0.965053),
        (3.363943, 1.05731, 1237.1, 109.40598, 10.668551),
        (0.5871018, 0.9672746, 20.0, 52.85331, 0.729116),
        (0.5871018, 0.9672746, 0.0, 0.0, 0.5871018),
    ],
)
def test_the_examples_of_a_textbook_are_met(perihelion, e, days, anomaly, radius):
    """Meeus, Astronomical Algorithms, chapter 35 (near-parabolic motion)."""
    ((x, y),), _ = in_plane(*one(perihelion, e, days))
    assert np.degrees(np.arctan2(y, x)) % 360.0 == pytest.approx(anomaly, abs=1.1e-5)
    assert np.hypot(x, y) == pytest.approx(radius, abs=1.1e-6)


@pytest.mark.parametrize("e", [1.2, 3.3, 6.1])
@pytest.mark.parametrize("days", [-30000.0, -4000.0, 20000.0])
def test_a_hyperbola_that_grazed_the_sun_is_followed_far_out(e, days):
    """By its hyperbolic anomaly and its energy, which are no part of how it is solved."""
    (place,), (speed,) = in_plane(*one(0.005, e, days))
    radius, axis = np.hypot(*place), 0.005 / (e - 1.0)
    anomaly = np.arccosh((1.0 + radius / axis) / e)
    assert (e * np.sinh(anomaly) - anomaly) * axis**1.5 / GAUSS == pytest.approx(abs(days), rel=1e-9)
    assert 0.5 * (speed @ speed) - MU / radius == pytest.approx(0.5 * MU / axis, rel=1e-9)


def test_stumpffs_functions_have_no_seam_where_their_series_ends():
    for z in (0.5, -0.5):
        below, above = (np.array([z * (1.0 + sign * 1e-12)]) for sign in (-1.0, 1.0))
        for low, high in zip(stumpff(below), stumpff(above), strict=True):
            assert low[0] == pytest.approx(high[0], rel=1e-11)
    assert [float(each[0]) for each in stumpff(np.zeros(1))] == [0.5, pytest.approx(1.0 / 6.0)]


@pytest.mark.parametrize(("a", "e", "mean"), [(400.0, 0.9905, 0.003), (400.0, 0.9905, 359.99)])
def test_a_long_ellipse_is_the_same_by_keplers_equation(monkeypatch, a, e, mean):
    row = table((60000.0, a, e, 30.0, 40.0, 50.0, mean))
    times = [59900.0, 60000.0, 60300.0]
    open_ = [Orbits.of(row).states(time) for time in times]
    monkeypatch.setattr(kepler, "NEARLY_PARABOLIC", 1.0)
    closed = [Orbits.of(row).states(time) for time in times]
    np.testing.assert_allclose(open_, closed, atol=1e-9)


def test_open_orbits_among_others_leave_these_as_they_are():
    ceres, comet = (
        (60000.0, 2.77, 0.08, 10.6, 80.3, 73.1, 200.0),
        (60000.0, -2.0, 1.5, 40.0, 50.0, 60.0, 20.0),
    )
    both, alone = Orbits.of(table(ceres, comet)), Orbits.of(table(ceres))
    np.testing.assert_array_equal(both.states(60050.0)[0][:1], alone.states(60050.0)[0])
    place, velocity = both.states(60050.0)
    energy = 0.5 * np.sum(velocity**2, axis=1) - MU / np.linalg.norm(place, axis=1)
    np.testing.assert_allclose(energy, -MU / (2.0 * np.array([2.77, -2.0])), rtol=1e-10)


def test_what_the_planets_add_to_a_hyperbola_is_that_of_all_pulls_together():
    orbits = Orbits.of(table((60000.0, -4.0, 2.0, 5.0, 0.0, 0.0, 20.0)))
    start = np.concatenate([each[0] for each in orbits.states(60000.0)])

    def pulled(time, state):
        planets = kepler._planets(np.array([time]))[0]
        away = planets - state[:3]
        pull = away / kepler._cube(away) - planets / kepler._cube(planets)
        sun = -MU * state[:3] / np.linalg.norm(state[:3]) ** 3
        return np.concatenate([state[3:], sun + MU * kepler.MASSES @ pull])

    end = solve_ivp(pulled, (60000.0, 60200.0), start, method="DOP853", rtol=1e-12, atol=1e-14).y[:3, -1]
    alone, moved = orbits.states(60200.0)[0][0], displaced(orbits, 60200.0)[0][0]
    assert np.linalg.norm(alone + moved - end) < 1e-3 * np.linalg.norm(moved)
    assert np.linalg.norm(moved) > 1e-5


def test_comets_are_read_as_the_center_lists_them(tmp_path: Path):
    library = Library(tmp_path)
    (tmp_path / "CometEls.txt").write_text("\n".join([K2, BORISOV, OLD, K2.replace("1.796887", "        ")]))
    catalog = added(library, tmp_path / "CometEls.txt")
    assert (catalog.kind, catalog.rows, catalog.skipped) == ("orbits", 3, 1)
    k2, borisov, halley = np.load(catalog.folder / "orbits.npy")
    assert (k2["name"], k2["perihelion"], k2["e"]) == (b"C/2017 K2 (PANSTARRS)", 1.796887, 1.000807)
    assert (k2["peri"], k2["node"], k2["incl"], k2["h"], k2["g"]) == (236.2008, 88.2357, 87.5633, 1.5, 4.0)
    assert (k2["epoch"], k2["since"]) == (59957.0, pytest.approx(59957.0 - 59932.6877))
    assert (borisov["name"], borisov["e"]) == (b"2I/Borisov", 3.345952)
    assert (halley["epoch"], halley["since"]) == (pytest.approx(46470.4589), 0.0)  # of its passage
    assert halley["a"] == pytest.approx(17.94, abs=0.01)
    told = {
        "Year_of_perihelion": 2022, "Month_of_perihelion": 12, "Day_of_perihelion": 19.6877, "i": 87.5633,
        "Perihelion_dist": 1.796887, "e": 1.000807, "Peri": 236.2008, "Node": 88.2357, "Epoch_year": 2023,
        "Epoch_month": 1, "Epoch_day": 13, "H": 1.5, "Designation_and_name": "C/2017 K2 (PANSTARRS)",
    }  # fmt: skip
    (tmp_path / "of_2022.json").write_text(json.dumps([told, 3, {"e": "x"}]))
    catalog = added(library, tmp_path / "of_2022.json")
    assert (catalog.rows, catalog.skipped) == (1, 2)
    (again,) = np.load(catalog.folder / "orbits.npy")
    assert all(
        np.array_equal(again[name], k2[name], equal_nan=name in {"u", "rms"}) for name in again.dtype.names
    )


def test_the_whole_name_of_a_comet_is_kept(tmp_path: Path):
    library, name = Library(tmp_path), "C/1941 B2 (de Kock-Paraskevopoulos)"
    line = K2.replace("C/2017 K2 (PANSTARRS)".ljust(len(name)), name)
    (tmp_path / "CometEls.txt").write_text(line)
    (comet,) = np.load(added(library, tmp_path / "CometEls.txt").folder / "orbits.npy")
    assert comet["name"] == name.encode()


def test_a_comet_is_found_where_it_is_seen_and_as_bright_as_its_center_has_it(tmp_path: Path):
    library = Library(tmp_path)
    (tmp_path / "CometEls.txt").write_text("\n".join([BORISOV, K2]))
    orbits = Orbits.of(np.load(added(library, tmp_path / "CometEls.txt").folder / "orbits.npy"))
    mjd = 59932.7  # in perihelion
    places = seen(orbits, mjd, None)
    assert places.sun_distance[1] == pytest.approx(1.796887, abs=2e-5)
    (answer,) = KnownSky(library, CatalogSettings()).match(places.ra[1:], places.dec[1:], np.array([mjd]))
    told = answer["solar_system"]
    assert (told["status"], told["name"]) == ("match", "C/2017 K2 (PANSTARRS)")
    assert told["distance_arcsec"] < 0.01
    assert told["uncertainty_arcsec"] is None  # of which such a list says nothing
    bright = 1.5 + 5.0 * np.log10(places.distance[1]) + 10.0 * np.log10(1.796887)
    assert told["mag"] == pytest.approx(bright, abs=0.006)
    assert comet_magnitude(*one(1.5, 4.0), seen(orbits.take(np.array([1])), mjd, None))[0] == pytest.approx(
        bright, abs=1e-4
    )
