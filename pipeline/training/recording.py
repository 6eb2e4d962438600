"""A training writes down what it does, in small files that outlive it.

The folder is `core.models.trainings`'s: the console watches it, and `pipeline.training.tracking` tells
MLflow what is in it, whenever MLflow is there.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.database.storable import storable
from core.errors import AstridError
from core.models.trainings import CURVE, FACTS, FAILED, MODEL, RUNNING, SCORECARD, folder_of, goes_on, read
from core.no_room import no_room
from core.operations.processes import mark_of
from core.settings import Settings
from core.unfinished import unfinished
from pipeline.clock import one_line
from pipeline.energy.meter import EnergyMeter
from pipeline.training.code import code_sha256

STOPPED = "stopped"
DONE = "done"


class Recording:
    """One training while it runs.

    Leaving it by an exception makes it ``failed`` with one line of it as the reason, by a keyboard
    interrupt ``stopped``; else it is ``done``, or ``stopped`` where `stopped` was called. Where there was no
    room for a file, an `AstridError` says which and what to do, be there room for the record of that or not.

    Parameters
    ----------
    settings : Settings
    name : str
        Of the model, such as ``realbogus``.
    parameters : mapping
        By which it can be done again: seed, sizes, SHA-256 of examples; that of the code is added.
    key : str, optional
        The training that this one goes on with.
    """

    def __init__(
        self, settings: Settings, name: str, parameters: Mapping[str, Any], key: str | None = None
    ) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        self.key = key or f"{stamp}-{re.sub('[^a-z0-9_]', '', name)}-{secrets.token_hex(3)}"
        self.folder = folder_of(settings.home) / self.key
        before = None if key is None else read(self.folder)
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._curve = (self.folder / CURVE).open("a", encoding="utf-8")
        self._meter = EnergyMeter.of_this_machine(settings.power)
        self._facts: dict[str, Any] = {
            "name": name,
            "state": RUNNING,
            "started_at": time.time(),
            "pid": os.getpid(),
            "mark": mark_of(os.getpid()),
            "host": os.uname().nodename,
            "earlier_s": 0.0 if before is None else before.seconds(time.time()),
            "parameters": {**parameters, "code_sha256": code_sha256()},
        }
        self._earlier_j = 0.0 if before is None else before.energy_j
        self._reason: str | None = None

    @property
    def model(self) -> Path:
        """Where the model's folder goes."""
        return self.folder / MODEL

    def __enter__(self) -> Self:
        self._energy = self._meter.begin()
        with self._told():
            self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        refused = self._without_room(error)
        with suppress(OSError):  # of what cannot be written `step` told
            self._curve.close()
        if isinstance(error, KeyboardInterrupt):
            self._reason = "interrupted"
        elif error is not None:
            why = refused or error
            reason = str(why) if isinstance(why, AstridError) else one_line(error)
            self._facts |= {"state": FAILED, "reason": reason}
        if error is None or isinstance(error, KeyboardInterrupt):
            self._facts |= {"state": STOPPED if self._reason else DONE, "reason": self._reason}
        self._facts |= {"ended_at": time.time(), "energy_j": self._all_energy()}
        with self._told() if error is None else suppress(OSError):  # what went wrong first is what is told
            self._write()
        if refused is not None:
            raise refused from error

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note what was measured at a step; it is on disk when this returns."""
        line = json.dumps({"step": step, "at": time.time(), "metrics": storable(dict(metrics))})
        self._curve.write(line + "\n")
        self._curve.flush()

    def know(self, **parameters: Any) -> None:
        """Note parameters that are known only now, such as the digest of examples that were made."""
        self._facts["parameters"] |= parameters
        self._write()

    def stopped(self, reason: str) -> None:
        """Say that it ends before it is done, and can go on later."""
        self._reason = reason

    def finish(self, digest: str, metrics: Mapping[str, float], scorecard: Mapping[str, Any] | None) -> None:
        """Note what came of it: the digest of its model and what that is worth."""
        self._facts |= {"digest": digest, "metrics": storable(dict(metrics))}
        if scorecard is not None:
            write_json(self.folder / SCORECARD, storable(dict(scorecard)))

    def _all_energy(self) -> float | None:
        """Joules, with those before it was gone on with; none where of either nobody knows."""
        now = self._energy()
        return None if now is None or self._earlier_j is None else self._earlier_j + now

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in a sentence that there was no room for a file."""
        try:
            yield
        except OSError as error:
            if (refused := self._without_room(error)) is None:
                raise
            raise refused from error

    def _without_room(self, error: BaseException | None) -> AstridError | None:
        """What is told where there was no room for a file."""
        if not isinstance(error, OSError) or (why := no_room(error)) is None:
            return None
        begun = read(self.folder)
        then = "give the command again" if begun is None else goes_on(replace(begun, state=FAILED))
        return AstridError(f"the training cannot write {error.filename or self.folder}: {why}, then {then}")

    def _write(self) -> None:
        write_json(self.folder / FACTS, storable(self._facts))


def write_json(path: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    with unfinished(path) as part:
        part.write_text(json.dumps(value, indent=1), encoding="utf-8")
