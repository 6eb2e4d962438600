"""Models that may be used: their files by digest in AstrID's home, their versions in the store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.database.store import Store
from core.database.tables import TrainedModel
from core.errors import AstridError
from core.login import login_name
from core.models import files, versions
from core.models.trainings import MODEL, Training, TrainingRefused, scorecard, trainings
from core.no_room import no_room
from core.settings import Settings
from core.unfinished import folder_for, sync
from pipeline.classify import model_file
from pipeline.training.recording import DONE


def folder_of(settings: Settings, digest: str) -> Path:
    """Where the files of a model are kept."""
    return files.folder_of(settings.home, digest)


def keep(
    store: Store,
    settings: Settings,
    folder: Path,
    *,
    origin: str,
    training: str | None = None,
    scorecard: Mapping[str, Any] | None = None,
) -> TrainedModel:
    """Make a model's files AstrID's own, and a version of them; the same files again are the same version.

    Raises
    ------
    ModelRefused
        The files are damaged or dangerous.
    StoreError
    """
    model = model_file.read(folder)
    copy_in(settings, folder, model.digest)
    return versions.add(
        store,
        name=model.description.kind,
        digest=model.digest,
        origin=origin,
        created_by=f"{login_name()}@{os.uname().nodename}",
        description=model.description.model_dump(mode="json"),
        training=training,
        scorecard=scorecard,
    )


def keep_trained(store: Store, settings: Settings, training: Training) -> TrainedModel:
    """Make what a training made a version.

    Raises
    ------
    TrainingRefused
        It made nothing.
    ModelRefused, StoreError
    """
    if training.state != DONE or not (training.folder / MODEL).is_dir():
        raise TrainingRefused(f"training {training.key} made no model: it is {training.state}")
    return keep(
        store,
        settings,
        training.folder / MODEL,
        origin="training",
        training=training.key,
        scorecard=scorecard(training),
    )


def adopt(store: Store, settings: Settings, report: Callable[[str], None]) -> list[TrainedModel]:
    """Make versions of the trainings whose models are none yet, as where the store was away at their end.

    Parameters
    ----------
    report : callable
        Told of each, and why one cannot be a version, in words.

    Raises
    ------
    StoreError
    """
    known = {row.digest for row in versions.versions(store)}
    adopted: list[TrainedModel] = []
    for training in reversed(trainings(settings.home, limit=10_000)):
        is_orphan = training.state == DONE and training.digest not in known
        if training.digest is None or not is_orphan or not (training.folder / MODEL).is_dir():
            continue
        try:
            model = keep_trained(store, settings, training)
        except model_file.ModelRefused as refused:
            report(f"training {training.key} cannot be a version: {refused}")
            continue
        report(f"training {training.key} is version {model.number} of {model.name} now")
        known.add(model.digest)
        adopted.append(model)
    return adopted


def copy_in(settings: Settings, folder: Path, digest: str) -> Path:
    """Copy a model's files to where models are kept, whole or not at all, and verify the copy.

    What lies there and is damaged is replaced.
    """
    place = folder_of(settings, digest)
    if _is_whole(place, digest):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with folder_for("copy", place.parent) as work:
        whole = work / digest
        whole.mkdir()
        for name in (model_file.DESCRIPTION, model_file.WEIGHTS, model_file.NETWORK):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, whole / name)
                sync(whole / name)  # before the store names it
        model_file.read(whole, digest)
        try:
            whole.rename(place)
        except OSError:  # if there is something, another process was quicker, or it is damaged
            if not os.path.lexists(place):
                raise
            if not _is_whole(place, digest):
                place.rename(work / "damaged")
                whole.rename(place)
    return place


def copy_out(model: Path, digest: str, folder: Path) -> None:
    """Copy the model that a training made, whole or not at all.

    Raises
    ------
    AstridError
        The folder is there already, or cannot be written; or the model is damaged.
    """
    if folder.exists():
        raise AstridError(f"{folder} is there already")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
            copy = Path(work) / MODEL
            copy.mkdir()
            for each in sorted(model.iterdir()):
                shutil.copyfile(each, copy / each.name)
            model_file.read(copy, digest)
            copy.rename(folder)
    except OSError as error:
        raise AstridError(
            f"the model cannot be written to {folder}: {no_room(error) or error.strerror or error}; it is in"
            f" {model}, and `astrid models sync` makes it a version"
        ) from None


def _is_whole(place: Path, digest: str) -> bool:
    try:
        model_file.read(place, digest)
    except model_file.ModelRefused:
        return False
    return True
