"""Which variables of the environment settings come from, so that what is wrong is told by its name."""

import json
import os
import re
from collections.abc import Collection, Sequence

_PREFIX = "ASTRID_"
# What Kubernetes and Docker set in a container beside a service that is called astrid-queue.
_OF_A_SERVICE = re.compile(r"(SERVICE_HOST|SERVICE_PORT|PORT)(_|$)")


def stray_variable(sections: Collection[str]) -> str | None:
    """What is wrong with a variable that names no section, or a key of one with too few underscores.

    A typing error must not go for a setting. Within a section it is the section's own check that speaks.
    Others are not ours alone.
    """
    for name in sorted(os.environ):
        if not name.upper().startswith(_PREFIX):
            continue
        section, nested, _ = name.upper().removeprefix(_PREFIX).partition("__")
        if not nested:
            if meant := _meant(section, sections):
                return f"{name} in the environment sets nothing: did you mean {meant}?"
        elif section.lower() not in sections:
            return f"{name} in the environment: there is no section '{section.lower()}'"
    return None


def _meant(rest: str, sections: Collection[str]) -> str | None:
    """The variable that would set something, where one with a single underscore begins as a section."""
    section, single, key = rest.partition("_")
    if not single or not key or section.lower() not in sections or _OF_A_SERVICE.match(key):
        return None
    return f"{_PREFIX}{section}__{key}"


def variables(sections: Collection[str]) -> list[str]:
    """The variables that set something of some sections, by name alone: a value may be a password."""
    return sorted(
        name
        for name, value in os.environ.items()
        if name.upper().startswith(_PREFIX)
        and name.upper().removeprefix(_PREFIX).partition("__")[0].lower() in sections
        and value
    )


def variables_of(*parts: str) -> list[str]:
    """The variables of the environment that a key comes from, or keys below it."""
    wanted = [_PREFIX + parts[0].upper(), *(part.upper() for part in parts[1:])]
    found = []
    for name, value in os.environ.items():
        given = name.upper().split("__")
        if given[: len(wanted)] == wanted or (
            wanted[: len(given)] == given and _holds(value, parts[len(given) :])
        ):
            found.append(name)
    return sorted(found)


def too_deep() -> list[str]:
    """The variables of ours whose JSON is nested deeper than it can be read."""
    found = []
    for name, value in os.environ.items():
        try:
            json.loads(value if name.upper().startswith(_PREFIX) else "0")
        except RecursionError:
            found.append(name)
        except ValueError:
            continue
    return sorted(found)


def _holds(text: str, keys: Sequence[str]) -> bool:
    """Whether a variable's JSON has a value under some keys."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    for key in keys:
        if isinstance(value, dict) and key not in value:
            return False
        value = value.get(key) if isinstance(value, dict) else None
    return True
