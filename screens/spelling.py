"""Lines for a terminal whose charset lacks some of their characters: ``5sigma`` for ``5σ``.

Signs that stand for one of as many cells are put in when it is sent, in `screens.tty.charset`. Those that are
longer take their cells from the blanks behind them, where there are two and more, so that columns stay.
"""

from functools import lru_cache

from core.charset import STAND_INS, has
from core.text import SafeText
from screens.lines import Line, Span, Tinted

_LONGER = {sign: name for sign, name in STAND_INS.items() if len(name) > 1}


@lru_cache(maxsize=1024)
def spelled(line: Line, charset: str) -> Line:
    """The line with names for the signs that a charset lacks."""
    found: list[Span | Tinted] = []
    owed = 0  # cells that names took
    for piece in line if any(sign in piece.text for piece in line for sign in _LONGER) else ():
        if not isinstance(piece, Span):
            found.append(piece)
            continue
        text = ""
        for character in piece.text:
            name = _LONGER.get(character)
            if name is not None and not has(charset, character):
                text += name
                owed += len(name) - 1
            elif owed and character == " " and (text or _end(found)).endswith(" "):
                owed -= 1
            else:
                text += character
        found.append(piece._replace(text=SafeText(text)))
    return tuple(found) or line


def _end(found: list[Span | Tinted]) -> str:
    """What stands before a piece."""
    return next((piece.text for piece in reversed(found) if piece.text), "")
