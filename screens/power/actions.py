"""What can be done on the power screen, beyond what works on all of them."""

from screens.action import Action, Where, no_store

ACTIONS: tuple[Action, ...] = (
    Action(
        "power:longer", ("minus",), "longer", "a longer time in the plot", Where.POWER, "Power", 5,
        why_disabled=no_store,
    ),
    Action(
        "power:shorter", ("plus", "equals_sign"), "shorter", "a shorter time in the plot", Where.POWER,
        "Power", 5, why_disabled=no_store,
    ),
)  # fmt: skip
