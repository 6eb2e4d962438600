"""What is in the sky: objects, detections of them and what is known of each place."""

from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, column, func, text
from sqlmodel import Field

from core.database.blobs import Blob
from core.database.tables.base import Stored
from core.line_words import LINES
from core.vocabulary import ReviewState

KNOWN_KINDS = ("star", "variable", "galaxy", "transient", "solar_system", "reference")


def known_status(kind: str, dialect: str) -> str:
    """What was answered of a kind, as SQL: a query must say it like the index does, to the letter."""
    if dialect == "postgresql":
        return f"((answers -> '{kind}'::text) ->> 'status'::text)"
    return f"json_extract(answers, '$.{kind}.status')"


def has_feature(name: str, dialect: str) -> str:
    """Whether a candidate has a feature, as SQL: a query must say it like the index does, to the letter."""
    if dialect == "postgresql":
        return f"(features ->> '{name}'::text) IS NOT NULL"
    return f"json_extract(features, '$.{name}') IS NOT NULL"


def beginning_index(index: str, name: str) -> Index:
    """An index that finds names in lower case, whole or by how they begin; PostgreSQL's has to be told so."""
    lowered = func.lower(column(name)).label(index)
    return Index(index, lowered, postgresql_ops={index: "text_pattern_ops"})


class SkyObject(Stored, table=True):
    """What the candidates at one position are."""

    __tablename__ = "sky_object"
    __table_args__ = (
        Index("ix_sky_object_cone", "zone", "ra"),
        Index("ix_sky_object_grid", "reference_id", "x"),
        beginning_index("ix_sky_object_lower_name", "name"),
        Index("ix_sky_object_queue", "review_state", "best_score", "id"),
        Index("ix_sky_object_brightness", "review_state", "best_mag", "id"),
        Index("ix_sky_object_age", "review_state", "first_mjd", "id"),
        *(
            Index(
                f"ix_sky_object_{name}",
                "review_state",
                name,
                "id",
                sqlite_where=text(f"{name} IS NOT NULL"),
                postgresql_where=text(f"{name} IS NOT NULL"),
            )
            for name in ("anomaly", "uncertainty")
        ),
        Index(
            "ix_sky_object_tracklet",
            "tracklet_id",
            sqlite_where=text("tracklet_id IS NOT NULL"),
            postgresql_where=text("tracklet_id IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    ra: float | None = None
    dec: float | None = None
    zone: int | None = None  # floor((dec + 90) / 30 arcsec)
    reference_id: int | None = Field(default=None, foreign_key="reference.id")  # its grid, without a WCS
    x: float | None = None
    y: float | None = None
    first_mjd: float | None = None
    last_mjd: float | None = None
    n_candidates: int = 0
    best_score: float | None = None  # what the review queue is ordered by
    best_candidate_id: int | None = None  # the card's; no foreign key, the tables would be circular
    best_mag: float | None = None  # of that candidate
    anomaly: float | None = None  # how unlike all others a model finds it; none: no model did
    uncertainty: float | None = None  # how little models know what it is; none: no model was asked
    review_state: str = ReviewState.UNREVIEWED
    review_label: str | None = None
    snoozed_at_mjd: float | None = None  # a detection later than this brings it back for review
    injected: bool = False  # injected sources associate only among themselves
    # All that was seen of it belongs to tracklets: nothing else is ever associated with it.
    moving: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    tracklet_id: int | None = None  # what it is judged with while it moves; kept by `core.objects.moving`


class Candidate(Stored, table=True):
    """One detection on one of our differences, or one alert of a survey."""

    __tablename__ = "candidate"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_candidate_cone", "zone", "ra"),
        Index("ix_candidate_score", "is_current", "score", "id"),
        Index("ix_candidate_snr", "is_current", "snr", "id"),
        Index("ix_candidate_mag", "is_current", "mag", "id"),
        Index("ix_candidate_mjd", "is_current", "mjd", "id"),
        Index("ix_candidate_object", "sky_object_id", "mjd"),
        Index("ix_candidate_lower_frame", text("lower(frame)")),
        *(
            Index(
                f"ix_candidate_{kind}",
                "sky_object_id",
                sqlite_where=text(has_feature(feature, "sqlite")),
                postgresql_where=text(has_feature(feature, "postgresql")),
            )
            for kind, feature in LINES.items()
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str = "astrid"  # or a survey
    external_id: str  # the survey's id; "difference.number" for our own
    observation_id: int | None = Field(default=None, foreign_key="observation.id", index=True)
    difference_id: int | None = Field(default=None, foreign_key="difference.id", index=True)
    sky_object_id: int = Field(foreign_key="sky_object.id")
    is_current: bool = (
        True  # false once a newer version of its difference superseded it, or its survey took it back
    )
    frame: str | None = None
    filter: str | None = None
    mjd: float
    x: float | None = None  # on the reference's grid
    y: float | None = None
    x_frame: float | None = None  # in the frame's own pixels
    y_frame: float | None = None
    ra: float | None = None
    dec: float | None = None
    zone: int | None = None
    position_error_px: float | None = None
    snr: float  # signed
    flux: float | None = None  # signed, the PSF fit
    flux_err: float | None = None
    flux_unit: str | None = None
    mag: float | None = None  # of |flux|; none without a zeropoint
    mag_err: float | None = None
    mag_system: str | None = None
    score: float | None = None  # what the queue is ordered by
    scores: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    features: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    mask_flags: int = 0
    # A scoring; none: as its frame's record says. No foreign key: SQLite could not drop the column then.
    scoring_id: int | None = None


class Scoring(Stored, table=True):
    """Which models scored candidates, as the classifier tells it.

    A frame's record does not do for it: alerts have none, what is scored anew differs from it, and an attempt
    that failed has one but scored nothing that is kept.
    """

    __tablename__ = "scoring"

    id: int | None = Field(default=None, primary_key=True)
    told: str = Field(unique=True)


class Cutout(Stored, table=True):
    """The cutouts of one candidate, as `core.review.cutouts` packs them."""

    __tablename__ = "cutout"

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id")
    pixels: bytes = Field(sa_column=Column(Blob, nullable=False))


class CandidateMatch(Stored, table=True):
    """What is known at one candidate's place: `pipeline.known.match` answers.

    A row of its own, not a column of the candidate: catalogues come and go while candidates stay as they
    are, and the pages of the review queue do not carry it.
    """

    __tablename__ = "candidate_match"
    __table_args__ = tuple(
        Index(
            f"ix_candidate_match_{kind}",
            "candidate_id",
            sqlite_where=text(f"{known_status(kind, 'sqlite')} = 'match'"),
            postgresql_where=text(f"{known_status(kind, 'postgresql')} = 'match'"),
        )
        for kind in KNOWN_KINDS
    )

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id")
    state: str = Field(index=True)  # of the catalogues that were asked; another one means ask again
    at: float
    answers: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class Tracklet(Stored, table=True):
    """Detections of one night that a body in straight motion explains."""

    __tablename__ = "tracklet"

    id: int | None = Field(default=None, primary_key=True)
    n: int  # detections
    first_mjd: float = Field(index=True)
    last_mjd: float
    ra: float  # in the middle of that time
    dec: float
    rate_arcsec_hour: float
    position_angle: float  # of the motion, degrees from north to east
    rms_arcsec: float | None = None  # about the straight line; none of two detections
    mag: float | None = None  # the median
    filter: str | None = None  # of all detections, where it is one
    chance: float  # how many as good would be expected from one detection by chance
    made_at: float


class TrackletMember(Stored, table=True):
    """A candidate of a tracklet; none belongs to two."""

    __tablename__ = "tracklet_member"

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id")
    tracklet_id: int = Field(foreign_key="tracklet.id", index=True)


class SurveyObject(Stored, table=True):
    """What a survey calls a sky object; several names may be one object's."""

    __tablename__ = "survey_object"
    __table_args__ = (
        UniqueConstraint("external_id", "source"),
        beginning_index("ix_survey_object_lower_external_id", "external_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str  # the survey
    external_id: str  # its name or number
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)


class SurveyFlux(Stored, table=True):
    """One epoch of a sky object as the history in a survey's packets tells it.

    Later packets repeat the history of earlier ones: the key keeps each epoch once.
    """

    __tablename__ = "survey_flux"
    __table_args__ = ({"sqlite_with_rowid": False},)  # rows lie together by object

    sky_object_id: int = Field(primary_key=True, foreign_key="sky_object.id")
    source: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)  # of a detection its candid, else made of kind and exposure
    kind: str  # `core.vocabulary.FluxKind`
    mjd: float
    filter: str | None = None
    flux: float | None = None  # signed; none where only a limit is known
    flux_err: float | None = None  # of a limit, a fifth of its flux
    flux_unit: str
    zeropoint: float | None = None
    mag_system: str | None = None
