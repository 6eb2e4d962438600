"""Injected sources in the store: which are drawn into a frame, and what became of them.

An injected source lives as a sky object does: with candidates where it is found, forced fluxes where it
is not, in the same tables and by keys of the same sequences. What it is stands in tables of its own alone,
which no page of the console reads, until a verdict reveals it (`core.review.fakes`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, exists, or_
from sqlmodel import Session, col, select

from core.database.rows import insert_rows
from core.database.tables import (
    Candidate,
    Difference,
    InjectedSource,
    Injection,
    Observation,
    Reference,
    SkyObject,
)
from core.frames.drawn import Draw, DrawnSource
from core.frames.outcome import ForcedFacts, FrameOutcome, InjectedFacts
from core.objects.sphere import ra_ranges


def draw_of(session: Session, observation: Observation, reference: Reference) -> Draw:
    """What is to be drawn into a frame before it is subtracted from a reference."""
    processed = exists().where(col(Difference.observation_id) == observation.id)
    is_fresh = not session.scalar(select(processed))
    lost = () if is_fresh else _without_object(session, observation, reference)
    return Draw(content_of(observation), (*sources_of(session, reference), *lost), is_fresh)


def content_of(observation: Observation) -> str:
    """What tells a frame from all others, wherever its file lies."""
    return f"{observation.content}[{observation.extension}]"


def sources_of(session: Session, reference: Reference) -> tuple[DrawnSource, ...]:
    """The injected sources that may lie on a reference, those that were revealed too."""
    query = select(InjectedSource).order_by(col(InjectedSource.sky_object_id))
    if reference.ra is None or reference.dec is None or reference.radius_deg is None:
        query = query.where(col(InjectedSource.reference_id) == reference.id)
    else:
        # One field has few references, and each few sources: nearly all of them lie on this one too.
        reach = 2 * reference.radius_deg
        across = ra_ranges(reference.ra, reference.dec, reach)
        field = select(Reference.id).where(
            col(Reference.dec).between(reference.dec - reach, reference.dec + reach),
            or_(*(col(Reference.ra).between(*part) for part in across)),
        )
        query = query.where(col(InjectedSource.reference_id).in_(field), col(InjectedSource.ra).is_not(None))
    return tuple(
        DrawnSource(
            row.sky_object_id, row.reference_id, row.x, row.y, row.ra, row.dec, row.mjd, row.flux, row.mag,
            row.mag_system, row.mag_per_day, row.host, row.revealed_at is not None,
        )
        for row in session.scalars(query)
    )  # fmt: skip


def _without_object(
    session: Session, observation: Observation, reference: Reference
) -> tuple[DrawnSource, ...]:
    """What was drawn into a frame and not made an object of, to be drawn again."""
    query = (
        select(Injection)
        .join(Difference, col(Difference.id) == col(Injection.difference_id))
        .where(
            col(Injection.observation_id) == observation.id,
            col(Injection.sky_object_id).is_(None),
            col(Difference.is_current),
            col(Difference.reference_id) == reference.id,
        )
        .order_by(col(Injection.id))
    )
    return tuple(
        DrawnSource(
            None, reference.id or 0, row.x, row.y, None, None, observation.mjd or 0.0, row.flux, row.mag,
            reference.mag_system, 0.0, row.host or "none", False,
        )
        for row in session.scalars(query)
    )  # fmt: skip


def revealed_ids(session: Session, ids: Collection[int]) -> set[int]:
    """Those of some injected sources that a verdict has revealed."""
    if not ids:
        return set()
    query = select(InjectedSource.sky_object_id).where(
        col(InjectedSource.sky_object_id).in_(ids), col(InjectedSource.revealed_at).is_not(None)
    )
    return set(session.scalars(query))


def hidden_objects(session: Session, reference: Reference) -> list[SkyObject]:
    """The sky objects of injected sources that may lie on a reference and are not revealed."""
    ids = [each.sky_object_id for each in sources_of(session, reference) if not each.is_spent]
    return list(session.scalars(select(SkyObject).where(col(SkyObject.id).in_(ids)))) if ids else []


def candidates_of(session: Session, difference_id: int) -> set[int]:
    """The candidates of a difference that are injected sources, revealed or not."""
    query = (
        select(Candidate.id)
        .join(SkyObject, col(SkyObject.id) == col(Candidate.sky_object_id))
        .where(col(Candidate.difference_id) == difference_id, col(SkyObject.injected))
    )
    return {key for key in session.scalars(query) if key is not None}


def forced_points(outcome: FrameOutcome, spent: Collection[int]) -> tuple[ForcedFacts, ...]:
    """The forced fluxes of injected sources beside those of real objects, in the order of their keys."""
    drawn = [
        ForcedFacts(each.sky_object_id, *each.forced)
        for each in outcome.injected
        if each.forced is not None and each.sky_object_id is not None and each.sky_object_id not in spent
    ]
    if not drawn:
        return outcome.forced
    return tuple(sorted((*outcome.forced, *drawn), key=lambda point: point.sky_object_id))


def write_injections(
    session: Session,
    observation: Observation,
    outcome: FrameOutcome,
    difference_id: int,
    made: Mapping[int, tuple[int, int]],
) -> None:
    """Write what was drawn into a frame, in place of what stood for it before.

    Parameters
    ----------
    made : mapping
        The candidate and the sky object of each injected source that was found, by its place in the outcome.
    """
    revealed = select(InjectedSource.sky_object_id).where(col(InjectedSource.revealed_at).is_not(None))
    session.exec(
        delete(Injection).where(
            col(Injection.difference_id) == difference_id,
            or_(col(Injection.sky_object_id).is_(None), col(Injection.sky_object_id).not_in(revealed)),
        )
    )
    if not outcome.injected or outcome.difference is None:
        return
    fresh = [
        _source(outcome.injected[i], sky_object, outcome.difference.reference_id, observation)
        for i, (_, sky_object) in sorted(made.items())
        if outcome.injected[i].sky_object_id is None
    ]
    known = set(
        session.scalars(
            select(InjectedSource.sky_object_id).where(
                col(InjectedSource.sky_object_id).in_([row["sky_object_id"] for row in fresh])
            )
        )
    )
    insert_rows(session, InjectedSource, [row for row in fresh if row["sky_object_id"] not in known])
    rows: list[dict[str, Any]] = []
    for i, fact in enumerate(outcome.injected):
        if not fact.flux > 0:  # it was measured, not drawn
            continue
        candidate, sky_object = made.get(i, (None, fact.sky_object_id))
        names = ("x", "y", "flux", "snr", "mag", "host", "found")
        rows.append(
            {name: getattr(fact, name) for name in names}
            | {
                "observation_id": observation.id,
                "difference_id": difference_id,
                "candidate_id": candidate,
                "sky_object_id": sky_object,
            }
        )
    insert_rows(session, Injection, rows)


def _source(
    fact: InjectedFacts, sky_object_id: int, reference_id: int, observation: Observation
) -> dict[str, Any]:
    names = ("x", "y", "ra", "dec", "flux", "mag", "mag_system", "mag_per_day", "snr", "host")
    return {name: getattr(fact, name) for name in names} | {
        "sky_object_id": sky_object_id,
        "reference_id": reference_id,
        "mjd": observation.mjd,
    }
