"""A command line is understood by the one command that it names as by all of them together."""

import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from astrid_tui.cli.app import app, program

NAMES = sorted(typer.main.get_command(app).commands)


def test_there_are_commands():
    assert {"run", "runs", "candidates", "db"} < set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_one_command_is_what_it_is_among_all(name):
    assert set(typer.main.get_command(program([name])).commands) == {name}
    asked = [name, "--help"]
    alone, among = (CliRunner().invoke(each, asked, prog_name="astrid") for each in (program(asked), app))
    assert alone.exit_code == 0
    assert alone.output == among.output


@pytest.mark.parametrize(
    "before",
    [["--read-only"], ["--config", "status"], ["--config=status", "--read-only"], ["--config", "--json"]],
)
def test_options_before_a_command_do_not_hide_it(before):
    assert set(typer.main.get_command(program([*before, "runs", "list"])).commands) == {"runs"}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--version"],
        ["runz"],
        ["--json", "runs"],
        ["--config", "runs"],
        ["--config"],
        ["", "runs"],
    ],
)
def test_what_names_no_command_is_understood_by_all(words):
    assert program(words) is app


def test_a_command_does_not_look_through_its_modules_for_garbage_as_it_ends():
    told = "print(len(gc.get_objects()), gc.get_freeze_count())"
    last = f"import atexit, gc; atexit.register(lambda: {told})"
    command = f"{last}\nfrom astrid_tui.__main__ import main\nmain()"
    ended = subprocess.run([sys.executable, "-c", command, "--help"], capture_output=True, check=True)
    looked_through, kept = map(int, ended.stdout.splitlines()[-1].split())
    assert looked_through < 1000 < 10_000 < kept
