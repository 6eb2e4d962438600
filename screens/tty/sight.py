"""What the reader has really seen: the terminal itself says so.

After a picture the terminal is asked where its cursor is (``CSI 6n``). It answers once it has drawn all
that came before, so the answer says that the picture is on the screen. The cursor, which is hidden, is put
on the last line at a column that counts the questions: so an answer tells which question it answers, and
no key looks like it (shift+F3 sends ``ESC [ 1 ; 2 R``). While a question is open no other picture is drawn:
late pictures are left out rather than queued. Where drawings go in portions, it is `screens.tty.output` that
leaves them out, and none has to wait here. Once another picture is drawn, or something lies over it, a
picture has to be seen anew: it is asked about again, and no answer to an earlier question counts.

Until a terminal has answered so it is asked for its status too (``CSI 5n``), right after: there are terminals
that answer this question alone, which tells as much (`screens.tty.output`).

A terminal that has said nothing at all within `ANSWER_S` is taken for one that cannot; from then on a picture
counts as seen `DELAY_S` after it was sent. One that has answered, if only that it works, can: where it is
silent the line stands still, and keys that come then were pressed before the picture. So it is asked again
every `PATIENCE_S`, and nothing is seen until it answers. One that says all the while that it works, as on a
slow line, is asked again `LOST_S` after the question: the answer may have been lost. Inside tmux or screen it
is the multiplexer that answers: it has drawn the picture, the terminal behind it perhaps not yet.
"""

import time
from collections.abc import Callable, Hashable

ANSWER_S = 5.0  # more than any line is far
PATIENCE_S = 10.0
LOST_S = 60.0  # more than a card takes on most lines; to ask once too often does no harm
DELAY_S = 0.3
ASK_AGAIN_S = 30.0  # a terminal that did not answer is asked once more after so long
COLUMNS = 40  # no terminal that is large enough for the console is narrower


class Sight:
    """Which picture was drawn, and whether it was seen. Pictures are told apart by ``==``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: Hashable = None
        self._put_at = float("-inf")  # the question
        self._asked_at = float("-inf")  # the same, or when patience began anew
        self._serial = 0
        self._open: list[int] = []  # the questions for what was asked about that are unanswered
        self._has_answered = self._is_deaf = False
        self._drawn: Hashable = None
        self._drawn_at = float("-inf")
        self._seen: Hashable = None

    @property
    def patience_s(self) -> float:
        """How long an answer may take."""
        return PATIENCE_S if self._has_answered else ANSWER_S

    @property
    def left_s(self) -> float:
        """How long the answer to what was asked last may still take."""
        return max(self._asked_at + self.patience_s - self._clock(), 0.0)

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to be expected."""
        return bool(self._open) and not self._is_deaf and self._clock() < self._asked_at + self.patience_s

    def may_draw(self, picture: Hashable) -> bool:
        """Whether a picture may be sent now: not while another is on its way."""
        return not self.is_waiting or self._asked in (None, picture)

    def drew(self, picture: Hashable) -> int | None:
        """A picture was sent; the number of the question to ask now, or none."""
        if picture != self._drawn:
            self.lose()
            self._drawn, self._drawn_at = picture, self._clock()
        if picture in (None, self._seen) or (picture == self._asked and self.is_waiting):
            return None
        if self._is_silent:
            self._is_deaf = True  # by now the delay guards
            if self._clock() - self._asked_at < ASK_AGAIN_S:
                return None
        self._serial = self._serial % COLUMNS + 1
        self._open = [*self._open[1 - COLUMNS :], self._serial] if picture == self._asked else [self._serial]
        self._asked, self._put_at = picture, self._clock()
        self._asked_at = self._put_at
        return self._serial

    def answered(self, serial: int) -> bool:
        """Take an answer; whether it is one that was waited for."""
        if serial not in self._open:
            return False
        self._open, self._seen = [], self._asked
        self._has_answered, self._is_deaf = True, False
        return True

    def has_seen(self, picture: Hashable) -> bool:
        """Whether a picture is on the reader's screen."""
        if picture is None or picture != self._drawn:
            return False
        return picture == self._seen or (self._is_silent and self._clock() - self._drawn_at >= DELAY_S)

    @property
    def _is_silent(self) -> bool:
        """Whether the terminal has never answered, not even when it was given the time."""
        return bool(self._open) and not self._has_answered and not self.is_waiting

    def is_at_work(self) -> None:
        """The terminal says that it works, before the question or after it: patience with it begins anew."""
        self._has_answered, self._is_deaf = True, False
        if self._open and self._clock() - self._put_at < LOST_S:
            self._asked_at = self._clock()

    def abandon(self) -> None:
        """The screen has another size: what is on it is lost, and where the cursor stood at the question."""
        self.lose()
        if self.is_waiting:
            self._open = []

    def lose(self) -> None:
        """Something else is on the screen now, or on its way there: no answer that comes is for what was."""
        self._drawn = self._seen = self._asked = None
