"""Which values a setting may have, whatever it is of: what clocks, files and other programs take."""

from typing import Any

from pydantic import SecretStr

MOST = 2**32  # of any number: 136 years in seconds, and what 32 bits of a camera hold


def usable(value: Any) -> Any:
    """A value of any setting, if it is one that clocks, files and other programs take.

    Raises
    ------
    ValueError
        It is beyond what any of them could mean, or text that none of them takes.
    """
    if isinstance(value, int | float) and abs(value) > MOST:
        raise ValueError(f"a number here is at most {MOST}")
    if "\0" in str(value.get_secret_value() if isinstance(value, SecretStr) else value):
        raise ValueError("text cannot hold the character NUL")
    if isinstance(value, dict):
        value = {usable(key): usable(inner) for key, inner in value.items()}
    elif isinstance(value, tuple):
        value = tuple(usable(inner) for inner in value)
    return value
