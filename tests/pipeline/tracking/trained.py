"""Homes with MLflow's database in them, trainings there, and what MLflow has of them."""

import shutil
from pathlib import Path

import numpy as np

from core.models import trainings
from core.models.registry import own_database
from core.settings import Settings
from core.settings_sections import MlflowSettings, PowerSettings
from pipeline.classify import model_file
from pipeline.classify.model_file import Description
from pipeline.training import mlflow_client
from pipeline.training.recording import Recording

STEPS = 3


def home(tmp_path: Path, template: Path, name: str = "home", **mlflow) -> Settings:
    found = Settings(
        home=tmp_path / name, mlflow=MlflowSettings(**mlflow), power=PowerSettings(enabled=False)
    )
    own_database(found).parent.mkdir(parents=True)
    shutil.copy(template, own_database(found))
    return found


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


def runs(settings: Settings):
    mlflow = client(settings)
    return mlflow.search_runs([each.experiment_id for each in mlflow.search_experiments()])
