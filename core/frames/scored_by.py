"""Which versions of which models scored a candidate: by a record of its own, else by its frame's newest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from core.database.storable import storable
from core.database.tables import Scoring, StageRun
from core.models.names import CLASSIFY, OPENINGS

BATCH = 500  # numbers of one statement
MOST_TOLD = 600  # characters: an index of PostgreSQL's holds 2704 bytes


def scored_by(session: Session, candidates: Collection[Any]) -> dict[int, str | None]:
    """The models with their digests, the U-Net among them, and then what was refused; by candidate.

    Parameters
    ----------
    session : Session
    candidates : collection
        Rows of the table, or of a query, that have ``id``, ``observation_id`` and ``scoring_id``.

    Returns
    -------
    dict of int to str or None
        None where nothing says who scored.
    """
    return {key: _in_words(said) for key, said in _said(session, candidates).items()}


def not_classified_by(session: Session, candidates: Collection[Any], told: str) -> set[int]:
    """Those of the same rows that another classifier scored than the one that tells this of itself."""
    said = _said(session, candidates)
    return {key for key, each in said.items() if _kept(each.get(CLASSIFY, "")) != _kept(told)}


def scoring_key(session: Session, told: str) -> int:
    """The number under which it is kept who scored, in a transaction that writes."""
    told = _kept(told)
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.connection().execute(dialect.insert(Scoring).values(told=told).on_conflict_do_nothing())
    query = select(col(Scoring.id)).where(col(Scoring.told) == told)
    key: int = session.connection().execute(query).scalar_one()  # type: ignore[assignment]
    return key


def _kept(told: str) -> str:
    return str(storable(told))[:MOST_TOLD]


def _said(session: Session, candidates: Collection[Any]) -> dict[int, dict[str, str]]:
    """What each stage that scores said of its models, by candidate."""
    frames = _of_frames(session, {row.observation_id for row in candidates} - {None})
    scorings = _scorings(session, {row.scoring_id for row in candidates} - {None})
    said = {row.id: dict(frames.get(row.observation_id, {})) for row in candidates}
    for row in candidates:
        if row.scoring_id in scorings:
            said[row.id][CLASSIFY] = scorings[row.scoring_id]
    return said


def _scorings(session: Session, keys: Collection[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for some in _batches(keys):
        query = select(col(Scoring.id), col(Scoring.told)).where(col(Scoring.id).in_(some))
        found |= {row.id: row.told for row in session.connection().execute(query)}
    return found


def _of_frames(session: Session, observations: Collection[int]) -> dict[int, dict[str, str]]:
    """What the stages that scored said in the newest attempt at each frame."""
    said: dict[int, dict[str, str]] = {}
    for some in _batches(observations):
        newest = (
            select(func.max(col(StageRun.id)))
            .where(col(StageRun.observation_id).in_(some), col(StageRun.stage).in_(OPENINGS))
            .group_by(col(StageRun.observation_id), col(StageRun.stage))
        )
        query = select(col(StageRun.observation_id), col(StageRun.stage), col(StageRun.reason))
        for key, stage, reason in session.connection().execute(query.where(col(StageRun.id).in_(newest))):
            said.setdefault(key, {})[stage] = reason or ""
    return said


def _batches(keys: Collection[int]) -> list[list[int]]:
    ordered = sorted(keys)
    return [ordered[first : first + BATCH] for first in range(0, len(ordered), BATCH)]


def _in_words(said: Mapping[str, str]) -> str | None:
    models: list[str] = []
    remarks: list[str] = []
    for stage, opening in OPENINGS.items():
        first, _, rest = said.get(stage, "").partition(". ")
        first = first.removesuffix(".")
        if first.startswith(opening):
            models.append(first.removeprefix(opening))
        if rest:
            remarks.append(rest)
    return " ".join([f"{', '.join(models)}.", *remarks]) if models or remarks else None
