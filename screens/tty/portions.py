"""How much goes to the terminal at once, so that on a slow line a key waits for no more than that.

What was handed over cannot be called back: a picture of 12 kB keeps a line of 1 kB/s busy for 12 s. So the
terminal is asked for its status (``CSI 5n``, ECMA-48's DSR) before a drawing and after it. It answers in the
order of what came, and the time between its two answers is what the drawing took on the line, however far
away it is. Where the line turns out to be slow, a drawing goes in portions: each once the one before must
have left, but never more before an answer than is on its way at a time to a terminal that far away.

A terminal that has never answered holds up one drawing, for `UNKNOWN_S`. One that does not answer any more
holds up one for `LOST_S`, and from then on gets everything at once until it answers again.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(slots=True)
class _Sent:
    """A portion that is not answered for."""

    at: float
    size: int  # bytes
    is_reached: bool = False  # the question before it was answered
    place: tuple[int, int] | None = None  # asked beside this one where the cursor is: nothing was sent


class Portions:
    """What is known of the line."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._room: float = FIRST
        self._sent: deque[_Sent] = deque()  # what is not answered for, the oldest first
        self._answered_at = float("-inf")
        self._far_s = math.inf  # from a question to its answer, at least
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
        if not self._sent or (room := self.room) is None:
            return 0.0
        if self._may_follow:
            last = self._sent[-1]
            return last.at + last.size * PORTION_S / room - self._clock()
        return self._sent[0].at + self._patience_s - self._clock()

    @property
    def _may_follow(self) -> bool:
        """Whether the line takes another portion before what was sent is answered for, as far as it leads."""
        on_its_way = sum(each.size for each in self._sent)
        return self._is_measured and not self._is_lost and on_its_way * PORTION_S < self._far_s * self._room

    @property
    def is_answer_due(self) -> bool:
        """Whether an answer is on its way, as far as can be known."""
        return bool(self._sent) and self._has_answered and not self._is_lost

    @property
    def _patience_s(self) -> float:
        return LOST_S if self._has_answered else UNKNOWN_S

    @property
    def _is_lost(self) -> bool:
        """Whether there was no answer in time."""
        return bool(self._sent) and self._clock() >= self._sent[0].at + self._patience_s

    def asked(self, size: int) -> bool:
        """Whether to ask before and after a drawing of so many bytes, which is sent then."""
        if size < WORTH and not self.is_slow:
            return False
        if self._sent and not (self.is_slow and self._may_follow):
            if self._clock() - self._sent[0].at < ASK_AGAIN_S:
                return False
            self._room = math.inf  # nothing waits a second time
            self._sent.clear()
        self._sent.append(_Sent(self._clock(), size))
        return True

    def asked_beside(self, place: tuple[int, int]) -> None:
        """Ask once after another question, for terminals that answer this one alone.

        Parameters
        ----------
        place : tuple of int
            What the other one asks about: the row and the column of the cursor.
        """
        self._sent.append(_Sent(self._clock(), 0, is_reached=True, place=place))

    def answered(self) -> tuple[int, int] | None:
        """Take an answer of the terminal; the place, if it says that another question was passed."""
        if not self._sent:
            return None
        first, now = self._sent[0], self._clock()
        self._has_answered = True
        if first.is_reached:
            self._sent.popleft()
            if first.place is None:
                self._measure(first.size, now - self._answered_at)
        else:
            first.is_reached = True
            self._far_s = min(self._far_s, now - first.at)
        self._answered_at = now
        return first.place

    def _measure(self, size: int, took_s: float) -> None:
        self._is_measured = True
        fits = size * PORTION_S / max(took_s, 1e-6)
        before = min(self._room, WHOLE)
        if fits > before and size * GROWTH < before:
            return  # too little was sent to tell
        room = max(min(fits, before * GROWTH), LEAST)
        self._room = math.inf if room >= WHOLE else room
