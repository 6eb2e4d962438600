"""Pixels that are stored by a scale that is not linear, or without the sign that they have, made right."""

from __future__ import annotations

import math

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from pipeline.frame import Image

WRAPPED = "its pixels are numbers of 16 bits that lost their BZERO of 32768"
JUMP = 36_000  # from one pixel to the next: by more than half of 65536 it is less without the sign
FEWEST_JUMPS = 8
LEFT_JUMPS = 0.25  # of them at most are there without the sign, or it was no sign that made them
MOST_ALIKE = 0.5  # of the negative numbers: of a camera's counts hardly any two are
NO_COUNTS = -4096  # the median of no camera's counts
ASINH_UNIT = 2.5 / math.log(10.0)  # one of Pogson's magnitudes in the natural logarithm


def unwrapped(stored: NDArray[np.integer]) -> tuple[NDArray[np.integer], str | None]:
    """Signed integers of 16 bits that are unsigned ones in truth as such, and a sentence where they are.

    What writes a camera's numbers as they are, without ``BZERO``, makes negative ones of 32768 and more:
    bright stars have holes, or all is negative.

    Parameters
    ----------
    stored : (height, width) integer
    """
    if stored.dtype.kind != "i" or stored.dtype.itemsize != 2 or stored.min() >= NO_COUNTS:
        return stored, None
    least = np.iinfo(np.int16).min  # stands for no value in many files
    negative = stored[(stored < NO_COUNTS) & (stored != least)]
    if negative.size == 0 or _commonest_share(negative) > MOST_ALIKE:  # a number that stands for no value
        return stored, None
    wide = np.where(stored == least, 0, stored).astype(np.int32)
    jumps = _jumps(wide)
    if jumps < FEWEST_JUMPS and float(np.median(wide)) >= NO_COUNTS:
        return stored, None
    unsigned = stored.astype(np.int32) & 0xFFFF
    if jumps >= FEWEST_JUMPS and _jumps(unsigned) > LEFT_JUMPS * jumps:
        return stored, None
    return unsigned, f"{WRAPPED}, and are taken as such: the negative ones are 65536 more"


def _jumps(image: NDArray[np.int32]) -> int:
    """Steps from one pixel to the next that no light makes."""
    return sum(int(np.count_nonzero(np.abs(np.diff(image, axis=axis)) > JUMP)) for axis in (0, 1))


def _commonest_share(values: NDArray[np.integer]) -> float:
    """How many of some numbers are one and the same."""
    _, counts = np.unique(values, return_counts=True)
    return float(counts.max() / values.size)


def linear(stored: Image, header: Header) -> tuple[Image, str | None]:
    """Pixels as light, and a sentence where they were not.

    Pan-STARRS stores its stacks as asinh magnitudes: ``flux = BOFFSET + 2 BSOFTEN sinh(value / a)`` with
    ``a = 2.5 / ln 10`` (Waters et al. 2020, ApJS 251, 4; Lupton, Gunn & Szalay 1999, AJ 118, 1406).

    Parameters
    ----------
    stored : (height, width) float32
    header : Header
    """
    offset, softening = header.get("BOFFSET"), header.get("BSOFTEN")
    if not isinstance(offset, int | float) or not isinstance(softening, int | float) or not softening > 0.0:
        return stored, None
    with np.errstate(over="ignore", invalid="ignore"):
        flux = offset + 2.0 * softening * np.sinh(stored.astype(np.float64) / ASINH_UNIT)
        return flux.astype(np.float32), "its pixels are asinh magnitudes (BSOFTEN), and were made linear"
