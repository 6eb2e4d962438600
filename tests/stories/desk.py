"""A reviewer at the console: opens it, presses keys, reads what is on the screen."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlmodel import select
from textual.pilot import Pilot

from astrid_tui.app import Console
from core.database.store import Store
from core.database.tables import Verdict
from screens.frame.on_top import is_on_top
from screens.lines import plain
from screens.review.guard import RepeatGuard
from screens.review.screen import ReviewScreen
from screens.terminal import Terminal
from screens.widgets.rows import Rows

PATIENCE_S = 30.0
ENDLESS = {"open card", "prefect"}  # groups of work that goes on as long as there is something to follow


class Reviewer:
    """Keys in, text out; each key waits until the console has done what it asks for."""

    def __init__(self, app: Console, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def screen(self) -> ReviewScreen:
        """The review screen, also when something lies over it."""
        return next(screen for screen in self.app._made() if isinstance(screen, ReviewScreen))

    @property
    def lines(self) -> list[str]:
        """The lines of the topmost screen; blank ones before it is drawn."""
        lines = [plain(line) for rows in self.app.screen.query(Rows) for line in rows.lines]
        return lines + [""] * (3 - len(lines))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something, and fail with what is on the screen if it never comes."""
        waited = 0.0
        while not happened():
            await self.pilot.pause(0.02)
            waited += 0.02
            if waited > PATIENCE_S:
                pytest.fail(f"it never happened; the screen says:\n{self.text}")

    async def ready(self) -> None:
        """Wait until a card, or the page that stands for none, is drawn and nothing is being written."""

        def is_ready() -> bool:
            now = self.screen.situation
            queue = self.screen.queue
            is_read = bool(queue.entries) or queue.is_complete
            is_seen = now.is_drawn or not is_on_top(self.screen)  # a sheet may lie over the card
            shown = is_seen if queue.current else is_read and not now.has_card
            return now.is_open and self.app.headline is not None and shown and not now.is_writing

        await self.until(is_ready)
        await self.pilot.pause()

    async def settled(self) -> None:
        """Wait until all that was asked for on any screen is read, written and drawn."""

        def is_settled() -> bool:
            return all(work.is_finished or work.group in ENDLESS for work in self.app.workers)

        await self.pilot.pause()
        await self.until(is_settled)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, as one who looks at each card."""
        await self.ready()
        for key in keys:
            await self.pilot.press(key)
            await self.ready()

    async def typed(self, text: str) -> None:
        """Type into the prompt, as quickly as one who knows what to type, and submit it."""
        await self.app._press_keys(text)
        await self.pilot.press("enter")

    async def type(self, text: str) -> None:
        """Type into the prompt, submit it, and wait until all that it asks for is done."""
        await self.typed(text)
        await self.settled()  # else what was there before the filter might be taken for what passes it
        await self.ready()


class Held:
    """A function of something that waits until it is let go, as where the store is slow.

    Parameters
    ----------
    is_read : bool
        It has done what it does before it waits: what it brings may be out of date by then.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, is_read: bool = False
    ) -> None:
        self._is_free, self._is_begun, does = Event(), Event(), getattr(owner, name)

        def waits(*given: Any, **more: Any) -> Any:
            found = does(*given, **more) if is_read else None
            self._is_begun.set()
            assert self._is_free.wait(20)
            return found if is_read else does(*given, **more)

        monkeypatch.setattr(owner, name, waits)

    @property
    def is_begun(self) -> bool:
        """Whether it was called."""
        return self._is_begun.is_set()

    def let_go(self) -> None:
        """Let it end, now and whenever it is called again."""
        self._is_free.set()


@asynccontextmanager
async def console(
    url: str,
    folder: Path,
    size: tuple[int, int] = (80, 24),
    *,
    read_only: bool = False,
    colours: int = 256,
    guard: RepeatGuard | None = None,
    more: str = "",
    ready: bool = True,
    at_review: bool = False,
) -> AsyncIterator[Reviewer]:
    """The console on a store, with a clock on which every key press is five seconds after the last.

    ``more`` goes to the end of its settings; without ``ready`` the reviewer does not wait for a card.
    """
    settings = folder / "config.toml"
    settings.write_text(f'home = "{folder}"\n[store]\nurl = "{url}"\n[review]\nreviewer = "vera"\n{more}')
    seconds = count(0, 5)
    own_clock = RepeatGuard(lambda: float(next(seconds)))
    app = Console(settings, read_only, Terminal(colours=colours), guard or own_clock, at_review)
    async with app.run_test(size=size) as pilot:
        reviewer = Reviewer(app, pilot)
        if ready:
            await reviewer.ready()
        yield reviewer


def verdicts(store: Store) -> list[Verdict]:
    """All that were given, the first one first."""
    with store.read() as db:
        return list(db.exec(select(Verdict).order_by(Verdict.id)))
