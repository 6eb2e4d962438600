"""Files that find no room: on a full disk, within a quota, or within what a file may hold."""

import errno
from pathlib import Path

WORDS = {
    errno.ENOSPC: "the disk is full; make room there",
    errno.EDQUOT: "the quota of that disk is used up; make room there",
    errno.EFBIG: "no file may be so large; allow for more (`ulimit -f`)",
}
_BLOCK, _BLOCKS = 2**16, 16  # bytes, and how many are tried


def no_room(error: OSError) -> str | None:
    """What was in the way and what to do, in words; none where the system refused for another reason."""
    return WORDS.get(error.errno or 0)


def refusal_of(path: Path) -> int | None:
    """The number by which the system refuses to make a file longer; none where it lets one.

    Libraries lose it: astropy and NumPy tell how many bytes they wrote and no more.

    Parameters
    ----------
    path : Path
        Made longer, and of no use afterwards.
    """
    try:
        with path.open("ab", buffering=0) as file:
            for _ in range(_BLOCKS):
                file.write(bytes(_BLOCK))
    except OSError as error:
        return error.errno
    return None
