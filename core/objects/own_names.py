"""The names that AstrID gives objects, with their blanks and without.

``AID J102847.67-202506.4`` is one word only where it is quoted: a shell offers, and a person may write,
``AIDJ102847.67-202506.4``.
"""

import re

_PLACE = re.compile("[XY]")  # of a name on a reference's grid, as in AID R3 X0120.5 Y0044.0


def without_blanks(name: str) -> str:
    """A name as one word, where it is one of AstrID's own; others as they are."""
    return name.replace(" ", "") if name.startswith("AID ") else name


def with_blanks(text: str) -> str:
    """A name, or how it begins, as AstrID keeps it, where it was written as one word; others as they are."""
    if text.startswith("AIDJ"):
        return f"AID {text[3:]}"
    if text.startswith("AIDR"):
        return f"AID {_PLACE.sub(lambda match: f' {match[0]}', text[3:])}"
    return text
