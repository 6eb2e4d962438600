"""Cells as text for a plain terminal."""

from core.cells.glyphs import Cells

_RESET = "\x1b[0m"


def to_ansi(*panels: Cells, gap: int = 1) -> str:
    """Panels of equal height side by side, as lines with escape sequences where there are colours."""
    return "\n".join((" " * gap).join(_line(panel, row) for panel in panels) for row in range(panels[0].rows))


def _line(cells: Cells, row: int) -> str:
    """One line; a colour is written only where it changes."""
    parts: list[str] = []
    written: tuple[int | None, int | None] = (None, None)
    for run in cells.runs(row):
        fore = written[0] if run.fore is None else run.fore  # a space shows no foreground
        codes = [
            _code(kind, colour, cells.palette)
            for kind, colour, before in ((38, fore, written[0]), (48, run.back, written[1]))
            if colour is not None and colour != before
        ]
        parts.append(f"\x1b[{';'.join(codes)}m{run.text}" if codes else run.text)
        written = (fore, run.back)
    return "".join(parts) + (_RESET if written != (None, None) else "")


def _code(kind: int, colour: int, palette: bool) -> str:
    if palette:
        return f"{kind};5;{colour}"
    return f"{kind};2;{colour >> 16};{(colour >> 8) & 255};{colour & 255}"
