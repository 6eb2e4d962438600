"""Which configuration file is in force. Nothing heavy is imported: the console asks before it starts."""

import os
from pathlib import Path

import platformdirs


def find_file(explicit: Path | None = None) -> Path | None:
    """The configuration file in force: the given one, ``$ASTRID_CONFIG``, ``./config.toml``, the user's."""
    if explicit is not None:
        return explicit
    if named := os.environ.get("ASTRID_CONFIG"):
        return Path(named)
    for path in (Path("config.toml"), Path(platformdirs.user_config_dir("astrid")) / "config.toml"):
        if path.is_file():
            return path
    return None
