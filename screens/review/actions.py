"""What can be done on the review screen."""

from core.vocabulary import LABELS, Label, ReviewState
from screens.action import Action, Excuse, Situation, Where, always, no_store, no_writing

_LABELS = {
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
_GROUPS = {ReviewState.REAL: "Verdicts: real", ReviewState.BOGUS: "Verdicts: bogus"}
_PREFIX = "verdict:"


def verdict_label(action_id: str) -> Label | None:
    """The label that a verdict action gives; none for other actions."""
    return Label(action_id.removeprefix(_PREFIX)) if action_id.startswith(_PREFIX) else None


def _no_card(now: Situation) -> str | None:
    return no_store(now) or (None if now.has_card else "there is no card")


def _no_cutouts(now: Situation) -> str | None:
    return _no_card(now) or (None if now.has_cutouts else "there are no images of this candidate")


def _no_colours(now: Situation) -> str | None:
    return None if now.has_colours else "no colours here"


def _no_epochs(now: Situation) -> str | None:
    return _no_card(now) or (None if now.epochs > 1 else "the object was detected only once")


def _no_verdict(now: Situation) -> str | None:
    return no_writing(now) or _no_card(now) or (None if now.is_drawn else "the card is not drawn yet")


def _verdict(label: Label) -> Action:
    facts = LABELS[label]
    return Action(
        id=_PREFIX + label.value,
        keys=(facts.key,),
        label=_LABELS[label],
        help=f"{label.value}: {facts.meaning}",
        where=Where.REVIEW,
        group=_GROUPS.get(facts.review_state, "Verdicts: neither"),
        footer=9,
        why_disabled=_no_verdict,
    )


def _card(
    id_: str,
    keys: tuple[str, ...],
    label: str,
    text: str,
    excuse: Excuse = _no_card,
    footer: int = 0,
    *,
    asks: bool = False,
) -> Action:
    return Action(id_, keys, label, text, Where.REVIEW, "Card", footer, asks=asks, why_disabled=excuse)


def _view(id_: str, key: str, label: str, text: str, excuse: Excuse = always) -> Action:
    return Action(id_, (key,), label, text, Where.VIEW_MENU, "View menu", footer=5, why_disabled=excuse)


ACTIONS: tuple[Action, ...] = (
    *(_verdict(label) for label in LABELS),
    _card(
        "undo",
        ("u",),
        "undo",
        "take back the last verdict, of this sitting first, as often as you like",
        no_writing,
        8,
    ),
    _card("redo", ("ctrl+r",), "redo", "give again the verdict that was taken back", no_writing),
    _card(
        "note",
        ("w",),
        "note",
        "write a note on this candidate; #words are its tags",
        _no_verdict,
        6,
        asks=True,
    ),
    _card(
        "bulk",
        ("B",),
        "bulk",
        "one verdict on all marked cards; without marks, on all of the filter",
        no_writing,
        asks=True,
    ),
    _card(
        "like",
        ("L",),
        "like",
        "more like this card, or the marked ones: the likeliest come next; esc leads back",
        no_store,
        2,
    ),
    _card("order", ("O",), "order", "next order: score, brightness, age, and what models say", no_store),
    _card("blink", ("b",), "blink", "blink new and reference in place", _no_cutouts, 5),
    _card("full", ("f",), "full size", "one image as large as the screen, and back", _no_cutouts, 4),
    _card("epoch-before", ("left_square_bracket",), "earlier", "the object's detection before", _no_epochs),
    _card("epoch-after", ("right_square_bracket",), "later", "the object's detection after", _no_epochs),
    _card("zoom-in", ("plus", "equals_sign"), "zoom in", "zoom in", _no_cutouts),
    _card("zoom-out", ("minus",), "zoom out", "zoom out", _no_cutouts),
    _card("contrast-less", ("less_than_sign",), "softer", "less contrast", _no_cutouts),
    _card("contrast-more", ("greater_than_sign",), "harder", "more contrast", _no_cutouts),
    _card("view", ("comma",), "view", "view menu: stretch, colours, drawing", _no_cutouts, 3),
    _card("curve", ("l",), "flux/mag", "the curve of all epochs in flux or in magnitudes, and back"),
    _card("detail", ("o",), "details", "every feature, score, verdict and note of this card", footer=4),
    _card("header", ("H",), "header", "the FITS header of this detection's frame"),
    _view("view:stretch", "s", "stretch", "next stretch: asinh, linear, log, zscale, percentile, histogram"),
    _view("view:invert", "i", "invert", "turn dark and bright round"),
    _view("view:colours", "m", "colours", "next colour map: grey, viridis, cividis, red", _no_colours),
    _view("view:drawing", "d", "drawing", "next drawing that the terminal can show, from pictures to ASCII"),
    _view("view:score", "p", "score", "the score in place of the reference, and back"),
    _view("view:reset", "0", "reset", "as the settings have it, no zoom"),
)
