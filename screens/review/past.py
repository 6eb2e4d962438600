"""Frames from before an object was known, measured at its place while the reader goes on.

The card that is open stays before the reader: only its light curve grows.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from core.errors import AstridError
from core.text import counted, safe_text
from screens.frame.commands import Command, CommandRefused, Words
from screens.frame.work import start
from screens.lines import Line, Tone, span

if TYPE_CHECKING:
    from core.operations.past_process import PastProcess
    from screens.review.screen import ReviewScreen

TOLD_S = 1.0  # how often it is told how far the measuring is: each time a line is sent
_REASON = 300  # characters


@dataclass(slots=True, eq=False)
class Measuring:
    """What is measured now."""

    name: str
    objects: tuple[int, ...]
    process: "PastProcess"
    done: int = 0
    total: int = 0  # frames; 0: it is not known yet
    told_at: float = field(default=0.0)


class Past:
    """The measuring of earlier frames of one screen."""

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._measuring: Measuring | None = None

    @property
    def chip(self) -> Line:
        """How far it is, and the key that gives it up unless it does another thing first; or empty."""
        now = self._measuring
        if now is None:
            return ()
        frames = f"frame {now.done + 1} of {now.total}" if now.done < now.total else "…"
        back = span(f"  {self._screen.host.registry.sign('back')} gives up", Tone.DIM)
        gives_up = () if self._screen.liking.shown.is_told else (back,)
        return (span(f"  measuring {frames}", Tone.KEY), *gives_up)

    def measure(self, words: Words) -> None:
        """Measure the marked objects, else the one that is here, in the frames that lack them.

        Raises
        ------
        CommandRefused
        """
        screen = self._screen
        card, marks, opened = screen.card, screen.queue.marks, screen.host.opened
        if words:
            raise CommandRefused("past takes no words: it measures the marked cards, else this one")
        if self._measuring is not None:
            raise CommandRefused(f"earlier frames of {self._measuring.name} are measured already")
        if opened is None or screen.reading is None:
            raise CommandRefused("the store is not open")
        if not marks and card is None:
            raise CommandRefused("there is no card whose earlier frames could be measured")
        if not marks and card is not None and not card.earlier_frames:
            raise CommandRefused(f"no earlier frame lacks {safe_text(card.name, 40)}")
        from core.operations.past_process import PastProcess

        objects = tuple(marks) if marks else (card.object_id,) if card is not None else ()
        name = f"{counted(len(marks), 'marked card')}" if marks else safe_text(card.name if card else "", 40)
        now = self._measuring = Measuring(name, objects, PastProcess(opened.settings_path))
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            loop.call_soon_threadsafe(self._tell, now, done, total)

        async def measure() -> None:
            try:
                found = await asyncio.to_thread(now.process.run, [str(each) for each in objects], report)
            except (AstridError, OSError) as error:
                self._failed(now, error)
            else:
                await self._take(now, found)

        start(screen, measure, group="past")
        screen.paint()

    def _tell(self, now: Measuring, done: int, total: int) -> None:
        now.done, now.total = done, total
        at = monotonic()
        if now is self._measuring and at - now.told_at >= TOLD_S:
            now.told_at = at
            self._screen.paint()

    # -- what became of it -------------------------------------------------------------------------

    def _failed(self, now: Measuring, error: Exception) -> None:
        """What was measured until then is kept, and shown by whoever looks at the store."""
        if now is self._measuring:
            self._measuring = None
            self._screen.refuse(f"past: {error}")

    async def _take(self, now: Measuring, found: Mapping[str, Any]) -> None:
        """Tell what was measured, and read what is known now of the cards that it was measured for."""
        if now is not self._measuring:
            return
        self._measuring = None
        self._screen.say_line(_told(now.name, found["frames"]))
        await self._screen.company.renew(now.objects)

    # -- the ways back -----------------------------------------------------------------------------

    def step_back(self) -> bool:
        """Give up what is measured; whether there was anything."""
        now = self._measuring
        if now is None:
            return False
        self.stop()
        self._screen.say(f"earlier frames of {now.name}: given up, :past goes on where this was")
        return True

    def stop(self) -> None:
        """End it; each frame that was measured is kept."""
        now, self._measuring = self._measuring, None
        if now is not None:
            now.process.stop()


def _told(name: str, frames: Sequence[Mapping[str, Any]]) -> Line:
    """How many frames were measured, and why others were not; not all of a field show each place in it."""
    refused = [str(each["reason"]) for each in frames if each["reason"]]
    measured = len(frames) - len(refused)
    line: Line = (span(f"{name}: "),)
    if not frames:
        return (*line, span("no earlier frame is left to measure"))
    if measured:
        shows = "it shows" if measured == 1 else "they show"
        told = f"{counted(measured, 'earlier frame')} measured where {shows}"
        line = (*line, span(f"{told} the place", Tone.GOOD))
    if refused:
        not_measured = f"{counted(len(refused), 'earlier frame')} not measured: {refused[0]}"
        line = (*line, span("; " if measured else ""), span(not_measured, Tone.BAD, _REASON))
    return line


def past_command(screen: "ReviewScreen") -> Command:
    """The command for it."""
    return Command(
        "past",
        "measure this object, or the marked ones, in frames from before it was known",
        screen.past.measure,
    )
