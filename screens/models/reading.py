"""What the models screen reads and starts. Blocks."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.database.store import Store
from core.database.tables import TrainedModel
from core.login import login_name
from core.models import files, members, trainings, versions
from core.models.names import ODD_BY
from core.models.overview import ModelRow, overview
from core.models.registry import Registry, read_registry
from core.models.shipped import judged as said_by_second
from core.models.shipped import kept_scorecard, shipped
from core.models.trainings import Training, TrainingRefused
from core.models.versions import ModelUnknown
from core.models.worth import judged_rows
from core.operations import processes
from core.operations.launch import spawn_astrid
from core.review.judged import Judged, judged
from core.settings import Settings

if TYPE_CHECKING:
    from screens.frame.opened import Opened

MOST_TRAININGS = 50
MOST_LOG = 100_000  # bytes
LISTED_WITHIN_S = 30.0
LOOK_S = 0.2
FAILED = "failed"
# What a training of each model may be started with; both outlier detectors are fitted by one.
OPTIONS = {
    "realbogus": (
        *("minutes", "steps", "seed", "examples", "fields", "from", "layers"),
        *("start", "rate", "last-rate", "average"),
    ),
    "tree": ("seed", "examples", "fields"),
    "unet": ("steps", "seed", "fields"),
    "outliers": ("seed", "examples", "fields"),
    "ensemble": ("seed", "fields"),
}
SAME = dict.fromkeys(ODD_BY, "outliers")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read. ``curve`` is of the chosen training: by name, pairs of step and value."""

    registry: Registry
    judged: Judged
    models: tuple[ModelRow, ...] = ()
    trainings: tuple[Training, ...] = ()
    curve: Mapping[str, Sequence[tuple[float, float]]] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A training that was started; ``key`` is none where it is not listed yet."""

    name: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """All that is known of one version, and the one in use beside it."""

    name: str
    number: int
    champion: int
    facts: Mapping[str, Any]
    scorecard: Mapping[str, Any] | None
    champion_scorecard: Mapping[str, Any] | None
    judged: Sequence[tuple[str, str]] = ()  # by the second generator


def read(settings: Settings, known: Answer | None, training: str | None, store: Store) -> Answer:
    """Read it.

    Parameters
    ----------
    known : Answer or None
        The answer before: a registry that was not written to is not read again.
    training : str or None
        The key of the chosen one: none is the newest.

    Raises
    ------
    StoreError
    """
    found = tuple(trainings.trainings(settings.home, MOST_TRAININGS))
    chosen = next((each for each in found if each.key == training), found[0] if found else None)
    return Answer(
        read_registry(settings, known.registry if known else None),
        judged(store),
        overview(store, settings.home),
        found,
        trainings.curve(chosen) if chosen else None,
    )


def read_card(model: ModelRow, number: int, store: Store, settings: Settings) -> Card:
    """Everything about one version.

    Raises
    ------
    ModelUnknown, ShippedModelMissing, StoreError
    """
    kept_as: str | None = None
    if number == versions.SHIPPED:
        came = shipped(model.name)
        facts: dict[str, Any] = {"digest": came.digest, "origin": "came with AstrID"}
        description, scorecard = came.description, kept_scorecard(settings.home, came.digest)
        scorecard = scorecard or _trained(description).get("scorecard")
    else:
        row = versions.version(store, model.name, number)
        kept_as = row.digest
        facts = {
            "digest": row.digest,
            "origin": row.origin,
            "by": row.created_by,
            "training": row.training or "none of ours",
            "registry": f"version {row.registry_version}" if row.registry_version else "not told yet",
        }
        description, scorecard = row.description, row.scorecard
    damage = files.trouble(settings.home, model.name, kept_as)
    if damage is not None:
        facts = {"damage": damage, **facts}
    facts |= {"architecture": description.get("architecture", ""), **_trained(description)}
    if model.in_use:
        champion = versions.version(store, model.name, model.in_use).scorecard
    else:
        champion = kept_scorecard(settings.home, shipped(model.name).digest)
    return Card(
        name=model.name,
        number=number,
        champion=model.in_use,
        facts=facts,
        scorecard=scorecard if isinstance(scorecard, dict) else None,
        champion_scorecard=champion,
        judged=judged_rows(said_by_second(model.name, str(facts["digest"]))),
    )


def _trained(description: Mapping[str, Any]) -> dict[str, Any]:
    found = description.get("trained")
    return found if isinstance(found, dict) else {}


def start(words: str, opened: Opened, wait_s: float = LISTED_WITHIN_S) -> Started:
    """Start a training as a process of its own, and wait until it is listed, which takes seconds.

    Parameters
    ----------
    words : str
        The model, then options such as ``minutes=10``.
    wait_s : float
        A training that is slower on its way is listed later.

    Raises
    ------
    TrainingRefused
        It ended before it was at work; the message is the reason, or the last line that it said.
    """
    name, options = command_of(words)
    log = opened.settings.home / "logs" / f"training-{name}.log"
    said_before = _size(log)
    try:
        pid = spawn_astrid(["models", "train", name, *options, "--json"], log, opened.settings_path)
    except OSError as error:
        raise TrainingRefused(f"it could not be started: {error.strerror or error}") from None
    until = time.monotonic() + wait_s
    while True:
        is_alive = processes.is_alive(pid)  # asked first: it may be listed and end between two questions
        newest = trainings.trainings(opened.settings.home, MOST_TRAININGS)
        listed = next((each for each in newest if each.pid == pid), None)
        if listed is not None and listed.state == FAILED:
            raise TrainingRefused(f"the training of {name} failed: {listed.reason}")
        if listed is not None:
            return Started(name, listed.key)
        if not is_alive:
            raise TrainingRefused(f"the training of {name} ended at once: {_last_line(log, said_before)}")
        if time.monotonic() > until:
            return Started(name, None)
        time.sleep(LOOK_S)


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _last_line(log: Path, first: int) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(first)
            lines = stream.read(MOST_LOG).decode("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1].removeprefix("astrid: ") if lines else f"it said nothing; see {log}"


def command_of(words: str) -> tuple[str, list[str]]:
    """The model and the options of ``realbogus minutes=10``.

    Raises
    ------
    TrainingRefused
    """
    try:
        name, *options = shlex.split(words) or [""]
    except ValueError as error:
        raise TrainingRefused(f"{words!r} cannot be understood: {error}") from None
    name = SAME.get(name, name)
    if name not in OPTIONS:
        raise TrainingRefused(f"there is no model {name!r}; there are {', '.join(OPTIONS)}")
    allowed = OPTIONS[name]
    told: list[str] = []
    for option in options:
        key, equals, value = option.partition("=")
        if key not in allowed or not equals or not value or value.startswith("-"):
            raise TrainingRefused(f"{option!r} is no option; there are {', '.join(f'{o}=' for o in allowed)}")
        told += [f"--{key}", value]
    return name, told


def promote(name: str, number: int, opened: Opened) -> str:
    """Let a version be used from the next frame on, and have MLflow told.

    Raises
    ------
    ModelUnknown
        There is no such version, or its files are not what was kept.
    StoreError
    """
    store = opened.store
    if number != versions.SHIPPED:
        _refuse_damaged(versions.version(store, name, number), opened.settings)
    row = versions.promote(store, name, number, by=login_name())
    told = f"version {row.number} of {name} is in use from the next frame on; it was {row.previous}"
    _have_mlflow_told(opened)
    return _with_remarks(told, name, store)


def _refuse_damaged(row: TrainedModel, settings: Settings) -> None:
    trouble = files.trouble(settings.home, row.name, row.digest)
    if trouble is None:
        return
    hint = ""
    if row.registry_run is not None:
        hint = f"; `astrid models promote {row.name} {row.number}` brings its files from the registry"
    raise ModelUnknown(f"version {row.number} of {row.name} cannot be used: {trouble}{hint}")


def rollback(name: str, opened: Opened) -> str:
    """Go back to the version that was in use before, and have MLflow told.

    Raises
    ------
    ModelUnknown, StoreError
    """
    store = opened.store
    before = versions.previous(store, name)
    if before is not None and before != versions.SHIPPED:
        _refuse_damaged(versions.version(store, name, before), opened.settings)
    row = versions.rollback(store, name, by=login_name())
    told = f"version {row.number} of {name} is in use again from the next frame on; it was {row.previous}"
    _have_mlflow_told(opened)
    return _with_remarks(told, name, store)


def _with_remarks(told: str, name: str, store: Store) -> str:
    return ". ".join(filter(None, (told, members.kept_scores(name), members.remark(store))))


def _have_mlflow_told(opened: Opened) -> None:
    """By a process of its own: MLflow's client takes seconds to come up, and its server may be away."""
    with suppress(OSError):  # the next change or training tells it
        spawn_astrid(["models", "sync"], opened.settings.home / "logs" / "mlflow.log", opened.settings_path)
