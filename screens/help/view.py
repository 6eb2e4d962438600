"""The help page as lines."""

from collections.abc import Sequence

from screens.action import Action
from screens.actions import grouped, key_sign
from screens.frame.commands import Command
from screens.lines import Line, Tone, padded, span

_KEY_COLUMNS = 16


def help_lines(actions: Sequence[Action], commands: Sequence[Command], width: int) -> list[Line]:
    """Every action under its heading: its keys, and what it does; then what can be typed after ``:``."""
    lines: list[Line] = []
    for group, members in grouped(actions).items():
        lines += _heading(group, lines)
        for action in members:
            keys = " ".join(key_sign(key) for key in action.keys) or f":{action.id}"
            lines.append(_row(keys, action.help, width))
    lines += _heading("Commands, after `:`", lines)
    for command in commands:
        usage = f"{command.name} {command.usage}".strip()
        lines.append(_row(usage, command.help, width))
    return lines


def _heading(text: str, before: list[Line]) -> list[Line]:
    heading: Line = (span(text, Tone.STRONG),)
    return [(), heading] if before else [heading]


def _row(left: str, right: str, width: int) -> Line:
    start = padded((span(f"  {left}", Tone.KEY),), _KEY_COLUMNS)
    used = max(_KEY_COLUMNS, len(left) + 4)
    start = padded(start, used)
    return (*start, span(right, limit=max(width - used, 8)))
