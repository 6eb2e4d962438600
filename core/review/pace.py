"""How fast a reviewer decides, how long without a rest, and how far a given time will reach.

A pace is measured between verdicts that followed each other in one sitting of a person, and stand: what
was taken back was no decision, and a script has no pace. A gap longer than `BREAK_S` is a break and counts
nowhere; what was decided as one step of many is left out. Work goes by the mean gap; the median tells what
one verdict mostly takes.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from sqlalchemy import case, false, func, select
from sqlmodel import col

from core.database.keyset import MAX_LIMIT
from core.database.store import Store
from core.database.tables import SkyObject, Verdict
from core.errors import AstridError
from core.frames.standing import stands
from core.review.card_terms import parse
from core.review.names import looked_up
from core.review.retractions import step_size
from core.review.waiting import order_of, queue_count, queue_page, queue_rows
from core.vocabulary import LABELS, Label, ReviewState

AGAIN = "again"  # in `shown`: the card was decided before by the same reviewer, and shown blind once more
BY, COMMAND_LINE = "by", "command line"  # in `shown`: what gave a verdict without a card
IMPORT = "import"  # another vetting tool did; under this name too: of which file and line
BREAK_S = 120.0
FEWEST = 20  # below, a share or a pace is told as not known
NEWEST = 20_000  # verdicts of a reviewer that are read
WINDOW = 20  # verdicts over which a slowing is looked for
SLOWED = 1.5  # times the pace of the stretch's beginning


class PaceError(AstridError):
    """A pace is not known yet; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Verdicts without a break between them.

    Attributes
    ----------
    slowing : float or None
        Median seconds a verdict of the last `WINDOW` over those of the first; none below two windows.
    """

    began: float  # Unix seconds
    seconds: float
    verdicts: int
    slowing: float | None

    @property
    def is_tired(self) -> bool:
        """Whether the reviewer slowed as one who tires does."""
        return self.slowing is not None and self.slowing >= SLOWED


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its Wilson interval of 95 %; none of them below `FEWEST`."""

    hits: int
    n: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """One reviewer's pace.

    Attributes
    ----------
    verdicts : int
        All that stand, whoever or whatever gave them.
    gaps : int
        Between verdicts of a sitting.
    seconds, mean_s : float or None
        Median and mean gap; none below `FEWEST` gaps.
    per_hour : float or None
        Verdicts an hour of time at work, from the mean.
    self_agreement : Share
        Of cards that were shown again blind: real, bogus or neither once more.
    """

    reviewer: str
    verdicts: int
    gaps: int
    seconds: float | None
    per_hour: float | None
    stretches: tuple[Stretch, ...]
    self_agreement: Share
    mean_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        content = asdict(self)
        content["median_s"] = content.pop("seconds")
        content["stretches"] = [asdict(each) | {"tired": each.is_tired} for each in self.stretches]
        return content


@dataclass(frozen=True, slots=True)
class Cut:
    """How far a time reaches in a queue, and what is expected beyond.

    Attributes
    ----------
    rank : int
        Cards that can be decided.
    below : int
        That will not be.
    real : Share
        Of objects beyond the cut's value that were judged real or bogus, the real ones. They were not
        chosen at random, so it is an expectation, not a measurement.
    """

    minutes: float
    seconds: float  # the mean of a verdict
    rank: int
    below: int
    real: Share

    @property
    def expected_real(self) -> tuple[float, float] | None:
        """Real objects that are expected below, from and to."""
        if self.real.low is None or self.real.high is None:
            return None
        return self.real.low * self.below, self.real.high * self.below


def share(hits: int, n: int) -> Share:
    """A share with the interval of Wilson (1927), z = 1.96; unknown below `FEWEST`."""
    if n < FEWEST:
        return Share(hits, n, None, None, None)
    z, p = 1.959964, hits / n
    scale = 1 + z * z / n
    middle = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Share(hits, n, p, min(max(middle - half, 0.0), p), max(min(middle + half, 1.0), p))


def stretches(times: Sequence[float]) -> Iterator[Stretch]:
    """Stretches of work in the times of verdicts, in order."""
    begin = 0
    for place in range(1, len(times) + 1):
        if place < len(times) and times[place] - times[place - 1] <= BREAK_S:
            continue
        part = times[begin:place]
        gaps = [after - before for before, after in itertools.pairwise(part)]
        slowing = None
        if len(gaps) >= 2 * WINDOW and (first := median(gaps[:WINDOW])) > 0:
            slowing = median(gaps[-WINDOW:]) / first
        yield Stretch(part[0], part[-1] - part[0], len(part), slowing)
        begin = place


def pace(store: Store, reviewer: str) -> Pace:
    """Measure a reviewer's pace from the newest verdicts."""
    query = (
        select(Verdict)
        .where(col(Verdict.reviewer) == reviewer, stands(Verdict))
        .order_by(col(Verdict.id).desc())
        .limit(NEWEST)
    )
    with store.read() as db:
        rows = list(db.scalars(query))[::-1]
    single = [row for row in rows if _was_looked_at(row)]
    found: list[Stretch] = []
    gaps: list[float] = []
    for session in dict.fromkeys(row.session for row in single):
        times = [row.created_at for row in single if row.session == session]
        found += stretches(times)
        gaps += [after - before for before, after in itertools.pairwise(times)]
    gaps = [gap for gap in gaps if 0 <= gap <= BREAK_S]
    mean = sum(gaps) / len(gaps) if len(gaps) >= FEWEST else None
    return Pace(
        reviewer=reviewer,
        verdicts=len(rows),
        gaps=len(gaps),
        seconds=median(gaps) if mean is not None else None,
        mean_s=mean,
        per_hour=3600 / mean if mean else None,
        stretches=tuple(found),
        self_agreement=_self_agreement(rows),
    )


def _was_looked_at(row: Verdict) -> bool:
    """Whether a person decided it at a card of its own, when the row says."""
    given_again = row.retracts_id is not None
    return step_size(row) == 1 and not given_again and row.shown.get(BY) not in {COMMAND_LINE, IMPORT}


def reviewers(store: Store) -> list[str]:
    """Everybody who ever gave a verdict."""
    with store.read() as db:
        return list(db.scalars(select(col(Verdict.reviewer)).distinct().order_by(col(Verdict.reviewer))))


def cut(
    store: Store,
    reviewer: str,
    minutes: float,
    *,
    filters: str = "",
    order: str = "score",
    passed: int = 0,
    asker: str | None = None,
) -> Cut:
    """Where a reviewer's own pace cuts the queue.

    Parameters
    ----------
    passed : int
        How many of those that await a verdict lie before the reviewer, who passed over them.
    asker : str, optional
        As of `core.review.waiting.queue_page`.

    Raises
    ------
    PaceError
        Too few verdicts were given for a pace, or the time holds none.
    FilterError, PageError
    """
    own = pace(store, reviewer)
    if own.mean_s is None or own.per_hour is None:
        raise PaceError(
            f"your pace is not known yet: {FEWEST} gaps between verdicts tell it, {own.gaps} so far"
        )
    seconds = own.mean_s  # a sum of times goes by the mean
    rank = min(int(minutes * 60 / seconds), MAX_LIMIT)
    if rank < 1:
        raise PaceError(f"{minutes:g} min are less than one verdict takes, {seconds:.0f} s")
    below = queue_count(store, filters=filters, order=order, asker=asker) - passed - rank
    if below <= 0:
        return Cut(minutes, seconds, rank, 0, share(0, 0))
    reached = min(passed + rank, MAX_LIMIT)
    last = queue_page(store, limit=reached, filters=filters, order=order, asker=asker).last_key
    return Cut(minutes, seconds, rank, below, _real_beyond(store, last, filters, order))


def _real_beyond(store: Store, last: float | None, filters: str, order: str) -> Share:
    """Objects that were judged and lie beyond a value in an order; those without a value lie beyond all."""
    by, terms = order_of(order), parse(filters)
    states = (ReviewState.REAL, ReviewState.BOGUS)
    key = by.key()
    beyond = false() if last is None else key <= last if by.descending else key >= last
    with store.read() as db:
        some = looked_up(db, terms)
        query = queue_rows((col(SkyObject.review_state), func.count()), states, some, by).where(
            beyond | key.is_(None)
        )
        counts = {row[0]: row[1] for row in db.execute(query.group_by(col(SkyObject.review_state)))}
    real = counts.get(ReviewState.REAL.value, 0)
    return share(real, real + counts.get(ReviewState.BOGUS.value, 0))


def _self_agreement(rows: Sequence[Verdict]) -> Share:
    """Cards that were shown again blind against the verdict before."""
    before: dict[int, str] = {}
    hits = n = 0
    for row in rows:
        said = LABELS[Label(row.label or "")].review_state
        if row.shown.get(AGAIN) and row.sky_object_id in before:
            n += 1
            hits += before[row.sky_object_id] == said
        before[row.sky_object_id] = said
    return share(hits, n)


def due_again(
    store: Store,
    reviewer: str,
    count: int,
    *,
    before: float,
    among: Sequence[int] = (),
    order: str = "score",
) -> list[tuple[int, int]]:
    """Objects that a reviewer decided once, to be shown again blind, and where.

    Of those that are due the nearest in rank to some others are taken, for a card that is out of order would
    tell what it is; of as near ones, by a lot that follows no order.

    Parameters
    ----------
    before : float
        Only what was decided before this time, Unix seconds.
    among : sequence of int
        Objects in the queue's order.

    Returns
    -------
    list of (int, int)
        Object, and its place by rank among the others: before the one that has this place, 0 the first;
        in the queue's order.
    """
    if count < 1:
        return []
    by = order_of(order)
    key, lot = by.key(), func.max(col(Verdict.hash))
    mine = (
        select(col(Verdict.sky_object_id), key)
        .join(SkyObject, col(SkyObject.id) == col(Verdict.sky_object_id))
        .where(
            col(Verdict.reviewer) == reviewer,
            stands(Verdict),
            col(SkyObject.review_state).in_([ReviewState.REAL.value, ReviewState.BOGUS.value]),
            col(SkyObject.best_candidate_id).is_not(None),
            *([key.is_not(None)] if by.only_known else []),
        )
        .group_by(col(Verdict.sky_object_id), key)
        .having(func.count() == 1, func.max(col(Verdict.created_at)) < before)
        .limit(count)
    )
    with store.read() as db:
        found = db.execute(select(col(SkyObject.id), key).where(col(SkyObject.id).in_(among)))
        values = {row[0]: row[1] for row in found}
        keys = [values[each] for each in among if each in values]
        known = [value for value in keys if value is not None]
        if known:
            low, high = min(known), max(known)
            away = case((key > high, key - high), (key < low, low - key), else_=0.0)
            mine = mine.order_by(key.is_(None), away, lot)
        due = db.execute(mine.order_by(lot)).tuples().all()
    sign = -1 if by.descending else 1

    def rank(value: float | None) -> tuple[bool, float]:
        return value is None, sign * (value or 0.0)

    in_order = sorted(due, key=lambda each: rank(each[1]))
    return [(each, sum(rank(other) < rank(value) for other in keys)) for each, value in in_order]
