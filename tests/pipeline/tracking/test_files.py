"""Files that MLflow keeps, wherever they are, are trusted by their digest, and mended where damaged."""

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from core.models import versions
from core.models.registry import own_database
from core.settings import Settings
from core.settings_sections import MlflowSettings
from pipeline.classify import model_file
from pipeline.classify.model_file import ModelRefused
from pipeline.training import tracking
from pipeline.training.keeping import folder_of, keep, keep_trained
from tests.pipeline.tracking.trained import a_model, home, runs, train


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


def test_without_what_speaks_s3_it_is_told_what_to_install(
    sqlite_store, tmp_path, registry_template, monkeypatch
):
    here = home(tmp_path, registry_template, artifacts="s3://astrid/mlflow")
    keep_trained(sqlite_store, here, train(here))
    monkeypatch.setitem(sys.modules, "boto3", None)
    trouble = tracking.sync(sqlite_store, here).trouble
    assert "files in an S3 store need boto3: install AstrID with its extra 's3'" in str(trouble)


def sent_files(monkeypatch):
    """Requests to put a file into an S3 store, from now on."""
    from botocore.httpsession import URLLib3Session

    for name in ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"):
        monkeypatch.delenv(name, raising=False)
    sent, send = [], URLLib3Session.send

    def recorded(self, request):
        if request.method == "PUT":
            sent.append(request)
        return send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", recorded)
    return sent


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
    sent = sent_files(monkeypatch)
    assert tracking.sync(sqlite_store, here).trouble is None
    (headers,) = (each.headers for each in sent if each.url.endswith("model/model.json"))
    assert not [name for name in headers if "checksum" in name.lower() or "trailer" in name.lower()]
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
