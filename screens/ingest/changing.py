"""What a person does about frames on the ingest screen: marks them, and queues, drops or moves them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from core.text import counted, safe_text
from screens.ingest.view import Marks
from screens.lines import Tone, span

if TYPE_CHECKING:
    from core.database.store import Store
    from screens.ingest.reading import Chosen
    from screens.ingest.screen import IngestScreen

MOST_PRIORITY = 1_000_000


class Changing:
    """The marks of one ingest screen, and the changes of frames: of those marked, else of the one shown."""

    def __init__(self, screen: IngestScreen) -> None:
        self._screen = screen
        self.marks = Marks()

    @property
    def count(self) -> int:
        """How many frames are marked."""
        return self.marks.count(self._screen.total)

    def forget(self) -> None:
        """Mark nothing."""
        self.marks = Marks()

    def mark(self) -> None:
        """Mark the frame under the cursor, or no more; and go to the next."""
        screen = self._screen
        row = screen.chosen_row
        if row is not None and not screen.is_open:
            self.marks = Marks() if self.marks.everything else self.marks.toggled(row.id)
            screen.move_by(1)
            screen.paint()

    def mark_all(self) -> None:
        """Mark all frames of the list, or none."""
        self.marks = Marks() if self.marks.everything else Marks(everything=True)
        self._screen.paint()

    def retry(self) -> None:
        """Ask, and queue frames again."""
        from screens.ingest.reading import retry

        if chosen := self._chosen():
            then = partial(self._write, chosen[0], partial(retry, chosen[0], self._by), "queued again")
            self._screen.host.confirm(f"queue again {safe_text(chosen[1], 60)}", "retry", then)

    def drop(self) -> None:
        """Ask, and take frames out of the queue."""
        from screens.ingest.reading import drop

        if chosen := self._chosen():
            then = partial(self._write, chosen[0], partial(drop, chosen[0], self._by), "dropped")
            self._screen.host.confirm(f"drop {safe_text(chosen[1], 60)}", "drop", then)

    def ask_priority(self) -> None:
        """Let the user type a priority for frames."""
        row, chosen = self._screen.chosen_row, self._chosen()
        if chosen is None:
            return
        before = str(row.priority) if row and not self.count else "0"
        then = partial(self._prioritise, chosen[0])  # the list may change while it is typed
        self._screen.ask_line("priority, a whole number: lower runs first", before, then)

    def _prioritise(self, chosen: Chosen, text: str) -> None:
        from screens.ingest.reading import prioritise

        try:
            priority = int(text)
        except ValueError:
            priority = None
        if priority is None or abs(priority) > MOST_PRIORITY:
            self._screen.refuse(f"a priority is a whole number between -{MOST_PRIORITY} and {MOST_PRIORITY}")
            return
        self._screen.prompt.close()
        change = partial(prioritise, chosen, priority, self._by)
        self._write(chosen, change, f"moved to priority {priority}")

    def _chosen(self) -> tuple[Chosen, str] | None:
        """The frames of an action and how they are called; none where there are none."""
        from screens.ingest.reading import Chosen

        screen, marks = self._screen, self.marks
        if not screen.is_open and marks.everything and screen.data is not None:
            expression, total = screen.data.wish.expression, screen.data.part.total
            called = f"all {total.frames}{' or more' if total.more else ''} frames"
            return Chosen(filters=expression), f"{called} of {expression or 'the store'}"
        if not screen.is_open and marks.ids:
            return Chosen(tuple(sorted(marks.ids))), counted(len(marks.ids), "marked frame")
        row = screen.chosen_row
        return (Chosen((row.id,)), row.frame) if row else None

    @property
    def _by(self) -> str:
        opened = self._screen.host.opened
        return opened.reviewer if opened else ""

    def _write(self, chosen: Chosen, change: Callable[[Store], int], done: str) -> None:
        """Change frames in the store, and say how many it was; what was marked since stays marked."""
        screen, opened, marks = self._screen, self._screen.host.opened, self.marks
        if opened is None:
            return

        def told(frames: int) -> None:
            if self.marks is marks:
                self.forget()
            elif not self.marks.everything:
                self.marks = Marks(self.marks.ids.difference(chosen.ids))
            tone = Tone.GOOD if frames else Tone.WARN
            screen.notice = (span(f"{counted(frames, 'frame')} {done}", tone),)
            screen.ask()
            screen.host.look()

        screen.in_background(partial(change, opened.store), told, "nothing was changed", is_write=True)
