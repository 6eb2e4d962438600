"""What reviewers say of the same objects: what is confirmed, what is disputed, how far they agree.

An object is confirmed by one expert; or, where no expert judged it, by as many reviewers as the
settings ask for, all of whom say real, or all of whom say bogus. It is disputed while reviewers differ
and no expert has judged it. Only the newest standing verdict of each reviewer counts, and only real
and bogus: unsure, snooze and a question to an expert take no side.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Assignment, SkyObject, Verdict
from core.database.turns import take_turn
from core.errors import AstridError
from core.frames.standing import stands
from core.review.pace import FEWEST, Share, reviewers, share
from core.review.real_rows import real_verdicts
from core.review.states import judged_as, judged_together
from core.review.verdicts import decide_in
from core.text import safe_text
from core.vocabulary import LABELS, Label, ReviewState

SIDES = (ReviewState.REAL, ReviewState.BOGUS)


class ExpertError(AstridError):
    """An expert cannot be asked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What reviewers say of one object, or of a body that moves, which is judged as one.

    Attributes
    ----------
    object_id : int
        Of a body the object that was judged first.
    tracklet_id : int or None
        The body.
    votes : dict
        The label that each reviewer gave last, by reviewer.
    confirmed : ReviewState or None
        Real or bogus.
    by : str or None
        ``expert`` or ``votes``.
    """

    object_id: int
    name: str
    votes: dict[str, str]
    confirmed: ReviewState | None
    by: str | None
    is_disputed: bool
    candidate_id: int  # of the newest verdict
    tracklet_id: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two reviewers' agreement; kappa is none below `FEWEST` objects, or where both say one thing alone."""

    first: str
    second: str
    n: int
    agree: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """An object that awaits an expert."""

    object_id: int
    candidate_id: int | None
    name: str
    asked_by: str | None
    note: str | None
    expert: str | None


def side(label: str) -> ReviewState | None:
    """Real or bogus; none for labels that take no side."""
    state = LABELS[Label(label)].review_state
    return state if state in SIDES else None


def settled(
    votes: Mapping[str, str], *, experts: Collection[str], needed: int
) -> tuple[ReviewState | None, str | None, bool]:
    """Whether some votes confirm an object, by what, and whether they are disputed.

    Parameters
    ----------
    votes : mapping
        The newest label of each reviewer, the oldest vote first.
    needed : int
        Votes that confirm without an expert.
    """
    sides = {reviewer: taken for reviewer, label in votes.items() if (taken := side(label))}
    of_experts = [taken for reviewer, taken in sides.items() if reviewer in experts]
    if of_experts:
        is_one = len(set(of_experts)) == 1
        return (of_experts[0] if is_one else None, "expert" if is_one else None, not is_one)
    if len(set(sides.values())) > 1:
        return None, None, True
    if len(sides) >= needed:
        return next(iter(sides.values())), "votes", False
    return None, None, False


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two raters beyond chance (Cohen 1960); none where chance alone would give all of it."""
    n = len(pairs)
    if n == 0:
        return None
    observed = sum(one == other for one, other in pairs) / n
    words = {word for pair in pairs for word in pair}
    chance = sum(
        sum(one == word for one, _ in pairs) * sum(other == word for _, other in pairs) for word in words
    ) / (n * n)
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def standings(store: Store, *, experts: Collection[str] = (), needed: int = 2) -> list[Standing]:
    """All objects that anybody judged, by their ids, but for injected sources."""
    judged: dict[int, tuple[SkyObject, dict[str, str]]] = {}
    newest: dict[int, int] = {}
    for given in sorted(real_verdicts(store), key=lambda each: each.verdict.id or 0):
        row, verdict = given.sky_object, given.verdict
        key = judged_as(row)
        votes = judged.setdefault(key, (row, {}))[1]
        votes.pop(verdict.reviewer, None)
        votes[verdict.reviewer] = verdict.label or ""
        newest[key] = verdict.candidate_id
    found = [
        Standing(
            row.id or 0,
            row.name,
            votes,
            *settled(votes, experts=experts, needed=needed),
            newest[key],
            tracklet_id=-key if key < 0 else None,
        )
        for key, (row, votes) in judged.items()
    ]
    return sorted(found, key=lambda each: each.object_id)


def said_by_others(store: Store, objects: Collection[int], reviewer: str) -> dict[str, str]:
    """The newest standing label of everybody else who took a side on some objects, the oldest first.

    Parameters
    ----------
    objects : collection of int
        What is judged as one.
    """
    query = (
        select(col(Verdict.reviewer), col(Verdict.label))
        .where(col(Verdict.sky_object_id).in_(objects), col(Verdict.reviewer) != reviewer, stands(Verdict))
        .order_by(col(Verdict.id))
    )
    votes: dict[str, str] = {}
    with store.read() as db:
        for who, label in db.execute(query):
            votes.pop(who, None)
            votes[who] = label
    return {who: label for who, label in votes.items() if side(label)}


def agreement(found: Iterable[Standing]) -> list[Pair]:
    """Every two reviewers on the objects that both took a side on."""
    sides: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for standing in found:
        taken = {who: said for who, label in standing.votes.items() if (said := side(label))}
        for first, second in combinations(sorted(taken), 2):
            sides.setdefault((first, second), []).append((taken[first], taken[second]))
    return [
        Pair(
            first,
            second,
            len(pairs),
            sum(one == other for one, other in pairs),
            cohens_kappa(pairs) if len(pairs) >= FEWEST else None,
        )
        for (first, second), pairs in sorted(sides.items())
    ]


def reliability(
    found: Iterable[Standing], *, experts: Collection[str] = (), needed: int = 2
) -> dict[str, Share]:
    """How often each reviewer says what the others confirm without that reviewer's own vote."""
    counts: dict[str, list[int]] = {}
    for standing in found:
        for reviewer, label in standing.votes.items():
            others = {who: said for who, said in standing.votes.items() if who != reviewer}
            confirmed, _, _ = settled(others, experts=experts, needed=needed)
            own = side(label)
            if confirmed is not None and own is not None:
                tally = counts.setdefault(reviewer, [0, 0])
                tally[0] += own == confirmed
                tally[1] += 1
    return {reviewer: share(*tally) for reviewer, tally in sorted(counts.items())}


def asked(store: Store, *, expert: str | None = None, limit: int = 1000) -> list[Asked]:
    """Objects that await an expert, the first that was asked about first; of one expert if named."""
    query = (
        select(SkyObject, col(Assignment.expert))
        .outerjoin(Assignment, col(Assignment.sky_object_id) == col(SkyObject.id))
        .where(col(SkyObject.review_state) == ReviewState.ESCALATED.value)
        .order_by(_asked_in(), col(SkyObject.id))
        .limit(limit)
    )
    if expert is not None:
        query = query.where(col(Assignment.expert) == expert)
    with store.read() as db:
        rows = [(sky_object, who) for sky_object, who in db.execute(query)]
        ids = [sky_object.id or 0 for sky_object, _ in rows]
        # Of a body that moves any object may be the one that was asked about.
        carriers = {row.tracklet_id: row.id or 0 for row, _ in rows if row.tracklet_id is not None}
        about = or_(col(SkyObject.id).in_(ids), col(SkyObject.tracklet_id).in_(list(carriers)))
        questions: dict[int, Verdict] = {}
        for verdict, tracklet in db.execute(
            select(Verdict, col(SkyObject.tracklet_id))
            .join(SkyObject, col(Verdict.sky_object_id) == col(SkyObject.id))
            .where(about, col(Verdict.label) == Label.ASK_EXPERT, stands(Verdict))
            .order_by(col(Verdict.id))
        ):
            questions[carriers.get(tracklet, verdict.sky_object_id)] = verdict
    found = []
    for sky_object, who in rows:
        question = questions.get(sky_object.id or 0)
        found.append(
            Asked(
                object_id=sky_object.id or 0,
                candidate_id=question.candidate_id if question else sky_object.best_candidate_id,
                name=sky_object.name,
                asked_by=question.reviewer if question else None,
                note=question.note if question else None,
                expert=who,
            )
        )
    order = {key: verdict.id or 0 for key, verdict in questions.items()}
    return sorted(found, key=lambda each: (order.get(each.object_id, 0), each.object_id))


def _asked_in() -> ColumnElement[int]:
    """The newest standing question on an object, or on the body that it is; 0 without one."""
    part = aliased(SkyObject)
    newest = select(func.max(col(Verdict.id))).where(col(Verdict.label) == Label.ASK_EXPERT, stands(Verdict))
    of_object = newest.where(col(Verdict.sky_object_id) == col(SkyObject.id)).correlate(SkyObject)
    of_body = (
        newest.join(part, col(Verdict.sky_object_id) == col(part.id))
        .where(col(part.tracklet_id) == col(SkyObject.tracklet_id))
        .correlate(SkyObject)
    )
    return func.coalesce(of_body.scalar_subquery(), of_object.scalar_subquery(), 0)


def assign(store: Store, object_id: int, expert: str | None, *, by: str, at: float, session: str) -> str:
    """Ask an expert about an object, in place of whoever was asked before; its name.

    An object that does not await an expert yet is escalated in the same transaction, by a verdict of `by`
    on the candidate that stands for it.

    Parameters
    ----------
    expert : str or None
        None: any expert.
    at : float
        Unix seconds.
    session : str
        The sitting whose chain the verdict belongs to.

    Raises
    ------
    ExpertError
        The object does not exist, or has no candidate to ask about.
    """
    with store.write(durable=True) as db:
        take_turn(db, "assignments")  # two at once would both insert the row that none had deleted
        sky_object = db.get(SkyObject, object_id)
        if sky_object is None:
            raise ExpertError(f"there is no sky object {object_id}")
        carrier = db.get_one(SkyObject, judged_together(db, sky_object)[0])
        if carrier.review_state != ReviewState.ESCALATED:
            candidate = sky_object.best_candidate_id
            if candidate is None:
                raise ExpertError(f"sky object {object_id} has no candidate to ask an expert about")
            shown = {"by": "assignment"}
            decide_in(
                db, session=session, reviewer=by, candidate_id=candidate, label=Label.ASK_EXPERT, shown=shown
            )
            carrier = db.get_one(SkyObject, judged_together(db, sky_object)[0])
        db.execute(delete(Assignment).where(col(Assignment.sky_object_id) == carrier.id))
        if expert is not None:
            db.add(Assignment(sky_object_id=carrier.id or 0, expert=expert, assigned_by=by, assigned_at=at))
        return carrier.name


def must_be_known(store: Store, expert: str, *, experts: Collection[str], by: str) -> str:
    """Refuse to ask a name that nobody bears; an expert by the settings, a reviewer and `by` are known.

    Returns
    -------
    str
        What to say of a reviewer whom the settings do not name as an expert; empty of one they name.

    Raises
    ------
    ExpertError
        Neither the settings name such an expert, nor did anybody of this name give a verdict.
    """
    if expert in experts:
        return ""
    there = ", ".join(sorted(experts)) or "nobody"
    told = f"{expert} is no expert by [review] experts, which names {there}"
    if expert == by or expert in reviewers(store):
        return safe_text(told, 200)
    raise ExpertError(safe_text(f"{told}, and gave no verdict yet", 240))
