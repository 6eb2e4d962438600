"""What a locale's charset cannot write is written by other signs, so that no character ends a command."""

import codecs
import io
from typing import IO

# One sign for one where there is one, so that columns stay columns.
STAND_INS = {
    "…": "~", "–": "-", "−": "-", "·": ".", "×": "x", "′": "'", "″": '"', "°": "d", "µ": "u", "μ": "u",
    "σ": "sigma", "±": "+-", "≥": ">=", "≤": "<=",
}  # fmt: skip
_HANDLER = "astrid.stand-ins"


def writes_utf8(stream: IO[str]) -> bool:
    """Whether any character can be written to a stream."""
    encoding = getattr(stream, "encoding", None)
    try:
        return encoding is None or codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def write_what_can_be(stream: IO[str]) -> None:
    """Let a stream of another charset than UTF-8 write stand-ins, or numbers, for what it cannot."""
    if isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream):
        codecs.register_error(_HANDLER, _stand_ins)
        stream.reconfigure(errors=_HANDLER)


def write_utf8(stream: IO[str]) -> None:
    """Let a stream write UTF-8 whatever the locale: programs that read a file or a pipe count on it."""
    if isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _stand_ins(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = [
        STAND_INS.get(each, each.encode("ascii", "backslashreplace").decode("ascii"))
        for each in error.object[error.start : error.end]
    ]
    return "".join(told), error.end
