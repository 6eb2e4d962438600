"""Who may read and write a file that was just made: those who may another, and never more."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def give_as(path: Path, like: os.stat_result) -> None:
    """Let those use a file who may use another, as far as this login can give it to them.

    Its own owner may always read and write it. Where it cannot have the other's group, a group may do no
    more with it than anybody.

    Parameters
    ----------
    path : Path
        A file of this login's.
    like : os.stat_result
        Of the other file.

    Raises
    ------
    OSError
    """
    with suppress(PermissionError):
        os.chown(path, -1, like.st_gid)
    with suppress(PermissionError):  # an administrator's alone
        os.chown(path, like.st_uid, -1)
    mode = stat.S_IMODE(like.st_mode) & 0o666
    if path.stat().st_gid != like.st_gid:
        mode &= ~0o070 | (mode & 0o007) << 3
    path.chmod(mode | 0o600)


def share_as_folder(path: Path) -> None:
    """Let the group of the folder it is in use a file or folder of this login's, where the folder lets them.

    Nothing is changed where that is not this login's to change.
    """
    within, found = path.parent.stat(), path.lstat()
    if not within.st_mode & stat.S_IWGRP or found.st_uid != os.geteuid():
        return
    if stat.S_ISDIR(found.st_mode):
        shared = stat.S_ISGID | 0o070
    elif stat.S_ISREG(found.st_mode):
        shared = 0o060
    else:
        return
    with suppress(PermissionError):
        os.chown(path, -1, within.st_gid)
        path.chmod(stat.S_IMODE(found.st_mode) | shared)
