"""A screen of pictures, each of which the terminal must have drawn before anything is decided by it."""

from typing import TYPE_CHECKING, NamedTuple

from textual import events
from textual.timer import Timer

from screens.frame.base import FrameScreen
from screens.tty.graphics import Placed
from screens.tty.sight import Sight

if TYPE_CHECKING:
    from screens.review.viewing import Viewing


class Picture(NamedTuple):
    """What a verdict rests on: which card, how it is drawn, and how large."""

    candidate_id: int
    viewing: "Viewing | None"
    theme: str
    size: tuple[int, int]


class PictureScreen(FrameScreen[None]):
    """Sends one picture at a time, and knows by `screens.tty.sight` which of them was seen."""

    def __init__(self) -> None:
        super().__init__()
        self._sight = Sight()
        self._painted: Picture | None = None  # what was handed to Textual last
        self._question: Timer | None = None  # rings when the terminal has not answered
        self._pictures: tuple[Placed, ...] = ()

    @property
    def picture(self) -> Picture | None:
        """What is to be seen; none where there is no card."""
        raise NotImplementedError

    @property
    def is_seen(self) -> bool:
        """Whether what is to be seen is on the reader's screen."""
        return self._sight.has_seen(self.picture)

    @property
    def pictures(self) -> tuple[Placed, ...] | None:
        """What lies on the page's cells; none until the page was handed on to be sent."""
        return self._pictures if self._rows.is_rendered else None

    def show_pictures(self, pictures: tuple[Placed, ...]) -> None:
        """Lay pictures on the page that is being painted."""
        self._pictures = pictures

    def paint(self) -> None:
        """Show the state as it is; while another card is on its way to the terminal at once, later."""
        if not self.is_large_enough:
            self._pictures = ()
        if not (self.is_large_enough and self.is_mounted and self.is_current):
            self._sight.lose()
            super().paint()
            return
        picture = self.picture
        if not (self.host.is_line_slow or self._sight.may_draw(picture)):
            return
        self._painted = picture
        super().paint()
        self.call_after_refresh(self.displayed)

    def displayed(self) -> None:
        """Once the picture was sent: have the terminal say when it is drawn."""
        if not self._rows.is_rendered or not self.is_current or not self.is_large_enough:
            return
        self.host.send_pictures()
        serial = self._sight.drew(self._painted)
        if serial is None:
            return
        if not self.host.ask_terminal(self.size.height, serial):
            self._sight.answered(serial)  # there is no terminal at all
            return
        self._ask_again_later()

    def _ask_again_later(self) -> None:
        if self._question is not None:
            self._question.stop()
        self._question = self.set_timer(self._sight.left_s, self.paint)

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """The terminal's answer; what had to wait for it is drawn now."""
        if event.y + 1 == self.size.height and self._sight.answered(event.x + 1):
            if self._question is not None:
                self._question.stop()
                self._question = None
            self.paint()

    def terminal_at_work(self) -> None:
        """The terminal draws: wait on for it to answer."""
        self._sight.is_at_work()
        if self._question is not None:
            self._ask_again_later()

    def on_resize(self) -> None:
        """Do not wait for an answer from the former size; Textual has the frame paint after this."""
        self._sight.abandon()

    def on_screen_suspend(self) -> None:
        """Something lies over the card, or another screen is shown."""
        self._sight.lose()
