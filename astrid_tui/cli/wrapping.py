"""Sentences too long for a terminal go on in its next line, at a blank; in a pipe they stay whole."""

import os
import re
import shutil
from contextlib import suppress
from typing import TextIO

_USUAL = 80
# A command in backticks is one word, so that it can be copied in one piece.
_WORD = re.compile(r"(\s*)((?:`[^`]*`|\S)+)")


def columns_of(stream: TextIO) -> int | None:
    """The cells in a line of a stream's terminal; none where it is no terminal."""
    if not stream.isatty():
        return None
    own = _USUAL
    with suppress(OSError, ValueError):  # it may be no file of the system's
        own = os.get_terminal_size(stream.fileno()).columns or _USUAL
    return shutil.get_terminal_size((own, 24)).columns


def on_screen(text: str, stream: TextIO) -> str:
    """A text that was made safe as it is to be written to a stream."""
    columns = columns_of(stream)
    return text if columns is None else "\n".join(in_words(text, columns))


def in_words(text: str, width: int) -> list[str]:
    """A text in lines; a path or a command in backticks stays whole, though it be longer than one."""
    if _cells(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for gap, word in _WORD.findall(text):
        longer = line + gap + word
        if line.strip() and _cells(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
