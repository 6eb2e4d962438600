"""The view menu: single keys that change how cutouts are drawn, seen at once behind it."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from screens.actions import Where, actions_on, key_sign
from screens.lines import Tone, span
from screens.widgets.rows import Rows


class ViewMenu(ModalScreen[None]):
    """One line of keys at the bottom; any of them acts at once, ``esc`` closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,comma,q,enter", "dismiss", "close", show=False),
        *(
            Binding(",".join(action.keys), f"change('{action.id}')", action.label, show=False)
            for action in actions_on(Where.VIEW_MENU)
        ),
    ]

    def __init__(self, change: Callable[[str], None]) -> None:
        super().__init__()
        self._change = change

    def compose(self) -> ComposeResult:
        """The line of keys."""
        yield Rows(id="view-menu")

    def on_mount(self) -> None:
        """Write the keys."""
        keys = [
            piece
            for action in actions_on(Where.VIEW_MENU)
            for piece in (span(f" {key_sign(action.keys[0])}", Tone.KEY), span(f" {action.label} ", Tone.BAR))
        ]
        line = (span(" view ", Tone.CHIP), *keys, span(" esc", Tone.KEY), span(" close ", Tone.BAR))
        self.query_one(Rows).show([line])

    def action_change(self, action_id: str) -> None:
        """Hand a change to the screen below."""
        self._change(action_id)
