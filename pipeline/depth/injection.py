"""Sources added to copies of a difference and of the frame it came from, by linear response.

Each source is drawn as the photons that it would have sent: a Poisson number in every pixel of the new
frame under its local PSF. These go through the filters of the difference (`pipeline.depth.response`), and
the source's own noise into the variance. What a faint source changes beyond that is left out: the
registration and flux terms of the variance on top of a bright star, what bad pixels and the end of the data
take of its wings, and all that was fitted to the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import KDTree

from pipeline.depth.response import Response
from pipeline.frame import Aligned, Detection, Difference, Image
from pipeline.stellar.stamps import placed_psfs

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

FEATURES_FWHM = 4.0  # how far around a detection its features look
CLEAR_FWHM = 2.0  # from a detection that is there already: nearer they would be one
AT_ONCE = 128  # sources whose transforms are held together


@dataclass(frozen=True, slots=True)
class Sources:
    """Point sources on a difference's grid; (n,). ``flux`` in its unit."""

    x: Array
    y: Array
    flux: Array

    def __len__(self) -> int:
        return len(self.x)

    def take(self, which: slice) -> Sources:
        """Some of them."""
        return Sources(self.x[which], self.y[which], self.flux[which])


@dataclass(frozen=True, slots=True)
class Injected:
    """A difference and its new frame with sources in them."""

    difference: Difference
    new: Aligned


@dataclass(frozen=True, slots=True)
class Kernels:
    """The response of every tile, transformed for stamps of one size.

    Attributes
    ----------
    flux, data : (tiles, size, size // 2 + 1) complex64
        Transforms of the kernels.
    noise2 : (2 reach + 1, 2 reach + 1) float32
        What a source of unit flux adds to the variance of the flux around it, reference electrons, in the
        middle tile. It is smooth: where in its pixel the source lies does not matter.
    share : (tiles,) float32
        How much that is in each tile, against the middle one.
    size, reach : int
        Of the transforms, and how far from a stamp's middle what is read from them is good.
    """

    flux: NDArray[np.complex64]
    data: NDArray[np.complex64]
    noise2: Image
    share: NDArray[np.float32]
    size: int
    reach: int


def reach_px(difference: Difference) -> int:
    """How far around a source it is drawn: as far as any feature of its detection looks."""
    return int(np.ceil(FEATURES_FWHM * max(difference.psf.fwhm, 1.5))) + 3


def free_places(
    difference: Difference, detections: Sequence[Detection], count: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """Random places of a difference: anywhere that is unmasked and not beside a detection.

    Parameters
    ----------
    difference : Difference
    detections : sequence of Detection
        What was found without any injection.
    count : int
        How many are drawn; those that are not free are left out.
    random : numpy.random.Generator

    Returns
    -------
    x, y : (n,) float64
    """
    height, width = difference.mask.shape
    x = random.uniform(-0.5, width - 0.5, count)
    y = random.uniform(-0.5, height - 0.5, count)
    seen = difference.mask[pixel(y, height), pixel(x, width)] == 0
    x, y = x[seen], y[seen]
    if detections and len(x):
        there = KDTree([(found.x, found.y) for found in detections])
        away = there.query(np.column_stack([x, y]))[0] > CLEAR_FWHM * difference.psf.fwhm
        x, y = x[away], y[away]
    return x, y


def pixel(place: Array, length: int) -> Whole:
    """The pixel of an axis that a place lies on."""
    return np.clip(np.rint(place).astype(np.int64), 0, length - 1)


def apart(x: Array, y: Array, distance: float) -> Whole:
    """The first places in their order of which no two are nearer than a distance along both axes."""
    if len(x) == 0:
        return np.zeros(0, dtype=np.int64)
    kept = np.ones(len(x), dtype=bool)
    pairs = KDTree(np.column_stack([x, y])).query_pairs(distance, p=np.inf, output_type="ndarray")
    for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if kept[first]:
            kept[second] = False
    return np.flatnonzero(kept)


def inject(sources: Sources, difference: Difference, new: Aligned, random: np.random.Generator) -> Injected:
    """Add sources to copies of a difference and of its new frame.

    Parameters
    ----------
    sources : Sources
        More than twice `reach_px` apart along one axis at least, so that none is drawn over another.
    difference : Difference
        With its response.
    new : Aligned
    random : numpy.random.Generator
        For the noise of the photons.

    Raises
    ------
    ValueError
        The difference came without its response.
    """
    response = difference.response
    if response is None:
        raise ValueError("the difference came without its response")
    data, flux, flux_err, score, light = (
        image.copy()
        for image in (difference.data, difference.flux, difference.flux_err, difference.score, new.frame.data)
    )
    kernels = _kernels(response, new, reach_px(difference))
    unit = np.float32(1.0 / response.flux_scale)
    for start in range(0, len(sources), AT_ONCE):
        some = sources.take(slice(start, start + AT_ONCE))
        tiles = response.nearest(some.x, some.y)
        gain = np.exp(response.log_gain.at(some.x, some.y))
        photons, rows, columns = _photons(some, new, gain * response.flux_scale, random)
        added, change = _through(kernels, tiles, photons / gain.astype(np.float32)[:, None, None])
        # A Poisson variance is the light itself; an empirical rescaling enlarged all errors alike.
        variance = (
            some.flux * response.flux_scale / gain / (response.flux_scale * difference.score_scale) ** 2
        )
        # In double precision: a unit may be so large that no square of a flux is a number in single.
        noise2 = (variance * kernels.share[tiles])[:, None, None] * kernels.noise2
        place, part = _windows(rows, columns, added.shape[-1], flux.shape)
        flux.ravel()[place] += unit * added[part]
        data.ravel()[place] += unit * change[part]
        flux_err.ravel()[place] = np.hypot(flux_err.ravel()[place], np.sqrt(noise2[part]))
        seen = difference.mask.ravel()[place] == 0
        there = flux.ravel()[place] / flux_err.ravel()[place]
        score.ravel()[place] = np.where(seen, there, np.float32(0.0))
        light.ravel()[place] += _resized(photons, added.shape[-1])[part]
    return Injected(
        difference=replace(difference, data=data, flux=flux, flux_err=flux_err, score=score),
        new=replace(new, frame=replace(new.frame, data=light)),
    )


def _photons(
    sources: Sources, new: Aligned, electrons: Array, random: np.random.Generator
) -> tuple[Image, Whole, Whole]:
    """Light of each source in the new frame's electrons, and the row and column of its stamp's middle.

    ``electrons`` are those of a unit of flux, (n,).
    """
    stamps, rows, columns = placed_psfs(new.psf, sources.x, sources.y)
    expected = (sources.flux * electrons)[:, None, None] * stamps
    positive = np.maximum(expected, 0.0)
    drawn: Image = (random.poisson(positive) + (expected - positive)).astype(np.float32)
    return drawn, rows, columns


def _kernels(response: Response, new: Aligned, reach: int) -> Kernels:
    """All kernels, cut to what can bring a source's light to ``reach`` pixels from it.

    Nothing that is read from such transforms has wrapped around.
    """
    half, middle = new.psf.basis.shape[-1] // 2, response.tiles[0].flux.shape[0] // 2
    reach = min(reach, middle)
    far = min(reach + half, middle)
    size = int(fft.next_fast_len(2 * max(far, half) + 1, real=True))
    cut = np.s_[middle - far : middle + far + 1, middle - far : middle + far + 1]
    flux = np.stack([tile.flux[cut] for tile in response.tiles])
    data = np.stack([tile.data[cut] for tile in response.tiles])
    height, width = new.frame.shape
    centre = response.nearest(np.array([width / 2.0]), np.array([height / 2.0]))
    psf = new.psf.at(response.tiles[centre[0]].x, response.tiles[centre[0]].y)[None]
    noise2 = _transformed(np.square(flux[centre]), size) * _transformed(psf, size)
    power = np.sum(np.square(flux), axis=(1, 2))
    return Kernels(
        flux=_transformed(flux, size),
        data=_transformed(data, size),
        noise2=np.maximum(_middles(noise2, size, reach)[0], np.float32(0.0)),
        share=power / power[centre],
        size=size,
        reach=reach,
    )


def _through(kernels: Kernels, tiles: Whole, light: Image) -> tuple[Image, Image]:
    """What light adds to the flux and to the difference, (n, 2 reach + 1, 2 reach + 1) each."""
    spectra = _transformed(light, kernels.size)
    added, change = (
        _middles(spectra * kernel[tiles], kernels.size, kernels.reach)
        for kernel in (kernels.flux, kernels.data)
    )
    return added, change


def _transformed(stamps: Image, size: int) -> NDArray[np.complex64]:
    """Stamps of odd size, their middles moved to index 0, 0 of larger squares, transformed."""
    half = stamps.shape[-1] // 2
    squares = np.zeros((len(stamps), size, size), dtype=np.float32)
    index = np.arange(-half, half + 1)
    squares[:, index[:, None], index] = stamps
    spectra: NDArray[np.complex64] = fft.rfft2(squares, overwrite_x=True, workers=1)
    return spectra


def _middles(spectra: NDArray[np.complex64], size: int, reach: int) -> Image:
    index = np.arange(-reach, reach + 1)
    squares = fft.irfft2(spectra, s=(size, size), overwrite_x=True, workers=1)
    middles: Image = squares[:, index[:, None], index]
    return middles


def _resized(stamps: Image, size: int) -> Image:
    """The same stamps cut, or filled up with zeros, to another odd size."""
    less, more = max(0, stamps.shape[-1] - size) // 2, max(0, size - stamps.shape[-1]) // 2
    inner = np.s_[:, less : stamps.shape[-1] - less, less : stamps.shape[-1] - less]
    resized: Image = np.pad(stamps[inner], ((0, 0), (more, more), (more, more)))
    return resized


def _windows(
    rows: Whole, columns: Whole, size: int, shape: tuple[int, int]
) -> tuple[Whole, NDArray[np.bool_]]:
    """The pixels of an image, as one row, under square stamps, and which of the stamps' these are."""
    steps = np.arange(size) - size // 2
    down, across = rows[:, None] + steps, columns[:, None] + steps
    part = ((down >= 0) & (down < shape[0]))[:, :, None] & ((across >= 0) & (across < shape[1]))[:, None, :]
    place: Whole = (down[:, :, None] * shape[1] + across[:, None, :])[part]
    return place, part
