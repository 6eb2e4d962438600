"""What a locale's charset cannot write is written by other signs, so that no character ends a command."""

import codecs
import io
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

UTF_8, ASCII = "utf-8", "ascii"
# One sign for one where there is one, so that columns stay columns.
STAND_INS = {
    "…": "~", "–": "-", "−": "-", "·": ".", "×": "x", "′": "'", "″": '"', "°": "d", "µ": "u", "μ": "u",
    "σ": "sigma", "±": "+-", "≥": ">=", "≤": "<=",
}  # fmt: skip
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")  # what Python makes of a C locale (PEP 538)
_HANDLER = "astrid.stand-ins"
_MEANT = (
    "astrid-ascii"  # ASCII by a name that Click does not take for a mistake: it would write UTF-8 instead
)


def charset_of(stream: IO[str]) -> str:
    """A stream's charset as Python names it; ASCII where Python does not know it."""
    encoding = getattr(stream, "encoding", None)
    try:
        name = UTF_8 if encoding is None else codecs.lookup(encoding).name
    except LookupError:
        return ASCII
    return ASCII if name == _MEANT else name


def writes_utf8(stream: IO[str]) -> bool:
    """Whether any character can be written to a stream."""
    return charset_of(stream) == UTF_8


def is_ascii_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the locale was said to be ``C``, of which Python makes UTF-8 whatever the terminal may be.

    As POSIX has it, the first one says it that is set and not empty. Where none is, as in many containers,
    nothing was said.
    """
    told_otherwise = environment.get("PYTHONIOENCODING") or environment.get("PYTHONUTF8") == "1"
    said = next(filter(None, map(environment.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return said in ("C", "POSIX") and not told_otherwise


def environment_as_given() -> Mapping[str, str]:
    """The environment without the ``LC_CTYPE`` that Python puts over a C locale, where the system tells."""
    found = dict(os.environ)
    if found.get("LC_CTYPE") in _COERCED:
        with suppress(OSError):
            entries = Path("/proc/self/environ").read_bytes().split(b"\0")
            given = [each for each in entries if each.startswith(b"LC_CTYPE=")]
            found["LC_CTYPE"] = os.fsdecode(given[0].partition(b"=")[2]) if given else ""
    return found


def write_ascii(stream: IO[str]) -> None:
    """Let a stream write nothing but ASCII, with stand-ins, or numbers, for the rest."""
    if isinstance(stream, io.TextIOWrapper):
        codecs.register(_find_meant)
        codecs.register_error(_HANDLER, _stand_ins)
        stream.reconfigure(encoding=_MEANT, errors=_HANDLER)


def write_what_can_be(stream: IO[str]) -> None:
    """Let a stream of another charset than UTF-8 write stand-ins, or numbers, for what it cannot."""
    if isinstance(stream, io.TextIOWrapper) and charset_of(stream) == ASCII:
        write_ascii(stream)
    elif isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream):
        codecs.register_error(_HANDLER, _stand_ins)
        stream.reconfigure(errors=_HANDLER)


def write_utf8(stream: IO[str]) -> None:
    """Let a stream write UTF-8 whatever the locale: programs that read a file or a pipe count on it."""
    if isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _find_meant(name: str) -> codecs.CodecInfo | None:
    if name != _MEANT.replace("-", "_"):
        return None
    found = codecs.lookup(ASCII)
    return codecs.CodecInfo(
        found.encode,
        found.decode,
        found.streamreader,
        found.streamwriter,
        found.incrementalencoder,
        found.incrementaldecoder,
        name=_MEANT,
    )


def _stand_ins(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = [
        STAND_INS.get(each, each.encode("ascii", "backslashreplace").decode("ascii"))
        for each in error.object[error.start : error.end]
    ]
    return "".join(told), error.end


@lru_cache(maxsize=4096)
def has(charset: str, character: str) -> bool:
    """Whether a charset has a character."""
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
