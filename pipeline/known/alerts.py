"""What a survey's alert says itself of its place: of its reference image, and of the solar system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.objects.known import TOLD_BODY
from core.surveys.alert import ToldBody
from core.surveys.pixels import PIXEL_ARCSEC

Answer = dict[str, Any]

SURVEYS = frozenset({"ztf"})  # whose packets have `distnr`, in pixels, and `magnr`, in the alert's own band

# Of surveys that tell of the nearest body within 30 arcsec or more, what is a true identification. Within 5
# arcsec is what Fink takes for known (fink-science, `asteroids/processor.py`: ``0 <= ssdistnr < 5``): orbits
# of numbered bodies are right to an arcsecond, and one that is predicted farther away is somewhere else. Its
# predicted magnitude, V, may be wrong by its colour, its rotation and its H, a magnitude together at most
# (0.8 for the real alerts of the tests): what is brighter or fainter by more than two is another source.
BODY_ARCSEC = 5.0
BODY_MAG = 2.0
ROUNDED_ARCSEC = 1.0  # as ZTF has distances


def reference_answer(source: str, features: Mapping[str, Any], band: str | None) -> Answer:
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


def body_answer(source: str, body: ToldBody | None, mag: float | None) -> Answer | None:
    """A match of kind ``solar_system``, as `pipeline.known.match` answers; none where the survey has none.

    Parameters
    ----------
    source : str
        The survey.
    body : ToldBody or None
        What its packet tells of.
    mag : float or None
        Of the alert, AB.
    """
    if body is None:
        return None
    if not body.is_identified:
        if body.distance_arcsec is None or not 0.0 <= body.distance_arcsec < BODY_ARCSEC:
            return None
        if mag is not None and body.mag is not None and abs(mag - body.mag) > BODY_MAG:
            return None
    return {
        "status": "match",
        "catalog": f"{source.upper()} itself",
        "epoch": None,
        "distance_arcsec": None if body.distance_arcsec is None else round(body.distance_arcsec, 3),
        "name": body.name,
        "mag": body.mag,
        "band": "V",
    }


def stored_body(source: str, features: Mapping[str, Any], mag: float | None) -> Answer | None:
    """The same of an alert that was stored before its packet was asked for the body's name."""
    distance, predicted = (features.get(f"{source}:{name}") for name in ("ssdistnr", "ssmagnr"))
    if not isinstance(distance, int | float):
        return None
    told = ToldBody(None, float(distance), float(predicted) if isinstance(predicted, int | float) else None)
    return body_answer(source, told, mag)


def with_body(known: Mapping[str, Answer], body: Answer | None) -> dict[str, Answer]:
    """What is known at a place, and the body that a survey says is there.

    A catalogue's body stands, for its distance and uncertainty are told, unless the survey's is nearer.
    """
    if body is None:
        return dict(known)
    ours = known.get("solar_system", {})
    theirs = body["distance_arcsec"]
    stands = ours.get("status") == "match" and (
        theirs is None or ours["distance_arcsec"] <= theirs + ROUNDED_ARCSEC
    )
    return {**known, TOLD_BODY: body, "solar_system": dict(ours) if stands else body}
