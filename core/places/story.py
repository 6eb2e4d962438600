"""What became of one place in one frame, told from what the store kept of it: values in, values out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.frames.registration import registration_words
from core.places.block_scores import BlockScores, decode, is_capped
from core.places.cut_words import cut_words
from core.places.story_parts import Cut, Detected, Facts, Fate, FrameStory, Step
from core.text import beside
from core.vocabulary import MaskPlane, ObservationState, mask_words


def tell(facts: Facts) -> FrameStory:
    """Tell what became of a place in a frame."""
    difference, place = facts.difference, facts.place
    steps = _before(facts)
    radius: float | None = None
    near: tuple[Detected, ...] = ()
    if difference is None:
        fate, end = _without_difference(facts)
    elif place is None:
        fate, end = _off_the_map(facts.scores)
    else:
        radius = facts.radius_px or _own_radius(facts)
        near = tuple(each for each in facts.detected if each.distance_px <= radius)
        fate, more = _on_difference(facts, place, radius, near)
        *passed, end = more
        steps += passed
    observation = facts.observation
    x_frame, y_frame = facts.scores.to_frame(*place) if facts.scores and place else (None, None)
    return FrameStory(
        id=observation.id or 0,
        frame=observation.frame,
        mjd=observation.mjd,
        filter=observation.filter,
        state=observation.state,
        fate=fate,
        steps=(*steps, end),
        reference=difference.reference_id if difference else None,
        x=place[0] if place else None,
        y=place[1] if place else None,
        x_frame=x_frame,
        y_frame=y_frame,
        radius_px=radius,
        candidates=near,
    )


def _before(facts: Facts) -> list[Step]:
    """What the frame as a whole has passed."""
    observation, difference = facts.observation, facts.difference
    steps = []
    if observation.seeing_px is not None:
        text = f"the seeing is {observation.seeing_px:.1f} px"
        if observation.n_stars is not None:
            text += f", {observation.n_stars} stars"
        steps.append(Step("quality", "passed", text, observation.seeing_px))
    if difference is not None:
        words = registration_words(difference.registration_rms_px, difference.registration_scatter_px)
        text = f"aligned with reference {difference.reference_id}: {words}; subtracted by {difference.method}"
        steps.append(Step("align", "passed", text, difference.registration_rms_px))
        if observation.reason:  # what is to be held against whatever is told of this frame
            steps.append(Step("remark", "passed", observation.reason))
    return steps


def _without_difference(facts: Facts) -> tuple[Fate, Step]:
    observation, refusal = facts.observation, facts.refusal
    reach = observation.radius_deg
    if facts.away_deg is not None and reach is not None and facts.away_deg > reach:
        text = f"its centre is {facts.away_deg:.4g}° away, its corners {reach:.4g}° from the centre"
        return Fate.UNCOVERED, Step("cover", Fate.UNCOVERED, text, facts.away_deg, reach)
    if observation.state == ObservationState.REJECTED:
        stage = refusal.stage if refusal else "ingest"
        value, limit = (refusal.value, refusal.limit) if refusal else (None, None)
        return Fate.REJECTED, Step(stage, Fate.REJECTED, observation.reason or "no reason", value, limit)
    text = f"the frame is {observation.state}"
    if observation.reason:
        text += f": {observation.reason}"
    return Fate.UNPROCESSED, Step("queue", Fate.UNPROCESSED, text)


def _off_the_map(scores: BlockScores | None) -> tuple[Fate, Step]:
    """Where the place is on the reference's grid is not known."""
    if scores is None:
        text = "nothing was kept of places without detections: process it again"
        return Fate.UNRECORDED, Step("record", Fate.UNRECORDED, text)
    if scores.sky is None:
        text = "its reference has no WCS: ask for a pixel of the frame or of the reference"
        return Fate.UNRECORDED, Step("record", Fate.UNRECORDED, text)
    return Fate.UNCOVERED, Step("align", Fate.UNCOVERED, "far outside the reference")


def _on_difference(
    facts: Facts, place: tuple[float, float], radius: float, near: Sequence[Detected]
) -> tuple[Fate, list[Step]]:
    if near:
        return Fate.CANDIDATE, _steps_of(near[0])
    cut = next((each for each in facts.cuts if each.distance_px <= radius), None)
    if cut is not None:
        return Fate.DROPPED, [Step(cut.stage, cut.cause, _cut_text(cut), cut.value, cut.limit)]
    scores = facts.scores
    if scores is None:
        fate, end = _off_the_map(scores)
        return fate, [end]
    if not scores.holds(*place):
        away = scores.distance_to_grid(*place)
        text = f"{away:.0f} px outside the reference"
        return Fate.UNCOVERED, [Step("align", Fate.UNCOVERED, text, away, 0.0)]
    return _in_blocks(facts, scores, place, radius)


def _steps_of(found: Detected) -> list[Step]:
    """From the detection to what was decided of it."""
    detected = f"candidate {found.candidate}: {found.snr:.1f} σ, {found.distance_px:.1f} px from the place"
    steps = [
        Step("detect", Fate.CANDIDATE, detected, found.snr),
        Step("associate", Fate.CANDIDATE, f"candidate {found.candidate} is {found.object}"),
    ]
    steps += [
        Step("review", Fate.CANDIDATE, f"{judged.reviewer} called it {judged.label}")
        for judged in found.verdicts
    ]
    # The object stands the same for all its detections, whichever of them was judged.
    text = f"number {found.candidate} at {found.snr:.1f} σ is {found.object}, {found.review_state}"
    text += f"; verdict {found.verdict} on this detection" if found.verdict else ""
    return [*steps, Step("review", Fate.CANDIDATE, text, found.snr)]


def _cut_text(cut: Cut) -> str:
    text = f"detected {cut.distance_px:.1f} px from the place, and dropped: {cut.cause}"
    if cut.value is not None and cut.limit is not None:
        text += f" ({cut_words(cut.cause, cut.value, cut.limit)})"
    return text


def _in_blocks(
    facts: Facts, scores: BlockScores, place: tuple[float, float], radius: float
) -> tuple[Fate, list[Step]]:
    """The story of a place on the grid without detections."""
    distances = scores.distances(*place)
    covered = scores.codes != 0
    if not covered[scores.block_of(*place)]:
        return _under_mask(scores, place, distances)
    here = distances <= radius
    steps = []
    if planes := _union(scores.frame_mask[here] | scores.reference_mask[here]):
        steps.append(Step("mask", "passed", f"masked pixels are near: {mask_words(planes)}"))
    if facts.forced_snr is not None and abs(facts.forced_snr) < scores.threshold:
        told = beside(facts.forced_snr, scores.threshold)
        text = f"{told} σ at the place of a known object, {scores.threshold:g} σ are needed"
        end = Step("detect", Fate.BELOW, text, facts.forced_snr, scores.threshold)
        return Fate.BELOW, [*steps, end]
    code = _strongest(scores.codes[here])
    neighbour = _neighbour(facts)
    if abs(_sigmas(code)) >= scores.threshold and neighbour is not None:
        # What is significant here may be the neighbour's light alone, and this place beside it faint.
        own = here & (scores.distances(neighbour.x, neighbour.y) > 2.0 * scores.match_radius_px)
        if own[scores.block_of(*place)] and abs(_sigmas(_strongest(scores.codes[own]))) < scores.threshold:
            code = _strongest(scores.codes[own])
            steps.append(Step("detect", "passed", f"beside it is {_called(neighbour)}"))
    significance = _sigmas(code)
    if abs(significance) < scores.threshold:
        text = (
            f"the most significant within {radius + scores.block:.0f} px is "
            f"{beside(significance, scores.threshold)} σ, {scores.threshold:g} σ are needed"
        )
        return Fate.BELOW, [*steps, Step("detect", Fate.BELOW, text, significance, scores.threshold)]
    more = "more than " if is_capped(code) else ""
    whose = f"it belongs to {_called(neighbour)}" if neighbour is not None else "its peak is further away"
    text = f"{more}{abs(significance):.1f} σ, but {whose}"
    return Fate.BLENDED, [*steps, Step("detect", Fate.BLENDED, text, significance, scores.threshold)]


def _neighbour(facts: Facts) -> Detected | Cut | None:
    """The nearest detection, kept or dropped."""
    others: tuple[Detected | Cut, ...] = (*facts.detected, *facts.cuts)
    return min(others, key=lambda each: each.distance_px, default=None)


def _called(found: Detected | Cut) -> str:
    if isinstance(found, Detected):
        return f"candidate {found.candidate}, {found.distance_px:.1f} px away"
    return f"a detection {found.distance_px:.1f} px away, which was dropped: {found.cause}"


def _strongest(codes: np.ndarray[Any, Any]) -> int:
    """The code of the most significant score of some, of either sign."""
    return int(codes[np.argmax(np.abs(codes.astype(np.int16)))])


def _sigmas(code: int) -> float:
    return float(decode(np.array([code], dtype=np.int8))[0])


def _under_mask(
    scores: BlockScores, place: tuple[float, float], distances: np.ndarray[Any, Any]
) -> tuple[Fate, list[Step]]:
    """A place without a single good pixel: whose mask it is under, and how deep."""
    free = scores.codes != 0
    depth = float(distances[free].min()) if free.any() else math.inf
    at = scores.block_of(*place)
    frame, reference = int(scores.frame_mask[at]), int(scores.reference_mask[at])
    if not frame | reference:
        # The mask of a difference is wider than those it comes from: look at the nearest.
        masked = (scores.frame_mask | scores.reference_mask) != 0
        nearest = masked & (distances <= np.min(distances[masked], initial=math.inf))
        frame, reference = _union(scores.frame_mask[nearest]), _union(scores.reference_mask[nearest])
    deep = (
        f"at least {depth:.0f} px from the nearest good pixel" if math.isfinite(depth) else "as all of it is"
    )
    for planes, whose in ((frame, "frame"), (reference, "reference")):
        if planes & MaskPlane.EDGE:
            text = f"outside the {whose}'s own pixels or too near their edge, {deep}"
            return Fate.UNCOVERED, [Step("align", Fate.UNCOVERED, text, depth if free.any() else None, 0.0)]
    over = [
        f"{mask_words(planes)} in the {name}"
        for planes, name in ((frame, "frame"), (reference, "reference"))
        if planes
    ]
    text = f"{' and '.join(over) or 'masked'}, {deep}"
    return Fate.MASKED, [Step("mask", Fate.MASKED, text, depth if free.any() else None, 0.0)]


def _own_radius(facts: Facts) -> float:
    if facts.scores is not None:
        return facts.scores.match_radius_px
    difference = facts.difference
    return 0.5 * max(difference.fwhm_new_px, difference.fwhm_ref_px) if difference else 0.0


def _union(planes: np.ndarray[Any, Any]) -> int:
    return int(np.bitwise_or.reduce(planes, axis=None)) if planes.size else 0
