"""The cards under review: pages of the store as they were read, and a place among them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Entry:
    """One sky object of the queue, and what was decided of it here."""

    object_id: int
    label: str | None = None
    candidate_id: int | None = None  # the detection to show, where it is not the best one
    is_again: bool = False  # decided before, shown once more

    @property
    def is_blind(self) -> bool:
        """Whether nothing may tell what was said of it before; also after an undo."""
        return self.is_again and self.label is None


@dataclass(slots=True)
class Queue:
    """Entries in the order in which they were read, decided ones included, so that one can go back.

    `place` may be one past the last entry that is reached: the end, where there is no card.
    """

    entries: list[Entry] = field(default_factory=list)
    place: int = 0
    after: str | None = None  # the cursor of the next page; none when all are here
    is_complete: bool = False  # nothing is left to be read
    is_begun: bool = False  # a card of it was shown
    is_waiting: bool = True  # it holds only what awaits a verdict
    is_counted: bool = True  # whether the total is known; else it is of those that were read
    total: int = 0  # how many there are in the store and here, read or not
    without: int | None = 0  # how many more await that have no value in this order; none: not known yet
    came_in: int = 0  # how many more came in since all was read
    cut: int | None = None  # no more entries than these are reached: as far as a given time goes
    # Objects, also such as another filter would show, with the detection that was shown if it was read yet.
    marks: dict[int, int | None] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Whether the store said what is in it, be it nothing."""
        return self.is_complete or bool(self.entries)

    @property
    def reach(self) -> int:
        """How many of the entries are reached."""
        return len(self.entries) if self.cut is None else min(len(self.entries), self.cut)

    @property
    def length(self) -> int:
        """How many there are up to the cut."""
        return self.total if self.cut is None else min(self.total, self.cut)

    @property
    def below(self) -> int:
        """How many there are beyond the cut."""
        return self.total - self.length

    @property
    def current(self) -> Entry | None:
        """The entry under review, none at the end."""
        return self.entries[self.place] if self.place < self.reach else None

    @property
    def undecided(self) -> int:
        """How many of those that were reached have no verdict yet."""
        return sum(entry.label is None for entry in self.entries[: self.reach])

    @property
    def awaiting(self) -> int:
        """How many of all that were read await their first verdict here."""
        return sum(entry.label is None and not entry.is_again for entry in self.entries)

    @property
    def left(self) -> int | None:
        """How many cards the cut still lets one decide; none without a cut."""
        if self.cut is None:
            return None
        return sum(entry.label is None for entry in self.entries[self.place : self.cut]) + max(
            self.cut - len(self.entries), 0
        )

    @property
    def passed(self) -> int:
        """How many lie before the reader that still await their first verdict here."""
        return sum(entry.label is None and not entry.is_again for entry in self.entries[: self.place])

    @property
    def decided(self) -> int:
        """How many were given a verdict here."""
        return sum(entry.label is not None for entry in self.entries)

    def put_in(self, objects: Iterable[tuple[int, int]]) -> None:
        """Put in objects that were decided before, each before the entry at its place, if not reached yet.

        Parameters
        ----------
        objects : iterable of (int, int)
            Objects with their places, in order.
        """
        known = {entry.object_id for entry in self.entries}
        first = self.place + 1 if self.is_begun else 0
        for object_id, place in reversed(list(objects)):  # so that no place before them moves
            if object_id not in known:
                at = min(max(place, first), len(self.entries))
                self.entries.insert(at, Entry(object_id, is_again=True))
                self.total += 1

    def cut_after(self, cards: int) -> None:
        """Reach no more than so many cards that still need a verdict, the one under review among them."""
        cut = self.place
        for entry in self.entries[self.place :]:
            if not cards:
                break
            cut, cards = cut + 1, cards - (entry.label is None)
        self.cut = cut + cards

    def extend(
        self, objects: Iterable[int], after: str | None, shown: Mapping[int, int] | None = None
    ) -> None:
        """Append a page. Objects that are here already, because the order moved on, stay where they are.

        Parameters
        ----------
        objects : iterable of int
        after : str or None
            The cursor of the page after it.
        shown : mapping, optional
            The detection to show of an object, where it is not the best one.
        """
        known, shown = {entry.object_id for entry in self.entries}, shown or {}
        self.entries.extend(
            Entry(each, candidate_id=shown.get(each)) for each in objects if each not in known
        )
        self.after, self.is_complete = after, after is None
        self.is_counted = self.is_counted or self.is_complete
        self.total = max(self.total, len(self.entries))

    def needs_page(self, ahead: int) -> bool:
        """Whether fewer than ``ahead`` entries lie before the reader and the store has more."""
        is_reached = self.cut is not None and len(self.entries) >= self.cut
        return not (self.is_complete or is_reached) and self.place + ahead >= len(self.entries)

    def move(self, steps: int) -> bool:
        """Go on or back, as far as the last entry or the end's page; whether the place changed."""
        before = self.place
        self.place = min(max(self.place + steps, 0), self.reach)
        return self.place != before

    def upcoming(self, count: int) -> list[Entry]:
        """The entries that the reader meets next."""
        return self.entries[self.place + 1 : min(self.place + 1 + count, self.reach)]

    def decide(self, objects: Iterable[int], label: str | None) -> None:
        """Keep what was decided of some objects, also of such as were read before that was written."""
        decided = set(objects)
        for entry in self.entries:
            if entry.object_id in decided:
                entry.label = label

    def go_to(self, object_id: int, candidate_id: int | None = None) -> Entry:
        """Go to an object's entry; one that was not reached yet is put in at the reader's place."""
        places = (i for i, entry in enumerate(self.entries) if entry.object_id == object_id)
        found = next(places, None)
        if found is not None and found < self.reach:
            self.place = found
            entry = self.entries[found]
        else:
            entry = Entry(object_id) if found is None else self.entries.pop(found)
            self.entries.insert(self.place, entry)
            self.total += found is None
            self.cut = None if self.cut is None else self.cut + 1
        entry.candidate_id = candidate_id
        return entry

    def put_back(self, objects: Iterable[int]) -> None:
        """Put in behind the reader's place what awaits a verdict again, where all others were read before."""
        if not (self.is_complete and self.is_waiting) or self.cut is not None:
            return  # they come with the pages that are still to be read
        known = {entry.object_id for entry in self.entries}
        back = [Entry(each) for each in objects if each not in known]
        self.entries[self.place + 1 : self.place + 1] = back
        self.total += len(back)

    def ranked(self, entries: list[Entry]) -> "Queue":
        """A queue of likeness, which shares the marks, and is all there is of it."""
        return Queue(
            entries, is_complete=True, is_begun=True, is_waiting=False, total=len(entries), marks=self.marks
        )

    def go_on_with(self, entries: Iterable[Entry], most: int) -> None:
        """Meet these next, in place of what was to come, as far as there are so many in all."""
        self.entries[self.place + 1 :] = entries
        del self.entries[max(most, self.place + 1) :]
        self.total = len(self.entries)

    def take_over(self, other: "Queue") -> None:
        """Count no more what was decided in another queue before it was read; pass over what is decided."""
        here = {entry.object_id for entry in self.entries}
        gone = sum(entry.label is not None and entry.object_id not in here for entry in other.entries)
        if not self.is_complete:  # they would have come with pages that are still to be read
            self.total = max(self.total - gone, len(self.entries))
        while (now := self.current) is not None and now.label is not None:
            self.move(1)
