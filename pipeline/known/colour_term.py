"""Colour terms: what a camera's band is off from a catalogue's, in proportion to the colour of a star."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quantile import MAD_TO_SIGMA

Values = NDArray[np.float64]

BLUE_TO_RED = (
    "u", "U", "B", "BP", "g", "V", "G", "r", "R", "RP", "i", "I", "z", "Z", "y", "Y", "J", "H", "K",
)  # fmt: skip
LEAST = 12  # stars that tell a slope
SPREAD_MAG = 0.3  # from the tenth to the ninetieth of a hundred: less tells none
STARTERS = 400  # stars whose pairs tell the slope to begin with


@dataclass(frozen=True, slots=True)
class Fit:
    """A line through ``values`` over colour.

    Attributes
    ----------
    value : float
        At colour 0.
    term : float
        Magnitudes a magnitude of colour.
    scatter : float
        Robust standard deviation of one star about the line.
    n_stars : int
    """

    value: float
    term: float
    scatter: float
    n_stars: int


def colour_of(band: str, bands: Sequence[str]) -> tuple[str, str] | None:
    """The two bands of a catalogue whose difference is the colour for one of them, the bluer first.

    They are the band and its neighbour on the blue side, else on the red; none where it has neither.
    """
    known = [each for each in BLUE_TO_RED if each in bands]
    if band not in known or len(known) < 2:
        return None
    at = known.index(band)
    return (known[at - 1], band) if at else (band, known[1])


def fit(values: Values, colour: Values) -> Fit | None:
    """The colour term of some stars, those left out that lie off the line.

    Parameters
    ----------
    values : (n,) float64
        Of each star by itself: its zeropoint, magnitudes.
    colour : (n,) float64
        Magnitudes; NaN where it is not known.

    Returns
    -------
    Fit or None
        None where the stars are too few, or too much of one colour.
    """
    known = np.isfinite(values) & np.isfinite(colour)
    values, colour = values[known], colour[known]
    if not _tells(colour):
        return None
    from scipy.stats import theilslopes  # half a second to load, of which most frames need nothing

    term, value, _, _ = theilslopes(values[:STARTERS], colour[:STARTERS])
    used = np.ones(len(values), dtype=bool)
    for _ in range(5):
        off = values - value - term * colour
        scatter = MAD_TO_SIGMA * float(np.median(np.abs(off[used] - np.median(off[used]))))
        kept = np.abs(off) < 3.0 * max(scatter, 0.005)
        if not _tells(colour[kept]):
            return None
        term, value = (float(each) for each in np.polyfit(colour[kept], values[kept], 1))
        if (kept == used).all():
            break
        used = kept
    off = values[used] - value - term * colour[used]
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(off - np.median(off))))
    return Fit(float(value), float(term), scatter, int(np.count_nonzero(used)))


def _tells(colour: Values) -> bool:
    if len(colour) < LEAST:
        return False
    low, high = np.quantile(colour, (0.1, 0.9))
    return bool(high - low >= SPREAD_MAG)
