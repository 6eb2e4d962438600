"""The settings that are needed before the first frame: whether the mouse is asked for, and the theme.

A theme that is chosen only once the store is open would flash a bright screen in a dark dome. The
settings proper are read in a thread later, and judged there; what cannot be read here is left to them.
"""

import os
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from core.login import login_name
from core.settings_file import find_file
from screens.frame.memory import Memory
from screens.terminal import Terminal
from screens.themes import THEMES


@dataclass(frozen=True, slots=True)
class Early:
    """What is known before anything is shown."""

    mouse: bool
    theme: str


def read_early(settings_path: Path | None, terminal: Terminal) -> Early:
    """Read it: the environment wins over the file, and what the last console was left with over both."""
    table = _table(find_file(settings_path))
    mouse = os.environ.get("ASTRID_CONSOLE__MOUSE") or _value(table, "console", "mouse")
    theme = os.environ.get("ASTRID_REVIEW__THEME") or _value(table, "review", "theme")
    if _value(table, "console", "resume") is not False:
        theme = Memory.read(_home(table), _reviewer(table)).theme or theme
    return Early(
        mouse=mouse == "on" or (mouse != "off" and not terminal.is_remote),
        theme=theme if isinstance(theme, str) and theme in THEMES else "dark",
    )


def _home(table: dict[str, Any]) -> Path:
    home = os.environ.get("ASTRID_HOME") or table.get("home")
    if not isinstance(home, str) or not home:
        return Path(platformdirs.user_data_dir("astrid"))
    with suppress(RuntimeError):  # no such user: the settings say so
        return Path(home).expanduser()
    return Path(home)


def _reviewer(table: dict[str, Any]) -> str:
    named = os.environ.get("ASTRID_REVIEW__REVIEWER") or _value(table, "review", "reviewer")
    return named if isinstance(named, str) and named else login_name()


def _value(table: dict[str, Any], section: str, key: str) -> object:
    found = table.get(section)
    return found.get(key) if isinstance(found, dict) else None


def _table(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
