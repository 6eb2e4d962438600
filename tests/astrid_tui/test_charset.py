"""Where the locale is not UTF-8, commands end as they do elsewhere, and exports are the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.charset import is_ascii_wanted, write_utf8, write_what_can_be
from core.database.store import Store
from core.review.verdicts import annotate
from tests.builders import add_night

ROOT = Path(__file__).parents[2]
WORDS = "größer … 星 5σ"


def said(tmp_path: Path, *words: str, charset: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"ASTRID_HOME": str(tmp_path), "PYTHONIOENCODING": charset, "PYTHONUTF8": "0"} | more
    return subprocess.run(
        [sys.executable, "-m", "astrid_tui", *words], capture_output=True, env=env, check=False
    )


def test_what_the_charset_lacks_is_written_by_other_signs(sqlite_store: Store, tmp_path: Path) -> None:
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    annotate(sqlite_store, session="s", reviewer="ada", candidate_id=first, note=WORDS)
    told = said(tmp_path, "candidates", "show", str(first), charset="latin-1")
    assert (told.returncode, told.stderr) == (0, b"")
    assert "größer ~ \\u661f 5sigma" in told.stdout.decode("latin-1")
    told = said(tmp_path, "candidates", "show", str(first), charset="ascii")
    assert b"gr\\xf6\\xdfer ~ \\u661f 5sigma" in told.stdout


@pytest.mark.parametrize("charset", ["latin-1", "ascii", "utf-8"])
def test_an_export_into_a_pipe_is_utf8_in_any_locale(
    sqlite_store: Store, tmp_path: Path, charset: str
) -> None:
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    annotate(sqlite_store, session="s", reviewer="ada", candidate_id=first, note=WORDS)
    told = said(tmp_path, "candidates", "export", charset=charset)
    assert told.returncode == 0
    assert WORDS in told.stdout.decode("utf-8")


def test_drawings_are_ascii_where_the_charset_has_no_blocks(sqlite_store: Store, tmp_path: Path) -> None:
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    there = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}
    assert "▀" in said(tmp_path, "show", str(first), charset="utf-8", **there).stdout.decode("utf-8")
    told = said(tmp_path, "show", str(first), charset="latin-1", **there)
    assert (told.returncode, told.stderr) == (0, b"")
    assert b"\\u" not in told.stdout
    assert b"\x1b" not in told.stdout


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_CTYPE": "POSIX"}, {"LANG": "C"}])
def test_the_c_locale_is_ascii_though_python_takes_it_for_utf8(
    sqlite_store: Store, tmp_path: Path, locale: dict[str, str]
) -> None:
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    annotate(sqlite_store, session="s", reviewer="ada", candidate_id=first, note=WORDS)
    unsaid = {"LC_ALL": "", "LC_CTYPE": "", "LANG": "en_US.UTF-8" if "LANG" not in locale else ""}
    there = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "", **unsaid, **locale}
    python = {"PYTHONIOENCODING": "", "PYTHONUTF8": ""}
    for words, seen in ((("candidates", "show", str(first)), b"5sigma"), (("show", str(first)), b"")):
        told = said(tmp_path, *words, charset="", **python | there)
        assert (told.returncode, told.stderr) == (0, b"")
        assert told.stdout.isascii(), [line for line in told.stdout.splitlines() if not line.isascii()]
        assert seen in told.stdout
    whole = said(tmp_path, "show", str(first), charset="", **python | there | {"PYTHONUTF8": "1"})
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
