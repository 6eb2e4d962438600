"""The help page as lines."""

import textwrap
from collections.abc import Sequence

from screens.action import Action, Where
from screens.actions import MENUS, grouped
from screens.frame.commands import Command
from screens.key_names import key_sign
from screens.lines import Line, Tone, padded, span

_KEY_COLUMNS = 16
_LEAST_COLUMNS = 20  # a sentence needs so many


def help_lines(
    actions: Sequence[Action], commands: Sequence[Command], width: int, here: Where = Where.INGEST
) -> list[Line]:
    """Every action under its heading: its keys, and what it does; then what can be typed after ``:``.

    What can be done where one is comes first, then what can be everywhere, then the other screens.
    """
    mine = {here, *(menu for menu, screen in MENUS.items() if screen is here)}
    shared = {Where.COMMON, Where.EVERYWHERE}
    ranked = sorted(actions, key=lambda a: 0 if a.where in mine else 1 if a.where in shared else 2)
    lines: list[Line] = []
    for group, members in grouped(ranked).items():
        lines += _heading(group, lines)
        for action in members:
            keys = " ".join(key_sign(key) for key in action.keys) or f":{action.id}"
            lines += _rows(keys, action.help, width)
    lines += _heading("Commands, after `:`", lines)
    for command in commands:
        usage = f"{command.name} {command.usage}".strip()
        lines += _rows(usage, command.help, width)
    return lines


def _heading(text: str, before: list[Line]) -> list[Line]:
    heading: Line = (span(text, Tone.STRONG),)
    return [(), heading] if before else [heading]


def _rows(left: str, right: str, width: int) -> list[Line]:
    """A key or command and what it does, which goes on below where it is long."""
    used = max(_KEY_COLUMNS, len(left) + 4)
    words = textwrap.wrap(right, max(width - used, 8)) if width - used >= _LEAST_COLUMNS else []
    if not words:  # the left part fills the line
        below = textwrap.wrap(right, max(width - _KEY_COLUMNS, 8))
        return [(span(f"  {left}", Tone.KEY),), *(_beside("", text, _KEY_COLUMNS) for text in below)]
    return [_beside(left if not place else "", text, used) for place, text in enumerate(words)]


def _beside(left: str, right: str, column: int) -> Line:
    return (*padded((span(f"  {left}", Tone.KEY),), column), span(right))
