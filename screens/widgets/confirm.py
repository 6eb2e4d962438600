"""A question before what is done to many or cannot be undone: it is done only once it was answered."""

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from screens.frame.on_top import is_on_top
from screens.lines import Line, Tone, span, wrapped
from screens.widgets.prompt import Prompt
from screens.widgets.rows import Rows

_ROWS = 3  # of a question
_NO = ("n", "no")


class Confirm(ModalScreen[bool | None]):
    """Asks for a word; true once it was typed, false after ``esc`` or ``no``, none if it was dropped.

    All that is typed is for the answer: the letters of a word are keys on the screen behind. So any other
    word, and ``enter`` alone where it does not say yes, goes on asking.

    Parameters
    ----------
    question : str or None
        What would be done, to how much of what; none while that is being counted. What is typed until
        `tell` brings it stays, but answers nothing.
    word : str
        To be typed, such as ``drop``.
    is_light : bool
        ``enter`` alone says yes too.
    """

    def __init__(self, question: str | None, word: str, *, is_light: bool = False) -> None:
        super().__init__()
        self._is_light = is_light
        self._question = question
        self._word = word
        self._nothing = ""  # why there is nothing to be asked after all
        self._is_another = False  # another word was typed

    def compose(self) -> ComposeResult:
        """The question and the word, at the foot of the screen."""
        yield Rows(id="confirm-question")
        yield Prompt(id="confirm-word")

    def on_mount(self) -> None:
        """Ask."""
        self.on_resize()
        self.query_one(Prompt).ask(self._word, "", self._typed, forgotten=self._forgotten)

    def on_resize(self) -> None:
        """Put the question so that it is told whole."""
        lines, rows = wrapped(self._line(), self.size.width, _ROWS), self.query_one(Rows)
        rows.styles.height = len(lines)
        rows.show(lines)

    def _line(self) -> Line:
        if self._nothing:
            return (span(f" nothing is done, enter or esc goes back: {self._nothing}", Tone.WARN, 300),)
        asked = (
            (span("enter", Tone.KEY),)
            if self._is_light
            else (span("type ", Tone.WARN), span(self._word, Tone.KEY))
        )
        return (
            span(f" {'that is another word: ' * self._is_another}", Tone.WARN),
            *asked,
            span(f" to do it, esc not to: {self._question or 'counting …'}", Tone.WARN, 300),
        )

    def tell(self, question: str) -> None:
        """Say what would be done, now that it is known."""
        self._question = question
        if self.is_mounted and is_on_top(self):
            self.on_resize()

    def drop(self, why: str) -> None:
        """There is nothing to be asked after all; who is typing the word already types it to its end."""
        if not is_on_top(self):
            return
        if self.is_mounted and self.query_one(Prompt).value:
            self._nothing = why
            self.on_resize()
        else:
            self.dismiss(None)

    async def on_key(self, event: events.Key) -> None:
        """All keys are for the word; once it is answered none is."""
        event.stop()
        event.prevent_default()
        if is_on_top(self):
            await self.query_one(Prompt).take(event)

    def _forgotten(self) -> None:
        self.dismiss(None if self._nothing else False)

    def _typed(self, text: str) -> None:
        if self._nothing:
            self._forgotten()
            return
        is_yes = text == self._word or (self._is_light and not text)
        if self._question is None or not (is_yes or text in _NO):
            # Who types the word once more, or presses enter before it, would judge by its letters.
            self._is_another = text not in ("", self._word)
            if self._is_another:
                self.query_one(Prompt).value = ""
            self.on_resize()
            self.app.bell()
            return
        self.query_one(Prompt).close()
        self.dismiss(is_yes)
