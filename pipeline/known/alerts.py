"""What a survey's alert says itself of the nearest source in the survey's reference image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.surveys.pixels import PIXEL_ARCSEC

SURVEYS = frozenset({"ztf"})  # whose packets have `distnr`, in pixels, and `magnr`, in the alert's own band


def reference_answer(source: str, features: Mapping[str, Any], band: str | None) -> dict[str, Any]:
    """The answer of kind ``reference``, as `pipeline.known.match` answers.

    Parameters
    ----------
    source : str
        The survey.
    features : mapping
        Of the candidate, such as ``ztf:distnr``.
    band : str or None
        Of the alert.
    """
    distance = features.get(f"{source}:distnr")
    if source not in SURVEYS or not isinstance(distance, int | float) or distance < 0:
        return {"status": "unknown", "reason": "its reference image is not here"}
    mag = features.get(f"{source}:magnr")
    return {
        "status": "match",
        "catalog": f"reference image of {source.upper()}",
        "epoch": None,
        "distance_arcsec": round(distance * PIXEL_ARCSEC[source], 3),
        "distance_px": round(float(distance), 3),
        "name": None,
        "mag": round(float(mag), 3) if isinstance(mag, int | float) else None,
        "band": band,
    }
