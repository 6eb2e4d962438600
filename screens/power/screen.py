"""The power screen: what the machines draw, and what the work took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from core.text import SafeText, safe_text
from screens.action import Situation, Where
from screens.frame.base import FrameScreen
from screens.lines import Line
from screens.power.plot import bins_in
from screens.power.view import QUANTITIES, SPANS, Page, page_lines

if TYPE_CHECKING:
    from core.database.store import Store
    from core.operations.power import DevicePower, Panel


class PowerScreen(FrameScreen["Panel"]):
    """Devices, the history of the one under the cursor, the energy of the last run and night."""

    WHERE = Where.POWER
    TICK_S = 60.0  # a device that is sampled no more is told as such

    def __init__(self) -> None:
        super().__init__()
        self._device: str | None = None  # under the cursor
        self._shown = QUANTITIES[0]
        self._span = SPANS[1]

    def question(self) -> Callable[[Store], Panel]:
        """Read the devices and one history, as wide as the screen."""
        from core.operations import power  # SQLAlchemy: not before the first frame is out

        return partial(
            power.panel,
            device=self._device,
            quantity=self._shown.quantity,
            span_s=self._span.seconds,
            bins=bins_in(self.size.width, plain=self._is_plain),
            known=self.data,
        )

    def body(self, width: int, height: int) -> list[Line]:
        """The page."""
        if self.data is None:
            return []
        history = self.data.history  # perhaps still that of before the last key
        seconds = history.bin_s * len(history.means) if history else 0.0
        page = Page(
            now=time.time(),
            devices=self.data.devices,
            cursor=self._place,
            shown=next((q for q in QUANTITIES if history and q.quantity == history.quantity), self._shown),
            span=min(SPANS, key=lambda span: abs(span.seconds - seconds)),
            history=history,
            run=self.data.run,
            night=self.data.night,
        )
        return page_lines(page, width, height, plain=self._is_plain)

    def handlers(self) -> Mapping[str, Callable[[], None]]:
        """What the plot shows."""
        return {
            "pane": self._next_quantity,
            "power:longer": lambda: self._change_span(1),
            "power:shorter": lambda: self._change_span(-1),
        }

    @property
    def situation(self) -> Situation:
        """Whether there is a device."""
        return self.base_situation(has_row=self._current is not None)

    def move_by(self, steps: int) -> None:
        """Choose another device."""
        self.move_to(max(self._place + steps, 0))

    def move_to(self, place: int | None) -> None:
        """Choose the device at a place."""
        devices = self.data.devices if self.data else ()
        if devices:
            last = len(devices) - 1
            self._device = devices[last if place is None else min(place, last)].device
            self.paint()
            self.ask()

    def copied_text(self) -> SafeText | None:
        """The device and its draw."""
        device = self._current
        if device is None:
            return None
        draw = "not measured" if device.watts is None else f"{device.watts:.1f} W"
        return safe_text(f"{device.device} {draw}")

    def remembered(self) -> dict[str, Any]:
        """The device and what is plotted of it."""
        return {"device": self._device, "quantity": self._shown.quantity, "span_s": self._span.seconds}

    def recall(self, state: Mapping[str, Any]) -> None:
        """Take them up again."""
        if isinstance(device := state.get("device"), str):
            self._device = device
        found = [each for each in QUANTITIES if each.quantity == state.get("quantity")]
        self._shown = found[0] if found else self._shown
        spans = [each for each in SPANS if each.seconds == state.get("span_s")]
        self._span = spans[0] if spans else self._span

    def on_resize(self) -> None:
        """A wider plot has more bins."""
        self.ask()

    @property
    def _is_plain(self) -> bool:
        return self.host.terminal.drawing == "ascii"

    @property
    def _place(self) -> int:
        devices = self.data.devices if self.data else ()
        return next((place for place, each in enumerate(devices) if each.device == self._device), 0)

    @property
    def _current(self) -> DevicePower | None:
        return self.data.devices[self._place] if self.data and self.data.devices else None

    def _next_quantity(self) -> None:
        self._shown = QUANTITIES[(QUANTITIES.index(self._shown) + 1) % len(QUANTITIES)]
        self.ask()

    def _change_span(self, steps: int) -> None:
        place = SPANS.index(self._span) + steps
        if not 0 <= place < len(SPANS):
            self.refuse("the plot has no longer time" if steps > 0 else "the plot has no shorter time")
            return
        self._span = SPANS[place]
        self.ask()
