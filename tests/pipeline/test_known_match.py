"""What is known at a place: the nearest source of every kind, and honestly nothing, or unknown."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from core.catalogs.coverage import Coverage
from core.catalogs.library import Library
from core.objects.sphere import separation_deg
from core.settings_sections import CatalogSettings
from pipeline.known import match
from pipeline.known.match import KINDS, KnownSky, light_radii
from tests.pipeline.catalogs import added, gaia, scattered, write_csv, write_parquet

MJD_2026 = 61041.0
LIMITS = CatalogSettings()


def asked(library: Library, ra, dec, mjd: float = MJD_2026):
    ra, dec = np.atleast_1d(ra), np.atleast_1d(dec)
    return KnownSky(library, LIMITS).match(ra, dec, np.full(len(ra), mjd))


def test_without_catalogues_all_is_unknown_and_says_so(library: Library) -> None:
    (answer,) = asked(library, 10.0, 20.0)
    assert set(KINDS) <= set(answer)
    for kind, catalogs in KINDS.items():
        assert answer[kind] == {"status": "unknown", "reason": f"no catalogue of {catalogs}"}


@pytest.mark.parametrize("centre", [(0.0, 0.0), (359.999, 45.0), (123.0, 89.995), (77.0, -89.999)])
def test_the_nearest_star_is_that_of_brute_force_at_poles_and_meridians(
    library: Library, tmp_path: Path, centre: tuple[float, float]
) -> None:
    ra, dec = scattered(3000, centre, 0.05, seed=1)
    random = np.random.default_rng(3)
    columns = gaia(ra, dec, pmra=random.normal(0, 20, 3000), pmdec=random.normal(0, 20, 3000))
    added(library, write_parquet(tmp_path / "gaia.parquet", **columns))
    here_ra, here_dec = scattered(400, centre, 0.03, seed=2)
    years = 2000.0 + (MJD_2026 - 51544.5) / 365.25 - 2016.0
    shift = years / 3.6e6
    moved_ra = ra + columns["pmra"] * shift / np.cos(np.radians(dec))
    moved_dec = dec + columns["pmdec"] * shift
    for i, answer in enumerate(asked(library, here_ra, here_dec)):
        apart = separation_deg(moved_ra, moved_dec, here_ra[i], here_dec[i]) * 3600.0
        star = answer["star"]
        if apart.min() < LIMITS.star_arcsec - 0.01:
            assert star["status"] == "match"
            # Away from the poles the two ways to move a star agree; at them only ours is right.
            assert star["distance_arcsec"] == pytest.approx(apart.min(), abs=0.01)
            assert star["name"] == str(4_000_000_000_000_000_001 + int(apart.argmin()))
            assert (star["catalog"], star["epoch"], star["band"]) == ("gaia", 2016.0, "G")
        elif apart.min() > LIMITS.star_arcsec + 0.01:
            assert star["status"] != "match"


def test_no_match_and_unknown_are_not_the_same(library: Library, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    ra, dec = random.uniform(149.5, 150.5, 4000), random.uniform(1.5, 2.5, 4000)
    added(library, write_csv(tmp_path / "field.csv", **gaia(ra, dec)))
    apart = separation_deg(ra[:, None], dec[:, None], 150.0 + np.arange(200) * 1e-3, np.full(200, 2.0))
    lonely = 150.0 + 1e-3 * int(apart.min(axis=0).argmax())
    inside, outside = asked(library, [lonely, 155.0], [2.0, 2.0])
    assert inside["star"] == {"status": "none", "catalog": "field", "epoch": 2016.0, "within_arcsec": 10.0}
    assert outside["star"] == {"status": "unknown", "reason": "no catalogue of stars covers this place"}
    added(
        library,
        write_csv(tmp_path / "tns.csv", name=["2026abc"], ra=["10:20:00.0"], declination=["+02:00:00"]),
        kind="transients",
    )
    (here,) = asked(library, 155.0, 2.0)
    assert (here["transient"]["status"], here["transient"]["name"]) == ("match", "2026abc")
    (there,) = asked(library, 100.0, 2.0)
    assert there["transient"]["status"] == "unknown"  # one source does not say what it covers


def test_a_catalogue_that_knows_no_sizes_does_not_say_within_how_many_there_is_no_galaxy(
    library: Library, tmp_path: Path
) -> None:
    place, around = {"ra": [150.0], "dec": [2.0], "redshift": [0.02]}, Coverage("cone", (150.0, 2.0, 1.0))
    added(library, write_csv(tmp_path / "bare.csv", **place), kind="galaxies", coverage=around)
    near, far = asked(library, [150.0, 150.0], [2.0 + 9.0 / 3600.0, 2.0 + 11.0 / 3600.0])
    assert near["galaxy"]["status"] == "match"
    assert far["galaxy"] == {"status": "none", "catalog": "bare", "epoch": None, "within_arcsec": 10.0}
    sized = write_csv(tmp_path / "sized.csv", **place, d25=[0.1])
    added(library, sized, coverage=around, name="bare", replace=True)
    (far,) = asked(library, 150.0, 2.0 + 20.0 / 3600.0)  # of a radius of 3 arcsec
    assert far["galaxy"] == {"status": "none", "catalog": "bare", "epoch": None, "within_sizes": 5.0}


def test_of_two_catalogues_the_nearer_source_counts(library: Library, tmp_path: Path) -> None:
    for name, offset in (("far", 3.0), ("near", 1.0)):
        dec = [20.0 + offset / 3600.0]
        path = write_csv(tmp_path / f"{name}.csv", name=[name], ra=[10.0], dec=dec, gmag=[12.0], rmag=[11.5])
        added(library, path, kind="stars")
    (answer,) = asked(library, 10.0, 20.0)
    assert answer["star"]["name"] == "near"
    assert answer["star"]["distance_arcsec"] == pytest.approx(1.0, abs=0.01)
    assert (answer["star"]["mag"], answer["star"]["band"]) == (11.5, "r")  # before g


def test_a_fast_star_is_found_where_it_is_now(library: Library, tmp_path: Path) -> None:
    """Barnard's star among slow ones, which are not searched as far for its sake."""
    columns = gaia(
        [269.448614, 269.5], [4.739544, 4.7], pmra=[-802.803, 1.0], pmdec=[10362.542, 1.0],
        phot_g_mean_mag=[8.19, 15.0],
    )  # fmt: skip
    catalog = added(library, write_csv(tmp_path / "barnard.csv", **columns))
    assert sorted(round(part.motion_mas) for part in catalog.parts) == [1, 10394]
    years = catalog.years_to(np.array([MJD_2026]))[0]
    dec = 4.739544 + 10362.542 * years / 3.6e6
    ra = 269.448614 - 802.803 * years / 3.6e6 / math.cos(math.radians(4.8))
    (answer,) = asked(library, ra, dec)
    assert answer["star"]["mag"] == 8.19
    assert answer["star"]["distance_arcsec"] < 0.05
    (then,) = asked(library, 269.448614, 4.739544)
    assert then["star"]["status"] != "match"


def test_a_host_is_measured_in_its_own_size(library: Library, tmp_path: Path) -> None:
    """A large galaxy edge-on, its long axis north, beside a small round one and one without a size."""
    columns = {
        "name": ["large", "small", "dot"], "ra": [150.0, 150.0, 150.2], "dec": [2.0, 2.03, 2.2],
        "sma_arcsec": [60.0, 3.0, None], "ba": [0.2, 1.0, None], "pa": [0.0, None, None],
        "z": [0.01, 0.2, 0.3],
    }  # fmt: skip
    catalog = added(library, write_csv(tmp_path / "hosts.csv", **columns))
    assert catalog.kind == "galaxies"
    arcsec = 1 / 3600.0
    north, east, beside, dot, nothing = asked(
        library,
        [150.0, 150.0 + 60.0 * arcsec, 150.0, 150.2, 151.0],
        [2.0 + 60.0 * arcsec, 2.0, 2.03 + 3.0 * arcsec, 2.2 + 4.0 * arcsec, 2.0],
    )
    assert north["galaxy"]["name"] == "large"
    assert north["galaxy"]["sizes"] == pytest.approx(1.0, abs=0.01)
    assert east["galaxy"]["sizes"] == pytest.approx(5.0, abs=0.02)  # its short axis is a fifth
    assert east["galaxy"]["distance_arcsec"] == pytest.approx(60.0, abs=0.05)
    # 108 arcsec from the large one are 1.85 of its sizes, 3 from the small one are 1.
    assert beside["galaxy"]["name"] == "small"
    assert beside["galaxy"]["redshift"] == pytest.approx(0.2, abs=1e-6)
    assert (dot["galaxy"]["name"], dot["galaxy"]["sizes"]) == ("dot", None)
    assert nothing["galaxy"]["status"] == "unknown"


@pytest.mark.parametrize(
    ("towards", "radii"),
    [(30.0, 1.0), (120.0, 2.0), (210.0, 1.0), (60.0, 1.75**0.5), (0.0, 1.75**0.5), (-30.0, 3.25**0.5)],
)
def test_a_hosts_long_axis_is_turned_from_north_to_east(towards: float, radii: float) -> None:
    """The long axis of 10 arcsec at a position angle of 30 degrees, the short one half of it."""
    angle, dec = math.radians(towards), 60.0
    east, north = 10.0 / 3600.0 * math.sin(angle), 10.0 / 3600.0 * math.cos(angle)
    ellipse = tuple(np.array([each]) for each in (150.0, dec, 10.0 / 3600.0, 0.5, 30.0))
    point = np.array([150.0 + east / math.cos(math.radians(dec))]), np.array([dec + north])
    assert light_radii(ellipse, *point) == pytest.approx(radii, rel=1e-3)


def test_a_variable_brings_its_type_and_period(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "vsx.csv"
    path.write_text("OID,Name,RAJ2000,DEJ2000,Type,max,Period\n7,V1 Test,10.0,20.0,EA/SD,<12.5,1.25\n")
    added(library, path)
    (answer,) = asked(library, 10.0, 20.0)
    found = answer["variable"]
    assert (found["name"], found["type"], found["period"], found["mag"]) == ("V1 Test", "EA/SD", 1.25, 12.5)


def test_a_broken_catalogue_makes_its_answers_unknown_and_no_more(library: Library, tmp_path: Path) -> None:
    ra, dec = scattered(100, (10.0, 20.0), 0.01)
    catalog = added(library, write_csv(tmp_path / "gaia.csv", **gaia(ra, dec)))
    (catalog.folder / "part0" / "ra.npy").write_bytes(b"damaged")
    (answer,) = asked(Library(library.folder.parent), ra[0], dec[0])
    assert answer["star"] == {"status": "unknown", "reason": "the catalogues of stars cannot be read"}


def test_the_state_changes_with_the_way_in_which_answers_are_found(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = KnownSky(library, LIMITS).state
    monkeypatch.setattr(match, "WAY", match.WAY + 1)
    assert KnownSky(library, LIMITS).state != before


def test_the_state_changes_with_the_catalogues_and_the_limits(library: Library, tmp_path: Path) -> None:
    before = KnownSky(library, LIMITS).state
    assert KnownSky(library, LIMITS).state == before
    assert KnownSky(library, CatalogSettings(star_arcsec=3.0)).state != before
    ra, dec = scattered(10, (10.0, 20.0), 0.01)
    added(library, write_csv(tmp_path / "gaia.csv", **gaia(ra, dec)))
    added_state = KnownSky(library, LIMITS).state
    assert added_state != before
    library.remove("gaia")
    assert KnownSky(library, LIMITS).state == before
