"""Actions that work on every screen, and those that work alike on all that have something of the kind."""

from screens.action import SCREENS, Action, Where, no_store


def _everywhere(id_: str, keys: tuple[str, ...], label: str, text: str, footer: int = 0) -> Action:
    return Action(id_, keys, label, text, Where.EVERYWHERE, "Everywhere", footer)


def _common(
    id_: str, keys: tuple[str, ...], label: str, text: str, footer: int = 0, *, asks: bool = False
) -> Action:
    return Action(id_, keys, label, text, Where.COMMON, "Lists", footer, asks=asks, why_disabled=no_store)


_SCREEN_HELP = {
    Where.INGEST: "ingest queue: what waits, what failed and why",
    Where.PIPELINE: "pipeline: runs, stages, failures by cause",
    Where.REVIEW: "review: one card, one key, one verdict",
    Where.MODELS: "models: what the registry holds",
    Where.POWER: "power: what the machines draw, what the work took",
    Where.HEALTH: "health and log",
}
SCREEN_PREFIX = "screen:"
THEME_PREFIX = "theme:"

ACTIONS: tuple[Action, ...] = (
    _common("next", ("j", "down"), "next", "next; a count before it goes so far: 05j, 012j"),
    _common("previous", ("k", "up"), "previous", "previous"),
    _common("first", ("g", "home"), "first", "first"),
    _common("last", ("G", "end"), "last", "last that is loaded; with a count, the one of that number"),
    _common("page-down", ("ctrl+d", "pagedown"), "ten on", "ten on"),
    _common("page-up", ("ctrl+u", "pageup"), "ten back", "ten back"),
    _common("open", ("enter",), "open", "open what is under the cursor", 6),
    _common("pane", ("tab",), "pane", "next pane, or next image"),
    _common("mark", ("space",), "mark", "mark what is under the cursor, or no more"),
    _common("filter", ("slash",), "filter", "choose rows by name, operator and value", 3, asks=True),
    _common("copy", ("y",), "copy", "copy what is under the cursor to the clipboard and to a file"),
    *(
        _everywhere(SCREEN_PREFIX + where, (str(number),), where.value, _SCREEN_HELP[where])
        for number, where in enumerate(SCREENS, 1)
    ),
    _everywhere("help", ("question_mark",), "help", "every key", 10),
    _everywhere("command", ("colon",), "command", "type a command: run, cancel, theme, export …", 2),
    _everywhere("palette", ("ctrl+p",), "palette", "find a command by name"),
    _everywhere("back", ("escape",), "back", "one step back: close, undo full size, clear the filter"),
    _everywhere("quit", ("q",), "quit", "back; with nothing to go back to, leave", 1),
    _everywhere(THEME_PREFIX + "dark", (), "dark", "theme: dark"),
    _everywhere(THEME_PREFIX + "light", (), "light", "theme: light"),
    _everywhere(THEME_PREFIX + "dome", (), "dome", "theme: dome, red on black, kind to adapted eyes"),
)
