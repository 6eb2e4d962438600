"""Example sets of what reviewers decided, and of survey alerts, which nobody told the nature of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Observation, SkyObject, Verdict
from core.frames.scored_by import UNET, scored_by
from core.frames.standing import candidate_label, stands
from core.review.agreed import agreed_objects
from core.review.agreement import Standing, side
from core.review.cutouts import CutoutError, Cutouts, unpack
from core.review.night_share import east_deg, night_seen
from core.review.real_rows import is_injected_candidate
from core.settings_sections import ReviewSettings, SiteSettings
from core.surveys.alert import AlertFacts
from core.vocabulary import ReviewState
from pipeline.classify.classify import SHOWN, log_odds_of
from pipeline.classify.survey_cutouts import of_sources
from pipeline.training.examples import BOGUS, LABELLED, REAL, UNKNOWN, Examples
from pipeline.training.host_offset import FEATURE, within_reach
from pipeline.training.scored_fields import Scored, joined

PAGE = 500
LABELS = {ReviewState.REAL: REAL, ReviewState.BOGUS: BOGUS}


@dataclass(frozen=True, slots=True)
class _Row:
    cutouts: Cutouts
    label: int
    kind: str
    snr: float
    group: str
    night: str
    field: str
    filter: str
    instrument: str
    source: str
    survey: str
    host_offset: float = math.nan
    unet: float = math.nan  # log-odds


def of_labels(store: Store, review: ReviewSettings, site: SiteSettings | None = None) -> Examples | None:
    """What reviewers agree on, an example for each candidate; none where they decided nothing yet.

    A real label judges the object and so all its detections, of a body that moves those in all its frames,
    which are one group; a bogus label judges the one detection that was shown. Candidates of objects that
    are disputed or await more votes are left out, and what was injected never teaches: of that one knows
    the answer before the question.

    Parameters
    ----------
    store : Store
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    site : SiteSettings, optional
        It tells when it is noon, which parts the nights of own frames; without a position that of Greenwich
        does. Those of a survey are of its own telescope.
    """
    found = scored_labels(store, review, site, None)
    return None if found is None else found.examples


def scored_labels(
    store: Store, review: ReviewSettings, site: SiteSettings | None, network: str | None
) -> Scored | None:
    """As `of_labels`, with the log-odds that a U-Net gave each as its frame was processed.

    Parameters
    ----------
    store, review, site
        Those of `of_labels`.
    network : str or None
        Digest of the U-Net: what another one saw is told as NaN. None: of none is it asked.
    """
    east = 0.0 if site is None else east_deg(site)
    agreed = agreed_objects(store, review)
    parts: list[Scored] = []
    ids = sorted(agreed)
    for first in range(0, len(ids), PAGE):
        rows = list(_labelled(store, ids[first : first + PAGE], agreed, east, network))
        if rows:
            parts.append(Scored(_examples(rows), None if network is None else _unet_of(rows)))
    return joined(parts) if parts else None


def of_alerts(alerts: Iterable[AlertFacts]) -> Examples | None:
    """Examples of unknown nature of survey alerts with cutouts; what a survey says of them is no truth."""
    rows = []
    for alert in alerts:
        cutouts = _unpacked(alert.cutouts)
        if cutouts is not None:
            night = f"{alert.source}:{night_seen(alert.mjd, alert.source, alert.external_id, 0.0)}"
            rows.append(
                _Row(
                    cutouts,
                    UNKNOWN,
                    "alert",
                    alert.snr,
                    f"{alert.source}:{alert.object_id or alert.external_id}",
                    night,
                    night,
                    alert.filter or "",
                    alert.source,
                    "survey",
                    alert.source,
                )
            )
    return _examples(rows) if rows else None


def _labelled(
    store: Store, ids: Sequence[int], agreed: dict[int, Standing], east: float, network: str | None
) -> Iterator[_Row]:
    own = (
        select(col(Verdict.label))
        .where(col(Verdict.candidate_id) == col(Candidate.id), stands(Verdict))
        .order_by(col(Verdict.id).desc())
        .limit(1)
        .correlate(Candidate)
        .scalar_subquery()
    )
    query = (
        select(Candidate, SkyObject, col(Cutout.pixels), candidate_label(), own, Observation)
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .join(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .outerjoin(Observation, col(Candidate.observation_id) == col(Observation.id))
        .where(col(SkyObject.id).in_(ids), col(Candidate.is_current), ~is_injected_candidate())
        .order_by(col(Candidate.id))
    )
    with store.read() as session:
        found = session.execute(query).all()
        saw = set() if network is None else _seen_by(session, [row[0] for row in found], network)
        for candidate, sky_object, pixels, label, shown, observation in found:
            taken = side(label) if label is not None else None
            standing = agreed[sky_object.id]
            if (
                taken is None
                or taken is not standing.confirmed
                or (taken is ReviewState.BOGUS and shown is None)
            ):
                continue
            cutouts = _unpacked(pixels)
            if cutouts is None:
                continue
            instrument = (observation.instrument if observation else None) or candidate.source
            place = (observation.field if observation else None) or instrument
            night = night_seen(candidate.mjd, candidate.source, candidate.external_id, east)
            yield _Row(
                cutouts,
                LABELS[taken],
                str(label),
                candidate.snr,
                f"object:{standing.object_id}",
                f"{instrument}:{night}",
                f"label:{place}:{night}",
                candidate.filter or "",
                instrument,
                LABELLED,
                candidate.source,
                _host_offset(candidate),
                log_odds_of(candidate.scores.get(UNET)) if candidate.id in saw else math.nan,
            )


def _seen_by(session: Session, candidates: Sequence[Candidate], network: str) -> set[int]:
    """Candidates on whose frames a U-Net gave its opinion when they were processed last."""
    said = scored_by(session, candidates)
    return {key for key, each in said.items() if each and f"{UNET} {network[:SHOWN]}" in each}


def _unet_of(rows: Sequence[_Row]) -> NDArray[np.float64]:
    return np.array([row.unet for row in rows], dtype=np.float64)


def _host_offset(candidate: Candidate) -> float:
    """To the nearest light of the reference, where the candidate's frame told it."""
    measured = candidate.features.get(FEATURE)
    return float(within_reach(np.array(measured))) if isinstance(measured, int | float) else math.nan


def _unpacked(pixels: bytes | None) -> Cutouts | None:
    try:
        return None if pixels is None else unpack(pixels)
    except CutoutError:
        return None


def _examples(rows: Sequence[_Row]) -> Examples:
    triplets = of_sources([row.cutouts for row in rows], [row.survey for row in rows])
    planes = [plane.astype(np.float16) for plane in triplets.planes]
    count = len(rows)
    return Examples(
        new=planes[0],
        ref=planes[1],
        diff=planes[2],
        label=np.array([row.label for row in rows], dtype=np.int8),
        kind=np.array([row.kind for row in rows]),
        snr=np.array([row.snr for row in rows], dtype=np.float32),
        snr_true=np.full(count, np.nan, dtype=np.float32),
        group=np.array([row.group for row in rows]),
        night=np.array([row.night for row in rows]),
        field=np.array([row.field for row in rows]),
        host=np.full(count, "none"),
        near_bright=np.zeros(count, dtype=bool),
        filter=np.array([row.filter for row in rows]),
        instrument=np.array([row.instrument for row in rows]),
        cut=np.full(count, ""),
        source=np.array([row.source for row in rows]),
        host_offset=np.array([row.host_offset for row in rows], dtype=np.float32),
    )
