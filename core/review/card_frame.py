"""What a card says of the frame that its candidate came from, and of who scored it."""

from dataclasses import dataclass

from core.database.tables import Difference, Observation


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What is known of the frame and the subtraction that a candidate came from."""

    path: str | None = None
    extension: int | None = None
    field: str | None = None
    exposure_s: float | None = None
    airmass: float | None = None
    seeing_px: float | None = None
    seeing_arcsec: float | None = None
    sky_rms: float | None = None
    zeropoint: float | None = None
    limit_mag: float | None = None  # of the difference, else of the frame
    m50: float | None = None  # where half of the injected sources are found; no limit
    m50_err: float | None = None
    flux50: float | None = None
    snr50: float | None = None
    depth_reason: str | None = None  # why there is none
    fwhm_new_px: float | None = None
    fwhm_ref_px: float | None = None
    score_std: float | None = None
    registration_rms_px: float | None = None
    registration_scatter_px: float | None = None
    masked_fraction: float | None = None
    config_hash: str | None = None
    scored_by: str | None = None  # which versions of which models, and which were refused and why


def frame_facts(
    observation: Observation | None, difference: Difference | None, scored: str | None
) -> FrameFacts:
    """What the rows of a frame and of its difference say; nothing where there is no row."""
    of_frame = {} if observation is None else {
        "path": observation.path,
        "extension": observation.extension,
        "field": observation.field,
        "exposure_s": observation.exposure_s,
        "airmass": observation.airmass,
        "seeing_px": observation.seeing_px,
        "seeing_arcsec": observation.seeing_arcsec,
        "sky_rms": observation.sky_rms,
        "zeropoint": observation.zeropoint,
        "limit_mag": observation.limit_mag,
    }  # fmt: skip
    of_difference = {} if difference is None else {
        "m50": difference.m50,
        "m50_err": difference.m50_err,
        "flux50": difference.flux50,
        "snr50": difference.snr50,
        "depth_reason": difference.depth_reason,
        "fwhm_new_px": difference.fwhm_new_px,
        "fwhm_ref_px": difference.fwhm_ref_px,
        "score_std": difference.score_std,
        "registration_rms_px": difference.registration_rms_px,
        "registration_scatter_px": difference.registration_scatter_px,
        "masked_fraction": difference.masked_fraction,
        "config_hash": difference.config_hash,
    }  # fmt: skip
    if difference is not None and difference.limit_mag is not None:
        of_difference["limit_mag"] = difference.limit_mag
    return FrameFacts(**of_frame | of_difference, scored_by=scored)  # type: ignore[arg-type]
