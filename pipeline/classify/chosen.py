"""Which version of each model scores: the champion, else the one that comes with AstrID."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from pipeline.classify.shipped import SHIPPED

CHAMPION = "champion.json"
MOST_BYTES = 10_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A version of a model, by its folder and the digest that it must have."""

    folder: Path
    digest: str
    is_shipped: bool = False


def chosen(settings: Settings) -> dict[str, list[Choice]]:
    """The versions of each model that may score, the one that should first.

    ``home/models/NAME/champion.json`` names a champion: ``{"folder": ..., "digest": ...}``, the folder
    beside it or absolute. Cheap enough to be asked for every frame.
    """
    folder = settings.home / "models"
    names = list(SHIPPED)
    if folder.is_dir():
        names += sorted(each.name for each in folder.iterdir() if each.name not in SHIPPED and each.is_dir())
    found: dict[str, list[Choice]] = {}
    for name in names:
        choices = [_champion(folder / name)]
        if name in SHIPPED:
            choices.append(Choice(SHIPPED[name].folder, SHIPPED[name].digest, is_shipped=True))
        found[name] = [each for each in choices if each is not None]
    return {name: choices for name, choices in found.items() if choices}


def choose(settings: Settings, name: str, folder: Path, digest: str) -> None:
    """Make a version the champion, at once or not at all."""
    place = settings.home / "models" / name
    place.mkdir(parents=True, exist_ok=True)
    part = place / f"{CHAMPION}.part"
    part.write_text(json.dumps({"folder": str(folder), "digest": digest}), encoding="utf-8")
    part.replace(place / CHAMPION)


def _champion(place: Path) -> Choice | None:
    """What is named there; a file that says nothing sensible names a version that nothing can match."""
    path = place / CHAMPION
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_bytes()[:MOST_BYTES])
        folder, digest = str(said["folder"]), str(said["digest"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Choice(place / "unreadable", "")
    return Choice(place / folder, digest if _DIGEST.fullmatch(digest) else "")
