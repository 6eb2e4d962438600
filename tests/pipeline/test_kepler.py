"""Where small bodies are seen, against published ephemerides and against what orbits must obey.

The numbers of JPL Horizons were retrieved by others and are committed in two public repositories:

- B612-Asteroid-Institute/adam_core, adam_core/utils/helpers/data: `elements_sun_ec.csv` (osculating
  elements, ecliptic of J2000.0, TDB) and `ephemeris.csv` (astrometric right ascension and declination,
  UTC, observatories X05 and W84).
- skyfielders/python-skyfield: `authorities/pallas-position` (geocentric, astrometric, ICRF; DE441) and the
  line of Pallas in `ci/MPCORB.excerpt.DAT`.
"""

from __future__ import annotations

from pathlib import Path

import erfa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from core.catalogs.library import Library
from core.objects.sphere import separation_deg
from core.settings_sections import CatalogSettings
from pipeline.known import kepler
from pipeline.known.kepler import (
    EARTH_MASS,
    MOON_MASS,
    MU,
    RECIPROCAL_MASSES,
    Orbits,
    displaced,
    eccentric_anomaly,
    magnitude,
    seen,
    terrestrial_time,
)
from pipeline.known.match import KnownSky
from pipeline.known.orbit_file import DTYPE
from pipeline.known.small_bodies import SmallBodies, uncertainty
from tests.pipeline.catalogs import added

# MJD (TDB) of the epoch; a (au), e, i, node, argument of perihelion, mean anomaly (degrees)
ELEMENTS = {
    "2 Pallas": (57258.0, 2.772097878394894, 0.2311194566595975, 34.84028978761641, 173.0915405470851,
                 309.9710305246963, 133.3014480005827),
    "6 Hebe": (57520.0, 2.426683865260888, 0.2019876246358979, 14.73998721451788, 138.6865328481434,
               239.7003225889478, 164.4641055782222),
    "2001 Einstein": (57623.0, 1.933440996969532, 0.09865368872280841, 22.68387422624804, 357.0838713384591,
                      217.6660387686205, 12.4540694741048),
    "10297 Lynnejones": (57592.0, 2.582076475310425, 0.06823695342965252, 14.43737504285102,
                         37.26557536290478, 242.3985502822001, 319.3954585695573),
    "17032 Edlu": (57662.0, 2.780427424540843, 0.2344008488917689, 2.329884950051613, 90.25003133877217,
                   95.22086143244837, 276.7382309879603),
    "202930 Ivezic": (57958.0, 2.718768022386389, 0.1315070632396569, 4.560871735768094, 346.2470122522523,
                      8.041126949614425, 73.08539303057145),
    "911 Agamemnon": (57514.0, 5.274077578162197, 0.06587653876453373, 21.7623366437689, 338.0193881512616,
                      81.47071926588421, 179.5643794504768),
    "594913 'Aylo'chaxnim": (59067.0, 0.5554440667526338, 0.1769556382239945, 15.86810539792722,
                             6.709591539982261, 187.3240298152103, 21.97053700969231),
}  # fmt: skip
SITES = {"X05": (-30.2446, -70.7494), "W84": (-30.1697, -70.8065)}  # degrees north and east
# MJD (UTC), observatory, right ascension, declination
HORIZONS = [
    ("2 Pallas", 57227.99921083964, "X05", 256.029227058, 21.742203763),
    ("2 Pallas", 57239.999210843176, "X05", 255.493984048, 19.620713964),
    ("2 Pallas", 57280.020044184566, "W84", 258.817592286, 12.005124158),
    ("2 Pallas", 57285.99921085179, "W84", 259.886332755, 10.948794167),
    ("6 Hebe", 57489.99921081442, "X05", 177.642967565, 17.06143784),
    ("6 Hebe", 57495.999210814836, "X05", 176.740990601, 17.387425677),
    ("2001 Einstein", 57651.04087751866, "W84", 209.581796107, -28.220806438),
    ("10297 Lynnejones", 57620.040877513755, "W84", 213.06656599, -19.069491536),
    ("17032 Edlu", 57631.99921084951, "X05", 88.675003193, 22.670119856),
    ("17032 Edlu", 57645.9992108515, "X05", 92.720659448, 22.705561563),
    ("202930 Ivezic", 57932.02003259058, "X05", 80.940517354, 26.512116257),
    ("202930 Ivezic", 57945.999199261816, "X05", 87.571216112, 26.801527038),
    ("911 Agamemnon", 57490.02004414776, "X05", 235.515272681, -45.117798699),
    ("911 Agamemnon", 57503.99921081571, "X05", 233.65702089, -45.516113625),
    ("594913 'Aylo'chaxnim", 59061.999199267906, "X05", 152.289713526, 8.991461485),
    ("594913 'Aylo'chaxnim", 59073.99919927128, "X05", 166.08002803, -1.326917345),
]
PALLAS_LINE = (
    "00002    4.2   0.15 K205V 144.97567  310.20237  173.02474   34.83293  0.2299723  0.21334458   2.7738415"
    "  0 MPO530953  8031 109 1821-2019 0.58 M-v 28h MPCW       0000      (2) Pallas             20190812"
)
PALLAS_2022 = (59836.0, 92.750094321, -10.561059030)  # geocentric, 836 days after that line's epoch


def table(*bodies: tuple[float, ...], **more: float) -> np.ndarray:
    rows = np.zeros(len(bodies), dtype=DTYPE)
    for name, values in zip(
        ("epoch", "a", "e", "incl", "node", "peri", "mean"), zip(*bodies, strict=True), strict=True
    ):
        rows[name] = values
    for name, value in more.items():
        rows[name] = value
    return rows


def apart_arcsec(name: str, mjd: float, site, ra: float, dec: float, **how) -> float:
    places = seen(Orbits.of(table(ELEMENTS[name])), mjd, site, **how)
    return float(separation_deg(places.ra[0], places.dec[0], ra, dec)) * 3600.0


@pytest.mark.parametrize(("name", "mjd", "observatory", "ra", "dec"), HORIZONS)
def test_horizons_is_met_within_30_days_of_the_epoch(
    name: str, mjd: float, observatory: str, ra: float, dec: float
) -> None:
    """The goal is 5 arcsec; what is reached is 0.02, and 0.7 by the two-body orbit alone."""
    assert abs(mjd - ELEMENTS[name][0]) <= 30.1
    assert apart_arcsec(name, mjd, SITES[observatory], ra, dec) < 0.02
    assert apart_arcsec(name, mjd, SITES[observatory], ra, dec, perturbed=False) < 0.7
    assert apart_arcsec(name, mjd, None, ra, dec) < 10.0  # the parallax of the ground


def test_the_observers_place_matters_for_what_is_near() -> None:
    name, mjd, observatory, ra, dec = HORIZONS[-1]
    assert apart_arcsec(name, mjd, None, ra, dec) > 8.0
    assert apart_arcsec(name, mjd, SITES[observatory], ra, dec) < 0.02


def test_a_line_of_mpcorb_is_right_to_half_an_arcsecond_after_836_days(tmp_path: Path) -> None:
    path = tmp_path / "MPCORB.DAT"
    path.write_text(PALLAS_LINE + "\n")
    library = Library(tmp_path / "home")
    catalog = added(library, path)
    rows = np.load(catalog.folder / "orbits.npy")
    mjd, ra, dec = PALLAS_2022
    apart = []
    for perturbed in (True, False):
        places = seen(Orbits.of(rows), mjd, None, perturbed=perturbed)
        apart.append(float(separation_deg(places.ra[0], places.dec[0], ra, dec)) * 3600.0)
    assert apart[0] < 0.5
    assert apart[1] > 500.0  # what the planets have added by then


def test_ceres_at_the_epoch_is_where_horizons_has_it() -> None:
    """Barycentric by Horizons (python-skyfield, authorities/ceres-position), the Sun's place taken off."""
    barycentric = np.array([1.334875927366032, -2.239607658161781, -1.328895183461897])
    sun = np.array([-0.004105894975783999, 0.006739680703224941, 0.002956344702049446])
    # The same file has the elements on the equator; these are the ecliptic ones of that state.
    position, velocity = barycentric - sun, np.array(
        [8.679572171334722e-3, 4.382113869938210e-3, 2.971677617262620e-4]
    )  # fmt: skip
    rows = table(_elements_of(position, velocity, 58886.0))
    found, _ = Orbits.of(rows).states(58886.0)
    assert np.linalg.norm(found[0] - position) < 1e-9


def _elements_of(position: np.ndarray, velocity: np.ndarray, epoch: float) -> tuple[float, ...]:
    """Elements from a state, as a textbook has them: an independent way back."""
    tilt = np.radians(84381.448 / 3600.0)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
    r, v = turn @ position, turn @ velocity
    distance, h = np.linalg.norm(r), np.cross(r, v)
    eccentricity = np.cross(v, h) / MU - r / distance
    e = np.linalg.norm(eccentricity)
    a = 1.0 / (2.0 / distance - v @ v / MU)
    node = np.array([-h[1], h[0], 0.0])
    omega = np.arctan2(h[0], -h[1])
    incl = np.arccos(h[2] / np.linalg.norm(h))
    peri = np.arctan2(eccentricity @ np.cross(h / np.linalg.norm(h), node), eccentricity @ node)
    cosine = (1.0 - distance / a) / e
    anomaly = np.arctan2(r @ v / (e * np.sqrt(MU * a)), cosine)
    mean = anomaly - e * np.sin(anomaly)
    return epoch, a, e, np.degrees(incl), np.degrees(omega), np.degrees(peri), np.degrees(mean)


@given(st.floats(-50.0, 50.0), st.floats(0.0, 0.9999))
def test_keplers_equation_holds(mean: float, e: float) -> None:
    anomaly = eccentric_anomaly(np.array([mean]), np.array([e]))[0]
    rest = np.remainder(anomaly - e * np.sin(anomaly) - mean + np.pi, 2 * np.pi) - np.pi
    assert abs(rest) < 1e-9


def test_three_steps_solve_keplers_equation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kepler, "KEPLER_STEPS", 3)
    anomaly, e = map(np.ravel, np.meshgrid(np.linspace(-3.1, 3.1, 63), [0.05, 0.2, 0.4, 0.6, 0.8, 0.95]))
    assert np.abs(eccentric_anomaly(anomaly - e * np.sin(anomaly), e) - anomaly).max() < 1e-12


@pytest.mark.parametrize("days", [400.0, -250.0])
def test_what_the_planets_add_is_what_a_far_finer_integration_of_all_forces_finds(days: float) -> None:
    rows = table(ELEMENTS["2 Pallas"], ELEMENTS["911 Agamemnon"], epoch=57600.0)
    orbits = Orbits.of(rows)
    solved = solve_ivp(
        _moved_by_all,
        (57600.0, 57600.0 + days),
        np.ravel(orbits.states(57600.0)),
        "DOP853",
        rtol=1e-13,
        atol=1e-15,
    )
    for truth, on_orbit, added_to_it, most in zip(
        solved.y[:, -1].reshape(2, 2, 3),
        orbits.states(57600.0 + days),
        displaced(orbits, 57600.0 + days)[:2],
        (2e-11, 1e-13),
        strict=True,
    ):
        assert np.abs(truth - on_orbit).max() > 1e6 * most
        assert np.abs(on_orbit + added_to_it - truth).max() < most


def _moved_by_all(tt: float, state: np.ndarray) -> np.ndarray:
    """Velocities and accelerations by the Sun, which the planets pull as well, and by the planets."""
    place, velocity = state.reshape(2, -1, 3)
    pull = -MU * place / np.linalg.norm(place, axis=1, keepdims=True) ** 3
    earth = np.asarray(erfa.epv00(2400000.5, tt)[0]["p"])
    moon = earth + np.asarray(erfa.moon98(2400000.5, tt)["p"])
    others = [np.asarray(erfa.plan94(2400000.5, tt, number)["p"]) for number in RECIPROCAL_MASSES]
    masses = (EARTH_MASS, MOON_MASS, *RECIPROCAL_MASSES.values())
    for planet, mass in zip((earth, moon, *others), masses, strict=True):
        towards = planet - place
        pull += MU / mass * towards / np.linalg.norm(towards, axis=1, keepdims=True) ** 3
        pull -= MU / mass * planet / np.linalg.norm(planet) ** 3
    return np.ravel([velocity, pull])


@pytest.mark.parametrize(("au", "days"), [(0.01, 1.0), (0.01, 30.0), (0.02, 390.0)])
def test_what_passes_the_earth_is_found_all_day(au: float, days: float, tmp_path: Path) -> None:
    """Its own gravity, and the Moon's, have moved it by degrees; its elements are of long before."""
    random = np.random.default_rng(int(1000 * au + days))
    noon, epoch, count = 60230.4, np.floor(60230.4 - days), 8
    earth = erfa.epv00(2400000.5, noon)[0]
    aside = random.normal(size=(count, 3))
    place = np.array(earth["p"]) + au * aside / np.linalg.norm(aside, axis=1, keepdims=True)
    state = np.ravel([place, np.array(earth["v"]) + random.normal(0.0, 0.003, (count, 3))])

    def at(tt: float) -> np.ndarray:
        """Elements that are true at a time."""
        there = solve_ivp(_moved_by_all, (noon, tt), state, "DOP853", rtol=1e-12, atol=1e-15).y[:, -1]
        return table(
            *(_elements_of(*each, tt) for each in zip(*there.reshape(2, count, 3), strict=True)),
            h=20.0,
        )

    rows = at(epoch)
    rows["name"] = [b"%d" % i for i in range(count)]
    np.save(tmp_path / "orbits.npy", rows)
    times = np.repeat([noon - 0.35, noon, noon + 0.35], count)
    truth = [seen(Orbits.of(at(terrestrial_time(mjd))), mjd, None, perturbed=False) for mjd in times[::count]]
    ra, dec = (np.concatenate([getattr(each, axis) for each in truth]) for axis in ("ra", "dec"))
    found = SmallBodies(tmp_path, "near", 2023.0).matches(ra, dec, times, 5.0)
    assert [each and each["name"] for each in found] == [str(i) for i in range(count)] * 3
    assert all(each["distance_arcsec"] < 3.0 * each["uncertainty_arcsec"] for each in found)


def test_velocity_is_the_slope_of_position_and_energy_is_kept() -> None:
    random = np.random.default_rng(4)
    count = 200
    rows = np.zeros(count, dtype=DTYPE)
    rows["a"], rows["e"] = random.uniform(0.6, 40.0, count), random.uniform(0.0, 0.97, count)
    for name in ("incl", "node", "peri", "mean"):
        rows[name] = random.uniform(0.0, 180.0, count)
    rows["epoch"] = 60000.0
    orbits = Orbits.of(rows)
    before, here, after = (orbits.states(60100.0 + dt) for dt in (-1e-3, 0.0, 1e-3))
    slope = (after[0] - before[0]) / 2e-3
    assert np.abs(slope - here[1]).max() < 1e-6
    energy = 0.5 * np.sum(here[1] ** 2, axis=1) - MU / np.linalg.norm(here[0], axis=1)
    assert energy == pytest.approx(-0.5 * MU / rows["a"], rel=1e-9)


def test_terrestrial_time_counts_the_leap_seconds() -> None:
    assert (terrestrial_time(57754.5) - 57754.5) * 86400.0 == pytest.approx(69.184, abs=1e-3)
    assert (terrestrial_time(57000.0) - 57000.0) * 86400.0 == pytest.approx(67.184, abs=1e-3)
    assert (terrestrial_time(62000.0) - 62000.0) * 86400.0 == pytest.approx(69.184, abs=1e-3)


def test_brightness_is_that_of_horizons() -> None:
    """V of Horizons: Edlu 20.030 with H 14.27, Pallas 9.694 with H 4.12 and G 0.11."""
    for name, row, h, g, v in (("17032 Edlu", 8, 14.27, 0.15, 20.03), ("2 Pallas", 0, 4.12, 0.11, 9.694)):
        places = seen(Orbits.of(table(ELEMENTS[name])), HORIZONS[row][1], None)
        assert magnitude(np.array([h]), np.array([g]), places)[0] == pytest.approx(v, abs=0.01)


@pytest.fixture
def crowd(tmp_path: Path) -> tuple[SmallBodies, np.ndarray]:
    """Twenty thousand bodies, near and far, of two epochs, as a catalogue holds them."""
    random = np.random.default_rng(11)
    count = 20_000
    rows = np.zeros(count, dtype=DTYPE)
    rows["epoch"] = np.where(random.random(count) < 0.9, 60200.0, 60000.0)
    rows["a"], rows["e"] = random.uniform(0.8, 3.5, count), random.uniform(0.0, 0.4, count)
    rows["incl"] = random.rayleigh(8.0, count)
    for name in ("node", "peri", "mean"):
        rows[name] = random.uniform(0.0, 360.0, count)
    rows["h"], rows["g"], rows["rms"] = 18.0, 0.15, 0.5
    rows["name"] = [b"%d" % i for i in range(count)]
    np.save(tmp_path / "orbits.npy", rows)
    return SmallBodies(tmp_path, "crowd", 2023.0), rows


def test_the_few_bodies_that_are_propagated_are_all_that_matter(
    crowd: tuple[SmallBodies, np.ndarray],
) -> None:
    """Each body is found where the propagation of all of them has it, at any time of the day."""
    bodies, rows = crowd
    for mjd in (60230.02, 60230.5, 60230.98):
        # What the planets add is 0.3 degrees at most: all others are far from there, and from the Earth.
        alone = seen(Orbits.of(rows), mjd, None, perturbed=False)
        is_near = separation_deg(alone.ra, alone.dec, 40.0, 16.0) < 5.0
        near = np.flatnonzero(is_near | (alone.distance < np.sort(alone.distance)[20]))
        places = seen(Orbits.of(rows[near]), mjd, None)
        chosen = np.flatnonzero(separation_deg(places.ra, places.dec, 40.0, 16.0) < 3.0)
        fastest = np.argsort(places.distance)[:5]  # as near as some ten thousandths of an au
        assert len(chosen) > 2
        for some in (chosen, *(np.array([one]) for one in fastest)):
            answers = bodies.matches(places.ra[some], places.dec[some], mjd, 1.0)
            assert [answer and answer["distance_arcsec"] for answer in answers] == pytest.approx(
                [0.0] * len(some), abs=0.01
            )
            assert {answer["name"] for answer in answers} <= {str(i) for i in near[some]} | set(
                rows["name"][near[chosen]].astype(str)
            )


def test_nothing_is_where_no_body_is_and_old_orbits_do_not_say_so(
    crowd: tuple[SmallBodies, np.ndarray],
) -> None:
    bodies, _ = crowd
    pole = np.array([10.0]), np.array([89.0])
    assert bodies.matches(*pole, 60230.0, 10.0) == [None]
    assert "days before or after" in bodies.matches(*pole, 61000.0, 10.0)[0]
    assert bodies.matches(*pole, float("nan"), 10.0) == ["the time is not known"]


def test_places_all_over_the_sky_and_over_days_are_answered_as_one_by_one(
    crowd: tuple[SmallBodies, np.ndarray],
) -> None:
    bodies, rows = crowd
    random = np.random.default_rng(5)
    some = random.choice(len(rows), 60, replace=False)
    times = 60230.0 + random.choice([0.03, 0.51, 0.97, 1.2, 9.4], 60)
    places = [seen(Orbits.of(rows[[one]]), mjd, None) for one, mjd in zip(some, times, strict=True)]
    ra, dec = (np.concatenate([getattr(each, axis) for each in places]) for axis in ("ra", "dec"))
    dec[::6] = np.clip(dec[::6] + 0.1, -89.0, 89.0)  # and places where nothing need be
    times[7], times[8] = np.nan, 61000.0
    together = bodies.matches(ra, dec, times, 1.0)
    for i, answer in enumerate(together):
        (alone,) = bodies.matches(ra[[i]], dec[[i]], times[i], 1.0)
        if isinstance(alone, dict):
            assert answer["name"] == alone["name"]
            assert answer["distance_arcsec"] == pytest.approx(alone["distance_arcsec"], abs=0.002)
        else:
            assert answer == alone
    # Each is propagated alone above by its own integration: straight on within a day is as good.
    hits = [i for i in range(60) if i % 6 and i not in (7, 8)]
    assert max(together[i]["distance_arcsec"] for i in hits) < 0.01


def test_uncertainty_grows_with_time_and_with_u() -> None:
    rows = np.zeros(4, dtype=DTYPE)
    rows["epoch"], rows["u"], rows["rms"] = 60000.0, [0.0, 5.0, 9.0, np.nan], 0.5
    now, later = uncertainty(rows, 60000.0), uncertainty(rows, 60100.0)
    assert now == pytest.approx(np.full(4, np.hypot(0.5, 0.1)))
    assert np.all(later > now)
    assert later[2] == later[3] == pytest.approx(648000.0 * 100.0 / 3652.5, rel=1e-6)
    # By the Center's own definition U = 5 is a runoff below 1692 arcsec a decade.
    assert later[1] == pytest.approx(np.hypot(1692.0 * 100 / 3652.5, np.hypot(0.5, 0.2)), rel=1e-3)


def test_a_near_body_is_as_much_less_certain_as_it_is_nearer() -> None:
    rows = np.zeros(1, dtype=DTYPE)
    rows["epoch"], rows["u"] = 60000.0, 3.0
    far, near = uncertainty(rows, 60100.0), uncertainty(rows, 60100.0, 50.0)
    assert near == pytest.approx(50.0 * far)


def test_a_candidate_is_told_the_body_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "MPCORB.DAT"
    path.write_text(PALLAS_LINE + "\n")
    library = Library(tmp_path / "home")
    limits = CatalogSettings()
    mjd, ra, dec = 59836.0 - 500.0, 0.0, 0.0
    empty = KnownSky(library, limits).match(np.array([ra]), np.array([dec]), np.array([mjd]))
    assert empty[0]["solar_system"] == {"status": "unknown", "reason": "no catalogue of orbits"}
    catalog = added(library, path)
    places = seen(Orbits.of(np.load(catalog.folder / "orbits.npy")), mjd, None)
    ra, dec = places.ra[0] + 2.0 / 3600.0 / np.cos(np.radians(places.dec[0])), places.dec[0]
    known = KnownSky(library, limits)
    times = np.array([mjd, mjd, np.nan, mjd + 500.0])
    found = known.match(np.array([ra, ra + 1.0, ra, ra]), np.full(4, dec), times)
    told = found[0]["solar_system"]
    assert (told["status"], told["name"], told["catalog"]) == ("match", "(2) Pallas", "MPCORB")
    assert told["distance_arcsec"] == pytest.approx(2.0, abs=0.02)
    assert told["days"] == 336.0
    assert 0.5 < told["uncertainty_arcsec"] < 1.0
    assert found[1]["solar_system"]["status"] == "none"
    assert found[2]["solar_system"] == {"status": "unknown", "reason": "the time is not known"}
    assert "836 days" in found[3]["solar_system"]["reason"]


def test_each_place_is_seen_from_its_own_site(tmp_path: Path) -> None:
    """Pallas at some 3 au is seconds of arc elsewhere from the other side of the Earth."""
    path = tmp_path / "MPCORB.DAT"
    path.write_text(PALLAS_LINE + "\n")
    library, mjd = Library(tmp_path / "home"), np.array([59020.0])
    orbits = Orbits.of(np.load(added(library, path).folder / "orbits.npy"))
    sites = [(33.36, -116.86), None, (-30.24, 109.26), (33.36, -116.86)]
    centre = seen(orbits, 59020.0, None)
    answers = KnownSky(library, CatalogSettings()).match(
        np.repeat(centre.ra, 4), np.repeat(centre.dec, 4), np.repeat(mjd, 4), sites
    )
    told = [each["solar_system"]["distance_arcsec"] for each in answers]
    for distance, site in zip(told, sites, strict=True):
        place = seen(orbits, 59020.0, site)
        truth = float(separation_deg(place.ra, place.dec, centre.ra, centre.dec)[0]) * 3600.0
        assert distance == pytest.approx(truth, abs=0.01)
    assert told[1] < 0.01 < 0.5 < min(told[0], told[2])
    assert told[0] == told[3] != pytest.approx(told[2], abs=0.05)


def test_of_two_catalogues_of_orbits_the_nearer_body_is_told(tmp_path: Path) -> None:
    library = Library(tmp_path / "home")
    anomaly = PALLAS_LINE[26:35]
    for name, moved in (("first", 0.001), ("second", 0.0), ("third", -0.0005)):
        path = tmp_path / f"{name}.DAT"
        path.write_text(PALLAS_LINE.replace(anomaly, f"{float(anomaly) + moved:9.5f}") + "\n")
        added(library, path)
    mjd = np.array([59020.0])
    place = seen(Orbits.of(np.load(library.catalogs("orbits")[1].folder / "orbits.npy")), mjd[0], None)
    (answer,) = KnownSky(library, CatalogSettings()).match(place.ra, place.dec, mjd)
    told = answer["solar_system"]
    assert (told["catalog"], told["distance_arcsec"]) == ("second", pytest.approx(0.0, abs=0.01))


def test_none_is_said_by_the_catalogue_whose_orbits_can_tell(tmp_path: Path) -> None:
    library = Library(tmp_path / "home")
    for name, epoch in (("old", "K205V"), ("present", "K228H")):
        path = tmp_path / f"{name}.DAT"
        path.write_text(PALLAS_LINE.replace("K205V", epoch) + "\n")
        added(library, path)
    times = np.array([59836.0, 59000.0, 57000.0])
    assert [each.name for each in library.catalogs("orbits")] == ["old", "present"]
    answers = KnownSky(library, CatalogSettings()).match(np.zeros(3), np.full(3, 89.0), times)
    told = [each["solar_system"] for each in answers]
    assert [one.get("catalog") for one in told] == ["present", "old", None]
    assert told[2]["status"] == "unknown"
