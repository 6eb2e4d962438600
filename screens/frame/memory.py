"""Where a reviewer's console was when it was left: a small file, written whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.unfinished import unfinished

SHARED = "console.json"  # of all reviewers, as it was once: whoever comes first goes on from it
_LONGEST = 100
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """What is found again.

    Attributes
    ----------
    screen : str or None
        The name of the screen that was open.
    theme : str or None
    screens : mapping
        What each screen remembers of itself, by its name.
    """

    screen: str | None = None
    theme: str | None = None
    screens: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path, reviewer: str) -> "Memory":
        """What a reviewer's file says; nothing where it is missing, damaged or of another shape."""
        own = home / file_of(reviewer)
        try:
            with (own if own.exists() else home / SHARED).open("rb") as stream:
                found = json.loads(stream.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return cls()
        if not isinstance(found, dict):
            return cls()
        screens = found.get("screens")
        return cls(
            screen=_text(found.get("screen")),
            theme=_text(found.get("theme")),
            screens={
                str(name): state
                for name, state in (screens.items() if isinstance(screens, dict) else ())
                if isinstance(state, dict)
            },
        )

    def write(self, home: Path, reviewer: str) -> None:
        """Replace a reviewer's file.

        Raises
        ------
        OSError
        """
        text = json.dumps(
            {"screen": self.screen, "theme": self.theme, "screens": self.screens}, indent=1, allow_nan=False
        )
        with unfinished(home / file_of(reviewer)) as part:
            part.write_text(text, encoding="utf-8")
        (home / SHARED).unlink(missing_ok=True)


def file_of(reviewer: str) -> str:
    """The name of a reviewer's file, whatever is in the reviewer's name."""
    return f"console-{quote(reviewer, safe='', errors='replace')[:_LONGEST]}.json"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
