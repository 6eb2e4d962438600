"""Which screen keys are for."""

from typing import Any

from textual.screen import Screen


def is_on_top(screen: Screen[Any]) -> bool:
    """Whether nothing lies over a screen, and it was not closed.

    Textual's own `is_current` counts a screen that shines through another.
    """
    return screen.app.screen_stack[-1:] == [screen]
