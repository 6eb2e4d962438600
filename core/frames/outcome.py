"""What the way of one frame yields: plain values that the pipeline makes and the store commits.

The pipeline knows no database and the store no pixels; they meet here.
"""

from dataclasses import dataclass, field
from typing import Any

from core.vocabulary import FrameKind, ObservationState


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of one attempt: what it took and how it ended."""

    stage: str
    started_at: float  # Unix seconds
    seconds: float
    outcome: str  # "done", "rejected" or "failed"
    peak_mib: float | None = None
    energy_j: float | None = None
    reason: str | None = None
    value: float | None = None  # where a limit refused the frame: what was measured, and the limit
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class QualityFacts:
    """What the quality gate measured of a frame. Electrons, pixels, magnitudes."""

    seeing_px: float | None = None
    seeing_arcsec: float | None = None
    sky: float | None = None
    sky_rms: float | None = None
    zeropoint: float | None = None
    limit_mag: float | None = None
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


@dataclass(frozen=True, slots=True)
class DifferenceFacts:
    """One subtraction, as `core.database.tables.Difference` keeps it.

    Attributes
    ----------
    registration_rms_px, registration_scatter_px : float
        Of matched stars, per axis: without the noise of their centroids, and with it.
    m50, m50_err : float or None
        The magnitude at which half of the injected sources are found, none without a zeropoint; its
        standard error in magnitudes, known without one too.
    flux50, snr50 : float or None
        That brightness in `flux_unit`, and over the median error of the flux.
    limit_mag : float or None
        Five times the median error of the flux. It is no m50, and never stands for one.
    depth_reason : str or None
        Why there is no depth.
    completeness : dict or None
        ``bins``: lists of a flux, how many sources of about it were injected and how many found, from
        faint to bright; ``plateau``: the share that is found of bright ones; ``width_mag``: of the fit.
    """

    reference_id: int
    method: str
    config_hash: str
    flux_unit: str
    score_std: float
    registration_rms_px: float
    gain_ratio: float
    fwhm_new_px: float
    fwhm_ref_px: float
    masked_fraction: float
    mag_system: str | None = None
    zeropoint: float | None = None
    m50: float | None = None
    limit_mag: float | None = None
    m50_err: float | None = None
    flux50: float | None = None
    snr50: float | None = None
    depth_reason: str | None = None
    completeness: dict[str, Any] | None = None
    registration_scatter_px: float | None = None


@dataclass(frozen=True, slots=True)
class CandidateFacts:
    """One detection, measured, with its packed cutouts. Signs follow new minus reference."""

    x: float
    y: float
    x_frame: float
    y_frame: float
    snr: float
    flux: float
    flux_err: float
    position_error_px: float
    ra: float | None = None
    dec: float | None = None
    mag: float | None = None
    mag_err: float | None = None
    score: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)
    mask_flags: int = 0
    cutouts: bytes | None = None  # `core.review.cutouts.pack`
    known: dict[str, Any] | None = None  # what is known there: `pipeline.known.match` answers


@dataclass(frozen=True, slots=True)
class InjectedFacts:
    """One source that was drawn into a copy of the frame, and what became of it there.

    Attributes
    ----------
    x, y, ra, dec : float or None
        Where it truly is, on the reference's grid and on the sky.
    flux, mag, mag_system, snr
        As it was drawn; ``snr`` is what is expected of that.
    mag_per_day : float
        By which it fades from this frame on.
    host : str
        ``galaxy`` or ``none``.
    sky_object_id : int or None
        That it is known by from an earlier frame.
    found : bool
        The search of the copy found it.
    candidate : CandidateFacts or None
        What was found, where it is to be judged.
    forced : tuple of float or None
        The flux and its error at the place of a known one that was not found.
    """

    x: float
    y: float
    flux: float
    snr: float
    host: str
    found: bool
    ra: float | None = None
    dec: float | None = None
    mag: float | None = None
    mag_system: str | None = None
    mag_per_day: float = 0.0
    sky_object_id: int | None = None
    candidate: CandidateFacts | None = None
    forced: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ForcedFacts:
    """The flux of a known sky object where it was not detected."""

    sky_object_id: int
    flux: float
    flux_err: float


@dataclass(frozen=True, slots=True)
class RejectionFacts:
    """What a stage dropped at one place, and by what margin."""

    stage: str
    cause: str
    x: float
    y: float
    ra: float | None = None
    dec: float | None = None
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """All that one frame yields; committed in one transaction, or not at all.

    ``state`` is ``done``, ``rejected`` (the frame is unusable, ``reason`` says why), ``waiting``
    (no reference covers it yet; it is queued again when one is added), ``dropped`` (its file holds other
    content now, which is registered anew, or it is its own reference), ``away`` (the folder of its file is
    not there now; it has not been tried) or ``failed`` (something broke that should not have; the queue
    decides between retry and quarantine).
    """

    state: str
    reason: str | None = None
    quality: QualityFacts | None = None
    difference: DifferenceFacts | None = None
    candidates: tuple[CandidateFacts, ...] = ()
    forced: tuple[ForcedFacts, ...] = ()
    forced_through: int | None = None  # the key of the newest sky object that was known
    rejections: tuple[RejectionFacts, ...] = ()
    stages: tuple[StageRecord, ...] = ()
    match_radius_px: float = 1.0  # association: max(1 arcsec, half the FWHM, 3 sigma), in pixels
    pixel_scale: float | None = None  # arcsec per pixel, none without a WCS
    known_state: str | None = None  # of the catalogues that said what is known
    score_map: bytes | None = None  # `core.places.block_scores.pack`
    thumbnail: bytes | None = None  # `core.frames.thumbnail.pack`; also of frames that come no farther
    injected: tuple[InjectedFacts, ...] = ()

    @property
    def n_candidates(self) -> int:
        """How many there are to judge, whatever they are."""
        return len(self.candidates) + sum(each.candidate is not None for each in self.injected)


@dataclass(frozen=True, slots=True)
class ObservationFacts:
    """One science extension of one file, as ingest found it.

    Attributes
    ----------
    content : str
        SHA-256 of the file's bytes in hexadecimal; of its absolute path where it cannot be read.
    extension : int
        The index of the HDU in the file.
    frame : str
        What people call it: ``file`` or ``file[ext]``.
    ra, dec, radius_deg : float or None
        The frame's centre and the distance from it to a corner, in degrees.
    readout : tuple of (str, float or str)
        What calibration frames must share with it, such as gain, binning and temperature.
    pixels : str or None
        `core.frames.same_exposure.pixels_hash` of an exposure of the sky whose time is known, or of a
        calibration frame.
    state : str
        Where it starts: ``queued``, ``calibration``, or ``rejected`` or ``quarantined`` with a `reason`.
    """

    content: str
    extension: int
    frame: str
    path: str
    kind: str = FrameKind.SCIENCE
    instrument: str | None = None
    filter: str | None = None
    field: str | None = None
    mjd: float | None = None
    exposure_s: float | None = None
    airmass: float | None = None
    width: int | None = None
    height: int | None = None
    has_wcs: bool = False
    ra: float | None = None
    dec: float | None = None
    radius_deg: float | None = None
    readout: tuple[tuple[str, float | str], ...] = ()
    pixels: str | None = None
    state: str = ObservationState.QUEUED
    reason: str | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ReferenceFacts:
    """An image to subtract from frames, as `core.database.tables.Reference` keeps it.

    ``content`` is the SHA-256 of the file at ``path``; ``chosen`` says how the reference came to be
    ("added from FILE", "coadd of N frames by ..."), ``sources`` which frames went into it.
    """

    content: str
    path: str
    width: int
    height: int
    has_wcs: bool
    chosen: str
    field: str | None = None
    filter: str | None = None
    ra: float | None = None
    dec: float | None = None
    radius_deg: float | None = None
    pixel_scale: float | None = None  # arcsec per pixel
    seeing_px: float | None = None
    zeropoint: float | None = None
    mag_system: str | None = None
    flux_unit: str = "electron"
    mjd_first: float | None = None
    mjd_last: float | None = None
    n_frames: int = 1
    sources: tuple[str, ...] = ()
