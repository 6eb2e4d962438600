"""The one setting that is needed before the first frame: whether the mouse is asked for.

The settings proper are read in a thread later, and judged there; here whatever cannot be read is left
to them.
"""

import os
import tomllib
from pathlib import Path

from core.settings_file import find_file
from screens.terminal import Terminal


def mouse_wanted(settings_path: Path | None, terminal: Terminal) -> bool:
    """Whether mouse events are asked of the terminal: as set, else not over SSH."""
    wish = os.environ.get("ASTRID_CONSOLE__MOUSE") or _in_file(settings_path)
    return wish == "on" or (wish != "off" and not terminal.is_remote)


def _in_file(settings_path: Path | None) -> object:
    path = find_file(settings_path)
    if path is None:
        return None
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("console")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return table.get("mouse") if isinstance(table, dict) else None
