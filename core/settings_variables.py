"""Which variables of the environment settings come from, so that what is wrong is told by its name."""

import json
import os
from collections.abc import Container, Sequence


def stray_variable(sections: Container[str]) -> tuple[str, str] | None:
    """A variable of none of the sections, and what it takes for one.

    A typing error must not go for a setting. Within a section it is the section's own check that speaks.
    Others, without ``__``, are not ours alone.
    """
    for name in sorted(os.environ):
        section, nested, _ = name.upper().removeprefix("ASTRID_").partition("__")
        if nested and name.upper().startswith("ASTRID_") and section.lower() not in sections:
            return name, section.lower()
    return None


def variables_of(*parts: str) -> list[str]:
    """The variables of the environment that a key comes from, or keys below it."""
    wanted = ["ASTRID_" + parts[0].upper(), *(part.upper() for part in parts[1:])]
    found = []
    for name, value in os.environ.items():
        given = name.upper().split("__")
        if given[: len(wanted)] == wanted or (
            wanted[: len(given)] == given and _holds(value, parts[len(given) :])
        ):
            found.append(name)
    return sorted(found)


def _holds(text: str, keys: Sequence[str]) -> bool:
    """Whether a variable's JSON has a value under some keys."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    for key in keys:
        if isinstance(value, dict) and key not in value:
            return False
        value = value.get(key) if isinstance(value, dict) else None
    return True
