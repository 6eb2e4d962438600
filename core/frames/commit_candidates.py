"""The candidates of a frame as its commit writes them: on their objects, with cutouts and what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from core.database.rows import insert_for_keys, insert_rows
from core.database.storable import storable
from core.database.tables import Candidate, Cutout, Observation
from core.frames import injected
from core.frames.outcome import CandidateFacts, FrameOutcome
from core.frames.queue import Lease
from core.frames.scored_by import scoring_key
from core.frames.shown import Shown, kept_of
from core.models.names import CLASSIFY
from core.objects.association import Place, associate, refresh, wake
from core.objects.known import write_known
from core.objects.seen_again import Rule, wake_contradicted
from core.objects.sphere import zone_of
from core.vocabulary import POSITION_SIGMAS

MIN_RADIUS_DEG = 1.0 / 3600.0  # of association on the sky
ELSEWHERE = frozenset({"cutouts", "known"})  # facts of a candidate with a table of their own


def candidate_columns(
    fact: CandidateFacts, observation: Observation, outcome: FrameOutcome
) -> dict[str, Any]:
    """The columns of a candidate but its keys."""
    difference = outcome.difference
    row: dict[str, Any] = storable(
        {item.name: getattr(fact, item.name) for item in fields(fact) if item.name not in ELSEWHERE}
        | {
            "source": "astrid",
            "observation_id": observation.id,
            "is_current": True,
            "scoring_id": None,
            "frame": observation.frame,
            "filter": observation.filter,
            "mjd": observation.mjd,
            "flux_unit": difference.flux_unit if difference else None,
            "mag_system": difference.mag_system if difference else None,
        }
    )
    on_sky = row["ra"] is not None and row["dec"] is not None
    row["ra"] = row["ra"] % 360.0 if on_sky else None
    row["zone"] = zone_of(row["dec"]) if on_sky else None
    return row


def write_candidates(
    session: Session,
    lease: Lease,
    outcome: FrameOutcome,
    shown: Sequence[Shown],
    difference_id: int,
    seen_again: Rule,
) -> tuple[list[int], int]:
    """Write candidates with cutouts; the real ones' keys in order, and how many objects all founded.

    Where the difference was committed before, a candidate at the same place is the same one: it keeps
    its key, its object and its verdicts. Those that did not come again leave the queue.
    """
    reference_id = outcome.difference.reference_id if outcome.difference else None
    scoring_id = _scoring(session, outcome) if shown else None
    for each in shown:
        each.columns["scoring_id"] = scoring_id
    old = session.exec(select(Candidate).where(col(Candidate.difference_id) == difference_id)).all()
    kept = kept_of(session, shown, old, outcome.match_radius_px, difference_id)
    for row in old:
        row.is_current = False
    for i, row in kept.items():
        row.sqlmodel_update(shown[i].columns)

    objects = {i: row.sky_object_id for i, row in kept.items()}
    taken = set(objects.values())
    fresh = [i for i in range(len(shown)) if i not in kept]
    objects |= {i: known for i in fresh if (known := shown[i].sky_object_id) is not None}
    seekers = [i for i in fresh if i not in objects]
    places = [_place(shown[i], outcome) for i in seekers]
    found, new_objects = associate(session, places, reference_id, taken=taken)
    objects |= dict(zip(seekers, found, strict=True))
    next_number = 1 + max((int(row.external_id.rpartition(".")[2]) for row in old), default=0)
    rows = [
        shown[i].columns
        | {
            "difference_id": difference_id,
            "external_id": f"{difference_id}.{next_number + n}",
            "sky_object_id": objects[i],
        }
        for n, i in enumerate(fresh)
    ]
    keys = {i: row.id or 0 for i, row in kept.items()}
    keys |= dict(zip(fresh, insert_for_keys(session, Candidate, rows), strict=True))
    facts = {keys[i]: each.fact for i, each in enumerate(shown)}
    _write_cutouts(session, {key: fact.cutouts for key, fact in facts.items()}, replace=bool(old))
    _write_known(session, outcome, facts)
    made = {each.source: (keys[i], objects[i]) for i, each in enumerate(shown) if each.source is not None}
    injected.write_injections(session, lease.observation, outcome, difference_id, made)

    detected = set(objects.values())
    refresh(session, detected | {row.sky_object_id for row in old})
    if lease.observation.mjd is not None:
        wake(session, detected, lease.observation.mjd)
        wake_contradicted(session, detected, lease.observation.mjd, seen_again)
    return [keys[i] for i, each in enumerate(shown) if each.source is None], new_objects


def _scoring(session: Session, outcome: FrameOutcome) -> int | None:
    """Who scored: a later attempt that fails leaves a record too, but no candidates."""
    said = [
        each.reason
        for each in outcome.stages
        if (each.stage, each.outcome) == (CLASSIFY, "done") and each.reason
    ]
    return scoring_key(session, said[-1]) if said else None


def _write_cutouts(session: Session, cutouts: dict[int, bytes | None], *, replace: bool) -> None:
    if replace:
        session.exec(delete(Cutout).where(col(Cutout.candidate_id).in_(list(cutouts))))
    rows = [{"candidate_id": key, "pixels": pixels} for key, pixels in cutouts.items() if pixels is not None]
    insert_rows(session, Cutout, rows)


def _write_known(session: Session, outcome: FrameOutcome, facts: dict[int, CandidateFacts]) -> None:
    if outcome.known_state is None:
        return
    told = {key: fact.known for key, fact in facts.items() if fact.known is not None}
    write_known(session, told, outcome.known_state)


def _place(shown: Shown, outcome: FrameOutcome) -> Place:
    fact, is_drawn = shown.fact, shown.source is not None
    radius_px = max(outcome.match_radius_px, POSITION_SIGMAS * fact.position_error_px)
    if fact.ra is None or fact.dec is None:
        return Place(fact.x, fact.y, radius_px, injected=is_drawn)
    radius_deg = max(radius_px * (outcome.pixel_scale or 0.0) / 3600.0, MIN_RADIUS_DEG)
    return Place(fact.x, fact.y, radius_px, fact.ra % 360.0, fact.dec, radius_deg, injected=is_drawn)
