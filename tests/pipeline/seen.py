"""Peaks of a frame joined with what the U-Net sees."""

from __future__ import annotations

from collections.abc import Sequence

from core.settings import Settings
from pipeline.detection import joined
from pipeline.detection.joined import Joined
from pipeline.detection.unet_look import Version, looking
from pipeline.frame import Aligned, Detection, Difference, Dropped, PreparedReference


def with_unet(
    detections: Sequence[Detection],
    dropped: Sequence[Dropped],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
    version: Version | None = None,
) -> Joined:
    """What a frame's stages make of its peaks."""
    with looking(difference, new, reference, settings, version) as look:
        return joined.with_unet(detections, dropped, difference, new, reference, settings, look)
