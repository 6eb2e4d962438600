"""The epochs of a card as the points of its light curve, in flux or in magnitudes."""

import math
from typing import TYPE_CHECKING

from core.surveys.alert import AB_ZEROPOINT_NJY
from screens.lines import Line, Tone, span
from screens.review.curve import CurvePoint, curve_lines

if TYPE_CHECKING:
    from core.objects.light_curve import LightCurvePoint
    from core.review.cards import Card

AUTO, FLUX, MAG = "auto", "flux", "mag"  # what a light curve is drawn in
_NJY = "nJy"
_PLOT_ROWS = 14


def curve_points(card: "Card", axis: str = AUTO) -> tuple[list[CurvePoint], bool, str]:
    """The light curve's points in what is asked for, as far as it is known.

    By default in magnitudes; in flux where magnitudes would hide a sign or are unknown.

    Returns
    -------
    points, magnitudes, unit
    """
    record = card.candidate
    system = record["mag_system"]
    # Of two systems of magnitudes only one can be on an axis: that of the detection which is shown.
    in_mag = [p for p in card.light_curve if p.mag is not None and p.mag_system == system]
    if in_mag and axis != FLUX:
        alike = [p for p in card.light_curve if p.mag_system == system or p.flux_unit == record["flux_unit"]]
        if axis == MAG or (len(alike) == len(in_mag) and all(map(_brightens, in_mag))):
            unit = f"mag {system or ''}".strip()
            return [_point(card, p, p.mag or 0.0, p.mag_err, fades=_fades(p)) for p in in_mag], True, unit
    shown = next((p for p in card.light_curve if _is_shown(card, p)), None)
    unit = _NJY if shown is not None and _nanojansky(shown) is not None else record["flux_unit"] or "flux"
    points = []
    for p in card.light_curve:
        scale = _nanojansky(p) if unit == _NJY else 1.0 if p.flux_unit == record["flux_unit"] else None
        value = 5 * p.flux_err if p.is_limit and p.flux_err is not None else p.flux
        if value is not None and scale is not None:
            error = None if p.flux_err is None else p.flux_err * scale
            points.append(_point(card, p, value * scale, error))
    return points, False, unit


def has_magnitudes(card: "Card") -> bool:
    """Whether some of a card's light curve can be drawn in magnitudes."""
    return curve_points(card, MAG)[1]


def other_axis(card: "Card", axis: str) -> str:
    """What a light curve is to be drawn in instead."""
    return FLUX if curve_points(card, axis)[1] else MAG


def curve_section(card: "Card", axis: str, width: int, *, plain: bool) -> list[Line]:
    """The light curve with its heading, in rows enough for error bars at any size of the terminal."""
    points, magnitudes, unit = curve_points(card, axis)
    lines = curve_lines(
        points,
        magnitudes=magnitudes,
        unit=unit,
        width=width,
        rows=_PLOT_ROWS if len(points) > 1 else 2,
        plain=plain,
    )
    return [(), (span("Light curve", Tone.STRONG),), *lines]


def _point(
    card: "Card", p: "LightCurvePoint", value: float, error: float | None, *, fades: bool = False
) -> CurvePoint:
    return CurvePoint(
        p.mjd,
        value,
        p.is_limit,
        _is_shown(card, p),
        p.filter or "",
        p.source,
        error=None if p.is_limit else error,
        fades=fades,
    )


def _is_shown(card: "Card", p: "LightCurvePoint") -> bool:
    return p.candidate_id == card.candidate_id


def _brightens(p: "LightCurvePoint") -> bool:
    """Whether a magnitude tells all: it is a limit, or known to be brighter than the reference."""
    return p.is_limit or (p.flux or 0.0) > 0


def _fades(p: "LightCurvePoint") -> bool:
    return not p.is_limit and p.flux is not None and p.flux < 0


def _nanojansky(p: "LightCurvePoint") -> float | None:
    """What a flux of 1 is in nanojansky; none where that is not known."""
    if p.flux_unit == _NJY:
        return 1.0
    if p.mag_system != "ab" or p.zeropoint is None or not math.isfinite(p.zeropoint):
        return None
    return math.pow(10.0, 0.4 * (AB_ZEROPOINT_NJY - p.zeropoint))
