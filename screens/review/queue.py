"""The cards under review: pages of the store as they were read, and a place among them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Entry:
    """One sky object of the queue, and what was decided of it here."""

    object_id: int
    label: str | None = None
    candidate_id: int | None = None  # the detection to show, where it is not the best one
    is_again: bool = False  # decided before, shown blind once more: nothing may tell


@dataclass(slots=True)
class Queue:
    """Entries in the order in which they were read, decided ones included, so that one can go back.

    `place` may be one past the last entry: the end, where there is no card.
    """

    entries: list[Entry] = field(default_factory=list)
    place: int = 0
    after: str | None = None  # the cursor of the next page; none when all are here
    is_complete: bool = False
    is_counted: bool = True  # whether the total is known; else it is of those that were read
    total: int = 0  # how many there are in the store and here, read or not
    cut: int | None = None  # no more entries than these: what a given time reaches
    marks: set[int] = field(default_factory=set)  # objects, also such as another filter would show

    @property
    def current(self) -> Entry | None:
        """The entry under review, none at the end."""
        return self.entries[self.place] if self.place < len(self.entries) else None

    @property
    def undecided(self) -> int:
        """How many of those that were read have no verdict yet."""
        return sum(entry.label is None for entry in self.entries)

    @property
    def decided(self) -> int:
        """How many were given a verdict here."""
        return len(self.entries) - self.undecided

    def put_in(self, objects: Sequence[int], places: Sequence[int]) -> None:
        """Put in objects that were decided before, at places among those that were not reached yet."""
        known = {entry.object_id for entry in self.entries}
        for object_id, place in zip(objects, places, strict=False):
            if object_id not in known:
                at = min(max(place, self.place + 1), len(self.entries))
                self.entries.insert(at, Entry(object_id, is_again=True))
                self.total += 1

    def cut_at(self, rank: int | None) -> None:
        """Hold no more than so many entries from the start; none: all again, as pages are read."""
        self.cut = rank
        if rank is not None:
            del self.entries[max(rank, self.place + 1) :]
            self.total = min(self.total, rank) if self.is_counted else rank
            self.is_counted, self.is_complete = True, len(self.entries) >= rank

    def extend(self, objects: Iterable[int], after: str | None) -> None:
        """Append a page. Objects that are here already, because the order moved on, stay where they are."""
        known = {entry.object_id for entry in self.entries}
        self.entries.extend(Entry(object_id) for object_id in objects if object_id not in known)
        self.after, self.is_complete = after, after is None
        self.is_counted = self.is_counted or self.is_complete
        if self.cut is not None and len(self.entries) >= self.cut:
            del self.entries[self.cut :]
            self.is_complete = True
        self.total = max(self.total, len(self.entries))

    def needs_page(self, ahead: int) -> bool:
        """Whether fewer than ``ahead`` entries lie before the reader and the store has more."""
        return not self.is_complete and self.place + ahead >= len(self.entries)

    def move(self, steps: int) -> bool:
        """Go on or back, as far as the last entry or the end's page; whether the place changed."""
        before = self.place
        self.place = min(max(self.place + steps, 0), len(self.entries))
        return self.place != before

    def upcoming(self, count: int) -> list[Entry]:
        """The entries that the reader meets next."""
        return self.entries[self.place + 1 : self.place + 1 + count]

    def go_to(self, object_id: int, candidate_id: int | None = None) -> Entry:
        """Go to an object's entry; one that was not read yet is put in at the reader's place."""
        for place, entry in enumerate(self.entries):
            if entry.object_id == object_id:
                self.place = place
                break
        else:
            entry = Entry(object_id)
            self.entries.insert(self.place, entry)
            self.total += 1
        entry.candidate_id = candidate_id
        return entry
