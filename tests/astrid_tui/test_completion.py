"""What a shell offers where an object or a candidate is to be named: from the store, and never more."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.database.store import Store
from core.database.tables import SkyObject, SurveyObject, WatchedFolder
from core.models import versions
from core.models.names import NAMES
from core.objects import beginnings
from core.objects.association import designation, grid_designation
from core.objects.beginnings import MOST, names_beginning, objects_beginning
from core.objects.detail import read_object
from core.objects.own_names import with_blanks, without_blanks
from core.operations.processes import mark_of
from core.vocabulary import LABELS
from tests.astrid_tui.command import Command
from tests.builders import add_night
from tests.core.frames import add_reference

HOSTILE = (
    "x;reboot",
    "$(reboot)",
    "`reboot`",
    "a\nb",
    "\x1b[31mred",
    "[/red]",
    'q"q',
    "it's",
    "a*",
    "--yes",
    "~",
)


def add_objects(store: Store, names: list[str]) -> list[int]:
    with store.write() as db:
        rows = [SkyObject(name=name) for name in names]
        db.add_all(rows)
        db.flush()
        return [row.id or 0 for row in rows]


@pytest.fixture
def offered(sqlite_store, monkeypatch, capsys, tmp_path):
    """What a shell that types so is answered: Typer's protocol, in this very process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASTRID_CONFIG", raising=False)
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")

    def answer(*words: str, shell: str = "bash") -> list[str]:
        astrid = Command(monkeypatch, capsys.readouterr)
        typed = ["astrid", *words]
        with monkeypatch.context() as asked:
            asked.setenv("_ASTRID_COMPLETE", f"complete_{shell}")
            asked.setenv("COMP_WORDS", "\n".join(typed))
            asked.setenv("COMP_CWORD", str(len(words)))
            asked.setenv("_TYPER_COMPLETE_ARGS", " ".join(typed))
            asked.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
            said = astrid()
        assert astrid.said == ""
        return [line for line in said.splitlines() if line]

    return answer


def test_names_are_offered_newest_first_and_as_one_word(offered, sqlite_store) -> None:
    add_objects(
        sqlite_store, ["AID J004244.33+411607.7", "AID R3 X0120.5 Y-004.0", "AID J102847.67-202506.4"]
    )
    key = add_objects(sqlite_store, ["AID J093000.00+010000.0"])[0]
    with sqlite_store.write() as db:
        db.add(SurveyObject(source="ztf", external_id="ZTF18aabcdef", sky_object_id=key))
    north, south = "AIDJ004244.33+411607.7", "AIDJ102847.67-202506.4"
    assert offered("chart", "AIDJ") == ["AIDJ093000.00+010000.0", south, north]
    assert offered("objects", "show", "") == [
        "AIDJ093000.00+010000.0", south, "AIDR3X0120.5Y-004.0", north, "ZTF18aabcdef"
    ]  # fmt: skip
    assert offered("objects", "lightcurve", "ZTF1") == ["ZTF18aabcdef"]
    assert offered("forced", "AIDR3X0") == ["AIDR3X0120.5Y-004.0"]
    assert offered("why", "AIDJ00") == [north]
    assert offered("why", "10.6") == []
    assert offered("why", "AIDJ00", "AIDJ") == []
    assert offered("candidates", "show", "AIDJ1") == [south]
    assert offered("chart", "AIDJ1", shell="fish") == [f"{south}\t3"]
    for name in (north, south, "AIDR3X0120.5Y-004.0", "ZTF18aabcdef"):
        assert without_blanks(read_object(sqlite_store, name).object.name) in (name, "AIDJ093000.00+010000.0")


def test_models_are_offered_by_their_names(offered) -> None:
    assert offered("models", "card", "r") == ["realbogus"]
    assert offered("models", "promote", "") == list(NAMES)


def test_references_are_offered_with_how_they_were_made(offered, sqlite_store) -> None:
    for number in range(1, 12):
        add_reference(sqlite_store, number)
    assert offered("reference", "show", "1") == ["11", "10", "1"]
    assert offered("reference", "retire", "10", shell="fish") == ["10\tadded from a file"]


def test_verdicts_are_offered_with_what_they_mean(offered) -> None:
    assert offered("candidates", "label", "3", "") == [each.value for each in LABELS]
    assert offered("candidates", "label", "3", "di", shell="fish") == [
        "dipole\ta dipole of misaligned images"
    ]


def test_versions_of_the_network_are_offered_to_train_from(offered, sqlite_store) -> None:
    train = ("models", "train", "realbogus")
    assert offered(*train, "--start", "") == ["shipped"]
    for name, digest in (("realbogus", "ab"), ("tree", "cd"), ("realbogus", "ef")):
        versions.add(
            sqlite_store, name=name, digest=digest * 32, origin="training", created_by="", description={}
        )
    for option in ("--start", "--from"):
        assert offered(*train, option, "") == ["shipped", "2", "1"]
        assert offered(*train, option, "1") == ["1"]
    assert "--last-rate" in offered(*train, "--last")


def test_numbers_are_offered_where_digits_were_typed(offered, sqlite_store, tmp_path) -> None:
    names = [f"AID J00000{n // 10}.{n % 10}0+000000.0" for n in range(30)]
    add_objects(sqlite_store, names)
    assert offered("objects", "show", "2") == [*(str(each) for each in range(29, 19, -1)), "2"]
    assert offered("objects", "forced", "1", "3") == ["30", "3"]
    assert offered("objects", "show", "0") == []
    assert offered("objects", "show", "99999999999") == []
    assert offered("candidates", "assign", "30", shell="fish") == [f"30\t{names[-1]}"]
    add_night(sqlite_store, objects=2, epochs=1)
    assert offered("candidates", "label", "") == ["2", "1"]
    assert offered("show", "1") == ["1"]
    (tmp_path / "1.fits").touch()
    assert offered("show", "1") == []  # then the shell offers the file
    assert offered("show", "") == []


def test_words_of_options_are_offered_as_the_commands_take_them(offered) -> None:
    assert offered("candidates", "list", "--order", "m") == ["mag", "mjd"]
    assert offered("candidates", "list", "--order", "")[:4] == [
        "score",
        "-score",
        "significance",
        "-significance",
    ]
    forms = ["csv", "jsonl", "parquet", "votable", "ecsv", "regions", "fits"]
    assert offered("candidates", "export", "--format", "") == forms
    assert offered("review", "--order", "") == ["score", "brightness", "age", "uncertainty", "anomaly"]
    assert offered("review", "--order", "ag", shell="fish") == ["age\twhat was detected first"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_what_a_shell_would_take_for_its_own_is_never_offered(offered, sqlite_store, shell) -> None:
    keys = add_objects(sqlite_store, [*HOSTILE, "plain"])
    first = offered("objects", "show", "", shell=shell)
    assert len(first) == 1
    assert "plain" in first[0]
    told = "\n".join(offered("objects", "forced", "", shell=shell))
    assert str(keys[0]) in told
    for sign in ("$", "`", ";reboot", "\x1b", "[", 'q"q', "*", "~"):
        assert sign not in told.replace("_arguments '*: :((", "")


def test_a_shell_is_answered_nothing_where_there_is_nothing_to_read(offered, tmp_path, monkeypatch) -> None:
    for url in (f"sqlite:///{tmp_path / 'none.db'}", "postgresql://nobody@127.0.0.1:9/none", "file:///x", ""):
        monkeypatch.setenv("ASTRID_STORE__URL", url)
        assert offered("chart", "A") == []
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path / 'damaged.db'}")
    assert offered("chart", "A") == []
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "home").exists()
    monkeypatch.delenv("ASTRID_STORE__URL")
    assert offered("--config", str(tmp_path / "none.toml"), "chart", "A") == []


def test_the_settings_of_the_line_say_which_store(offered, sqlite_store, tmp_path, monkeypatch) -> None:
    add_objects(sqlite_store, ["here"])
    monkeypatch.setenv("ASTRID_STORE__URL", "")
    monkeypatch.delenv("ASTRID_STORE__URL")
    (tmp_path / "mine.toml").write_text(f'[store]\nurl = "sqlite:///{sqlite_store.url}"\n')
    assert offered("--config", str(tmp_path / "mine.toml"), "chart", "h") == ["here"]
    assert offered("chart", "h") == []


def test_few_are_read_however_many_there_are(store, monkeypatch) -> None:
    monkeypatch.setattr(beginnings, "LOOKED_AT", 60)
    keys = add_objects(store, [f"AID J{n:06d}.00+000000.0" for n in range(300)] + ["ab_1", "abc", "AB2"])
    newest = names_beginning(store, "AID")
    assert [number for _, number in newest] == [str(key) for key in keys[299:249:-1]]
    assert names_beginning(store, "AIDJ00000") == [
        (f"AIDJ{n:06d}.00+000000.0", str(keys[n])) for n in range(10)
    ]
    assert [name for name, _ in names_beginning(store, "ab_")] == ["ab_1"]
    assert len(names_beginning(store, "")) == len(objects_beginning(store, "")) == MOST


def test_folders_that_can_be_forgotten_are_offered(offered, sqlite_store) -> None:
    watched = {"host": socket.gethostname(), "interval_s": 5.0, "heartbeat_at": 1.0}
    live = {"watcher": mark_of(os.getpid()), "pid": os.getpid(), "heartbeat_at": time.time()}
    with sqlite_store.write() as db:
        db.add(WatchedFolder(path="/data/gone", **watched))
        db.add(WatchedFolder(path="/data/go;reboot", **watched))
        db.add(WatchedFolder(path="/data/going on", **watched))
        db.add(WatchedFolder(path="/data/good", **watched | live))
        db.add(WatchedFolder(path="/data/gold", **watched | {"host": "dome-2"}))
    assert offered("watch", "--forget", "/data/go") == ["/data/gone"]
    assert offered("watch", "--forget", "/x") == []


@pytest.mark.parametrize(
    "name", [designation(157.2, -20.4), grid_designation(3, 120.5, -4.0), "ZTF18aabcdef"]
)
def test_a_name_is_found_as_one_word(name: str) -> None:
    assert with_blanks(without_blanks(name)) == name
    assert " " not in without_blanks(name)
    for end in range(3, len(name)):
        assert name.startswith(with_blanks(without_blanks(name[:end])).rstrip())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_what_is_typed(offered, sqlite_store, tmp_path) -> None:
    add_objects(sqlite_store, ["AID J102847.67-202506.4", "x;touch gone"])
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    command = bin_folder / "astrid"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m astrid_tui "$@"\n')
    command.chmod(0o755)
    script = """
        eval "$(_ASTRID_COMPLETE=source_bash astrid)"
        COMP_WORDS=(astrid chart AIDJ1) COMP_CWORD=2
        _astrid_completion astrid
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = os.pathsep.join((str(bin_folder), os.environ["PATH"]))
    here = Path(__file__).parents[2]
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(here)},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["AIDJ102847.67-202506.4"]
    assert done.stderr == ""
