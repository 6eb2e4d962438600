"""Where the locale is not UTF-8, commands end as they do elsewhere, and exports are the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.charset import write_utf8, write_what_can_be
from core.database.store import Store
from core.review.verdicts import annotate
from tests.builders import add_night

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


def test_the_c_locale_is_ascii_though_python_takes_it_for_utf8(sqlite_store: Store, tmp_path: Path) -> None:
    (first,) = add_night(sqlite_store, objects=1, epochs=1)
    annotate(sqlite_store, session="s", reviewer="ada", candidate_id=first, note=WORDS)
    there = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "", "LC_ALL": "C"}
    python = {"PYTHONIOENCODING": "", "PYTHONUTF8": ""}
    for words in (("candidates", "show", str(first)), ("show", str(first))):
        told = said(tmp_path, *words, charset="", **python | there)
        assert (told.returncode, told.stderr) == (0, b"")
        assert told.stdout.isascii(), [line for line in told.stdout.splitlines() if not line.isascii()]
    assert b"5sigma" in said(tmp_path, "candidates", "show", str(first), charset="", **python | there).stdout
    whole = said(tmp_path, "show", str(first), charset="", **python | there | {"PYTHONUTF8": "1"})
    assert "▀" in whole.stdout.decode("utf-8")  # it was said that the terminal shows all


def test_a_stream_that_writes_any_character_is_left_as_it_is() -> None:
    for encoding in ("utf-8", "UTF8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
        write_what_can_be(stream)
        write_utf8(stream)
        assert (stream.encoding, stream.errors) == (encoding, "strict")
    text = io.StringIO()
    write_what_can_be(text)
    write_utf8(text)
