"""A finding chart as values: the field with north up and east to the left, and offset stars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from core.catalogs.library import CatalogError, Library
from core.catalogs.near import near
from core.errors import AstridError
from core.frames.reference_files import file_of
from core.objects.chart_images import ChartImage, ChartTarget
from core.review.cutouts import CutoutError, unpack
from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.calibration.calibrate import calibrate
from pipeline.charts.discs import discs
from pipeline.files.fits_files import read_frame
from pipeline.frame import Frame
from pipeline.known.field_stars import all_light
from pipeline.reference.reference_file import read
from pipeline.stellar.stars import find_stars

SIDE_PX = 480  # of the chart
LETTERS = "ABCDEFGH"
LEAST_APART_ARCSEC = 10.0  # an offset star from the target, and from a star that outshines it
BRIGHTEST_MAG = 8.0
SIDE_WITHOUT_WCS = 200  # pixels of the image that are shown where no WCS tells their size


class ChartError(AstridError):
    """No chart can be drawn."""


@dataclass(frozen=True, slots=True)
class OffsetStar:
    """A star to go from.

    Attributes
    ----------
    east, north : float
        How far the target is from the star, arcsec (pixels to the right and up without a WCS).
    source : str
        The catalogue, or the image itself.
    x, y : float
        Its place on the chart, pixels from the lower left.
    """

    letter: str
    name: str | None
    ra: float | None
    dec: float | None
    mag: float | None
    band: str | None
    east: float
    north: float
    source: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes
    ----------
    pixels : (side, side) float32
        The first row at the bottom, NaN where there is nothing; the target is in the middle.
    scale : float or None
        Arcseconds of one pixel of it; none without a WCS, and then north is anywhere.
    drawn_from : str
        ``image``; ``catalog``, stars as discs; or ``cutout``.
    """

    name: str
    ra: float | None
    dec: float | None
    pixels: NDArray[np.float32]
    scale: float | None
    image: ChartImage
    stars: tuple[OffsetStar, ...]
    drawn_from: str = "image"

    @property
    def size_arcsec(self) -> float | None:
        """The side of the field."""
        return None if self.scale is None else self.scale * self.pixels.shape[0]


@dataclass(frozen=True, slots=True)
class _Source:
    """Something that may be an offset star: on the sky and on the chart."""

    name: str | None
    ra: float
    dec: float
    mag: float
    band: str | None
    source: str


def make_chart(
    target: ChartTarget,
    images: Sequence[ChartImage],
    settings: Settings,
    *,
    size_arcsec: float,
    mjd: float,
    n_stars: int = 3,
) -> Chart:
    """Draw the field of an object from the first image that can be read and shows it.

    Without any, as for alerts of surveys, it is drawn from the star catalogues, north up; where none of
    them covers the place, the newest cutout is shown as it is.

    Parameters
    ----------
    target : ChartTarget
    images : sequence of ChartImage
    settings : Settings
        Its home has the star catalogues; without one the stars of the image are used.
    size_arcsec : float
        The side of the field.
    mjd : float
        When one goes there: proper motions are applied.
    n_stars : int
        Offset stars at most.

    Raises
    ------
    ChartError
        No image shows the object, no catalogue of stars covers its place, and no cutout is kept.
    """
    reason = "no image of it is here"
    for image in images:
        try:
            frame = _frame(image, settings)
        except AstridError as error:
            reason = f"{image.what}: {error}"
            continue
        if target.ra is None or target.dec is None or frame.wcs is None:
            if target.x is None or target.y is None or not image.is_reference:
                reason = f"{image.what} has no WCS"
                continue
            return _in_pixels(target, image, frame, n_stars)
        chart = _on_sky(target.ra, target.dec, frame, size_arcsec)
        middle = chart[SIDE_PX // 2 - 8 : SIDE_PX // 2 + 8, SIDE_PX // 2 - 8 : SIDE_PX // 2 + 8]
        if not np.isfinite(middle).any():
            reason = f"{image.what} does not show its place"
            continue
        scale = size_arcsec / SIDE_PX
        found = _from_catalogs(target, settings, size_arcsec, mjd) or _from_image(frame, target, size_arcsec)
        stars = _offsets(target.ra, target.dec, found, n_stars, scale)
        return Chart(target.name, target.ra, target.dec, chart, scale, image, stars)
    chart_or_why = _from_stars(target, settings, size_arcsec, mjd, n_stars)
    if isinstance(chart_or_why, Chart):
        return chart_or_why
    return _from_cutout(target, f"{reason}, {chart_or_why}")


def _from_stars(
    target: ChartTarget, settings: Settings, size_arcsec: float, mjd: float, n_stars: int
) -> Chart | str:
    """The field as the star catalogues have it; or why not."""
    if target.ra is None or target.dec is None:
        return "and its place on the sky is not known"
    place = np.array([target.ra]), np.array([target.dec])
    try:
        catalogs = Library(settings.home).catalogs("stars")
        covering = [each.name for each in catalogs if each.coverage.covers(*place)[0]]
        found = _from_catalogs(target, settings, size_arcsec, mjd)
    except (CatalogError, OSError, ValueError) as error:
        return f"and the star catalogues cannot be read ({error})"
    if not catalogs:
        return "and there is no star catalogue (`astrid catalog add`)"
    if not covering and not found:
        return "and no star catalogue covers its place"
    scale = size_arcsec / SIDE_PX
    away = np.array([offset(target.ra, target.dec, one.ra, one.dec) for one in found]).reshape(-1, 2) / scale
    middle = (SIDE_PX - 1) / 2.0
    mags = np.array([one.mag for one in found], dtype=np.float64)
    names = ", ".join(sorted({one.source for one in found} or set(covering)))
    image = ChartImage("", f"drawn from the stars of {names}, no image", None, mjd, is_reference=False)
    pixels = discs(middle - away[:, 0], middle + away[:, 1], mags, SIDE_PX)
    stars = _offsets(target.ra, target.dec, found, n_stars, scale)
    return Chart(target.name, target.ra, target.dec, pixels, scale, image, stars, "catalog")


def _from_cutout(target: ChartTarget, reason: str) -> Chart:
    """The newest cutout as it is: its scale and where north is are not kept."""
    if target.cutout is None:
        why = f". {target.no_cutout}" if target.no_cutout else ""
        raise ChartError(f"no chart of {target.name}: {reason}, and no cutout of it is kept{why}")
    try:
        planes = unpack(target.cutout.pixels)
    except CutoutError as error:
        raise ChartError(f"no chart of {target.name}: {reason}. {target.cutout.if_damaged}") from error
    plane = next((each for each in planes.planes[:3] if np.isfinite(each).any()), None)
    if plane is None:
        raise ChartError(f"no chart of {target.name}: {reason}, and its cutouts are empty")
    side = max(plane.shape)
    pixels = np.full((side, side), np.nan, dtype=np.float32)
    top, left = ((side - each) // 2 for each in plane.shape)
    pixels[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    what = f"{target.cutout.what}, {plane.shape[1]} px, north unknown"
    image = ChartImage("", what, target.cutout.filter, target.cutout.mjd, is_reference=False)
    return Chart(target.name, target.ra, target.dec, pixels, None, image, (), "cutout")


def _frame(image: ChartImage, settings: Settings) -> Frame:
    if image.is_reference:
        return read(file_of(image.path, settings.home)).frame
    return calibrate(read_frame(Path(image.path), image.extension, settings.camera.keywords), None, settings)


def _on_sky(ra: float, dec: float, frame: Frame, size_arcsec: float) -> NDArray[np.float32]:
    """The image seen on a plane that touches the sky at a place, north up and east to the left."""
    plane = tangent_plane(ra, dec, size_arcsec / SIDE_PX)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    sky = plane.all_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0)
    column, row = frame.wcs.all_world2pix(sky, 0, quiet=True).T  # type: ignore[union-attr]
    return _sampled(frame, column, row).reshape(SIDE_PX, SIDE_PX)


def tangent_plane(ra: float, dec: float, scale_arcsec: float) -> WCS:
    """The WCS of a chart: gnomonic, its middle between the four central pixels."""
    plane = WCS(naxis=2)
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane.wcs.crval = [ra, dec]
    plane.wcs.crpix = [(SIDE_PX + 1) / 2, (SIDE_PX + 1) / 2]
    plane.wcs.cdelt = [-scale_arcsec / 3600.0, scale_arcsec / 3600.0]
    return plane


def _sampled(frame: Frame, column: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float32]:
    height, width = frame.shape
    finite = np.isfinite(column) & np.isfinite(row)
    inside = finite & (column > -0.5) & (column < width - 0.5) & (row > -0.5) & (row < height - 0.5)
    values = np.full(len(column), np.nan, dtype=np.float32)
    places = row[inside], column[inside]
    drawn = map_coordinates(frame.signal, places, order=1, mode="nearest")
    mask = frame.mask[np.rint(places[0]).astype(int), np.rint(places[1]).astype(int)]
    blind = (mask != 0) & (mask & np.uint16(MaskPlane.SATURATED) == 0)  # a saturated star is there to be seen
    values[inside] = np.where(blind, np.nan, drawn)
    return values


def _from_catalogs(target: ChartTarget, settings: Settings, size_arcsec: float, mjd: float) -> list[_Source]:
    radius = size_arcsec / 2.0 / 3600.0 * math.sqrt(2.0)
    found = near(Library(settings.home), target.ra or 0.0, target.dec or 0.0, radius, mjd=mjd, limit=2000)
    sources = []
    for one in found.records():
        if one["kind"] == "stars" and one["mags"]:
            band, mag = next(iter(one["mags"].items()))
            named = None if band == "mag" else band
            sources.append(_Source(one["name"], one["ra"], one["dec"], mag, named, one["catalog"]))
    return _within(sources, target, size_arcsec)


def _from_image(frame: Frame, target: ChartTarget, size_arcsec: float) -> list[_Source]:
    """The image's own stars, their magnitudes in its own unit."""
    stars = find_stars(frame)
    if len(stars) == 0 or frame.wcs is None:
        return []
    sky = frame.wcs.all_pix2world(np.column_stack([stars.x, stars.y]), 0)
    light = all_light(frame, stars, None)
    good = (stars.mask == 0) & np.isfinite(light) & (light > 0)
    sources = [
        _Source(None, float(ra) % 360.0, float(dec), -2.5 * math.log10(flux), None, "the image")
        for (ra, dec), flux in zip(sky[good], light[good], strict=True)
    ]
    return _within(sources, target, size_arcsec)


def _within(sources: list[_Source], target: ChartTarget, size_arcsec: float) -> list[_Source]:
    half = 0.46 * size_arcsec
    inside = []
    for one in sources:
        east, north = offset(target.ra or 0.0, target.dec or 0.0, one.ra, one.dec)
        if abs(east) < half and abs(north) < half:
            inside.append(one)
    return inside


def _chosen(ra: float, dec: float, sources: list[_Source], n_stars: int) -> list[_Source]:
    """The brightest that nothing outshines nearby, not too near to each other or to the target."""
    ordered = sorted(sources, key=lambda one: one.mag)
    chosen: list[_Source] = []
    for place, one in enumerate(ordered):
        if len(chosen) == min(n_stars, len(LETTERS)):
            break
        if one.band is not None and one.mag < BRIGHTEST_MAG:
            continue
        brighter = ordered[:place]
        if any(_apart(one, other) < LEAST_APART_ARCSEC for other in brighter):
            continue
        if math.hypot(*offset(one.ra, one.dec, ra, dec)) < LEAST_APART_ARCSEC:
            continue
        chosen.append(one)
    return chosen


def _apart(one: _Source, other: _Source) -> float:
    return math.hypot(*offset(one.ra, one.dec, other.ra, other.dec))


def _offsets(
    ra: float, dec: float, sources: list[_Source], n_stars: int, scale: float
) -> tuple[OffsetStar, ...]:
    stars: list[OffsetStar] = []
    middle = (SIDE_PX - 1) / 2.0
    for letter, one in zip(LETTERS, _chosen(ra, dec, sources, n_stars), strict=False):
        east, north = offset(one.ra, one.dec, ra, dec)
        away = offset(ra, dec, one.ra, one.dec)
        stars.append(
            OffsetStar(
                letter=letter,
                name=one.name,
                ra=one.ra,
                dec=one.dec,
                mag=one.mag if one.source != "the image" else None,
                band=one.band,
                east=east,
                north=north,
                source=one.source,
                x=middle - away[0] / scale,
                y=middle + away[1] / scale,
            )
        )
    return tuple(stars)


def offset(ra: float, dec: float, ra2: float, dec2: float) -> tuple[float, float]:
    """How far the second place is east and north of the first, arcsec, on the plane that touches there."""
    a, d, d2 = math.radians(ra2 - ra), math.radians(dec), math.radians(dec2)
    depth = math.sin(d) * math.sin(d2) + math.cos(d) * math.cos(d2) * math.cos(a)
    if depth <= 1e-6:
        return math.inf, math.inf
    east = math.cos(d2) * math.sin(a) / depth
    north = (math.cos(d) * math.sin(d2) - math.sin(d) * math.cos(d2) * math.cos(a)) / depth
    return math.degrees(east) * 3600.0, math.degrees(north) * 3600.0


def _in_pixels(target: ChartTarget, image: ChartImage, frame: Frame, n_stars: int) -> Chart:
    """A chart of an object without a position on the sky: as the image is, in its pixels."""
    x, y = target.x or 0.0, target.y or 0.0
    step = SIDE_WITHOUT_WCS / SIDE_PX
    along = (np.arange(SIDE_PX) - (SIDE_PX - 1) / 2.0) * step
    column, row = np.meshgrid(x + along, y + along)
    pixels = _sampled(frame, column.ravel(), row.ravel()).reshape(SIDE_PX, SIDE_PX)
    stars = find_stars(frame)
    near_by = [
        i
        for i in range(len(stars))
        if stars.mask[i] == 0
        and math.hypot(stars.x[i] - x, stars.y[i] - y) > 10.0
        and max(abs(stars.x[i] - x), abs(stars.y[i] - y)) < 0.46 * SIDE_WITHOUT_WCS
    ][:n_stars]
    middle = (SIDE_PX - 1) / 2.0
    offsets = tuple(
        OffsetStar(
            LETTERS[number], None, None, None, None, None, float(x - stars.x[i]), float(y - stars.y[i]),
            "the image", float(middle + (stars.x[i] - x) / step), float(middle + (stars.y[i] - y) / step),
        )
        for number, i in enumerate(near_by)
    )  # fmt: skip
    return Chart(target.name, None, None, pixels, None, image, offsets)
