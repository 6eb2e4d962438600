"""One simulated frame, and all that its way through the pipeline needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from astropy.table import Table

from core.frames.outcome import FrameOutcome
from core.settings import Settings
from pipeline.calibration.masters import Masters
from pipeline.frame import PreparedReference
from pipeline.process import process


@dataclass(frozen=True)
class Case:
    """One simulated frame and all that its way needs."""

    path: Path
    truth: Table  # of this frame
    reference: PreparedReference
    masters: Masters | None
    settings: Settings

    def process(self, **changes: object) -> FrameOutcome:
        case = replace(self, **changes)
        return process(case.path, 0, case.reference, case.masters, [], case.settings)
