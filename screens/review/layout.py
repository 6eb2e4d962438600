"""How the lines of a terminal are shared out between images, facts and light curve."""

from dataclasses import dataclass

_FIXED = 2  # chips, caption
_FACTS = 4
_CURVE = 2
_MAX_PANEL_COLUMNS = 64  # a cutout of 63 pixels has no more to show
_GAP = 1
_BESIDE_GAP = 2
LEAST_BESIDE = 28  # columns: a narrower strip cuts most facts
FACTS_BELOW = 4
_SCORE_COLUMNS = 120  # from this width on the score has a panel of its own


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in cells.

    Attributes
    ----------
    panels : int
        How many images stand side by side: 3, 4 with the score, or 1 at full size.
    panel_columns, panel_rows : int
        Of one image; twice as many columns as rows, so that pixels are square.
    fact_rows, curve_rows : int
        0 leaves the part out.
    beside : int
        Columns to the right of an image at full size, for facts; 0: they stand below it.
    """

    width: int
    height: int
    panels: int
    panel_columns: int
    panel_rows: int
    fact_rows: int
    curve_rows: int
    beside: int = 0


def arrange(width: int, height: int, *, full_size: bool = False, has_score: bool = False) -> Layout:
    """Share out the page between header and notice.

    Images come first, then four rows of facts, then the light curve, which takes what is left.
    """
    free = height - _FIXED
    if full_size:
        rows = min(free, width // 2)
        beside = width - 2 * rows - _BESIDE_GAP
        if beside >= LEAST_BESIDE:
            return Layout(width, height, 1, 2 * rows, rows, 0, 0, beside)
        # Where nothing fits beside the image, it leaves a few lines for the facts.
        rows = min(rows, free - FACTS_BELOW) if free >= 3 * FACTS_BELOW else rows
        return Layout(width, height, 1, 2 * rows, rows, free - rows, 0)
    panels = 4 if has_score and width >= _SCORE_COLUMNS else 3
    columns = min((width - (panels - 1) * _GAP) // panels, _MAX_PANEL_COLUMNS)
    below = _FACTS + _CURVE
    # Where height is short, the facts keep half of it: an image alone decides little.
    rows = min(columns // 2, free - below if free - below >= free // 2 else (free + 1) // 2)
    left = free - rows
    facts = min(_FACTS, left)
    return Layout(
        width, height, panels, 2 * rows if 2 * rows < columns else columns, rows, facts, left - facts
    )
