"""A question before what cannot be undone: it is done only once a word has been typed."""

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from screens.lines import Tone, shortened, span
from screens.widgets.prompt import Prompt
from screens.widgets.rows import Rows


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
        """Two lines at the foot of the screen."""
        yield Rows(id="confirm-question")
        yield Prompt(id="confirm-word")

    def on_mount(self) -> None:
        """Ask."""
        line = (
            span(f" {self._question}: type ", Tone.WARN, 300),
            span(self._word, Tone.KEY),
            span(" to do it, esc not to", Tone.WARN),
        )
        self.query_one(Rows).show([shortened(line, self.size.width)])
        self.query_one(Prompt).ask(self._word, "", self._typed, forgotten=self._forgotten)

    async def on_key(self, event: events.Key) -> None:
        """All keys are for the word."""
        event.stop()
        event.prevent_default()
        await self.query_one(Prompt).take(event)

    def _forgotten(self) -> None:
        self.dismiss(False)

    def _typed(self, text: str) -> None:
        self.query_one(Prompt).close()
        self.dismiss(text == self._word)
