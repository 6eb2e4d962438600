"""How much goes to the terminal at once, so that on a slow line a key waits for no more than that.

What was handed over cannot be called back: a picture of 12 kB keeps a line of 1 kB/s busy for 12 s. So the
terminal is asked for its status (``CSI 5n``, ECMA-48's DSR) before a drawing and after it. It answers in the
order of what came, and the time between its two answers is what the drawing took on the line, however far
away it is. Where the line turns out to be slow, a drawing goes in portions, each of them once the one before
was answered for.

A terminal that has never answered holds up one drawing, for `UNKNOWN_S`. One that does not answer any more
holds up one for `LOST_S`, and from then on gets everything at once until it answers again.
"""

import math
import time
from collections.abc import Callable

QUESTION = "\x1b[5n"
ANSWERS = ("\x1b[0n", "\x1b[3n")  # works, works not: it has come so far either way

PORTION_S = 0.5
LEAST, WHOLE = 256, 16_384  # bytes: of a portion; of what no drawing is larger than, so that nothing is cut
FIRST = 2048  # bytes, before anything is known of the line
WORTH = 1024  # bytes: nothing less is asked about, but on a slow line
GROWTH = 8  # a portion is at most so many times the one before: one answer may be wrong
UNKNOWN_S = 1.0
LOST_S = 5.0
ASK_AGAIN_S = 30.0


class Portions:
    """What is known of the line."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._room: float = FIRST
        self._asked: list[int] = []  # the bytes before each question that is not answered
        self._asked_at = self._answered_at = float("-inf")
        self._has_answered = self._is_measured = False

    @property
    def room(self) -> int | None:
        """Bytes of the next portion; none where all goes at once."""
        return None if self._is_lost or math.isinf(self._room) else int(self._room)

    @property
    def is_slow(self) -> bool:
        """Whether drawings go in portions, as the terminal's answers have it."""
        return self._is_measured and self.room is not None

    @property
    def wait_s(self) -> float:
        """How long the next portion is still to wait for an answer, at most."""
        if not self._asked or self.room is None:
            return 0.0
        return self._asked_at + self._patience_s - self._clock()

    @property
    def is_answer_due(self) -> bool:
        """Whether an answer is on its way, as far as can be known."""
        return bool(self._asked) and self._has_answered and not self._is_lost

    @property
    def _patience_s(self) -> float:
        return LOST_S if self._has_answered else UNKNOWN_S

    @property
    def _is_lost(self) -> bool:
        """Whether there was no answer in time."""
        return bool(self._asked) and self._clock() >= self._asked_at + self._patience_s

    def asked(self, size: int) -> bool:
        """Whether to ask before and after a drawing of so many bytes, which is sent then."""
        if size < WORTH and not self.is_slow:
            return False
        if self._asked:
            if self._clock() - self._asked_at < ASK_AGAIN_S:
                return False
            self._room = math.inf  # nothing waits a second time
        self._asked, self._asked_at = [0, size], self._clock()
        return True

    def answered(self) -> None:
        """Take an answer of the terminal."""
        if not self._asked:
            return
        size, now = self._asked.pop(0), self._clock()
        self._has_answered = True
        if size:
            self._measure(size, now - self._answered_at)
        self._answered_at = now

    def _measure(self, size: int, took_s: float) -> None:
        self._is_measured = True
        fits = size * PORTION_S / max(took_s, 1e-6)
        before = min(self._room, WHOLE)
        if fits > before and size * GROWTH < before:
            return  # too little was sent to tell
        room = max(min(fits, before * GROWTH), LEAST)
        self._room = math.inf if room >= WHOLE else room
