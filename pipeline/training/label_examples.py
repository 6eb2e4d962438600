"""Example sets of what reviewers decided, and of survey alerts, which nobody told the nature of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from core.database.store import Store
from core.database.tables import Candidate
from core.frames.scored_by import scored_by
from core.models.names import UNET
from core.review.cutouts import CutoutError, Cutouts, unpack
from core.review.night_share import night_seen
from core.settings_sections import ReviewSettings, SiteSettings
from core.surveys.alert import AlertFacts
from pipeline.classify.classify import SHOWN, log_odds_of
from pipeline.classify.survey_cutouts import of_sources
from pipeline.training import member_scores
from pipeline.training.agreed_candidates import AgreedCandidate, agreed_candidates
from pipeline.training.examples import LABELLED, UNKNOWN, Examples
from pipeline.training.host_offset import FEATURE, within_reach
from pipeline.training.scored_fields import Scored, joined


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
    """What reviewers agree on, an example for each candidate with cutouts; none where there is none.

    Parameters are those of `pipeline.training.agreed_candidates.agreed_candidates`.
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
    parts: list[Scored] = []
    for page in agreed_candidates(store, review, site):
        rows = list(_rows(store, page, network))
        if rows:
            parts.append(Scored(_examples(rows), None if network is None else _unet_of(rows)))
    return joined(parts) if parts else None


def rows_of(candidates: Sequence[AgreedCandidate]) -> list[int | None]:
    """The number of each one's cutouts, as a model keeps it; none of those without any.

    It is that of the example which `of_labels` makes of it: `pipeline.training.member_scores.rows_of`.
    """
    unpacked = [_unpacked(each.pixels) for each in candidates]
    rows = [_row(each, its) for each, its in zip(candidates, unpacked, strict=True) if its is not None]
    numbers = iter(member_scores.rows_of(_examples(rows)).tolist() if rows else [])
    return [None if its is None else next(numbers) for its in unpacked]


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


def _rows(store: Store, page: Sequence[AgreedCandidate], network: str | None) -> Iterator[_Row]:
    """Those of some candidates that have cutouts."""
    saw: set[int] = set()
    if network is not None:
        with store.read() as session:
            saw = _seen_by(session, [each.candidate for each in page], network)
    for each in page:
        cutouts, candidate = _unpacked(each.pixels), each.candidate
        if cutouts is not None:
            said = log_odds_of(candidate.scores.get(UNET)) if candidate.id in saw else math.nan
            yield _row(each, cutouts, said)


def _row(each: AgreedCandidate, cutouts: Cutouts, unet: float = math.nan) -> _Row:
    return _Row(
        cutouts,
        each.label,
        each.kind,
        each.candidate.snr,
        each.group,
        each.night,
        each.field,
        each.candidate.filter or "",
        each.instrument,
        LABELLED,
        each.candidate.source,
        _host_offset(each.candidate),
        unet,
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
