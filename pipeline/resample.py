"""Bring a frame onto another pixel grid, conserving flux and keeping its noise known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import MaskPlane
from pipeline.frame import Frame, Image, MaskImage
from pipeline.pixel_map import PixelMap

# What holds no light of the sky. Saturated and streaked pixels do, and are smooth as they are.
HOLLOW = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE
KNOT_PX = 8  # the background is smooth on this scale: no mesh is finer


def inpaint(image: Image, bad: NDArray[np.bool_]) -> Image:
    """Fill bad pixels of a sky-subtracted image from the good ones around them.

    A bad pixel becomes the mean of its good neighbours under a Gaussian of sigma 1 px within
    2 px; in wider holes one of 3 px; farther than that from anything good, 0.

    Parameters
    ----------
    image : (height, width) float32
        Above the sky, so that 0 is the right value where nothing is known.
    bad : (height, width) bool

    Returns
    -------
    (height, width) float32
        A copy, or `image` itself where nothing is bad.
    """
    rows, columns = np.nonzero(bad)
    if rows.size == 0:
        return image
    # Only next to something good can the small window help; the inside of a large hole is many pixels.
    near = ~ndimage.minimum_filter(bad, size=5)[rows, columns] if rows.size > 0.02 * bad.size else np.s_[:]
    filled = np.where(bad, np.float32(0.0), image)
    near_rows, near_columns = rows[near], columns[near]
    weight, light = np.zeros(near_rows.size), np.zeros(near_rows.size)
    padded = np.pad(filled, 2)
    good = np.pad(~bad, 2)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            at = (near_rows + 2 + dy, near_columns + 2 + dx)
            nearness = np.exp(-0.5 * (dy * dy + dx * dx)) * good[at]
            weight += nearness
            light += nearness * padded[at]
    if near_rows.size < rows.size or not weight.all():
        covered = ndimage.gaussian_filter((~bad).astype(np.float32), 3.0, mode="nearest", truncate=3.0)
        blurred = ndimage.gaussian_filter(filled, 3.0, mode="nearest", truncate=3.0)
        ratio = blurred[rows, columns] / np.maximum(covered[rows, columns], 1e-6)
        filled[rows, columns] = np.where(covered[rows, columns] > 1e-3, ratio, 0.0)
    solved = weight > 0
    filled[near_rows[solved], near_columns[solved]] = light[solved] / weight[solved]
    return filled


def resample(frame: Frame, to_frame: PixelMap, wcs: WCS | None, fwhm: float) -> Frame:
    """A frame on the grid of a reference.

    The light above the sky is interpolated by splines and multiplied by the area of a reference
    pixel in the frame's pixels, so that fluxes stay. A map by whole pixels (shifts, quarter
    turns, mirror images) copies them instead.

    The variance is that of the original pixels at each place times the same area, as if pixels
    were independent: interpolation makes neighbours share noise, but at the scale of a PSF (FWHM of
    2.2 px or more) the noise is that of the original pixels, and that is the scale at which
    everything is measured.

    A pixel of the result is masked if one of the four pixels around its place is: defects grow by
    no more than one pixel, for what is interpolated there was filled by `inpaint` before.

    Parameters
    ----------
    frame : Frame
        To be resampled.
    to_frame : PixelMap
        From the reference's pixels to the frame's.
    wcs : WCS or None
        Of the reference.
    fwhm : float
        Of the frame's stars, in its pixels: the sharper, the higher the order of the spline.

    Returns
    -------
    Frame
        Of the reference's shape; `MaskPlane.EDGE` and no signal where the frame does not reach.
    """
    signal = inpaint(frame.signal, (frame.mask & HOLLOW) != 0)
    if (whole := whole_pixel_map(to_frame)) is not None:
        return _copied(frame, signal, whole, to_frame.shape, wcs)
    areas = to_frame.areas().astype(np.float32)
    signal = _interpolate(_smoothed(signal, to_frame), to_frame, 5 if fwhm < 3.0 else 3) * areas
    background = _smooth_map(frame.background, to_frame) * areas
    variance = _interpolate(frame.variance, to_frame, 1, mode="nearest") * areas
    mask = _resample_mask(frame.mask, to_frame)
    signal[(mask & MaskPlane.EDGE) != 0] = 0.0
    return replace(
        frame, data=signal + background, background=background, variance=variance, mask=mask, wcs=wcs
    )


def whole_pixel_map(to_frame: PixelMap) -> NDArray[np.int64] | None:
    """The (2, 3) integer affine that a map is within 0.002 px everywhere, if there is one."""
    if to_frame.degree != 1:
        return None
    affine = to_frame.affine
    whole = np.rint(affine)
    height, width = to_frame.shape
    corners = np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1], [1, 1, 1, 1]])
    if np.abs((affine - whole) @ corners).max() > 0.002 or abs(np.linalg.det(whole[:, :2])) != 1.0:
        return None
    return whole.astype(np.int64)


def _copied(
    frame: Frame, signal: Image, whole: NDArray[np.int64], shape: tuple[int, int], wcs: WCS | None
) -> Frame:
    """The frame's pixels moved by a whole-pixel map."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    columns = whole[0, 0] * x + whole[0, 1] * y + whole[0, 2]
    rows = whole[1, 0] * x + whole[1, 1] * y + whole[1, 2]
    height, width = frame.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    at = (np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))
    background = frame.background[at]
    mask = np.where(inside, frame.mask[at], MaskPlane.EDGE).astype(np.uint16)
    data = np.where(inside, signal[at], np.float32(0.0)) + background
    return replace(frame, data=data, background=background, variance=frame.variance[at], mask=mask, wcs=wcs)


def _interpolate(image: Image, to_frame: PixelMap, order: int, mode: str = "mirror") -> Image:
    """A spline through an image at the places of a map."""
    if to_frame.degree == 1:
        a = to_frame.affine
        matrix = np.array([[a[1, 1], a[1, 0]], [a[0, 1], a[0, 0]]])  # rows first
        offset = (a[1, 2], a[0, 2])
        shape = to_frame.shape
        coefficients = ndimage.spline_filter(image, order, output=np.float32) if order > 1 else image
        result: Image = ndimage.affine_transform(
            coefficients, matrix, offset, shape, np.float32, order, mode=mode, prefilter=False
        )
        return result
    x, y = to_frame.grid()
    coefficients = ndimage.spline_filter(image, order, output=np.float32) if order > 1 else image
    bent: Image = ndimage.map_coordinates(coefficients, [y, x], np.float32, order, mode=mode, prefilter=False)
    return bent


def _smoothed(signal: Image, to_frame: PixelMap) -> Image:
    """The signal, blurred to the reference's pixels where these are clearly larger.

    Points taken from a finer grid would each carry the noise of one small pixel; the light of a
    large pixel is that of all the small ones in it.
    """
    area = abs(to_frame.area)
    if area < 1.1:
        return signal
    # A square of side s has the second moment s**2 / 12; the frame's own pixel is already in.
    blurred: Image = ndimage.gaussian_filter(signal, np.sqrt((area - 1.0) / 12.0), mode="nearest")
    return blurred


def _smooth_map(image: Image, to_frame: PixelMap) -> Image:
    """A smooth image at the places of a map: interpolated at knots, linear between them."""
    x, y = to_frame.grid(KNOT_PX)
    knots = ndimage.map_coordinates(image, [y, x], np.float32, order=1, mode="nearest")
    left, right = (_hat_weights(size) for size in to_frame.shape)
    result: Image = left @ knots @ right.T
    return result


def _hat_weights(size: int) -> Image:
    """Linear interpolation from knots to pixels, as a matrix (pixels, knots)."""
    knots = np.unique(np.r_[0:size:KNOT_PX, size - 1])
    unit = np.eye(len(knots))
    return np.column_stack([np.interp(np.arange(size), knots, row) for row in unit]).astype(np.float32)


def _resample_mask(mask: MaskImage, to_frame: PixelMap) -> MaskImage:
    """The union of the mask bits of the four pixels around each place; EDGE outside."""
    height, width = mask.shape
    result = np.zeros(to_frame.shape, dtype=np.uint16)
    # One linear interpolation finds what is touched at all; only there are bits gathered.
    if to_frame.degree == 1:
        a = to_frame.affine
        touched = ndimage.affine_transform(
            (mask != 0).astype(np.float32),
            np.array([[a[1, 1], a[1, 0]], [a[0, 1], a[0, 0]]]),
            (a[1, 2], a[0, 2]),
            to_frame.shape,
            order=1,
            mode="constant",
            cval=1.0,
        )
        rows, columns = np.nonzero(touched > 0.01)
        x, y = to_frame(columns, rows)
    else:
        rows, columns = np.indices(to_frame.shape).reshape(2, -1)
        x, y = (part.ravel() for part in to_frame.grid())
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    left = np.clip(np.floor(x).astype(np.int64), 0, width - 1)
    low = np.clip(np.floor(y).astype(np.int64), 0, height - 1)
    right, high = np.minimum(left + 1, width - 1), np.minimum(low + 1, height - 1)
    union = mask[low, left] | mask[low, right] | mask[high, left] | mask[high, right]
    result[rows, columns] = np.where(outside, np.uint16(MaskPlane.EDGE), union)
    return result
