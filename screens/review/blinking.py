"""New and reference in turn, in place."""

from typing import TYPE_CHECKING

from textual.timer import Timer

if TYPE_CHECKING:
    from screens.review.screen import ReviewScreen

BLINK_S = 0.6


class Blinking:
    """The blinking of one screen.

    Attributes
    ----------
    is_turned : bool
        The reference stands where the new image was.
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self._timer: Timer | None = None
        self.is_turned = False

    @property
    def is_on(self) -> bool:
        """Whether it goes on."""
        return self._timer is not None

    def toggle(self) -> None:
        """Begin, or stop."""
        if self.is_on:
            self.stop()
            self._screen.paint()
        else:
            self._screen.looking.show_new()
            self._timer = self._screen.set_interval(BLINK_S, self._turn)
            self._turn()

    def stop(self) -> None:
        """Show the images as they are."""
        if self._timer is not None:
            self._timer.stop()
        self._timer, self.is_turned = None, False

    def _turn(self) -> None:
        self.is_turned = not self.is_turned
        self._screen.paint()
