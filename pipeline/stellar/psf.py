"""The point-spread function of a frame, measured from its stars.

Stars are moved to a common centre by a windowed sinc, divided by their flux and combined pixel by
pixel, as a polynomial over the field. Where single pixels sink into noise a Moffat profile takes
over, fitted to the same stars: a PSF that ends too early, or a Gaussian, would leave
the wings of every star in a difference image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pipeline.frame import Frame, FrameRefused, Image, PsfModel, Stars
from pipeline.registration.pixel_map import PixelMap, polynomial_terms, term_powers
from pipeline.stellar.profile import (
    COARSE_FWHM,
    PROFILE_PRIOR,
    WINGS_FROM,
    Profile,
    fit_profile,
    moffat,
    offsets,
    settled_centre,
    settled_terms,
)
from pipeline.stellar.stamps import Stamps, psf_stamps, shifted
from pipeline.stellar.star_fit import StarFit, fit_stars, slopes
from pipeline.stellar.stars import PSF_SNR, half_width, nearly_full, select_psf_stars, stellar_fwhm
from pipeline.stellar.variation import fit_core, fit_pixels

Values = NDArray[np.float64]

# Rounds of fits, at most, and the change of the PSF from one to the next at which they end. The first settle
# the stars' places and the core of the PSF, on stamps of this half width; then come those that see the wings.
NEAR_FWHM = 3.0
NEAR_ROUNDS, NEAR_SETTLED = 4, 0.05
WIDE_ROUNDS, WIDE_SETTLED = 3, 0.015  # a round leaves a tenth of its change for the next ...
COARSE_SETTLED = 0.005  # ... but more where pixels are coarse
MIN_STARS = 3
WIDEST_PX = 20.0  # FWHM: stamps hold no more of wider stars than their cores
CROWD = "its stars lie so close together that they look {:.1f} pixels wide; {:g} is the most"
STARS_PER_TERM = 5
# No star shows the PSF better than to this part of its value in a pixel: what interpolation, flat
# field and centring leave. It keeps the few brightest stars from deciding alone.
STAR_ERROR = 0.015
CORE_FWHM = 1.5  # radius within which a PSF is judged
SHAPES_FWHM = 1.7  # radius within which it varies in few shapes
# Beyond this radius single stars show no more of the variation than its lowest orders.
VARIED_FWHM, WINGS_DEGREE = 2.5, 2
# Half width of the stamps in the end. Turbulence casts half a per cent of a sharp star's light farther than
# 10 FWHM: a narrower stamp of unit sum would have too much in its middle, and every flux would be too small.
WIDE_PX = 40
# A priori, the PSF varies from the centre to the edge of the field by about this part of its value, or of
# what is beside it within a part of the FWHM: optics move light, and beside a steep core that is much.
VARIATION_PRIOR = 0.5
MOVED_FWHM = 0.5
HIGHER_ORDER = 0.7  # times as much with each order of the polynomial
# A star may follow the others' model so much worse than most do: those in the corners of the field, few and
# unlike the rest, must not be taken for blends.
TOLERATED = 3.0


def estimate_psf(frame: Frame, stars: Stars, degree: int) -> PsfModel:
    """Measure the point-spread function of a frame and how it varies over the field.

    Parameters
    ----------
    frame : Frame
        Calibrated, or resampled.
    stars : Stars
        All its sources: those that show the PSF are chosen, the others subtracted from them.
    degree : int
        The highest degree of the polynomial; lower where there are fewer than 5 stars a term.

    Returns
    -------
    PsfModel
        Stamps of 81 px.

    Raises
    ------
    FrameRefused
        Fewer than 3 stars are fit for it, or they are wider than 20 pixels.
    """
    chosen = select_psf_stars(frame, stars)
    _need(len(chosen), frame, stars)
    while degree > 0 and len(chosen) < STARS_PER_TERM * len(term_powers(degree)):
        degree -= 1
    seeing = stellar_fwhm(chosen)
    _must_fit(seeing, "its stars are {:.1f} pixels wide; {:g} is the most: bin the image")
    half = int(np.clip(np.ceil(6.5 * seeing), 12, 30))
    first = moffat(offsets(min(half, int(np.ceil(NEAR_FWHM * seeing)))), seeing, 3.0)
    model = PsfModel((first / first.sum())[None].astype(np.float32), 0, frame.shape, seeing)

    x, y = chosen.x.copy(), chosen.y.copy()
    good = frame.mask == 0
    weight = np.where(good, np.float32(1.0) / np.sqrt(frame.variance), np.float32(0.0))
    light = np.where(good, frame.signal, np.float32(0.0)), weight

    def improved(model: PsfModel) -> tuple[PsfModel, Profile]:
        others = _neighbours(stars, chosen, model.basis.shape[1] - 1)
        fit = fit_stars(frame, light, model, np.r_[x, others.x], np.r_[y, others.y], len(chosen))
        x[:], y[:] = fit.x, fit.y
        shining = fit.flux > 0
        _need(int(np.count_nonzero(shining)), frame, stars)
        return _combined(fit, shining, model, degree)

    def settled(model: PsfModel, rounds: int, enough: float) -> tuple[PsfModel, Profile]:
        for _ in range(rounds):
            before, (model, profile) = model, improved(model)
            _must_fit(model.fwhm, CROWD)
            if _change(before, model) < enough:
                break
        return model, profile

    model, profile = settled(model, NEAR_ROUNDS, NEAR_SETTLED)
    model = replace(model, basis=_widened(model.basis, profile, half))
    enough = COARSE_SETTLED if seeing < COARSE_FWHM else WIDE_SETTLED
    model, profile = settled(model, WIDE_ROUNDS, enough)
    return replace(model, basis=_widened(model.basis, profile, WIDE_PX))


def _must_fit(fwhm: float, sentence: str) -> None:
    """Refuse what stamps do not hold."""
    if fwhm > WIDEST_PX:
        raise FrameRefused(sentence.format(fwhm, WIDEST_PX), fwhm, WIDEST_PX)


def _widened(basis: Image, profile: Profile, half: int) -> Image:
    """A PSF continued beyond what single stars show: the brightest shed their light so far."""
    spare = half - basis.shape[1] // 2
    wide = np.pad(basis, ((0, 0), (spare, spare), (spare, spare)))
    wide[0] = profile.widened(basis[0].astype(np.float64), half)
    normalised: Image = wide / wide[0].sum()
    return normalised


def _change(before: PsfModel, after: PsfModel) -> float:
    """The most that the PSF changed in the field's corners, relative to its own root sum of squares."""
    height, width = after.shape
    x, y = np.array([0.0, width - 1.0, 0.0, width - 1.0]), np.array([0.0, 0.0, height - 1.0, height - 1.0])
    new = psf_stamps(after, x, y)
    change = np.linalg.norm(psf_stamps(before, x, y) - new, axis=(1, 2))
    return float(np.max(change / np.linalg.norm(new, axis=(1, 2))))


def moved_psf(model: PsfModel, to_frame: PixelMap) -> PsfModel:
    """The PSF of a frame as seen on the grid of a reference; what interpolation adds is left out.

    Parameters
    ----------
    model : PsfModel
        Of the frame.
    to_frame : PixelMap
        From the reference's pixels to the frame's.
    """
    size = model.basis.shape[-1]
    dx, dy = offsets(size // 2)
    matrix = to_frame.affine[:, :2]
    columns = matrix[0, 0] * dx + matrix[0, 1] * dy + size // 2
    rows = matrix[1, 0] * dx + matrix[1, 1] * dy + size // 2
    y, x = (
        axis.ravel()
        for axis in np.meshgrid(*(np.linspace(0, n - 1, 6) for n in to_frame.shape), indexing="ij")
    )
    stamps = []
    for place in zip(*to_frame(x, y), strict=True):
        seen = ndimage.map_coordinates(model.at(*place), [rows, columns], order=3, mode="constant")
        stamps.append(seen.astype(np.float64) / seen.sum())
    terms = polynomial_terms(x, y, to_frame.shape, model.degree)
    basis = np.linalg.lstsq(terms, np.stack(stamps).reshape(len(x), -1), rcond=None)[0]
    basis = basis.reshape(-1, size, size).astype(np.float32)
    scale = float(np.sqrt(abs(to_frame.area)))
    return PsfModel(basis, model.degree, to_frame.shape, model.fwhm / scale, model.n_stars)


def relative_error(model: PsfModel, x: Values, y: Values) -> Values:
    """How far the PSF may be off at some places, its root sum of squares over that of the PSF, (n,).

    As the noise of its stars, their number and their places have it: least in their midst, several times as
    much in corners that few stars tie down. 0 everywhere where that is not known.
    """
    if model.covariance is None:
        return np.zeros(len(x))
    terms = polynomial_terms(x, y, model.shape, model.degree)
    return np.asarray(np.sqrt(np.einsum("nt,ts,ns->n", terms, model.covariance, terms)))


def _need(count: int, frame: Frame, stars: Stars) -> None:
    """Refuse a frame of too few stars, and say what most of its stars lack."""
    if count >= MIN_STARS:
        return
    full = nearly_full(frame, stars)
    masked = (stars.mask != 0) & ~full
    faint = (stars.flux <= PSF_SNR * stars.flux_err) & ~full & ~masked
    kinds = (
        ("saturated or nearly so", full),
        ("partly masked", masked),
        (f"fainter than {PSF_SNR:g} sigma", faint),
    )
    found = [f"{np.count_nonzero(bad)} are {what}" for what, bad in kinds if bad.any()]
    of_them = f" (of {len(stars)} stars {', '.join(found)})" if found else ""
    raise FrameRefused(
        f"too few stars show the point-spread function: {count}, and {MIN_STARS} are needed{of_them}",
        count,
        MIN_STARS,
    )


def _neighbours(stars: Stars, chosen: Stars, reach: float) -> Stars:
    """The other stars as near as this to one that is chosen."""
    tree = cKDTree(np.column_stack([chosen.x, chosen.y]))
    distance, _ = tree.query(np.column_stack([stars.x, stars.y]), distance_upper_bound=reach)
    return stars.take(np.flatnonzero((distance > 0) & np.isfinite(distance)))


def _combined(
    fit: StarFit, shining: NDArray[np.bool_], model: PsfModel, degree: int
) -> tuple[PsfModel, Profile]:
    """A new model from fitted stars, and its profile."""
    size = model.basis.shape[-1]
    previous = np.maximum(model.basis[0].astype(np.float64), 1e-9).reshape(-1)
    terms = polynomial_terms(fit.x[shining], fit.y[shining], model.shape, degree)
    values = fit.stamps[shining].reshape(len(terms), -1)
    expected = psf_stamps(model, fit.x[shining], fit.y[shining]).reshape(values.shape)
    spread = np.square(np.float32(STAR_ERROR) * expected)
    weights = np.float32(1.0) / (fit.variance[shining].reshape(values.shape) + spread)
    weights *= _likeness(values, expected, weights, model)[:, None]
    prior = np.zeros((previous.size, terms.shape[1]))
    orders = np.array([i + j for i, j in term_powers(degree)][1:])
    nearby = _moved(previous.reshape(size, size), model.fwhm).reshape(-1)
    prior[:, 1:] = 1.0 / (VARIATION_PRIOR * HIGHER_ORDER ** (orders - 1.0) * nearby[:, None]) ** 2
    radius = np.hypot(*offsets(size // 2)) / model.fwhm
    near = radius.reshape(-1) < VARIED_FWHM
    inner, outer = (
        fit_pixels(values[:, part], weights[:, part], terms[:, :count], prior[part, :count])
        for part, count in ((near, len(orders) + 1), (~near, len(term_powers(min(degree, WINGS_DEGREE)))))
    )
    coefficients, errors = np.zeros((2, len(orders) + 1, size, size))
    for part, fitted in ((near, inner), (~near, outer)):
        cells = np.s_[: len(fitted.terms), part.reshape(size, size)]
        coefficients[cells], errors[cells] = fitted.terms, fitted.errors
    varying = settled_terms(
        coefficients[1:], errors[1:], nearby.reshape(size, size), model.fwhm, VARIATION_PRIOR
    )
    # With less of the variation believed than each pixel has by itself, the centre is another one.
    middle, error = np.zeros((2, size, size))
    for part, fitted in ((near, inner), (~near, outer)):
        pixels = part.reshape(size, size)
        middle[pixels], error[pixels] = fitted.centre(varying[: len(fitted.terms) - 1, pixels])
    flux = fit.flux[shining]
    sky_error = fit.sky_error / float(np.linalg.norm(flux))
    profile = fit_profile(middle, error, model.fwhm, sky_error)
    centre = settled_centre(middle - profile.sky, error, profile.light, model.fwhm)
    settled = np.concatenate([centre[None], varying])
    core = radius < SHAPES_FWHM
    light = profile.light[core]
    shaped = fit_core(
        inner.within(core.reshape(-1)[near]), light + profile.sky, PROFILE_PRIOR * light, orders.astype(float)
    )
    shaped.terms[0] -= profile.sky
    share = np.clip((radius[core] - WINGS_FROM) / (SHAPES_FWHM - WINGS_FROM), 0.0, 1.0)
    settled[:, core] = share * settled[:, core] + (1.0 - share) * shaped.terms
    settled[0] = np.maximum(settled[0], 0.0)
    basis = _normalised(settled, model.fwhm)
    combined = PsfModel(
        basis=basis.astype(np.float32),
        degree=degree,
        shape=model.shape,
        fwhm=_fwhm(basis[0]),
        n_stars=len(terms),
        covariance=shaped.covariance / np.sum(previous[core.reshape(-1)] ** 2),
    )
    return combined, profile


def _moved(stamp: Values, fwhm: float) -> Values:
    """A stamp, its light moved about as aberrations may move it."""
    return np.asarray(ndimage.gaussian_filter(stamp, MOVED_FWHM * fwhm, mode="nearest"))


def _likeness(values: Stamps, expected: Stamps, weights: Stamps, model: PsfModel) -> Values:
    """How far each star counts, 0 to 1: less, the worse its core follows the model that others made.

    Blends too close to be told apart look like broader stars; each would broaden the PSF.
    """
    core = np.hypot(*offsets(model.basis.shape[-1] // 2)).reshape(-1) < CORE_FWHM * model.fwhm
    misfit = np.mean((values[:, core] - expected[:, core]) ** 2 * weights[:, core], axis=1)
    return np.asarray(np.minimum(1.0, TOLERATED * np.median(misfit) / np.maximum(misfit, 1e-9)) ** 2)


def _normalised(basis: Values, fwhm: float) -> Values:
    """Unit sum, and the centroid on the central pixel, everywhere in the field.

    Centroids are taken in a Gaussian window of sigma equal to the FWHM, so that noise far out moves
    nothing. A term's dipole is removed with the first derivatives of the PSF.
    """
    dx, dy = offsets(basis.shape[-1] // 2)
    window = np.exp(-0.5 * (dx**2 + dy**2) / fwhm**2)

    def dipole(stamp: Values) -> Values:
        return np.array([(stamp * window * dx).sum(), (stamp * window * dy).sum()])

    centre = basis[0] / basis[0].sum()
    for _ in range(3):
        slope_x, slope_y = slopes(centre)
        response = np.column_stack([dipole(slope_x), dipole(slope_y)])
        move = np.clip(np.linalg.solve(response, dipole(centre)), -0.5, 0.5)
        centre = shifted(centre[None], move[:1], move[1:])[0].astype(np.float64)
    centre = np.maximum(centre, 0.0)
    centre /= centre.sum()
    slope_x, slope_y = slopes(centre)
    response = np.column_stack([dipole(slope_x), dipole(slope_y)])
    result = [centre]
    for term in basis[1:] / basis[0].sum():
        still = term - np.tensordot(np.linalg.solve(response, dipole(term)), [slope_x, slope_y], axes=1)
        result.append(still - still.sum() * centre)
    return np.stack(result)


def _fwhm(stamp: Values) -> float:
    """The full width at half maximum of a centred stamp."""
    half = stamp.shape[0] // 2
    radius = np.arange(0.0, half, 0.1)
    angle = np.arange(24) * (2.0 * np.pi / 24)
    rows, columns = half + radius[:, None] * np.sin(angle), half + radius[:, None] * np.cos(angle)
    profile = ndimage.map_coordinates(stamp, [rows, columns], order=3).mean(axis=1)
    return 2.0 * float(half_width(radius, profile[None])[0])
