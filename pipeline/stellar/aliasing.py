r"""What pixels too coarse for a frame's stars make of them, measured from all stars and taken out.

Stars of a FWHM below about two pixels have detail finer than pixels can hold. Sampled, it looks like coarser
detail (it is aliased), another for every place of a star within its pixel. No convolution with one PSF
describes that, interpolation does not move it as it should, and in a difference it is left of every bright
star. But the PSF between the pixels is known: each star samples it at other places. So it is fitted to many
stars at once, on a grid of half pixels and with a variation over the field (as effective PSFs are: Anderson &
King 2000, PASP 112, 1360). What of it is finer than pixels can hold is then taken from each bright star as it
was sampled there. What is left of a star is the same wherever in its pixel it lies.

The same fit tells how the photons of a star fall on its pixels, whose noise is in the variance from then on.

Faint stars, masked ones and whatever is wider than a star stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.frame import Frame, Image, Stars
from pipeline.registration.pixel_map import polynomial_terms
from pipeline.stellar.profile import moffat, offsets
from pipeline.stellar.stamps import Stamps, cut, star_model
from pipeline.stellar.stars import select_psf_stars, stellar_fwhm

Values = NDArray[np.float64]

COARSE_FWHM = 2.4  # pixels show all there is of wider stars
FEWEST, MOST = 25, 120  # stars that are fitted
LEAST_SNR = 10.0  # of a star whose aliases show
UNLIT = 0.01  # of the sky: pixels with less light of stars show its noise
WIDTHS = 0.6, 1.4  # of stars, in FWHM of most
FINE = 2  # samples of the PSF along a pixel
LOBES = 8  # of the Lanczos kernel between them, on either side
FIT_PX, HELD_PX = 3, 4  # half widths of what is fitted of a star, and of the PSF
ALIAS_PX, FADE_PX = 6, 3  # half width of what is taken from a star, and where it fades out
GRID_PX = 32  # width of the grid on which it is told from the rest
# Beyond the first of these frequencies, in cycles a pixel, the PSF has next to nothing, and its noise would
# be taken for fluxes: whole cycles a pixel look like none at all.
HIGHEST = 0.65, 0.85
# What pixels hold fades out between these: a sharp bound would have rings around every star.
HELD = 0.4, 0.6
ROUNDS, VARYING_ROUNDS = 3, 2  # of fits, and the last of them, in which the PSF varies over the field
PLACE_STEPS = 2
# A priori, PSF and variation are known to these parts of the PSF, smoothed over half a pixel; and no star
# shows it better than to this part of its light.
PRIORS = 0.5, 0.3
STAR_ERROR = 0.02
CLIP_STAR, CLIP_PIXEL = 5.0, 4.0  # times the typical chi squared; standard deviations


@dataclass(frozen=True, slots=True)
class FinePsf:
    """A PSF in half pixels, (terms, size, size): a polynomial over a frame of this shape."""

    basis: Values
    shape: tuple[int, int]

    def sampled(self, x: Values, y: Values, half: int) -> Values:
        """The PSF of each place as the pixels around it see it, (n, 2 half + 1, 2 half + 1)."""
        return _on_pixels(self.taps(x, y, half), self.fine(x, y))

    def fine(self, x: Values, y: Values) -> Stamps:
        """The PSF of each place in half pixels, (n, size, size)."""
        return np.tensordot(self.terms(x, y).astype(np.float32), self.basis.astype(np.float32), axes=1)

    def taps(self, x: Values, y: Values, half: int) -> tuple[Stamps, Stamps]:
        """What each sample adds to each row and to each column of pixels, (n, 2 half + 1, size)."""
        reach = self.basis.shape[-1] // 2
        off = np.stack([y - np.rint(y), x - np.rint(x)]).astype(np.float32)[..., None, None]
        pixel = np.arange(-half, half + 1, dtype=np.float32)[:, None]
        distance = FINE * (pixel - off) - np.arange(-reach, reach + 1, dtype=np.float32)
        np.clip(distance, -LOBES, LOBES, out=distance)
        down, across = np.sinc(distance) * np.sinc(distance / LOBES)
        return down, across

    def terms(self, x: Values, y: Values) -> Values:
        """Of the polynomial, (n, terms)."""
        return polynomial_terms(x, y, self.shape, len(self.basis) // 2)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Stars: places in pixels, fluxes in electrons."""

    x: Values
    y: Values
    flux: Values


def without_aliases(frame: Frame, stars: Stars) -> Frame:
    """A frame whose bright stars have no more detail than its pixels can hold.

    Parameters
    ----------
    frame : Frame
        In its own pixels: resampled ones no longer tell where in a pixel a star was.
    stars : Stars
        All its sources.

    Returns
    -------
    Frame
        The frame itself where its stars are 2.4 px wide or wider, or fewer than 25 show the PSF.
    """
    fwhm = stellar_fwhm(stars)
    if not 0.0 < fwhm < COARSE_FWHM:
        return frame
    shown = select_psf_stars(frame, stars, MOST)
    if len(shown) < FEWEST:
        return frame
    light = frame.signal
    psf = fine_psf(frame, light, shown, fwhm)
    width = stars.fwhm / fwhm
    bright = (stars.mask == 0) & (stars.flux > LEAST_SNR * stars.flux_err)
    some = stars.take(bright & (width > WIDTHS[0]) & (width < WIDTHS[1]))
    placed = _placed(frame, light, psf, _Placed(some.x, some.y, some.flux))
    aliases = _light(frame, finer_than_pixels(psf), placed, ALIAS_PX)
    return replace(
        frame,
        data=frame.data - aliases,
        variance=with_noise_of(frame, _light(frame, psf, placed, HELD_PX)),
    )


def with_noise_of(frame: Frame, light: Image) -> Image:
    """The variance of a frame, no less than the sky's beside some light and what the photons of that have.

    `pipeline.calibration.variance.source_model` smooths faint light by a pixel, and so has half of the peak
    of so sharp a star, whose noise is what a fit to its core gets.

    Parameters
    ----------
    frame : Frame
    light : (height, width) float32
        Of its bright stars, electrons, as its pixels see it.

    Returns
    -------
    (height, width) float32
    """
    sky = np.maximum(frame.background, np.float32(0.0)) + np.float32(frame.read_noise**2)
    # Photons alone need not be what the sky has: pixels of a coadd may share noise, masters may add some.
    dark = (light <= UNLIT * sky) & (frame.mask == 0) & (sky > 0.0) & np.isfinite(frame.variance)
    if dark.any():
        sky *= np.float32(np.median(frame.variance[dark] / sky[dark]))
    variance: Image = np.where(light > 0.0, np.maximum(frame.variance, sky + light), frame.variance)
    return variance


def _light(frame: Frame, psf: FinePsf, stars: _Placed, half: int) -> Image:
    """What of stars a PSF has on the pixels of a frame."""
    stamps = psf.sampled(stars.x, stars.y, half).astype(np.float32)
    rows, columns = np.rint(stars.y).astype(np.int64), np.rint(stars.x).astype(np.int64)
    return star_model(frame.shape, stamps, rows, columns, np.maximum(stars.flux, 0.0))


def fine_psf(frame: Frame, light: Image, stars: Stars, fwhm: float) -> FinePsf:
    """Fit the PSF between the pixels.

    Parameters
    ----------
    frame : Frame
    light : (height, width) float32
        Its signal.
    stars : Stars
        Single ones, unsaturated.
    fwhm : float
        About, in pixels.
    """
    dx, dy = offsets(FINE * HELD_PX)
    first = moffat((dx / FINE, dy / FINE), fwhm, 3.0)
    psf = FinePsf((FINE**2 / first.sum() * first)[None], frame.shape)
    placed = _Placed(stars.x, stars.y, stars.flux)
    for fit in range(ROUNDS):
        placed = _placed(frame, light, psf, placed)
        if fit == ROUNDS - VARYING_ROUNDS:
            psf = FinePsf(np.concatenate([psf.basis, np.zeros((2, *psf.basis.shape[1:]))]), frame.shape)
        psf = _improved(frame, light, psf, placed)
    return psf


def finer_than_pixels(psf: FinePsf) -> FinePsf:
    """What of a PSF is finer than pixels can hold: of about half a cycle a pixel and more, along x or y."""
    reach, size = psf.basis.shape[-1] // 2, FINE * GRID_PX
    fade = _fading(np.hypot(*offsets(reach)), reach - FINE, reach)
    wide = np.zeros((len(psf.basis), size, size))
    wide[:, : 2 * reach + 1, : 2 * reach + 1] = psf.basis * fade
    frequency = FINE * np.abs(np.fft.fftfreq(size))
    known, held = _fading(frequency, *HIGHEST), _fading(frequency, *HELD)
    beyond = np.fft.ifft2(np.fft.fft2(wide) * (np.outer(known, known) - np.outer(held, held))).real
    half = FINE * (ALIAS_PX + 2)
    middle = np.arange(-half, half + 1) + reach
    taper = _fading(np.hypot(*offsets(half)) / FINE, ALIAS_PX - FADE_PX, ALIAS_PX)
    return FinePsf(beyond[:, middle[:, None], middle] * taper, psf.shape)


def _fading(values: Values, low: float, high: float) -> Values:
    """1 below ``low``, 0 beyond ``high``, a squared cosine in between."""
    return np.asarray(np.cos(0.5 * np.pi * np.clip((values - low) / (high - low), 0.0, 1.0)) ** 2)


def _placed(frame: Frame, light: Image, psf: FinePsf, stars: _Placed) -> _Placed:
    """Stars where the PSF fits them best, by least squares on their cores."""
    core = np.hypot(*offsets(FIT_PX)) < FIT_PX - 0.5
    for _ in range(PLACE_STEPS):
        taps, fine = psf.taps(stars.x, stars.y, FIT_PX), psf.fine(stars.x, stars.y)
        up, along = np.gradient(FINE * fine, axis=(1, 2))
        model, *slopes = (_on_pixels(taps, np.asarray(each)) for each in (fine, -along, -up))
        seen, weight = _seen(frame, light, stars, model)
        design = np.stack([model, *slopes], axis=3)[:, core]
        weighted = design * weight[:, core, None]
        normal = weighted.transpose(0, 2, 1) @ design
        # A trace of the identity: a star without a usable pixel then stays as it is.
        normal += np.eye(3) * (1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-30)
        right = weighted.transpose(0, 2, 1) @ (seen - model)[:, core, None]
        more, dx, dy = np.clip(np.linalg.solve(normal, right)[:, :, 0], -0.3, 0.3).T
        stars = _Placed(stars.x + dx, stars.y + dy, stars.flux * (1.0 + more))
    return stars


def _on_pixels(taps: tuple[Stamps, Stamps], fine: Stamps) -> Values:
    """What pixels see of PSFs in half pixels."""
    down, across = taps
    return np.asarray(down @ fine @ across.transpose(0, 2, 1), dtype=np.float64)


def _seen(frame: Frame, light: Image, stars: _Placed, expected: Values) -> tuple[Values, Values]:
    """The stars in units of their fluxes, and the inverse variances; what is masked is as expected."""
    rows, columns = np.rint(stars.y).astype(np.int64), np.rint(stars.x).astype(np.int64)
    stamps, variance = (cut(image, rows, columns, FIT_PX) for image in (light, frame.variance))
    known = np.isfinite(stamps) & np.isfinite(variance) & (stars.flux > 0)[:, None, None]
    known &= cut(frame.mask, rows, columns, FIT_PX, beyond=0) == 0
    flux = np.where(stars.flux > 0, stars.flux, 1.0)[:, None, None]
    spread = np.where(known, variance / flux**2 + (STAR_ERROR * expected) ** 2, np.inf)
    return np.where(known, stamps / flux, expected), 1.0 / np.maximum(spread, 1e-12)


def _improved(frame: Frame, light: Image, psf: FinePsf, stars: _Placed) -> FinePsf:
    """The PSF that the stars show where they are: weighted least squares around the one before."""
    expected = psf.sampled(stars.x, stars.y, FIT_PX)
    seen, weight = _seen(frame, light, stars, expected)
    near = np.hypot(*offsets(FIT_PX)) < FIT_PX + 0.5
    off, weight = (seen - expected)[:, near], weight[:, near]
    chi2 = np.mean(off**2 * weight, axis=1)
    typical = float(np.median(chi2))
    weight *= (chi2 < CLIP_STAR * typical)[:, None] / max(typical, 1.0)
    weight /= (1.0 + off**2 * weight / CLIP_PIXEL**2) ** 2
    down, across = psf.taps(stars.x, stars.y, FIT_PX)
    held = np.hypot(*offsets(FINE * HELD_PX)) <= FINE * HELD_PX
    pixels = near.nonzero()
    root = np.sqrt(weight)[:, :, None]
    samples = held.nonzero()
    design = (down[:, pixels[0]][:, :, samples[0]] * across[:, pixels[1]][:, :, samples[1]] * root).astype(
        np.float32
    )
    target = (off * root[:, :, 0]).astype(np.float32)
    smooth = ndimage.gaussian_filter(np.maximum(psf.basis[0], 0.0), FINE / 2, mode="nearest")[held]
    terms = psf.terms(stars.x, stars.y)
    basis = psf.basis.copy()
    basis[:, held] += _solved(design, target, terms, psf.basis[:, held], smooth)
    basis[1:] -= basis[1:].sum(axis=(1, 2), keepdims=True) / basis[0].sum() * basis[0]
    return FinePsf(basis * (FINE**2 / basis[0].sum()), psf.shape)


def _solved(
    design: NDArray[np.float32], target: NDArray[np.float32], terms: Values, before: Values, smooth: Values
) -> Values:
    """What to add to the terms of the PSF, (terms, samples); ``design`` is (n, pixels, samples)."""
    n_terms, count = terms.shape[1], design.shape[2]
    flat = design.reshape(-1, count)
    normal, right = np.zeros((n_terms, count, n_terms, count)), np.zeros((n_terms, count))
    for i in range(n_terms):
        for j in range(i + 1):
            shared = (terms[:, i] * terms[:, j]).astype(np.float32)[:, None, None]
            normal[i, :, j] = normal[j, :, i] = flat.T @ (design * shared).reshape(-1, count)
        right[i] = flat.T @ (target * terms[:, i, None].astype(np.float32)).reshape(-1)
        known = (PRIORS[min(i, 1)] * smooth + 1e-4) ** -2.0
        normal[i, range(count), i, range(count)] += known
        if i > 0:  # the variation is 0 beforehand, the PSF what it was
            right[i] -= known * before[i]
    size = n_terms * count
    found = np.linalg.solve(normal.reshape(size, size), right.reshape(size))
    return np.asarray(found.reshape(n_terms, count))
