"""`astrid models train unet` learns of labelled frames, and goes on with the labels that it began with."""

import json
import os
import shutil
import signal
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from core.database.store import open_store
from core.settings import Settings
from core.settings_sections import StoreSettings
from core.vocabulary import ExitCode, Label
from pipeline.classify.model_file import read
from pipeline.training.remembered import OBJECTS, numbers
from tests.astrid_tui.command import Command
from tests.astrid_tui.test_models_unet import TINY
from tests.pipeline.drawn import drawn_once
from tests.pipeline.labelled_night import candidates, judge, processed

pytest.importorskip("torch")


@pytest.fixture(autouse=True, scope="module")
def _fields_drawn_once():
    with drawn_once("field_cache", "unet_run"):
        yield


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Settings:
    return processed(tmp_path_factory.mktemp("night"))


@pytest.fixture
def template(night: Settings, tmp_path: Path) -> Settings:
    """A home of its own for each test, in which the same frames are processed already."""
    home = shutil.copytree(night.home, tmp_path / "home")
    store = StoreSettings(url=f"sqlite:///{home / 'astrid.db'}")
    return night.model_copy(update={"home": home, "store": store})


@pytest.fixture
def astrid(template, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(template.home))
    monkeypatch.setenv("ASTRID_REVIEW__VOTES", "1")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(template.home)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def interrupted(monkeypatch):
    """Ends a training after its first step, as long as it is entered."""
    from pipeline.training import unet_run

    train = unet_run.train

    def ended(*arguments, **named):
        os.kill(os.getpid(), signal.SIGTERM)
        return train(*arguments, **named)

    @contextmanager
    def within():
        with monkeypatch.context() as patch:
            patch.setattr(unet_run, "train", ended)
            yield

    return within


def test_a_training_that_is_ended_goes_on_with_the_labels_that_it_began_with(
    astrid: Command, template, interrupted
) -> None:
    words = ("models", "train", "unet", *TINY, "--streak-free", 0, "--judged", 0)
    with closing(open_store(template.store.url)) as store:
        real, bogus, other, *_ = candidates(store)
        judge(store, real, Label.VARIABLE)
        judge(store, bogus, Label.DIPOLE)
        whole = astrid.json(*words)
        assert whole["labels"]["learnt"] >= 2
        assert f"{whole['labels']['learnt']} labelled candidates were learnt from besides" in astrid.said
        with interrupted():
            stopped = astrid.json(*words, code=ExitCode.INTERRUPTED)
        assert (stopped["digest"], stopped["labels"]) == (None, None)
        judge(store, other, Label.DIPOLE)
        again = astrid.json(*words)
    assert (again["digest"], again["labels"]) == (whole["digest"], whole["labels"])
    model = read(Path(whole["folder"]), whole["digest"])
    names = [f"object:{each.sky_object_id}" for each in (real, bogus)]
    assert model.arrays[OBJECTS].tolist() == numbers(names).tolist()
    without = astrid.json(*words, "--no-labels")
    assert without["labels"] is None
    assert "labelled" not in astrid.said
    learnt_of = Counter(each["parameters"]["examples_sha256"] for each in astrid.json("models", "trainings"))
    assert sorted(learnt_of.values()) == [1, 3]
    assert not list((template.home / "training").glob("unet-*"))


def test_a_training_that_begins_anew_learns_of_the_labels_of_now(
    astrid: Command, template, interrupted
) -> None:
    words = ("models", "train", "unet", *TINY, "--seed", 2)
    learnt = []
    with closing(open_store(template.store.url)) as store:
        for each in candidates(store)[-2:]:
            judge(store, each, Label.DIPOLE)
            with interrupted():
                astrid.json(*words, code=ExitCode.INTERRUPTED)
            (begun,) = (template.home / "training").glob("unet-*.json")
            learnt.append(json.loads(begun.read_text())["told"]["learnt"])
            begun.with_suffix(".safetensors").unlink()  # as is advised where it is of another training
    assert learnt[1] == learnt[0] + 1
    begun.unlink()
