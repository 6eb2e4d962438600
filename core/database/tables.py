"""The tables of the store, the same on SQLite and PostgreSQL.

Times of the sky are ``mjd`` (UTC, at mid-exposure). Times of book-keeping are ``float`` Unix
seconds, UTC. Angles are degrees; pixels are 0-based pixel centres. Text columns keep what came
from outside unchanged: whoever shows it passes it through `core.text` first.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from core.vocabulary import FrameKind, ObservationState, ReviewState

# Constraints need names of their own before a migration can change them on SQLite.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Observation(SQLModel, table=True):
    """One science extension of one file, and its place in the queue."""

    __tablename__ = "observation"
    __table_args__ = (
        UniqueConstraint("content", "extension"),
        Index("ix_observation_queue", "state", "priority", "id"),
        Index("ix_observation_newest", "state", "id"),
        Index("ix_observation_sky", "dec", "ra"),
    )

    id: int | None = Field(default=None, primary_key=True)
    content: str  # SHA-256 of the file; of its path where it could not be read
    extension: int = 0
    frame: str  # what people call it: `file` or `file[ext]`
    path: str = Field(index=True)
    kind: str = FrameKind.SCIENCE
    instrument: str | None = None
    filter: str | None = None
    field: str | None = Field(default=None, index=True)
    mjd: float | None = Field(default=None, index=True)
    exposure_s: float | None = None
    width: int | None = None
    height: int | None = None
    has_wcs: bool = False
    ra: float | None = None  # of the frame's centre
    dec: float | None = None
    radius_deg: float | None = Field(default=None, index=True)  # centre to corner

    # the queue
    state: str = ObservationState.QUEUED
    reason: str | None = None  # one line: why it is where it is
    priority: int = 0  # lower runs first
    attempts: int = 0
    interruptions: int = 0  # runs that ended with this frame in hand; no fault of the frame's, up to a limit
    not_before: float = 0.0
    lease_owner: str | None = None
    lease_token: str | None = None
    lease_until: float | None = None
    created_at: float
    finished_at: float | None = None

    # quality
    seeing_px: float | None = None
    seeing_arcsec: float | None = None
    sky: float | None = None  # electrons per pixel
    sky_rms: float | None = None
    zeropoint: float | None = None
    limit_mag: float | None = None  # 5 sigma, a point source on empty sky
    n_stars: int | None = None
    masked_fraction: float | None = None
    zeropoint_from: str | None = None  # "header", or the catalogue and its band
    zeropoint_scatter: float | None = None  # magnitudes, of one star
    zeropoint_stars: int | None = None
    mag_system: str | None = None
    wcs_catalog: str | None = None  # that the WCS was compared with
    wcs_dra_arcsec: float | None = None  # by the WCS less by the catalogue, towards east; the median
    wcs_ddec_arcsec: float | None = None  # towards north
    wcs_rms_arcsec: float | None = None  # of one star, per axis
    wcs_stars: int | None = None


class Reference(SQLModel, table=True):
    """An image to subtract from frames of one field and filter."""

    __tablename__ = "reference"
    __table_args__ = (
        UniqueConstraint("content", "filter", "field"),
        Index("ix_reference_choice", "filter", "field", "is_current"),
    )

    id: int | None = Field(default=None, primary_key=True)
    content: str  # SHA-256 of the file at `path`
    path: str
    field: str | None = None
    filter: str | None = None
    width: int
    height: int
    has_wcs: bool
    ra: float | None = None
    dec: float | None = None
    radius_deg: float | None = None
    pixel_scale: float | None = None  # arcsec per pixel
    seeing_px: float | None = None
    zeropoint: float | None = None
    mag_system: str | None = None  # "ab", "vega" or "instrumental"
    flux_unit: str = "electron"
    mjd_first: float | None = None
    mjd_last: float | None = None
    n_frames: int = 1
    chosen: str  # how it came to be: "added from FILE" or "coadd of N frames by ..."
    sources: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    is_current: bool = True
    created_at: float


class Difference(SQLModel, table=True):
    """One subtraction. A new reference, method or configuration appends one; one is current."""

    __tablename__ = "difference"
    __table_args__ = (
        UniqueConstraint("observation_id", "reference_id", "method", "config_hash"),
        Index(
            "ix_difference_current",
            "observation_id",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    observation_id: int = Field(foreign_key="observation.id")
    reference_id: int = Field(foreign_key="reference.id", index=True)
    method: str  # "zogy" or "classic"
    config_hash: str
    is_current: bool = True
    created_at: float
    flux_unit: str
    mag_system: str | None = None
    zeropoint: float | None = None
    score_std: float  # robust, on unmasked sky, before any rescaling
    registration_rms_px: float
    gain_ratio: float
    fwhm_new_px: float
    fwhm_ref_px: float
    masked_fraction: float
    m50: float | None = None  # where half of the injected sources are found
    m50_err: float | None = None  # magnitudes, also where no zeropoint gives flux50 one
    flux50: float | None = None
    snr50: float | None = None  # flux50 over the median error
    depth_reason: str | None = None  # why it was not measured
    completeness: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON)
    )  # `core.frames.outcome.DifferenceFacts`
    limit_mag: float | None = None  # 5 sigma in the difference, the median over the field
    n_candidates: int = 0
    forced_through: int | None = None  # sky objects up to this key were measured in it, or cannot be


KNOWN_KINDS = ("star", "variable", "galaxy", "transient", "solar_system", "reference")


def known_status(kind: str, dialect: str) -> str:
    """What was answered of a kind, as SQL: a query must say it like the index does, to the letter."""
    if dialect == "postgresql":
        return f"((answers -> '{kind}'::text) ->> 'status'::text)"
    return f"json_extract(answers, '$.{kind}.status')"


def tagged(dialect: str) -> str:
    """That a verdict has tags, as SQL: a query must say it like the index does, to the letter."""
    return "(tags)::text <> '[]'::text" if dialect == "postgresql" else "CAST(tags AS TEXT) <> '[]'"


class SkyObject(SQLModel, table=True):
    """What the candidates at one position are."""

    __tablename__ = "sky_object"
    __table_args__ = (
        Index("ix_sky_object_cone", "zone", "ra"),
        Index("ix_sky_object_grid", "reference_id", "x"),
        Index("ix_sky_object_lower_name", text("lower(name)")),
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


class Candidate(SQLModel, table=True):
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
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str = "astrid"  # or a survey
    external_id: str  # the survey's id; "difference.number" for our own
    observation_id: int | None = Field(default=None, foreign_key="observation.id", index=True)
    difference_id: int | None = Field(default=None, foreign_key="difference.id", index=True)
    sky_object_id: int = Field(foreign_key="sky_object.id")
    is_current: bool = True  # false once a newer version of its difference superseded it
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


class Cutout(SQLModel, table=True):
    """The cutouts of one candidate, as `core.review.cutouts` packs them."""

    __tablename__ = "cutout"

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id")
    pixels: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CandidateMatch(SQLModel, table=True):
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


class Tracklet(SQLModel, table=True):
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


class TrackletMember(SQLModel, table=True):
    """A candidate of a tracklet; none belongs to two."""

    __tablename__ = "tracklet_member"

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id")
    tracklet_id: int = Field(foreign_key="tracklet.id", index=True)


class ForcedFlux(SQLModel, table=True):
    """The flux at a known object's place in a difference where it was not detected."""

    __tablename__ = "forced_flux"
    __table_args__ = (UniqueConstraint("difference_id", "sky_object_id"),)

    id: int | None = Field(default=None, primary_key=True)
    difference_id: int = Field(foreign_key="difference.id")
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)
    mjd: float
    filter: str | None = None
    flux: float
    flux_err: float
    flux_unit: str
    zeropoint: float | None = None
    mag_system: str | None = None


class SurveyObject(SQLModel, table=True):
    """What a survey calls a sky object; several names may be one object's."""

    __tablename__ = "survey_object"
    __table_args__ = (
        UniqueConstraint("external_id", "source"),
        Index("ix_survey_object_lower_external_id", text("lower(external_id)")),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str  # the survey
    external_id: str  # its name or number
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)


class SurveyFlux(SQLModel, table=True):
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


class Verdict(SQLModel, table=True):
    """One human decision, or the retraction of one. Rows are appended, never changed.

    A bogus label judges the candidate that was shown; a real one judges its object too.
    """

    __tablename__ = "verdict"
    __table_args__ = (
        UniqueConstraint("session", "sequence"),
        Index(
            "ix_verdict_tagged",
            "sky_object_id",
            sqlite_where=text(tagged("sqlite")),
            postgresql_where=text(tagged("postgresql")),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    session: str = Field(index=True)  # one reviewer's sitting; the hash chain runs within it
    sequence: int
    reviewer: str = Field(index=True)
    candidate_id: int = Field(foreign_key="candidate.id", index=True)
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)
    label: str | None = None  # none on a retraction and on a bare note
    retracts_id: int | None = Field(default=None, foreign_key="verdict.id", index=True)
    note: str | None = None
    tags: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    shown: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: float
    previous_hash: str
    hash: str = Field(unique=True)


class InjectedSource(SQLModel, table=True):
    """A sky object that is none: a source drawn into copies of frames. Nothing but this tells what it is.

    From ``mjd`` on it is drawn into each frame that shows its place, until a verdict reveals it.
    """

    __tablename__ = "injected_source"

    sky_object_id: int = Field(primary_key=True, foreign_key="sky_object.id")
    reference_id: int = Field(foreign_key="reference.id", index=True)  # whose grid and unit of flux
    x: float  # where it truly is
    y: float
    ra: float | None = None
    dec: float | None = None
    mjd: float  # of the frame that it was first drawn into
    flux: float  # then; positive
    mag: float | None = None  # then
    mag_system: str | None = None
    mag_per_day: float  # by which it fades since then
    snr: float  # expected then
    host: str  # "galaxy" or "none"
    revealed_at: float | None = None
    verdict_id: int | None = Field(default=None, foreign_key="verdict.id")  # that revealed it


class Injection(SQLModel, table=True):
    """A source that was drawn into a copy of one frame, found or not. It betrays itself nowhere but here."""

    __tablename__ = "injection"

    id: int | None = Field(default=None, primary_key=True)
    observation_id: int = Field(foreign_key="observation.id", index=True)
    difference_id: int | None = Field(default=None, foreign_key="difference.id", index=True)
    candidate_id: int | None = Field(default=None, foreign_key="candidate.id", unique=True)
    sky_object_id: int | None = Field(default=None, foreign_key="sky_object.id", index=True)
    x: float
    y: float
    flux: float
    snr: float | None = None  # expected
    mag: float | None = None
    host: str | None = None  # "galaxy" or "none"
    found: bool | None = None


class Run(SQLModel, table=True):
    """One `astrid run`: which process, since when, and how it ended."""

    __tablename__ = "run"

    id: int | None = Field(default=None, primary_key=True)
    engine: str
    host: str
    pid: int
    process: str | None = (
        None  # tells its process from a later one of the same id: `core.operations.processes`
    )
    workers: int
    state: str  # running, done, failed, interrupted, lost
    reason: str | None = None  # one line: why it runs or ended as it did
    flow_run_id: str | None = None  # of Prefect's flow run
    config_hash: str
    config: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    started_at: float
    heartbeat_at: float
    ended_at: float | None = None
    counts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    energy_j: float | None = None  # all that was measured of its machine meanwhile; none: not measured
    energy: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON)
    )  # by device: `core.operations.power`


class StageRun(SQLModel, table=True):
    """One stage of one attempt at one frame: its time, memory, energy and outcome."""

    __tablename__ = "stage_run"

    id: int | None = Field(default=None, primary_key=True)
    run_id: int | None = Field(default=None, foreign_key="run.id", index=True)
    observation_id: int = Field(foreign_key="observation.id", index=True)
    attempt: int
    stage: str
    started_at: float
    seconds: float
    peak_mib: float | None = None
    energy_j: float | None = None  # none: not measured
    outcome: str  # done, rejected, failed
    reason: str | None = None
    value: float | None = None  # where a limit refused the frame: what was measured, and the limit
    limit: float | None = None


class Rejection(SQLModel, table=True):
    """What a stage dropped, where, and by what margin."""

    __tablename__ = "rejection"
    __table_args__ = (Index("ix_rejection_cone", "zone", "ra"),)

    id: int | None = Field(default=None, primary_key=True)
    observation_id: int = Field(foreign_key="observation.id", index=True)
    difference_id: int | None = Field(default=None, foreign_key="difference.id", index=True)
    stage: str
    cause: str
    x: float
    y: float
    ra: float | None = None
    dec: float | None = None
    zone: int | None = None
    value: float | None = None
    limit: float | None = None


class Thumbnail(SQLModel, table=True):
    """A frame in small, after calibration, as `core.frames.thumbnail` packs it."""

    __tablename__ = "thumbnail"

    observation_id: int = Field(primary_key=True, foreign_key="observation.id")
    pixels: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ScoreMap(SQLModel, table=True):
    """Significance and masks all over one difference, coarsely: `core.places.block_scores` packs it."""

    __tablename__ = "score_map"

    difference_id: int = Field(primary_key=True, foreign_key="difference.id")
    blocks: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class QueueEvent(SQLModel, table=True):
    """Something out of the ordinary on a frame's way through the queue: its history, oldest first."""

    __tablename__ = "queue_event"

    id: int | None = Field(default=None, primary_key=True)
    observation_id: int = Field(foreign_key="observation.id", index=True)
    at: float
    event: str  # `core.vocabulary.QueueEventKind`
    state: str  # of the frame after it
    attempt: int  # the one it ended; 0 before the first
    by: str | None = None  # the worker that had the frame, or the person
    reason: str | None = None


class WatchedFolder(SQLModel, table=True):
    """A folder that `astrid watch` looks into, and what it saw last. One process watches it at a time."""

    __tablename__ = "watched_folder"
    __table_args__ = (UniqueConstraint("host", "path"),)

    id: int | None = Field(default=None, primary_key=True)
    host: str
    path: str
    watcher: str | None = None  # proof of who watches now; none: nobody
    pid: int | None = None
    interval_s: float
    processes: bool = False  # it starts runs as frames arrive
    heartbeat_at: float
    last_file_at: float | None = None  # when the newest file was taken
    cadence_s: float | None = None  # between the newest files, the median
    unsettled: int = 0  # files that are still being written
    files: int = 0  # that were taken, ever
    refused: int = 0  # of them, those without any exposure of use
    problem: str | None = None  # why it cannot be read now


class WatchedFile(SQLModel, table=True):
    """A file of a watched folder as it was when it was taken: it is examined again when it changed."""

    __tablename__ = "watched_file"

    folder_id: int = Field(foreign_key="watched_folder.id", primary_key=True)
    name: str = Field(primary_key=True)  # from the folder on
    size: int = Field(sa_type=BigInteger)
    mtime: float
    taken_at: float


class PowerDevice(SQLModel, table=True):
    """Something that takes power, and who reads it; or the reason why it cannot be measured."""

    __tablename__ = "power_device"

    device: str = Field(primary_key=True)  # "host/gpu0"; "host/gpu" where there is none
    host: str = Field(index=True)
    kind: str  # "gpu", "cpu" or "memory"
    name: str
    memory_mib: float | None = None  # that it has
    reason: str | None = None  # why nothing is measured, or since when no more
    sampled_by: str | None = None  # one process a host writes samples; another takes over when it is gone
    seen_at: float


class PowerSample(SQLModel, table=True):
    """One reading of one device's power."""

    __tablename__ = "power_sample"
    __table_args__ = (Index("ix_power_sample_device", "device", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    at: float
    device: str  # `PowerDevice.device`
    watts: float | None = None
    energy_j: float | None = None  # its counter: differences have a meaning, the value has none
    temperature_c: float | None = None
    utilisation: float | None = None  # 0 to 1
    memory_mib: float | None = None  # in use


class HealthEvent(SQLModel, table=True):
    """Something the operator should know: one row for each trouble, however often it comes back."""

    __tablename__ = "health_event"
    __table_args__ = (
        Index("ix_health_event_open", "acknowledged_at", "last_at"),
        Index("uq_health_event_trouble", "check", "host", "cause", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    check: str
    host: str = Field(default="", sa_column_kwargs={"server_default": ""})  # empty: of the whole store
    cause: str = Field(default="", sa_column_kwargs={"server_default": ""})  # such as the run it is about
    severity: str  # "warning" or "failed"
    message: str
    first_at: float
    last_at: float  # when it was last seen, to a minute
    count: int = 1  # how often it came
    opened_at: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})  # when it came last
    closed_at: float | None = None  # when it was gone; none: it lasts
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    alerted_at: float | None = None  # when an alert of it was last tried
    alert_problem: str | None = None  # why that did not reach everybody


class SavedFilter(SQLModel, table=True):
    """A filter of the review queue, kept by name."""

    __tablename__ = "saved_filter"
    __table_args__ = (UniqueConstraint("reviewer", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    reviewer: str
    name: str
    expression: str
    created_at: float


class OpenCard(SQLModel, table=True):
    """The card that a sitting has before it: others are told, until the time is over."""

    __tablename__ = "open_card"

    session: str = Field(primary_key=True)
    reviewer: str
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)
    until: float


class Assignment(SQLModel, table=True):
    """The expert who was asked to look at a sky object."""

    __tablename__ = "assignment"

    sky_object_id: int = Field(primary_key=True, foreign_key="sky_object.id")
    expert: str = Field(index=True)
    assigned_by: str
    assigned_at: float


class TrainedModel(SQLModel, table=True):
    """A version of a model that may be used, known by the digest of its files."""

    __tablename__ = "trained_model"
    __table_args__ = (UniqueConstraint("name", "number"), UniqueConstraint("name", "digest"))

    id: int | None = Field(default=None, primary_key=True)
    name: str  # such as "realbogus"
    number: int  # 1, 2, ... of this name
    digest: str  # SHA-256 of its `model.json`, which holds those of its other files
    origin: str  # "training" or "import"
    created_at: float
    created_by: str
    training: str | None = Field(default=None, index=True)  # the key of the training it came from
    description: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    scorecard: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    registry_run: str | None = None  # MLflow's
    registry_version: str | None = None


class Promotion(SQLModel, table=True):
    """From when on a version of a model is in use. Rows are only added."""

    __tablename__ = "promotion"
    __table_args__ = (Index("ix_promotion_newest", "name", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str
    number: int  # 0: the version that AstrID came with
    previous: int  # the one in use until then
    kind: str  # "promote" or "rollback"
    reason: str | None = None
    promoted_by: str
    promoted_at: float
