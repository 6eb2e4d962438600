"""How much room AstrID's store and its other files take, by kind, and what of it nobody needs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import InstrumentedAttribute
from sqlmodel import Session

from core.database.engine import parse_url
from core.database.store import Store
from core.database.tables import Cutout, ScoreMap, Thumbnail
from core.settings import Settings
from core.unfinished import sweep

# Images in the store; what else is in it are facts, verdicts and indexes.
CUTOUTS, MAPS = "cutouts", "maps of significance"
ONE_OF = {CUTOUTS: "cutout", MAPS: "map of significance"}
IMAGES: dict[str, Any] = {
    CUTOUTS: Cutout.pixels,
    "thumbnails of frames": Thumbnail.pixels,
    MAPS: ScoreMap.blocks,
}
FREE = "free inside the store's file"
FACTS = "facts, verdicts and indexes"
# Folders of AstrID's home, by what they hold; what else is in it is told together.
FOLDERS = {
    "references": "references",
    "masters": "calibration frames",
    "catalogs": "catalogues",
    "models": "models",
    "mlflow": "records of trainings (MLflow)",
    "trainings": "records of trainings",
    "training": "fields for trainings",
    "examples": "examples for trainings",
    "measured": "measured cutouts, for searches",
    "logs": "logs",
}
OTHER = "other files in AstrID's home"


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of what is kept.

    Attributes
    ----------
    what : str
    size : int
        Bytes.
    count : int
        Rows of the store, or files.
    in_store : bool
        Else they are files in AstrID's home.
    """

    what: str
    size: int
    count: int
    in_store: bool

    def record(self) -> dict[str, Any]:
        """What is told to scripts."""
        facts = asdict(self)
        return {"what": facts["what"], "bytes": facts["size"]} | {
            key: facts[key] for key in ("count", "in_store")
        }


def kept(settings: Settings, store: Store) -> list[Kept]:
    """All kinds there are: those in the store, then those beside it, each the largest first."""
    return [*in_store(settings, store), *in_home(settings)]


def in_store(settings: Settings, store: Store) -> list[Kept]:
    """What the store holds; all of it together is what it takes on the disk."""
    with store.read() as db:
        if store.is_postgresql:
            total = int(db.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        else:
            total = sum(_size(path) for path in _files_of(settings))
        found = [_images(db, what, column) for what, column in IMAGES.items()]
        found.append(Kept(FREE, free_in_file(db) or 0, 0, True))
    rest = max(total - sum(each.size for each in found), 0)
    return _ordered([*found, Kept(FACTS, rest, 0, True)])


def free_in_file(db: Session) -> int | None:
    """Bytes inside SQLite's file that hold nothing and are filled before it grows; None of a server's."""
    if db.get_bind().dialect.name == "postgresql":
        return None
    pages, size = (
        int(db.execute(text(f"PRAGMA {name}")).scalar_one()) for name in ("freelist_count", "page_size")
    )
    return pages * size


def in_home(settings: Settings) -> list[Kept]:
    """What AstrID's home holds beside a store of SQLite's; folders of others are not followed."""
    mine = {path.resolve() for path in _files_of(settings)}
    sizes: dict[str, list[int]] = {}
    for folder, _, names in os.walk(settings.home):
        parts = Path(folder).relative_to(settings.home).parts
        what = FOLDERS.get(parts[0], OTHER) if parts else OTHER
        for name in names:
            path = Path(folder, name)
            if path.resolve() not in mine:
                sizes.setdefault(what, []).append(_size(path))
    return _ordered([Kept(what, sum(each), len(each), False) for what, each in sizes.items()])


def sweep_home(home: Path) -> list[Path]:
    """Remove what killed programs left half written in AstrID's home, nothing that is in hand: which."""
    folders = [home / "health", *(home / name for name in FOLDERS if name != "mlflow")]
    within = [each for folder in folders if folder.is_dir() for each in folder.iterdir() if each.is_dir()]
    return sweep([home, *folders, *within])


def _images(db: Session, what: str, column: InstrumentedAttribute[bytes]) -> Kept:
    # Neither database reads a blob for its length.
    count, size = db.execute(select(func.count(), func.sum(func.length(column)))).one()
    return Kept(what, int(size or 0), int(count), True)


def _files_of(settings: Settings) -> list[Path]:
    """The files of a store of SQLite's."""
    place = parse_url(settings.store_url)
    if place.get_backend_name() != "sqlite":
        return []
    file = Path(str(place.database))
    return [file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # it is not there, or was taken away a moment ago
        return 0


def _ordered(found: list[Kept]) -> list[Kept]:
    return sorted((each for each in found if each.size or each.count), key=lambda each: -each.size)
