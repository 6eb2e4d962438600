"""The FITS header of a detection's frame, as a page to scroll through."""

from functools import partial
from typing import TYPE_CHECKING

from core.text import safe_text
from screens.lines import Line, span
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.frames.frame_detail import Header
    from screens.review.screen import ReviewScreen

_MOST = 1000  # characters of a card: those of a header are 80, and CONTINUE adds to them


def show_header(screen: "ReviewScreen") -> None:
    """Read the header from the frame's file and show it, or say why there is none."""
    card, desk = screen.card, screen.desk
    if card is None or desk is None:
        return

    def show(found: "tuple[str, Header]") -> None:
        name, header = found
        if header.problem is not None:
            screen.refuse(header.problem)
            return
        # The text is as it stands in the file: `span` alone makes it fit to be shown.
        lines: list[Line] = [(span(each, limit=_MOST),) for each in header.cards]
        screen.show_page(Sheet(safe_text(f"header of {name}", 60), lambda _: lines))

    screen.in_background(partial(desk.header, card.candidate_id), show, "no header")
