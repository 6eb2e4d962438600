"""`astrid show`: an image or a candidate, drawn in this terminal."""

import os
import shutil
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import MOST_ID, print_text, store_of
from core.errors import AstridError

if TYPE_CHECKING:
    from core.cells import Look, Panel


class Drawing(StrEnum):
    """How to draw."""

    AUTO = "auto"
    HALF = "half"
    GREY = "grey"
    BRAILLE = "braille"
    ASCII = "ascii"


class Shown(StrEnum):
    """How to draw, where pictures may be shown too."""

    AUTO = "auto"
    KITTY = "kitty"
    SIXEL = "sixel"
    HALF = "half"
    GREY = "grey"
    BRAILLE = "braille"
    ASCII = "ascii"


class Stretch(StrEnum):
    """How brightness follows signal."""

    LINEAR = "linear"
    ASINH = "asinh"
    LOG = "log"
    ZSCALE = "zscale"
    PERCENTILE = "percentile"
    HISTOGRAM = "histogram"


def show(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="FILE|CANDIDATE", help="A FITS file, or a candidate's id.")],
    drawing: Annotated[
        Shown, typer.Option(help="How to draw; the terminal is not asked for Kitty or Sixel.")
    ] = Shown.AUTO,
    stretch: Annotated[Stretch, typer.Option(help="How brightness follows signal.")] = Stretch.ASINH,
    invert: Annotated[bool, typer.Option("--invert", help="Dark sources on a bright sky.")] = False,
    width: Annotated[int | None, typer.Option(min=20, help="Columns; default: the terminal's.")] = None,
) -> None:
    """Draw an image, or a candidate's new, reference and difference, in this terminal."""
    from core.cells import Look

    columns = width or shutil.get_terminal_size().columns
    look = Look(drawing=_chosen(drawing), stretch=stretch.value, invert=invert)
    if what.isdigit() and not Path(what).exists():
        _show_candidate(context, int(what), look, columns)
    else:
        _show_file(what, look, columns)


def _chosen(drawing: Shown) -> str:
    if drawing not in (Shown.KITTY, Shown.SIXEL):
        return mode(Drawing(drawing.value))
    if not sys.stdout.isatty():
        raise typer.BadParameter(f"{drawing.value} is for a terminal, and standard output is none")
    if os.environ.get("NO_COLOR"):
        raise typer.BadParameter(f"{drawing.value} needs colours, and NO_COLOR is set")
    return drawing.value


def mode(drawing: Drawing) -> str:
    """Half blocks in the terminal's best colours; plain characters where colour is not wanted."""
    if drawing is not Drawing.AUTO:
        return drawing.value
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return "ascii"
    return "half" if os.environ.get("COLORTERM") in {"truecolor", "24bit"} else "grey"


def _draw(panels: "Sequence[Panel]", drawing: str) -> None:
    from core.cells import GRAPHICS, to_ansi, to_pictures
    from screens.review.drawings import cell_of
    from screens.tty.probe import Probe

    if drawing not in GRAPHICS:
        typer.echo(to_ansi(*(panel.cells for panel in panels)))
        return
    probe = Probe()
    probe.measure(sys.stdout.fileno())
    typer.echo(to_pictures(*panels, cell=cell_of(drawing, probe)))


def _show_file(name: str, look: "Look", columns: int) -> None:
    import numpy as np

    from core.cells import draw_plane
    from pipeline.diff import split_extension
    from pipeline.files.fits_files import read_frame

    path, extension = split_extension(name)
    raw = read_frame(path, extension)
    values = np.where(raw.mask != 0, np.float32(np.nan), raw.data)
    rows = min(columns // 2, max(4, shutil.get_terminal_size().lines - 3))
    _draw([draw_plane(values, rows, 2 * rows, look)], look.drawing)
    height, width = raw.data.shape
    exposure = raw.exposure
    facts = (exposure.field, exposure.filter, exposure.mjd and f"MJD {exposure.mjd:.5f}")
    print_text(exposure.name, f"{width} x {height}", *(fact for fact in facts if fact))


def _show_candidate(context: typer.Context, candidate: int, look: "Look", columns: int) -> None:
    from core.cells import draw_triplet
    from core.review.candidates import card_of

    if candidate > MOST_ID:
        raise AstridError(f"there is no candidate {candidate}")
    card = card_of(store_of(context, read_only=True), candidate)
    cutouts = card.cutouts
    if cutouts is None:
        raise AstridError(f"candidate {candidate}: {card.cutouts_problem or 'no cutouts were kept'}")
    each = min((columns - 2) // 3, 2 * max(4, shutil.get_terminal_size().lines - 3))
    panels = draw_triplet(
        cutouts.new, cutouts.ref, cutouts.diff, each // 2, each // 2 * 2, look, to_sky=cutouts.to_sky
    )
    print_text("new".ljust(each // 2 * 2), "reference".ljust(each // 2 * 2), "difference")
    _draw(panels, look.drawing)
