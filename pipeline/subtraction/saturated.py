"""Stars too bright for the detector: what their lost cores would hold, as far as their wings tell.

A saturated core that stays clipped, or is filled from around it, is no image of the star that the other
frame shows: subtraction then leaves a ring of many sigma around it. So the PSF is fitted to the reference's
pixels around the hole, and both frames get that star in it, each with its own PSF: what is left cancels,
and the pixels that were filled say in their variance how little they are worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import MaskPlane
from pipeline.frame import Image, MaskImage, PsfModel
from pipeline.neighbourhood import grown
from pipeline.stellar.stamps import placed_psfs

Array = NDArray[np.float64]

GROWN_PX = 1  # beside a clipped pixel interpolation has mixed it in
ROUNDS = 6
REACH_FWHM = 3.0  # from the centre: what of a star is fitted
NEEDED_PIXELS = 12
FILL_ERROR = 0.05  # of the light that is filled in
# Times the noise of the sky, at most. Transforms are made in single precision: 1e8 times the variance of the
# sky in one place leaves ghosts of the sky's own size all over its tile. Such light lies under the mask.
MOST_ERROR = 300.0


@dataclass(frozen=True, slots=True)
class LostCore:
    """A hole in a star, and the star's place and flux as the pixels around tell."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    x: float
    y: float
    flux: float


def saturated_holes(mask: MaskImage) -> NDArray[np.bool_]:
    """The pixels of saturated stars that hold no measurement."""
    clipped = (mask & np.uint16(MaskPlane.SATURATED)) != 0
    return grown(clipped, GROWN_PX) if clipped.any() else clipped


def lost_cores(
    light: Image, variance: Image, bad: NDArray[np.bool_], holes: NDArray[np.bool_], psf: PsfModel
) -> list[LostCore]:
    """Fit the PSF to the pixels in and around each hole.

    Parameters
    ----------
    light, variance : (height, width) float32
        Above the sky, in electrons.
    bad : (height, width) bool
        Pixels that tell nothing; those of the holes may be among them.
    holes : (height, width) bool
        Where something is to be filled.
    psf : PsfModel

    Returns
    -------
    list of LostCore
        Of the holes around which enough pixels show a star.
    """
    if not holes.any():
        return []
    labels, _ = ndimage.label(holes, structure=np.ones((3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = np.nonzero(labels[box] == number)
        rows, columns = rows + box[0].start, columns + box[1].start
        star = _fitted(light, variance, bad, float(columns.mean()), float(rows.mean()), psf)
        if star is not None:
            found.append(LostCore(rows, columns, *star))
    return found


def fill(light: Image, variance: Image, cores: list[LostCore], psf: PsfModel) -> None:
    """Put each star into its hole, in place, with the PSF of the frame."""
    half = psf.basis.shape[1] // 2
    most = MOST_ERROR**2 * np.median(variance[::8, ::8])
    for core in cores:
        stamps, row, column = placed_psfs(psf, np.array([core.x]), np.array([core.y]))
        down, across = core.rows - row[0] + half, core.columns - column[0] + half
        inside = (down >= 0) & (across >= 0) & (down <= 2 * half) & (across <= 2 * half)
        at = core.rows[inside], core.columns[inside]
        values = (core.flux * stamps[0, down[inside], across[inside]]).astype(np.float32)
        light[at] = values
        variance[at] += np.minimum(np.square(np.float32(FILL_ERROR) * values), most)


def _fitted(
    light: Image, variance: Image, bad: NDArray[np.bool_], x: float, y: float, psf: PsfModel
) -> tuple[float, float, float] | None:
    """Place and flux of the star at a hole, by Gauss-Newton steps; none where its wings do not tell."""
    height, width = light.shape
    half = min(psf.basis.shape[1] // 2, int(np.ceil(REACH_FWHM * psf.fwhm)))
    start_x, start_y = x, y
    flux = 0.0
    for _ in range(ROUNDS):
        stamps, row, column = placed_psfs(psf, np.array([x]), np.array([y]))
        cut = psf.basis.shape[1] // 2 - half
        stamp = stamps[0, cut : stamps.shape[1] - cut, cut : stamps.shape[2] - cut]
        slope_y, slope_x = np.gradient(stamp, axis=0), np.gradient(stamp, axis=1)
        top, left = int(row[0]) - half, int(column[0]) - half
        part = (
            slice(max(top, 0), min(top + len(stamp), height)),
            slice(max(left, 0), min(left + len(stamp), width)),
        )
        own = slice(part[0].start - top, part[0].stop - top), slice(part[1].start - left, part[1].stop - left)
        good = ~bad[part]
        if good.sum() < NEEDED_PIXELS:
            return None
        design = np.stack([each[own][good] for each in (stamp, slope_x, slope_y)], axis=1)
        # The PSF itself is known to a few per cent: else the innermost pixels would decide alone.
        spread = variance[part][good] + (FILL_ERROR * np.maximum(flux, 0.0) * design[:, 0]) ** 2
        weight = 1.0 / np.maximum(spread, 1e-12)
        normal = (design * weight[:, None]).T @ design
        normal += np.eye(3) * 1e-12 * np.trace(normal)
        solved = np.linalg.solve(normal, design.T @ (weight * light[part][good]))
        flux = float(solved[0])
        if flux <= 0:
            return None
        x -= float(np.clip(solved[1] / flux, -0.7, 0.7))
        y -= float(np.clip(solved[2] / flux, -0.7, 0.7))
        if abs(x - start_x) + abs(y - start_y) > 2.0 * psf.fwhm + 2.0:
            return None
    return x, y, flux
