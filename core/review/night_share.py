"""How much of what a night offers is real, by what reviewers agree on: precision depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, SkyObject
from core.epochs import MJD_0, night_of
from core.errors import AstridError
from core.frames.standing import candidate_label
from core.review.agreed import agreed_objects, why_none
from core.review.agreement import Standing, side
from core.review.pace import Share, share
from core.review.real_rows import is_injected_candidate
from core.review.states import AWAITING
from core.settings_sections import ReviewSettings, SiteSettings
from core.surveys.sites import site_of
from core.vocabulary import OWN, ReviewState

ENOUGH = 100  # objects decided, with which no older night is asked
LEAST = 30  # without which no share is told
MOST_NIGHTS = 10
_BATCH = 2000  # ids of one query
_SEEN: tuple[Any, ...] = (
    col(Candidate.sky_object_id), col(Candidate.mjd), col(Candidate.source), col(Candidate.external_id),
)  # fmt: skip


class NightShareError(AstridError):
    """Too little is agreed on of the newest nights."""


@dataclass(frozen=True, slots=True)
class NightShare:
    """What is agreed on of the newest nights in which anything is.

    Attributes
    ----------
    real : Share
        Of the objects, each counted once in every night that saw it; what moves is one object.
    nights : int
    first, last : str
        The dates on which these nights began.
    undecided : int
        Objects seen in the same nights that await a decision: the share is not known to be theirs.
    """

    real: Share
    nights: int
    first: str
    last: str
    undecided: int


def east_deg(site: SiteSettings) -> float:
    """The longitude of the telescope; that of Greenwich where no position is set."""
    return site.position[1] if site.position else 0.0


def night_seen(mjd: float, source: str, external_id: str, own_east_deg: float) -> int:
    """The night in which a candidate was seen: that of one's own telescope, or of the survey's.

    Parameters
    ----------
    mjd : float
    source, external_id : str
        Of the candidate.
    own_east_deg : float
        The longitude of one's own telescope.
    """
    if source == OWN:
        return night_of(mjd, own_east_deg)
    seen_from = site_of(source, external_id)
    return night_of(mjd, 0.0 if seen_from is None else seen_from[1])


def newest_share(store: Store, review: ReviewSettings, site: SiteSettings) -> NightShare:
    """The share of real among what is agreed on of the newest nights: of so many that it is `ENOUGH`.

    A real label judges its object in all nights that saw it, a bogus label the one detection that was
    shown. What was injected does not count.

    Parameters
    ----------
    store : Store
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    site : SiteSettings
        It tells when it is noon, which parts the nights.

    Raises
    ------
    NightShareError
        Fewer than `LEAST` are agreed on, or all of them are of one kind.
    """
    agreed = agreed_objects(store, review)
    if not agreed:
        raise NightShareError(f"no share of real is known: {why_none(store, review)}")
    east = east_deg(site)
    by_night: dict[int, dict[int, bool]] = {}  # of each night its objects, and whether they are real
    for night, object_id, is_real in _decided(store, agreed, east):
        by_night.setdefault(night, {})[object_id] = is_real
    nights: list[int] = []
    kinds: list[bool] = []
    for night in sorted(by_night, reverse=True)[:MOST_NIGHTS]:
        nights.append(night)
        kinds += by_night[night].values()
        if len(kinds) >= ENOUGH:
            break
    real = share(sum(kinds), len(kinds))
    if real.n < LEAST:
        raise NightShareError(
            f"only {real.n} objects of the newest nights are agreed on, and at least {LEAST} tell a share of "
            "real: decide more, or give the share as a number"
        )
    if real.hits in (0, real.n):
        kind = "real" if real.hits else "bogus"
        raise NightShareError(
            f"all {real.n} objects of the newest nights that are agreed on are {kind}, which tells no share "
            "of real: give it as a number"
        )
    return NightShare(real, len(nights), _date(nights[-1]), _date(nights[0]), _undecided(store, nights, east))


def _decided(store: Store, agreed: Mapping[int, Standing], east: float) -> Iterator[tuple[int, int, bool]]:
    """Night, object and whether it is real, of each detection that is agreed on."""
    ids = sorted(agreed)
    for first in range(0, len(ids), _BATCH):
        query = (
            select(*_SEEN, candidate_label())
            .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
            .where(
                col(SkyObject.id).in_(ids[first : first + _BATCH]),
                col(Candidate.is_current),
                ~is_injected_candidate(),
            )
        )
        with store.read() as db:
            rows = db.execute(query).all()
        for object_id, mjd, source, external_id, label in rows:
            standing = agreed[object_id]
            if label is not None and side(label) is standing.confirmed:
                night = night_seen(mjd, source, external_id, east)
                yield night, standing.object_id, standing.confirmed is ReviewState.REAL


def _undecided(store: Store, nights: Iterable[int], east: float) -> int:
    """Objects that await a decision, injected ones among them, which nobody is told apart."""
    wanted = set(nights)
    query = (
        select(*_SEEN)
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .where(
            col(Candidate.is_current),
            col(Candidate.mjd) >= min(wanted) - 1,  # of any longitude
            col(Candidate.mjd) <= max(wanted) + 3,
            col(SkyObject.review_state).in_([state.value for state in AWAITING]),
        )
    )
    with store.read() as db:
        rows = db.execute(query).all()
    seen = ((key, night_seen(mjd, source, external_id, east)) for key, mjd, source, external_id in rows)
    return len({key for key, night in seen if night in wanted})


def _date(night: int) -> str:
    return (MJD_0 + timedelta(days=night)).date().isoformat()
