"""Where the locale is not UTF-8, commands end as they do elsewhere, and exports are the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from astrid_tui.__main__ import main
from core.charset import is_ascii_wanted, write_utf8, write_what_can_be
from core.database.store import Store
from core.review.verdicts import annotate
from tests.builders import add_night

ROOT = Path(__file__).parents[2]
WORDS = "größer … 星 5σ"


HERE = {"PYTHONUTF8": "0", "LC_ALL": "", "LC_CTYPE": "", "LANG": ""}
EACH = """
import os, sys
import astrid_tui.cli.app, core.cells, core.objects.detail, core.review.candidates, screens.review.facts
from astrid_tui.__main__ import main

for words in sys.argv[1:]:
    if not (child := os.fork()):
        sys.argv[1:] = words.split()
        main()
        break
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended:
        sys.exit(ended)
"""


def said(tmp_path: Path, *commands: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """What commands say one after the other, forked from a Python that began in some environment."""
    env = os.environ | {"ASTRID_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)} | more
    return subprocess.run([sys.executable, "-c", EACH, *commands], capture_output=True, env=env, check=False)


@pytest.fixture
def said_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[object, bytes, bytes]]:
    """How a command ends in this process, and what it says on streams of a charset, as Python opens them."""

    def called(command: str, *, charset: str, **more: str) -> tuple[object, bytes, bytes]:
        out, error = io.BytesIO(), io.BytesIO()
        with monkeypatch.context() as patch:
            given = {"ASTRID_HOME": str(tmp_path), "PYTHONIOENCODING": charset}
            for name, value in (HERE | given | more).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["astrid", *command.split()])
            patch.setattr(sys, "stdout", io.TextIOWrapper(out, charset, errors="strict"))
            patch.setattr(sys, "stderr", io.TextIOWrapper(error, charset, errors="backslashreplace"))
            with pytest.raises(SystemExit) as ended:
                main()
            sys.stdout.flush()
            sys.stderr.flush()
            return ended.value.code, out.getvalue(), error.getvalue()

    return called


@pytest.fixture
def first(sqlite_store: Store) -> int:
    """A candidate with a note that few charsets can write."""
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    annotate(sqlite_store, session="s", reviewer="ada", candidate_id=first, note=WORDS)
    return first


def test_what_the_charset_lacks_is_written_by_other_signs(tmp_path: Path, said_here, first: int) -> None:
    command = f"candidates show {first}"
    told = said(tmp_path, command, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (told.returncode, told.stderr) == (0, b"")
    assert "größer ~ \\u661f 5sigma" in told.stdout.decode("latin-1")
    assert said_here(command, charset="latin-1") == (0, told.stdout, b"")
    assert b"gr\\xf6\\xdfer ~ \\u661f 5sigma" in said_here(command, charset="ascii")[1]


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("charset", ["latin-1", "ascii", "utf-8"])
def test_an_export_into_a_pipe_is_utf8_in_any_locale(said_here, charset: str) -> None:
    ended, told, _ = said_here("candidates export", charset=charset)
    assert ended == 0
    assert WORDS in told.decode("utf-8")


def test_drawings_are_ascii_where_the_charset_has_no_blocks(said_here, sqlite_store: Store) -> None:
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    there = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}
    assert "▀" in said_here(f"show {first}", charset="utf-8", **there)[1].decode("utf-8")
    ended, told, error = said_here(f"show {first}", charset="latin-1", **there)
    assert (ended, error) == (0, b"")
    assert b"\\u" not in told
    assert b"\x1b" not in told


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_CTYPE": "POSIX"}, {"LANG": "C"}])
def test_the_c_locale_is_ascii_though_python_takes_it_for_utf8(
    tmp_path: Path, first: int, locale: dict[str, str]
) -> None:
    unsaid = {"LC_ALL": "", "LC_CTYPE": "", "LANG": "en_US.UTF-8" if "LANG" not in locale else ""}
    there = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "", **unsaid, **locale}
    python = {"PYTHONIOENCODING": "", "PYTHONUTF8": ""}
    facts, drawing = f"candidates show {first}", f"show {first}"
    told = said(tmp_path, facts, drawing, **python | there)
    assert (told.returncode, told.stderr) == (0, b"")
    assert told.stdout.isascii(), [line for line in told.stdout.splitlines() if not line.isascii()]
    assert b"5sigma" in told.stdout
    whole = said(tmp_path, drawing, **python | there | {"PYTHONUTF8": "1"})
    assert "▀" in whole.stdout.decode("utf-8")  # it was said that the terminal shows all


@pytest.mark.parametrize(
    ("said", "is_ascii"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX", "LC_ALL": ""}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_CTYPE": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C", "LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, True),
        ({"LANG": "C", "PYTHONUTF8": "1"}, False),
        ({"LANG": "C", "PYTHONIOENCODING": "utf-8"}, False),
    ],
)
def test_the_first_variable_that_is_set_says_the_locale(said: dict[str, str], is_ascii: bool) -> None:
    assert bool(is_ascii_wanted(said)) is is_ascii


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not tell")
def test_what_python_puts_over_the_locale_was_not_said() -> None:
    asked = "from core.charset import environment_as_given as given; print(given().get('LC_CTYPE'))"
    for locale, told in (({"LANG": "C"}, b""), ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, b"C.UTF-8")):
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **locale}
        done = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, check=True)
        assert done.stdout.strip() == told


def test_a_stream_that_writes_any_character_is_left_as_it_is() -> None:
    for encoding in ("utf-8", "UTF8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
        write_what_can_be(stream)
        write_utf8(stream)
        assert (stream.encoding, stream.errors) == (encoding, "strict")
    text = io.StringIO()
    write_what_can_be(text)
    write_utf8(text)
