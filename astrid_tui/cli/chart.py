"""`astrid chart`: the field of an object, to find it at the telescope."""

import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_text, settings_of, store_of
from astrid_tui.cli.objects import ObjectArgument
from astrid_tui.cli.output_files import ForceOption, check_output, writing_to
from astrid_tui.cli.show import Drawing, mode, screen
from core.epochs import mjd_of

if TYPE_CHECKING:
    from pipeline.charts.chart import Chart

MARK_COLOUR, MARK_INDEX = 0xFFB000, 214


class Source(StrEnum):
    """Which image to draw."""

    REFERENCE = "reference"
    FRAME = "frame"


def chart(
    context: typer.Context,
    object_: ObjectArgument,
    size: Annotated[str, typer.Option(help="The side of the field, such as 5arcmin.")] = "5arcmin",
    source: Annotated[
        Source, typer.Option("--from", help="The image: the reference, or the newest frame.")
    ] = Source.REFERENCE,
    stars: Annotated[int, typer.Option(min=0, max=8, help="Offset stars at most.")] = 3,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A picture: .png or .pdf.")] = None,
    force: ForceOption = False,
    drawing: Annotated[Drawing, typer.Option(help="How to draw in this terminal.")] = Drawing.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Draw a finding chart: north up, east to the left, with stars to go from.

    Where no image of ours shows it, as for alerts of surveys, the field is drawn from the star catalogues,
    or else the newest cutout is shown as it is. Offset stars are those of the star catalogues (`astrid
    catalog`), where they are today; without one those of the image itself.
    """
    from core.coordinates import parse_radius
    from core.objects.chart_images import chart_target
    from core.review.real_rows import real_object
    from pipeline.charts.chart import make_chart
    from pipeline.charts.chart_file import text_lines, write

    check_output(output, force=force, endings=(".png", ".pdf"))
    store = store_of(context, read_only=True)
    target = chart_target(store, object_)
    if source is not Source.REFERENCE:
        real_object(store, str(target.object_id))  # a frame shows what is real alone
    both = (target.reference, target.newest)
    images = [each for each in (both if source is Source.REFERENCE else both[::-1]) if each is not None]
    made = make_chart(
        target,
        images,
        settings_of(context),
        size_arcsec=parse_radius(size) * 3600.0,
        mjd=mjd_of(time.time()),
        n_stars=stars,
    )
    if output is not None:
        with writing_to(output):
            write(made, output)
    if as_json:
        print_json(_record(made, output))
        return
    if output is None:
        _draw(made, mode(drawing))
    for line in text_lines(made):
        print_text(line)
    if output is not None:
        print_text(f"written to {output}")


def _record(made: "Chart", output: Path | None) -> dict[str, Any]:
    return {
        "object": made.name,
        "ra": made.ra,
        "dec": made.dec,
        "size_arcsec": made.size_arcsec,
        "image": made.image.what,
        "drawn_from": made.drawn_from,
        "filter": made.image.filter,
        "file": None if output is None else str(output),
        "offset_stars": [
            {key: value for key, value in asdict(star).items() if key not in {"x", "y"}}
            for star in made.stars
        ],
    }


def _draw(made: "Chart", drawing: str) -> None:
    from dataclasses import replace

    from core.cells import Look, draw_plane, to_ansi
    from pipeline.charts.chart_file import bar_arcsec, bar_text, stars_on

    terminal = screen()
    rows = max(8, min(terminal.columns // 2, terminal.lines - 6 - len(made.stars)))
    columns = 2 * rows
    cells = draw_plane(made.pixels, rows, columns, Look(drawing=drawing)).cells
    glyphs, fore = cells.glyphs.copy(), cells.fore.copy()
    colour = -1 if drawing in {"ascii", "braille"} else MARK_INDEX if cells.palette else MARK_COLOUR
    middle = rows // 2, columns // 2
    marks = [
        (middle[0], middle[1] + 2, "-"),
        (middle[0], middle[1] + 3, "-"),
        (middle[0] - 2, middle[1], "|"),
    ]
    for row, column, glyph in [*marks, *stars_on(made, rows, columns)]:
        glyphs[row, column], fore[row, column] = glyph, colour
    typer.echo(to_ansi(replace(cells, glyphs=glyphs, fore=fore)))
    if made.scale is not None and made.size_arcsec is not None:
        length = bar_arcsec(made)
        dashes = "-" * max(round(length / made.size_arcsec * columns) - 2, 1)
        typer.echo(f"|{dashes}| {bar_text(length)}   N up, E left")
