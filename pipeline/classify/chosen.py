"""Which files score: of each model the version in use, or the one that AstrID came with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.database.store import Store
from core.models import files, versions
from core.models.names import NAMES
from core.models.versions import SHIPPED
from core.settings import Settings

if TYPE_CHECKING:
    from core.models.versions import InUse

_HERE = Path(__file__).parent / "shipped"


def shipped_folder(name: str) -> Path:
    """Where the version that AstrID came with is; there may be none of a model."""
    return _HERE / name


def chosen(store: Store, settings: Settings) -> dict[str, tuple[Path, str | None]]:
    """The folder of each model and the digest that it must have, none for a shipped one.

    A quick question to the store: it is asked before every frame, so that a promotion counts from the
    next frame on. Models that AstrID came without are left out until one is promoted.
    """
    found = {}
    for name, used in versions.in_use(store, NAMES).items():
        folder = _folder(settings, used)
        if used.number != SHIPPED or folder.is_dir():
            found[name] = (folder, used.digest)
    return found


def of_version(store: Store, settings: Settings, name: str, number: int) -> tuple[Path, str | None]:
    """The same of one version, in use or not.

    Raises
    ------
    ModelUnknown
        There is no such version.
    """
    digest = None if number == SHIPPED else versions.version(store, name, number).digest
    return _folder(settings, versions.InUse(name, number, digest)), digest


def _folder(settings: Settings, used: InUse) -> Path:
    if used.digest is None:
        return shipped_folder(used.name)
    return files.folder_of(settings.home, used.digest)
