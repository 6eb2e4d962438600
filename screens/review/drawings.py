"""The ways to draw a card's images: which of them this terminal can show, and why not the others."""

from screens.lines import Line, Tone, span
from screens.terminal import Terminal
from screens.tty.probe import CELL_QUERY, Probe

GRAPHICS = ("kitty", "sixel")
NAMES = {
    "kitty": "Kitty",
    "sixel": "Sixel",
    "half": "half blocks",
    "grey": "greys",
    "braille": "braille",
    "ascii": "ASCII",
}  # the best first
_COLOURED = ("kitty", "sixel", "half", "grey")
_UNKNOWN_CELL = (20, 10)  # pixels of a cell of the VT340, for which Sixel was made


def refusals(setting: str, terminal: Terminal, probe: Probe) -> dict[str, str]:
    """Why some ways cannot be taken; what the settings name can, as long as it can be coloured at all.

    Parameters
    ----------
    setting : str
        ``auto``, or one of `NAMES`.
    """
    if terminal.colours == 0:
        return dict.fromkeys(_COLOURED, "no colours here")
    why = {}
    if terminal.colours < 256:
        why = dict.fromkeys(("half", "grey"), f"{terminal.colours} colours only")
    for name in GRAPHICS:
        if reason := _no_picture(name, terminal, probe):
            why[name] = reason
    if not (terminal.in_browser and setting in GRAPHICS):  # a page draws no pictures, whatever they say
        why.pop(setting, None)
    return why


def suited(setting: str, terminal: Terminal, probe: Probe) -> str:
    """The way to begin with: what the settings name, else the best that costs the line no more than it can.

    A card by Sixel takes some ten times the bytes of one in greys: over SSH it is only drawn on request.
    """
    why = refusals(setting, terminal, probe)
    if setting != "auto" and setting not in why:
        return setting
    if "kitty" not in why:
        return "kitty"
    if "sixel" not in why and not terminal.is_remote:
        return "sixel"
    return terminal.drawing


def in_cells(setting: str, terminal: Terminal) -> str:
    """The way for what is drawn in characters alone."""
    return terminal.drawing if setting in ("auto", *GRAPHICS) else setting


def questions(setting: str, terminal: Terminal, probe: Probe) -> str:
    """What to ask the terminal; nothing where the settings name another way than pictures."""
    if setting == "sixel":
        return CELL_QUERY
    if setting != "auto" or terminal.shows_no_pictures:
        return ""
    return probe.questions()


def cell_of(drawing: str, probe: Probe) -> tuple[int, int] | None:
    """The size of a cell in pixels that a picture is scaled to; none where the terminal scales it."""
    return (probe.cell or _UNKNOWN_CELL) if drawing == "sixel" else None


def told(drawing: str, why: dict[str, str]) -> Line:
    """What is drawn by, what else could be, and what cannot: as a rule in 80 columns."""
    others = ", ".join(NAMES[name] for name in NAMES if name not in why and name != drawing)
    line: Line = (span(NAMES[drawing], Tone.STRONG), span(f", else {others}", Tone.DIM))
    reasons: dict[str, list[str]] = {}
    for name, reason in why.items():
        reasons.setdefault(reason, []).append(NAMES[name])
    for reason, names in reasons.items():
        line = (*line, span(f"; no {', '.join(names)}: {reason}", Tone.DIM))
    return line


def _no_picture(name: str, terminal: Terminal, probe: Probe) -> str:
    if terminal.shows_no_pictures:
        return terminal.shows_no_pictures
    if not probe.was_asked:
        return "not asked (settings)"
    if not probe.is_answered:
        return "it does not answer"
    if name == "kitty":
        return "" if probe.kitty else "not in this terminal"
    if not probe.sixel:
        return "not in this terminal"
    return "" if probe.cell else "cell size unknown"
