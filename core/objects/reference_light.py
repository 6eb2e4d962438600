"""References that hold the light of a transient: what is subtracted from them lacks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Reference, SkyObject
from core.objects.sky import rows_in_cone
from core.objects.sphere import separation_deg
from core.objects.told_detections import told_before, told_first
from core.vocabulary import Label, ReviewState

# A supernova shines on for about so long. What it may have shone before it was first seen is not counted:
# references of the weeks before are the rule, and mostly lack it.
FADES_DAYS = 100.0
ALWAYS_SHINE = (Label.VARIABLE, Label.MOVING)  # or shine elsewhere
_BATCH = 2000  # ids of one query
_FRAMES = (Reference.mjd_first, Reference.mjd_last)


def seen_meanwhile(store: Store, reference: Reference) -> list[str]:
    """The names of transients whose light a reference holds, or may hold.

    Those are objects within its radius that were judged real, neither move nor vary all the time, and were
    seen before its last frame, if only by what surveys tell, and up to `FADES_DAYS` before its first.
    Without a WCS it cannot be told.
    """
    first, last = reference.mjd_first, reference.mjd_last
    if reference.ra is None or reference.dec is None or first is None or last is None:
        return []
    with store.read() as session:
        rows = rows_in_cone(
            session,
            SkyObject,
            reference.ra,
            reference.dec,
            reference.radius_deg or 0.0,
            col(SkyObject.injected).is_(False),
            col(SkyObject.moving).is_(False),
            col(SkyObject.tracklet_id).is_(None),
            col(SkyObject.review_state) == ReviewState.REAL.value,
            col(SkyObject.review_label).not_in([each.value for each in ALWAYS_SHINE]),
            (col(SkyObject.first_mjd) <= last) | told_before(last),
            col(SkyObject.last_mjd) >= first - FADES_DAYS,
        )
    return sorted(row.name for row in rows)


def holders(store: Store, object_ids: Sequence[int]) -> list[int]:
    """The references in use that hold the light of some objects, or may, as `seen_meanwhile` has it."""
    found: set[int] = set()
    with store.read() as session:
        for start in range(0, len(object_ids), _BATCH):
            some = col(SkyObject.id).in_(object_ids[start : start + _BATCH])
            found |= holders_of(session, session.scalars(select(SkyObject).where(some)).all())
    return sorted(found)


def holders_of(session: Session, objects: Sequence[SkyObject]) -> set[int]:
    """The same of rows. Without a WCS only the reference whose grid an object is on can hold its light."""
    transients = [row for row in objects if _is_transient(row)]
    if not transients:
        return set()
    columns = (Reference.id, Reference.ra, Reference.dec, Reference.radius_deg, *_FRAMES)
    dated = [col(each).is_not(None) for each in _FRAMES]
    references = session.execute(select(*map(col, columns)).where(col(Reference.is_current), *dated)).all()
    number, ra, dec, radius, first, last = _values(references, len(columns))[:, :, None]
    by_surveys = told_first(session, [row.id or 0 for row in transients])
    rows = [
        (
            row.reference_id,
            row.ra,
            row.dec,
            _earlier(row.first_mjd, by_surveys.get(row.id or 0)),
            row.last_mjd,
        )
        for row in transients
    ]
    grid, their_ra, their_dec, seen, seen_last = _values(rows, 5)
    shone = (seen <= last) & (first <= seen_last + FADES_DAYS)
    pairs = np.nonzero(shone & (np.abs(their_dec - dec) <= radius))
    of, which = pairs[0], pairs[1]
    apart = separation_deg(ra[of, 0], dec[of, 0], their_ra[which], their_dec[which])
    on_grid = shone & ~np.isfinite(their_ra + their_dec) & (grid == number)
    found = np.concatenate([number[of[apart <= radius[of, 0]], 0], number[on_grid.any(axis=1), 0]])
    return {int(each) for each in found}


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((mjd for mjd in (one, other) if mjd is not None), default=None)


def told(references: Sequence[int], objects: int = 1) -> str:
    """What is to be said where references hold the light of so many objects; nothing where none does."""
    if not references:
        return ""
    numbers = ", ".join(map(str, references))
    whose = "its light" if objects == 1 else "the light of some of them"
    if len(references) == 1:
        return (
            f"reference {numbers} is of frames that may hold {whose}, and what is subtracted"
            f" from it lacks that light: `astrid reference retire {numbers}` ends its use"
        )
    return (
        f"references {numbers} are of frames that may hold {whose}, and what is subtracted"
        " from them lacks that light: `astrid reference retire` ends the use of each"
    )


def _values(rows: Sequence[Sequence[Any]], columns: int) -> NDArray[np.float64]:
    """The columns of rows, NaN where there is nothing."""
    return np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, columns).T


def _is_transient(row: SkyObject) -> bool:
    return (
        row.review_state == ReviewState.REAL
        and row.review_label not in ALWAYS_SHINE
        and row.tracklet_id is None
        and not (row.injected or row.moving)
    )
