"""A held key never repeats a verdict."""

import time
from collections.abc import Callable

HELD_S = 0.7  # keyboards wait 0.2 to 0.66 s before they repeat
STREAM_S = 0.15  # and then repeat at 10 to 40 a second


class RepeatGuard:
    """Tells a key that is pressed again from one that is held down.

    Terminals send the same bytes for both. A press counts as held if the same key gave a verdict less
    than `HELD_S` ago, or if it follows the same key's last press, counted or not, within `STREAM_S`:
    a key that is kept down stays refused for as long as it repeats. Other keys are free at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = ""
        self._accepted = float("-inf")
        self._pressed = float("-inf")

    def is_held(self, key: str) -> bool:
        """Note a press of a verdict key and say whether it must be ignored."""
        now = self._clock()
        same = key == self._key
        held = same and (now - self._accepted < HELD_S or now - self._pressed < STREAM_S)
        if not same:
            self._accepted = float("-inf")
        self._key, self._pressed = key, now
        return held

    def accept(self) -> None:
        """The last press gave a verdict."""
        self._accepted = self._pressed
