"""Runs of MLflow: one for every training, and one for every model that no training of ours made.

A run carries the training's key or the model's digest, so that telling it again finishes what was told in
part, and of a training that went on tells what it did since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from core.database.tables import TrainedModel
from core.models.files import trouble
from core.models.trainings import MODEL, PUBLISHED, SCORECARD, Training, curve
from core.settings import Settings
from pipeline.classify.model_file import DESCRIPTION
from pipeline.training import figures
from pipeline.training.keeping import folder_of
from pipeline.training.mlflow_client import place
from pipeline.training.recording import write_json

EXPERIMENT = "astrid"
KEY_TAG = "astrid.training"
DIGEST_TAG = "astrid.digest"
ARTIFACTS_TAG = "astrid.artifacts"  # of an experiment: the setting that it was begun with
BATCH = 500  # metrics in one request; MLflow takes a thousand
MOST_PARAMETER = 500  # characters
TOLD = {".json", ".jsonl", ".png", ".txt"}


def publish(client: Any, settings: Settings, training: Training) -> str:
    """A training as a run. Where it was told in part before, the rest is told."""
    from mlflow.entities import Param

    run_id = run_of(client, KEY_TAG, training.key)
    if run_id is None:
        run = client.create_run(
            _experiment(client, settings),
            start_time=int(training.started_at * 1000),
            tags={KEY_TAG: training.key, "mlflow.runName": training.key, "astrid.model": training.name},
        )
        run_id = str(run.info.run_id)
    known = client.get_run(run_id).data.params
    parameters = [
        Param(str(key)[:250], str(value)[:MOST_PARAMETER]) for key, value in _flat(training.parameters)
    ]
    client.log_batch(run_id, params=[each for each in parameters if each.key not in known])
    at = int((training.ended_at or training.started_at) * 1000)
    metrics = _untold(client, run_id, _metrics(training, at))
    for first in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + BATCH])
    figures.draw(training)
    for path in sorted(training.folder.iterdir()):
        if path.name == MODEL:
            client.log_artifacts(run_id, str(path), MODEL)
        elif path.is_file() and path.suffix in TOLD and path.name[0] != "." and path.name != PUBLISHED:
            client.log_artifact(run_id, str(path))
    status = {"done": "FINISHED", "stopped": "KILLED"}.get(training.state, "FAILED")
    client.set_terminated(run_id, status, end_time=at)
    told = {"state": training.state, "started_at": training.started_at, "ended_at": training.ended_at}
    told |= {"run_id": run_id, "tracking_uri": place(settings)}
    write_json(training.folder / PUBLISHED, told)
    return run_id


def with_files(client: Any, settings: Settings, model: TrainedModel) -> str | None:
    """The run that holds a model's files, where need be a new one; none where they are not to be had."""
    run_id = run_of(client, KEY_TAG, model.training) if model.training else None
    run_id = run_id or run_of(client, DIGEST_TAG, model.digest)
    if run_id is not None and _has_files(client, run_id):
        return run_id
    folder = folder_of(settings, model.digest)
    if trouble(settings.home, model.name, model.digest) is not None:
        return None  # absent; or damaged: MLflow would copy whatever lies there, a device without an end too
    if run_id is None:
        return _import_run(client, settings, model)
    client.log_artifacts(run_id, str(folder), MODEL)
    return run_id


def run_of(client: Any, tag: str, value: str) -> str | None:
    """The run with a tag, in any experiment of ours."""
    ids = [each.experiment_id for each in _experiments(client)]
    found = client.search_runs(ids, f"tags.`{tag}` = '{value}'", max_results=1) if ids else []
    return str(found[0].info.run_id) if found else None


def _import_run(client: Any, settings: Settings, model: TrainedModel) -> str:
    """A run for a model that no training of ours made, so that its files are in the registry."""
    run = client.create_run(
        _experiment(client, settings),
        tags={DIGEST_TAG: model.digest, "mlflow.runName": f"{model.origin} of {model.name} {model.number}"},
    )
    run_id = str(run.info.run_id)
    client.log_artifacts(run_id, str(folder_of(settings, model.digest)), MODEL)
    if model.scorecard is not None:
        client.log_dict(run_id, model.scorecard, SCORECARD)
    client.set_terminated(run_id)
    return run_id


def _has_files(client: Any, run_id: str) -> bool:
    """Whether a run holds a model: one of a training that was told before its end does not."""
    return f"{MODEL}/{DESCRIPTION}" in {each.path for each in client.list_artifacts(run_id, MODEL)}


def _metrics(training: Training, at: int) -> list[Any]:
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, at, int(step))
        for name, points in curve(training).items()
        for step, value in points
    ]
    metrics += [Metric(name, value, at, 0) for name, value in training.metrics.items()]
    if training.energy_j is not None:
        metrics.append(Metric("energy_j", training.energy_j, at, 0))
    return metrics


def _untold(client: Any, run_id: str, metrics: list[Any]) -> list[Any]:
    """Those that a run does not have at their step: of a curve a part may have been told."""
    names = {each.key for each in metrics} & set(client.get_run(run_id).data.metrics)
    told = {
        (name, each.step, each.value) for name in names for each in client.get_metric_history(run_id, name)
    }
    return [each for each in metrics if (each.key, each.step, each.value) not in told]


def _experiments(client: Any) -> list[Any]:
    found = client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT}%'")
    return [each for each in found if each.name == EXPERIMENT or each.name.startswith(f"{EXPERIMENT}, ")]


def _experiment(client: Any, settings: Settings) -> str:
    """Where new runs go: MLflow binds an experiment to a place for files, so another place is another one."""
    wanted = _artifacts(settings)
    found = {each.name: each for each in _experiments(client)}
    for each in found.values():
        if wanted in (each.tags.get(ARTIFACTS_TAG), each.artifact_location):
            return str(each.experiment_id)
    if wanted is None and EXPERIMENT in found:
        return str(found[EXPERIMENT].experiment_id)
    name = f"{EXPERIMENT}, files in {wanted}" if EXPERIMENT in found else EXPERIMENT
    tags = {ARTIFACTS_TAG: wanted} if wanted is not None else {}
    return str(client.create_experiment(name, artifact_location=wanted, tags=tags))


def _artifacts(settings: Settings) -> str | None:
    """Where files of new runs go; none where the server says."""
    if settings.mlflow.artifacts:
        return settings.mlflow.artifacts
    at_home = not os.environ.get("MLFLOW_TRACKING_URI")
    return (settings.home / "mlflow" / "artifacts").as_uri() if at_home else None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str | int | float) else json.dumps(value)
