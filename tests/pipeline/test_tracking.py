"""MLflow is told everything, once, whenever it is there; files that it keeps are trusted by their digest."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import core
from core.models import trainings, versions
from core.models.registry import own_database, read_registry
from core.settings import Settings
from core.settings_sections import MlflowSettings, PowerSettings
from pipeline.classify import model_file
from pipeline.classify.model_file import Description, ModelRefused
from pipeline.training import mlflow_client, mlflow_runs, tracking
from pipeline.training.code import code_sha256
from pipeline.training.keeping import folder_of, keep, keep_trained
from pipeline.training.recording import Recording

STEPS = 3


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    for name in set(os.environ) - set(before):  # what MLflow's client needs is set for the process
        os.environ.pop(name)


@pytest.fixture(scope="module")
def registry_template(tmp_path_factory) -> Path:
    """MLflow's database before anything is in it: making its tables takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    os.environ.update(mlflow_client.ENVIRONMENT | os.environ)
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def home(tmp_path: Path, template: Path, name: str = "home", **mlflow) -> Settings:
    found = Settings(
        home=tmp_path / name, mlflow=MlflowSettings(**mlflow), power=PowerSettings(enabled=False)
    )
    own_database(found).parent.mkdir(parents=True)
    shutil.copy(template, own_database(found))
    return found


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


@pytest.fixture
def settings(tmp_path, registry_template) -> Settings:
    return home(tmp_path, registry_template)


def a_model(folder: Path, seed: int) -> str:
    description = Description(
        kind="tree", architecture="boosted", inputs="features", trained={"metrics": {"auc": 0.99}}
    )
    return model_file.write(folder, description, {"leaf": np.full(4, seed, np.float32)})


def train(settings: Settings, seed: int = 1):
    with Recording(settings, "tree", {"seed": seed, "data": {"sha256": "d" * 64}}) as recording:
        for step in range(STEPS):
            recording.step(step, {"loss": 1.0 / (step + 1)})
        recording.finish(a_model(recording.model, seed), {"auc": 0.99}, {"fnr": 0.03})
    return trainings.read(recording.folder)


def client(settings: Settings):
    from mlflow import MlflowClient

    uri = mlflow_client.tracking_uri(settings)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


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


def runs(settings: Settings):
    mlflow = client(settings)
    return mlflow.search_runs([each.experiment_id for each in mlflow.search_experiments()])


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


def test_files_go_to_the_place_that_the_settings_say_from_then_on(sqlite_store, settings, tmp_path):
    keep_trained(sqlite_store, settings, train(settings, 1))
    tracking.sync(sqlite_store, settings)
    moved = settings.model_copy(update={"mlflow": MlflowSettings(artifacts=(tmp_path / "files").as_uri())})
    for seed in (2, 3):
        keep_trained(sqlite_store, moved, train(moved, seed))
        assert tracking.sync(sqlite_store, moved).trouble is None
    assert len({each.info.experiment_id for each in runs(moved)}) == 2
    assert len(list((tmp_path / "files").rglob("model.json"))) == 2
    for row in versions.versions(sqlite_store):
        shutil.rmtree(folder_of(settings, row.digest))
        tracking.fetch(sqlite_store, moved, "tree", row.number)
    keep_trained(sqlite_store, settings, train(settings, 4))
    assert tracking.sync(sqlite_store, settings).trouble is None
    assert len({each.info.experiment_id for each in runs(moved)}) == 2


@pytest.fixture(scope="module")
def s3():
    """An S3 store of this machine, speaking the real protocol."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def test_files_in_an_s3_store_reach_another_machine_and_are_verified(
    sqlite_store, tmp_path, registry_template, s3, monkeypatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    import boto3

    bucket = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    bucket.create_bucket(Bucket="astrid")
    place = {"artifacts": "s3://astrid/mlflow", "s3_endpoint": s3, "s3_region": "auto"}
    here = home(tmp_path, registry_template, **place)
    model = keep_trained(sqlite_store, here, train(here))
    assert tracking.sync(sqlite_store, here).trouble is None
    there = Settings(home=tmp_path / "there", mlflow=here.mlflow)
    own_database(there).parent.mkdir(parents=True)
    shutil.copy(own_database(here), own_database(there))
    found = tracking.fetch(sqlite_store, there, "tree", model.number)
    assert found == folder_of(there, model.digest)
    assert model_file.read(found, model.digest).arrays["leaf"].tolist() == [1.0] * 4
    shutil.rmtree(found)
    (key,) = (
        each["Key"]
        for each in bucket.list_objects_v2(Bucket="astrid")["Contents"]
        if each["Key"].endswith("model/model.json")
    )
    forged = json.loads(bucket.get_object(Bucket="astrid", Key=key)["Body"].read()) | {"classes": ["forged"]}
    bucket.put_object(Bucket="astrid", Key=key, Body=json.dumps(forged).encode())
    with pytest.raises(ModelRefused, match="SHA-256 differs"):
        tracking.fetch(sqlite_store, there, "tree", model.number)
    assert not found.exists()


def test_a_model_from_elsewhere_is_kept_once_and_damage_is_refused(sqlite_store, settings, tmp_path):
    a_model(tmp_path / "given", 3)
    numbers = [keep(sqlite_store, settings, tmp_path / "given", origin="import").number for _ in range(2)]
    assert numbers == [1, 1]
    assert tracking.sync(sqlite_store, settings).versions == 1
    weights = tmp_path / "given" / model_file.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelRefused, match="damaged or was changed"):
        keep(sqlite_store, settings, tmp_path / "given", origin="import")


def broken_off(folder: Path) -> None:
    os.truncate(folder / model_file.WEIGHTS, 10)


def a_pipe_in_it(folder: Path) -> None:
    (folder / model_file.WEIGHTS).unlink()
    os.mkfifo(folder / model_file.WEIGHTS)


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def a_link_to_nowhere(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder)


@pytest.mark.parametrize("damage", [broken_off, a_pipe_in_it, no_folder, a_link_to_nowhere])
def test_damaged_files_are_mended_by_bringing_them_in_again_or_from_the_registry(
    sqlite_store, settings, tmp_path, damage
):
    a_model(tmp_path / "given", 3)
    row = keep(sqlite_store, settings, tmp_path / "given", origin="import")
    place = folder_of(settings, row.digest)
    damage(place)
    assert keep(sqlite_store, settings, tmp_path / "given", origin="import").number == row.number
    assert model_file.read(place).digest == row.digest
    damage(place)
    with pytest.raises((ModelRefused, tracking.TrackingUnavailable)):
        tracking.fetch(sqlite_store, settings, "tree", 1)  # the registry was not told of it yet
    keep(sqlite_store, settings, tmp_path / "given", origin="import")
    assert tracking.sync(sqlite_store, settings).versions == 1
    damage(place)
    assert tracking.fetch(sqlite_store, settings, "tree", 1) == place
    assert model_file.read(place).digest == row.digest
    assert [each.name for each in place.parent.iterdir()] == [row.digest]  # the damaged ones are gone


def test_why_files_cannot_be_put_where_models_are_kept_is_told(sqlite_store, settings, tmp_path, monkeypatch):
    a_model(tmp_path / "given", 3)

    rename = Path.rename

    def full(self, target):
        if self.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left on device"):
        keep(sqlite_store, settings, tmp_path / "given", origin="import")
