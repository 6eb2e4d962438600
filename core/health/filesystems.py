"""Which kind of file system a path is on, as far as the kernel tells."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")

# Other machines write to these too: the kernel's locks and shared memory end at this one.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "coda"}
    | {"ceph", "lustre", "gpfs", "glusterfs", "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2"}
    | {f"fuse.{name}" for name in ("sshfs", "glusterfs", "s3fs", "rclone", "ceph", "davfs", "juicefs")}
)


def kind_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The name of the file system that holds a path, or its nearest parent that exists; none: not known.

    Parameters
    ----------
    path : Path
    mounts : Path
        The kernel's table, as ``/proc/self/mountinfo`` has it.
    """
    try:
        place = next((each for each in (path, *path.parents) if each.exists()), Path("/")).resolve()
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    kind: str | None = None
    depth = -1
    for line in lines:
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        at = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # Of several on one place the last covers the others.
        if place.is_relative_to(at) and len(at.parts) >= depth:
            kind, depth = after.split(" ")[0], len(at.parts)
    return kind


def is_network(kind: str | None) -> bool:
    """Whether a file system is reached over a network."""
    return kind in _NETWORK
