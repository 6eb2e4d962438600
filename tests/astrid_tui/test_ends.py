"""How a command ends where nobody reads what it says, and where it is used wrongly."""

import json
import os
import subprocess
import sys

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
