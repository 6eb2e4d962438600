"""What cannot be used of a file of alerts, and why."""

from __future__ import annotations

from dataclasses import dataclass


class PacketError(Exception):
    """Something in a file of alerts cannot be used; the message says what, in words that follow a name.

    Attributes
    ----------
    damaged : bool
        The file is broken or cannot be read: a person should look, or fetch it again. Else it is just
        not of use.
    """

    def __init__(self, message: str, *, damaged: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of a file that yields no alert.

    Attributes
    ----------
    where : str
        Which part: the entry of an archive, the place within a file; empty where it is all of it.
    """

    where: str
    reason: str
    damaged: bool = False

    @classmethod
    def of(cls, where: str, error: PacketError) -> Refused:
        """An error, and where it happened."""
        return cls(where, str(error), error.damaged)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason
