"""Pixels that are stored by a scale that is not linear, made linear."""

from __future__ import annotations

import math

import numpy as np
from astropy.io.fits import Header

from pipeline.frame import Image

ASINH_UNIT = 2.5 / math.log(10.0)  # one of Pogson's magnitudes in the natural logarithm


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
