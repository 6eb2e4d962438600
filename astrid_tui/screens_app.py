"""Which screens there are, each made when it is first shown, and the way from one to another."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.app import App
from textual.screen import Screen

from screens.action import SCREENS, Where
from screens.frame.base import FrameScreen
from screens.frame.host import Target


class ScreensApp(App[None]):
    """An app of the screens behind the keys 1 to 6.

    Parameters
    ----------
    **options
        Of Textual's own `App`.
    """

    DEFAULT_MODE = Where.REVIEW.value

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._trail: list[Where] = []  # screens that jumps came from
        for where in SCREENS:
            self.add_mode(where.value, partial(self.make_screen, where))

    def make_screen(self, where: Where) -> Screen[None]:
        """A screen that is shown for the first time."""
        raise NotImplementedError

    @property
    def here(self) -> FrameScreen[object]:
        """The screen behind whatever lies over it."""
        return self._screen_stack[0]  # type: ignore[return-value]

    @property
    def is_open(self) -> bool:
        """Whether there is any screen: not any more while the console closes."""
        return bool(self._screen_stacks.get(self.current_mode))

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way to the disk."""
        return any(screen.is_busy for screen in self._made())

    @property
    def failures(self) -> int:
        """How often something failed on any screen."""
        return sum(screen.failures for screen in self._made())

    def _made(self) -> Iterable[FrameScreen[object]]:
        """The screens that were shown so far."""
        for stack in self._screen_stacks.values():
            if stack and isinstance(stack[0], FrameScreen):
                yield stack[0]

    def go(self, where: Where) -> None:
        """Switch to a screen, as it was left."""
        self._trail.clear()
        self._switch(where)

    def jump(self, where: Where, target: Target) -> None:
        """Switch to a screen and there to something; ``esc`` leads back to where one came from."""
        self._trail.append(self.here.WHERE)
        self._switch(where)
        self.here.arrive(target)

    def step_out(self) -> bool:
        """Back to the screen that a jump came from; whether there was one."""
        if not self._trail:
            return False
        self._switch(self._trail.pop())
        return True

    def _switch(self, where: Where) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.switch_mode(where.value)
