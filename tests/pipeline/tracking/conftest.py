"""MLflow's database before anything is in it, and an environment that says nothing of another."""

import os
from pathlib import Path

import pytest

from core.settings import Settings
from pipeline.training import mlflow_client
from tests.pipeline.tracking.trained import home


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    for name in set(os.environ) - set(before):  # what MLflow's client needs is set for the process
        os.environ.pop(name)


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory) -> Path:
    """MLflow's database before anything is in it: making its tables takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    os.environ.update(mlflow_client.ENVIRONMENT | os.environ)
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def settings(tmp_path, registry_template) -> Settings:
    return home(tmp_path, registry_template)
