"""`astrid show`: an image or a candidate, drawn in this terminal."""

import os
import shutil
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.completion import file_or_candidate
from astrid_tui.cli.invocation import card_for, print_text, settings_of, store_of
from core.charset import writes_utf8
from core.database.keys import key_in
from core.errors import AstridError
from core.text import safe_text, significant

if TYPE_CHECKING:
    from core.cells import Look, Panel
    from core.review.cutouts import Cutouts


_FACTS = 6  # lines of facts
LEAST_WIDTH = 20  # columns
MOST_SIDE = 1000  # columns or lines that are drawn on; no screen has more, and memory would not last
_LEAST_PANEL = 24  # columns of an image, for a fourth one


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
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|CANDIDATE",
            autocompletion=file_or_candidate,
            help="A FITS file, or a candidate's id.",
        ),
    ],
    drawing: Annotated[
        Shown, typer.Option(help="How to draw; the terminal is not asked for Kitty or Sixel.")
    ] = Shown.AUTO,
    stretch: Annotated[Stretch, typer.Option(help="How brightness follows signal.")] = Stretch.ASINH,
    invert: Annotated[bool, typer.Option("--invert", help="Dark sources on a bright sky.")] = False,
    width: Annotated[
        int | None, typer.Option(min=LEAST_WIDTH, max=MOST_SIDE, help="Columns; default: the terminal's.")
    ] = None,
) -> None:
    """Draw an image, or a candidate's new, reference and difference with what is known of it."""
    from core.cells import Look

    columns = width or max(screen().columns, LEAST_WIDTH)
    look = Look(drawing=_chosen(drawing), stretch=stretch.value, invert=invert)
    if what.isascii() and what.isdecimal() and not Path(what).exists():
        candidate = key_in(what)
        if candidate is None:
            raise AstridError(
                f"there is no candidate {safe_text(what, 40)}: `astrid candidates list` shows them"
            )
        _show_candidate(context, candidate, look, columns)
    else:
        _show_file(context, what, look, columns)


def _chosen(drawing: Shown) -> str:
    if drawing not in (Shown.KITTY, Shown.SIXEL):
        return mode(Drawing(drawing.value))
    if not sys.stdout.isatty():
        raise typer.BadParameter(f"{drawing.value} is for a terminal, and standard output is none")
    if os.environ.get("NO_COLOR"):
        raise typer.BadParameter(f"{drawing.value} needs colours, and NO_COLOR is set")
    return drawing.value


def mode(drawing: Drawing) -> str:
    """Half blocks in the terminal's best colours; ASCII without colours, and where no other signs can be."""
    if drawing is not Drawing.AUTO:
        return drawing.value
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb" or not writes_utf8(sys.stdout):
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


def _show_file(context: typer.Context, name: str, look: "Look", columns: int) -> None:
    import numpy as np

    from core.cells import draw_plane
    from pipeline.diff import split_extension
    from pipeline.files.fits_files import read_frame
    from pipeline.files.taken import taken
    from pipeline.frame import FrameRefused

    path, extension = split_extension(name)
    if not path.exists():
        _show_named(context, name, look, columns)
        return
    try:
        raw = read_frame(path, extension, settings_of(context).camera.keywords)
    except FrameRefused as refused:
        raise AstridError(f"{path}: {refused}") from refused
    values = np.where(raw.mask != 0, np.float32(np.nan), raw.data)
    lines = taken(raw)
    rows = min(columns // 2, max(4, screen().lines - 3 - len(lines)))
    _draw([draw_plane(values, rows, 2 * rows, look)], look.drawing)
    height, width = raw.data.shape
    print_text(raw.exposure.name, f"{width} x {height}", raw.exposure.field or "")
    for line in lines:
        print_text(line)


def _show_named(context: typer.Context, name: str, look: "Look", columns: int) -> None:
    """The newest candidate of the object that is called so."""
    from core.database.store_errors import StoreError
    from core.objects.detail import ObjectError, newest_candidate

    try:
        candidate = newest_candidate(store_of(context, read_only=True), name)
    except (ObjectError, StoreError):
        raise AstridError(
            f"there is no file {name}, and no object is called so; a candidate has a number"
        ) from None
    _show_candidate(context, candidate, look, columns)


def _show_candidate(context: typer.Context, candidate: int, look: "Look", columns: int) -> None:
    """Facts of a candidate, and its images if they were kept."""
    from screens.lines import plain
    from screens.review.facts import fact_lines
    from screens.review.said import last_note

    card = card_for(context, store_of(context, read_only=True), candidate)
    lines = [*fact_lines(card, columns, _FACTS, past=""), last_note(card)]
    if card.cutouts is not None:
        _draw_cutouts(card.cutouts, look, columns, len(lines))
    for line in lines:
        if text := plain(line).rstrip():
            print_text(text)
    if card.cutouts is None:
        print_text(card.cutouts_problem or "No images: no cutouts were kept.")


def screen() -> os.terminal_size:
    """The terminal's columns and lines, no more than are drawn on."""
    size = shutil.get_terminal_size()
    return os.terminal_size((min(size.columns, MOST_SIDE), min(size.lines, MOST_SIDE)))


def _draw_cutouts(cutouts: "Cutouts", look: "Look", columns: int, below: int) -> None:
    """New, reference, difference, and the score where there is room, each with the limits of its scale."""
    from core.cells import draw_triplet, faint_sources_survive

    score = cutouts.score if columns >= 4 * _LEAST_PANEL + 3 else None
    count = 3 if score is None else 4
    rows = max(4, screen().lines - 3 - below)
    side = min((columns - count + 1) // count // 2, rows)
    panels = draw_triplet(
        cutouts.new,
        cutouts.ref,
        cutouts.diff,
        side,
        2 * side,
        look,
        score=score,
        to_sky=cutouts.to_sky,
        arcsec=cutouts.pixel_arcsec,
    )
    names = ("new", "reference", "difference", "score")
    _draw(panels[:count], look.drawing)
    captions = [
        f"{name} {_limits(panel)}"[: 2 * side].ljust(2 * side)
        for name, panel in zip(names, panels, strict=False)
    ]
    print_text(" ".join(captions).rstrip())
    if not faint_sources_survive(look.drawing, 2 * side):
        print_text("Drawn so, faint sources are hidden: a wider terminal or --drawing half shows more.")


def _limits(panel: "Panel") -> str:
    """The scale of an image in sigma; a plane without any pixel is absent."""
    if panel.masked_fraction == 1:
        return "absent"
    low, high = panel.limits.low, panel.limits.high
    if panel.limits.symmetric:
        return f"±{significant(high)}σ"
    return f"{significant(low, 2)} to {significant(high)}σ"
