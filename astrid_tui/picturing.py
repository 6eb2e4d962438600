"""Pictures between the console and its terminal: what it can show, and what it is to show now."""

from typing import TYPE_CHECKING

from screens.review.drawings import questions
from screens.tty.driver import ReplyDriver
from screens.tty.graphics import Placed
from screens.tty.probe import CELL_QUERY, Probe

if TYPE_CHECKING:
    from astrid_tui.app import Console


class Picturing:
    """Asks the terminal, and tells the driver which pictures belong to what is on the screen.

    Attributes
    ----------
    probe : Probe
        What the terminal said.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console
        self.probe = Probe()

    def begin(self, drawing: str) -> None:
        """Ask what the terminal can show, unless the settings say how to draw."""
        if (driver := self._driver) is not None:
            driver.pictures = self._now
            self.probe.measure(driver.fileno)
            driver.write(questions(drawing, self._console.terminal, self.probe))

    def send(self) -> None:
        """Send what is not there yet."""
        if (driver := self._driver) is not None:
            driver.write("")

    def measure_again(self) -> None:
        """The terminal has another size: the font may be another."""
        if (driver := self._driver) is not None and self.probe.sixel:
            driver.write(CELL_QUERY)

    @property
    def _driver(self) -> ReplyDriver | None:
        driver = self._console._driver
        return driver if isinstance(driver, ReplyDriver) and not self._console.is_headless else None

    def _now(self) -> tuple[Placed, ...] | None:
        """The pictures of the screen, unless something lies over it."""
        if not self._console.is_open or len(self._console.screen_stack) > 1:
            return ()
        return self._console.here.pictures
