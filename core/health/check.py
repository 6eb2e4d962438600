"""What one health check found, and the words that checks share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
    state : {"ok", "warning", "failed", "unknown"}
        ``unknown``: it could not be told, which is no trouble by itself.
    message : str
        One sentence. It may hold text from outside.
    cause : str
        What tells one trouble of a check from another, such as the run it is about.
    host : str
        The machine it is about; empty where it is the whole store.
    """

    name: str
    state: State
    message: str
    cause: str = ""
    host: str = ""

    @property
    def is_trouble(self) -> bool:
        """Somebody should know."""
        return self.state in {"warning", "failed"}

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def ago(seconds: float) -> str:
    """A length of time, as coarsely as people speak of it."""
    seconds = max(seconds, 0.0)
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def number(count: int, what: str) -> str:
    """How many; none are told as ``no``."""
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
