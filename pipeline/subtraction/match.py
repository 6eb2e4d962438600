"""Photometric match: how much brighter the new frame is, and how far its stars are still off.

A star is compared in N * P_r and R * P_n (convolutions): there both images have one PSF, so one fit of
that PSF, its two gradients and a constant is the same linear function of the same scene in both, with
the same neighbours and the same crowding. The ratio of the fluxes is the flux ratio, the difference of
the gradient terms the shift, and the errors follow from the fit's weights and the variance of the pixels.

Ratios and shifts of all stars then give smooth fields (`pipeline.subtraction.field`), and what scatters
around these beyond the photon noise is what the score must expect at bright sources. The brightest stars
tell it, whose photons hide least: if all counted alike, errors of the faint ones a little larger than they
are said to be would make much of nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import KDTree

from pipeline.frame import Aligned, Frame, FrameRefused, PreparedReference, PsfModel, Stars
from pipeline.registration.residual import REGIONS, region_of
from pipeline.stellar.stamps import cut, psf_stamps
from pipeline.subtraction.field import NEEDED, Field, fit_field
from pipeline.subtraction.lights import inpainted_signal, reference_images
from pipeline.subtraction.scatter import excess

Array = NDArray[np.float64]

MIN_SNR = 15.0  # of a star in both frames
MAX_STARS = 400
BOUND_RATIO, BOUND_PLACE = 4.0, 6.25  # a square counts to so many times its expectation in the scatter
TOLD = 1.5  # stars that must tell of a scatter of flux ratios
TOLD_PLACE = 3.0  # and of more scatter of places in a region than in the whole frame
TOGETHER = 10  # stars in memory at a time
MOST_HALF_PX = 22  # of the PSFs that stars are fitted with: the same light is left out of both frames


@dataclass(frozen=True, slots=True)
class Match:
    """How the aligned new frame relates to the reference.

    Attributes
    ----------
    log_gain : Field
        Natural logarithm of new electrons per reference electron.
    dx, dy : Field
        Where the new frame's stars lie, less where the reference's do, in pixels.
    rms_px : float
        Scatter of single stars around that, per axis, their centroid noise taken off.
    gain_scatter : float
        Relative scatter of single stars' flux ratios, their photon noise taken off.
    n_stars : int
        Stars that were used.
    place_variance : (k, k) float64 or None
        The square of that scatter in each of equal parts: those that stars show to be worse have their own,
        the others that of all others. None: that of ``rms_px`` everywhere.
    """

    log_gain: Field
    dx: Field
    dy: Field
    rms_px: float
    gain_scatter: float
    n_stars: int
    place_variance: Array | None = None

    @property
    def gain_ratio(self) -> float:
        """New electrons per reference electron, at the middle of the frame."""
        height, width = self.log_gain.shape
        middle = np.array([(width - 1) / 2.0]), np.array([(height - 1) / 2.0])
        return float(np.exp(self.log_gain.at(*middle)[0]))

    def rms_at(self, x: Array, y: Array) -> Array:
        """``rms_px`` at some places, between the middles of the parts of the frame."""
        if self.place_variance is None:
            return np.full(len(x), self.rms_px)
        at = [(k + 0.5) * REGIONS / size - 0.5 for k, size in zip((y, x), self.log_gain.shape, strict=True)]
        variance: Array = ndimage.map_coordinates(self.place_variance, at, order=1, mode="nearest")
        return np.sqrt(variance)

    def moved(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where the new frame has what the reference has at some places."""
        return x + self.dx.at(x, y), y + self.dy.at(x, y)


def match(new: Aligned, reference: PreparedReference) -> Match:
    """Measure the flux ratio and the remaining shift from the stars that both frames have.

    Raises
    ------
    FrameRefused
        Fewer than three stars are clean in both frames.
    """
    _, theirs = _matchable(new, reference)
    x, y, shape = theirs.x, theirs.y, reference.frame.shape
    stars = compare(new, reference, x, y)
    usable = stars.usable & (np.hypot(stars.dx, stars.dy) < max(new.psf.fwhm, reference.psf.fwhm))
    if usable.sum() < NEEDED:
        raise FrameRefused(
            f"too few stars could be fitted in both frames: {int(usable.sum())} of {len(x)}, and {NEEDED} "
            "are needed to match their fluxes",
            int(usable.sum()),
            NEEDED,
        )
    x, y = x[usable], y[usable]
    log_ratio, ratio_error = np.log(stars.ratio[usable]), stars.ratio_error[usable]
    off_x, off_y, shift_error = stars.dx[usable], stars.dy[usable], stars.shift_error[usable]
    gain = fit_field(x, y, log_ratio, ratio_error, shape)
    dx = fit_field(x, y, off_x, shift_error, shape)
    dy = fit_field(x, y, off_y, shift_error, shape)
    # Stars that change are no measure of how well the ratio is known. None changes its place, but for some
    # neighbours make much of a wrong one, and these are expected too.
    kept, squares = gain.kept, (log_ratio - gain.field.at(x, y)) ** 2
    of_ratio = excess(squares[kept], ratio_error[kept] ** 2, BOUND_RATIO, fewest=NEEDED, told=TOLD)
    off = np.stack([off_x - dx.field.at(x, y), off_y - dy.field.at(x, y)])
    return Match(
        log_gain=gain.field,
        dx=dx.field,
        dy=dy.field,
        rms_px=math.sqrt(_scatter(off, shift_error)),
        gain_scatter=math.sqrt(of_ratio),
        n_stars=int(gain.kept.sum()),
        place_variance=_by_region(x, y, off, shift_error, shape),
    )


def _scatter(off: Array, error: Array) -> float:
    """The variance an axis of stars off (2, n), beyond their errors (n,)."""
    return sum(excess(each**2, error**2, BOUND_PLACE, fewest=NEEDED) for each in off) / 2.0


def _by_region(x: Array, y: Array, off: Array, error: Array, shape: tuple[int, int]) -> Array:
    """That variance in each region.

    Stars of regions that are worse than the frame would make all others worse than they are: the frame's is
    measured anew without them.
    """
    calm = np.ones(len(x), dtype=bool)
    part = region_of(x, y, shape)
    while True:
        variance = _scatter(off[:, calm], error[calm])
        more = _more_by_region(x, y, off, error**2 + variance, shape)
        worse = more.ravel()[part] > 0
        if np.count_nonzero(calm & ~worse) < NEEDED or not (calm & worse).any():
            return variance + more
        calm &= ~worse


def _more_by_region(x: Array, y: Array, off: Array, noise: Array, shape: tuple[int, int]) -> Array:
    """What stars off (2, n) show in each region beyond a variance (n,) that they have everywhere."""
    squares, noise, part = (off**2).T, np.column_stack([noise, noise]), region_of(x, y, shape)
    more = np.zeros(REGIONS**2)
    for region in np.unique(part):
        here = part == region
        more[region] = excess(squares[here], noise[here], BOUND_PLACE, fewest=NEEDED, told=TOLD_PLACE)
    return more.reshape(REGIONS, REGIONS)


def first_match(new: Aligned, reference: PreparedReference) -> Match:
    """Flux ratio and shift as far as each frame's own list of stars tells them, with no scatter.

    A flux within an aperture is another share of a star's light where the PSF is another one.

    Raises
    ------
    FrameRefused
        Fewer than three stars are clean in both frames.
    """
    ours, theirs = _matchable(new, reference)
    relative = np.hypot(ours.flux_err / ours.flux, theirs.flux_err / theirs.flux)
    off = relative * max(new.psf.fwhm, reference.psf.fwhm)
    values = (
        (np.log(ours.flux / theirs.flux), relative),
        (ours.x - theirs.x, off),
        (ours.y - theirs.y, off),
    )
    gain, dx, dy = (
        fit_field(theirs.x, theirs.y, value, error, reference.frame.shape).field for value, error in values
    )
    return Match(gain, dx, dy, rms_px=0.0, gain_scatter=0.0, n_stars=len(ours))


def _matchable(new: Aligned, reference: PreparedReference) -> tuple[Stars, Stars]:
    found = common_stars(new, reference)
    if (count := len(found[0])) < NEEDED:
        raise FrameRefused(
            f"only {count} unmasked stars above {MIN_SNR:g} sigma are in both frames; "
            f"{NEEDED} are needed to match their fluxes",
            count,
            NEEDED,
        )
    return found


def common_stars(new: Aligned, reference: PreparedReference) -> tuple[Stars, Stars]:
    """Clean bright stars of both frames, pair by pair, the reference's brightest first."""
    ours, theirs = _clean(new.stars, new.frame), _clean(reference.stars, reference.frame)
    if len(ours) == 0 or len(theirs) == 0:
        none = np.zeros(0, dtype=np.int64)
        return ours.take(none), theirs.take(none)
    radius = max(1.0, 0.5 * max(new.psf.fwhm, reference.psf.fwhm))
    tree = KDTree(np.column_stack([ours.x, ours.y]))
    distance, nearest = tree.query(np.column_stack([theirs.x, theirs.y]), distance_upper_bound=radius)
    found = np.flatnonzero(np.isfinite(distance))
    _, first = np.unique(nearest[found], return_index=True)  # one partner each; the brightest wins
    found = np.sort(found[first])[:MAX_STARS]
    return ours.take(nearest[found]), theirs.take(found)


def _clean(stars: Stars, frame: Frame) -> Stars:
    height, width = frame.shape
    inside = (stars.x > 2) & (stars.y > 2) & (stars.x < width - 3) & (stars.y < height - 3)
    bright = (stars.flux_err > 0) & (stars.flux > MIN_SNR * stars.flux_err)
    return stars.take(inside & bright & (stars.mask == 0) & (stars.peak < 0.9 * frame.saturation))


@dataclass(frozen=True, slots=True)
class Compared:
    """Each star in the new frame against itself in the reference; every attribute is (n,)."""

    ratio: Array  # of the fluxes
    ratio_error: Array  # relative
    dx: Array  # new minus reference, pixels
    dy: Array
    shift_error: Array  # per axis
    usable: NDArray[np.bool_]  # bright in both


def compare(new: Aligned, reference: PreparedReference, x: Array, y: Array) -> Compared:
    """Fit every star in both frames, each convolved with the other's PSF."""
    sides = (
        (inpainted_signal(new.frame), new.frame.variance, new.psf),
        (reference_images(reference)[0], reference.frame.variance, reference.psf),
    )
    parts = [_compared(sides, x[i : i + TOGETHER], y[i : i + TOGETHER]) for i in range(0, len(x), TOGETHER)]
    return Compared(*(np.concatenate([getattr(part, name) for part in parts]) for name in Compared.__slots__))


_Side = tuple[NDArray[np.float32], NDArray[np.float32], PsfModel]  # light, variance, PSF


def _compared(sides: tuple[_Side, _Side], x: Array, y: Array) -> Compared:
    models = [psf for _, _, psf in sides]
    core = int(np.ceil(1.5 * max(psf.fwhm for psf in models)))
    half = core + min(max(psf.basis.shape[1] for psf in models) // 2, MOST_HALF_PX)
    size = int(fft.next_fast_len(2 * half + 1, real=True))
    psfs = [_transform(_psf_stamps(psf, x, y, size)) for psf in models]
    weights = _transform(_fit_weights(psfs[0] * psfs[1], x - np.rint(x), y - np.rint(y), half, core, size))
    fitted, spread = [], []
    for (filled, variance, _), other in zip(sides, psfs[::-1], strict=True):
        # The weights of the fit, carried back through the convolution onto the frame's own pixels.
        direct = fft.irfft2(weights * np.conj(other)[:, None], s=(size, size), workers=1)
        light = _stamps(filled, x, y, half, size)
        noise = _stamps(variance, x, y, half, size)
        fitted.append(_sums(direct, light))
        spread.append(_sums(np.square(direct, out=direct), noise))
    flux = [np.where(f[:, 0] > 0, f[:, 0], np.nan) for f in fitted]
    relative = [s / f[:, None] ** 2 for s, f in zip(spread, flux, strict=True)]
    place = [-f[:, 1:3] / total[:, None] for f, total in zip(fitted, flux, strict=True)]
    error = np.sqrt(relative[0] + relative[1])
    shift = place[0] - place[1]
    return Compared(
        ratio=flux[0] / flux[1],
        ratio_error=error[:, 0],
        dx=shift[:, 0],
        dy=shift[:, 1],
        shift_error=np.sqrt(np.mean(error[:, 1:3] ** 2, axis=1)),
        usable=np.isfinite(error[:, 0]) & (error[:, 0] < 2.0 / MIN_SNR),
    )


def _fit_weights(
    template: NDArray[np.complex64], x: Array, y: Array, half: int, core: int, size: int
) -> NDArray[np.float32]:
    """Weights whose sum over pixels gives flux and gradient terms of a star; (n, 3, size, size).

    ``template`` is the transform of the stars' PSF, ``x, y`` where each star lies from pixel (half, half).
    """
    rows, columns = fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None, :]
    down = np.exp(-2j * np.pi * rows * (half + y[:, None, None])).astype(np.complex64)
    across = np.exp(-2j * np.pi * columns * (half + x[:, None, None])).astype(np.complex64)
    placed = template * down * across
    waves = np.stack(np.broadcast_arrays(np.ones(1), 2j * np.pi * columns, 2j * np.pi * rows))
    shapes = fft.irfft2(placed[:, None] * waves.astype(np.complex64)[None], s=(size, size), workers=1)
    offset = np.arange(size) - half
    disc = offset[:, None] ** 2 + offset[None, :] ** 2 <= core**2
    design = shapes[..., disc].astype(np.float64)
    design = np.concatenate([design, np.ones_like(design[:, :1])], axis=1)
    scale = np.sqrt(np.sum(design**2, axis=2, keepdims=True))  # terms differ by orders of magnitude
    design /= scale
    normal = np.einsum("nip,njp->nij", design, design)
    solved = np.linalg.solve(normal, design) / scale
    weights = np.zeros((len(x), 3, size, size), dtype=np.float32)
    weights[..., disc] = solved[:, :3]
    return weights


def _transform(images: NDArray[np.float32]) -> NDArray[np.complex64]:
    spectrum: NDArray[np.complex64] = fft.rfft2(images, workers=1)
    return spectrum


def _sums(weights: NDArray[np.float32], images: NDArray[np.float32]) -> Array:
    """The sum over each image, with each of its weights: (n, k) of (n, k, size, size) and (n, size, size)."""
    n, k = weights.shape[:2]
    return np.asarray((weights.reshape(n, k, -1) @ images.reshape(n, -1, 1))[..., 0], dtype=np.float64)


def _stamps(image: NDArray[np.float32], x: Array, y: Array, half: int, size: int) -> NDArray[np.float32]:
    """The image around each star, the nearest pixel at (half, half); zero beyond its edges."""
    out = np.zeros((len(x), size, size), dtype=np.float32)
    rows, columns = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    out[:, : 2 * half + 1, : 2 * half + 1] = cut(image, rows, columns, half, beyond=0.0)
    return out


def _psf_stamps(psf: PsfModel, x: Array, y: Array, size: int) -> NDArray[np.float32]:
    """Each star's PSF, its central pixel at index 0, 0."""
    spare = max(0, psf.basis.shape[1] // 2 - MOST_HALF_PX)
    basis = psf.basis[:, spare : psf.basis.shape[1] - spare, spare : psf.basis.shape[2] - spare]
    stamps = psf_stamps(replace(psf, basis=basis), x, y)
    half = stamps.shape[1] // 2
    index = np.arange(-half, half + 1)
    out = np.zeros((len(x), size, size), dtype=np.float32)
    out[:, index[:, None], index] = stamps
    return out
