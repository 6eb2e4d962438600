"""What becomes of frames, found once for tests of what comes afterwards: in stores, runs and commands.

Not for tests of the science, nor of what happens while a frame is in hand.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.frames.outcome import FrameOutcome
from core.settings import Settings
from pipeline.calibration.masters import Masters
from pipeline.frame import PreparedReference
from pipeline.known.match import KnownSky
from pipeline.outcome_facts import KnownObject
from pipeline.process import process

# They decide where things are and what is done with them; the rest counts whether or not it changes anything.
UNSCIENTIFIC = {"home", "store", "queue", "review"}

Kept = dict[bytes, FrameOutcome]


def processed_once(kept: Kept) -> Callable[..., FrameOutcome]:
    """`process`, that finds again what it was given before: the same file, reference, objects and settings.

    What was refused or broke is so anew each time.
    """

    def once(
        path: Path,
        extension: int,
        reference: PreparedReference,
        masters: Masters | None,
        known_objects: Sequence[KnownObject],
        settings: Settings,
        begin_energy: object,
        models: Any,
        draw: object,
    ) -> FrameOutcome:
        given = (extension, replace(reference, caches={}), masters, known_objects, models, draw)
        told = settings.model_dump(mode="json", exclude=UNSCIENTIFIC), KnownSky.of(settings).state
        whole = pickle.dumps((path.name, path.read_bytes(), given, told))
        key = hashlib.sha256(whole).digest()
        if key in kept:
            return kept[key]
        outcome = process(
            path, extension, reference, masters, known_objects, settings, begin_energy, models, draw
        )
        if outcome.state == "done":
            kept[key] = outcome
        return outcome

    return once
