"""What to call frames of which several have one file name: cameras use theirs again every night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

Ends = Mapping[Path, str]


def ends_of(paths: Iterable[Path]) -> dict[Path, str]:
    """By path the end of it that tells its file from the others: its name, or as many folders as it takes."""
    whole = {path: path.absolute().parts for path in paths}
    ends: dict[tuple[str, ...], str] = {}
    left, count = set(whole.values()), 1
    while left:
        often = Counter(parts[-count:] for parts in left)
        settled = {parts for parts in left if often[parts[-count:]] == 1}
        ends |= {parts: str(Path(*parts[-count:])) for parts in settled}
        left -= settled
        count += 1
    return {path: ends[parts] for path, parts in whole.items()}


def called(name: str, path: Path, ends: Ends) -> str:
    """The name of an image of a file, told from those of the others."""
    return ends[path] + name.removeprefix(path.name)


def file_part(name: str) -> str:
    """The name of an image by itself, however it was told from others."""
    return name.rsplit("/", 1)[-1]
