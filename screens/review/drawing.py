"""How cards are drawn in this terminal: by what the settings, the terminal and the user's choice come to."""

from typing import TYPE_CHECKING

from screens.review import drawings
from screens.review.view import Page, pictures

if TYPE_CHECKING:
    from screens.review.layout import Layout
    from screens.review.screen import ReviewScreen
    from screens.review.viewing import Viewing
    from screens.tty.graphics import Placed


class Drawing:
    """The ways to draw that the review screen has."""

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen

    def suit(self, viewing: "Viewing") -> "Viewing":
        """With what the terminal can show, as far as it has said so."""
        here = tuple(name for name in drawings.NAMES if name not in self._refusals())
        host = self._screen.host
        return viewing.suited(drawings.suited(self._setting, host.terminal, host.probe), here)

    def pictures(self, page: Page, layout: "Layout") -> "tuple[Placed, ...]":
        """What lies on the page's cells."""
        if page.viewing is None:
            return ()
        cell = drawings.cell_of(page.viewing.look.drawing, self._screen.host.probe)
        return pictures(page, layout, cell)

    def tell(self) -> None:
        """Say what is drawn by, what else could be, and why not what cannot."""
        if (viewing := self._screen.viewing) is not None:
            self._screen.say_line(drawings.told(viewing.look.drawing, self._refusals()))

    @property
    def _setting(self) -> str:
        opened = self._screen.host.opened
        return opened.settings.review.drawing if opened else "auto"

    def _refusals(self) -> dict[str, str]:
        host = self._screen.host
        return drawings.refusals(self._setting, host.terminal, host.probe)
