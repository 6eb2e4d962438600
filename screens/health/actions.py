"""What can be done on the health screen, beyond what works on all of them."""

from screens.action import Action

ACTIONS: tuple[Action, ...] = ()
