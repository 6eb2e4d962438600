"""The nearest source of the reference image to each place: known even where no catalogue is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.epochs import julian_year
from pipeline.frame import Frame, PsfModel, Stars

Values = NDArray[np.float64]

APERTURE = 1.5  # in units of the seeing: `pipeline.stellar.stars.find_stars` sums so far
SEEINGS = 4.0  # how far a source may be where no WCS tells a pixel's size


def answers(
    x: Values,
    y: Values,
    stars: Stars,
    psf: PsfModel | None,
    *,
    scale_arcsec: float | None,
    within_arcsec: float,
    zeropoint: float | None,
    flux_scale: float,
    epoch: float | None,
    band: str | None,
) -> list[dict[str, Any]]:
    """The answer for each place on the reference's grid.

    Parameters
    ----------
    x, y : (n,) float64
        0-based pixels.
    stars : Stars
        Of the reference.
    psf : PsfModel, optional
        Tells how much of a star's light its aperture holds; without it there are no magnitudes.
    scale_arcsec : float or None
        Of a pixel.
    within_arcsec : float
        A source farther away is none; without a scale it is four times the seeing.
    zeropoint : float or None
        The magnitude of one stored unit, which is `flux_scale` electrons.
    epoch : float or None
        Of the image, Julian years.

    Returns
    -------
    list of dict
        As `pipeline.known.match` answers, with ``distance_px`` beside ``distance_arcsec``. None means none
        of ``sources``, the brightest of the image.
    """
    if len(stars) == 0:
        return [{"status": "unknown", "reason": "the reference shows no sources"}] * len(x)
    common = {"catalog": "reference image", "epoch": epoch}
    limit = within_arcsec / scale_arcsec if scale_arcsec else SEEINGS * float(np.median(stars.fwhm))
    none = {"status": "none", **common, "sources": len(stars), "within_px": round(limit, 2)}
    if len(x) == 0:
        return []
    distance, nearest = KDTree(np.column_stack([stars.x, stars.y])).query(np.column_stack([x, y]))
    mags = _magnitudes(stars, psf, zeropoint, flux_scale)
    found = []
    for apart, star in zip(distance.tolist(), nearest.tolist(), strict=True):
        if apart > limit:
            found.append(none)
            continue
        found.append(
            {
                "status": "match",
                **common,
                "distance_arcsec": round(apart * scale_arcsec, 3) if scale_arcsec else None,
                "distance_px": round(apart, 3),
                "name": None,
                "mag": mags[star],
                "band": band,
            }
        )
    return found


def _magnitudes(
    stars: Stars, psf: PsfModel | None, zeropoint: float | None, flux_scale: float
) -> list[float | None]:
    if zeropoint is None or psf is None:
        return [None] * len(stars)
    light = stars.flux / flux_scale / enclosed(psf.at(*_middle(psf)), APERTURE * psf.fwhm)
    with np.errstate(invalid="ignore", divide="ignore"):
        mags = zeropoint - 2.5 * np.log10(light)
    return [round(each, 3) if math.isfinite(each) else None for each in mags.tolist()]


def _middle(psf: PsfModel) -> tuple[float, float]:
    return (psf.shape[1] - 1) / 2.0, (psf.shape[0] - 1) / 2.0


def enclosed(stamp: NDArray[np.float32], radius: float) -> float:
    """The share of a PSF's light within a radius of its centre; the stamp has odd sides and unit sum."""
    import sep

    middle = (stamp.shape[0] - 1) / 2.0
    reach = min(radius, middle)
    inside, _, _ = sep.sum_circle(np.ascontiguousarray(stamp), [middle], [middle], reach, subpix=0)
    return float(min(max(inside[0], 1e-3), 1.0))


def epoch_of(frame: Frame) -> float | None:
    """When an image was taken, Julian years."""
    mjd = frame.exposure.mjd
    return None if mjd is None else round(julian_year(mjd), 4)
