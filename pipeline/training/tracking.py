"""What MLflow is told: every training as a run, every version of a model, and the aliases.

MLflow is told afterwards, from the folder of a training and from the store, so that a server that is
away costs nothing but the delay: what it does not know yet is told by the next `sync`, and another server
is told all. Telling is idempotent: a run carries the training's key, a version its digest. Only raw files
are logged, and none of them is ever loaded by MLflow. Importing this does not import MLflow; calling it
does, and that takes seconds.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from core.database.store import Store
from core.database.tables import TrainedModel
from core.models import versions
from core.models.registry import CHAMPION, own_database
from core.models.trainings import MODEL, RUNNING, trainings
from core.settings import Settings
from core.unfinished import folder_for
from pipeline.classify import model_file
from pipeline.training.keeping import copy_in, folder_of
from pipeline.training.mlflow_client import TrackingUnavailable, client, place
from pipeline.training.mlflow_runs import DIGEST_TAG, publish, with_files

NUMBER_TAG = "astrid.version"
CHALLENGER = "challenger"
PREVIOUS = "previous"
TURN_S = 60.0  # that is waited for another command
LOOK_S = 0.2
Held = dict[str, dict[str, tuple[str, str]]]  # the registry's number and run, by name and digest


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


def sync(store: Store, settings: Settings, report: Callable[[str], None] | None = None) -> Told:
    """Tell MLflow all that it does not know yet, one process at a time: of two at once each would make runs.

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
    lacking: list[str] = []
    trouble = None
    try:
        with _alone(settings), client(settings) as mlflow:
            for training in reversed(trainings(settings.home, limit=10_000)):
                if training.state != RUNNING and training.registry != place(settings):
                    tell(f"training {training.key}")
                    publish(mlflow, settings, training)
                    counts["trainings"] += 1
            rows = versions.versions(store)
            held = _held(mlflow, rows)
            for model in reversed(rows):
                if held[model.name].get(model.digest) != (model.registry_version, model.registry_run):
                    what = f"version {model.number} of {model.name}"
                    tell(what)
                    if _register(mlflow, store, settings, model, held[model.name]):
                        counts["versions"] += 1
                    else:
                        lacking.append(what)
            counts["aliases"] = _follow(mlflow, store, held)
    except TrackingUnavailable as error:
        trouble = str(error)
    if trouble is None and lacking:
        trouble = (
            f"MLflow at {place(settings)} was not told of {', '.join(lacking)}: the files are not on this "
            "machine; tell it where they are"
        )
    return Told(counts["trainings"], counts["versions"], counts["aliases"], trouble)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """No other process of this home tells MLflow; the kernel holds the lock, so that none stays behind."""
    path = own_database(settings).with_name("sync.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except OSError as error:
        raise TrackingUnavailable(f"MLflow could not be told: {path}: {error.strerror or error}") from None
    with file:
        yield


def _locked(path: Path) -> TextIO:
    file = path.open("w")
    try:
        is_ours = _comes_to_its_turn(file)
    except OSError:  # some file systems have no locks
        file.close()
        raise
    if is_ours:
        return file
    file.close()
    raise TrackingUnavailable(
        f"MLflow could not be told: another command is telling it for over {TURN_S:g} s"
    )


def _comes_to_its_turn(file: TextIO) -> bool:
    until = time.monotonic() + TURN_S
    while time.monotonic() < until:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_S)
        else:
            return True
    return False


def fetch(store: Store, settings: Settings, name: str, number: int) -> Path:
    """The folder of a version's files, verified; brought from the registry where they are not whole here.

    Raises
    ------
    ModelUnknown
    TrackingUnavailable
    ModelRefused
        They are damaged and not in the registry, or what came is not what was registered.
    """
    model = versions.version(store, name, number)
    kept = folder_of(settings, model.digest)
    files = f"the files of version {number} of {name}"
    if kept.is_dir():
        try:
            model_file.read(kept, model.digest)
        except model_file.ModelRefused as refused:
            if model.registry_run is None:
                raise model_file.ModelRefused(
                    f"version {number} of {name} cannot be used: {refused}"
                ) from None
            files = f"{files}, which are damaged here"
        else:
            return kept
    if model.registry_run is None:
        raise TrackingUnavailable(f"{files} are neither in {kept} nor in the registry")
    with client(settings, f"could not give {files}") as mlflow, folder_for("fetch", settings.home) as work:
        found = Path(mlflow.download_artifacts(model.registry_run, MODEL, str(work)))
        return copy_in(settings, found, model.digest)


def _held(mlflow: Any, rows: Sequence[TrainedModel]) -> Held:
    """What the registry holds: it is asked, as it may be another one than the store knows of."""
    held: Held = {}
    for name in {row.name for row in rows}:
        found = mlflow.search_model_versions(f"name = '{name}'")
        held[name] = {each.tags.get(DIGEST_TAG, ""): (str(each.version), str(each.run_id)) for each in found}
    return held


def _register(
    mlflow: Any,
    store: Store,
    settings: Settings,
    model: TrainedModel,
    held: dict[str, tuple[str, str]],
) -> bool:
    """A version of a model, with the run it came from; False where its files are not to be had."""
    if model.digest not in held:
        run_id = with_files(mlflow, settings, model)
        if run_id is None:
            return False
        _ensure_model(mlflow, model)
        made = mlflow.create_model_version(
            model.name,
            f"{mlflow.get_run(run_id).info.artifact_uri}/{MODEL}",
            run_id,
            tags={DIGEST_TAG: model.digest, NUMBER_TAG: str(model.number), "astrid.origin": model.origin},
            description=f"AstrID's version {model.number} of {model.name}, by {model.origin}",
        )
        held[model.digest] = str(made.version), run_id
    number, run_id = held[model.digest]
    versions.registered(store, model.id or 0, run_id, number)
    return True


def _follow(mlflow: Any, store: Store, held: Held) -> int:
    """Let the aliases say what the store says; how many had to be changed."""
    changed = 0
    rows = versions.versions(store)
    for name in sorted({row.name for row in rows}):
        known = held.get(name, {})
        if not known:
            continue
        numbers = {row.number: known.get(row.digest, (None,))[0] for row in rows if row.name == name}
        used = versions.in_use(store, [name])[name].number
        before = versions.previous(store, name)
        newest = max(numbers)
        wanted = {
            CHAMPION: numbers.get(used),
            PREVIOUS: numbers.get(before) if before is not None else None,
            CHALLENGER: numbers.get(newest) if newest != used else None,
        }
        aliases = mlflow.get_registered_model(name).aliases
        for alias, number in wanted.items():
            if number is not None and str(aliases.get(alias)) != number:
                mlflow.set_registered_model_alias(name, alias, number)
                changed += 1
            elif number is None and alias in aliases:
                mlflow.delete_registered_model_alias(name, alias)
                changed += 1
    return changed


def _ensure_model(mlflow: Any, model: TrainedModel) -> None:
    from mlflow.exceptions import MlflowException

    try:
        mlflow.get_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        mlflow.create_registered_model(model.name, description=str(model.description.get("architecture", "")))
