"""Bring a frame onto another pixel grid, conserving flux and keeping its noise known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import MaskPlane
from pipeline.frame import Frame, Image, MaskImage
from pipeline.neighbourhood import (
    STRIP_ROWS,
    blurred,
    gaussian_taps,
    grown,
    patches,
    places,
    spline_coefficients,
)
from pipeline.registration.nearby import follows, spline_nearby
from pipeline.registration.pixel_map import PixelMap
from pipeline.stellar.profile import COARSE_FWHM

# What holds no light of the sky. Saturated and streaked pixels do, and are smooth as they are.
HOLLOW = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE
WIDE_PX = 3.0  # sigma of the window that fills wide holes
BLOCK_PX, WIDE_BLOCKS = 3, 3  # blocks that are wide enough for it, and how many of them it reaches
WINDOW_PX = 128 * BLOCK_PX  # of a frame, which has few such holes, so much is looked at together
# Straight lines between coarse pixels spread the noise of a star beyond its core. A spline does not, but it
# rings around bright stars: so much of what the lines have is the least.
LEAST_OF_LINE = np.float32(0.5)
KNOT_PX = 8  # the background is smooth on this scale: no mesh is finer


def inpaint(image: Image, bad: NDArray[np.bool_]) -> Image:
    """Fill bad pixels of a sky-subtracted image from the good ones around them.

    A bad pixel becomes the mean of its good neighbours under a Gaussian of sigma 1 px within
    2 px; in wider holes of about 3 px; farther than that from anything good, 0.

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
    if not bad.any():
        return image
    filled = np.where(bad, np.float32(0.0), image)
    taps = gaussian_taps(1.0, truncate=2.0)
    # Only next to something good can a window help; the inside of a large hole is many pixels.
    rows, columns = places(bad & grown(~bad, len(taps) // 2))
    good = np.outer(taps, taps) * ~patches(bad, rows, columns, len(taps))
    weight = good.sum(axis=(1, 2))
    light = np.einsum("nij,nij->n", good, patches(filled, rows, columns, len(taps)))
    unsolved = bad.copy()
    unsolved[rows, columns] = False
    if unsolved.any():
        _fill_wide(filled, bad, unsolved)
    filled[rows, columns] = light / weight
    return filled


def _fill_wide(filled: Image, bad: NDArray[np.bool_], unsolved: NDArray[np.bool_]) -> None:
    """Give unsolved pixels the mean of the good ones within about 9 px, in place.

    Deep in a hole nothing is sharp, so that sums over blocks of 3 pixels are fine enough.
    """
    rows, columns = places(unsolved)
    across = -(-unsolved.shape[1] // WINDOW_PX)
    window = rows // WINDOW_PX * across + columns // WINDOW_PX
    order = np.argsort(window, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(window[order])) + 1):
        (top, left), margin = divmod(int(window[some[0]]), across), WIDE_BLOCKS * BLOCK_PX
        first_row, first_column = (max(n * WINDOW_PX - margin, 0) for n in (top, left))
        part = np.s_[
            first_row : (top + 1) * WINDOW_PX + margin, first_column : (left + 1) * WINDOW_PX + margin
        ]
        means = _wide_means(np.where(bad[part], np.float32(0.0), filled[part]), bad[part])
        at = rows[some], columns[some]
        filled[at] = means[(at[0] - first_row) // BLOCK_PX, (at[1] - first_column) // BLOCK_PX]


def _wide_means(light: Image, bad: NDArray[np.bool_]) -> Image:
    """The mean of the good pixels around each block; ``light`` is 0 where they are bad."""
    sigma = WIDE_PX / BLOCK_PX
    covered = blurred(_block_sums((~bad).astype(np.float32)), sigma, truncate=WIDE_BLOCKS / sigma)
    around = blurred(_block_sums(light), sigma, truncate=WIDE_BLOCKS / sigma)
    return np.where(covered > 1e-2, around / np.maximum(covered, np.float32(1e-2)), np.float32(0.0))


def _block_sums(image: Image) -> Image:
    """Sums over squares of `BLOCK_PX`; the last ones may be cut."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % BLOCK_PX), (0, -width % BLOCK_PX)))
    strips = np.add.reduce([padded[step::BLOCK_PX] for step in range(BLOCK_PX)])
    sums: Image = np.add.reduce([strips[:, step::BLOCK_PX] for step in range(BLOCK_PX)])
    return sums


def resample(frame: Frame, to_frame: PixelMap, wcs: WCS | None, fwhm: float) -> Frame:
    """A frame on the grid of a reference.

    The light above the sky is interpolated by splines and multiplied by the area of a reference
    pixel in the frame's pixels, so that fluxes stay. A map by whole pixels (shifts, quarter
    turns, mirror images) copies them instead.

    The variance is that of the original pixels at each place times the same area, as if pixels
    were independent: interpolation makes neighbours share noise, but at the scale of a PSF (FWHM of
    2.2 px or more) the noise is that of the original pixels, and that is the scale at which
    everything is measured. Of sharper stars it is interpolated as the light is.

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
    bent = to_frame.local is None and not to_frame.straight
    areas = to_frame.areas(KNOT_PX if bent else 1).astype(np.float32)
    if bent:
        areas = between_knots(areas, to_frame.shape)
    signal = _interpolate(_smoothed(signal, to_frame), to_frame, 5 if fwhm < 3.0 else 3) * areas
    background = _smooth_map(frame.background, to_frame) * areas
    variance, mask = _between_four(frame.variance, frame.mask, to_frame)
    if fwhm < COARSE_FWHM:
        # A spline would ring around what is masked, such as the trail of a saturated star.
        sharp = _interpolate(inpaint(frame.variance, frame.mask != 0), to_frame, 5)
        variance = np.where(mask == 0, np.maximum(sharp, LEAST_OF_LINE * variance), variance)
    variance *= areas
    signal[(mask & MaskPlane.EDGE) != 0] = 0.0
    return replace(
        frame,
        data=signal + background,
        background=background,
        variance=variance,
        mask=mask,
        wcs=wcs,
        saturation=frame.saturation * abs(to_frame.area),  # of a pixel that holds the light of so many
    )


def whole_pixel_map(to_frame: PixelMap) -> NDArray[np.int64] | None:
    """The (2, 3) integer affine that a map is within 0.002 px everywhere, if there is one."""
    if not to_frame.straight:
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


def _interpolate(image: Image, to_frame: PixelMap, order: Literal[3, 5]) -> Image:
    """A spline through an image at the places of a map."""
    coefficients = spline_coefficients(image, order)
    if follows(to_frame):
        return spline_nearby(coefficients, to_frame, order)
    if to_frame.straight:
        a = to_frame.affine
        matrix = np.array([[a[1, 1], a[1, 0]], [a[0, 1], a[0, 0]]])  # rows first
        offset = (a[1, 2], a[0, 2])
        shape = to_frame.shape
        result: Image = ndimage.affine_transform(
            coefficients, matrix, offset, shape, np.float32, order, mode="mirror", prefilter=False
        )
        return result
    x, y = to_frame.grid()
    bent: Image = ndimage.map_coordinates(
        coefficients, [y, x], np.float32, order, mode="mirror", prefilter=False
    )
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
    return between_knots(knots, to_frame.shape)


def between_knots(knots: Image, shape: tuple[int, int]) -> Image:
    """The values of `PixelMap.grid` knots, linearly interpolated to every pixel."""
    height, width = shape
    down = _along(np.ascontiguousarray(knots.T), height)
    return _along(np.ascontiguousarray(down.T), width)


def _along(knots: Image, size: int) -> Image:
    """Rows of knots interpolated to so many pixels."""
    slope = np.diff(knots, axis=1, append=knots[:, -1:])
    slope[:, -2] *= np.float32(KNOT_PX / ((size - 2) % KNOT_PX + 1))  # the last two may lie closer together
    steps = np.arange(KNOT_PX, dtype=np.float32) / np.float32(KNOT_PX)
    pixels: Image = slope[:, :, None] * steps
    pixels += knots[:, :, None]
    return pixels.reshape(len(knots), -1)[:, :size]


def _between_four(variance: Image, mask: MaskImage, to_frame: PixelMap) -> tuple[Image, MaskImage]:
    """The variance, interpolated linearly, and the union of mask bits of the four pixels around each place.

    Outside the frame the mask is EDGE and the variance that of the nearest pixel.
    """
    height, width = mask.shape
    flat_variance, flat_mask = variance.ravel(), mask.ravel()
    new_variance = np.empty(to_frame.shape, dtype=np.float32)
    new_mask = np.empty(to_frame.shape, dtype=np.uint16)
    for rows in (slice(top, top + STRIP_ROWS) for top in range(0, to_frame.shape[0], STRIP_ROWS)):
        x, y = to_frame.rows(rows)
        outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
        left, low = np.clip(x, 0, width - 2).astype(np.int32), np.clip(y, 0, height - 2).astype(np.int32)
        u = np.clip(x - left, 0.0, 1.0).astype(np.float32)
        v = np.clip(y - low, 0.0, 1.0).astype(np.float32)
        first = low * np.int32(width) + left
        four = [first, first + 1, first + width, first + width + 1]
        a, b, c, d = (flat_variance.take(index) for index in four)
        a += u * (b - a)
        c += u * (d - c)
        np.add(a, v * (c - a), out=new_variance[rows])
        a_bits, b_bits, c_bits, d_bits = (flat_mask.take(index) for index in four)
        union = a_bits | b_bits | c_bits | d_bits
        new_mask[rows] = np.where(outside, np.uint16(MaskPlane.EDGE), union)
    return new_variance, new_mask
