"""Trainings as their folders tell of them: what was asked, how far each is, what came of it.

A training is a process that may outlive the console, and what it writes is small files in
``home/trainings/KEY``: ``training.json``, and ``curve.jsonl`` with a line for each step. So its curves can
be watched without a server, and nothing of it is lost when one is away.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import AstridError
from core.operations.processes import is_gone

FACTS = "training.json"
CURVE = "curve.jsonl"
SCORECARD = "scorecard.json"
MODEL = "model"
CHECKPOINT = "checkpoint.safetensors"  # of what can go on; of a U-Net it is elsewhere
LABELLED = "labelled.npz"  # what it learns from of reviewers, as it was when it began
PUBLISHED = "published.json"  # what the registry calls it, once it is there, and of which state it was told
MOST_FACTS = 1_000_000  # bytes
MOST_CURVE = 4_000_000  # bytes, the newest
RUNNING = "running"
FAILED = "failed"
LOST = "lost"


class TrainingRefused(AstridError):
    """What was asked of a training cannot be done."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training. Text in it is as it came.

    Attributes
    ----------
    state : str
        ``running``, ``done``, ``stopped``, ``failed``; ``lost`` where its process is no more.
    parameters : mapping
        By which it can be done again: seed, sizes, digests of data and code.
    started_at : float
        When it was begun, or last gone on with.
    earlier_s : float
        How long it had been at work before it was gone on with.
    ended_at : float, optional
        Of one that is lost when it last wrote something.
    energy_j : float, optional
        Of all its time, where all of that was measured.
    registry : str, optional
        The registry that was told of it as it is now; none where it went on since, or none was told.
    """

    key: str
    name: str
    state: str
    folder: Path
    started_at: float
    ended_at: float | None = None
    reason: str | None = None
    pid: int = 0
    mark: str | None = None
    host: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)  # those that are numbers
    digest: str | None = None
    energy_j: float | None = None
    earlier_s: float = 0.0
    registry: str | None = None

    @property
    def is_published(self) -> bool:
        """Whether a registry was told of it as it is now."""
        return self.registry is not None

    def seconds(self, now: float) -> float:
        """How long it was at work until now (Unix seconds), with what came before it was gone on with."""
        return self.earlier_s + max((self.ended_at or now) - self.started_at, 0.0)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        names = ("key", "name", "state", "started_at", "ended_at", "reason", "host", "digest", "energy_j")
        facts = {name: getattr(self, name) for name in names}
        return {
            **facts,
            "seconds": self.seconds(time.time()),
            "parameters": dict(self.parameters),
            "metrics": dict(self.metrics),
            "is_published": self.is_published,
            "folder": str(self.folder),
        }


def folder_of(home: Path) -> Path:
    """Where trainings are kept."""
    return home / "trainings"


def trainings(home: Path, limit: int = 50) -> list[Training]:
    """The newest trainings, that begun or gone on with last the first. What cannot be read is left out."""
    try:
        found = [read(each) for each in folder_of(home).iterdir()]
    except OSError:
        return []
    begun = sorted((each for each in found if each is not None), key=lambda each: (each.started_at, each.key))
    return begun[::-1][:limit]


def read(folder: Path) -> Training | None:
    """One training; none where its folder holds nothing that can be understood."""
    facts = _json(folder / FACTS)
    started_at = _number(facts.get("started_at")) if isinstance(facts, dict) else None
    if started_at is None:
        return None
    try:
        training = Training(
            key=folder.name,
            name=str(facts["name"]),
            state=str(facts["state"]),
            folder=folder,
            started_at=started_at,
            ended_at=_number(facts.get("ended_at")),
            reason=_text(facts.get("reason")),
            pid=int(facts.get("pid") or 0),
            mark=_text(facts.get("mark")),
            host=str(facts.get("host") or ""),
            parameters=dict(facts.get("parameters") or {}),
            metrics=_numbers(facts.get("metrics")),
            digest=_text(facts.get("digest")),
            energy_j=_number(facts.get("energy_j")),
            earlier_s=_number(facts.get("earlier_s")) or 0.0,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if (
        training.state == RUNNING
        and training.host == os.uname().nodename
        and is_gone(training.pid, training.mark, time.time() - _heard_at(training))
    ):
        training = _lost(training)
    return replace(training, registry=_registry(training))


def _heard_at(training: Training) -> float:
    """When it last wrote something; who tells a registry of it is another."""
    written = [training.started_at]
    with suppress(OSError):
        written += [each.stat().st_mtime for each in training.folder.iterdir() if each.name != PUBLISHED]
    return max(written)


def curve(training: Training) -> dict[str, list[tuple[float, float]]]:
    """What was measured at each step: by name, pairs of step and value."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in _lines(training.folder / CURVE):
        if (step := _number(line.get("step"))) is not None:
            for name, value in _numbers(line.get("metrics")).items():
                found.setdefault(name, []).append((step, value))
    return found


def scorecard(training: Training) -> dict[str, Any] | None:
    """What its model is worth, by the fields that it was judged on; none where it was not judged."""
    found = _json(training.folder / SCORECARD)
    return found if isinstance(found, dict) else None


def stop(training: Training) -> None:
    """Ask a training to stop at its next step; `goes_on` says what is kept.

    Raises
    ------
    TrainingRefused
        It is not at work, or not on this machine.
    """
    if training.state != RUNNING:
        raise TrainingRefused(f"training {training.key} is not at work: it is {training.state}")
    if training.host != os.uname().nodename:
        raise TrainingRefused(f"training {training.key} is at work on {training.host}; stop it there")
    try:
        os.kill(training.pid, signal.SIGTERM)
    except OSError as error:
        raise TrainingRefused(f"training {training.key} cannot be stopped: {error.strerror}") from None


def goes_on(training: Training) -> str:
    """How a training that ended early goes on, in words."""
    if training.name == "unet":
        return "the same command goes on from what it kept"
    learns = training.name == "realbogus" and "start" not in training.parameters
    if learns and (training.state == RUNNING or (training.folder / CHECKPOINT).exists()):
        return "the same command with `--resume` goes on from what it kept"
    return "the same command begins anew, with the simulated fields that are there"


def _registry(training: Training) -> str | None:
    """Which registry was told of it as it is now; of one that went on since, the end is still to be told."""
    told = _json(training.folder / PUBLISHED)
    now = {"state": training.state, "started_at": training.started_at, "ended_at": training.ended_at}
    if not isinstance(told, dict) or {name: told.get(name) for name in now} != now:
        return None
    return _text(told.get("tracking_uri"))


def _lost(training: Training) -> Training:
    lost = replace(training, state=LOST, ended_at=_heard_at(training))
    return replace(lost, reason=f"its process is no more; {goes_on(lost)}")


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_FACTS:
            return None
        return json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError):
        return None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line; a line that is being written is left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - MOST_CURVE, 0))
            content = file.read()
    except OSError:
        return
    for line in content.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _numbers(values: object) -> dict[str, float]:
    """Those of some values that are numbers: what is not finite is written as null."""
    found = {str(name): _number(each) for name, each in values.items()} if isinstance(values, dict) else {}
    return {name: each for name, each in found.items() if each is not None}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
