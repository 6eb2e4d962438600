"""What of people's decisions a training of the real-bogus would learn from, and since when it is new.

It learns what reviewers agree on, of candidates that have cutouts, and never of injected sources: of those
one knows the answer before the question. `pipeline.training.label_examples` makes examples of the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, SkyObject, TrainedModel, Verdict
from core.frames.standing import stands
from core.review.agreed import agreed_objects
from core.review.agreement import side
from core.review.real_rows import is_injected_candidate
from core.settings_sections import ReviewSettings
from core.vocabulary import ReviewState

LEAST_OBJECTS = 8  # real, and as many bogus, below which nothing is fine-tuned


@dataclass(frozen=True, slots=True)
class Learnable:
    """Decisions that a training would learn from.

    Attributes
    ----------
    made_at : tuple of float
        When each was made, Unix seconds.
    real, bogus : int
        Objects that they are on; a body that moves is one.
    """

    made_at: tuple[float, ...]
    real: int
    bogus: int

    def since(self, at: float) -> int:
        """How many were made since a time."""
        return sum(made > at for made in self.made_at)

    @property
    def is_enough(self) -> bool:
        """Whether there are objects enough of either kind to learn anything at all."""
        return min(self.real, self.bogus) >= LEAST_OBJECTS


def learnable(store: Store, review: ReviewSettings) -> Learnable:
    """The decisions that say what is agreed of their objects.

    Parameters
    ----------
    store : Store
    review : ReviewSettings
        Who is an expert, and how many votes confirm without one.
    """
    agreed = agreed_objects(store, review)
    query = (
        select(
            col(Verdict.created_at), col(Verdict.label), col(Verdict.sky_object_id),
            _is_shown().label("is_shown"), _is_any_shown().label("is_any_shown"),
        )
        .join(Candidate, col(Verdict.candidate_id) == col(Candidate.id))
        .join(SkyObject, col(Candidate.sky_object_id) == col(SkyObject.id))
        .where(stands(Verdict), ~is_injected_candidate())
    )  # fmt: skip
    with store.read() as session:
        rows = session.connection().execute(query).all()
    found = []
    for row in rows:
        taken = side(row.label)
        # A real label judges the object and so all its detections, a bogus one the detection it was given on.
        is_learnt = row.is_any_shown if taken is ReviewState.REAL else row.is_shown
        standing = agreed.get(row.sky_object_id)
        if standing is not None and taken is standing.confirmed and is_learnt:
            found.append((row.created_at, taken, standing.object_id))
    objects = {
        taken: {key for _, of, key in found if of is taken} for taken in (ReviewState.REAL, ReviewState.BOGUS)
    }
    return Learnable(
        tuple(sorted(at for at, _, _ in found)),
        len(objects[ReviewState.REAL]),
        len(objects[ReviewState.BOGUS]),
    )


def learnt_at(version: TrainedModel) -> float:
    """Until when a version may have learnt of decisions; 0 of one that learnt of none, as of an import."""
    trained = version.description.get("trained")
    labelled = trained.get("labelled", 1) if isinstance(trained, dict) else 1
    return version.created_at if version.origin == "training" and labelled else 0.0


def _is_shown() -> ColumnElement[bool]:
    """Whether a current candidate has cutouts, in a query that has `Candidate`."""
    has_cutout = exists().where(col(Cutout.candidate_id) == col(Candidate.id))
    return has_cutout & col(Candidate.is_current)


def _is_any_shown() -> ColumnElement[bool]:
    """The same of any candidate of its object, or of the body that this is."""
    other, of_body, part = aliased(Candidate), aliased(Candidate), aliased(SkyObject)
    of_object = exists().where(
        col(other.sky_object_id) == col(SkyObject.id),
        col(other.is_current),
        col(Cutout.candidate_id) == col(other.id),
    )
    return of_object | exists().where(
        col(part.tracklet_id) == col(SkyObject.tracklet_id),
        col(part.review_state) == ReviewState.REAL.value,
        col(of_body.sky_object_id) == col(part.id),
        col(of_body.is_current),
        col(Cutout.candidate_id) == col(of_body.id),
    )
