"""Everything that is known of the card under review, as a page to scroll through that follows the card."""

from functools import partial
from typing import TYPE_CHECKING

from screens.lines import Line
from screens.review import view
from screens.review.epochs import AUTO, curve_section
from screens.review.facts import PAST, detail_lines
from screens.widgets.sheet import Sheet

if TYPE_CHECKING:
    from core.review.cards import Card
    from screens.review.screen import ReviewScreen


class DetailSheet:
    """The page of details of one screen, open or not."""

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._sheet: Sheet | None = None

    def show(self) -> None:
        """Open it."""
        if (card := self._screen.card) is not None:
            self._sheet = Sheet(view.heading(card), partial(self._lines, card))
            self._screen.app.push_screen(self._sheet)

    def renew(self) -> None:
        """The card was read again: tell what is known of it now, if the page is open."""
        card, sheet = self._screen.card, self._sheet
        if card is not None and sheet is not None and sheet.is_mounted and sheet.is_current:
            sheet.show(view.heading(card), partial(self._lines, card))

    def _lines(self, card: "Card", width: int) -> list[Line]:
        viewing = self._screen.viewing
        plain, axis = (viewing.look.drawing == "ascii", viewing.curve) if viewing else (False, AUTO)
        curve = curve_section(card, axis, width, plain=plain)
        return detail_lines(card, width, curve, past="" if self._screen.host.read_only else PAST)
