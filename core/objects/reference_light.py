"""References that hold the light of a transient: what is subtracted from them lacks it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from core.database.store import Store
from core.database.tables import Reference, SkyObject
from core.objects.sky import rows_in_cone, separation_deg
from core.vocabulary import Label, ReviewState

# A supernova shines on for about so long. What it may have shone before it was first seen is not counted:
# references of the weeks before are the rule, and mostly lack it.
FADES_DAYS = 100.0
ALWAYS_SHINE = (Label.VARIABLE, Label.MOVING)  # or shine elsewhere
_BATCH = 2000  # ids of one query


def seen_meanwhile(store: Store, reference: Reference) -> list[str]:
    """The names of transients whose light a reference holds, or may hold.

    Those are objects within its radius that were judged real, neither move nor vary all the time, and were
    seen before its last frame and up to `FADES_DAYS` before its first. Without a WCS it cannot be told.
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
            col(SkyObject.first_mjd) <= last,
            col(SkyObject.last_mjd) >= first - FADES_DAYS,
        )
    return sorted(row.name for row in rows)


def holders(store: Store, object_ids: Sequence[int]) -> list[int]:
    """The references in use that hold the light of some objects, or may, as `seen_meanwhile` has it."""
    found: set[int] = set()
    with store.read() as session:
        for start in range(0, len(object_ids), _BATCH):
            some = col(SkyObject.id).in_(object_ids[start : start + _BATCH])
            found |= holders_of(session, session.exec(select(SkyObject).where(some)).all())
    return sorted(found)


def holders_of(session: Session, objects: Sequence[SkyObject]) -> set[int]:
    """The same of rows. Without a WCS only the reference whose grid an object is on can hold its light."""
    transients = [row for row in objects if _is_transient(row)]
    if not transients:
        return set()
    dated = select(Reference).where(col(Reference.is_current), col(Reference.mjd_last).is_not(None))
    return {
        each.id or 0
        for each in session.exec(dated)
        for row in transients
        if _shone(row, each) and _lies_in(row, each)
    }


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


def _shone(row: SkyObject, reference: Reference) -> bool:
    """Whether an object shone, or may have, while the frames of a reference were taken."""
    first, last = reference.mjd_first, reference.mjd_last
    if row.first_mjd is None or row.last_mjd is None or first is None or last is None:
        return False
    return row.first_mjd <= last and first <= row.last_mjd + FADES_DAYS


def _lies_in(row: SkyObject, reference: Reference) -> bool:
    if row.ra is None or row.dec is None:
        return row.reference_id == reference.id
    ra, dec, radius = reference.ra, reference.dec, reference.radius_deg or 0.0
    return ra is not None and dec is not None and float(separation_deg(ra, dec, row.ra, row.dec)) <= radius


def _is_transient(row: SkyObject) -> bool:
    return (
        row.review_state == ReviewState.REAL
        and row.review_label not in ALWAYS_SHINE
        and row.tracklet_id is None
        and not (row.injected or row.moving)
    )
