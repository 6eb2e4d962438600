"""Which configuration file is in force. Nothing heavy is imported: the console asks before it starts."""

import os
import stat
from pathlib import Path

import platformdirs

HERE = Path("config.toml")
CONFIG_VARIABLE = "ASTRID_CONFIG"


def find_file(explicit: Path | None = None) -> Path | None:
    """The configuration file in force: the given one, ``$ASTRID_CONFIG``, ``./config.toml``, the user's."""
    if explicit is not None:
        return explicit
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    for path in (HERE, Path(platformdirs.user_config_dir("astrid")) / "config.toml"):
        if path.is_file():
            return path
    return None


def may_be_anybodys(path: Path) -> bool:
    """Whether a configuration file that nobody named may have been written by another user.

    One is found in whatever folder one stands in, be that one of data which others write into.
    """
    if path != HERE or os.environ.get(CONFIG_VARIABLE):
        return False
    facts = path.stat()
    return facts.st_uid not in {0, os.geteuid()} or bool(facts.st_mode & stat.S_IWOTH)
