"""The footer: the keys that matter now, or how a key sequence that was begun may go on."""

from collections.abc import Sequence

from screens.action import Action
from screens.actions import footer_actions
from screens.key_names import key_sign
from screens.lines import Line, Tone, cells_of, drawn, span

COUNTED = ("next", "previous", "page-down", "page-up", "last")  # what a count may come before


def footer_line(actions: Sequence[Action], width: int) -> Line:
    """The keys that fit, the most deserving first."""
    line: Line = ()
    for action in footer_actions(actions, width):
        gap = drawn(" ") if line else drawn("")
        line = (*line, gap, span(key_sign(action.keys[0]), Tone.KEY), span(f" {action.label}", Tone.DIM))
    return line


def action_at(actions: Sequence[Action], width: int, column: int) -> Action | None:
    """The action whose key or label stands in a column of `footer_line`."""
    place = 0
    for action in footer_actions(actions, width):
        end = place + len(key_sign(action.keys[0])) + 1 + len(action.label)
        if place <= column < end:
            return action
        place = end + 1
    return None


def menu_line(title: str, actions: Sequence[Action], back: str, width: int) -> Line:
    """The keys of a menu that is open, as many as leave room for the one that closes it, `back`."""
    line: Line = (span(f" {title} ", Tone.CHIP),)
    closing = _offered(back, "close")
    room = width - cells_of(closing)
    for action in actions:
        piece = _offered(key_sign(action.keys[0]), action.label) if action.keys else ()
        if cells_of((*line, *piece)) <= room:
            line = (*line, *piece)
    return (*line, *closing)


def _offered(key: str, label: str) -> Line:
    return (span(f" {key}", Tone.KEY), span(f" {label} ", Tone.BAR))


def count_line(digits: str, actions: Sequence[Action], back: str, width: int) -> Line:
    """What a count may be followed by."""
    counted = [action for action in actions if action.id in COUNTED and action.keys]
    return menu_line(f"count {int(digits or '0')}", counted, back, width)
