"""Opening the store for a console, as soon as it can be."""

import asyncio
from typing import TYPE_CHECKING

from core.errors import AstridError
from core.text import safe_text
from screens.lines import Tone

if TYPE_CHECKING:
    from astrid_tui.app import Console
    from screens.frame.opening import Opening

AGAIN_S = 2.0  # from one try to the next


async def opened_up(console: "Console") -> "Opening | None":
    """What there is to open; none where settings or keys are wrong, which the console then shows.

    A store that cannot be opened may come: its server starts, or somebody makes or upgrades it.
    """
    from core.database.store_errors import StoreError
    from screens.frame.opening import open_up

    while True:
        try:
            opening = await asyncio.to_thread(open_up, console.settings_path, read_only=console.read_only)
        except AstridError as error:
            can_come = isinstance(error, StoreError)
            before, console.failure = console.failure, safe_text(error, 400)
            if console.failure != before:
                console.here.say("it is opened as soon as that can be done" if can_come else "")
            if not can_come:
                return None
            await asyncio.sleep(AGAIN_S)
        else:
            if console.failure is not None:
                console.failure = None
                console.here.say("the store is open", Tone.GOOD)
            return opening
