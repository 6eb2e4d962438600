"""A question before what cannot be undone: it is done only once a word has been typed."""

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from screens.frame.on_top import is_on_top
from screens.lines import Tone, span, wrapped
from screens.widgets.prompt import Prompt
from screens.widgets.rows import Rows

_ROWS = 3  # of a question


class Confirm(ModalScreen[bool]):
    """Asks for a word; true once it was typed, false after ``esc`` or any other word.

    Parameters
    ----------
    question : str
        What would be done, to how much of what.
    word : str
        To be typed, such as ``drop``.
    """

    def __init__(self, question: str, word: str) -> None:
        super().__init__()
        self._question = question
        self._word = word

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
        line = (
            span(" type ", Tone.WARN),
            span(self._word, Tone.KEY),
            span(f" to do it, esc not to: {self._question}", Tone.WARN, 300),
        )
        lines, rows = wrapped(line, self.size.width, _ROWS), self.query_one(Rows)
        rows.styles.height = len(lines)
        rows.show(lines)

    async def on_key(self, event: events.Key) -> None:
        """All keys are for the word; once it is answered none is."""
        event.stop()
        event.prevent_default()
        if is_on_top(self):
            await self.query_one(Prompt).take(event)

    def _forgotten(self) -> None:
        self.dismiss(False)

    def _typed(self, text: str) -> None:
        self.query_one(Prompt).close()
        self.dismiss(text == self._word)
