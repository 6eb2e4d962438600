"""What is wrong with a value of the settings, in words of somebody who writes settings."""

from collections.abc import Mapping
from typing import Any

A_LIST = 'a list is written as ["a", "b"], of numbers as [1, 2]'
_BEFORE = "Value error, "  # what Pydantic puts before sentences of our own


def key_parts(location: tuple[int | str, ...]) -> list[str]:
    """The key that an error is about; which of several types was tried is no part of it."""
    return [str(part) for part in location if "[" not in str(part)]


def plain_message(error: Mapping[str, Any]) -> str:
    """What is wrong; TOML and JSON have lists where Python has tuples."""
    if error["type"] in ("tuple_type", "list_type"):
        return A_LIST
    return without_prefix(str(error["msg"]))


def without_prefix(message: str) -> str:
    """A message without what Pydantic says before it."""
    return message.replace(_BEFORE, "")
