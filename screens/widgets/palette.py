"""Textual's palette of commands, which closes once."""

from textual import on
from textual.command import CommandPalette
from textual.message import Message
from textual.widgets import Input, OptionList

from screens.frame.on_top import is_on_top


class Palette(CommandPalette):
    """An ``enter`` that comes with the one that closed it runs nothing again, and closes nothing below."""

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _while_open(self, event: Message) -> None:
        if not is_on_top(self):
            event.prevent_default()
