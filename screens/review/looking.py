"""How the cards of one screen are looked at: stretch, zoom, plane, light curve, and which detection."""

from dataclasses import replace
from typing import TYPE_CHECKING

from screens.action import Where
from screens.lines import Tone
from screens.review import view
from screens.review.drawing import Drawing
from screens.review.epochs import has_magnitudes, other_axis

if TYPE_CHECKING:
    from screens.review.screen import ReviewScreen
    from screens.review.viewing import Viewing


class Looking:
    """The view of one screen.

    Attributes
    ----------
    viewing : Viewing or None
        How cards are drawn, none until the store is open.
    drawing : Drawing
    """

    def __init__(self, screen: "ReviewScreen") -> None:
        self._screen = screen
        self.viewing: Viewing | None = None
        self.drawing = Drawing(screen)

    def suit(self) -> None:
        """Draw by what the terminal can show, if nobody chose how."""
        if self.viewing is not None:
            self.viewing = self.drawing.suit(self.viewing)
            self._screen.paint()

    def change(self, action_id: str) -> None:
        """Change how cards are drawn by an action."""
        if self.viewing is not None:
            self.viewing = self.viewing.changed(action_id)
            if action_id in ("view:drawing", "view:reset"):
                self.drawing.tell()
            self._screen.paint()

    def turn_curve(self) -> None:
        """Draw the light curve in flux, or in magnitudes."""
        card = self._screen.card
        if self.viewing is None or card is None:
            return
        if not has_magnitudes(card):
            self._screen.say("no zeropoint is known: the light curve is in flux alone", Tone.WARN)
            return
        self.viewing = replace(self.viewing, curve=other_axis(card, self.viewing.curve))
        self._screen.paint()

    def next_plane(self) -> None:
        """Show the next of the images where there is room for one."""
        card = self._screen.card
        if self.viewing is not None and card is not None:
            self.viewing = self.viewing.next_plane(has_score=view.has_score(card))
            self._screen.paint()

    def show_new(self) -> None:
        """At full size let the new image be shown, or the reference: what blinks is these."""
        if self.viewing is not None:
            self.viewing = self.viewing.with_what_blinks()

    def open_menu(self) -> None:
        """Let the next key change the view."""
        self._screen.open_menu(Where.VIEW_MENU, "view")
        self.drawing.tell()

    def step_epoch(self, step: int) -> None:
        """Show the object's detection before or after this one."""
        screen, card, entry = self._screen, self._screen.card, self._screen.queue.current
        if card is None or entry is None:
            return
        epochs = [epoch.candidate_id for epoch in reversed(card.epochs)]
        place = epochs.index(card.candidate_id) + step if card.candidate_id in epochs else -1
        if 0 <= place < len(epochs):
            entry.candidate_id = epochs[place]
            screen.show_place()
        else:
            screen.say(
                "there is no detection " + ("before" if step < 0 else "after") + " this one", Tone.WARN
            )
