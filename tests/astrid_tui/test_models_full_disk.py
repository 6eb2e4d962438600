"""A training for which the disk has no room says what it could not write, where, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from core.database.store import open_store
from core.models.trainings import trainings
from core.settings import Settings, load
from pipeline.training import examples as example_sets
from pipeline.training.keeping import adopt
from pipeline.training.recording import Recording
from tests.astrid_tui.command import in_a_new_home
from tests.astrid_tui.test_models_commands import at_once
from tests.pipeline.example_sets import plain_examples
from tests.pipeline.toy_models import blobs
from tests.room import files_of_at_most

TREE = ("models", "train", "tree", "--no-sync", "--no-labels")
NETWORK = ("models", "train", "realbogus", "--no-sync", "--no-labels", "--width", 8, "--steps", 3)
FULL = "no file may be so large; allow for more (`ulimit -f`)"


@pytest.fixture
def astrid(monkeypatch, capsys, tmp_path):
    example_sets.write(blobs(200), tmp_path / "examples.npz")
    return in_a_new_home(monkeypatch, capsys, tmp_path)


@pytest.fixture
def of_examples(tmp_path):
    return "--examples", tmp_path / "examples.npz"


def newest(folder: Path):
    return trainings(folder / "home")[0]


@pytest.mark.parametrize(("most", "then"), [(10, "give the command again"), (2000, "the same command")])
def test_what_finds_no_room_is_named_even_where_it_cannot_be_kept(astrid, of_examples, tmp_path, most, then):
    with files_of_at_most(most):
        told = astrid.json(*TREE, *of_examples, code=1)["error"]
    assert told.startswith(f"the training cannot write {tmp_path}/home/trainings/")
    assert f": {FULL}, then {then}" in told
    assert astrid.said == f"astrid: {told}\n"
    if most > 1000:
        assert (newest(tmp_path).state, newest(tmp_path).reason) == ("failed", told)


def test_a_network_goes_on_from_what_it_kept_once_there_is_room(astrid, of_examples, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    from pipeline.training import stopping

    with monkeypatch.context() as patched:
        patched.setattr(stopping, "until_stopped", at_once)
        begun = astrid.json(*NETWORK, *of_examples, code=130)
    with files_of_at_most(20_000):
        told = astrid.json(*NETWORK, *of_examples, "--resume", code=1)["error"]
    place = tmp_path / "home" / "trainings" / begun["key"] / "checkpoint.safetensors"
    way = "the same command with `--resume` goes on from what it kept"
    assert told == f"the training cannot write {place}: {FULL}, then {way}"
    assert (newest(tmp_path).state, newest(tmp_path).reason) == ("failed", told)
    done = astrid.json(*NETWORK, *of_examples, "--resume")
    assert (done["key"], done["state"]) == (begun["key"], "done")


def full(source, target, **_more):
    """As `shutil.copyfile`, which names what it reads where the disk has no room for the rest."""
    Path(target).write_bytes(b"")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))


def test_a_model_that_finds_no_room_where_versions_are_becomes_one_later(
    astrid, of_examples, tmp_path, monkeypatch
):
    astrid("init")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        told = astrid.json(*TREE, *of_examples, code=1)["error"]
    kept = newest(tmp_path).folder
    assert told == (
        f"the model in {kept} cannot be copied to {tmp_path}/home/models: the disk is full; make room there,"
        " then `astrid models sync` makes it a version"
    )
    with closing(open_store(load().store_url)) as store:
        assert [row.number for row in adopt(store, load(), lambda _said: None)] == [1]


@pytest.mark.parametrize("kind", ["tree", "outliers"])
def test_a_model_that_finds_no_room_where_it_is_wanted_is_told_with_where_it_is(
    astrid, of_examples, tmp_path, monkeypatch, kind
):
    example_sets.write(plain_examples(600, 1, "field"), tmp_path / "examples.npz")
    monkeypatch.setattr(shutil, "copyfile", full)
    words = ("models", "train", kind, "--no-sync", "--no-labels", *of_examples, "-o", tmp_path / "out")
    told = astrid.json(*words, code=1)["error"]
    folder = tmp_path / "out" if kind == "tree" else tmp_path / "out" / "isolation_forest"
    assert told.startswith(f"the model cannot be written to {folder}: the disk is full; make room there;")
    assert not folder.exists()


def test_what_went_wrong_first_is_told_though_its_record_finds_no_room(tmp_path, monkeypatch):
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def goes_wrong() -> None:
        with Recording(Settings(home=tmp_path), "realbogus", {}) as recording:
            monkeypatch.setattr(recording, "_write", no_room)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        goes_wrong()
