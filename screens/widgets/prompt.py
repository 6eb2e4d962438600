"""One line to type in, for filters and notes."""

from textual import events
from textual.widgets import Input

from core.text import safe_text


class Prompt(Input):
    """An input whose pasted text is made safe first, and whose words are never markup."""

    def __init__(self, *, id: str | None = None, max_length: int = 500, disabled: bool = False) -> None:
        super().__init__(id=id, max_length=max_length, disabled=disabled, compact=True, select_on_focus=False)

    def _on_paste(self, event: events.Paste) -> None:
        first = event.text.splitlines()[0] if event.text else ""
        self.insert_text_at_cursor(safe_text(first, self.max_length or 500))
        event.stop()
        event.prevent_default()
