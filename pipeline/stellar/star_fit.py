"""PSF stars as a model of the PSF fits them: their places and fluxes, freed of neighbours and centred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Frame, Image, PsfModel
from pipeline.quantile import MAD_TO_SIGMA
from pipeline.stellar.profile import offsets
from pipeline.stellar.stamps import Stamps, cut, joint_fluxes, placed_psfs, shifted, star_model

Values = NDArray[np.float64]

# The sky under a star is known to about this part of a pixel's noise. What is taken off is no more.
SKY_ERROR = 0.1
FEWEST_SKIES = 3  # that are worth a median


@dataclass(frozen=True, slots=True)
class StarFit:
    """PSF stars as fitted: fluxes and places, and stamps centred, in units of the flux."""

    x: Values
    y: Values
    flux: Values
    stamps: Stamps  # (n, size, size)
    variance: Stamps  # of each pixel of `stamps`, its noise alone; infinite where masked
    sky_error: float  # of the sky that was taken from under each star, electrons a pixel


def fit_stars(
    frame: Frame, light: tuple[Image, Image], model: PsfModel, x: Values, y: Values, n_chosen: int
) -> StarFit:
    """Fit the model to every star, subtract the others from the chosen ones and centre these.

    Parameters
    ----------
    frame : Frame
    light : ((height, width) float32, (height, width) float32)
        The signal, electrons, and the inverse of its standard deviation, 0 where masked.
    model : PsfModel
    x, y : (n,)
        Where the stars are, in pixels, the chosen ones first.
    n_chosen : int

    Returns
    -------
    StarFit
        Of the chosen ones.
    """
    size = model.basis.shape[-1]
    half = size // 2
    dx, dy = offsets(half)
    radius = np.hypot(dx, dy)
    core = radius <= max(1.2 * model.fwhm, 2.0)
    signal, weight = light
    placed, rows, columns = placed_psfs(model, x, y)
    flux = joint_fluxes(signal, weight, placed, rows, columns, core, radius <= 3.0 * model.fwhm)
    sources = star_model(frame.shape, placed, rows, columns, flux)

    mine = np.s_[:n_chosen]
    placed, rows, columns, flux = placed[mine], rows[mine], columns[mine], flux[mine]
    residual = cut(signal, rows, columns, half) - cut(sources, rows, columns, half)
    variance = cut(frame.variance, rows, columns, half)
    known = np.isfinite(residual) & (cut(weight, rows, columns, half) > 0)
    outer = np.where(known & (radius > 2.5 * model.fwhm), residual, np.nan)
    noise = np.sqrt(_medians(np.where(known, variance, np.nan).reshape(len(variance), -1)))
    sky, sky_error = _common_sky(_medians(outer.reshape(len(outer), -1)), SKY_ERROR * noise, flux)
    residual -= sky
    residual[~known] = 0.0
    d_flux, shift_x, shift_y = _linear_step(residual, variance, known, placed, flux, core)
    fitted = flux.astype(np.float32)[:, None, None] * placed
    flux = flux + d_flux

    # Masked pixels are filled with the model, so that nothing rings; their variance says unknown.
    moved_x, moved_y = x[mine] + shift_x, y[mine] + shift_y
    star = np.where(known, residual + fitted, flux.astype(np.float32)[:, None, None] * placed)
    centred = shifted(star, columns - moved_x, rows - moved_y)
    scale = np.where(flux > 0, flux, 1.0).astype(np.float32)[:, None, None]
    return StarFit(
        x=moved_x,
        y=moved_y,
        flux=flux,
        stamps=centred / scale,
        variance=np.where(known, variance / scale**2, np.float32(np.inf)),
        sky_error=sky_error,
    )


def _common_sky(seen: Values, most: Values, flux: Values) -> tuple[np.float32, float]:
    """The sky that is left under all stars, and how far that of one is from it.

    The fainter half of them tells: around a bright star its own wings would pass for sky.
    """
    faint = np.argsort(flux)[: max(FEWEST_SKIES, len(flux) // 2)]
    sky = float(np.median(np.clip(seen, -most, most)[faint]))
    return np.float32(sky), MAD_TO_SIGMA * float(np.median(np.abs(seen[faint] - sky)))


def _medians(values: Stamps) -> Values:
    """The median of each row without its NaN; 0 where there is nothing else."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(np.isfinite(values), axis=1)
    each = np.arange(len(values))
    middle = 0.5 * (ordered[each, np.maximum(count - 1, 0) // 2] + ordered[each, count // 2])
    return np.where(count > 0, middle, 0.0)


def _linear_step(
    residual: Stamps,
    variance: Stamps,
    known: NDArray[np.bool_],
    placed: Stamps,
    flux: Values,
    core: NDArray[np.bool_],
) -> tuple[Values, Values, Values]:
    """What to add to each star's flux, x and y: one weighted least-squares step on its core."""
    reach = int(np.max(np.flatnonzero(core.any(axis=0)))) - core.shape[0] // 2 + 1  # a pixel more for slopes
    near = slice(core.shape[0] // 2 - reach, core.shape[0] // 2 + reach + 1)
    slope_x, slope_y = np.zeros((2, *placed.shape), dtype=np.float32)
    slope_x[:, near, near], slope_y[:, near, near] = slopes(placed[:, near, near])
    light = np.maximum(flux, 1e-3)[:, None]
    design = np.stack([placed[:, core], -light * slope_x[:, core], -light * slope_y[:, core]], axis=2)
    weight = np.where(known[:, core], 1.0 / variance[:, core], 0.0)
    normal = np.einsum("npi,np,npj->nij", design, weight, design)
    # A trace of the identity: a star without a usable pixel then stays where it is.
    normal += np.eye(3) * (1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-30)
    right = np.einsum("npi,np,np->ni", design, weight, residual[:, core])
    step = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    return step[:, 0], np.clip(step[:, 1], -0.4, 0.4), np.clip(step[:, 2], -0.4, 0.4)


def slopes(stamps: NDArray[np.floating]) -> tuple[Values, Values]:
    """Derivatives along x and along y."""
    return np.asarray(np.gradient(stamps, axis=-1)), np.asarray(np.gradient(stamps, axis=-2))
