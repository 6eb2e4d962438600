"""Association: which sky object a detection belongs to, and the making of new ones.

A detection joins the nearest known object within its radius; two detections of one frame never join
the same object, for they are two sources. What finds no object founds one. Objects keep the position
and the name of the detection that founded them, so that neither drifts. On a reference without WCS
its pixel grid takes the place of the sky.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import case, insert, or_, update
from sqlmodel import Session, col, func, select

from core.database.tables import Candidate, SkyObject
from core.database.turns import take_turn
from core.models.names import ODD_BY
from core.objects.moving import linked_among, settle
from core.objects.sky import cone_conditions
from core.objects.sphere import chord, match_nearest, separation_deg, unit_vectors, zone_of
from core.vocabulary import ONCE_FOR_DAYS, ReviewState

ASSOCIATION = 0x41737441  # one association at a time
BATCH = 5000
REAL_BY = ("ensemble", "realbogus", "tree")  # models, the best first
LEAST_REAL = 0.1  # less likely real, nothing is a rarity


@dataclass(frozen=True, slots=True)
class Place:
    """Where one detection is, and how far its object may be.

    ``x, y`` and ``radius_px`` on the reference's grid, ``ra, dec`` and ``radius_deg`` on the sky where
    there is a WCS. ``name`` is what an object that it founds is called, else it is named after the place.
    Injected sources associate among themselves alone, and real ones too.
    """

    x: float
    y: float
    radius_px: float
    ra: float | None = None
    dec: float | None = None
    radius_deg: float = 0.0
    name: str | None = None
    injected: bool = False


def lock(session: Session) -> None:
    """Wait until no other transaction associates."""
    take_turn(session, ASSOCIATION)


def associate(
    session: Session,
    places: Sequence[Place],
    reference_id: int | None,
    *,
    taken: Collection[int] = (),
) -> tuple[list[int], int]:
    """Find or make the sky object of each detection of one frame; hold the `lock`.

    Parameters
    ----------
    places : sequence of Place
    reference_id : int or None
        Whose grid holds the places without ra and dec.
    taken : collection of int
        Objects that have a detection of this frame already.

    Returns
    -------
    tuple
        The key of each place's object, and how many objects are new.
    """
    on_sky = [i for i, place in enumerate(places) if place.ra is not None]
    on_grid = [i for i, place in enumerate(places) if place.ra is None]
    if on_grid and reference_id is None:
        raise ValueError("a place without ra and dec needs the reference whose grid it is on")
    found: dict[int, int] = {}
    for injected in (False, True):
        if here := [i for i in on_sky if places[i].injected == injected]:
            found |= _known_on_sky(session, places, here, injected, taken)
        here = [i for i in on_grid if places[i].injected == injected]
        if here and reference_id is not None:
            found |= _known_on_grid(session, places, here, reference_id, injected, taken)
    founders = [i for i in range(len(places)) if i not in found]
    made = make_objects(session, [places[i] for i in founders], reference_id)
    found |= dict(zip(founders, made, strict=True))
    return [found[i] for i in range(len(places))], len(founders)


def refresh(session: Session, object_ids: Collection[int]) -> None:
    """Bring what objects remember of their current candidates up to date."""
    # Not "= true": SQLite would then walk all current candidates by score to find each object's best.
    candidates = (
        select(Candidate)
        .where(col(Candidate.sky_object_id) == col(SkyObject.id), col(Candidate.is_current).is_not(False))
        .correlate(SkyObject)
    )
    best = candidates.order_by(
        col(Candidate.score).desc().nulls_last(), func.abs(Candidate.snr).desc(), col(Candidate.id)
    ).limit(1)
    ids = sorted(object_ids)
    for start in range(0, len(ids), BATCH):
        session.exec(
            update(SkyObject)
            .where(col(SkyObject.id).in_(ids[start : start + BATCH]))
            .values(
                n_candidates=candidates.with_only_columns(func.count()).scalar_subquery(),
                best_score=candidates.with_only_columns(func.max(Candidate.score)).scalar_subquery(),
                best_candidate_id=best.with_only_columns(col(Candidate.id)).scalar_subquery(),
                best_mag=best.with_only_columns(col(Candidate.mag)).scalar_subquery(),
                anomaly=best.with_only_columns(_anomaly()).scalar_subquery(),
                uncertainty=best.with_only_columns(_uncertainty()).scalar_subquery(),
                first_mjd=candidates.with_only_columns(func.min(Candidate.mjd)).scalar_subquery(),
                last_mjd=candidates.with_only_columns(func.max(Candidate.mjd)).scalar_subquery(),
            )
            .execution_options(synchronize_session=False)
        )
    if moved := linked_among(session, ids):
        settle(session, moved)


def _said(model: str) -> Any:
    """What a model says of a candidate, null where it said nothing."""
    return col(Candidate.scores)[model].as_float()


def real_score() -> Any:
    """How likely a candidate is real, by the best model that scored it."""
    return func.coalesce(*map(_said, REAL_BY))


def _anomaly() -> Any:
    """How unlike all others it is: the mean rank of those that say so, of what is real at least perhaps.

    Without that limit the oddest would be artefacts (compare Malanchev et al. 2021).
    """
    one, other = map(_said, ODD_BY)
    mean = (func.coalesce(one, other) + func.coalesce(other, one)) / 2.0
    return case((real_score() >= LEAST_REAL, mean))


def _uncertainty() -> Any:
    """From 0, where models are sure of either, to 1, where they know nothing."""
    return 1.0 - func.abs(2.0 * real_score() - 1.0)


def wake(session: Session, object_ids: Collection[int], mjd: float) -> None:
    """Bring objects back for review that a later detection was to bring back.

    That is those that were snoozed, and those whose verdict another detection contradicts
    (`core.vocabulary.ONCE_FOR_DAYS`).
    """
    ids = sorted(object_ids)
    for start in range(0, len(ids), BATCH):
        session.exec(
            update(SkyObject)
            .where(
                col(SkyObject.id).in_(ids[start : start + BATCH]),
                or_(
                    col(SkyObject.snoozed_at_mjd) < mjd,
                    col(SkyObject.snoozed_at_mjd).is_(None)
                    & (col(SkyObject.review_state) == ReviewState.SNOOZED.value),
                ),
                or_(
                    col(SkyObject.review_state) == ReviewState.SNOOZED.value,
                    col(SkyObject.review_label).in_([label.value for label in ONCE_FOR_DAYS]),
                ),
            )
            .values(review_state=ReviewState.UNREVIEWED.value, review_label=None, snoozed_at_mjd=None)
            .execution_options(synchronize_session=False)
        )


def designation(ra: float, dec: float) -> str:
    """A name from a position (degrees, ICRS), in the IAU's way: cut, not rounded."""
    # Guards against 29.999... of what was 30: far below the name's own digits.
    seconds = math.floor((ra % 360.0) * 24000.0 + 1e-6) % 8640000  # hundredths of a second of time
    tenths = math.floor(abs(dec) * 36000.0 + 1e-6)  # of an arc-second
    hours, minutes, rest = seconds // 360000, seconds // 6000 % 60, seconds % 6000
    degrees, arcmin, arcsec = tenths // 36000, tenths // 600 % 60, tenths % 600
    sign = "-" if dec < 0 else "+"
    return (
        f"AID J{hours:02d}{minutes:02d}{rest // 100:02d}.{rest % 100:02d}"
        f"{sign}{degrees:02d}{arcmin:02d}{arcsec // 10:02d}.{arcsec % 10}"
    )


def grid_designation(reference_id: int, x: float, y: float) -> str:
    """A name from a place on a reference's grid, for objects without a position on the sky."""
    return f"AID R{reference_id} X{x:06.1f} Y{y:06.1f}"


def _known_on_sky(
    session: Session,
    places: Sequence[Place],
    which: Sequence[int],
    injected: bool,
    taken: Collection[int],
) -> dict[int, int]:
    ra = np.array([places[i].ra for i in which], dtype=np.float64)
    dec = np.array([places[i].dec for i in which], dtype=np.float64)
    points = unit_vectors(ra, dec)
    x, y, z = points.mean(axis=0)
    centre_ra, centre_dec = math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))
    radii = np.array([places[i].radius_deg for i in which])
    reach = float((separation_deg(ra, dec, centre_ra, centre_dec) + radii).max())
    # What moved through a place says nothing of what is seen there later.
    columns = select(SkyObject.id, SkyObject.ra, SkyObject.dec).where(
        col(SkyObject.injected) == injected, col(SkyObject.moving).is_(False)
    )
    rows = [
        row
        for cone in cone_conditions(SkyObject, centre_ra, centre_dec, reach)
        for row in session.exec(columns.where(cone)).all()
        if row[0] not in taken
    ]
    known_ra = np.array([row[1] for row in rows], dtype=np.float64)
    known = unit_vectors(known_ra, np.array([row[2] for row in rows], dtype=np.float64))
    partner = match_nearest(points, known, [chord(radius) for radius in radii])
    return {which[k]: int(rows[j][0] or 0) for k, j in enumerate(partner) if j >= 0}


def _known_on_grid(
    session: Session,
    places: Sequence[Place],
    which: Sequence[int],
    reference_id: int,
    injected: bool,
    taken: Collection[int],
) -> dict[int, int]:
    points = np.array([(places[i].x, places[i].y) for i in which], dtype=np.float64)
    query = select(SkyObject.id, SkyObject.x, SkyObject.y).where(
        col(SkyObject.reference_id) == reference_id, col(SkyObject.injected) == injected
    )
    rows = [row for row in session.exec(query).all() if row[0] not in taken]
    known = np.array([(row[1], row[2]) for row in rows], dtype=np.float64).reshape(-1, 2)
    partner = match_nearest(points, known, [places[i].radius_px for i in which])
    return {which[k]: int(rows[j][0] or 0) for k, j in enumerate(partner) if j >= 0}


def make_objects(session: Session, places: Sequence[Place], reference_id: int | None) -> list[int]:
    """Make an object for each place; their keys in the same order. Hold the `lock`."""
    if not places:
        return []
    rows = [_new_object(place, reference_id) for place in places]
    names = _unique_names(session, [str(row["name"]) for row in rows])
    for row, name in zip(rows, names, strict=True):
        row["name"] = name
    statement = insert(SkyObject).returning(col(SkyObject.id), sort_by_parameter_order=True)
    return [int(key or 0) for key in session.scalars(statement, rows).all()]


def _new_object(place: Place, reference_id: int | None) -> dict[str, object]:
    """The columns of a new object; every row has the same ones, so that one statement takes them all."""
    row: dict[str, object] = {
        "injected": place.injected,
        "review_state": ReviewState.UNREVIEWED.value,
        "n_candidates": 0,
        "ra": place.ra,
        "dec": place.dec,
    }
    if place.ra is not None and place.dec is not None:
        row |= {"name": place.name or designation(place.ra, place.dec), "zone": zone_of(place.dec)}
        row |= {"reference_id": None, "x": None, "y": None}
    elif reference_id is not None:
        row |= {"name": grid_designation(reference_id, place.x, place.y), "zone": None}
        row |= {"reference_id": reference_id, "x": place.x, "y": place.y}
    return row


def _unique_names(session: Session, names: Sequence[str]) -> list[str]:
    """The names, with a letter (``b``, ``c``, ...) where another object has the same already."""
    given: set[str] = set()
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        given |= set(session.exec(select(SkyObject.name).where(col(SkyObject.name).in_(batch))).all())
    unique = []
    for name in names:
        free, number = name, 1
        while free in given:
            number += 1
            free = f"{name}{_letters(number)}"
            if session.exec(select(SkyObject.id).where(col(SkyObject.name) == free)).first() is not None:
                given.add(free)
        given.add(free)
        unique.append(free)
    return unique


def _letters(number: int) -> str:
    """1, 2, ... as a, b, ..., z, aa, ab, ..."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
