"""Where the console was when it was left: a small file, written whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.unfinished import unfinished

FILE = "console.json"
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
    def read(cls, home: Path) -> "Memory":
        """What the file says; nothing where it is missing, damaged or of another shape."""
        try:
            with (home / FILE).open("rb") as stream:
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

    def write(self, home: Path) -> None:
        """Replace the file.

        Raises
        ------
        OSError
        """
        text = json.dumps(
            {"screen": self.screen, "theme": self.theme, "screens": self.screens}, indent=1, allow_nan=False
        )
        with unfinished(home / FILE) as part:
            part.write_text(text, encoding="utf-8")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
