"""How a command ends where nobody reads what it says, and where it is used wrongly."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.astrid_tui.command import Command

PROGRAM = "from astrid_tui.__main__ import main; main()"


@pytest.fixture
def astrid(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    return Command(monkeypatch, capsys.readouterr)


@pytest.mark.parametrize(
    "words",
    [("candidates", "list", "--json", "--limit", "0"), ("queue", "--json", "lst"), ("show", "--json")],
)
def test_wrong_usage_is_json_too_where_json_is_asked_for(astrid, words):
    told = json.loads(astrid(*words, code=2))
    assert told["exit_code"] == 2
    assert told["error"]
    assert told["error"].split()[0] in astrid.said  # and in words for whoever looks


def test_a_closed_pipe_ends_a_command_as_other_programs_end(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    environment = os.environ | {"ASTRID_HOME": str(tmp_path)}
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, "keys"], stdout=pipe, stderr=subprocess.PIPE, env=environment,
            check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("words", [("keys",), ("keys", "--json"), ("queue", "show", "7", "--json")])
def test_a_full_disk_is_one_sentence_with_json_too(tmp_path, words):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"ASTRID_HOME": str(tmp_path)}, check=False,
        )  # fmt: skip
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("where", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("words", "code"), [(("nothing", "--json"), 2), (("queue", "show", "7", "--json"), 4)]
)
def test_what_is_wrong_has_its_exit_code_where_a_full_disk_lets_it_not_be_said(tmp_path, where, words, code):
    with Path("/dev/full").open("w") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, where: full}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words], **streams, text=True,
            env=os.environ | {"ASTRID_HOME": str(tmp_path)}, check=False,
        )  # fmt: skip
    assert ended.returncode == code
    assert "Traceback" not in (ended.stderr or "")
    assert where == "stdout" or json.loads(ended.stdout)["exit_code"] == code


@pytest.mark.parametrize("words", ["keys", "keys --json"])
def test_a_command_whose_output_is_closed_does_its_work_all_the_same(tmp_path, words):
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {words} >&-', sys.executable, PROGRAM], stderr=subprocess.PIPE, text=True,
        env=os.environ | {"ASTRID_HOME": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


def test_ctrl_c_before_anything_has_begun_ends_without_a_word(tmp_path):
    """As a hand does it that typed the wrong command: while what the command needs is still imported."""
    early = (
        "import builtins, os, signal\n"
        "before = builtins.__import__\n"
        "def importing(name, *words, **more):\n"
        "    if name == 'astrid_tui.cli.app':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return before(name, *words, **more)\n"
        "builtins.__import__ = importing\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", early + PROGRAM, "status"],
        env=os.environ | {"ASTRID_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
