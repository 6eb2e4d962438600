"""Images in terminal cells: pure numpy, no terminal needed.

`draw_triplet` turns a candidate's cutouts into three `Cells`; whoever has a screen turns those into
its own kind of line (`to_ansi` is the plain terminal's).
"""

from core.cells.ansi import to_ansi
from core.cells.colour import COLOUR_MAPS
from core.cells.glyphs import DRAWINGS, GRAPHICS, Cells, Run
from core.cells.image import Image
from core.cells.inline import to_pictures
from core.cells.stretch import STRETCHES, Limits
from core.cells.triplet import Look, Panel, draw_plane, draw_triplet, faint_sources_survive

__all__ = [
    "COLOUR_MAPS",
    "DRAWINGS",
    "GRAPHICS",
    "STRETCHES",
    "Cells",
    "Image",
    "Limits",
    "Look",
    "Panel",
    "Run",
    "draw_plane",
    "draw_triplet",
    "faint_sources_survive",
    "to_ansi",
    "to_pictures",
]
