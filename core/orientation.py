"""How the pixels of an image lie on the sky: their scale, where north is, and whether it is mirrored."""

import math

# Arcseconds towards east, and towards north, for a step of a pixel in x and for one in y:
# ((east_x, east_y), (north_x, north_y)).
ToSky = tuple[tuple[float, float], tuple[float, float]]

_ARCSEC = (1e-4, 1e4)  # of a pixel's side; others are no image of a telescope
_MOST_OBLONG = 10.0


def sane(to_sky: ToSky | None) -> ToSky | None:
    """How pixels lie on the sky; none where the numbers cannot be those of an image."""
    if to_sky is None:
        return None
    (east_x, east_y), (north_x, north_y) = to_sky
    area = abs(east_x * north_y - east_y * north_x)
    longest = max(math.hypot(east_x, north_x), math.hypot(east_y, north_y))
    if not _ARCSEC[0] ** 2 <= area <= _ARCSEC[1] ** 2:  # also where a number is NaN
        return None
    return to_sky if longest**2 <= _MOST_OBLONG**2 * area else None


def towards(to_sky: ToSky) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The directions of north and east in an image, to the right and up, of length 1; none: unknown."""
    (east_x, east_y), (north_x, north_y) = to_sky
    area = east_x * north_y - east_y * north_x
    if not math.isfinite(area) or area == 0:
        return None
    sign = math.copysign(1.0, area)
    north, east = (-sign * east_y, sign * east_x), (sign * north_y, -sign * north_x)
    return _unit(*north), _unit(*east)


def on_sky(to_sky: ToSky, length: float, angle_deg: float) -> tuple[float, float]:
    """A line in an image as one on the sky: its arcseconds, and degrees from north to east, below 180.

    Parameters
    ----------
    to_sky : ToSky
    length : float
        Pixels.
    angle_deg : float
        From rows to columns.
    """
    step = length * math.cos(math.radians(angle_deg)), length * math.sin(math.radians(angle_deg))
    east, north = (each[0] * step[0] + each[1] * step[1] for each in to_sky)
    return math.hypot(east, north), math.degrees(math.atan2(east, north)) % 180.0


def pixel_arcsec(to_sky: ToSky) -> float:
    """The side of a square as large as a pixel."""
    (east_x, east_y), (north_x, north_y) = to_sky
    return math.sqrt(abs(east_x * north_y - east_y * north_x))


def described(to_sky: ToSky) -> str:
    """Scale and directions in words, of an image whose first row is at the bottom."""
    directions = towards(to_sky)
    if directions is None:
        return "unknown"
    (right, up), (east_right, east_up) = directions
    angle = round(math.degrees(math.atan2(-right, up)))
    turned = f"{abs(angle)}° {'left' if angle > 0 else 'right'} of up" if angle else "up"
    mirrored = right * east_up - up * east_right < 0  # east is to the right of north
    return f"{pixel_arcsec(to_sky):.3g}″/px, north {turned}{', mirrored' if mirrored else ''}"


def _unit(right: float, up: float) -> tuple[float, float]:
    length = math.hypot(right, up)
    return right / length, up / length
