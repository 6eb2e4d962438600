"""What the story of a place in a frame is made of: the facts it is told from, its steps, and how it ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from core.database.tables import Difference, Observation, StageRun
from core.places.block_scores import BlockScores


class Fate(StrEnum):
    """How the story of a place in a frame ends."""

    CANDIDATE = "candidate"
    DROPPED = "dropped"  # detected, then dropped by a cut
    BLENDED = "blended"  # significant, but it belongs to a detection beside it
    BELOW = "below threshold"
    MASKED = "masked"
    UNCOVERED = "not covered"
    REJECTED = "rejected"  # the whole frame
    UNPROCESSED = "unprocessed"
    UNRECORDED = "not recorded"  # processed before anything was kept of the places without detections


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked of the place, in the order of the stages.

    ``cause`` is ``passed``, or why the story ends here; ``value`` is what was measured and ``limit``
    what was needed, in the unit of the sentence ``text``.
    """

    stage: str
    cause: str
    text: str
    value: float | None = None
    limit: float | None = None

    @property
    def margin(self) -> float | None:
        """The value less its limit; of a signed significance, how far its size is above the threshold."""
        if self.value is None or self.limit is None:
            return None
        value = abs(self.value) if self.stage == "detect" and self.cause == Fate.BELOW else self.value
        return value - self.limit


@dataclass(frozen=True, slots=True)
class Judged:
    """A standing verdict on a candidate."""

    label: str
    reviewer: str
    at: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class Detected:
    """A candidate near the place."""

    candidate: int
    object: str
    x: float
    y: float
    distance_px: float
    snr: float
    score: float | None
    review_state: str
    verdict: str | None
    verdicts: tuple[Judged, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """A detection near the place that a stage dropped."""

    stage: str
    cause: str
    x: float
    y: float
    distance_px: float
    value: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the store has of one frame and place.

    Attributes
    ----------
    place : tuple of float or None
        x and y on the grid of the difference's reference; none where they are not known.
    radius_px : float or None
        What counts as this place; none leaves it to the frame: half its FWHM, or an arcsecond.
    scores : BlockScores or None
        Of the difference.
    refusal : StageRun or None
        The newest stage that did not end well.
    detected, cuts
        Nearest first, also those beyond the radius.
    forced_snr : float or None
        Of the flux measured at the place of a known object within the radius, without a detection.
    away_deg : float or None
        How far the frame's centre is from the place by its own header.
    """

    observation: Observation
    difference: Difference | None = None
    place: tuple[float, float] | None = None
    radius_px: float | None = None
    scores: BlockScores | None = None
    refusal: StageRun | None = None
    detected: tuple[Detected, ...] = ()
    cuts: tuple[Cut, ...] = ()
    forced_snr: float | None = None
    away_deg: float | None = None


@dataclass(frozen=True, slots=True)
class FrameStory:
    """What became of the place in one frame.

    Attributes
    ----------
    id : int
        Of the observation.
    reference : int or None
        Whose grid ``x, y`` are on; ``x_frame, y_frame`` are the frame's own pixels.
    radius_px : float or None
        What counted as this place.
    fate : Fate
    steps : tuple of Step
        The last one tells the fate.
    candidates : tuple of Detected
        Within the radius, nearest first.
    """

    id: int
    frame: str
    mjd: float | None
    filter: str | None
    state: str
    fate: Fate
    steps: tuple[Step, ...]
    reference: int | None = None
    x: float | None = None
    y: float | None = None
    x_frame: float | None = None
    y_frame: float | None = None
    radius_px: float | None = None
    candidates: tuple[Detected, ...] = ()

    @property
    def end(self) -> Step:
        """The step that tells the fate."""
        return self.steps[-1]

    def record(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        steps = [asdict(step) | {"margin": step.margin} for step in self.steps]
        return asdict(self) | {"steps": steps, "end": steps[-1]}
