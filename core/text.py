"""Text from outside, made fit to be displayed.

Headers, packets, file names, catalogues, exceptions and other people's notes may hold escape
sequences that drive the terminal, characters that reverse or hide what follows, or stacks of
combining marks that overflow their line. Widgets and print calls pass all of them through.
`safe_text` is the one way from such text to the screen, and `SafeText` the type that says it
was taken. The store keeps what came, unchanged.
"""

import math
import re
import unicodedata

SENTENCES = 1000  # characters of what may be several sentences, such as why a frame is where it is
MAX_MARKS = 3  # combining marks on one character; Vietnamese, Hebrew and Thai need no more
ELLIPSIS = "…"
DOTTED_CIRCLE = "◌"  # carries a combining mark that has nothing of its own to stand on

# Categories whose characters act on the terminal, show nothing, or have no agreed width.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters, marks and symbols that are drawn as nothing (Unicode's Default_Ignorable_Code_Point beyond Cf)
# or as an empty cell (the braille blank).
_INVISIBLE = frozenset([0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0]).union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
)

_MORE_DIGITS = 6
_MOST_SHOWN = len("<U+10FFFF>")  # of one character
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their full-width forms


class SafeText(str):
    """Text that `safe_text` made: one line, no control characters, bounded in length."""

    __slots__ = ()


def safe_text(raw: object, limit: int = 200) -> SafeText:
    r"""Make any value displayable on one line.

    Control characters become their pictures (``␛``, ``␊``), everything else that would act on
    the terminal or hide its name in full (``<U+202E>``), any space a plain one. Applied twice it
    changes nothing more. Printable ASCII stays as it is.

    Parameters
    ----------
    raw : object
        Text; bytes, read as UTF-8 with ``\xNN`` for what is not; an exception, by its message or,
        without one, its type; or anything else, by its ``str``.
    limit : int
        The most characters of the result; a longer text ends in ``…``.

    Raises
    ------
    ValueError
        `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"a text limit of {limit} characters leaves nothing")
    text = _as_str(raw)
    considered = text[: limit * (MAX_MARKS + 2)]  # marks beyond the cap are dropped: look a little further
    pieces: list[str] = []
    length = 0
    marks = 0
    cut = len(considered) < len(text)
    for character in considered:
        is_mark = unicodedata.category(character) in {"Mn", "Me"}
        marks = marks + 1 if is_mark else 0
        if marks > MAX_MARKS:
            continue
        piece = _displayed(character)
        if not pieces and is_mark and piece == character:
            piece = DOTTED_CIRCLE + piece
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            cut = True
            break
    if cut:
        while pieces and length > limit - 1:
            length -= len(pieces.pop())
        pieces.append(ELLIPSIS)
    return SafeText("".join(pieces))


def whole_text(raw: object) -> SafeText:
    """As `safe_text` has it, nothing cut: for files, which have room for what a person wrote."""
    text = _as_str(raw)
    return safe_text(text, max(1, len(text) * _MOST_SHOWN))


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def hourly(frames: float) -> str:
    """How many frames go by in an hour."""
    return f"{frames:.0f} frames/h"


def significant(value: float, digits: int = 3) -> str:
    """A number in so many significant digits; below ten million without an exponent: 2370, not 2.37e+03."""
    told = f"{value:.{digits}g}"
    return f"{float(told):.0f}" if "e+" in told and abs(value) < 1e7 else told


def beside(value: float, limit: float, decimals: int = 1) -> str:
    """A number with so many decimals, and more where it would read as a limit that it does not meet.

    >>> beside(4.98, 5.0), beside(4.2, 5.0), beside(80.3, 80.0, 0)
    ('4.98', '4.2', '80.3')
    """
    for digits in range(decimals, decimals + _MORE_DIGITS):
        told = f"{value:.{digits}f}"
        if _side(float(told), limit) == _side(value, limit):
            break
    return told


def _side(value: float, limit: float) -> int:
    """-1 of a size below a limit, 1 above it."""
    return (abs(value) > abs(limit)) - (abs(value) < abs(limit))


def size_told(size: int) -> str:
    """A number of bytes in units of 1024, for a person."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def csv_cell(value: object) -> str:
    """One cell of a CSV file, displayable and whole, that no spreadsheet takes for a formula.

    Numbers, also those written as text, stay numbers; ``None`` and non-finite numbers are empty;
    text that starts like a formula gets a leading apostrophe, as spreadsheets expect.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, int | float):
        return str(value)
    text = whole_text(value)
    if text.lstrip().startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _as_str(raw: object) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bytes | bytearray):
        return raw.decode("utf-8", errors="backslashreplace")
    if isinstance(raw, BaseException):
        return str(raw) or type(raw).__name__
    return str(raw)


def _displayed(character: str) -> str:
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category in _UNSAFE or code in _INVISIBLE:
        return f"<U+{code:04X}>"
    return character
