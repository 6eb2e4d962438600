"""An observer asks which model scores the candidates, and puts another to use."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from astrid_tui.app import Console
from core.database.store import Store
from core.health import doctor
from core.models import versions
from core.models.registry import own_database
from core.models.trainings import CURVE
from core.operations import runs
from core.operations.processes import mark_of
from core.settings import load
from pipeline.classify.model_file import Description
from pipeline.classify.shipped import SHIPPED
from screens.terminal import Terminal
from tests.astrid_tui.command import Command
from tests.core.test_registry_file import a_model, fill
from tests.core.test_trainings import a_training
from tests.stories.test_health import until


@pytest.fixture
def home(sqlite_store: Store, tmp_path, monkeypatch):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch) -> list[list[str]]:
    """What the console has processes of their own do: they are not started here, only noted."""
    from screens.models import reading

    words: list[list[str]] = []
    monkeypatch.setattr(reading, "spawn_astrid", lambda given, *_rest: words.append(given) or os.getpid())
    return words


def mending(number: int) -> str:
    """What is said to do about a damaged version in use."""
    return (
        f"`astrid models promote realbogus {number}` brings its files back where the registry has them,"
        " `astrid models rollback realbogus` goes back to the version before"
    )


def two_versions(store: Store, home: Path | None = None) -> None:
    """Two versions of the real-bogus; with files where a home is given."""
    for digest in ("aa", "bb"):
        if home is not None:
            digest = files_of(home, digest)  # noqa: PLW2901 as files are named
        trained = {"metrics": {"auc": 0.97}, "seed": 7}
        about = Description(kind="realbogus", architecture="cut_cnn", inputs="triplet", trained=trained)
        versions.add(
            store, name="realbogus", digest=digest, origin="training", created_by="ann@dome",
            description=about.model_dump(mode="json"),
        )  # fmt: skip


def files_of(home: Path, words: str) -> str:
    """A version's files: weights, and a description with their hash; its digest."""
    weights = words.encode()
    content = json.dumps({"files": {"weights.safetensors": sha256(weights).hexdigest()}}).encode()
    digest = sha256(content).hexdigest()
    folder = home / "models" / digest
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "model.json").write_bytes(content)
    return digest


async def test_a_version_is_looked_into_promoted_and_rolled_back(home, sqlite_store, started) -> None:
    two_versions(sqlite_store, home)
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, "> realbogus", "as AstrID came", "Versions of realbogus", "challenger", "auc 0.97")
        await pilot.press("tab", "enter")
        await until(pilot, "realbogus, version 2", "cut_cnn", "It has no scorecard")
        await pilot.press("escape", "P")
        await until(pilot, "use version 2 of realbogus instead of 0")
        await pilot.press(*"promote", "enter")
        await until(pilot, "version 2 of realbogus is in use from the next frame on", "champion")
        await pilot.press("R")
        await until(pilot, "go back to version 0 of realbogus from 2")
        await pilot.press(*"no", "enter")
        await until(pilot, "> ")
        assert versions.in_use(sqlite_store, ["realbogus"])["realbogus"].number == 2
        await pilot.press("R")
        await until(pilot, "go back to version 0")
        await pilot.press(*"rollback", "enter")
        await until(pilot, "version 0 of realbogus is in use again")
        await pilot.press("R")
        await until(pilot, "no other version was in use before")
    assert [row.kind for row in versions.promotions(sqlite_store)] == ["rollback", "promote"]
    assert started == [["models", "sync"]] * 2  # MLflow's aliases follow what is in use


async def test_what_is_asked_after_a_change_is_asked_of_what_it_made(
    home, sqlite_store, monkeypatch, started
) -> None:
    from screens.models import reading

    two_versions(sqlite_store, home)
    versions.promote(sqlite_store, "realbogus", 1, by="ann")
    read, answers = reading.read, Event()
    answers.set()

    def slow(*given):
        answered = read(*given)
        assert answers.wait(60)
        return answered

    monkeypatch.setattr(reading, "read", slow)
    try:
        async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
            await pilot.press("4")
            await until(pilot, "> realbogus", "version 1")
            await pilot.press("R")
            await until(pilot, "go back to version 0 of realbogus from 1")
            answers.clear()
            await pilot.press(*"rollback", "enter")
            while versions.in_use(sqlite_store, ["realbogus"])["realbogus"].number:
                await pilot.pause(0.02)
            await pilot.press("R")  # the page still shows what was
            await until(pilot, "the last change is still being written")
            answers.set()
            await until(pilot, "version 0 of realbogus is in use again")
            await pilot.press("R")
            await until(pilot, "no other version was in use before")
    finally:
        answers.set()


async def test_damaged_files_are_told_and_never_put_to_use(home, sqlite_store, monkeypatch, capsys) -> None:
    two_versions(sqlite_store, home)
    newest, older = versions.versions(sqlite_store, "realbogus")
    versions.promote(sqlite_store, "realbogus", older.number, by="ann")
    (home / "models" / older.digest / "weights.safetensors").write_bytes(b"ab")
    (home / "models" / newest.digest / "weights.safetensors").unlink()
    versions.registered(sqlite_store, newest.id or 0, "a run", "7")
    damaged = "version 1 of realbogus is in use, but weights.safetensors is damaged"
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, damaged, "scores instead")
        await pilot.press("tab", "P")
        await until(pilot, "use version 2 of realbogus")
        await pilot.press(*"promote", "enter")
        await until(
            pilot,
            "nothing was changed: version 2 of realbogus cannot be used: weights.safetensors",
            "is missing",
            "brings its files from the",
        )
        await pilot.press("down", "enter")
        await until(pilot, "realbogus, version 1", "damage")
    assert versions.in_use(sqlite_store, ["realbogus"])["realbogus"].number == 1


def test_scripts_are_told_of_damaged_files(home, sqlite_store, monkeypatch, capsys) -> None:
    two_versions(sqlite_store, home)
    astrid = Command(monkeypatch, capsys.readouterr)
    versions.promote(sqlite_store, "realbogus", 1, by="ann")
    for row in versions.versions(sqlite_store, "realbogus"):
        (home / "models" / row.digest / "weights.safetensors").write_bytes(b"ab")
    assert "in use, damaged" in astrid("models", "list")
    assert "version 1 of realbogus is in use, but weights.safetensors is damaged" in astrid.said
    assert "damaged" in astrid.json("models", "card", "realbogus")["trouble"]
    astrid("models", "promote", "realbogus", "2", "--yes", "--no-sync", code=1)
    assert "version 2 of realbogus cannot be used" in astrid.said
    assert len(astrid.said.strip().splitlines()) == 1


def test_health_tells_of_a_damaged_version_in_use_where_it_would_score(
    home, sqlite_store, monkeypatch, capsys
) -> None:
    """The night goes on with the version that came with AstrID, and somebody should know."""
    two_versions(sqlite_store, home)
    astrid = Command(monkeypatch, capsys.readouterr)
    versions.promote(sqlite_store, "realbogus", 1, by="ann")
    weights = home / "models" / versions.version(sqlite_store, "realbogus", 1).digest / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])

    def told() -> list[tuple[str, str]]:
        checks = astrid.json("health", "check")["checks"]
        return [(each["state"], each["message"]) for each in checks if each["name"] == "models"]

    assert [state for state, _ in told()] == ["ok"]  # no run was made here: this machine only reviews
    run = runs.start(sqlite_store, engine="local", workers=1, config_hash="")
    runs.finish(sqlite_store, run.id or 0, "done")
    ((state, message),) = told()
    assert state == "warning"
    assert "version 1 of realbogus is in use, but weights.safetensors is damaged" in message
    assert message.endswith(mending(1))
    assert "version 1 of realbogus" in astrid("health", "list")
    weights.write_bytes(whole)
    assert [state for state, _ in told()] == ["ok"]


async def test_from_the_trouble_of_a_damaged_version_to_the_models(
    home, sqlite_store, monkeypatch, capsys
) -> None:
    two_versions(sqlite_store, home)
    versions.promote(sqlite_store, "realbogus", 1, by="ann")
    (home / "models" / versions.version(sqlite_store, "realbogus", 1).digest / "weights.safetensors").unlink()
    runs.start(sqlite_store, engine="local", workers=1, config_hash="")
    Command(monkeypatch, capsys.readouterr)("health", "check")
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("6")
        await until(pilot, "> open", "version 1 of realbogus is in use")
        await pilot.press("o")
        await until(pilot, "4 models", "weights.safetensors is missing")


def _replaced(put_there: Callable[[Path], object]) -> Callable[[Path], None]:
    def replaced(path: Path) -> None:
        path.unlink()
        put_there(path)

    return replaced


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: os.truncate(path, 1), "weights.safetensors is damaged or was changed"),
        (Path.unlink, "weights.safetensors is missing"),
        (_replaced(os.mkfifo), "weights.safetensors cannot be read: it is no regular file"),
        (
            _replaced(lambda path: path.symlink_to("/dev/zero")),
            "weights.safetensors cannot be read: it is no regular file",
        ),
        (_replaced(lambda path: path.symlink_to(path)), "its files cannot be read: Too many levels"),
        (_replaced(Path.mkdir), "weights.safetensors cannot be read: Is a directory"),
        (lambda path: path.with_name("model.json").unlink(), "model.json is missing"),
        (lambda path: shutil.rmtree(path.parent), "its files are not on this machine"),
    ],
)
def test_whatever_befell_the_files_of_the_one_in_use_is_told_and_it_can_be_left(
    home, sqlite_store, monkeypatch, capsys, damage, why
) -> None:
    two_versions(sqlite_store, home)
    astrid = Command(monkeypatch, capsys.readouterr)

    def doctor_says() -> list[tuple[str, str]]:
        return [(each.state, each.message) for each in doctor.diagnose() if each.name == "models"]

    assert doctor_says() == [("ok", "no run on this machine scored by any yet, so none was looked at")]
    runs.start(sqlite_store, engine="local", workers=1, config_hash="")
    versions.promote(sqlite_store, "realbogus", 2, by="ann")
    assert doctor_says() == [("ok", "none in use is damaged")]
    (used,) = (row for row in versions.versions(sqlite_store, "realbogus") if row.number == 2)
    damage(home / "models" / used.digest / "weights.safetensors")
    ((state, said),) = doctor_says()
    assert state == "warning"
    assert said.startswith(f"version 2 of realbogus is in use, but {why}")
    told, _, mend = said.rpartition(": ")
    assert told.endswith("the one that came with AstrID scores instead")
    assert mend == mending(2)
    assert "in use, damaged" in astrid("models", "list")
    assert told in astrid.said
    assert f"  {why}" in astrid("models", "card", "realbogus")
    astrid("models", "rollback", "realbogus", "--yes", "--no-sync")
    assert doctor_says() == [("ok", "none in use is damaged")]
    there = (home / "models" / used.digest).is_dir()
    astrid("models", "promote", "realbogus", "2", "--yes", "--no-sync", code=1 if there else 4)
    assert len(astrid.said.strip().splitlines()) == 1
    assert versions.in_use(sqlite_store, ["realbogus"])["realbogus"].number == versions.SHIPPED


async def test_nothing_is_promoted_in_a_console_that_only_looks(home, sqlite_store) -> None:
    two_versions(sqlite_store)
    async with Console(terminal=Terminal(), read_only=True).run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, "> realbogus")
        await pilot.press("tab", "P", "R", "t")
        await until(pilot, "read-only", without="t train")
        await pilot.press("G", "enter")
        digest = SHIPPED["realbogus"].digest
        told = (digest[:40], "Metrics", "calibration error")
        await until(pilot, "realbogus, version 0", "came with AstrID", *told)
    assert versions.promotions(sqlite_store) == []


async def test_trainings_are_watched(home) -> None:
    folder = a_training(home, state="done", metrics={"auc": 0.5}, ended_at=61.0)
    (folder / "curve.jsonl").write_text('{"step": 1, "metrics": {"loss": 0.5}}\n')
    async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, "tree              done", "1.0 min", "auc 0.5")
        await pilot.press("tab", "tab", "enter")
        await until(pilot, "training 20270101-000000-tree-abcdef", "not measured")
        await pilot.press("escape", "K")
        await until(pilot, "the training under the cursor is not at work")
        await pilot.press("t")
        await pilot.press(*"s x", "enter")
        await until(pilot, "there is no model")
        await pilot.press("escape", "escape", "down", "t")
        await pilot.press(
            *[each if each.isalnum() else {" ": "space", "=": "equals_sign"}[each] for each in " fields=1"]
        )
        await pilot.press("enter")
        await until(
            pilot, "nothing was started: the training of tree ended at once", "greater than or equal to 2"
        )


async def test_a_training_at_work_is_stopped_by_a_typed_word(home) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            facts = {"pid": process.pid, "mark": mark_of(process.pid), "host": os.uname().nodename}
            a_training(home, state="running", started_at=time.time(), **facts)
            async with Console(terminal=Terminal()).run_test(size=(80, 24)) as pilot:
                await pilot.press("4")
                await until(pilot, "tree              running")
                await pilot.press("tab", "tab", "K")
                await until(pilot, "stop the training 20270101-000000-tree-abcdef")
                await pilot.press(*"no", "enter")
                await pilot.press("K")
                await until(pilot, "type stop to do it")
                assert process.poll() is None
                await pilot.press(*"stop", "enter")
                await until(pilot, "the training of tree was asked to stop")
            assert process.wait(10) == -signal.SIGTERM
        finally:
            process.kill()


def test_scripts_list_promote_and_roll_back(home, sqlite_store, monkeypatch, capsys) -> None:
    astrid = Command(monkeypatch, capsys.readouterr)
    assert astrid.json("models", "list")["registered"] == []
    assert "those that AstrID came with are in use" in astrid("models", "list")
    fill(own_database(load()), *a_model())
    (model,) = astrid.json("models", "list")["registered"]
    assert (model["name"], model["champion"], len(model["versions"])) == ("realbogus", 1, 2)
    fill(own_database(load()), "DROP TABLE latest_metrics")
    assert "latest_metrics" in astrid.json("models", "list")["trouble"]
    two_versions(sqlite_store)
    found = {each["name"]: each for each in astrid.json("models", "list")["models"]}["realbogus"]
    assert [each["number"] for each in found["versions"]] == [2, 1]
    assert astrid.json("models", "card", "realbogus", "1")["digest"] == "aa"
    text = astrid("models", "card", "realbogus", "1")
    for words in ("realbogus, version 1", "What it is", "from", "ann@dome", "--json tells all"):
        assert words in text
    assert "[" not in text
    assert "{" not in text
    assert "missed at 1 % FPR" in astrid("models", "card", "realbogus")
    assert astrid.json("models", "trainings") == []
    # The files of this version were never here: it must not be promoted.
    astrid("models", "promote", "realbogus", "1", "--yes", code=4)
    assert "neither in" in astrid.said
    astrid("models", "rollback", "realbogus", "--yes", code=1)
    assert "nothing to go back to" in astrid.said


async def test_a_training_is_shown_with_its_own_curve_though_that_was_not_read_yet(home) -> None:
    for key, name in (("20270101-000000-tree-a", "brier"), ("20270102-000000-tree-b", "auc")):
        folder = a_training(home, key)
        steps = [{"step": step, "metrics": {name: 0.1 * step}} for step in range(1, 5)]
        (folder / CURVE).write_text("".join(json.dumps(step) + "\n" for step in steps))
    async with Console(terminal=Terminal()).run_test(size=(80, 40)) as pilot:
        await pilot.press("4", "tab", "tab")
        await until(pilot, "> 1970", "auc")
        for action in ("next", "open"):
            pilot.app.here.do(action)
        await until(pilot, "training 20270101-000000-tree-a", "brier", without="auc")
