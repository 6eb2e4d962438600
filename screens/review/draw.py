"""A card's images as lines, with the caption that says how they are drawn."""

from functools import lru_cache
from typing import TYPE_CHECKING

from core.cells import Look, Panel, draw_triplet, faint_sources_survive
from core.review.cutouts import Cutouts
from core.text import significant
from screens.lines import Line, Span, Tinted, Tone, cells_of, drawn, padded, shortened, span
from screens.tty.graphics import Placed

if TYPE_CHECKING:
    from screens.review.layout import Layout

PLANES = ("new", "reference", "difference", "score")
_HIDES = "hides faint"
_DRAWING_NAMES = {"half": "colour", "grey": "greys", "braille": "braille", "ascii": "ASCII"}
_TOP = 2  # lines above the images: the header and the chips


@lru_cache(maxsize=8)  # a card is painted several times: with its facts, its light curve, what was decided
def image_lines(
    cutouts: Cutouts, layout: "Layout", look: Look, *, plane: int, blinked: bool, score: bool = False
) -> tuple[list[Line], Line]:
    """Draw what the layout has room for.

    Parameters
    ----------
    plane : int
        The index in `PLANES` of the image that is chosen, and shown alone at full size; a chosen score
        without a panel of its own stands where the reference was.
    blinked : bool
        The reference stands where the new image was.
    score : bool
        The score stands where the reference was, if it was kept and has no panel of its own.

    Returns
    -------
    lines, caption
    """
    panels, order = _panels(cutouts, layout, look, plane=plane, blinked=blinked, score=score)
    lines = [_joined([panels[place] for place in order], row) for row in range(layout.panel_rows)]
    return lines, _caption(panels, order, layout, look, plane)


def pictures(
    cutouts: Cutouts,
    layout: "Layout",
    look: Look,
    cell: tuple[int, int] | None,
    *,
    plane: int,
    blinked: bool,
    score: bool = False,
) -> tuple[Placed, ...]:
    """What lies on the cells of `image_lines`, where the drawing is one of pixels.

    Parameters
    ----------
    cell : (int, int) or None
        As `Placed` has it.
    """
    panels, order = _panels(cutouts, layout, look, plane=plane, blinked=blinked, score=score)
    step = layout.panel_columns + 1
    return tuple(
        Placed(_TOP, place * step, layout.panel_rows, layout.panel_columns, image, cell)
        for place, image in enumerate(panels[each].image for each in order)
        if image is not None
    )


@lru_cache(maxsize=8)
def _panels(
    cutouts: Cutouts, layout: "Layout", look: Look, *, plane: int, blinked: bool, score: bool
) -> tuple[tuple[Panel, ...], list[int]]:
    """All images, and which of them are shown in which order."""
    order = [plane] if layout.panels == 1 else list(range(layout.panels))
    instead = (score or plane == 3) and cutouts.score is not None and layout.panels < 4
    if instead:
        order = [3 if place == 1 else place for place in order]
    if blinked:
        order = [1 if place == 0 else place for place in order]
    panels = draw_triplet(
        cutouts.new,
        cutouts.ref,
        cutouts.diff,
        layout.panel_rows,
        layout.panel_columns,
        look,
        score=cutouts.score if layout.panels == 4 or instead else None,
        to_sky=cutouts.to_sky,
        arcsec=cutouts.pixel_arcsec,
        marked=order[0],
    )
    return panels, order


def _joined(panels: list[Panel], row: int) -> Line:
    pieces: list[Span | Tinted] = []
    for panel in panels:
        if pieces:
            pieces.append(drawn(" "))
        pieces.extend(
            Tinted(run.text, run.fore, run.back, panel.cells.palette) for run in panel.cells.runs(row)
        )
    return tuple(pieces)


def _caption(panels: tuple[Panel, ...], order: list[int], layout: "Layout", look: Look, plane: int) -> Line:
    """Under each image its name and limits; under the second the stretch, or a warning."""
    width = layout.panel_columns
    # A packet may have no reference: that is more worth saying than how it is drawn.
    middle = _limits(panels[1]) if panels[1].masked_fraction == 1 else how_drawn(look, width)
    if layout.panels == 1:
        shown = order[0]
        return (_name(shown, chosen=True), _limits(panels[shown]), drawn("  "), middle)
    first = _under((_name(order[0], order[0] == plane), _limits(panels[order[0]])), width)
    second_shown = order[1]
    if second_shown == 3:
        middle = _limits(panels[3])
    second = _under(_beside_name(_name(second_shown, plane in (1, second_shown)), middle, width), width)
    third = (_name(2, plane == 2), _limits(panels[2]))
    if len(order) == 3:
        return (*first, *second, *third)
    return (*first, *second, *_under(third, width), _name(3, plane == 3), _limits(panels[3]))


def _under(line: Line, width: int) -> Line:
    """What stands under one image, apart from what stands under the next."""
    return padded(shortened(line, width), width + 1)


def _beside_name(name: Span, told: Span, columns: int) -> Line:
    """An image's name and what is told of all images; a warning is told whole, and the name yields to it."""
    short = span("ref", name.tone) if name.text == PLANES[1] else name
    for line in ((name, drawn(" "), told), (short, drawn(" "), told), (told,)):
        if told.tone is not Tone.WARN or cells_of(line) <= columns:
            return line
    return (span(_HIDES, Tone.WARN),)


def how_drawn(look: Look, columns: int) -> Span:
    """The stretch, zoom and drawing in a few words; a warning where faint sources do not show."""
    if not faint_sources_survive(look.drawing, columns):
        return span(f"{_DRAWING_NAMES[look.drawing]} {_HIDES}", Tone.WARN)
    zoom = f" ×{look.zoom:.3g}" if look.zoom != 1 else ""
    contrast = f" c{look.contrast:.2g}" if look.contrast != 1 else ""
    inverted = " inv" if look.invert else ""
    return span(f"{look.stretch}{zoom}{contrast}{inverted}", Tone.DIM)


def _name(place: int, chosen: bool) -> Span:
    return span(PLANES[place], Tone.KEY if chosen else Tone.STRONG)


def _limits(panel: Panel) -> Span:
    if panel.masked_fraction == 1:
        return span(" absent", Tone.WARN)  # such is a plane without any pixel (`core.review.cutouts`)
    limits = panel.limits
    high = significant(limits.high)
    text = f"±{high}σ" if limits.symmetric else f"{significant(limits.low, 2)}…{high}σ"
    return span(f" {text}", Tone.DIM)
