"""Keys by their two names: as Textual has them, and as they are written on the keyboard."""

import unicodedata
from functools import cache

_SIGNS = {
    "question_mark": "?",
    "exclamation_mark": "!",
    "colon": ":",
    "semicolon": ";",
    "slash": "/",
    "backslash": "\\",
    "comma": ",",
    "full_stop": ".",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "underscore": "_",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "quotation_mark": '"',
    "apostrophe": "'",
    "grave_accent": "`",
    "number_sign": "#",
    "dollar_sign": "$",
    "percent_sign": "%",
    "ampersand": "&",
    "asterisk": "*",
    "at": "@",
    "circumflex_accent": "^",
    "vertical_line": "|",
    "tilde": "~",
    "escape": "esc",
    "pagedown": "page down",
    "pageup": "page up",
}
_NAMES = {sign: name for name, sign in _SIGNS.items()}
_MODIFIERS = frozenset({"alt", "ctrl", "hyper", "meta", "shift", "super"})


def key_sign(key: str) -> str:
    """A key as it is written on the keyboard."""
    return _SIGNS.get(key, key)


def key_name(sign: str) -> str:
    """A key as Textual names it, from its name or from how it is written."""
    is_plus = sign == "+" or sign.endswith("++")
    *modifiers, last = (f"{sign[:-1]}plus" if is_plus else sign).split("+")
    return "+".join([*sorted(modifiers), _name_of(last)])


def is_key(name: str) -> bool:
    """Whether some terminal can send a key of this name."""
    *modifiers, last = name.split("+")
    if not _MODIFIERS.issuperset(modifiers):
        return False
    if len(last) == 1 and last.isalnum():
        # With shift alone it comes as the capital, and with others the capital as shift and the letter.
        return modifiers != ["shift"] and (not modifiers or last == last.lower())
    return last in _SIGNS or last in _special_keys() or _is_of_character(last)


def _name_of(written: str) -> str:
    """Of one key without ctrl and the like."""
    if written in _NAMES or len(written) != 1 or written.isalnum():
        return _NAMES.get(written, written)
    return unicodedata.name(written, written).lower().replace("-", "_").replace(" ", "_")


def _is_of_character(name: str) -> bool:
    try:
        character = unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return character.isprintable() and _name_of(character) == name


@cache
def _special_keys() -> frozenset[str]:
    """Those that are no characters, such as f5."""
    from textual.keys import Keys

    names = {key.value.rpartition("+")[2] for key in Keys} - {Keys.Return.value}  # which comes as enter
    return frozenset(name for name in names if len(name) > 1 and name.replace("_", "").isalnum())
