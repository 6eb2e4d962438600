"""What the store kept of one place in some frames, read for `core.places.story` in a few queries in all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from core.database.tables import (
    Candidate,
    Difference,
    ForcedFlux,
    Observation,
    Rejection,
    ScoreMap,
    SkyObject,
    StageRun,
    Verdict,
)
from core.frames.standing import candidate_label, stands
from core.objects.sphere import separation_deg
from core.places.block_scores import BlockScores, BlockScoresError, unpack
from core.places.grid_maps import SkyMap
from core.places.story_parts import Cut, Detected, Facts, Judged

NEIGHBOURS_PX = 50.0  # how far significant pixels may be from the detection that they belong to

Keyed = dict[int, tuple[float, float]]  # the place on the grid of each difference, by its id


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the sky (degrees), on a reference's grid (pixels), or on both."""

    ra: float | None = None
    dec: float | None = None
    reference: int | None = None
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True)
class Radius:
    """What counts as the place: an angle, a number of pixels, or what each frame itself took for one."""

    degrees: float | None = None
    pixels: float | None = None

    def on(self, scores: BlockScores | None) -> float | None:
        """The radius in pixels of a grid; none where the frame is to choose."""
        if self.degrees is None:
            return self.pixels
        if scores is None or scores.sky is None:
            return None
        return self.degrees * 3600.0 / scores.sky.pixel_scale


def collect(
    session: Session, place: Place, radius: Radius, observations: Sequence[Observation]
) -> list[Facts]:
    """What is kept of a place in each of some frames, in their order."""
    differences = differences_of(session, observations)
    scores = scores_of(session, differences.values())
    places = _places(place, differences.values(), scores)
    reach = max(NEIGHBOURS_PX, *(radius.on(known) or 0.0 for known in scores.values()), radius.pixels or 0.0)
    detected = _detected(session, places, reach)
    cuts = _cuts(session, places, reach)
    forced = _forced(session, places, {key: radius.on(known) for key, known in scores.items()}, scores)
    refusals = _refusals(session, [row.id for row in observations if row.id not in differences])
    facts = []
    for observation in observations:
        difference = differences.get(observation.id or 0)
        key = difference.id or 0 if difference else 0
        known = scores.get(key)
        facts.append(
            Facts(
                observation=observation,
                difference=difference,
                place=places.get(key),
                radius_px=radius.on(known),
                scores=known,
                refusal=refusals.get(observation.id or 0),
                detected=detected.get(key, ()),
                cuts=cuts.get(key, ()),
                forced_snr=forced.get(key),
                away_deg=_away_deg(observation, place),
            )
        )
    return facts


def differences_of(session: Session, observations: Iterable[Observation]) -> dict[int, Difference]:
    """The current difference of each frame that has one, by the frame's id."""
    ids = [row.id for row in observations]
    rows = session.exec(
        select(Difference).where(col(Difference.observation_id).in_(ids), col(Difference.is_current))
    ).all()
    return {row.observation_id: row for row in rows}


def scores_of(session: Session, differences: Iterable[Difference]) -> dict[int, BlockScores]:
    """The block scores of each difference that has them, by its id; what cannot be read is left out."""
    rows = session.exec(
        select(ScoreMap).where(col(ScoreMap.difference_id).in_([row.id for row in differences]))
    ).all()
    found = {}
    for row in rows:
        try:
            found[row.difference_id] = unpack(row.blocks)
        except BlockScoresError:
            continue  # as if nothing had been kept: the story says so
    return found


def _places(place: Place, differences: Iterable[Difference], scores: Mapping[int, BlockScores]) -> Keyed:
    """Where the place is on the grid of each difference, as far as that is known."""
    by_reference: dict[int, SkyMap] = {}
    for row in differences:
        blocks = scores.get(row.id or 0)
        if blocks is not None and blocks.sky is not None:
            by_reference[row.reference_id] = blocks.sky
    places = {}
    for row in differences:
        if row.reference_id == place.reference and place.x is not None and place.y is not None:
            places[row.id or 0] = (place.x, place.y)
        elif place.ra is not None and place.dec is not None:
            sky = by_reference.get(row.reference_id)
            at = sky.to_grid(place.ra, place.dec) if sky is not None else None
            if at is not None:
                places[row.id or 0] = at
    return places


def _near(table: type[Candidate | Rejection], places: Keyed, reach: float) -> ColumnElement[bool]:
    """Rows on some differences near the place of each: those of one reference share theirs."""
    alike: dict[tuple[float, float], list[int]] = defaultdict(list)
    for key, at in places.items():
        alike[at].append(key)
    return or_(
        *(
            col(table.difference_id).in_(keys)
            & col(table.x).between(x - reach, x + reach)
            & col(table.y).between(y - reach, y + reach)
            for (x, y), keys in alike.items()
        )
    )


def _detected(session: Session, places: Keyed, reach: float) -> dict[int, tuple[Detected, ...]]:
    if not places:
        return {}
    rows = session.execute(
        select(
            Candidate,
            col(SkyObject.name).label("object_name"),
            col(SkyObject.review_state).label("review_state"),
            candidate_label().label("verdict"),
        )
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .where(_near(Candidate, places, reach), col(Candidate.is_current))
    ).all()
    judged = _judged(session, [row[0].id for row in rows])
    found = defaultdict(list)
    for candidate, name, review_state, verdict in rows:
        key = candidate.difference_id or 0
        found[key].append(
            Detected(
                candidate=candidate.id or 0,
                object=name,
                x=candidate.x or 0.0,
                y=candidate.y or 0.0,
                distance_px=math.dist(places[key], (candidate.x or 0.0, candidate.y or 0.0)),
                snr=candidate.snr,
                score=candidate.score,
                review_state=review_state,
                verdict=verdict,
                verdicts=judged.get(candidate.id or 0, ()),
            )
        )
    return {key: _nearest_first(group) for key, group in found.items()}


def _judged(session: Session, candidate_ids: Collection[int | None]) -> dict[int, tuple[Judged, ...]]:
    rows = session.exec(
        select(Verdict)
        .where(col(Verdict.candidate_id).in_(candidate_ids), stands(Verdict))
        .order_by(col(Verdict.id))
    ).all()
    found: dict[int, tuple[Judged, ...]] = {}
    for row in rows:
        given = Judged(row.label or "", row.reviewer, row.created_at)
        found[row.candidate_id] = (*found.get(row.candidate_id, ()), given)
    return found


def _cuts(session: Session, places: Keyed, reach: float) -> dict[int, tuple[Cut, ...]]:
    if not places:
        return {}
    found = defaultdict(list)
    for row in session.exec(select(Rejection).where(_near(Rejection, places, reach))).all():
        key = row.difference_id or 0
        away = math.dist(places[key], (row.x, row.y))
        found[key].append(Cut(row.stage, row.cause, row.x, row.y, away, row.value, row.limit))
    return {key: _nearest_first(group) for key, group in found.items()}


def _nearest_first(group: list[Any]) -> tuple[Any, ...]:
    return tuple(sorted(group, key=lambda each: each.distance_px))


def _forced(
    session: Session,
    places: Keyed,
    radii: Mapping[int, float | None],
    scores: Mapping[int, BlockScores],
) -> dict[int, float]:
    """The significance of the flux at the nearest known object, where one is within the radius."""
    rows = session.execute(
        select(ForcedFlux, SkyObject)
        .join(SkyObject, col(ForcedFlux.sky_object_id) == col(SkyObject.id))
        .where(col(ForcedFlux.difference_id).in_(list(places)), col(ForcedFlux.flux_err) > 0)
    ).all()
    nearest: dict[int, tuple[float, float]] = {}
    for flux, known in rows:
        key = flux.difference_id
        blocks = scores.get(key)
        at = _on_grid(known, blocks)
        if blocks is None or at is None:
            continue
        away = math.dist(places[key], at)
        if away <= (radii.get(key) or blocks.match_radius_px):
            nearest[key] = min(nearest.get(key, (math.inf, 0.0)), (away, flux.flux / flux.flux_err))
    return {key: snr for key, (_, snr) in nearest.items()}


def _on_grid(known: SkyObject, scores: BlockScores | None) -> tuple[float, float] | None:
    if known.x is not None and known.y is not None:
        return known.x, known.y
    if scores is None or scores.sky is None or known.ra is None or known.dec is None:
        return None
    return scores.sky.to_grid(known.ra, known.dec)


def _refusals(session: Session, observation_ids: Collection[int | None]) -> dict[int, StageRun]:
    """The newest stage of each frame that did not end well."""
    newest = (
        select(func.max(StageRun.id))
        .where(col(StageRun.observation_id).in_(observation_ids), col(StageRun.outcome) != "done")
        .group_by(col(StageRun.observation_id))
    )
    rows = session.exec(select(StageRun).where(col(StageRun.id).in_(newest))).all()
    return {row.observation_id: row for row in rows}


def _away_deg(observation: Observation, place: Place) -> float | None:
    if None in {observation.ra, observation.dec, place.ra, place.dec}:
        return None
    return float(
        separation_deg(observation.ra or 0.0, observation.dec or 0.0, place.ra or 0.0, place.dec or 0.0)
    )
