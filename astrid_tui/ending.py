"""The user, the terminal or the system asks for the end: what is being written is finished first."""

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING

from screens.frame.work import start

if TYPE_CHECKING:
    from astrid_tui.app import Console

_LOOK_S = 0.05


class Ending:
    """Ends a console at a key, and on SIGHUP and SIGTERM likewise; a second signal ends it at once.

    A console that was killed instead would lose nothing that was decided, but not where its user was, and
    others would be told for a while longer that a card is open here.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._is_ending = False
        self._is_leaving = False

    def leave(self) -> None:
        """End by the user's wish, who stays where what is being written fails: that must be seen."""
        if not self._console.is_busy:
            self._leave()
            return
        self._console.here.say("leaving as soon as it is written")
        if not self._is_leaving:
            self._is_leaving = True
            start(self._console, self._leave_once_written, group="end")

    async def _leave_once_written(self) -> None:
        failures = self._console.failures
        await self._written()
        self._is_leaving = False
        if self._console.failures == failures:
            self._leave()

    def _leave(self) -> None:
        self._console.save()
        self._console.exit()

    def listen(self) -> None:
        """From now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self.begin, number)
            except (ValueError, RuntimeError):  # not in the main thread: signals are somebody else's
                return

    def begin(self, number: signal.Signals = signal.SIGHUP) -> None:
        """End, with the exit code that a shell gives to a program that this signal ended."""
        if self._is_ending:
            return
        self._is_ending = True
        loop = asyncio.get_running_loop()
        for each in (signal.SIGHUP, signal.SIGTERM):
            loop.remove_signal_handler(each)
        if not self._console.is_running:  # it has left, and waits for what a thread of it still does
            signal.raise_signal(number)
            return
        start(self._console, partial(self._end, 128 + number), group="end")

    async def _end(self, code: int) -> None:
        await self._written()
        self._console.save()
        self._console.exit(return_code=code)

    async def _written(self) -> None:
        while self._console.is_busy:
            await asyncio.sleep(_LOOK_S)
