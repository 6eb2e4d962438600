"""What the review screen asks of the store. Every method blocks: call it from a thread."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.database.store import Store
from core.database.tables import Candidate, Difference, SkyObject, Verdict
from core.frames.frame_detail import Header, NoSuchFrame, read_frame, read_header
from core.objects import reference_light
from core.review import (
    agreement,
    alike,
    card_stamp,
    card_terms,
    cards,
    fakes,
    filter_help,
    learnt,
    open_cards,
    pace,
    retractions,
    saved_filters,
    verdicts,
    waiting,
)
from core.settings_sections import ReviewSettings
from core.text import safe_text
from core.vocabulary import Label, ReviewState

if TYPE_CHECKING:
    from core.places.why import Story


@dataclass(frozen=True, slots=True)
class Undone:
    """A verdict that was taken back, or given again; of many at once the first, and all their objects.

    Of a body that moves it is the object that carries the card, whichever was judged.
    """

    object_id: int
    candidate_id: int
    label: str | None  # what stands now by this row: none after an undo
    taken: str | None = None  # what an undo took back
    name: str = ""
    is_again: bool = False  # the card had been shown blind once more
    objects: tuple[int, ...] = ()
    revealed: str = ""  # that it was an injected source


@dataclass(frozen=True, slots=True)
class Earlier:
    """A verdict that the same reviewer gave at another sitting."""

    verdict_id: int
    label: str
    name: str
    at: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class Habits:
    """How this reviewer's cards are chosen and shown, by the settings."""

    blind: bool = False
    again_share: float = 0.0
    again_after_s: float = 3600.0
    experts: tuple[str, ...] = ()
    votes: int = 2
    open_card_s: float = 120.0

    @classmethod
    def of(cls, settings: ReviewSettings, *, read_only: bool) -> "Habits":
        """By the settings; who decides nothing is shown nothing again."""
        return cls(
            blind=settings.blind,
            again_share=0.0 if read_only else settings.again_share,
            again_after_s=settings.again_after_s,
            experts=settings.experts,
            votes=settings.votes,
            open_card_s=settings.open_card_s,
        )


class Desk:
    """One reviewer's sitting at one store.

    Parameters
    ----------
    store : Store
    reviewer : str
    habits : Habits, optional
    """

    def __init__(self, store: Store, reviewer: str, habits: Habits | None = None) -> None:
        self._store = store
        self.habits = habits or Habits()
        self.reviewer = reviewer
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._session = f"{reviewer}-{started}-{uuid4().hex[:8]}"
        self._open_card = Lock()  # held while others are told of it
        self._is_told = self._has_left = False

    def page(
        self, *, after: str | None, filters: str, limit: int = 50, order: str = "score"
    ) -> waiting.CardPage:
        """The next objects that await a verdict, or that the filter leads to."""
        return waiting.queue_page(
            self._store, limit=limit, after=after, filters=filters, order=order, asker=self._asker
        )

    def total(self, filters: str, order: str = "score") -> int:
        """How many objects that pass the filter await a verdict."""
        return waiting.queue_count(self._store, filters=filters, order=order, asker=self._asker)

    def decided(self, filters: str) -> int:
        """How many objects would pass the filter, were it one for such as are decided."""
        return waiting.queue_count(self._store, filters=filters, states=card_terms.JUDGED)

    @property
    def _asker(self) -> str | None:
        """Whose questions to experts are not in the queue: an expert's own stay."""
        return None if self.reviewer in self.habits.experts else self.reviewer

    def again(self, among: Sequence[int], order: str) -> list[tuple[int, int]]:
        """Objects that this reviewer decided before, to be shown blind among new ones, and where."""
        wanted = round(len(among) * self.habits.again_share + 0.5 * self.habits.again_share)
        before = time.time() - self.habits.again_after_s
        return pace.due_again(self._store, self.reviewer, wanted, before=before, among=among, order=order)

    def card(self, object_id: int, candidate_id: int | None = None, *, again: bool = False) -> cards.Card:
        """Everything about one object, with the cutouts of its best or of the given detection.

        What is said of it already is left out where it would sway: of a card that is shown again, and
        where this reviewer works blind.
        """
        card = cards.read_card(self._store, object_id, candidate_id)
        if again:
            return cards.hidden(card)
        return cards.hidden(card, keep=self.reviewer) if self.habits.blind else card

    def stamp(self, object_id: int) -> card_stamp.CardStamp | None:
        """What differs from a card's own stamp once the store holds more of it; none: the object is gone."""
        return card_stamp.read_stamp(self._store, object_id)

    def expanded(self, filters: str) -> str:
        """A filter with what was saved in place of each ``@NAME``."""
        return saved_filters.expanded(
            self._store, filters, reviewer=self.reviewer, experts=self.habits.experts
        )

    def offered(self) -> filter_help.Known:
        """What values a filter can be completed with."""
        return saved_filters.offered(self._store, reviewer=self.reviewer, blind=self.habits.blind)

    def save_filter(self, name: str, expression: str) -> None:
        """Keep a filter by a name."""
        saved_filters.save(self._store, reviewer=self.reviewer, name=name, expression=expression)

    def forget_filter(self, name: str) -> None:
        """Forget a filter that was kept."""
        saved_filters.forget(self._store, reviewer=self.reviewer, name=name)

    def cut(self, minutes: float, filters: str, order: str, passed: int = 0) -> pace.Cut:
        """Where this reviewer's own pace cuts the queue, behind so many that were passed over."""
        return pace.cut(
            self._store,
            self.reviewer,
            minutes,
            filters=filters,
            order=order,
            passed=passed,
            asker=self._asker,
        )

    def measured(self) -> tuple[pace.Pace, pace.Share | None, list[agreement.Pair]]:
        """Pace, reliability, and agreement with each other reviewer."""
        rule: dict[str, Any] = {"experts": self.habits.experts, "needed": self.habits.votes}
        found = agreement.standings(self._store, **rule)
        pairs = [p for p in agreement.agreement(found) if self.reviewer in {p.first, p.second}]
        reliable = agreement.reliability(found, **rule).get(self.reviewer)
        return pace.pace(self._store, self.reviewer), reliable, pairs

    def assign(self, object_id: int, expert: str) -> tuple[str, str]:
        """Ask an expert about an object, which then awaits one; its name, and what speaks against the expert.

        A name that nobody bears is refused.
        """
        known: dict[str, Any] = {"experts": self.habits.experts, "by": self.reviewer}
        doubt = agreement.must_be_known(self._store, expert, **known)
        name = agreement.assign(
            self._store, object_id, expert, by=self.reviewer, at=time.time(), session=self._session
        )
        return name, doubt

    def others(self, object_id: int) -> list[str]:
        """Who else has the card of an object open; an own sitting that has just ended is nobody else."""
        found = open_cards.others(self._store, object_id, session=self._session)
        return [name for name in found if name != self.reviewer]

    def said_by_others(self, objects: Sequence[int]) -> dict[str, str]:
        """The label of everybody else who says that a card is real, or that it is not."""
        return agreement.said_by_others(self._store, objects, self.reviewer)

    def in_references(self, objects: Sequence[int]) -> list[int]:
        """The references that hold the light of what was just judged real, or may."""
        return reference_light.holders(self._store, objects)

    def settled(self, votes: Mapping[str, str]) -> tuple[ReviewState | None, str | None, bool]:
        """Whether votes confirm a card, by what, and whether they are disputed."""
        return agreement.settled(votes, experts=self.habits.experts, needed=self.habits.votes)

    def keep_open(self, object_id: int) -> None:
        """Tell others that this card is open here."""
        with self._open_card:
            if self._has_left:
                return
            open_cards.keep_open(
                self._store,
                object_id,
                session=self._session,
                reviewer=self.reviewer,
                seconds=self.habits.open_card_s,
            )
            self._is_told = True

    def put_away(self, *, for_good: bool = False) -> None:
        """Tell others that no card is open here any more; what was told to nobody is not written.

        Parameters
        ----------
        for_good : bool
            The sitting is over: a thread that is late tells nobody of a card after this.
        """
        with self._open_card:
            self._has_left = self._has_left or for_good
            if self._is_told:
                open_cards.close_card(self._store, session=self._session)
                self._is_told = False

    def passing(self, filters: str, order: str) -> list[tuple[int, int]]:
        """Object and candidate of all that pass a filter, one more than can be decided at once at most."""
        page = self.page(after=None, filters=filters, limit=verdicts.MOST_AT_ONCE + 1, order=order)
        return [(row.object_id, row.candidate_id) for row in page.rows]

    def candidates_shown(self, shown: Mapping[int, int | None]) -> dict[int, int]:
        """The candidate that was shown of each of some objects, or what stands for it by now."""
        return waiting.candidates_shown(self._store, shown)

    def names(self, objects: Sequence[int]) -> list[str]:
        """The names of some objects, in their order."""
        with self._store.read() as db:
            rows = [db.get(SkyObject, each) for each in objects]
        return [safe_text(row.name, 40) for row in rows if row is not None]

    def newest_row(self) -> int:
        """The number of the newest verdict or note of all: what follows it is said later."""
        return learnt.newest_row(self._store)

    def is_given(self, word: str) -> bool:
        """Whether anything bears a tag, or was judged by that word."""
        return alike.is_given(self._store, word)

    def taught(self, examples: Sequence[int], since: int, word: str | None) -> learnt.Learnt:
        """What this sitting taught since of what is like some candidates, or bears a word."""
        return learnt.learnt(self._store, examples, session=self._session, since=since, tag=word)

    def decide_together(self, candidates: Sequence[int], label: Label, shown: Mapping[str, Any]) -> str:
        """Write one verdict on many, all or none; what it reveals."""
        rows = verdicts.decide_together(
            self._store,
            session=self._session,
            reviewer=self.reviewer,
            candidate_ids=candidates,
            label=label,
            shown=shown,
        )
        return self._revealed([row.sky_object_id for row in rows])

    def decide(self, candidate_id: int, label: Label, shown: Mapping[str, Any]) -> str:
        """Write a verdict, which is on disk when this returns; what it reveals."""
        row = verdicts.decide(
            self._store,
            session=self._session,
            reviewer=self.reviewer,
            candidate_id=candidate_id,
            label=label,
            shown=shown,
        )
        return self._revealed([row.sky_object_id])

    def header(self, candidate_id: int) -> tuple[str, Header]:
        """The name of a candidate's frame, and its header from the file.

        Raises
        ------
        NoSuchFrame
            The candidate came without a frame of its own, as a survey's alert does.
        """
        with self._store.read() as db:
            candidate = db.get(Candidate, candidate_id)
            frame_id = candidate.observation_id if candidate else None
        if frame_id is None:
            raise NoSuchFrame("this detection came without a frame")
        found = read_frame(self._store, frame_id)
        return found.row.frame, read_header(found)

    def why(self, ra: float, dec: float) -> "Story":
        """What became of a position (degrees) in every frame."""
        from core.places.why import WHOLE, why

        return why(self._store, ra, dec, page=WHOLE)

    def why_of_candidate(self, candidate_id: int) -> "Story":
        """The same of a candidate's place on its reference's grid, where there is no WCS.

        Raises
        ------
        NoSuchFrame
            It has neither a position nor a reference.
        """
        from core.places.why import WHOLE, why_on_grid

        with self._store.read() as db:
            row = db.get(Candidate, candidate_id)
            made = db.get(Difference, row.difference_id) if row and row.difference_id else None
        if row is None or made is None or row.x is None or row.y is None:
            raise NoSuchFrame("this detection has no position")
        return why_on_grid(self._store, made.reference_id, row.x, row.y, page=WHOLE)

    def annotate(self, candidate_id: int, note: str | None, tags: Sequence[str] = ()) -> None:
        """Write a note, tags or both."""
        verdicts.annotate(
            self._store,
            session=self._session,
            reviewer=self.reviewer,
            candidate_id=candidate_id,
            note=note,
            tags=tags,
        )

    def undo(self) -> Undone | None:
        """Take back the newest verdict of this sitting that stands, or step of many."""
        return self._undone(retractions.undo(self._store, **self._who, own=True))

    def earlier(self) -> Earlier | None:
        """The newest verdict that stands of this reviewer at another sitting, which may still go on."""
        row = retractions.newest(self._store, self.reviewer)
        if row is None or row.label is None or row.session == self._session:
            return None
        count = retractions.step_size(row)
        name = retractions.decision(self._store, row)[1] if count == 1 else f"{count} objects"
        return Earlier(row.id or 0, row.label, name, row.created_at)

    def undo_earlier(self, asked: Earlier) -> Undone | None:
        """Take back that one, if it is still the newest."""
        return self._undone(retractions.undo(self._store, **self._who, only=asked.verdict_id))

    def redo(self) -> Undone | None:
        """Give again what was taken back last at this sitting."""
        return self._undone(retractions.redo(self._store, **self._who, own=True))

    @property
    def _who(self) -> dict[str, Any]:
        return {"session": self._session, "reviewer": self.reviewer}

    def _undone(self, row: Verdict | None) -> Undone | None:
        if row is None:
            return None
        objects = retractions.objects_of_step(self._store, row)
        on = cards.carriers(self._store, objects)
        carried = tuple(dict.fromkeys(on[key] for key in objects))
        given, name = retractions.decision(self._store, row)
        return Undone(
            object_id=on[row.sky_object_id],
            candidate_id=row.candidate_id,
            label=row.label,
            taken=None if row.label else given.label,
            name=name,
            is_again=bool(given.shown.get(pace.AGAIN)),
            objects=carried,
            revealed=self._revealed(objects),
        )

    def _revealed(self, objects: Sequence[int]) -> str:
        """That some of these objects were injected; empty where none was, or none was decided."""
        return fakes.told(fakes.revealed(self._store, objects).values(), len(objects))
