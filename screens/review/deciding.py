"""What is written on the review screen, and where the reviewer stands after it."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.vocabulary import LABELS, Label, ReviewState
from screens.frame.work import start
from screens.lines import Line, Tone, span
from screens.review import view
from screens.review.said import remark as remarked
from screens.review.steering import Remark

if TYPE_CHECKING:
    from core.review.cards import Card
    from screens.review.desk import Desk, Earlier, Undone
    from screens.review.queue import Entry
    from screens.review.screen import ReviewScreen


WAIT_S = 1.0  # a write that takes longer is told of, and again after each such time


class Deciding:
    """Verdicts, notes, undo and redo of one screen, one write at a time.

    Attributes
    ----------
    is_writing : bool
        Something is on its way to the disk; until it is there nothing else is written. The reader may look
        at other cards meanwhile, and stays where that led.
    last : Line
        What was decided last.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self.is_writing = False
        self.last: Line = ()
        self._waiting: Line = ()
        self._asked: Earlier | None = None  # what of another sitting was named, to be taken back

    def give(self, label: Label) -> None:
        """Give the card a verdict, whichever the reader goes to before it is written."""
        card, viewing, entry = self._screen.card, self._screen.viewing, self._screen.queue.current
        if card is not None and viewing is not None and entry is not None:
            shown = view.shown_record(card, viewing, self._screen.app.theme, self._screen.size)
            self.write(self._decide, card, entry, label, shown)

    def take_back(self) -> None:
        """Take back the newest verdict that stands."""
        self.write(self._undo)

    def forget_asked(self) -> None:
        """Something else was done than to take back what was named."""
        self._asked = None

    def give_again(self) -> None:
        """Give again what was taken back last."""
        self.write(self._redo)

    def ask_note(self) -> None:
        """Let the user type a note on the card, whichever is there by the time it is typed."""
        card, entry = self._screen.card, self._screen.queue.current
        if card is not None and entry is not None:
            note = partial(self._note, card, entry)
            self._screen.ask_line("a note on this candidate, #words are tags", "", note)

    def write(self, write: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Write something; where it fails, say so."""
        screen = self._screen
        self.is_writing = True
        about = screen.card.name if screen.card else ""
        began, waiting = (
            time.monotonic(),
            screen.set_interval(WAIT_S, lambda: self._tell_waiting(about, began)),
        )

        async def until_written() -> None:
            try:
                await write(*arguments)
            except AstridError as error:
                screen.fail(f"NOT written: {error}")
            finally:
                waiting.stop()
                self.is_writing = False
                if screen.notice is self._waiting:
                    screen.say_line(())
                screen.host.look()

        start(screen, until_written, group="write")

    def _tell_waiting(self, about: str, began: float) -> None:
        """Say that the store does not answer yet."""
        told = f"not written yet after {time.monotonic() - began:.0f} s, the store does not answer: "
        self._waiting = (span(told, Tone.WARN), span(about, Tone.DIM, 40))
        self._screen.say_line(self._waiting)

    def told(self, line: Line) -> None:
        """Say what was decided, and keep it above the footer."""
        self._screen.notice = self.last = line

    async def _decide(self, card: "Card", entry: "Entry", label: Label, shown: dict[str, Any]) -> None:
        screen = self._screen
        reading, desk = screen.reading, screen.desk
        if desk is None or reading is None:
            return
        from core.review.pace import AGAIN  # SQLAlchemy comes with it: not before the first paint

        if entry.is_blind:
            shown[AGAIN] = True
        revealed = await asyncio.to_thread(desk.decide, card.candidate_id, label, shown)
        reading.decide([entry.object_id], label)
        reading.queue.marks.pop(entry.object_id, None)  # else one verdict on all that are marked overrules it
        reading.forget(entry.object_id)
        self.told(view.decided(label, card.name, len(card.objects), revealed))
        here = reading.entry
        if here and here.object_id == entry.object_id:  # else the reader went elsewhere: none is passed over
            reading.queue.move(1)
        screen.show_place()
        screen.liking.answered([entry.object_id])
        if not revealed:
            with suppress(AstridError):  # the verdict is written: that is what counts
                await self._compare(desk, card, label)
                await self.tell_of_light(desk, card.objects, label, is_one_back=True)

    async def _compare(self, desk: "Desk", card: "Card", label: Label) -> None:
        """Say what others decided of the same card, now that it sways nobody."""
        told = self.last
        votes = await asyncio.to_thread(desk.said_by_others, card.objects)
        if votes:
            confirmed, _, is_disputed = desk.settled({**votes, desk.reviewer: label})
            self._tell_before(told, view.others_said(label, votes, confirmed, is_disputed=is_disputed))

    async def tell_of_light(
        self, desk: "Desk", objects: Sequence[int], label: Label, *, is_one_back: bool
    ) -> None:
        """Say which references may hold the light of what was just judged real."""
        if LABELS[label].review_state != ReviewState.REAL:
            return
        told = self.last
        if references := await asyncio.to_thread(desk.in_references, objects):
            self._tell_before(told, view.light_lost(references, len(objects), is_one_back=is_one_back))

    def _tell_before(self, told: Line, more: Line) -> None:
        """Say more of what was just decided, before that, unless something else was decided since."""
        if self.last is not told:
            return
        before = self._screen.notice
        self.last = (*more, span(" · "), *told)
        if before is told:
            self._screen.say_line(self.last)

    async def _undo(self) -> None:
        """Take back what was decided at this sitting; what was at another one only once it was named."""
        asked, self._asked = self._asked, None
        desk, nothing = self._screen.desk, "there is no verdict to take back"
        if desk is None:
            return
        row = await asyncio.to_thread(desk.undo)
        if row is None:
            earlier = await asyncio.to_thread(desk.earlier)
            if earlier is not None and earlier != asked:
                self._asked = earlier
                self._screen.say_line(view.ask_earlier(earlier, self._screen.host.registry.sign("undo")))
                return
            if earlier is not None:
                row = await asyncio.to_thread(desk.undo_earlier, earlier)
        self._land_soon(row, "taken back", nothing)

    async def _redo(self) -> None:
        if (desk := self._screen.desk) is not None:
            row = await asyncio.to_thread(desk.redo)
            self._land_soon(row, "given again", "there is nothing to give again")

    def _land_soon(self, row: "Undone | None", done: str, nothing: str) -> None:
        """Go to the card whose verdict changed, in the queue that is being read if there is one."""
        if row is None:
            self._screen.say(nothing, Tone.WARN)
        else:
            self._screen.choosing.once_here(partial(self._land, row, done))

    def _land(self, row: "Undone", done: str) -> None:
        reading = self._screen.reading
        if reading is None:
            return
        entry = reading.queue.go_to(row.object_id, row.candidate_id)
        objects = {row.object_id, *row.objects}
        if row.label is None and not self._screen.filter:
            reading.put_back(row.objects)
        reading.decide(objects, row.label)
        entry.label, entry.is_again = row.label, entry.is_again or row.is_again
        for object_id in objects:
            reading.forget(object_id)
        self.last = ()  # what is said now is of this card alone
        self._screen.notice = view.changed_back(done, row, len(objects))
        self._screen.show_place()

    def _note(self, card: "Card", entry: "Entry", text: str) -> None:
        self._screen.prompt.close()
        remark = Remark.read(text)
        if remark.note or remark.tags:
            self.write(self._annotate, card, entry, remark)

    async def _annotate(self, card: "Card", entry: "Entry", remark: Remark) -> None:
        screen = self._screen
        reading, desk = screen.reading, screen.desk
        if desk is None or reading is None:
            return
        await asyncio.to_thread(desk.annotate, card.candidate_id, remark.note, remark.tags)
        reading.forget(entry.object_id)
        screen.notice = (span("note kept: ", Tone.GOOD), span(remarked(remark.note, remark.tags)))
        screen.filtering.forget_offered()
        screen.show_place()
        if remark.tags:
            screen.liking.answered([entry.object_id])
