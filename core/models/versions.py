"""Versions of models in the store, and which is in use.

The store, not the registry, says what is in use: it is what every worker of every machine reads, it
holds the digest that a model's files must have, and it is there when the registry's server is not.
MLflow's aliases follow it (`pipeline.training.tracking`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.database.store import Store
from core.database.tables import Promotion, TrainedModel
from core.database.turns import take_turn
from core.errors import AstridError

JUDGED_BY = "judged_by"  # in a scorecard that was made after the training
OF_TRAINING = "of_training"
SHIPPED = 0  # the number of the version that AstrID came with


class ModelUnknown(AstridError):
    """There is no such version, or nothing to go back to."""


@dataclass(frozen=True, slots=True)
class InUse:
    """The version of a model that is in use: of none that was promoted the one that AstrID came with."""

    name: str
    number: int
    digest: str | None  # none: that of the shipped one, which the code knows


def add(
    store: Store,
    *,
    name: str,
    digest: str,
    origin: str,
    created_by: str,
    description: Mapping[str, Any],
    training: str | None = None,
    scorecard: Mapping[str, Any] | None = None,
) -> TrainedModel:
    """Keep a version, once: the same digest again is the same version.

    Parameters
    ----------
    digest : str
        SHA-256 in hexadecimal, of its ``model.json``.
    description : mapping
        That file's content.
    scorecard : mapping, optional
        What it is worth.
    """
    with store.write() as session:
        _take_turn(session, name)
        found = session.exec(_of(name).where(col(TrainedModel.digest) == digest)).first()
        if found is not None:
            return found
        most = session.exec(select(func.max(TrainedModel.number)).where(col(TrainedModel.name) == name)).one()
        row = TrainedModel(
            name=name,
            number=(most or 0) + 1,
            digest=digest,
            origin=origin,
            created_at=time.time(),
            created_by=created_by,
            training=training,
            description=dict(description),
            scorecard=dict(scorecard) if scorecard is not None else None,
        )
        session.add(row)
    return row


def versions(store: Store, name: str | None = None) -> Sequence[TrainedModel]:
    """All versions, or those of one model, the newest first."""
    query = select(TrainedModel) if name is None else _of(name)
    with store.read() as session:
        return session.exec(query.order_by(col(TrainedModel.name), col(TrainedModel.number).desc())).all()


def keep_scorecard(store: Store, name: str, digest: str, scorecard: Mapping[str, Any]) -> int | None:
    """Keep what a version was found to be worth; the one of its training stays in it as ``of_training``.

    Returns
    -------
    int or None
        The version's number; none where no version has that digest.
    """
    with store.write() as session:
        row = session.exec(_of(name).where(col(TrainedModel.digest) == digest)).first()
        if row is None:
            return None
        before = row.scorecard or {}
        first = before.get(OF_TRAINING) if JUDGED_BY in before else before
        row.scorecard = {**scorecard, **({OF_TRAINING: first} if first else {})}
        session.add(row)
        return row.number


def version(store: Store, name: str, number: int) -> TrainedModel:
    """One version.

    Raises
    ------
    ModelUnknown
    """
    with store.read() as session:
        return _version(session, name, number)


def in_use(store: Store, names: Iterable[str]) -> dict[str, InUse]:
    """Which version of each model is in use."""
    with store.read() as session:
        return {name: _in_use(session, name) for name in names}


def description_in_use(session: Session, name: str) -> Mapping[str, Any] | None:
    """What the version of a model that is in use says of itself; none for the one that AstrID came with."""
    number = _in_use(session, name).number
    return None if number == SHIPPED else _version(session, name, number).description


def promotions(store: Store, name: str | None = None, limit: int = 100) -> Sequence[Promotion]:
    """What was promoted and rolled back, the newest first."""
    query = select(Promotion).order_by(col(Promotion.id).desc()).limit(limit)
    if name is not None:
        query = query.where(col(Promotion.name) == name)
    with store.read() as session:
        return session.exec(query).all()


def promote(store: Store, name: str, number: int, *, by: str, reason: str | None = None) -> Promotion:
    """Let a version be used from the next frame on.

    Raises
    ------
    ModelUnknown
        There is no such version, or it is in use already.
    """
    with store.write() as session:
        _take_turn(session, name)
        if number != SHIPPED:
            _version(session, name, number)
        return _change(session, name, number, "promote", by, reason)


def rollback(store: Store, name: str, *, by: str, reason: str | None = None) -> Promotion:
    """Let the version that was in use before be used again.

    A second roll-back goes one further back: roll-backs are steps along what was promoted, not promotions.

    Raises
    ------
    ModelUnknown
        None was in use before.
    """
    with store.write() as session:
        _take_turn(session, name)
        before = _before(session, name)
        if before is None:
            raise ModelUnknown(
                f"no other version of {name} was in use before: there is nothing to go back to"
            )
        return _change(session, name, before, "rollback", by, reason)


def previous(store: Store, name: str) -> int | None:
    """The version that `rollback` would go back to; none where there is none."""
    with store.read() as session:
        return _before(session, name)


def registered(store: Store, model_id: int, run: str, number: str) -> None:
    """Note what the registry calls a version."""
    with store.write() as session:
        session.execute(
            update(TrainedModel)
            .where(col(TrainedModel.id) == model_id)
            .values(registry_run=run, registry_version=number)
        )


def _take_turn(session: Session, name: str) -> None:
    """Versions of one model are numbered, promoted and rolled back one after another."""
    take_turn(session, f"versions of {name}")


def _of(name: str) -> SelectOfScalar[TrainedModel]:
    return select(TrainedModel).where(col(TrainedModel.name) == name)


def _version(session: Session, name: str, number: int) -> TrainedModel:
    row = session.exec(_of(name).where(col(TrainedModel.number) == number)).first()
    if row is None:
        raise ModelUnknown(
            f"there is no version {number} of {name}; `astrid models list` shows what there is"
        )
    return row


def _in_use(session: Session, name: str) -> InUse:
    newest = select(Promotion).where(col(Promotion.name) == name).order_by(col(Promotion.id).desc())
    row = session.exec(newest.limit(1)).first()
    if row is None or row.number == SHIPPED:
        return InUse(name, SHIPPED, None)
    return InUse(name, row.number, _version(session, name, row.number).digest)


def _before(session: Session, name: str) -> int | None:
    """Go through the promotions as through a stack: a promotion lays on it, a roll-back takes off."""
    query = select(Promotion).where(col(Promotion.name) == name).order_by(col(Promotion.id))
    stack = [SHIPPED]
    for row in session.exec(query).all():
        if row.kind == "promote":
            stack.append(row.number)
        elif len(stack) > 1:
            stack.pop()
    return stack[-2] if len(stack) > 1 else None


def _change(session: Session, name: str, number: int, kind: str, by: str, reason: str | None) -> Promotion:
    before = _in_use(session, name).number
    if before == number:
        raise ModelUnknown(f"version {number} of {name} is in use already")
    row = Promotion(
        name=name,
        number=number,
        previous=before,
        kind=kind,
        reason=reason,
        promoted_by=by,
        promoted_at=time.time(),
    )
    session.add(row)
    session.flush()
    return row
