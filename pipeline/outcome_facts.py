"""What a subtraction yields as the values that the store keeps (`core.frames.outcome`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.frames.outcome import CandidateFacts, DifferenceFacts, ForcedFacts, RejectionFacts
from core.magnitudes import UPPER_LIMIT_SIGMA, magnitude
from core.review.cutouts import pack
from core.settings import Settings
from pipeline.depth.depth import Depth, typical_error
from pipeline.detection.cutting import cut
from pipeline.detection.forced import forced_fluxes
from pipeline.frame import Aligned, Detection, Difference, Dropped, Frame, PreparedReference
from pipeline.measure import Measured
from pipeline.places import sky_positions

if TYPE_CHECKING:
    from core.database.tables import SkyObject


@dataclass(frozen=True, slots=True)
class KnownObject:
    """A sky object that the store knows: at ra, dec (degrees), or at x, y on the reference's grid."""

    sky_object_id: int
    ra: float | None = None
    dec: float | None = None
    x: float | None = None
    y: float | None = None


def known_objects(rows: Sequence[SkyObject]) -> list[KnownObject]:
    """Sky objects of the store, as `process` takes them."""
    return [KnownObject(row.id or 0, ra=row.ra, dec=row.dec, x=row.x, y=row.y) for row in rows]


def match_radius_px(reference: PreparedReference, fwhm_px: float, settings: Settings) -> float:
    """How far apart two detections of one object may lie: the radius set, or half the FWHM.

    What a faint detection's own position error adds is known to each candidate, not to the frame.
    """
    scale = reference.frame.pixel_scale
    least = settings.associate.radius_arcsec / scale if scale else 0.0
    return max(least, 0.5 * fwhm_px)


def limit_magnitude(difference: Difference, zeropoint: float | None) -> float | None:
    """The magnitude of five times the median flux error over the unmasked field."""
    typical = typical_error(difference)
    return None if typical is None else magnitude(UPPER_LIMIT_SIGMA * typical, 0.0, zeropoint)[0]


def depth_magnitude(depth: Depth, zeropoint: float | None) -> float | None:
    """m50: the magnitude at which half of the injected sources are found."""
    return None if depth.flux50 is None else magnitude(depth.flux50, 0.0, zeropoint)[0]


def difference_facts(
    measured: Measured,
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    depth: Depth,
    settings: Settings,
) -> DifferenceFacts:
    """How well a subtraction went, and how deep it is."""
    return DifferenceFacts(
        reference_id=reference.reference_id,
        method=difference.method,
        config_hash=settings.science_hash,
        flux_unit=difference.flux_unit,
        score_std=difference.score_std,
        registration_rms_px=new.rms_px,
        gain_ratio=difference.gain_ratio,
        fwhm_new_px=measured.fwhm,
        fwhm_ref_px=reference.psf.fwhm,
        masked_fraction=float(np.mean(difference.mask != 0)),
        mag_system=reference.mag_system,
        zeropoint=reference.zeropoint,
        limit_mag=limit_magnitude(difference, reference.zeropoint),
        m50=depth_magnitude(depth, reference.zeropoint),
        m50_err=depth.error,
        flux50=depth.flux50,
        snr50=depth.snr50,
        depth_reason=depth.reason,
        completeness=depth.record(),
        registration_scatter_px=new.scatter_px,
    )


def candidates_of(
    detections: Sequence[Detection],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    origin: tuple[int, int],
    settings: Settings,
) -> tuple[CandidateFacts, ...]:
    """Detections as the store keeps them, with their cutouts; ``origin`` is the frame's in its file."""
    x = np.array([found.x for found in detections])
    y = np.array([found.y for found in detections])
    x_frame, y_frame = new.map_to_new(x, y)
    sky = sky_positions(reference.frame, x, y)
    candidates = []
    for i, found in enumerate(detections):
        stamps = cut(new.frame, reference.frame, difference, found.x, found.y, settings.cutout.size_px)
        mag, mag_err = magnitude(found.flux, found.flux_err, reference.zeropoint)
        candidates.append(
            CandidateFacts(
                x=found.x,
                y=found.y,
                x_frame=float(x_frame[i]) + origin[0],
                y_frame=float(y_frame[i]) + origin[1],
                snr=found.snr,
                flux=found.flux,
                flux_err=found.flux_err,
                position_error_px=found.position_error_px,
                ra=sky[i][0],
                dec=sky[i][1],
                mag=mag,
                mag_err=mag_err,
                score=abs(found.snr),  # its significance, until a model scores it
                scores=found.scores,
                features=found.features,
                mask_flags=found.mask_flags,
                cutouts=pack(stamps),
            )
        )
    return tuple(candidates)


def forced_points(
    known_objects: Sequence[KnownObject],
    detections: Sequence[Detection],
    difference: Difference,
    reference: PreparedReference,
    radius_px: float,
) -> tuple[ForcedFacts, ...]:
    """The flux at each known object in the field that no detection belongs to."""
    ids, places = on_grid(known_objects, reference.frame)
    if len(ids) and detections:
        found = KDTree([(each.x, each.y) for each in detections])
        alone = found.query(places)[0] > radius_px
        ids, places = ids[alone], places[alone]
    flux, flux_err = forced_fluxes(difference, places[:, 0], places[:, 1])
    measured = np.isfinite(flux) & (flux_err > 0)
    rows = zip(ids[measured].tolist(), flux[measured].tolist(), flux_err[measured].tolist(), strict=True)
    return tuple(ForcedFacts(*row) for row in rows)


def on_grid(
    known_objects: Sequence[KnownObject], frame: Frame
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids and places (n, 2) of those objects that lie within a frame."""
    if frame.wcs is None:
        known = [(each.sky_object_id, each.x, each.y) for each in known_objects if each.x is not None]
        ids = np.array([each[0] for each in known], dtype=np.int64)
        places = np.array([each[1:] for each in known], dtype=np.float64).reshape(-1, 2)
    else:
        on_sky = [(each.sky_object_id, each.ra, each.dec) for each in known_objects if each.ra is not None]
        ids = np.array([each[0] for each in on_sky], dtype=np.int64)
        coordinates = np.array([each[1:] for each in on_sky], dtype=np.float64).reshape(-1, 2)
        places = frame.wcs.all_world2pix(coordinates, 0, quiet=True).reshape(-1, 2)
    height, width = frame.shape
    inside = (
        (places[:, 0] > -0.5)
        & (places[:, 0] < width - 0.5)
        & (places[:, 1] > -0.5)
        & (places[:, 1] < height - 0.5)
    )
    return ids[inside], places[inside]


def rejections(dropped: Sequence[Dropped], frame: Frame) -> tuple[RejectionFacts, ...]:
    """What was dropped, with its places on the sky where the frame has a WCS."""
    x, y = np.array([each.x for each in dropped]), np.array([each.y for each in dropped])
    sky = sky_positions(frame, x, y)
    return tuple(
        RejectionFacts(
            each.stage, each.cause, each.x, each.y, ra=ra, dec=dec, value=each.value, limit=each.limit
        )
        for each, (ra, dec) in zip(dropped, sky, strict=True)
    )
