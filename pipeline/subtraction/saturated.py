"""Stars with holes in them: what their lost cores would hold, as far as their wings tell.

A saturated core that stays clipped, or is filled from around it, is no image of the star that the other
frame shows: subtraction then leaves a ring of many sigma around it. So do bad pixels and cosmic rays on a
bright star, whose light is too steep to be guessed from beside it. So the PSF is fitted to the reference's
pixels around the hole, and both frames get that star in it, each with its own PSF: what is left cancels,
and the pixels that were filled say in their variance how little they are worth. A neighbour whose light
reaches the hole is fitted beside it, or it would end in one frame at another place than in the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import MaskPlane
from pipeline.frame import Image, MaskImage, PsfModel
from pipeline.neighbourhood import grown
from pipeline.stellar.stamps import placed_psfs, shifted

Array = NDArray[np.float64]

GROWN_PX = 1  # beside a clipped pixel interpolation has mixed it in
ROUNDS = 6
SETTLED_PX = 0.002  # of a step, of the brightest star: the next one is a small part of it
REACH_FWHM = 3.0  # from the centre: what of a star is fitted
NEEDED_PIXELS = 12
ON_STAR = 30.0  # times the noise of the sky: so bright, a hole is one in a star
NEIGHBOURS = 3  # of a star, at most, that are looked for in what its fit leaves
SEEN_SIGMA = 5.0
FILL_ERROR = 0.05  # of the light that is filled in
# Times the noise of the sky, at most. Transforms are made in single precision: 1e8 times the variance of the
# sky in one place leaves ghosts of the sky's own size all over its tile. Such light lies under the mask.
MOST_ERROR = 300.0


@dataclass(frozen=True, slots=True)
class LostCore:
    """A hole in a star, and the star's place and flux as the pixels around tell.

    Each of ``x``, ``y`` and ``flux`` is (n,): the star, then neighbours that shine into the hole.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    x: Array
    y: Array
    flux: Array
    error: float  # relative, of what is filled in


def star_holes(mask: MaskImage, light: Image, variance: Image) -> NDArray[np.bool_]:
    """The pixels of bright stars that hold no measurement.

    ``light`` is the reference's, filled from around where it is masked.
    """
    clipped = (mask & np.uint16(MaskPlane.SATURATED)) != 0
    holes = grown(clipped, GROWN_PX) if clipped.any() else clipped
    hit = (mask & np.uint16(MaskPlane.BAD | MaskPlane.COSMIC_RAY)) != 0
    hit &= (mask & np.uint16(MaskPlane.EDGE)) == 0
    hit &= light > ON_STAR * np.sqrt(np.median(variance[::8, ::8]))
    return holes | (grown(hit, GROWN_PX) & (mask != 0)) if hit.any() else holes


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


def fill(
    light: Image,
    variance: Image,
    cores: list[LostCore],
    psf: PsfModel,
    moved: Callable[[Array, Array], tuple[Array, Array]] | None = None,
) -> None:
    """Put each star into its hole, in place, with the PSF of the frame.

    ``moved`` takes places to where the frame has them.
    """
    half = psf.basis.shape[1] // 2
    most = MOST_ERROR**2 * np.median(variance[::8, ::8])
    for core in cores:
        x, y = moved(core.x, core.y) if moved else (core.x, core.y)
        stamps, row, column = placed_psfs(psf, x, y)
        down, across = core.rows - row[:, None] + half, core.columns - column[:, None] + half
        inside = (down >= 0) & (across >= 0) & (down <= 2 * half) & (across <= 2 * half)
        each = np.arange(len(x))[:, None], np.clip(down, 0, 2 * half), np.clip(across, 0, 2 * half)
        values = np.where(inside, stamps[each], 0.0).T @ core.flux
        at = core.rows[inside[0]], core.columns[inside[0]]
        filled = values[inside[0]].astype(np.float32)
        light[at] = filled
        variance[at] += np.minimum(np.square(np.float32(core.error) * filled), most)


def _fitted(
    light: Image, variance: Image, bad: NDArray[np.bool_], x: float, y: float, psf: PsfModel
) -> tuple[Array, Array, Array, float] | None:
    """Places and fluxes of the star at a hole and its neighbours, and the relative error of their light.

    None where the wings do not tell.
    """
    around = _Around.of(light, variance, bad, x, y, psf)
    if around is None:
        return None
    found = around.fit(np.array([[x, y, 0.0]]))
    for _ in range(NEIGHBOURS):
        if found is None:
            return None
        more = around.neighbour(found)
        if more is None:
            break
        both = around.fit(np.vstack([found, more]))
        if both is None:
            break
        found = both
    if found is None:
        return None
    return found[:, 0], found[:, 1], found[:, 2], FILL_ERROR * math.sqrt(max(around.misfit(found), 1.0))


@dataclass(frozen=True, slots=True)
class _Around:
    """The pixels around a hole that tell of its star; ``stamp`` is the PSF there, wide enough for them."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    light: Array
    variance: Array
    stamp: Image
    fwhm: float

    @classmethod
    def of(
        cls, light: Image, variance: Image, bad: NDArray[np.bool_], x: float, y: float, psf: PsfModel
    ) -> _Around | None:
        """Those near a place, if they are enough."""
        widest = psf.basis.shape[1] // 2
        half = min(widest, int(np.ceil(REACH_FWHM * psf.fwhm)))
        top, left = max(round(y) - half, 0), max(round(x) - half, 0)
        part = slice(top, max(round(y) + half + 1, 0)), slice(left, max(round(x) + half + 1, 0))
        rows, columns = np.nonzero(~bad[part])
        if len(rows) < NEEDED_PIXELS:
            return None
        values, noise = (image[part][rows, columns].astype(np.float64) for image in (light, variance))
        spare = max(widest - 2 * half, 0)  # a neighbour lies up to `half` away
        stamp = psf.at(x, y)[spare:, spare:]
        stamp = stamp[: len(stamp) - spare, : len(stamp) - spare]
        return cls(rows + top, columns + left, values, noise, stamp, psf.fwhm)

    def shapes(self, stars: Array, *, slopes: bool = False) -> list[Array]:
        """The PSF of each star in the pixels, (n, pixels), and if wished its derivatives along x and y."""
        column, row = (np.rint(place).astype(np.int64) for place in (stars[:, 0], stars[:, 1]))
        stamps = shifted(self.stamp[None], stars[:, 0] - column, stars[:, 1] - row)
        half = stamps.shape[1] // 2
        down, across = self.rows - row[:, None] + half, self.columns - column[:, None] + half
        inside = (down >= 0) & (across >= 0) & (down <= 2 * half) & (across <= 2 * half)
        at = np.arange(len(stars))[:, None], np.clip(down, 0, 2 * half), np.clip(across, 0, 2 * half)
        images = [stamps, *(np.gradient(stamps, axis=axis) for axis in (2, 1))] if slopes else [stamps]
        return [np.where(inside, image[at], 0.0) for image in images]

    def weights(self, model: Array) -> Array:
        """Inverse variances: the PSF is known to a few per cent, or the innermost would decide alone."""
        return np.asarray(1.0 / np.maximum(self.variance + (FILL_ERROR * model) ** 2, 1e-12))

    def fit(self, start: Array) -> Array | None:
        """Stars, (n, 3) of x, y and flux, by Gauss-Newton steps; none where the fit runs away."""
        stars = start.copy()
        for _ in range(ROUNDS):
            shapes = self.shapes(stars, slopes=True)
            design = np.concatenate(shapes).T
            weight = self.weights(np.maximum(stars[:, 2], 0.0) @ shapes[0])
            normal = (design * weight[:, None]).T @ design
            scale = np.sqrt(np.maximum(np.diagonal(normal), 1e-300))
            normal = normal / scale[:, None] / scale + np.eye(len(normal)) * 1e-9
            solved = np.linalg.solve(normal, design.T @ (weight * self.light) / scale) / scale
            flux, along_x, along_y = solved.reshape(3, -1)
            if np.any(flux <= 0):
                return None
            steps = np.clip(np.column_stack([along_x, along_y]) / flux[:, None], -0.7, 0.7)
            stars[:, :2] -= steps
            stars[:, 2] = flux
            if np.any(np.abs(stars[:, :2] - start[:, :2]).sum(axis=1) > 2.0 * self.fwhm + 2.0):
                return None
            if np.all(np.abs(steps) * flux[:, None] < SETTLED_PX * flux.max()):
                break
        return stars

    def misfit(self, stars: Array) -> float:
        """The mean square of what a fit leaves, in units of its variance."""
        model = stars[:, 2] @ self.shapes(stars)[0]
        return float(np.mean(self.weights(model) * (self.light - model) ** 2))

    def neighbour(self, stars: Array) -> Array | None:
        """The most significant further star in what the fit of some leaves; none where nothing is seen."""
        model = stars[:, 2] @ self.shapes(stars)[0]
        weight = self.weights(model)
        rest = (self.light - model) * weight
        top, left = self.rows.min(), self.columns.min()
        size = int(max(self.rows.max() - top, self.columns.max() - left)) + 1
        images = np.zeros((2, size, size))
        images[:, self.rows - top, self.columns - left] = rest, weight
        near = math.ceil(1.5 * self.fwhm)
        middle = self.stamp.shape[0] // 2
        stamp = self.stamp[middle - near : middle + near + 1, middle - near : middle + near + 1]
        pull = ndimage.correlate(images[0], stamp, mode="constant")
        norm = np.maximum(ndimage.correlate(images[1], stamp**2, mode="constant"), 1e-300)
        significance = np.where(images[1] > 0, pull / np.sqrt(norm), 0.0)
        row, column = np.unravel_index(int(np.argmax(significance)), significance.shape)
        if significance[row, column] < SEEN_SIGMA:
            return None
        return np.array([[column + left, row + top, pull[row, column] / norm[row, column]]], dtype=np.float64)
