"""Outlier detectors and the ensemble by their commands, from a few fields to versions that score."""

import json
import shutil
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from core.database.store import open_store
from core.models import trainings
from core.settings import load
from pipeline.classify.chosen import chosen
from pipeline.classify.classify import Classifier
from pipeline.classify.model_file import read as model_file
from pipeline.classify.shipped import SHIPPED
from pipeline.training import stacked_run
from pipeline.training.detected import DOUBTED
from pipeline.training.examples import read, write
from pipeline.training.keeping import keep
from pipeline.training.scorecard_summary import of_held_out
from pipeline.training.tree_train import TreeOptions
from screens.lines import plain
from screens.models.card import card_lines
from screens.models.reading import Card
from tests.astrid_tui.command import Command
from tests.copies import registries_copied
from tests.pipeline.drawn import drawn_once
from tests.pipeline.example_sets import plain_examples


@pytest.fixture(autouse=True, scope="module")
def _fields_drawn_once():
    with drawn_once("examples", "scored_fields"):
        yield


@pytest.fixture
def home(sqlite_store, tmp_path, monkeypatch, request):
    registries_copied(monkeypatch, lambda: request.getfixturevalue("registry_template"))
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    monkeypatch.setenv("ASTRID_POWER__ENABLED", "false")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_outliers_become_versions_that_tell_what_is_odd(home, monkeypatch, capsys):
    path = home / "set.npz"
    write(plain_examples(600, 1, "field"), path)
    astrid = Command(monkeypatch, capsys.readouterr)
    told = astrid.json("models", "train", "outliers", "--examples", path)
    assert [(each["name"], each["version"], each["state"]) for each in told] == [
        ("isolation_forest", 1, "done"), ("one_class_svm", 1, "done"),
    ]  # fmt: skip
    assert {each["parameters"]["examples"] for each in told} == {str(path)}
    for name in ("isolation_forest", "one_class_svm"):
        astrid("models", "promote", name, "1", "--yes", "--no-sync")
        card = astrid("models", "card", name)
        assert f"what the realbogus {SHIPPED['realbogus'].digest[:12]} sees of them" in card
        assert "Bogus among the oddest 10% of what is shown: the share of each kind" in card
        assert "bogus among the oddest tenth, simulated" in astrid("models", "card", name, 0)
    with closing(open_store(load().store_url)) as store:
        models = chosen(store, load())
    scores = Classifier.of(models).score(read(path).triplets)
    for name in ("isolation_forest", "one_class_svm"):
        assert 0.0 < scores.by_model[name].min() < scores.by_model[name].max() < 1.0


def test_an_ensemble_is_weighed_on_fields_of_its_own(home, monkeypatch, capsys):
    monkeypatch.setattr(stacked_run, "FIELD_PX", 256)
    monkeypatch.setattr("pipeline.training.ensemble_train.LEAST_OF_A_KIND", 3)
    (done,) = Command(monkeypatch, capsys.readouterr).json(
        "models", "train", "ensemble", "--fields", 4, "--seed", 3, "--no-sync"
    )
    assert (done["state"], done["version"]) == ("done", 1)
    assert "realbogus_alone_fnr_at_1_percent_fpr" in done["metrics"]
    models = {name: (each.folder, None) for name, each in SHIPPED.items() if name != "ensemble"}
    model = Path(done["folder"]) / trainings.MODEL
    scored = Classifier.of({**models, "ensemble": (model, done["digest"])})
    assert set(done["parameters"]["members"]) == {"realbogus", "tree", "unet"}
    assert done["parameters"]["members"] == model_file(model).description.trained["members"]
    (path, *_) = sorted((home / "examples" / "scored").glob("*.npz"))
    examples = read(path)
    scores = scored.score(examples.triplets, examples.snr.astype(float))
    assert np.isfinite(scores.by_model["ensemble"]).all()
    assert set(scores.moved) >= {"realbogus", "tree", "snr"}
    assert (scores.moved["unet"] == 0).all()


def test_without_a_store_the_models_that_came_with_astrid_are_weighed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stacked_run, "FIELD_PX", 256)
    monkeypatch.setattr("pipeline.training.ensemble_train.LEAST_OF_A_KIND", 3)
    astrid = Command(monkeypatch, capsys.readouterr)
    (done,) = astrid.json("models", "train", "ensemble", "--fields", 4, "--seed", 3)
    assert (done["state"], done["version"]) == ("done", None)
    members = {name: SHIPPED[name].digest for name in ("realbogus", "tree", "unet")}
    assert done["parameters"]["members"] == members
    assert "the model is no version yet" in astrid.said
    said = astrid("models", "train", "ensemble", "--fields", 4, "--seed", 3)
    (again, _) = trainings.trainings(tmp_path)
    assert f"The model is in {again.folder}/model, digest {again.digest}\n" in said


def test_without_a_store_it_is_told_where_each_model_lies(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    write(plain_examples(600, 1, "field"), tmp_path / "set.npz")
    said = Command(monkeypatch, capsys.readouterr)(
        "models", "train", "outliers", "--examples", tmp_path / "set.npz"
    )
    made = trainings.trainings(tmp_path)
    assert {each.name for each in made} == {"isolation_forest", "one_class_svm"}
    for each in made:
        assert model_file(each.folder / trainings.MODEL, each.digest).description.kind == each.name
        assert f"The model is in {each.folder}/model, digest {each.digest}\n" in said


def test_trees_are_recorded_with_what_they_are_grown_by_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    write(plain_examples(600, 1, "field"), tmp_path / "set.npz")
    told = Command(monkeypatch, capsys.readouterr).json(
        "models", "train", "tree", "--examples", tmp_path / "set.npz", "--seed", 7
    )
    found = told["parameters"]
    made_of = {"name", "examples", "examples_sha256", "code_sha256"}
    assert found.keys() - made_of == {each.name for each in fields(TreeOptions)}
    assert (found["seed"], found["rate"]) == (7, TreeOptions().rate)
    assert found["examples_sha256"] == read(tmp_path / "set.npz").digest


def test_what_is_learnt_of_simulated_fields_is_what_the_unet_in_use_sees_there(home, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.training.candidate_run.FIELD_PX", 256)
    monkeypatch.setattr("pipeline.training.outliers_train.LEAST_EXAMPLES", 3)
    keen = home / "keen"
    shutil.copytree(SHIPPED["unet"].folder, keen)
    card = json.loads((keen / "model.json").read_text())
    card["config"]["point_threshold"] = 0.0
    (keen / "model.json").write_text(json.dumps(card))
    model = model_file(keen)
    with closing(open_store(load().store_url)) as store:
        keep(store, load(), keen, origin="elsewhere")
    astrid = Command(monkeypatch, capsys.readouterr)
    astrid("models", "promote", "unet", "1", "--yes", "--no-sync")
    tree = astrid.json("models", "train", "tree", "--fields", 4, "--no-sync")
    outliers = astrid.json("models", "train", "outliers", "--fields", 4, "--no-sync")
    for each in (tree, *outliers):
        assert (each["parameters"]["fields"], each["parameters"]["unet"]) == (4, model.digest)
    assert {path.name.split("-")[2] for path in (home / "examples").glob("*.npz")} == {model.digest[:12]}


def test_where_the_unet_is_switched_off_models_learn_of_what_is_detected_without_it(
    home, monkeypatch, capsys
):
    monkeypatch.setenv("ASTRID_DETECT__UNET", "false")
    monkeypatch.setattr("pipeline.training.candidate_run.FIELD_PX", 256)
    monkeypatch.setattr(stacked_run, "FIELD_PX", 256)
    monkeypatch.setattr("pipeline.training.ensemble_train.LEAST_OF_A_KIND", 3)
    astrid = Command(monkeypatch, capsys.readouterr)
    tree = astrid.json("models", "train", "tree", "--fields", 4, "--no-sync")
    assert trainings.read(Path(tree["folder"])).parameters["unet"] is None
    (ensemble,) = astrid.json("models", "train", "ensemble", "--fields", 4, "--seed", 3, "--no-sync")
    weighed = model_file(Path(ensemble["folder"]) / trainings.MODEL).description
    assert weighed.features == ["realbogus", "tree", "snr"]
    assert set(weighed.trained["members"]) == {"realbogus", "tree"}
    assert ensemble["parameters"]["members"] == weighed.trained["members"]
    for path in (home / "examples").rglob("seen-*.npz"):
        assert path.name.split("-")[2] == "none"
        assert DOUBTED not in read(path).cut
    again = astrid.json(
        "models", "train", "ensemble", "--fields", 4, "--seed", 3, "--no-sync"
    )  # of the fields that are kept
    assert again[0]["metrics"] == ensemble["metrics"]


def test_a_card_lays_what_was_measured_by_stratum(tmp_path):
    examples = plain_examples(600, 2, "field")
    logit = np.where(examples.label == 1, 2.0, -2.0) + np.random.default_rng(2).standard_normal(600)
    found = of_held_out("tree", logit, examples)
    label = examples.label[examples.is_shown]
    assert found["examples"] == {"real": int(label.sum()), "bogus": int((label == 0).sum())}
    by_name = {each["name"]: each for each in found["strata"]}
    assert by_name["kind point"]["low"] <= by_name["kind point"]["value"] <= by_name["kind point"]["high"]
    assert len(found["reliability"]["predicted"]) == len(found["reliability"]["observed"]) > 5
    shown = "\n".join(
        plain(line) for line in card_lines(Card("tree", 1, 0, {}, found, None), 100, plain=True)
    )
    assert "kind point" in shown
    assert "Calibration" in shown
    assert of_held_out("tree", logit[:1], examples[slice(0, 1)]) is None
