"""The help page as lines."""

from screens.actions import Action, grouped, key_sign
from screens.lines import Line, Tone, padded, span

_KEY_COLUMNS = 16


def help_lines(actions: list[Action], width: int) -> list[Line]:
    """Every action under its heading: its keys, and what it does."""
    lines: list[Line] = []
    for group, members in grouped(actions).items():
        if lines:
            lines.append(())
        lines.append((span(group, Tone.STRONG),))
        for action in members:
            keys = " ".join(key_sign(key) for key in action.keys) or "by command"
            lines.append(
                (
                    *padded((span(f"  {keys}", Tone.KEY),), _KEY_COLUMNS),
                    span(action.help, limit=max(width - _KEY_COLUMNS, 8)),
                )
            )
    return lines
