"""Masters of other numbers than the camera's, as programs write that save images from 0 to 1."""

from __future__ import annotations

from core.vocabulary import FrameKind
from pipeline.files.readout import combined_of
from pipeline.frame import FrameRefused, RawFrame

SCALED = "scaled to 1; save it in the camera's own numbers, as 16 or 32 bit integers, and ingest it again"


class ScaledPart(FrameRefused):
    """The part of a master is asked for that is scaled as a whole."""


def is_scaled(raw: RawFrame) -> bool:
    """Whether it is a master bias or dark of other numbers than the camera's."""
    if raw.exposure.kind is FrameKind.FLAT or combined_of(raw.header) == 1:
        return False
    return float(raw.data.max()) <= 1.0
