"""Every action of the console, once: key bindings, footer, help and command palette come from here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.vocabulary import LABELS, Label, ReviewState


class Where(StrEnum):
    """On which screen an action can be used."""

    EVERYWHERE = "everywhere"
    REVIEW = "review"
    VIEW_MENU = "view menu"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the screen is in the middle of: all that decides whether an action makes sense."""

    is_open: bool = False  # the store
    has_card: bool = False
    is_drawn: bool = False  # the card on the screen is the one that a verdict would fall on
    is_writing: bool = False
    read_only: bool = False
    epochs: int = 0  # detections of the object that can be stepped through
    has_cutouts: bool = False


Excuse = Callable[[Situation], str | None]


def _always(_: Situation) -> str | None:
    return None


def _no_store(now: Situation) -> str | None:
    return None if now.is_open else "the store is not open"


def _no_card(now: Situation) -> str | None:
    return _no_store(now) or (None if now.has_card else "there is no card")


def _no_cutouts(now: Situation) -> str | None:
    return _no_card(now) or (None if now.has_cutouts else "no cutouts were kept of this candidate")


def _no_epochs(now: Situation) -> str | None:
    return _no_card(now) or (None if now.epochs > 1 else "the object was detected only once")


def _no_writing(now: Situation) -> str | None:
    if now.read_only:
        return "the console is read-only"
    return _no_store(now) or ("the last verdict is still being written" if now.is_writing else None)


def _no_verdict(now: Situation) -> str | None:
    return _no_writing(now) or _no_card(now) or (None if now.is_drawn else "the card is not drawn yet")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the user can do.

    Attributes
    ----------
    id : str
        What a screen handles, such as ``verdict:real``.
    keys : tuple of str
        Textual's names of the keys.
    label : str
        One short word, for the footer.
    help : str
        What it does, for help and palette.
    group : str
        The heading it stands under in help.
    footer : int
        How much it deserves a place in the footer; 0 never has one.
    dangerous : bool
        Cannot be undone: a capital key, a typed confirmation, and absent in read-only mode.
    why_disabled : callable
        The reason why it cannot be used now, or none.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    where: Where
    group: str
    footer: int = 0
    dangerous: bool = False
    why_disabled: Excuse = _always


_VERDICT_LABELS = {
    Label.REAL: "real",
    Label.SUPERNOVA: "sn",
    Label.VARIABLE: "var",
    Label.NUCLEAR: "agn",
    Label.MOVING: "mov",
    Label.ARTEFACT: "art",
    Label.DIPOLE: "dip",
    Label.COSMIC_RAY: "cr",
    Label.TRAIL: "trail",
    Label.POOR_SUBTRACTION: "sub",
    Label.INDETERMINATE: "unsure",
    Label.SNOOZE: "later",
    Label.ASK_EXPERT: "ask",
}
_VERDICT_GROUPS = {ReviewState.REAL: "Verdicts: real", ReviewState.BOGUS: "Verdicts: bogus"}
_VERDICT_PREFIX = "verdict:"


def _verdict(label: Label) -> Action:
    facts = LABELS[label]
    return Action(
        id=_VERDICT_PREFIX + label.value,
        keys=(facts.key,),
        label=_VERDICT_LABELS[label],
        help=f"{label.value}: {facts.meaning}",
        where=Where.REVIEW,
        group=_VERDICT_GROUPS.get(facts.review_state, "Verdicts: neither"),
        footer=9,
        why_disabled=_no_verdict,
    )


def _everywhere(id_: str, keys: tuple[str, ...], label: str, text: str, footer: int = 0) -> Action:
    return Action(id_, keys, label, text, Where.EVERYWHERE, "Everywhere", footer)


def _move(id_: str, keys: tuple[str, ...], label: str, text: str) -> Action:
    return Action(id_, keys, label, text, Where.REVIEW, "Queue", why_disabled=_no_store)


def _card(
    id_: str, keys: tuple[str, ...], label: str, text: str, excuse: Excuse = _no_card, footer: int = 0
) -> Action:
    return Action(id_, keys, label, text, Where.REVIEW, "Card", footer, why_disabled=excuse)


def _view(id_: str, key: str, label: str, text: str) -> Action:
    return Action(id_, (key,), label, text, Where.VIEW_MENU, "View menu", footer=5)


ACTIONS: tuple[Action, ...] = (
    *(_verdict(label) for label in LABELS),
    _card("undo", ("u",), "undo", "take back the last verdict, as often as you like", _no_writing, 8),
    _card("redo", ("ctrl+r",), "redo", "give again the verdict that was taken back", _no_writing),
    _card("note", ("w",), "note", "write a note on this candidate", _no_verdict, 6),
    _move("next", ("j", "down"), "next", "next card"),
    _move("previous", ("k", "up"), "previous", "previous card"),
    _move("first", ("g", "home"), "first", "first card"),
    _move("last", ("G", "end"), "last", "last card that is loaded"),
    _move("page-down", ("ctrl+d", "pagedown"), "ten on", "ten cards on"),
    _move("page-up", ("ctrl+u", "pageup"), "ten back", "ten cards back"),
    _move(
        "filter", ("slash",), "filter", "choose cards: score>0.8 mag<20 filter:r near:10.68,41.27,30arcsec"
    ),
    _card("blink", ("b",), "blink", "blink new and reference in place", _no_cutouts, 5),
    _card("full", ("f",), "full size", "one image as large as the screen, and back", _no_cutouts, 4),
    _card("pane", ("tab",), "image", "choose the image that `f` enlarges", _no_cutouts),
    _card("epoch-before", ("left_square_bracket",), "earlier", "the object's detection before", _no_epochs),
    _card("epoch-after", ("right_square_bracket",), "later", "the object's detection after", _no_epochs),
    _card("zoom-in", ("plus", "equals_sign"), "zoom in", "zoom in", _no_cutouts),
    _card("zoom-out", ("minus",), "zoom out", "zoom out", _no_cutouts),
    _card("contrast-less", ("less_than_sign",), "softer", "less contrast", _no_cutouts),
    _card("contrast-more", ("greater_than_sign",), "harder", "more contrast", _no_cutouts),
    _card("view", ("comma",), "view", "view menu: stretch, colours, drawing", _no_cutouts, 3),
    _card(
        "detail", ("o", "enter"), "details", "every feature, score, verdict and note of this card", footer=4
    ),
    _card("copy", ("y",), "copy", "copy name and position to the clipboard"),
    _view("view:stretch", "s", "stretch", "next stretch: asinh, linear, log, zscale"),
    _view("view:invert", "i", "invert", "turn dark and bright round"),
    _view("view:colours", "m", "colours", "next colour map: grey, viridis, cividis, red"),
    _view("view:drawing", "d", "drawing", "next drawing: half blocks, greys, braille, ASCII"),
    _view("view:reset", "0", "reset", "as the settings have it, no zoom"),
    _everywhere("help", ("question_mark",), "help", "every key", 10),
    _everywhere("commands", ("colon", "ctrl+p"), "commands", "find a command by name", 2),
    _everywhere("back", ("escape",), "back", "one step back: close, undo full size, clear the filter"),
    _everywhere("quit", ("q",), "quit", "back; at the review screen, leave", 1),
    _everywhere("theme:dark", (), "dark", "theme: dark"),
    _everywhere("theme:light", (), "light", "theme: light"),
    _everywhere("theme:dome", (), "dome", "theme: dome, red on black, kind to adapted eyes"),
)

BY_ID = {action.id: action for action in ACTIONS}

_KEY_SIGNS = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "comma": ",",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "pagedown": "page down",
    "pageup": "page up",
}


def key_sign(key: str) -> str:
    """A key as it is written on the keyboard."""
    return _KEY_SIGNS.get(key, key)


def verdict_label(action_id: str) -> Label | None:
    """The label that a verdict action gives; none for other actions."""
    if not action_id.startswith(_VERDICT_PREFIX):
        return None
    return Label(action_id.removeprefix(_VERDICT_PREFIX))


def actions_on(where: Where, *, read_only: bool = False) -> list[Action]:
    """The actions of one screen, without those of everywhere; no dangerous ones in read-only mode."""
    return [action for action in ACTIONS if action.where is where and not (read_only and action.dangerous)]


def grouped(actions: Iterable[Action]) -> dict[str, list[Action]]:
    """Actions under their headings, both in the registry's order."""
    groups: dict[str, list[Action]] = {}
    for action in actions:
        groups.setdefault(action.group, []).append(action)
    return groups


def footer_actions(actions: Iterable[Action], width: int, gap: int = 1) -> list[Action]:
    """Those actions that fit on one line: the most deserving first, shown in the registry's order."""
    offered = [action for action in actions if action.footer and action.keys]
    ranked = sorted(offered, key=lambda action: -action.footer)
    kept: set[str] = set()
    room = width
    for action in ranked:
        room -= len(key_sign(action.keys[0])) + 1 + len(action.label) + gap
        if room < -gap:
            break
        kept.add(action.id)
    return [action for action in offered if action.id in kept]
