"""Tables of positions are searched as brute force would, at the poles and at RA 0 too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.catalogs.build import PartWriter
from core.catalogs.coverage import Coverage, RowCounter
from core.catalogs.zones import ZoneTable
from core.objects.sphere import separation_deg

CENTRES = [(0.0, 0.0), (359.99, -30.0), (120.0, 89.95), (240.0, -89.97), (77.0, 45.0)]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ZoneTable:
    random = np.random.default_rng(5)
    ra = np.concatenate([random.normal(a, 0.3, 400) % 360.0 for a, _ in CENTRES])
    dec = np.concatenate([random.normal(d, 0.05, 400) for _, d in CENTRES])
    ra = np.concatenate([ra, [0.0, 10.0, 0.0, 359.9999999]])
    dec = np.concatenate([np.clip(dec, -90.0, 90.0), [90.0, -90.0, 0.0, 0.0]])
    return made(tmp_path_factory.mktemp("zones"), ra=ra, dec=dec)


def made(folder: Path, **columns: np.ndarray) -> ZoneTable:
    writer = PartWriter(folder, [n for n in columns if n not in {"ra", "dec"}], [], whole_names=False)
    for rows in np.array_split(np.arange(len(columns["ra"])), 3):  # as chunks of a file come
        writer.add({name: values[rows] for name, values in columns.items()})
    parts, _ = writer.write()
    assert len(parts) == 1
    return ZoneTable(folder / "part0")


PLACES = st.one_of(st.sampled_from(CENTRES), st.tuples(st.floats(0.0, 360.0), st.floats(-90.0, 90.0)))


@settings(max_examples=150)
@given(st.lists(PLACES, min_size=1, max_size=4), st.one_of(st.floats(0.0, 0.2), st.floats(0.0, 180.0)))
@example([(0.0, 90.0)], 0.1)
@example([(200.0, -90.0), (200.0, 90.0)], 0.1)
@example([(0.0, 0.0), (360.0, 0.0)], 0.05)
@example([(0.0, 0.0)], 180.0)
def test_the_nearest_is_what_brute_force_finds(
    table: ZoneTable, places: list[tuple[float, float]], radius: float
) -> None:
    ra, dec = (np.array(each) for each in zip(*places, strict=True))
    rows, distance = table.nearest(ra, dec, radius, np.zeros(len(ra)))
    all_ra, all_dec = table.column("ra"), table.column("dec")
    for i in range(len(ra)):
        apart = separation_deg(all_ra, all_dec, ra[i], dec[i])
        if apart.min() > radius + 1e-9:
            assert rows[i] == -1
        elif apart.min() < radius - 1e-9:
            assert distance[i] == pytest.approx(apart.min(), abs=1e-10)
            assert apart[rows[i]] == pytest.approx(apart.min(), abs=1e-10)


@settings(max_examples=60)
@given(PLACES, st.floats(0.0, 2.0))
@example((0.0, 90.0), 0.5)
def test_pairs_hold_all_of_a_cone_once(table: ZoneTable, place: tuple[float, float], radius: float) -> None:
    ra, dec = np.array([place[0]]), np.array([place[1]])
    near = np.concatenate([rows for _, rows in table.pairs(ra, dec, np.array([radius]))] or [[]])
    assert len(near) == len(set(near.tolist()))
    apart = separation_deg(table.column("ra"), table.column("dec"), *place)
    assert set(np.flatnonzero(apart <= radius - 1e-10)) <= set(near.astype(int).tolist())


def test_proper_motion_moves_along_the_great_circle(tmp_path: Path) -> None:
    """Barnard's star in 25 years, and a star that passes the pole; a century at most of what Gaia sees."""
    table = made(
        tmp_path,
        ra=np.array([269.448614, 10.0]),
        dec=np.array([4.739544, 89.9999]),
        pmra=np.array([-802.8, 0.0]),
        pmdec=np.array([10362.5, 3600.0]),
    )
    order = np.argsort(table.column("dec"))
    years = 25.0
    expected_dec = 4.739544 + 10362.5e-3 * years / 3600.0
    expected_ra = 269.448614 - 802.8e-3 * years / 3600.0 / np.cos(np.radians(4.739544))
    rows, distance = table.nearest(
        np.array([expected_ra]), np.array([expected_dec]), 1 / 3600.0, np.array([years]), drift_deg=0.1
    )
    assert rows[0] == order[0]
    assert distance[0] * 3600.0 < 0.02  # of the 260 arcsec that it moved
    over_the_pole = 89.9999 + 1e-3 * years
    rows, distance = table.nearest(
        np.array([190.0]), np.array([180.0 - over_the_pole]), 1 / 3600.0, np.array([years]), drift_deg=0.1
    )
    assert rows[0] == order[1]
    assert distance[0] * 3600.0 < 0.02


def test_what_the_rows_cover_is_where_they_are() -> None:
    random = np.random.default_rng(2)
    dense, sparse, few = RowCounter(), RowCounter(), RowCounter()
    dense.add(random.uniform(149.0, 151.0, 20_000), random.uniform(1.0, 3.0, 20_000))
    all_dec = np.degrees(np.arcsin(random.uniform(-1.0, 1.0, 5000)))
    sparse.add(random.uniform(0.0, 360.0, 5000), all_dec)
    few.add(np.array([10.0, 200.0, 300.0]), np.array([0.0, 50.0, -20.0]))
    field = dense.coverage()
    assert field.cell_deg == 0.125
    inside = np.meshgrid(np.linspace(149.1, 150.9, 30), np.linspace(1.1, 2.9, 30))
    assert field.covers(*(each.ravel() for each in inside)).all()
    assert not field.covers(np.array([150.0, 148.5, 330.0]), np.array([3.5, 2.0, -2.0])).any()
    sky = sparse.coverage()
    assert sky.covers(random.uniform(0.0, 360.0, 500), all_dec[:500]).all()
    assert few.coverage().how == "unknown"
    assert not few.coverage().covers(np.array([10.0]), np.array([0.0])).any()


def test_a_catalogue_may_say_what_it_covers() -> None:
    cone = Coverage("cone", cone=(0.0, 0.0, 1.0))
    assert cone.covers(np.array([359.5, 1.5]), np.array([0.5, 0.0])).tolist() == [True, False]
    assert Coverage("all-sky").covers(np.array([1.0]), np.array([-90.0])).all()
