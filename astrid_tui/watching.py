"""What the console looks at again and again: the store, its own health, a Prefect server that starts."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from core.errors import AstridError
from core.text import SafeText, safe_text
from screens.frame.work import start
from screens.lines import Tone, plain

if TYPE_CHECKING:
    from astrid_tui.app import Console
    from core.operations.headline import Headline
    from screens.frame.opened import Opened
    from screens.frame.pulse import Beat, Pulse

LOOK_S = 1.0
SILENT_S = 5.0  # a store that says nothing for so long is told of, before any connection times out
STARTS_S = 8.0  # after so long a Prefect server that is to come has begun to warm up


class Watching:
    """Keeps the header true, and tells the screen that is open when the store changed.

    Attributes
    ----------
    headline : Headline or None
        None before the store was read.
    trouble : SafeText or None
        Why the store does not answer.
    note : str
        What is under way, for the header.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._pulse: Pulse | None = None
        self._asked_at: float | None = None  # when the look that is under way began
        self._is_checking = False
        self.headline: Headline | None = None
        self.trouble: SafeText | None = None
        self.note = ""

    async def begin(self, opened: "Opened", pulse: "Pulse") -> None:
        """Look for the first time, and from now on."""
        self._pulse = pulse
        await self._look(pulse)
        self._console.set_interval(LOOK_S, self.look)
        self._console.set_interval(opened.settings.health.look_s, self._check_health)

    @property
    def is_silent(self) -> bool:
        """Whether the store lets one wait, as where its machine or the line to it is gone."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > SILENT_S

    def look(self) -> None:
        """See what changed in the store."""
        if self._asked_at is not None:
            self._paint_header()
        elif self._pulse is not None:
            start(self._console, partial(self._look, self._pulse), group="look")

    def warm_up(self) -> None:
        """Show for a while how the Prefect server warms up."""
        start(self._console, self._follow_prefect, group="prefect", exclusive=True)

    async def _look(self, pulse: "Pulse") -> None:
        self._asked_at = time.monotonic()
        try:
            beat = await asyncio.to_thread(pulse.look)
        except AstridError as error:
            self._tell_trouble(safe_text(error, 400))
        else:
            self._tell(beat)
        finally:
            self._asked_at = None
        self._paint_header()

    def _tell_trouble(self, trouble: SafeText) -> None:
        """Say once that the store does not answer, unless something was not written because of it."""
        if self.trouble is None and self._console.is_open:
            self.trouble = trouble
            here = self._console.here
            if trouble not in plain(here.notice):
                here.say(trouble, Tone.BAD)

    def _tell(self, beat: "Beat") -> None:
        """Tell the screen that is open by now what was found."""
        self.headline = beat.headline
        recovered, self.trouble = self.trouble is not None, None
        if not self._console.is_open:  # it closed meanwhile
            return
        here = self._console.here
        if recovered:
            here.say("the store answers again", Tone.GOOD)
        if beat.has_changed or recovered:
            here.store_changed()
        else:
            here.catch_up()
        if beat.arrived is not None:
            self._console.tell_arrival(beat.arrived)

    def _paint_header(self) -> None:
        if self._console.is_open:  # it may have closed while something was read
            self._console.here.paint_header()

    def _check_health(self) -> None:
        """See whether anything is wrong, whichever screen is open, and write down what is."""
        opened = self._console.opened
        # Where the store is silent each look would keep one more thread, of which there are few.
        if opened is not None and not self._console.read_only and not self._is_checking:
            self._is_checking = True
            start(self._console, partial(self._look_at_health, opened), group="health")

    async def _look_at_health(self, opened: "Opened") -> None:
        from core.health import watch as health_watch

        # A store that does not answer is told of by the next look at it.
        try:
            with suppress(AstridError):
                await asyncio.to_thread(health_watch.look, opened.settings, opened.store, over_network=False)
        finally:
            self._is_checking = False

    async def _follow_prefect(self) -> None:
        from core.operations.prefect_server import look

        began = time.monotonic()
        while (opened := self._console.opened) is not None:
            server = await asyncio.to_thread(look, opened.settings)
            self.note = "Prefect warms up" if server.state == "warming" else ""
            self._paint_header()
            if not self.note and time.monotonic() - began > STARTS_S:
                return
            await asyncio.sleep(LOOK_S)
