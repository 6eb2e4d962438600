"""What the cuts that drop detections measure, in words: a number alone tells nobody of what it is."""

from __future__ import annotations

from typing import NamedTuple

from core.text import significant
from core.vocabulary import BESIDE_MASKED, NEW_SATURATED


class Measured(NamedTuple):
    """What is held against a cut's limit, and its unit; empty where it is a share or a ratio."""

    what: str
    unit: str = ""


# By cause or doubt, as `pipeline.detection` and frames of earlier times call it.
MEASURED: dict[str, Measured] = {
    "masked core": Measured("share of the fit's weight on masked pixels"),
    "edge": Measured("distance to the edge of the data", "FWHM"),
    "single pixel": Measured("its highest pixel over that of the fit"),
    "no point source": Measured("likeness to a point source, which has 1"),
    "extended": Measured("flux of a point source between 1 and 2 FWHM away over its own"),
    "wing of a saturated star": Measured("distance to the nearest saturated pixel", "FWHM"),
    "residual of a bright star": Measured("its flux over that of the star"),
    "dipole": Measured("the strongest of the opposite sign within 2 FWHM over its own significance"),
    "weak where its flux peaks": Measured("significance there", "σ"),
    "part of a streak": Measured("distance to the line of the streak", "px"),
    "saturated trail": Measured("its length", "px"),
    BESIDE_MASKED: Measured(
        "its middle may be masked, its flux then more; distance to the nearest masked pixel", "FWHM"
    ),
    NEW_SATURATED: Measured("light in the reference over that in the frame"),
}


def cut_words(cause: str, value: float, limit: float) -> str:
    """What a cut measured, and the limit."""
    measured = MEASURED.get(cause)
    unit = f" {measured.unit}" if measured and measured.unit else ""
    return f"{measured_words(cause, value, limit)}, the limit is {significant(limit)}{unit}"


def measured_words(cause: str, value: float, limit: float | None = None) -> str:
    """What a cut measured, alone; with a limit, in as many digits as tell it from that."""
    told = significant(value)
    if limit is not None and value != limit and told == significant(limit):
        more = (significant(value, digits) for digits in range(4, 9))
        told = next((each for each in more if each != significant(limit)), told)
    measured = MEASURED.get(cause)
    if measured is None:
        return told
    return f"{measured.what}: {told}{f' {measured.unit}' if measured.unit else ''}"
