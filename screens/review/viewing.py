"""How cards are looked at: changed by keys, kept from card to card, recorded with each verdict."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.cells import COLOUR_MAPS, DRAWINGS, STRETCHES, Look

_ZOOM_STEP, _MAX_ZOOM = 1.5, 8.0
_CONTRAST_STEP, _MAX_CONTRAST = 1.4, 30.0
_DIFFERENCE, _SCORE = 2, 3


@dataclass(frozen=True, slots=True)
class Viewing:
    """What is chosen of a card's images, and how they are drawn.

    Attributes
    ----------
    look, home : Look
        As it is, and as `reset` makes it again.
    plane : int
        The chosen image: 0 new, 1 reference, 2 difference, 3 score.
    full_size : bool
        The chosen image alone, as large as the screen.
    score : bool
        The score stands where the reference was, if it was kept.
    drawings : tuple of str
        The ways to draw that there are here, in turn.
    curve : str
        What the light curve is drawn in: ``auto``, ``flux`` or ``mag``.
    """

    look: Look
    home: Look
    plane: int = _DIFFERENCE
    full_size: bool = False
    score: bool = False
    drawings: tuple[str, ...] = DRAWINGS
    curve: str = "auto"

    @classmethod
    def begin(cls, look: Look) -> "Viewing":
        """As the settings and the terminal have it."""
        return cls(look, look)

    def suited(self, drawing: str, drawings: tuple[str, ...]) -> "Viewing":
        """With the ways to draw that there turned out to be; what was chosen by hand stays."""
        look = self.look if self.look.drawing != self.home.drawing else replace(self.look, drawing=drawing)
        return replace(self, look=look, home=replace(self.home, drawing=drawing), drawings=drawings)

    def on_card(self, *, has_score: bool) -> "Viewing":
        """As far as a card has what is chosen: the difference stands for a score that was not kept."""
        return self if has_score or self.plane != _SCORE else replace(self, plane=_DIFFERENCE)

    def next_plane(self, *, has_score: bool) -> "Viewing":
        """With the next image chosen."""
        plane = self.on_card(has_score=has_score).plane
        return replace(self, plane=(plane + 1) % (_SCORE + has_score))

    def with_what_blinks(self) -> "Viewing":
        """With the new image chosen, where an image that does not blink would be all that is shown."""
        return replace(self, plane=0) if self.full_size and self.plane > 1 else self

    def changed(self, action: str) -> "Viewing":
        """After one of the actions of card or view menu that change it; `KeyError` for others."""
        return _CHANGES[action](self)

    def dressed(self, theme: str) -> Look:
        """The look in a theme: red alone in the dome, ink that is dark on a light page."""
        look = replace(self.look, dark_ink=theme == "light")
        return replace(look, colour_map="red") if theme == "dome" else look

    def record(self, theme: str) -> dict[str, Any]:
        """What a verdict keeps of it."""
        return asdict(self.dressed(theme)) | {
            "plane": self.plane,
            "full_size": self.full_size,
            "score": self.score,
            "curve": self.curve,
        }

    def _redrawn(self, **changes: Any) -> "Viewing":
        return replace(self, look=replace(self.look, **changes))

    def _zoomed(self, factor: float) -> "Viewing":
        zoom = min(max(self.look.zoom * factor, 1.0), _MAX_ZOOM)
        return self._redrawn(zoom=1.0 if zoom < 1.01 else zoom)

    def _contrasted(self, factor: float) -> "Viewing":
        contrast = min(max(self.look.contrast * factor, 1 / _MAX_CONTRAST), _MAX_CONTRAST)
        return self._redrawn(contrast=1.0 if abs(contrast - 1) < 0.01 else contrast)


def _next(names: tuple[str, ...], name: str) -> str:
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]


_CHANGES: dict[str, Callable[[Viewing], Viewing]] = {
    "zoom-in": lambda v: v._zoomed(_ZOOM_STEP),
    "zoom-out": lambda v: v._zoomed(1 / _ZOOM_STEP),
    "contrast-more": lambda v: v._contrasted(_CONTRAST_STEP),
    "contrast-less": lambda v: v._contrasted(1 / _CONTRAST_STEP),
    "full": lambda v: replace(v, full_size=not v.full_size),
    "view:stretch": lambda v: v._redrawn(stretch=_next(STRETCHES, v.look.stretch)),
    "view:invert": lambda v: v._redrawn(invert=not v.look.invert),
    "view:colours": lambda v: v._redrawn(colour_map=_next(tuple(COLOUR_MAPS), v.look.colour_map)),
    "view:drawing": lambda v: v._redrawn(drawing=_next(v.drawings, v.look.drawing)),
    "view:score": lambda v: replace(v, score=not v.score),
    "view:reset": lambda v: replace(v, look=v.home, score=False),
}
