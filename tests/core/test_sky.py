"""A cone holds what a brute-force search finds: everywhere, poles and RA 0 included."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Rejection, SkyObject
from core.objects.sky import cone_conditions, objects_in_cone, objects_on_grid, rows_in_cone
from core.objects.sphere import chord, match_nearest, ra_ranges, separation_deg, unit_vectors, zone_of
from tests.core.frames import add_frames, add_reference

ANGLES = st.floats(0.0, 360.0, exclude_max=True)
DECLINATIONS = st.floats(-90.0, 90.0)


def angle_by_vectors(ra: float, dec: float, ra2: float, dec2: float) -> float:
    """An independent way: the arc tangent of cross and dot product."""
    a, b = unit_vectors(ra, dec), unit_vectors(ra2, dec2)
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))


@given(ANGLES, DECLINATIONS, ANGLES, DECLINATIONS)
def test_separations_agree_with_vectors(ra: float, dec: float, ra2: float, dec2: float) -> None:
    assert float(separation_deg(ra, dec, ra2, dec2)) == pytest.approx(
        angle_by_vectors(ra, dec, ra2, dec2), abs=1e-6
    )


def test_small_separations_keep_their_digits() -> None:
    assert float(separation_deg(10.0, 0.0, 10.0 + 1e-9, 0.0)) == pytest.approx(1e-9, rel=1e-5)


@given(ANGLES, DECLINATIONS, st.floats(0.0, 120.0), ANGLES, st.floats(0.0, 1.0))
@example(0.0, 89.999, 0.01, 180.0, 1.0)
@example(359.9999, 0.0, 0.001, 90.0, 1.0)
@example(180.0, -90.0, 1.0, 12.0, 1.0)
def test_the_ranges_hold_every_point_of_the_cone(
    ra: float, dec: float, radius: float, bearing: float, share: float
) -> None:
    # A point at that bearing and distance from the centre.
    b, r, d = math.radians(bearing), math.radians(radius * share), math.radians(dec)
    sine = math.sin(d) * math.cos(r) + math.cos(d) * math.sin(r) * math.cos(b)
    dec2 = math.degrees(math.asin(max(-1.0, min(1.0, sine))))
    dra = math.atan2(math.sin(b) * math.sin(r) * math.cos(d), math.cos(r) - math.sin(d) * sine)
    ra2 = (ra + math.degrees(dra)) % 360.0
    if separation_deg(ra, dec, ra2, dec2) > radius:
        return  # rounding put it outside
    inside = sum(low <= ra2 <= high for low, high in ra_ranges(ra, dec, radius))
    assert inside == 1 or (inside == 2 and ra2 in {0.0, 360.0})


SCATTER = [
    (ra % 360.0, max(-90.0, min(90.0, dec)))
    for centre in [(0.0, 0.0), (359.99, -30.0), (120.0, 89.9), (240.0, -89.95), (77.0, 45.0)]
    for ra, dec in np.random.default_rng(7).normal(centre, [0.3, 0.05], (80, 2))
] + [(0.0, 90.0), (10.0, -90.0), (0.0, 0.0), (359.9999999, 0.0)]


@pytest.fixture(scope="module")
def sky_rows() -> list[SkyObject]:
    return [SkyObject(name=f"S{i}", ra=ra, dec=dec, zone=zone_of(dec)) for i, (ra, dec) in enumerate(SCATTER)]


@pytest.fixture
def sky(store: Store, sky_rows: list[SkyObject]) -> Store:
    with store.write() as session:
        session.add_all([SkyObject(**row.model_dump()) for row in sky_rows])
    return store


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.sampled_from(SCATTER), st.tuples(ANGLES, DECLINATIONS)),
    st.one_of(st.floats(0.0, 0.2), st.floats(0.0, 180.0)),
)
@example((0.0, 90.0), 0.1)
@example((200.0, -90.0), 0.1)
@example((0.0, 0.0), 0.05)
@example((0.0, 0.0), 180.0)
@example((33.0, 33.0), 8.5)
def test_a_cone_holds_what_brute_force_finds(sky: Store, centre: tuple[float, float], radius: float) -> None:
    ra, dec = centre
    distance = separation_deg([p[0] for p in SCATTER], [p[1] for p in SCATTER], ra, dec)
    expected = {f"S{i}" for i in np.flatnonzero(distance <= radius)}
    with sky.read() as session:
        found = objects_in_cone(session, ra, dec, radius)
    assert {row.name for row in found} == expected
    assert len(found) == len(expected)
    reached = [float(separation_deg(row.ra or 0.0, row.dec or 0.0, ra, dec)) for row in found]
    assert reached == sorted(reached)


def test_a_small_cone_is_a_seek_into_the_index(sqlite_store: Store) -> None:
    with sqlite_store.read() as session:
        connection = session.connection()
        for condition in cone_conditions(SkyObject, 0.1, 20.0, 0.5):
            query = select(SkyObject).where(condition)
            literal = query.compile(connection, compile_kwargs={"literal_binds": True})
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {literal}").all()
            assert "ix_sky_object_cone (zone=? AND ra>? AND ra<?)" in str(plan)


def test_injected_objects_are_in_a_sky_of_their_own(store: Store) -> None:
    with store.write() as session:
        session.add(SkyObject(name="true", ra=10.0, dec=20.0, zone=zone_of(20.0)))
        session.add(SkyObject(name="drawn", ra=10.0, dec=20.0, zone=zone_of(20.0), injected=True))
    with store.read() as session:
        assert [row.name for row in objects_in_cone(session, 10.0, 20.0, 1.0)] == ["true"]
        assert [row.name for row in objects_in_cone(session, 10.0, 20.0, 1.0, injected=True)] == ["drawn"]


def test_what_was_dropped_is_found_by_position_too(store: Store) -> None:
    (key,) = add_frames(store, 1)
    with store.write() as session:
        for dec in (5.0, 5.1):
            session.add(
                Rejection(
                    observation_id=key,
                    stage="detect",
                    cause="edge",
                    x=0,
                    y=0,
                    ra=1.0,
                    dec=dec,
                    zone=zone_of(dec),
                )
            )
    with store.read() as session:
        assert [row.dec for row in rows_in_cone(session, Rejection, 1.0, 5.0, 0.05)] == [5.0]


def test_a_grid_without_a_sky_is_searched_in_pixels(store: Store) -> None:
    one, two = add_reference(store, 1), add_reference(store, 2)
    with store.write() as session:
        for name, reference, x, y in [
            ("a", one, 10, 10),
            ("b", one, 13, 14),
            ("c", one, 10, 90),
            ("d", two, 10, 10),
        ]:
            session.add(SkyObject(name=name, reference_id=reference.id, x=x, y=y))
    with store.read() as session:
        key = one.id or 0
        assert [row.name for row in objects_on_grid(session, key)] == ["a", "b", "c"]
        assert [row.name for row in objects_on_grid(session, key, 13.0, 14.0, 5.0)] == ["b", "a"]
        assert [row.name for row in objects_on_grid(session, key, 13.0, 14.0, 4.9)] == ["b"]
        assert [row.name for row in objects_on_grid(session, key, 10.0, 80.0)] == ["c", "b", "a"]


COORDINATES = st.floats(-50.0, 50.0)
POINTS = st.lists(st.tuples(COORDINATES, COORDINATES), max_size=12).map(
    lambda rows: np.array(rows, dtype=np.float64).reshape(-1, 2)
)


@given(POINTS, POINTS, st.floats(0.0, 30.0))
def test_partners_are_near_and_nobodys_else_and_no_free_pair_is_left(
    points: np.ndarray, others: np.ndarray, radius: float
) -> None:
    partner = match_nearest(points, others, radius)
    given_away = [int(j) for j in partner if j >= 0]
    assert len(given_away) == len(set(given_away))
    distance = np.hypot(*(points[:, None, :] - others[None, :, :]).transpose(2, 0, 1))
    for i, j in enumerate(partner):
        if j >= 0:
            assert distance[i, j] <= radius + 1e-9
        for k in range(len(others)):
            if distance[i, k] > radius - 1e-9 or k == j:
                continue
            # Whatever is nearer than the partner went to a point at least as near to it.
            if j < 0 or distance[i, k] < distance[i, j]:
                holder = int(np.flatnonzero(partner == k)[0])
                assert distance[holder, k] <= distance[i, k] + 1e-9


def test_each_point_has_its_own_radius() -> None:
    points = np.array([[0.0, 0.0], [10.0, 0.0]])
    others = np.array([[2.0, 0.0], [12.0, 0.0]])
    assert match_nearest(points, others, [1.0, 3.0]).tolist() == [-1, 1]


def test_the_chord_of_an_angle_is_that_between_unit_vectors() -> None:
    a, b = unit_vectors(10.0, 20.0), unit_vectors(10.0, 20.5)
    assert float(np.linalg.norm(a - b)) == pytest.approx(chord(0.5), rel=1e-9)
