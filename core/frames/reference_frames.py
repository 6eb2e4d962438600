"""Which registered frames the references are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import Observation, Reference
from core.frames.made_of import SAME_SECOND, bare, holds
from core.frames.outcome import ObservationFacts
from core.frames.references import best
from core.vocabulary import ObservationState


def frames_of(store: Store, reference: Reference) -> list[Observation]:
    """The registered frames that a reference is made of, in the order in which they came."""
    first, last = reference.mjd_first, reference.mjd_last
    if first is None or last is None:
        return []
    taken = col(Observation.mjd).between(first - SAME_SECOND, last + SAME_SECOND)
    called = col(Observation.frame).in_(sorted({bare(str(each)) for each in reference.sources}))
    with store.read() as session:
        return list(session.exec(select(Observation).where(taken, called).order_by(col(Observation.id))))


def only_itself(store: Store, frame: Observation) -> str | None:
    """Why a frame is not subtracted: it was added as a reference, and no other serves it; else none.

    A frame of a coadd is subtracted from it: what is new in the frame is there in part alone.
    """
    with store.read() as session:
        return _only_itself(session, frame)


def told_apart(store: Store, facts: Sequence[ObservationFacts]) -> list[ObservationFacts]:
    """What ingest found, with those frames ``dropped`` that `only_itself` tells."""
    told = []
    with store.read() as session:
        for fact in facts:
            why = _only_itself(session, fact) if fact.state == ObservationState.QUEUED else None
            told.append(fact if why is None else replace(fact, state=ObservationState.DROPPED, reason=why))
    return told


def _only_itself(session: Session, frame: Observation | ObservationFacts) -> str | None:
    if frame.mjd is None:
        return None
    taken = col(Reference.mjd_first).between(frame.mjd - SAME_SECOND, frame.mjd + SAME_SECOND)
    query = select(Reference).where(col(Reference.is_current), col(Reference.n_frames) == 1, taken)
    own = [row for row in session.exec(query.order_by(col(Reference.id).desc())) if _is_in(frame, row)]
    chosen = best(session, frame) if own else None
    if not own or (chosen is not None and chosen not in own):
        return None
    return (
        f"it is reference {(chosen or own[0]).id}, and is not subtracted from itself: once another reference"
        " serves its place, `astrid queue retry` queues it"
    )


def _is_in(frame: Observation | ObservationFacts, reference: Reference) -> bool:
    names = [str(each) for each in reference.sources]
    return holds(names, (reference.mjd_first, reference.mjd_last), frame.frame, frame.mjd)
