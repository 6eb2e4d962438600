"""What the console knows before its first frame, and the list of its keys."""

import json
import subprocess
import sys

import pytest

from astrid_tui.early import read_early
from screens.frame.memory import Memory
from screens.terminal import Terminal

HERE, FAR = Terminal(), Terminal(is_remote=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    for name in ("ASTRID_CONFIG", "ASTRID_CONSOLE__MOUSE", "ASTRID_REVIEW__THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def settings(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "here", "far"),
    [
        ("", True, False),
        ('[console]\nmouse = "on"\n', True, True),
        ('[console]\nmouse = "off"\n', False, False),
        ("console = 3\n", True, False),
        ("[console\n", True, False),
    ],
)
def test_the_mouse_is_left_alone_over_ssh_unless_it_is_asked_for(tmp_path, text, here, far):
    path = settings(tmp_path, text)
    assert (read_early(path, HERE).mouse, read_early(path, FAR).mouse) == (here, far)


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    path = settings(tmp_path, '[console]\nmouse = "on"\n[review]\ntheme = "light"\n')
    monkeypatch.setenv("ASTRID_CONSOLE__MOUSE", "off")
    monkeypatch.setenv("ASTRID_REVIEW__THEME", "dome")
    early = read_early(path, HERE)
    assert (early.mouse, early.theme) == (False, "dome")


def test_a_home_within_that_of_the_user_is_found_too(tmp_path, monkeypatch):
    path = settings(tmp_path, 'home = "~/night"\n[review]\nreviewer = "vera"\n')
    monkeypatch.delenv("ASTRID_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "night").mkdir()
    Memory("review", "dome").write(tmp_path / "night", "vera")
    assert read_early(path, HERE).theme == "dome"


def test_the_first_frame_is_in_the_theme_of_the_last_console(tmp_path, monkeypatch):
    path = settings(tmp_path, '[review]\ntheme = "light"\nreviewer = "vera"\n')
    assert read_early(path, HERE).theme == "light"
    Memory("review", "dome").write(tmp_path, "vera")
    assert read_early(path, HERE).theme == "dome"
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "eve")
    assert read_early(path, HERE).theme == "light"
    monkeypatch.delenv("ASTRID_REVIEW__REVIEWER")
    path = settings(tmp_path, '[review]\ntheme = "light"\n[console]\nresume = false\n')
    assert read_early(path, HERE).theme == "light"


@pytest.mark.parametrize(
    "text", ['[review]\ntheme = "pink"\n', "review = []\n", "\xff", "a=" + "[" * 9999, f"a = {'9' * 5000}"]
)
def test_what_makes_no_sense_is_left_to_the_settings(tmp_path, text):
    assert read_early(settings(tmp_path, text), HERE).theme == "dark"


def keys(tmp_path, text, *words):
    command = [sys.executable, "-m", "astrid_tui", "--config", str(settings(tmp_path, text)), "keys", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=None)


def test_the_keys_in_force_are_listed(tmp_path):
    done = keys(tmp_path, '[keys]\nundo = ["U"]\n', "--json")
    listed = {each["action"]: each for each in json.loads(done.stdout)}
    assert listed["undo"]["keys"] == ["U"]
    assert listed["help"]["keys"] == ["?"]
    assert listed["ingest:drop"]["dangerous"]


def test_keys_that_clash_are_one_sentence(tmp_path):
    done = keys(tmp_path, '[keys]\nundo = ["r"]\n')
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "would share the key r" in done.stderr


def test_a_terminal_without_a_screen_is_led_to_what_works_there(monkeypatch, capsys):
    from astrid_tui.app import run_console

    monkeypatch.setenv("TERM", "dumb")
    assert run_console() == 2
    assert "astrid review --linear" in capsys.readouterr().err
