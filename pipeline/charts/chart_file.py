"""A finding chart as a picture, PNG or PDF, drawn by Pillow: dark sources on white, fit to be printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.cells.stretch import brightness, sky_limits
from core.coordinates import degrees_of_ra
from core.text import safe_text
from core.unfinished import unfinished
from pipeline.charts.chart import Chart, ChartError

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

FIELD = 900  # pixels of the field in the picture
MARGIN = 40
LINE = 28
FONT, SMALL = 22, 18
RESOLUTION = 150.0  # dots per inch of a PDF
FORMATS = {".png": "PNG", ".pdf": "PDF"}
INK, PAPER, MARK = (0, 0, 0), (255, 255, 255), (200, 0, 0)
ROUND = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800)  # arcsec of a scale bar

Point = tuple[float, float]


def write(chart: Chart, path: Path) -> None:
    """Write a chart as a picture, by the file's ending; whole or not at all.

    Raises
    ------
    ChartError
        The ending is neither .png nor .pdf.
    OSError
        The file cannot be written.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise ChartError(f"a chart is written as .png or .pdf, not as '{safe_text(path.suffix, 20)}'")
    picture = _drawn(chart)
    with unfinished(path) as part:
        picture.save(part, form, resolution=RESOLUTION) if form == "PDF" else picture.save(part, form)


def _drawn(chart: Chart):  # type: ignore[no-untyped-def]  # noqa: ANN202 a picture of Pillow's
    from PIL import Image, ImageDraw, ImageFont

    lines = text_lines(chart)
    height = MARGIN + LINE + FIELD + 12 + LINE * (len(lines) + 1)
    picture = Image.new("RGB", (FIELD + 2 * MARGIN, height), PAPER)
    level = brightness(chart.pixels, sky_limits(chart.pixels, "asinh"), "asinh")
    grey = np.where(np.isfinite(level), 255.0 * (1.0 - np.nan_to_num(level)), 235.0).astype(np.uint8)
    field = Image.fromarray(np.ascontiguousarray(grey[::-1])).resize((FIELD, FIELD), Image.Resampling.BICUBIC)
    top = MARGIN + LINE
    picture.paste(field.convert("RGB"), (MARGIN, top))
    draw = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(FONT), ImageFont.load_default(SMALL)
    draw.text((MARGIN, MARGIN // 2), safe_text(chart.name, 60), INK, font)
    draw.rectangle((MARGIN, top, MARGIN + FIELD, top + FIELD), outline=INK)
    _mark_target(draw, (MARGIN + FIELD / 2, top + FIELD / 2))
    for star in chart.stars:
        x, y = _place(chart, star.x, star.y, top)
        draw.ellipse((x - 14, y - 14, x + 14, y + 14), outline=MARK, width=2)
        draw.text((x + 17, y - 24), star.letter, MARK, font)
    if chart.scale is not None:
        _compass(draw, (MARGIN + FIELD - 60, top + FIELD - 60), small)
        _scale_bar(draw, chart, top, small)
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + FIELD + 12 + LINE * number), line, INK, small)
    return picture


def text_lines(chart: Chart) -> list[str]:
    """What a chart says besides its picture: where, from which image, and how to get there."""
    lines = []
    if chart.ra is not None and chart.dec is not None:
        lines.append(
            f"{sexagesimal(chart.ra, chart.dec)}   ({degrees_of_ra(chart.ra, 6)} {chart.dec:+.6f}, ICRS)"
        )
    size = chart.size_arcsec
    extent = (
        f"{size / 60.0:.4g} arcmin, north up, east to the left" if size else "pixels of the image, no WCS"
    )
    band = f", filter {chart.image.filter}" if chart.image.filter else ""
    lines.append(f"{safe_text(chart.image.what, 80)}{safe_text(band, 20)}; {extent}")
    unit, right, up = ("arcsec", "E", "N") if chart.scale is not None else ("px", "right", "up")
    for star in chart.stars:
        go = " and ".join(
            f"{abs(value):.1f} {unit} {direction}"
            for value, direction in (
                (star.east, right if star.east >= 0 else {"E": "W", "right": "left"}[right]),
                (star.north, up if star.north >= 0 else {"N": "S", "up": "down"}[up]),
            )
        )
        mag = f", {star.band or 'mag'} {star.mag:.2f}" if star.mag is not None else ""
        place = sexagesimal(star.ra, star.dec) if star.ra is not None and star.dec is not None else ""
        lines.append(f"from {star.letter} go {go}   {place}{mag} ({safe_text(star.source, 30)})")
    if not chart.stars:
        lines.append("no offset star in the field")
    return lines


def sexagesimal(ra: float, dec: float) -> str:
    """A position as telescopes take it."""
    hundredths = round(ra % 360.0 / 15.0 * 360_000.0) % (24 * 360_000)
    tenths = round(abs(dec) * 36_000.0)
    hours, minutes = divmod(hundredths // 6000, 60)
    degrees, arcmin = divmod(tenths // 600, 60)
    seconds, arcsec = hundredths % 6000 / 100.0, tenths % 600 / 10.0
    sign = "-" if dec < 0 else "+"
    return f"{hours:02d}:{minutes:02d}:{seconds:05.2f} {sign}{degrees:02d}:{arcmin:02d}:{arcsec:04.1f}"


def _place(chart: Chart, x: float, y: float, top: int) -> Point:
    side = chart.pixels.shape[0]
    return MARGIN + (x + 0.5) / side * FIELD, top + FIELD - (y + 0.5) / side * FIELD


def _mark_target(draw: ImageDraw, place: Point) -> None:
    """Two lines that point at the target and leave it free."""
    x, y = place
    for dx, dy in ((1, 0), (0, -1)):
        draw.line((x + 18 * dx, y + 18 * dy, x + 55 * dx, y + 55 * dy), fill=MARK, width=3)


def _compass(draw: ImageDraw, place: Point, font: object) -> None:
    x, y = place
    for dx, dy, letter in ((0, -1, "N"), (-1, 0, "E")):
        tip = (x + 45 * dx, y + 45 * dy)
        draw.line((x, y, *tip), fill=MARK, width=3)
        wings = [(tip[0] - 8 * dx + w * dy, tip[1] - 8 * dy + w * dx) for w in (5, -5)]
        draw.polygon([tip, *wings], fill=MARK)
        draw.text((tip[0] + 14 * dx - 6, tip[1] + 14 * dy - 10), letter, MARK, font)  # type: ignore[arg-type]


def _scale_bar(draw: ImageDraw, chart: Chart, top: int, font: object) -> None:
    length = bar_arcsec(chart)
    pixels = length / (chart.size_arcsec or 1.0) * FIELD
    x, y = MARGIN + 25, top + FIELD - 25
    draw.line((x, y, x + pixels, y), fill=MARK, width=3)
    for end in (x, x + pixels):
        draw.line((end, y - 6, end, y + 6), fill=MARK, width=3)
    draw.text((x, y - 32), bar_text(length), MARK, font)  # type: ignore[arg-type]


def bar_arcsec(chart: Chart) -> float:
    """A round length that is at most a quarter of the field."""
    most = 0.25 * (chart.size_arcsec or 1.0)
    return float(max([each for each in ROUND if each <= most], default=most))


def bar_text(length: float) -> str:
    """A length in the unit that suits it."""
    return (
        f"{length / 60:g} arcmin" if length >= 60 and math.isclose(length % 60, 0) else f"{length:g} arcsec"
    )


def stars_on(chart: Chart, rows: int, columns: int) -> Sequence[tuple[int, int, str]]:
    """The cells (row, column) of a terminal's picture in which offset stars lie, and their letters."""
    side = chart.pixels.shape[0]
    cells = []
    for star in chart.stars:
        row = rows - 1 - int((star.y + 0.5) / side * rows)
        column = int((star.x + 0.5) / side * columns)
        if 0 <= row < rows and 0 <= column < columns:
            cells.append((row, column, star.letter))
    return cells
