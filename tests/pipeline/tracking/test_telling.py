"""MLflow is told everything, once, whenever it is there."""

import errno
import fcntl
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import core
from core.models import trainings, versions
from core.models.registry import own_database, read_registry
from core.settings import Settings
from core.settings_sections import MlflowSettings
from pipeline.training import mlflow_client, mlflow_runs, tracking
from pipeline.training.code import code_sha256
from pipeline.training.keeping import folder_of, keep_trained
from pipeline.training.recording import Recording
from tests.pipeline.tracking.trained import STEPS, a_model, client, runs, train


def test_mlflow_says_nothing_of_its_tables(tmp_path):
    """Where it does what is asked of it, the output is AstrID's alone."""
    code = f"""
from pathlib import Path
from core.settings import Settings
from pipeline.training.mlflow_client import client
with client(Settings(home=Path({str(tmp_path)!r}))) as found:
    assert found.search_experiments()
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        cwd=Path(core.__file__).parent.parent,
        env={name: value for name, value in os.environ.items() if name not in mlflow_client.ENVIRONMENT},
        text=True,
        timeout=300,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert own_database(Settings(home=tmp_path)).exists()


def test_a_training_becomes_a_run_a_version_and_an_alias_once(sqlite_store, settings):
    training = train(settings)
    model = keep_trained(sqlite_store, settings, training)
    said = tracking.sync(sqlite_store, settings)
    assert (said.trainings, said.versions, said.aliases, said.trouble) == (1, 1, 1, None)
    (row,) = versions.versions(sqlite_store, "tree")
    mlflow = client(settings)
    run = mlflow.get_run(row.registry_run)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "1", "data.sha256": "d" * 64, "code_sha256": code_sha256()}
    assert run.data.metrics["auc"] == 0.99
    assert [each.value for each in mlflow.get_metric_history(row.registry_run, "loss")] == [1.0, 0.5, 1 / 3]
    told = {each.path for each in mlflow.list_artifacts(row.registry_run)}
    assert told >= {"model", "scorecard.json", "curves.png"}
    version = mlflow.get_model_version_by_alias("tree", tracking.CHALLENGER)
    assert version.tags[mlflow_runs.DIGEST_TAG] == model.digest
    again = tracking.sync(sqlite_store, settings)
    assert (again.trainings, again.versions, again.aliases) == (0, 0, 0)
    (registered,) = read_registry(settings).models  # as the console reads it, without MLflow
    assert registered.versions[0].metrics["auc"] == 0.99


def test_aliases_follow_promotions_and_roll_backs(sqlite_store, settings):
    for seed in (1, 2):
        keep_trained(sqlite_store, settings, train(settings, seed))
    versions.promote(sqlite_store, "tree", 1, by="ann")
    versions.promote(sqlite_store, "tree", 2, by="ann")
    tracking.sync(sqlite_store, settings)

    def aliases():
        found = client(settings).get_registered_model("tree").aliases
        tags = {alias: client(settings).get_model_version("tree", n).tags for alias, n in found.items()}
        return {alias: tags[alias][tracking.NUMBER_TAG] for alias in tags}

    assert aliases() == {"champion": "2", "previous": "1"}
    versions.rollback(sqlite_store, "tree", by="ann")
    tracking.sync(sqlite_store, settings)
    assert aliases() == {"champion": "1", "challenger": "2"}


def test_a_registry_that_is_away_is_told_later(sqlite_store, settings, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    keep_trained(sqlite_store, settings, train(settings))
    versions.promote(sqlite_store, "tree", 1, by="ann")
    told = tracking.sync(sqlite_store, settings)
    assert (told.trainings, told.versions) == (0, 0)
    assert told.trouble.endswith("could not be told: it does not answer")
    assert "secret" not in told.trouble
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking.sync(sqlite_store, settings).record() == {
        "trainings": 1, "versions": 1, "aliases": 1, "trouble": None,
    }  # fmt: skip


def test_where_files_cannot_be_locked_it_is_one_sentence(sqlite_store, settings, monkeypatch):
    def flock(*_given) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(tracking.fcntl, "flock", flock)
    told = tracking.sync(sqlite_store, settings)
    assert told.trouble.endswith(f"sync.lock: {os.strerror(errno.ENOLCK)}")


def test_a_command_that_hangs_while_it_tells_holds_the_others_up_for_a_while(
    sqlite_store, settings, monkeypatch
):
    monkeypatch.setattr(tracking, "TURN_S", 0.3)
    keep_trained(sqlite_store, settings, train(settings))
    with own_database(settings).with_name("sync.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        told = tracking.sync(sqlite_store, settings)
        assert (told.trainings, "another command is telling it" in told.trouble) == (0, True)
    assert tracking.sync(sqlite_store, settings).record() == {
        "trainings": 1, "versions": 1, "aliases": 1, "trouble": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://me:sec/ret@host:5000", "http://***@host:5000"),
        ("postgresql://host/mlflow?user=me&password=secret", "postgresql://host/mlflow?***"),
        ("http://[me:secret@::1", "http://***@::1"),
        ("sqlite:////data/me@home/mlflow.db", "sqlite:////data/me@home/mlflow.db"),
    ],
)
def test_what_lets_one_into_a_server_is_not_told_however_it_is_written(settings, monkeypatch, uri, told):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert mlflow_client.place(settings) == told


def test_a_telling_that_was_cut_short_is_finished_without_doubles(sqlite_store, settings, monkeypatch):
    training = train(settings)
    keep_trained(sqlite_store, settings, training)

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_runs, "write_json", killed)  # the last thing that telling of a training does
        with pytest.raises(KeyboardInterrupt):
            tracking.sync(sqlite_store, settings)
    tracking.sync(sqlite_store, settings)
    mlflow = client(settings)
    experiment = mlflow.get_experiment_by_name(mlflow_runs.EXPERIMENT).experiment_id
    (run,) = mlflow.search_runs([experiment])
    assert len(mlflow.get_metric_history(run.info.run_id, "loss")) == STEPS
    assert len(mlflow.search_model_versions("name = 'tree'")) == 1


def test_a_failed_and_a_stopped_training_are_told_as_such(sqlite_store, settings):
    with pytest.raises(ValueError, match="no examples"), Recording(settings, "tree", {}) as recording:
        raise ValueError("no examples")
    assert trainings.read(recording.folder).state == "failed"
    with Recording(settings, "tree", {}) as recording:
        recording.stopped("asked to")
    found = {each.state: each for each in trainings.trainings(settings.home)}
    assert found["failed"].reason == "ValueError: no examples"
    assert found["stopped"].reason == "asked to"
    tracking.sync(sqlite_store, settings)
    mlflow = client(settings)
    runs = mlflow.search_runs([mlflow.get_experiment_by_name(mlflow_runs.EXPERIMENT).experiment_id])
    assert {run.info.status for run in runs} == {"FAILED", "KILLED"}


def resumed(settings: Settings, before, seed: int = 1):
    """The rest of a training that was stopped."""
    with Recording(settings, before.name, dict(before.parameters), before.key) as recording:
        recording.step(STEPS, {"loss": 0.25})
        recording.finish(a_model(recording.model, seed), {"auc": 0.98}, None)
    return trainings.read(recording.folder)


def stopped(settings: Settings):
    with Recording(settings, "tree", {"seed": 1}) as recording:
        for step in range(STEPS):
            recording.step(step, {"loss": 1.0 / (step + 1)})
        recording.stopped("asked to")
    return trainings.read(recording.folder)


def test_a_training_that_went_on_after_it_was_told_is_told_to_its_end(sqlite_store, settings):
    before = stopped(settings)
    tracking.sync(sqlite_store, settings)
    assert trainings.read(before.folder).is_published
    training = resumed(settings, before)
    assert not training.is_published
    model = keep_trained(sqlite_store, settings, training)
    told = tracking.sync(sqlite_store, settings)
    assert (told.trainings, told.versions, told.trouble) == (1, 1, None)
    assert trainings.read(before.folder).is_published
    (row,) = versions.versions(sqlite_store, "tree")
    mlflow = client(settings)
    run = mlflow.get_run(row.registry_run)
    assert (run.info.status, run.data.metrics["auc"], run.data.metrics["loss"]) == ("FINISHED", 0.98, 0.25)
    assert len(mlflow.get_metric_history(row.registry_run, "loss")) == STEPS + 1
    shutil.rmtree(folder_of(settings, model.digest))
    assert tracking.fetch(sqlite_store, settings, "tree", 1) == folder_of(settings, model.digest)


@pytest.mark.parametrize("damaged", ["", "[1]", "[" * 100_000], ids=range(3))
def test_a_training_whose_scorecard_is_damaged_becomes_a_version_without_one(sqlite_store, settings, damaged):
    training = train(settings)
    (training.folder / "scorecard.json").write_text(damaged)
    assert keep_trained(sqlite_store, settings, training).scorecard is None


def test_files_of_a_version_that_are_not_what_was_kept_are_not_told(sqlite_store, settings, monkeypatch):
    """MLflow copies what lies in a folder: of a link to /dev/zero, until the disk is full."""
    copied = []
    model = keep_trained(sqlite_store, settings, train(settings))
    weights = folder_of(settings, model.digest) / "weights.safetensors"
    weights.unlink()
    weights.symlink_to("/dev/zero")
    monkeypatch.setattr(
        "mlflow.tracking.MlflowClient.log_artifacts", lambda _, __, place, *___: copied.append(Path(place))
    )
    told = tracking.sync(sqlite_store, settings)
    assert weights.parent not in copied
    assert "MLflow at" in (told.trouble or "")


def test_a_version_whose_run_was_told_without_files_gets_them(sqlite_store, settings, monkeypatch):
    before = stopped(settings)
    tracking.sync(sqlite_store, settings)
    model = keep_trained(sqlite_store, settings, resumed(settings, before))
    with monkeypatch.context() as patch:  # as where its end came after the trainings were gone through
        patch.setattr(tracking, "trainings", lambda *_args, **_named: [])
        assert tracking.sync(sqlite_store, settings).versions == 1
    shutil.rmtree(folder_of(settings, model.digest))
    tracking.fetch(sqlite_store, settings, "tree", 1)


def test_a_curve_of_which_a_part_was_told_is_told_whole(sqlite_store, settings, monkeypatch):
    from mlflow import MlflowClient

    train(settings)
    log = MlflowClient.log_batch
    batches = []

    def cut_short(*args, **named):
        batches.append(named)
        if len(batches) > 2:  # the parameters, and the first metrics
            raise KeyboardInterrupt
        return log(*args, **named)

    monkeypatch.setattr(mlflow_runs, "BATCH", 2)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", cut_short)
        with pytest.raises(KeyboardInterrupt):
            tracking.sync(sqlite_store, settings)
    assert tracking.sync(sqlite_store, settings).trainings == 1
    (run,) = runs(settings)
    history = client(settings).get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]


def test_a_server_that_is_told_prints_nothing(sqlite_store, settings, monkeypatch, capsys):
    from mlflow.tracking._tracking_service import client as told_client

    monkeypatch.setattr(told_client, "RestStore", object)  # as if this database were behind a server
    monkeypatch.setattr(told_client, "get_workspace_url", lambda: "http://server")
    train(settings)
    assert tracking.sync(sqlite_store, settings).trainings == 1
    assert capsys.readouterr().out == ""


def test_another_server_is_told_all_and_going_back_tells_nothing_twice(
    sqlite_store, settings, registry_template, tmp_path, monkeypatch
):
    for seed in (1, 2):
        keep_trained(sqlite_store, settings, train(settings, seed))
    assert tracking.sync(sqlite_store, settings).versions == 2
    shutil.copy(registry_template, tmp_path / "other.db")
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
        place = MlflowSettings(artifacts=(tmp_path / "files").as_uri())
        there = settings.model_copy(update={"mlflow": place})
        told = tracking.sync(sqlite_store, there)
        assert (told.trainings, told.versions, told.aliases, told.trouble) == (2, 2, 1, None)
        again = tracking.sync(sqlite_store, there)
        assert (again.trainings, again.versions, again.aliases) == (0, 0, 0)
        assert len(runs(there)) == 2
        for row in versions.versions(sqlite_store):
            shutil.rmtree(folder_of(settings, row.digest))
            tracking.fetch(sqlite_store, there, "tree", row.number)
    tracking.sync(sqlite_store, settings)
    assert len(runs(settings)) == 2
    shutil.rmtree(folder_of(settings, row.digest))
    tracking.fetch(sqlite_store, settings, "tree", row.number)


def test_another_server_is_told_of_the_rest_where_files_of_one_are_elsewhere(
    sqlite_store, settings, registry_template, tmp_path, monkeypatch
):
    trained = [train(settings, seed) for seed in (1, 2)]
    models = [keep_trained(sqlite_store, settings, each) for each in trained]
    tracking.sync(sqlite_store, settings)
    shutil.rmtree(trained[0].folder)
    shutil.rmtree(folder_of(settings, models[0].digest))
    shutil.copy(registry_template, tmp_path / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    there = settings.model_copy(update={"mlflow": MlflowSettings(artifacts=(tmp_path / "files").as_uri())})
    told = tracking.sync(sqlite_store, there)
    assert (told.versions, told.aliases) == (1, 1)
    assert "not told of version 1 of tree: the files are not on this machine" in told.trouble
    with pytest.raises(tracking.TrackingUnavailable, match="could not give the files of version 1 of tree"):
        tracking.fetch(sqlite_store, there, "tree", 1)
