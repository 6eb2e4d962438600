"""Simulated fields that are kept from training to training, and which of them none could use any more."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.training import label_fields
from pipeline.training.detected import kept_as
from pipeline.training.fields import VERSION

EXAMPLES, SCORED, TRAINING = "examples", "scored", "training"  # folders of the home
WINDOWS = "labels"  # of labelled frames, within that of the trainings
UNUSED_S = 30 * 86400.0  # labels may have changed, and windows of them are made by other names then
# As they are named, and as earlier versions of AstrID named them.
_DETECTED = re.compile(r"(?:seen|scored|fields|shown|told)(?:-(?:\d+|[0-9a-f]{12}|none))+\.np[yz]")
_WHOLE = re.compile(r"(?:field(?:-[0-9a-f]{12})?|frames-[0-9a-f]{12})-(?P<version>\d+)-\d+-\d{7}\.npz")


def outdated(home: Path, networks: Collection[str] | None) -> Iterator[Path]:
    """Files of fields that another version of AstrID drew, or that a U-Net saw which is not here any more;
    and windows of labelled frames that no training used for a month, but those that one goes on with.

    Parameters
    ----------
    home : Path
    networks : collection of str, optional
        Digests of the U-Nets that are here; none: they are not known, and any may be.
    """
    usable = (f"seen-{VERSION}-",) if networks is None else tuple(map(kept_as, (None, *networks)))
    for folder in (home / EXAMPLES, home / EXAMPLES / SCORED):
        for path in folder.glob("*.np[yz]"):
            if _DETECTED.fullmatch(path.name) and not path.name.startswith(usable):
                yield path
    for path in (home / TRAINING).glob("fields-*/*.npz"):
        told = _WHOLE.fullmatch(path.name)
        if told is not None and int(told["version"]) != VERSION:
            yield path
    needed = _needed(home)
    for path in (home / TRAINING / WINDOWS).glob("label-*.npz"):
        if path.name not in needed and _is_unused(path):
            yield path


def _is_unused(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > UNUSED_S
    except OSError:  # another training that ended has removed it
        return False


def _needed(home: Path) -> set[str]:
    """Windows that a training which was stopped began with: verdicts may have changed since."""
    needed: set[str] = set()
    for checkpoint in (home / TRAINING).glob("unet-*.safetensors"):
        begun = checkpoint.with_suffix(".json")
        if (found := label_fields.kept(begun, home / TRAINING / WINDOWS)) is not None:
            needed.update(each.name for each in (*found.learnt, *found.held_out))
    return needed


def remove_outdated(home: Path, networks: Collection[str] | None) -> int:
    """Remove them; how many bytes that freed. What this login may not remove stays."""
    freed = 0
    for path in outdated(home, networks):
        with suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            freed += size
    return freed
