"""A home with MLflow's database, and an environment that says nothing of another."""

import os

import pytest

from core.settings import Settings
from tests.pipeline.tracking.trained import home


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    for name in set(os.environ) - set(before):  # what MLflow's client needs is set for the process
        os.environ.pop(name)


@pytest.fixture
def settings(tmp_path, registry_template) -> Settings:
    return home(tmp_path, registry_template)
