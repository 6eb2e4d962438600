"""What is wrong with a value of the settings, in words of somebody who writes settings."""

import re
from collections.abc import Mapping
from typing import Any

_TYPE = re.compile(r"\w+\[.*\]")  # such as tuple[float,float]
A_LIST = 'a list is written as ["a", "b"], of numbers as [1, 2]'
# What Pydantic says, and what somebody understands who knows nothing of it.
_PLAIN = {
    "Value error, ": "",  # before sentences of our own
    "Input should be a valid integer, unable to parse string as an integer": "a whole number is needed",
    "Input should be a valid integer, got a number with a fractional part": "a whole number is needed",
    "Input should be a valid number, unable to parse string as a number": "a number is needed",
    "Input should be": "it should be",
}


def key_parts(location: tuple[int | str, ...]) -> list[str]:
    """The key that an error is about; which of several types was tried is no part of it."""
    first, *others = map(str, location)
    return [first, *(part for part in others if _TYPE.fullmatch(part) is None)]


def plain_message(error: Mapping[str, Any]) -> str:
    """What is wrong; TOML and JSON have lists where Python has tuples."""
    if error["type"] in ("tuple_type", "list_type"):
        return A_LIST
    return in_plain_words(str(error["msg"]))


def in_plain_words(message: str) -> str:
    """A message of Pydantic in words of everybody."""
    for said, plain in _PLAIN.items():
        message = message.replace(said, plain)
    return message
