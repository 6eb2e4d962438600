"""Key presses on their way to actions: counts, and menus whose keys count while they are open.

The digits 1 to 6 are screens. So a count begins with a digit that is none, 0 or 7 to 9, and from its
second digit on takes any: ``05j`` goes five on, ``8j`` eight, ``012G`` to the twelfth.
"""

from dataclasses import dataclass

from screens.action import Action, Where
from screens.actions import Registry

_COUNT_STARTS = "0789"
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a key asks for.

    Attributes
    ----------
    action : Action or None
    count : int or None
        What was typed before the key.
    is_known : bool
        The key means something here, if only as a part of a sequence.
    """

    action: Action | None = None
    count: int | None = None
    is_known: bool = True


class KeyReader:
    """Reads the keys of one screen.

    Parameters
    ----------
    where : Where
        The screen.
    """

    def __init__(self, where: Where) -> None:
        self._where = where
        self.digits = ""
        self.menu: Where | None = None
        self._opener = ""

    @property
    def is_pending(self) -> bool:
        """A sequence was begun and may go on."""
        return bool(self.digits) or self.menu is not None

    def open(self, menu: Where, opener: str) -> None:
        """Let only the keys of a menu count, until ``back``, ``open`` or what opened it close it."""
        self.menu, self._opener = menu, opener

    def clear(self) -> bool:
        """Forget what was begun; whether there was anything."""
        was_pending = self.is_pending
        self.digits, self.menu = "", None
        return was_pending

    def press(self, key: str, registry: Registry) -> Pressed:
        """Take one key."""
        if self.menu is not None:
            return self._in_menu(key, registry)
        action = registry.find(self._where, key)
        if self._is_of_count(key, action):
            self.digits = (self.digits + key)[:_MOST_DIGITS]
            return Pressed()
        count = int(self.digits) if self.digits else None
        begun, self.digits = bool(self.digits), ""
        if begun and action is not None and action.id == "back":
            return Pressed()  # it took back the count
        return Pressed(action, count, is_known=begun or action is not None)

    def _is_of_count(self, key: str, action: Action | None) -> bool:
        if len(key) != 1 or not key.isdecimal() or not key.isascii():
            return False
        return bool(self.digits) or (key in _COUNT_STARTS and action is None)

    def _in_menu(self, key: str, registry: Registry) -> Pressed:
        menu = self.menu
        if menu is None:
            return Pressed()
        action = registry.find(menu, key)
        if action is not None:
            return Pressed(action)
        outside = registry.find(self._where, key)
        if outside is not None and outside.id in {"back", "quit", "open", self._opener}:
            self.menu = None
            return Pressed()
        return Pressed(is_known=False)
