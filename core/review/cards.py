"""All that one card of the review queue shows.

A card is one object, or all objects of a body that moves, drawn through one of its candidates. Reading it
takes a score of queries at most, each by an index but that of references, which are few.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from core.database.records import Record, candidate_rows, finite, record
from core.database.store import Store
from core.database.tables import (
    Assignment,
    Candidate,
    CandidateMatch,
    Cutout,
    Difference,
    Observation,
    SkyObject,
    Tracklet,
    TrackletMember,
    Verdict,
)
from core.errors import AstridError
from core.frames.scored_by import scored_by
from core.frames.standing import is_taken_back
from core.frames.unmeasured import unmeasured
from core.objects.association import REAL_BY
from core.objects.light_curve import LightCurvePoint, current_detections, light_curve
from core.objects.reference_light import holders_of
from core.review.card_frame import FrameFacts, frame_facts
from core.review.card_stamp import CardStamp, stamp
from core.review.cutouts import CutoutError, Cutouts, unpack
from core.review.missing_cutouts import damaged, removed
from core.review.states import LAST_SEEN, contradicted, judged_together, newest_standing
from core.surveys.pixels import PIXEL_ARCSEC
from core.vocabulary import OWN, ReviewState

MAX_HISTORY = 200  # rows of one object's history on a card, the newest
MOST_EARLIER = 200  # frames that are counted, which lack an object


class CardError(AstridError):
    """There is no such card."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One current candidate of an object."""

    candidate_id: int
    mjd: float
    filter: str | None
    snr: float
    mag: float | None


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """One row of an object's history; ``label`` and ``retracts_id`` as in `core.database.tables.Verdict`."""

    id: int
    at: float  # Unix seconds
    reviewer: str
    candidate_id: int
    label: str | None
    retracts_id: int | None
    note: str | None
    tags: tuple[str, ...]
    stands: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One sky object as a reviewer sees it, through one candidate.

    Attributes
    ----------
    object_id : int
        The object that was asked for.
    name, ra, dec : str, float or None
        Of the object that the candidate belongs to, which is another one where the card is of a body that
        moves; degrees.
    candidate : dict
        The candidate's record, as `core.database.records.record` makes it.
    features : dict
        Its features by name.
    epochs : tuple of Epoch
        The object's current candidates, newest first; each can be asked for by its id.
    history : tuple of PastVerdict
        All verdicts and notes on the object, newest first.
    cutouts : Cutouts or None
        None where none are kept; where they cannot be read or were removed, `cutouts_problem` says how they
        come again.
    known : mapping or None
        What is known at the candidate's place, an answer by kind as in `core.objects.known`; None where
        nobody was asked.
    tracklet : Tracklet or None
        What the candidate is one detection of.
    moving : bool
        All that was seen of the object belongs to tracklets.
    objects : tuple of int
        What is judged as one with it, itself among them, the one that carries the card in the queue first.
        Epochs, light curve and history are those of all.
    expert : str or None
        Who was asked to judge it, while it awaits an expert.
    seen_again : str or None
        Why it is back though a verdict stands, in words (`core.objects.seen_again`).
    in_references : tuple of int
        The references in use that hold its light, or may (`core.objects.reference_light`), once it was
        judged real.
    earlier_frames : int
        How many frames were processed before the object was known, and lack it (`core.frames.unmeasured`);
        `MOST_EARLIER` where there are as many or more.
    taken_back_by : str or None
        The survey that took the candidate back, an alert of its own.
    stamp : CardStamp or None
        What tells that the store holds more of it by now; what is hidden of the card counts too.
    """

    object_id: int
    name: str
    ra: float | None
    dec: float | None
    review_state: str
    review_label: str | None
    candidate_id: int
    candidate: Record
    features: dict[str, float | None]
    frame: FrameFacts
    epochs: tuple[Epoch, ...]
    light_curve: tuple[LightCurvePoint, ...]
    history: tuple[PastVerdict, ...]
    cutouts: Cutouts | None
    cutouts_sha256: str | None
    cutouts_problem: str | None = None
    known: Mapping[str, Any] | None = None
    tracklet: Tracklet | None = None
    moving: bool = False
    objects: tuple[int, ...] = ()
    expert: str | None = None
    seen_again: str | None = None
    in_references: tuple[int, ...] = ()
    earlier_frames: int = 0
    taken_back_by: str | None = None
    stamp: CardStamp | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that reviewers gave the object, each once, the first given first."""
        given = (tag for past in self.history[::-1] if past.stands or past.label is None for tag in past.tags)
        return tuple(dict.fromkeys(given))

    @property
    def scores(self) -> Mapping[str, float | None]:
        """The scores by model; empty where no model has scored."""
        scores: Mapping[str, float | None] = self.candidate["scores"]
        return scores

    @property
    def last_decision(self) -> PastVerdict | None:
        """The newest standing verdict on the object."""
        return next((past for past in self.history if past.stands), None)

    def shown(self, **drawing: Any) -> dict[str, Any]:
        """What a verdict on this card rests on, with how it was drawn (stretch, mode)."""
        return {
            "snr": self.candidate["snr"],
            "score": self.candidate["score"],
            "scores": dict(self.scores),
            "method": self.candidate["method"],
            "config_hash": self.frame.config_hash,
            "cutouts_sha256": self.cutouts_sha256,
            **drawing,
        }


def read_card(store: Store, object_id: int, candidate_id: int | None = None) -> Card:
    """All that a card shows.

    Parameters
    ----------
    store : Store
    object_id : int
    candidate_id : int, optional
        Through which of the object's candidates; else through the best.

    Raises
    ------
    CardError
        There is no such object, or it has no such candidate.
    """
    with store.read() as db:
        sky_object = db.get(SkyObject, object_id)
        if sky_object is None:
            raise CardError(f"there is no sky object {object_id}")
        objects = judged_together(db, sky_object)
        epochs = current_detections(db, *objects)
        chosen = candidate_id if candidate_id is not None else sky_object.best_candidate_id
        if chosen is None:
            raise CardError(f"sky object {object_id} has no candidate to show")
        row = _row_of(db, chosen, objects)
        if row is None:
            raise CardError(f"sky object {object_id} has no candidate {chosen}")
        shown = sky_object  # of a body that moves each detection has a name and a place of its own
        if row.Candidate.sky_object_id != object_id:
            shown = db.get_one(SkyObject, row.Candidate.sky_object_id)
        curve = light_curve(db, objects, epochs)
        past = history(db, *objects)
        scored = scored_by(db, [row.Candidate])[chosen]
        seen_again = _seen_again(db, sky_object, epochs)
        in_references = tuple(sorted(holders_of(db, [sky_object])))
        lacked = unmeasured(db, [shown], MOST_EARLIER)
        stamped = stamp(db, sky_object, objects)
    cutouts, problem = _cutouts(row.pixels, row.Candidate)
    if row.pixels is None and not row.Candidate.is_current and row.Difference is not None:
        problem = removed(row.Difference)
    return Card(
        object_id=object_id,
        name=shown.name,
        ra=shown.ra,
        dec=shown.dec,
        review_state=sky_object.review_state,
        review_label=sky_object.review_label,
        candidate_id=chosen,
        candidate=record(row),
        features={name: finite(value) for name, value in row.Candidate.features.items()},
        frame=frame_facts(row.Observation, row.Difference, scored),
        epochs=tuple(Epoch(one.id or 0, one.mjd, one.filter, one.snr, one.mag) for one in epochs),
        light_curve=curve,
        history=past,
        cutouts=cutouts,
        cutouts_sha256=hashlib.sha256(row.pixels).hexdigest() if row.pixels is not None else None,
        cutouts_problem=problem,
        known=row.CandidateMatch.answers if row.CandidateMatch is not None else None,
        tracklet=row.Tracklet,
        moving=sky_object.moving,
        objects=tuple(objects),
        expert=row.expert if sky_object.review_state == ReviewState.ESCALATED else None,
        seen_again=seen_again,
        in_references=in_references,
        earlier_frames=lacked.frames,
        # No newer version supersedes an alert.
        taken_back_by=None
        if row.Candidate.is_current or row.Candidate.source == OWN
        else row.Candidate.source,
        stamp=stamped,
    )


def _row_of(db: Session, candidate_id: int, objects: Sequence[int]) -> Any:
    """A candidate of some objects with all that one row of each other table tells of it; or none."""
    query = candidate_rows(
        Observation,
        Difference,
        Tracklet,
        CandidateMatch,
        col(Cutout.pixels).label("pixels"),
        col(Assignment.expert).label("expert"),
    )
    return db.execute(
        query.outerjoin(Observation, col(Candidate.observation_id) == col(Observation.id))
        .outerjoin(Cutout, col(Cutout.candidate_id) == col(Candidate.id))
        .outerjoin(CandidateMatch, col(CandidateMatch.candidate_id) == col(Candidate.id))
        .outerjoin(TrackletMember, col(TrackletMember.candidate_id) == col(Candidate.id))
        .outerjoin(Tracklet, col(Tracklet.id) == col(TrackletMember.tracklet_id))
        .outerjoin(Assignment, col(Assignment.sky_object_id) == objects[0])
        .where(col(Candidate.id) == candidate_id, col(Candidate.sky_object_id).in_(objects))
    ).first()


def hidden(card: Card, *, keep: str | None = None) -> Card:
    """A card without what others said of its object, until it is decided.

    Parameters
    ----------
    keep : str, optional
        The reviewer whose own words stay; a card that this one has judged stays as it is. None: nothing
        stays, as for a card that is shown again.
    """
    if keep is not None and any(past.reviewer == keep and past.stands for past in card.history):
        return card
    return replace(
        card,
        history=tuple(past for past in card.history if keep is not None and past.reviewer == keep),
        candidate=card.candidate | {"verdict": None},
        review_state=ReviewState.UNREVIEWED,
        review_label=None,
        expert=card.expert if keep is not None and card.expert == keep else None,
        seen_again=None,
        in_references=(),
    )


def carriers(store: Store, objects: Sequence[int]) -> dict[int, int]:
    """The object that carries the card of each of some objects: itself, or the first of its tracklet."""
    with store.read() as db:
        rows = db.scalars(select(SkyObject).where(col(SkyObject.id).in_(objects)))
        return {row.id or 0: judged_together(db, row)[0] for row in rows}


def history(db: Session, *object_ids: int) -> tuple[PastVerdict, ...]:
    """The verdicts, retractions and notes on an object or more, newest first."""
    query = (
        select(Verdict, is_taken_back(Verdict).label("is_taken_back"))
        .where(col(Verdict.sky_object_id).in_(object_ids))
        .order_by(col(Verdict.id).desc())
        .limit(MAX_HISTORY)
    )
    return tuple(
        PastVerdict(
            id=row.id or 0,
            at=row.created_at,
            reviewer=row.reviewer,
            candidate_id=row.candidate_id,
            label=row.label,
            retracts_id=row.retracts_id,
            note=row.note,
            tags=tuple(str(tag) for tag in row.tags),
            stands=row.label is not None and not taken_back,
        )
        for row, taken_back in db.execute(query)
    )


def _seen_again(db: Session, sky_object: SkyObject, detections: Sequence[Candidate]) -> str | None:
    """That a clear detection brought an object back, though what was said of it stands."""
    if not contradicted(db, [sky_object]):
        return None
    said = newest_standing(db, [sky_object.id or 0])[sky_object.id or 0]
    judged, snr = said.shown.get(LAST_SEEN) or 0.0, said.judged_snr
    later = [one for one in detections if one.mjd > judged]
    if not later:
        return f"judged {said.label.value}"
    best = max(later, key=lambda one: abs(one.snr))
    at = f" at {snr:.0f} sigma" if snr is not None else ""
    score = next((best.scores[name] for name in REAL_BY if best.scores.get(name) is not None), None)
    told = f", score {score:.2f}" if score is not None else ""
    return f"judged {said.label.value}{at}; seen again at {abs(best.snr):.0f} sigma{told}"


def _cutouts(pixels: bytes | None, candidate: Candidate) -> tuple[Cutouts | None, str | None]:
    """The cutouts, or why there are none; those of a survey without a WCS with the scale of its camera."""
    if pixels is None:
        return None, None
    try:
        found = unpack(pixels)
    except CutoutError:
        return None, damaged(candidate.observation_id)
    return replace(found, pixel_arcsec=None if found.to_sky else PIXEL_ARCSEC.get(candidate.source)), None
