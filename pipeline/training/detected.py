"""What the product detects in a training field, and what each detection is.

Models learn of what they will be asked about: the peaks of the score and, where a U-Net takes part, what only
it sees, fainter than the threshold, and its streaks. It takes part unless the settings switch it off. Of what
only it sees they learn more than is shown: also what it is less sure of, for at 3.5 to 5 sigma peaks of noise
look like sources, and few of them are shown. The threshold is that of the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings
from pipeline.classify import unet
from pipeline.classify.classify import Models
from pipeline.classify.triplets import SIDE
from pipeline.classify.unet import LogOdds, UNet
from pipeline.classify.unet_input import frame_input
from pipeline.detection.detect import find_peaks, judge
from pipeline.detection.joined import join, only_seen_by_unet, opinion
from pipeline.detection.unet_objects import point_objects
from pipeline.frame import Detection, Dropped, FrameRefused
from pipeline.training.events import Event
from pipeline.training.fields import VERSION, TrainingField, nature, told_by

MOST_OF_STREAK = 4  # detections along one trail that are kept
WEAK = "weak where its flux peaks"  # it is no detection at its own place
DOUBT = 6.0  # log-odds that the U-Net may be short of what it proposes
DOUBTED = "doubted by the U-Net"


@dataclass(frozen=True, slots=True)
class Peak:
    """A detection, and why the pipeline's cuts would drop it."""

    x: float
    y: float
    cut: str


Told = tuple[Peak, str, Event | None]  # a detection, what it is, and the event that it is


@dataclass(frozen=True, slots=True)
class Seen:
    """A U-Net and its maps of a field."""

    network: UNet
    maps: LogOdds

    @classmethod
    def by(cls, network: UNet, found: TrainingField) -> Self:
        """What a U-Net sees in a field."""
        return cls(network, network.log_odds(frame_input(found.difference, found.new, found.reference)))

    def log_odds_at(self, found: TrainingField, told: list[Told]) -> NDArray[np.float64]:
        """Its calibrated log-odds of each detection: (n,)."""
        x, y = (np.array([getattr(peak, axis) for peak, _, _ in told]) for axis in "xy")
        raw = opinion(self.maps, x, y, max(found.difference.psf.fwhm, 1.5))
        return self.network.calibration.slope * raw + self.network.calibration.offset


def taking_part(settings: Settings, models: Models) -> UNet | None:
    """The U-Net that takes part in the detection: of the models in use; none where the settings want none.

    Raises
    ------
    ModelRefused
        Its files are not what they were when it was made.
    """
    return unet.in_use(models) if settings.detect.unet else None


def kept_as(network: str | None, settings: Settings | None = None) -> str:
    """What the names of files begin with that keep what was detected in fields, with a U-Net or without.

    Parameters
    ----------
    network : str or None
        Digest of the U-Net; none where none took part.
    settings : Settings, optional
        Those that the fields follow; by default as AstrID comes.
    """
    other = told_by(settings)
    return f"seen-{VERSION}-{'none' if network is None else network[:12]}-{f'{other}-' if other else ''}"


def detections_of(found: TrainingField, seen: Seen | None = None) -> list[Told]:
    """What the product detects in one training field, with what each detection is.

    Parameters
    ----------
    found : TrainingField
    seen : Seen, optional
        The U-Net that takes part; none where none does.
    """
    difference, new, reference, settings = found.difference, found.new, found.reference, found.settings
    try:
        x, y = find_peaks(difference.score, settings.detect.threshold)
    except FrameRefused:
        return []
    detections, dropped = judge(difference, x, y, new, reference, settings)
    doubted: list[Detection] = []
    if seen is not None:
        joined = join(detections, dropped, seen.maps, seen.network, difference, new, reference, settings)
        detections, dropped = joined.detections, joined.dropped
        doubted = _doubted(found, seen, [*detections, *dropped])
    peaks = [Peak(each.x, each.y, "") for each in detections]
    peaks += [Peak(each.x, each.y, each.cause) for each in dropped if each.cause != WEAK]
    peaks += [Peak(each.x, each.y, DOUBTED) for each in doubted]
    return _few_of_streaks([(peak, *nature(found, peak.x, peak.y)) for peak in peaks])


def _doubted(found: TrainingField, seen: Seen, others: Sequence[Detection | Dropped]) -> list[Detection]:
    """What the U-Net alone sees, away from all others, and is not sure enough of to propose."""
    difference = found.difference
    least = seen.network.point_threshold - DOUBT
    points = point_objects(seen.maps, difference.mask != 0, least)
    more, _ = only_seen_by_unet(points, others, difference, found.new, found.reference, found.settings)
    return more


def _few_of_streaks(told: list[Told]) -> list[Told]:
    """Without more than a few along one trail, and without moving objects whose trails no cutout shows an end
    of: nothing in it tells them from satellites, which are bogus.
    """
    kept, seen = [], dict[str, int]()
    for row in told:
        event = row[2]
        if event is not None and event.is_streak:
            if event.kind == "trail" and event.length > SIDE:
                continue
            seen[event.group] = seen.get(event.group, 0) + 1
            if seen[event.group] > MOST_OF_STREAK:
                continue
        kept.append(row)
    return kept
