"""The candidates that reviewers agree on, each with what it is and with whom it belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Observation, SkyObject, Verdict
from core.frames.standing import candidate_label, stands
from core.review.agreed import agreed_objects
from core.review.agreement import Standing, side
from core.review.night_share import east_deg, night_seen
from core.review.real_rows import is_injected_candidate
from core.settings_sections import ReviewSettings, SiteSettings
from core.vocabulary import ReviewState
from pipeline.training.examples import BOGUS, REAL

PAGE = 500
LABELS = {ReviewState.REAL: REAL, ReviewState.BOGUS: BOGUS}


@dataclass(frozen=True, slots=True)
class AgreedCandidate:
    """One candidate on whose nature reviewers agree.

    Attributes
    ----------
    candidate : Candidate
    observation : Observation or None
        None of an alert.
    pixels : bytes or None
        Its cutouts, packed.
    label : int
        1 real, 0 bogus.
    kind : str
        The label that was given.
    group, night, field, instrument : str
        As `pipeline.training.examples.Examples` has them.
    row : int or None
        The number of its cutouts, where it was asked for and it has any: `pipeline.training.label_examples`.
    """

    candidate: Candidate
    observation: Observation | None
    pixels: bytes | None
    label: int
    kind: str
    group: str
    night: str
    field: str
    instrument: str
    row: int | None = None


def agreed_candidates(
    store: Store, review: ReviewSettings, site: SiteSettings | None = None
) -> Iterator[list[AgreedCandidate]]:
    """All of them, some at a time, in an order that only verdicts change.

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
    east = 0.0 if site is None else east_deg(site)
    agreed = agreed_objects(store, review)
    ids = sorted(agreed)
    for first in range(0, len(ids), PAGE):
        page = list(_of_objects(store, ids[first : first + PAGE], agreed, east))
        if page:
            yield page


def _of_objects(
    store: Store, ids: Sequence[int], agreed: dict[int, Standing], east: float
) -> Iterator[AgreedCandidate]:
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
        .outerjoin(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .outerjoin(Observation, col(Candidate.observation_id) == col(Observation.id))
        .where(col(SkyObject.id).in_(ids), col(Candidate.is_current), ~is_injected_candidate())
        .order_by(col(Candidate.id))
    )
    with store.read() as session:
        for candidate, sky_object, pixels, label, shown, observation in session.execute(query):
            taken = side(label) if label is not None else None
            standing = agreed[sky_object.id]
            is_unshown = taken is ReviewState.BOGUS and shown is None
            if taken is None or taken is not standing.confirmed or is_unshown:
                continue
            instrument = (observation.instrument if observation else None) or candidate.source
            place = (observation.field if observation else None) or instrument
            night = night_seen(candidate.mjd, candidate.source, candidate.external_id, east)
            yield AgreedCandidate(
                candidate,
                observation,
                pixels,
                LABELS[taken],
                str(label),
                f"object:{standing.object_id}",
                f"{instrument}:{night}",
                f"label:{place}:{night}",
                instrument,
            )
