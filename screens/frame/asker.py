"""A screen's question to the store: asked in a thread, and asked again when it is out of date."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from core.errors import AstridError
from screens.frame.work import start
from screens.lines import Tone

if TYPE_CHECKING:
    from core.database.store import Store
    from screens.frame.base import FrameScreen

Data = TypeVar("Data")

WAIT_S = 1.0  # a question that takes longer is told of where there is nothing else to show


class Asker(Generic[Data]):
    """Asks for one screen, one question at a time.

    A filter is in force only once a question by it was answered: one that cannot be understood leaves
    the screen as it was, and its sentence is shown.
    """

    def __init__(self, screen: "FrameScreen[Data]") -> None:
        self._screen = screen
        self._wanted: str | None = None  # a filter that is not in force yet
        self._is_asking = False
        self._is_stale = False  # what is being read is out of date already
        self._has_changed = False  # the store, while it was being read
        self.is_owed = False  # the store did not answer
        self._unanswered_since: float | None = None  # Unix seconds

    @property
    def is_asking(self) -> bool:
        """Whether an answer is on its way."""
        return self._is_asking

    @property
    def wanted(self) -> str | None:
        """A filter that is not in force yet."""
        return self._wanted

    def waiting_since(self, now: float) -> float | None:
        """When the store was asked that has not answered yet; none: it was asked but a moment ago.

        Parameters
        ----------
        now : float
            Unix seconds, as what is returned.
        """
        since = self._unanswered_since
        return since if since is not None and now - since >= WAIT_S else None

    def want(self, filters: str) -> None:
        """Let the next question be by a filter."""
        self._wanted = filters

    def ask(self, *, at_once: bool = True) -> None:
        """Ask.

        Parameters
        ----------
        at_once : bool
            What is being read already is not to be shown any more; else it is, before it is read again.
        """
        if self._is_asking:
            self._is_stale = self._is_stale or at_once
            self._has_changed = True
            return
        self._is_asking = True
        start(self._screen, self._ask, group="ask")

    async def _ask(self) -> None:
        try:
            self._has_changed = True
            while self._has_changed:
                self._is_stale = self._has_changed = False
                await self._ask_once()
        finally:
            self._is_asking = False

    async def _ask_once(self) -> None:
        screen, wanted = self._screen, self._wanted
        opened, question = screen.host.opened, self._question(wanted)
        if opened is None or question is None:
            return
        self._unanswered_since = self._unanswered_since or time.time()
        waiting = screen.set_interval(WAIT_S, self._tell_waiting)
        try:
            data = await asyncio.to_thread(question, opened.store)
        except AstridError as error:
            from core.database.store_errors import StoreError

            self.is_owed = isinstance(error, StoreError)
            if not self.is_owed:
                self._unanswered_since = None
            is_newest = self._wanted == wanted
            if is_newest:
                if not self.is_owed or screen.prompt.is_waiting:  # else it is read once the store answers
                    self._wanted = None
                screen.prompt.ask_on()
            if self.is_owed or wanted is None or (is_newest and not screen.prompt.is_given_up):
                screen.say(error, Tone.BAD)
            return
        finally:
            waiting.stop()
        self._unanswered_since = None
        if self._is_stale:
            return
        was_owed, self.is_owed = self.is_owed, False
        if wanted is not None:
            self._wanted, screen.filter = None, wanted
            screen.prompt.close_answered()
        screen.answer(data)
        if was_owed:
            screen.say("the store answers again", Tone.GOOD)
        screen.paint()

    def _tell_waiting(self) -> None:
        if self._screen.data is None:
            self._screen.paint()

    def _question(self, wanted: str | None) -> "Callable[[Store], Data] | None":
        """The screen's question, as it would be with the filter that is wanted."""
        before = self._screen.filter
        self._screen.filter = before if wanted is None else wanted
        try:
            return self._screen.question()
        finally:
            self._screen.filter = before
