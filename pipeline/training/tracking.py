"""What MLflow is told: every training as a run, every version of a model, and the aliases.

MLflow is told afterwards, from the folder of a training and from the store, so that a server that is
away costs nothing but the delay: what it does not know yet is told by the next `sync`. Telling is
idempotent: a run carries the training's key, a version its digest. Only raw files are logged, and none of
them is ever loaded by MLflow. Importing this does not import MLflow; calling it does, and that takes seconds.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.database.store import Store
from core.database.tables import TrainedModel
from core.errors import AstridError
from core.models import versions
from core.models.registry import CHAMPION, own_database
from core.models.trainings import MODEL, PUBLISHED, RUNNING, SCORECARD, Training, curve, trainings
from core.settings import Settings
from core.vocabulary import ExitCode
from pipeline.classify import model_file
from pipeline.clock import one_line
from pipeline.training.keeping import copy_in, folder_of
from pipeline.training.recording import write_json

EXPERIMENT = "astrid"
KEY_TAG = "astrid.training"
DIGEST_TAG = "astrid.digest"
NUMBER_TAG = "astrid.version"
CHALLENGER = "challenger"
PREVIOUS = "previous"
BATCH = 500  # metrics in one request; MLflow takes a thousand
MOST_CAUSE = 300  # characters
AWAY = ("Max retries exceeded", "Connection refused", "NameResolutionError", "timed out")
MOST_PARAMETER = 500  # characters
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow compares with this word
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # by default a server that is away is waited for for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class TrackingUnavailable(AstridError):
    """MLflow could not be told; what it was to be told is kept."""

    exit_code = ExitCode.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Told:
    """What MLflow was told by one `sync`."""

    trainings: int = 0
    versions: int = 0
    aliases: int = 0
    trouble: str | None = None

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "trainings": self.trainings,
            "versions": self.versions,
            "aliases": self.aliases,
            "trouble": self.trouble,
        }


def tracking_uri(settings: Settings) -> str:
    """Where MLflow keeps what it is told: ``MLFLOW_TRACKING_URI``, or a database in AstrID's home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{own_database(settings)}"


def sync(store: Store, settings: Settings, report: Callable[[str], None] | None = None) -> Told:
    """Tell MLflow all that it does not know yet.

    Parameters
    ----------
    report : callable, optional
        Told what is being done, in words.

    Returns
    -------
    Told
        With the trouble, where MLflow could not be told all.
    """
    tell = report or (lambda _text: None)
    counts = {"trainings": 0, "versions": 0, "aliases": 0}
    try:
        with _client(settings) as client:
            for training in reversed(trainings(settings.home, limit=10_000)):
                if training.state != RUNNING and not training.is_published:
                    tell(f"training {training.key}")
                    _publish(client, settings, training)
                    counts["trainings"] += 1
            for model in reversed(versions.versions(store)):
                if model.registry_version is None:
                    tell(f"version {model.number} of {model.name}")
                    _register(client, store, settings, model)
                    counts["versions"] += 1
            counts["aliases"] = _follow(client, store)
        trouble = None
    except TrackingUnavailable as error:
        trouble = str(error)
    return Told(counts["trainings"], counts["versions"], counts["aliases"], trouble)


def fetch(store: Store, settings: Settings, name: str, number: int) -> Path:
    """The folder of a version's files, verified; brought from the registry where it is not on this machine.

    Raises
    ------
    ModelUnknown
    TrackingUnavailable
    ModelRefused
        They are damaged, or what came is not what was registered.
    """
    model = versions.version(store, name, number)
    place = folder_of(settings, model.digest)
    if place.is_dir():
        try:
            model_file.read(place, model.digest)
        except model_file.ModelRefused as refused:
            raise model_file.ModelRefused(f"version {number} of {name} cannot be used: {refused}") from None
        return place
    if model.registry_run is None:
        raise TrackingUnavailable(
            f"the files of version {number} of {name} are neither in {place} nor in the registry"
        )
    with _client(settings) as client, _work(settings) as work:
        found = Path(client.download_artifacts(model.registry_run, MODEL, str(work)))
        return copy_in(settings, found, model.digest)


def _publish(client: Any, settings: Settings, training: Training) -> str:
    """A training as a run. Where it was told in part before, the rest is told."""
    from mlflow.entities import Metric, Param

    run_id = _run_of(client, settings, KEY_TAG, training.key)
    if run_id is None:
        run = client.create_run(
            _experiment(client, settings),
            start_time=int(training.started_at * 1000),
            tags={KEY_TAG: training.key, "mlflow.runName": training.key, "astrid.model": training.name},
        )
        run_id = run.info.run_id
    parameters = [
        Param(str(key)[:250], str(value)[:MOST_PARAMETER]) for key, value in _flat(training.parameters)
    ]
    at = int((training.ended_at or training.started_at) * 1000)
    metrics = [
        Metric(name, value, at, int(step))
        for name, points in curve(training).items()
        for step, value in points
    ]
    metrics += [Metric(name, value, at, 0) for name, value in training.metrics.items()]
    if training.energy_j is not None:
        metrics.append(Metric("energy_j", training.energy_j, at, 0))
    known = client.get_run(run_id).data
    parameters = [each for each in parameters if each.key not in known.params]
    metrics = [each for each in metrics if each.key not in known.metrics]
    client.log_batch(run_id, params=parameters)
    for first in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + BATCH])
    for path in sorted(training.folder.iterdir()):
        if path.name == MODEL:
            client.log_artifacts(run_id, str(path), MODEL)
        elif path.is_file() and path.suffix in {".json", ".jsonl", ".png", ".txt"} and path.name[0] != ".":
            client.log_artifact(run_id, str(path))
    status = {"done": "FINISHED", "stopped": "KILLED"}.get(training.state, "FAILED")
    client.set_terminated(run_id, status, end_time=at)
    uri = tracking_uri(settings)
    write_json(training.folder / PUBLISHED, {"run_id": run_id, "tracking_uri": _without_password(uri, uri)})
    return run_id


def _register(client: Any, store: Store, settings: Settings, model: TrainedModel) -> None:
    """A version of a model, with the run it came from."""
    run_id = _run_of(client, settings, KEY_TAG, model.training) if model.training else None
    run_id = (
        run_id or _run_of(client, settings, DIGEST_TAG, model.digest) or _import_run(client, settings, model)
    )
    _ensure_model(client, model)
    found = [
        each
        for each in client.search_model_versions(f"name = '{model.name}'")
        if each.tags.get(DIGEST_TAG) == model.digest
    ]
    if found:
        number = str(found[0].version)
    else:
        source = f"{client.get_run(run_id).info.artifact_uri}/{MODEL}"
        made = client.create_model_version(
            model.name,
            source,
            run_id,
            tags={DIGEST_TAG: model.digest, NUMBER_TAG: str(model.number), "astrid.origin": model.origin},
            description=_description(model),
        )
        number = str(made.version)
    versions.registered(store, model.id or 0, run_id, number)


def _import_run(client: Any, settings: Settings, model: TrainedModel) -> str:
    """A run for a model that no training of ours made, so that its files are in the registry."""
    run = client.create_run(
        _experiment(client, settings),
        tags={DIGEST_TAG: model.digest, "mlflow.runName": f"{model.origin} of {model.name} {model.number}"},
    )
    run_id: str = run.info.run_id
    client.log_artifacts(run_id, str(folder_of(settings, model.digest)), MODEL)
    if model.scorecard is not None:
        client.log_dict(run_id, model.scorecard, SCORECARD)
    client.set_terminated(run_id)
    return run_id


def _follow(client: Any, store: Store) -> int:
    """Let the aliases say what the store says; how many had to be changed."""
    changed = 0
    rows = versions.versions(store)
    for name in sorted({row.name for row in rows}):
        numbers = {row.number: row.registry_version for row in rows if row.name == name}
        used = versions.in_use(store, [name])[name].number
        before = versions.previous(store, name)
        newest = max(numbers)
        wanted = {
            CHAMPION: numbers.get(used),
            PREVIOUS: numbers.get(before) if before is not None else None,
            CHALLENGER: numbers.get(newest) if newest != used else None,
        }
        told = client.get_registered_model(name).aliases
        for alias, number in wanted.items():
            if number is not None and str(told.get(alias)) != number:
                client.set_registered_model_alias(name, alias, number)
                changed += 1
            elif number is None and alias in told:
                client.delete_registered_model_alias(name, alias)
                changed += 1
    return changed


def _ensure_model(client: Any, model: TrainedModel) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(model.name, description=str(model.description.get("architecture", "")))


def _description(model: TrainedModel) -> str:
    return f"AstrID's version {model.number} of {model.name}, by {model.origin}"


def _run_of(client: Any, settings: Settings, tag: str, value: str) -> str | None:
    found = client.search_runs([_experiment(client, settings)], f"tags.`{tag}` = '{value}'", max_results=1)
    return found[0].info.run_id if found else None


def _experiment(client: Any, settings: Settings) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    place = settings.mlflow.artifacts or None
    if place is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        place = (settings.home / "mlflow" / "artifacts").as_uri()
    return str(client.create_experiment(EXPERIMENT, artifact_location=place))


@contextmanager
def _client(settings: Settings) -> Iterator[Any]:
    """MLflow's client; whatever it raises becomes one sentence."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if settings.mlflow.s3_endpoint:
        os.environ.setdefault("MLFLOW_S3_ENDPOINT_URL", settings.mlflow.s3_endpoint)
    if settings.mlflow.s3_region:
        os.environ.setdefault("AWS_DEFAULT_REGION", settings.mlflow.s3_region)
    uri = tracking_uri(settings)
    try:
        own_database(settings).parent.mkdir(parents=True, exist_ok=True)
        from mlflow import MlflowClient

        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except AstridError:
        raise
    except ImportError as error:
        raise TrackingUnavailable(f"MLflow cannot be used here: {one_line(error)}") from error
    except Exception as error:  # MLflow, SQLAlchemy, requests and boto3 each have their own
        told = _without_password(_cause(error), uri)
        raise TrackingUnavailable(
            f"MLflow at {_without_password(uri, uri)} could not be told: {told}"
        ) from error


def _cause(error: BaseException) -> str:
    """Why, in a line: a server that is away is told as such, without the client's inner calls."""
    said = str(error)
    if any(word in said for word in AWAY):
        return "it does not answer"
    return one_line(error)[:MOST_CAUSE]


@contextmanager
def _work(settings: Settings) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".fetch-") as work:
        yield Path(work)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str | int | float) else json.dumps(value)


def _without_password(text: str, uri: str) -> str:
    """A text that may name a URI, without what lets one in there."""
    user = urlsplit(uri).netloc.rpartition("@")[0]
    return text.replace(user, "***") if user else text
