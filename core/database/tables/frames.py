"""Frames, what they are subtracted from, and what became of each."""

from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field

from core.database.blobs import Blob
from core.database.tables.base import Stored
from core.vocabulary import NEW_SATURATED, FrameKind, ObservationState


class Observation(Stored, table=True):
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
    airmass: float | None = None  # as its header says, else by [site]
    width: int | None = None
    height: int | None = None
    has_wcs: bool = False
    ra: float | None = None  # of the frame's centre
    dec: float | None = None
    radius_deg: float | None = Field(default=None, index=True)  # centre to corner
    readout: list[Any] | None = Field(default=None, sa_column=Column(JSON))  # pairs: gain, binning, ...
    pixels: str | None = Field(default=None, index=True)  # `core.frames.same_exposure.pixels_hash`

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


class Reference(Stored, table=True):
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


class Difference(Stored, table=True):
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
    registration_rms_px: float  # less the noise of the centroids
    registration_scatter_px: float | None = None  # that noise included
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


class StageRun(Stored, table=True):
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


class Rejection(Stored, table=True):
    """What a stage dropped, where, and by what margin."""

    __tablename__ = "rejection"
    __table_args__ = (
        Index("ix_rejection_cone", "zone", "ra"),
        Index(
            "ix_rejection_saturated",
            "id",
            sqlite_where=text(f"cause = '{NEW_SATURATED}'"),
            postgresql_where=text(f"cause = '{NEW_SATURATED}'"),
        ),
    )

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


class Thumbnail(Stored, table=True):
    """A frame in small, after calibration, as `core.frames.thumbnail` packs it."""

    __tablename__ = "thumbnail"

    observation_id: int = Field(primary_key=True, foreign_key="observation.id")
    pixels: bytes = Field(sa_column=Column(Blob, nullable=False))


class ScoreMap(Stored, table=True):
    """Significance and masks all over one difference, coarsely: `core.places.block_scores` packs it."""

    __tablename__ = "score_map"

    difference_id: int = Field(primary_key=True, foreign_key="difference.id")
    blocks: bytes = Field(sa_column=Column(Blob, nullable=False))


class ForcedFlux(Stored, table=True):
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
