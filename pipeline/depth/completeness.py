r"""Completeness against brightness, and where it is one half.

The share of sources that is found is taken to be logistic in the magnitude,

.. math::
    p(b) = \frac{A}{1 + (2 A - 1) \, e^{-(b - b_{50}) / w}},

with :math:`b` the brightness in magnitudes (larger is brighter), :math:`A` the share that is found of bright
sources, and :math:`p(b_{50}) = 1/2` whatever :math:`A` is.

A few hundred places have noise of their own, but how much of it helped or hurt is known: which flux is
`needed` to be significant follows from the maps without any source, at the injected places as at all others.
What these lead to expect is taken off what was found (a control variate), which leaves the curve of all
places together, with less scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]

LEAST_PLATEAU = 0.51
# Where the sources say little, the curve is as steep as noise alone makes it, to such a factor.
USUAL_WIDTH, WIDTH_FACTOR = 0.15, 2.0
USUAL_LOSS, LOSS_FACTOR = 0.03, 8.0  # odds of losing a bright source
SCATTER = 0.3  # of what was found around the curve, against which those are weighed
USUAL_SCATTER2, WEIGHT_OF_USUAL = 0.5, 20.0  # its square over p (1 - p), and as many sources' worth


@dataclass(frozen=True, slots=True)
class Logistic:
    """A fitted curve; `b50` with its standard error, in magnitudes as the brightness was given."""

    b50: float
    b50_err: float
    width: float
    plateau: float


def needed(flux: Array, error: Array, noise2: float, threshold: float) -> Array:
    """The flux of a source that would be just significant, by the score at its middle alone; (n,).

    Parameters
    ----------
    flux, error : (n,) float64
        Of a difference at some places, without the source.
    noise2 : float
        What a unit of flux adds to the variance of its own measurement.
    threshold : float
        Sigma.
    """
    # The larger root f of (flux + f)^2 = threshold^2 (error^2 + noise2 f).
    half = 0.5 * threshold**2 * noise2
    inner = half**2 - 2.0 * half * flux + (threshold * error) ** 2
    return half - flux + np.sqrt(np.maximum(inner, 0.0))


def fit(brightness: Array, found: Array) -> Logistic:
    """The curve through sources that were found or not.

    Parameters
    ----------
    brightness : (n,) float64
        Magnitudes, larger is brighter.
    found : (n,) float64
        1 where found, 0 where not; anything near it where the places' own noise was taken off.

    Notes
    -----
    Least squares, for such values have no likelihood; the error is the one that their scatter
    around the curve implies, for few of them (HC3 of MacKinnon & White 1985, J. Econometrics 29, 305).
    Those may all lie on the curve by chance: so their scatter is weighed against what it usually is.
    """
    usual = np.array([0.0, np.log(USUAL_WIDTH), -np.log(USUAL_LOSS)])
    looseness = np.array([np.inf, np.log(WIDTH_FACTOR), np.log(LOSS_FACTOR)])

    def residual(parameters: Array) -> Array:
        pull = SCATTER * (parameters - usual) / looseness
        return np.concatenate([_curve(parameters, brightness) - found, pull])

    start = np.array([_halfway(brightness, found), *usual[1:]])
    parameters, _, details, *_ = optimize.leastsq(residual, start, full_output=True)
    count = len(found)
    slopes = _slopes(residual, parameters)
    misfit, share = details["fvec"][:count], _curve(parameters, brightness)
    bread = np.linalg.pinv(slopes.T @ slopes)
    leverage = np.einsum("ni,ij,nj->n", slopes[:count], bread, slopes[:count])
    scatter2 = np.square(misfit / (1.0 - np.minimum(leverage, 0.9)))
    usually = USUAL_SCATTER2 * share * (1.0 - share)
    scatter2 = (count * scatter2 + WEIGHT_OF_USUAL * usually) / (count + WEIGHT_OF_USUAL)
    pull = (bread @ slopes[:count].T)[0]
    error = float(np.sqrt(np.sum(pull**2 * scatter2)))
    return Logistic(float(parameters[0]), error, float(np.exp(parameters[1])), float(_plateau(parameters[2])))


def _slopes(function: Callable[[Array], Array], at: Array) -> Array:
    """Centred derivatives by each parameter, (n, parameters)."""
    step = 1e-4
    columns = [
        (function(at + step * unit) - function(at - step * unit)) / (2.0 * step) for unit in np.eye(len(at))
    ]
    return np.stack(columns, axis=1)


def _halfway(brightness: Array, found: Array) -> float:
    """Where as many are lost above as are found below: a start for the fit."""
    order = np.argsort(brightness)
    b, y = brightness[order], found[order]
    wrong = np.cumsum(np.r_[0.0, y]) + np.cumsum(np.r_[0.0, (1.0 - y)[::-1]])[::-1]
    return float(np.r_[b, b[-1]][int(np.argmin(wrong))])


def _plateau(log_odds: float) -> float:
    return float(LEAST_PLATEAU + (1.0 - LEAST_PLATEAU) / (1.0 + np.exp(-np.clip(log_odds, -60.0, 60.0))))


def _curve(parameters: Array, brightness: Array) -> Array:
    """The share found; the parameters are b50, the logarithm of the width, and the plateau's log odds."""
    b50, log_width, log_odds = parameters
    plateau = _plateau(log_odds)
    steepness = np.exp(-np.clip(log_width, -5.0, 2.0))
    fall = np.exp(np.clip(-(brightness - b50) * steepness, -60.0, 60.0))
    value: Array = plateau / (1.0 + (2.0 * plateau - 1.0) * fall)
    return value
