"""Fluxes as magnitudes."""

import math

AB, VEGA = "ab", "vega"  # systems of magnitudes
MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10.0)
UPPER_LIMIT_SIGMA = 5.0  # of a flux's error; what is fainter is told as a limit of so much


def magnitude(flux: float, flux_err: float, zeropoint: float | None) -> tuple[float | None, float | None]:
    """The magnitude of a difference flux's size, and its error by the flux's; none without a zeropoint."""
    if zeropoint is None or not math.isfinite(flux) or flux == 0:
        return None, None
    return zeropoint - 2.5 * math.log10(abs(flux)), MAG_PER_RELATIVE_ERROR * flux_err / abs(flux)
