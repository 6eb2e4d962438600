"""The same place is the same object, a frame's two detections are two, and names say where."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from sqlmodel import select

from core.database.store import Store
from core.database.tables import SkyObject
from core.objects.association import Place, associate, designation, grid_designation, lock
from tests.core.frames import add_reference

ARCSEC = 1.0 / 3600.0


def at(ra: float, dec: float, radius_arcsec: float = 1.0) -> Place:
    return Place(x=0.0, y=0.0, radius_px=1.0, ra=ra, dec=dec, radius_deg=radius_arcsec * ARCSEC)


def on_grid(x: float, y: float, radius_px: float = 2.0) -> Place:
    return Place(x=x, y=y, radius_px=radius_px)


def joined(store: Store, *places: Place, **options: object) -> list[int]:
    with store.write() as session:
        lock(session)
        return associate(session, places, None, **options)[0]  # type: ignore[arg-type]


def names(store: Store) -> list[str]:
    with store.read() as session:
        return list(session.exec(select(SkyObject.name).order_by(SkyObject.id)).all())


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (232.551416, -12.582417, "AID J153012.33-123456.7"),
        (0.0, 0.0, "AID J000000.00+000000.0"),
        (359.99999999, 90.0, "AID J235959.99+900000.0"),
        (359.99999999999, -5.0, "AID J000000.00-050000.0"),  # a whole turn, as 29.999... is 30
        (-10.0, -0.00003, "AID J232000.00-000000.1"),
        (15.0, -89.9999999, "AID J010000.00-895959.9"),
        (10.0, 0.1, "AID J004000.00+000600.0"),  # 0.1 * 36000 falls short of 3600
    ],
)
def test_names_are_cut_not_rounded(ra: float, dec: float, name: str) -> None:
    assert designation(ra, dec) == name


@given(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))
def test_a_name_gives_its_position_back_to_its_own_digits(ra: float, dec: float) -> None:
    name = designation(ra, dec)
    digits = name.removeprefix("AID J")
    sign = -1 if "-" in digits else 1
    east, north = digits.replace("-", "+").split("+")
    named_ra = 15 * (int(east[:2]) + int(east[2:4]) / 60 + float(east[4:]) / 3600)
    named_dec = int(north[:2]) + int(north[2:4]) / 60 + float(north[4:]) / 3600
    assert -1e-6 < (ra - named_ra + 180) % 360 - 180 < 0.16 * ARCSEC
    assert -1e-6 < abs(dec) - named_dec < 0.11 * ARCSEC
    assert sign * dec >= 0


def test_a_place_on_a_grid_is_named_after_its_reference() -> None:
    assert grid_designation(3, 123.44, 7.0) == "AID R3 X0123.4 Y0007.0"


def test_a_detection_joins_the_nearest_object_within_its_radius(store: Store) -> None:
    a, b = joined(store, at(10.0, 20.0), at(10.0, 20.0 + 1.5 * ARCSEC))
    assert a != b
    assert joined(store, at(10.0, 20.0 + 0.9 * ARCSEC)) == [b]
    assert joined(store, at(10.0, 20.0 - 0.9 * ARCSEC)) == [a]
    assert joined(store, at(10.0, 20.0 - 1.1 * ARCSEC)) not in ([a], [b])


def test_two_detections_of_a_frame_never_share_an_object(store: Store) -> None:
    (known,) = joined(store, at(10.0, 20.0))
    far, near = joined(store, at(10.0, 20.0 + 0.5 * ARCSEC), at(10.0, 20.0 - 0.1 * ARCSEC))
    assert near == known
    assert far != known
    assert joined(store, at(10.0, 20.0), taken={known, far}) not in ([known], [far])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((359.99999, 0.0), (0.00001, 0.0)),
        ((0.0, 89.99999), (180.0, 89.99999)),
        ((45.0, -90.0), (200.0, -90.0)),
    ],
)
def test_poles_and_ra_zero_are_like_any_other_place(
    store: Store, first: tuple[float, float], second: tuple[float, float]
) -> None:
    assert joined(store, at(*first)) == joined(store, at(*second))


def test_a_frame_across_ra_zero_finds_objects_on_both_sides(store: Store) -> None:
    before = joined(store, at(359.9, 10.0), at(0.1, 10.0), at(0.0, 10.1))
    assert joined(store, at(0.1, 10.0), at(0.0, 10.1), at(359.9, 10.0)) == [before[1], before[2], before[0]]


def test_injected_sources_are_never_joined_with_real_ones(store: Store) -> None:
    (real,) = joined(store, at(10.0, 20.0))
    (drawn,) = joined(store, replace(at(10.0, 20.0), injected=True))
    assert drawn != real
    assert joined(store, at(10.0, 20.0)) == [real]
    assert joined(store, replace(at(10.0, 20.0), injected=True)) == [drawn]


def test_equal_names_get_a_letter(store: Store) -> None:
    joined(store, at(10.0, 20.0), at(10.0, 20.0 + 1e-6))
    joined(store, replace(at(10.0, 20.0), injected=True))
    assert names(store) == [f"AID J004000.00+200000.0{suffix}" for suffix in ("", "b", "c")]


def test_without_a_sky_the_grid_of_the_reference_is_the_place(store: Store) -> None:
    one, two = add_reference(store, 1), add_reference(store, 2)
    with store.write() as session:
        (a,), _ = associate(session, [on_grid(10, 20)], one.id)
        (b,), new = associate(session, [on_grid(10, 20)], two.id)
        assert (a != b, new) == (True, 1)
        assert associate(session, [on_grid(11, 21)], one.id) == ([a], 0)
        assert associate(session, [on_grid(11, 22)], one.id)[1] == 1
    with store.read() as session:
        row = session.get(SkyObject, a)
    assert row is not None
    assert (row.ra, row.dec, row.zone, row.reference_id, row.x, row.y) == (None, None, None, one.id, 10, 20)
    assert row.name == f"AID R{one.id} X0010.0 Y0020.0"


def test_a_place_on_no_grid_is_refused(sqlite_store: Store) -> None:
    with sqlite_store.write() as session, pytest.raises(ValueError, match="reference"):
        associate(session, [on_grid(1, 1)], None)


def test_a_crowded_frame_takes_a_handful_of_queries(store: Store) -> None:
    places = [at(10.0 + i * 0.001, 20.0 + (i % 7) * 0.001) for i in range(1500)]
    first = joined(store, *places)
    statements: list[str] = []
    with store.write() as session:
        engine = session.connection().engine
        event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
        again, new = associate(session, list(reversed(places)), None)
    assert (again[::-1], new) == (first, 0)
    assert len(statements) <= 3
