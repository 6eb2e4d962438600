"""Whatever makes a version tells MLflow, and ends well where MLflow is away."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from core.database.store import open_store
from core.database.store_errors import StoreError
from core.settings import load
from pipeline.classify.cutout_features import NAMES
from pipeline.training import examples as example_sets
from pipeline.training import mlflow_client, tracking
from pipeline.training.keeping import keep_trained
from tests.astrid_tui.command import Command
from tests.pipeline.example_sets import plain_examples
from tests.pipeline.test_imported_models import linear
from tests.pipeline.toy_models import blobs
from tests.pipeline.tracking.trained import train

NOBODY = "http://127.0.0.1:9"  # a port that nobody listens at
TREE = ("models", "train", "tree", "--examples", "set.npz")


@pytest.fixture
def astrid(tmp_path, monkeypatch, capsys) -> Command:
    before = dict(os.environ)
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_POWER__ENABLED", "false")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    example_sets.write(blobs(200), tmp_path / "set.npz")
    command = Command(monkeypatch, capsys.readouterr)
    command("init")
    yield command
    for name in set(os.environ) & set(mlflow_client.ENVIRONMENT) - set(before):
        os.environ.pop(name)


def mlflow():
    from mlflow import MlflowClient

    uri = mlflow_client.tracking_uri(load())
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def keys() -> list[str]:
    """Of the trainings that MLflow knows, one for each run."""
    found = mlflow().search_runs([each.experiment_id for each in mlflow().search_experiments()])
    return sorted(each.data.tags["astrid.training"] for each in found)


def test_a_training_is_a_run_and_its_model_a_version_when_it_ends(astrid):
    told = astrid.json(*TREE)
    assert (told["version"], told["registry_trouble"], told["is_published"]) == (1, None, True)
    assert keys() == [told["key"]]
    (registered,) = mlflow().search_model_versions("name = 'tree'")
    assert registered.tags["astrid.digest"] == told["digest"]
    assert mlflow().get_registered_model("tree").aliases == {"challenger": registered.version}
    assert mlflow().get_run(registered.run_id).data.params["examples_sha256"]
    (listed,) = (each for each in astrid.json("models", "list")["models"] if each["name"] == "tree")
    assert listed["versions"][0]["registry_version"] == str(registered.version)


def test_a_server_that_is_away_costs_a_remark_and_is_told_when_it_is_back(astrid, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", NOBODY)
        assert "It is version 1: astrid models promote tree 1" in astrid(*TREE)
        why = f"MLflow at {NOBODY} could not be told: it does not answer"
        assert f"{why}; `astrid models sync` tells it later" in astrid.said
        told = astrid.json(*TREE, "--seed", 2)
        assert (told["state"], told["version"], told["is_published"]) == ("done", 2, False)
        assert told["registry_trouble"] == why
    later = astrid.json(*TREE, "--seed", 3)
    assert later["registry_trouble"] is None
    assert keys() == sorted(each["key"] for each in astrid.json("models", "trainings"))
    assert len(mlflow().search_model_versions("name = 'tree'")) == 3


def test_a_store_that_goes_away_meanwhile_costs_a_remark_too(astrid, monkeypatch):
    def gone(*_given) -> tracking.Told:
        raise StoreError("the store does not answer")

    monkeypatch.setattr(tracking, "sync", gone)
    told = astrid.json(*TREE)
    assert (told["version"], told["registry_trouble"]) == (1, "the store does not answer")
    assert (
        "MLflow was not told: the store does not answer; `astrid models sync` tells it later" in astrid.said
    )


def test_mlflow_is_left_alone_where_that_is_wished(astrid, tmp_path):
    told = astrid.json(*TREE, "--no-sync")
    assert (told["version"], told["registry_trouble"], told["is_published"]) == (1, None, False)
    assert not (tmp_path / "home" / "mlflow").exists()


def test_both_detectors_of_one_fit_are_told(astrid, tmp_path):
    example_sets.write(plain_examples(600, 1, "field"), tmp_path / "plain.npz")
    told = astrid.json("models", "train", "outliers", "--examples", tmp_path / "plain.npz")
    assert [(each["registry_trouble"], each["is_published"]) for each in told] == [(None, True)] * 2
    assert keys() == sorted(each["key"] for each in told)


def test_a_model_that_was_brought_in_is_told_too(astrid, tmp_path):
    linear(tmp_path / "model.onnx", ["n", len(NAMES)])
    told = astrid.json("models", "import", tmp_path / "model.onnx", "--input", "features")
    assert (told["name"], told["version"], told["registry_trouble"]) == ("tree", 1, None)
    (registered,) = mlflow().search_model_versions("name = 'tree'")
    assert registered.tags["astrid.digest"] == told["digest"]


def test_of_two_that_tell_at_once_neither_makes_a_run_twice(astrid):
    settings = load()
    trained = [train(settings, seed) for seed in range(1, 5)]

    def tell(_number: int) -> tracking.Told:
        with closing(open_store(settings.store_url)) as store:
            return tracking.sync(store, settings)

    with closing(open_store(settings.store_url)) as store:
        for each in trained:
            keep_trained(store, settings, each)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(tell, range(4)))
    assert [each.trouble for each in told] == [None] * 4
    assert sum(each.trainings for each in told) == 4
    assert sum(each.versions for each in told) == 4
    assert keys() == sorted(each.key for each in trained)
