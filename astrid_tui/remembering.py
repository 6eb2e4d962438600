"""Where the user was, kept while the console is open and taken up by the next one."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from screens.action import SCREENS, Where
from screens.frame.base import FrameScreen
from screens.lines import Tone
from screens.themes import THEMES

if TYPE_CHECKING:
    from astrid_tui.app import Console
    from screens.frame.memory import Memory


class Remembering:
    """What a console was left with, and what it will be left with.

    Attributes
    ----------
    theme : str or None
        The one that the user chose; none leaves it to the settings.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._memory: Memory | None = None
        self.theme: str | None = None

    def begin(self, memory: "Memory") -> None:
        """Go on from what an earlier console kept."""
        self._memory = memory
        self.theme = memory.theme if memory.theme in THEMES else None

    @property
    def elsewhere(self) -> Where | None:
        """The screen that was left last, if it is another than that of the queue."""
        if self._memory is None or self._memory.screen not in set(SCREENS) - {Where.REVIEW.value}:
            return None
        return Where(self._memory.screen)

    def recall(self, screen: FrameScreen[object]) -> None:
        """Bring a screen to where it was left, if that is known yet."""
        if self._memory is not None:
            screen.recall(self._memory.screens.get(screen.WHERE.value, {}))

    def save(self, made: Iterable[FrameScreen[object]]) -> None:
        """Keep where one is, and of some screens how they are, if that changed."""
        from screens.frame.memory import Memory

        console = self._console
        if console.opened is None or console.read_only or not console.opened.settings.console.resume:
            return
        before = dict(self._memory.screens) if self._memory else {}
        now = {screen.WHERE.value: screen.remembered() for screen in made}
        memory = Memory(console.here.WHERE.value, self.theme, before | now)
        if memory == self._memory:
            return
        try:
            memory.write(console.opened.settings.home, console.opened.reviewer)
        except OSError as error:
            console.here.say(f"where you are cannot be kept: {error.strerror}", Tone.WARN)
        self._memory = memory
