"""Fields of the training's own generator that no training has seen: the other side of the gap."""

from __future__ import annotations

from pathlib import Path

from pipeline.classify.unet import shipped
from pipeline.training.scored_fields import Scored, make
from pipeline.training.seeds import OWN_KIND

FIELD_PX = 512


def of_fields(folder: Path, count: int) -> Scored:
    """What is detected in so many fields, each with the truth and the U-Net's log-odds."""
    return make(folder, OWN_KIND[:count], FIELD_PX, shipped())
