"""A filter while it is typed: what it means, and how it can go on."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.vocabulary import LABELS
from screens.lines import Line
from screens.review.steering import filter_hint

if TYPE_CHECKING:
    from core.review.filter_help import Known
    from screens.review.screen import ReviewScreen


class Filtering:
    """The prompt for a screen's filter.

    Attributes
    ----------
    hint : Line
        What is being typed means; empty while nothing is.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._offered: Known | None = None  # values that a filter can be completed with
        self._asked: object | None = None  # which reading of them is not out of date
        self.hint: Line = ()

    def ask(self) -> None:
        """Let the user type a filter."""
        screen = self._screen
        screen.notice = ()
        question = "filter, such as: score>0.8 filter:r -tag:host"
        screen.prompt.ask(
            question,
            screen.filter,
            self._submit,
            complete=self._complete,
            hint=self._tell,
            forgotten=screen.unsay,
        )
        self._read_offered()

    async def known(self) -> "Known":
        """What a filter can be completed with.

        Raises
        ------
        StoreError
        """
        from core.review.filter_help import Known

        if self._offered is None and self._screen.desk is not None:
            self._offered = await asyncio.to_thread(self._screen.desk.offered)
        return self._offered or Known()

    def words_known(self) -> tuple[str, ...]:
        """Tags, which are read if they were not, and verdicts."""
        if self._asked is None:
            self._read_offered()
        tags = self._offered.values.get("tag", ()) if self._offered is not None else ()
        return tuple(dict.fromkeys((*tags, *(label.value for label in LABELS))))

    def _read_offered(self) -> None:
        """Read what can be offered, if that was not done since something was written."""
        screen = self._screen
        if screen.desk is not None and self._offered is None:
            asked = self._asked = object()
            then = partial(self._take, asked)
            screen.in_background(screen.desk.offered, then, "values cannot be offered")

    def forget_offered(self) -> None:
        """Something was written that a filter can ask for."""
        self._offered = self._asked = None

    def _complete(self, line: str) -> Sequence[str]:
        from core.review.filter_help import Known, completions

        return completions(line, self._offered or Known())

    def _tell(self, _: Sequence[str]) -> None:
        from core.review.filter_help import Known

        prompt, width = self._screen.prompt, self._screen.size.width
        known = self._offered or Known()
        self.hint = filter_hint(prompt.value, known, width) if prompt.is_open else ()
        self._screen.paint()

    def _submit(self, line: str) -> None:
        self.hint = ()
        self._screen.choose(line)

    def _take(self, asked: object, offered: "Known") -> None:
        if self._asked is asked:
            self._offered = offered
            self._screen.prompt.hint_anew()
