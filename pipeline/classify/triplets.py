"""Cutouts of candidates as the models take them: one size, one scale, masked pixels apart.

The same way for a candidate of a frame, for a survey's alert and for arrays from anywhere, so that a
model never learns where its examples came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.review.cutouts import MAX_ABS, Cutouts, Plane
from pipeline.classify.pixel_noise import in_pixel_noise
from pipeline.quantile import MAD_TO_SIGMA

Stack = NDArray[np.float32]  # (n, side, side)

SIDE = 63
SOFTENING = 3.0  # sigma up to which the network sees values in proportion, beyond it their logarithm
LEAST_PIXELS = 25  # that a sky sigma is measured on
PLANES = ("new", "ref", "diff")
LIT = 2  # of them show the sky itself, first
SPREAD, NOISE = "spread", "noise"  # of all pixels of a cutout; of each against its neighbours
STAR_PX = 3.0  # FWHM below which cutouts are enlarged; models know stars of 2 to 6 pixels
MOST_ENLARGED = 2.0
SEEING_ARCSEC = 2.0  # of pixels of which only the scale is told
MASKED_SHARE = 0.1  # of the surroundings of an enlarged pixel


class TripletError(AstridError):
    """Arrays that are no triplets of cutouts."""


@dataclass(frozen=True, slots=True)
class Triplets:
    """The surroundings of n candidates in new, reference and difference.

    Attributes
    ----------
    new, ref, diff : (n, SIDE, SIDE) float32
        In units of each cutout's own robust sky sigma, sky at 0; NaN where there is nothing to see. A
        plane that is NaN throughout is absent.
    """

    new: Stack
    ref: Stack
    diff: Stack

    def __len__(self) -> int:
        return len(self.new)

    def __getitem__(self, which: slice | NDArray[np.intp]) -> Triplets:
        return Triplets(self.new[which], self.ref[which], self.diff[which])

    @property
    def planes(self) -> tuple[Stack, Stack, Stack]:
        """New, reference, difference."""
        return self.new, self.ref, self.diff


def of_arrays(new: NDArray[np.generic], ref: NDArray[np.generic], diff: NDArray[np.generic]) -> Triplets:
    """Triplets of arrays in any linear unit.

    Parameters
    ----------
    new, ref, diff : (n, height, width) array
        The candidate at the middle; NaN, infinities and values beyond 1e30 are masked. They may differ
        in size from each other.

    Raises
    ------
    TripletError
        They are no stacks of images, or not equally many.
    """
    stacks = [np.asarray(each) for each in (new, ref, diff)]
    for name, stack in zip(PLANES, stacks, strict=True):
        if stack.ndim != 3 or 0 in stack.shape[1:] or stack.dtype.kind not in "fiu":
            raise TripletError(f"{name} must be numbers of shape (n, height, width), not {stack.shape}")
    if len({len(stack) for stack in stacks}) != 1:
        counts = ", ".join(f"{len(stack)} {name}" for name, stack in zip(PLANES, stacks, strict=True))
        raise TripletError(f"new, ref and diff must be equally many; there are {counts}")
    return Triplets(*(_scaled(_fitted(stack)) for stack in stacks))


def of_cutouts(cutouts: Sequence[Cutouts]) -> Triplets:
    """Triplets of what the store keeps of candidates, of whatever sizes."""
    if not cutouts:
        return Triplets(*(np.empty((0, SIDE, SIDE), np.float32) for _ in PLANES))
    return Triplets(*(_scaled(_stacked([getattr(each, name) for each in cutouts])) for name in PLANES))


def enlargement(fwhm_px: float | None) -> float:
    """By how much cutouts with stars of this FWHM are enlarged; 1 where it is not known.

    Stars that pixels hardly resolve look like cosmic rays and hot pixels to models that know wider ones.
    """
    return 1.0 if fwhm_px is None else float(np.clip(STAR_PX / fwhm_px, 1.0, MOST_ENLARGED))


def enlarged(triplets: Triplets, factors: NDArray[np.float64]) -> Triplets:
    """The middle of cutouts in finer pixels, by cubic splines, in units of its own sigma anew.

    Parameters
    ----------
    triplets : Triplets
    factors : (n,) float64
        Those of 1 stay as they are.
    """
    rows = np.flatnonzero(factors != 1.0)
    if not len(rows):
        return triplets
    planes = [plane.copy() for plane in triplets.planes]
    for plane in planes:
        plane[rows] = _scaled(np.stack([_enlarged(plane[row], float(factors[row])) for row in rows]))
    return Triplets(*planes)


def network_input(triplets: Triplets, scale: str = SPREAD) -> NDArray[np.float32]:
    """What a network takes: the three planes, softened, and where each can be used.

    Parameters
    ----------
    triplets : Triplets
    scale : {SPREAD, NOISE}
        In what units it takes new and reference: as they are here, or by the noise of their pixels.

    Returns
    -------
    (n, 6, SIDE, SIDE) float32
        ``arcsinh(value / SOFTENING)`` with 0 where masked, then 1 where a pixel is good and 0 where not.
    """
    count = len(triplets.planes)
    whole = np.empty((len(triplets), 2 * count, SIDE, SIDE), dtype=np.float32)
    for i, plane in enumerate(triplets.planes):
        scaled = in_pixel_noise(plane) if scale == NOISE and i < LIT else plane
        good, softened = np.isfinite(scaled), whole[:, i]
        np.arcsinh(np.divide(scaled, SOFTENING, out=softened), out=softened)
        np.copyto(softened, 0.0, where=~good)
        whole[:, count + i] = good
    return whole


def _enlarged(image: Stack, factor: float) -> Stack:
    from scipy.ndimage import affine_transform

    good = np.isfinite(image)
    if not good.any():
        return image
    middle = SIDE // 2
    move = {"matrix": np.full(2, 1.0 / factor), "offset": middle * (1.0 - 1.0 / factor), "mode": "nearest"}
    values: Stack = affine_transform(np.where(good, image, np.float32(0.0)), order=3, **move)
    if not good.all():
        masked = affine_transform((~good).astype(np.float32), order=1, **move)
        values[masked > MASKED_SHARE] = np.nan
    return values


def _fitted(stack: NDArray[np.generic]) -> NDArray[np.floating]:
    """Squares of SIDE around the middle pixel: cropped, or filled up with NaN.

    In double precision where single would not hold them: of a high level it would leave no sky.
    """
    values = stack.astype(
        np.float64 if stack.dtype.itemsize > 2 and stack.dtype != np.float32 else np.float32
    )
    values[~(np.abs(values) <= MAX_ABS)] = np.nan
    count, height, width = values.shape
    out = np.full((count, SIDE, SIDE), np.nan, values.dtype)
    rows, out_rows = _overlap(height)
    columns, out_columns = _overlap(width)
    out[:, out_rows, out_columns] = values[:, rows, columns]
    return out


def _stacked(planes: Sequence[Plane]) -> NDArray[np.floating]:
    """Planes of whatever sizes as one stack of squares; at once where they are of one size, as most are."""
    if len({plane.shape for plane in planes}) == 1:
        return _fitted(np.stack(planes))
    return np.concatenate([_fitted(plane[np.newaxis]) for plane in planes])


def _overlap(size: int) -> tuple[slice, slice]:
    """Where a length and SIDE lie over each other when their middle pixels do."""
    shift = SIDE // 2 - size // 2
    first, last = max(shift, 0), min(shift + size, SIDE)
    return slice(first - shift, last - shift), slice(first, last)


def _scaled(stack: NDArray[np.floating]) -> Stack:
    """In units of each image's own robust sky sigma, sky at 0."""
    flat = stack.reshape(len(stack), -1)
    known = np.count_nonzero(np.isfinite(flat), axis=1) >= LEAST_PIXELS
    out = np.full(flat.shape, np.nan, np.float32)
    if known.any():
        seen = flat[known]
        seen -= _medians(seen)[:, np.newaxis]
        sigma = MAD_TO_SIGMA * _medians(np.abs(seen))
        # More than half of the pixels of one value: the spread of all is what there is to go by.
        flat_ones = sigma <= 0
        if flat_ones.any():
            spread = np.nanstd(seen[flat_ones].astype(np.float64), axis=1)
            sigma[flat_ones] = np.where(spread > 0, spread, 1.0)
        with np.errstate(over="ignore"):  # so much light on so quiet a sky is no measurement
            out[known] = seen / sigma[:, np.newaxis]
        out[np.isinf(out)] = np.nan
    return out.reshape(stack.shape)


def _medians(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """The median of each row without its NaN; each row has a number."""
    found = np.empty(len(rows), rows.dtype)
    count = np.count_nonzero(~np.isnan(rows), axis=1)
    whole = count == rows.shape[1]
    if whole.any():
        middle = rows.shape[1] // 2  # their number is odd
        found[whole] = np.partition(rows[whole], middle, axis=1)[:, middle]
    if not whole.all():
        ordered, last = np.sort(rows[~whole], axis=1), count[~whole, np.newaxis]  # NaN comes last
        low, high = (np.take_along_axis(ordered, place // 2, axis=1)[:, 0] for place in (last - 1, last))
        found[~whole] = (low + high) / 2.0
    return found
