"""The store's candidates beside the catalogues of now: those matched with others, or never, are matched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, CandidateMatch, Difference, Reference
from core.frames.reference_files import file_of
from core.objects.known import TOLD_BODY, write_known
from core.settings import Settings
from core.surveys.sites import site_of
from core.vocabulary import OWN
from pipeline.frame import Frame, FrameRefused, Stars
from pipeline.known.alerts import reference_answer, stored_body, with_body
from pipeline.known.candidates import at_places
from pipeline.known.match import Answer, KnownSky
from pipeline.known.reference_sources import answers as reference_answers
from pipeline.known.reference_sources import epoch_of
from pipeline.reference.reference_file import read
from pipeline.stellar.stars import find_stars

log = logging.getLogger(__name__)

PAGE = 2000  # candidates matched and written at once

Progress = Callable[[int, int, str], None]


def match_stored(
    store: Store, settings: Settings, *, limit: int | None = None, progress: Progress | None = None
) -> tuple[int, int]:
    """Match the store's candidates that were matched with other catalogues than there are now, or never.

    What was done stays done when this is interrupted, and is not done again.

    Parameters
    ----------
    limit : int, optional
        Candidates at most.
    progress : callable, optional
        ``report(done, total, what)``.

    Returns
    -------
    done, left : int
        How many were matched, and how many are still to be.
    """
    known = KnownSky.of(settings)
    state = known.state
    total = min(_to_do(store, state), limit if limit is not None else 2**31)
    done = 0
    for rows in _pages(store, state, total):
        sites = [known.site if row.source == OWN else site_of(row.source, row.external_id) for row in rows]
        answers = at_places([(row.ra, row.dec, row.mjd) for row in rows], known, sites)
        nearest = _reference_answers(store, rows, settings)
        told = {
            row.id: with_body({**sky, "reference": nearest[row.id]}, _told_body(row))
            for row, sky in zip(rows, answers, strict=True)
        }
        with store.write() as session:
            there = session.scalars(select(col(Candidate.id)).where(col(Candidate.id).in_(list(told))))
            write_known(session, {key: told[key] for key in there if key is not None}, state)
        done += len(rows)
        if progress:
            progress(done, total, "candidates")
    return done, _to_do(store, state)


def _stale(state: str) -> Any:
    """Current candidates whose answers are not of this state."""
    return (
        col(Candidate.is_current).is_not(False),
        or_(col(CandidateMatch.state).is_(None), col(CandidateMatch.state) != state),
    )


def _to_do(store: Store, state: str) -> int:
    with store.read() as session:
        query = (
            select(func.count())
            .select_from(Candidate)
            .outerjoin(CandidateMatch, col(CandidateMatch.candidate_id) == col(Candidate.id))
            .where(*_stale(state))
        )
        return session.scalar(query) or 0


def _pages(store: Store, state: str, total: int) -> Iterator[list[Any]]:
    after, left = 0, total
    while left > 0:
        with store.read() as session:
            rows = _page(session, state, after, min(PAGE, left))
        if not rows:
            return
        yield rows
        after, left = rows[-1].id, left - len(rows)


def _page(session: Session, state: str, after: int, limit: int) -> list[Any]:
    query = (
        select(
            col(Candidate.id),
            col(Candidate.ra),
            col(Candidate.dec),
            col(Candidate.mjd),
            col(Candidate.x),
            col(Candidate.y),
            col(Candidate.source),
            col(Candidate.external_id),
            col(Candidate.filter),
            col(Candidate.features),
            col(Candidate.mag),
            col(CandidateMatch.answers),
            col(Difference.reference_id),
        )
        .select_from(Candidate)
        .outerjoin(CandidateMatch, col(CandidateMatch.candidate_id) == col(Candidate.id))
        .outerjoin(Difference, col(Difference.id) == col(Candidate.difference_id))
        .where(*_stale(state), col(Candidate.id) > after)
        .order_by(col(Candidate.id))
        .limit(limit)
    )
    return list(session.execute(query))


def _told_body(row: Any) -> Answer | None:
    """The body of the solar system that a survey's alert told of."""
    if row.source == OWN:
        return None
    before: Answer | None = (row.answers or {}).get(TOLD_BODY)
    return before or stored_body(row.source, row.features, row.mag)


def _reference_answers(store: Store, rows: Sequence[Any], settings: Settings) -> dict[int, Answer]:
    """What the reference image has at each candidate's place: as it was answered, else from its file."""
    found: dict[int, Answer] = {}
    missing: dict[int, list[Any]] = {}
    for row in rows:
        before = (row.answers or {}).get("reference")
        if before is not None:
            found[row.id] = before
        elif row.source != OWN:
            found[row.id] = reference_answer(row.source, row.features, row.filter)
        elif row.reference_id is None or row.x is None or row.y is None:
            found[row.id] = {"status": "unknown", "reason": "its reference image is not here"}
        else:
            missing.setdefault(row.reference_id, []).append(row)
    for reference_id, some in missing.items():
        with store.read() as session:
            reference = session.get(Reference, reference_id)
        told = _from_file(reference, some, settings)
        found |= {row.id: answer for row, answer in zip(some, told, strict=True)}
    return found


def _from_file(reference: Reference | None, rows: Sequence[Any], settings: Settings) -> list[Answer]:
    if reference is None:
        return [{"status": "unknown", "reason": "its reference is gone from the store"}] * len(rows)
    try:
        frame, stars = _sources(file_of(reference.path, settings.home), reference.content)
    except FrameRefused as refused:
        log.warning("the reference of %d candidates cannot be read: %s", len(rows), refused)
        return [{"status": "unknown", "reason": "its reference image cannot be read"}] * len(rows)
    return reference_answers(
        np.array([row.x for row in rows], dtype=np.float64),
        np.array([row.y for row in rows], dtype=np.float64),
        stars,
        None,
        scale_arcsec=frame.pixel_scale,
        within_arcsec=settings.catalogs.reference_arcsec,
        zeropoint=reference.zeropoint,
        flux_scale=frame.gain,
        epoch=epoch_of(frame),
        band=reference.filter,
    )


@lru_cache(maxsize=2)
def _sources(path: Path, _content: str) -> tuple[Frame, Stars]:
    frame = read(path).frame
    return frame, find_stars(frame)
