"""The catalogues of AstrID's home: what there is, and how it is opened and removed.

Each is a folder of ``catalogs``, named by its content; `catalog.json` in it says what it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.catalogs.build import UNFINISHED, sweep
from core.catalogs.coverage import Coverage
from core.catalogs.zones import ZoneTable
from core.epochs import DAYS_PER_YEAR, J2000_MJD
from core.errors import AstridError
from core.text import safe_text

VERSION = 1  # of the layout
KINDS = ("stars", "variables", "galaxies", "transients", "orbits")


class CatalogError(AstridError):
    """A catalogue is not there, or cannot be used."""


@dataclass(frozen=True, slots=True)
class Part:
    """Sources of one catalogue that matter about equally far from their places."""

    table: ZoneTable
    motion_mas: float  # the most that any moves in a year
    size_arcsec: float  # half the size of the largest


@dataclass(frozen=True)
class Catalog:
    """One catalogue.

    Attributes
    ----------
    key : str
        Its folder's name.
    epoch : float or None
        Of its positions, in Julian years; none where it does not say.
    file, content : str
        The file it was made from, and the SHA-256 of that.
    skipped : int
        Rows of the file without a position.
    bands : tuple of str
        Of its magnitudes, the main one first; ``mag`` is one of an unknown band.
    mag_system : str or None
        Such as ``ab`` or ``vega``, where that is known.
    """

    folder: Path
    key: str
    name: str
    kind: str
    epoch: float | None
    file: str
    content: str
    rows: int
    skipped: int
    bands: tuple[str, ...]
    mag_system: str | None
    created_at: float
    facts: dict[str, Any] = field(repr=False)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Its tables; none of a catalogue of orbits."""
        return tuple(
            Part(
                ZoneTable(self.folder / f"part{number}"), float(one["motion_mas"]), float(one["size_arcsec"])
            )
            for number, one in enumerate(self.facts.get("parts", []))
        )

    @cached_property
    def coverage(self) -> Coverage:
        """Where it has looked."""
        told = self.facts.get("coverage") or {"how": "unknown"}
        cone = told.get("cone")
        cells = np.load(self.folder / "cells.npy") if told["how"] == "rows" else None
        return Coverage(
            str(told["how"]),
            (float(cone[0]), float(cone[1]), float(cone[2])) if cone else None,
            told.get("cell_deg"),
            cells,
        )

    def years_to(self, mjd: NDArray[np.float64]) -> NDArray[np.float64]:
        """Years from its epoch to some times; 0 where it has no epoch."""
        if self.epoch is None:
            return np.zeros(len(mjd))
        return np.asarray(2000.0 + (mjd - J2000_MJD) / DAYS_PER_YEAR - self.epoch)

    def record(self) -> dict[str, Any]:
        """What it is, as JSON can hold it."""
        told = ("name", "kind", "epoch", "file", "content", "rows", "skipped", "mag_system", "created_at")
        covers = dict(self.facts.get("coverage") or {})
        return {name: getattr(self, name) for name in told} | {
            "key": self.key,
            "bands": list(self.bands),
            "coverage": covers,
            "bytes": sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()),
        }


class Library:
    """All catalogues of one home; looked for anew at each `catalogs`, opened once.

    Parameters
    ----------
    home : Path
        AstrID's.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "catalogs"
        self._open: dict[str, Catalog] = {}

    def catalogs(self, *kinds: str) -> list[Catalog]:
        """The catalogues of some kinds, or all, by name.

        Raises
        ------
        CatalogError
            One is damaged.
        """
        names = {path.name for path in self.folder.glob("*") if not path.name.startswith(".")}
        self._open = {name: self._open.get(name) or _opened(self.folder / name) for name in sorted(names)}
        found = [each for each in self._open.values() if not kinds or each.kind in kinds]
        return sorted(found, key=lambda each: (each.name, each.key))

    def named(self, name: str) -> Catalog:
        """A catalogue by its name or key.

        Raises
        ------
        CatalogError
        """
        found = [each for each in self.catalogs() if name in {each.name, each.key}]
        if not found:
            raise CatalogError(
                f"there is no catalogue '{safe_text(name, 60)}': `astrid catalog list` lists them"
            )
        return found[0]

    def remove(self, name: str) -> Catalog:
        """Remove a catalogue: it is gone for others at once, and its files a moment later.

        Raises
        ------
        CatalogError
        """
        found = self.named(name)
        grave = self.folder / f"{UNFINISHED}{uuid.uuid4().hex}"
        try:
            found.folder.rename(grave)
            (grave / "lock").touch()
            shutil.rmtree(grave)
        except OSError as error:
            raise CatalogError(f"cannot remove {found.folder}: {error.strerror or error}") from error
        self._open.pop(found.key, None)
        sweep(self.folder)
        return found

    def state(self, *what: object) -> str:
        """A short hash of all catalogues that are there, and of what else decides a match."""
        keys = [each.key for each in self.catalogs()]
        return hashlib.sha256(json.dumps([keys, what], default=str, sort_keys=True).encode()).hexdigest()[:16]


def _opened(folder: Path) -> Catalog:
    try:
        facts = json.loads((folder / "catalog.json").read_text(encoding="utf-8"))
        if facts["version"] != VERSION:
            raise CatalogError(
                f"the catalogue in {folder} has layout {facts['version']}, this program reads {VERSION}:"
                " remove its folder and add it again"
            )
        return Catalog(
            folder=folder,
            key=folder.name,
            name=str(facts["name"]),
            kind=str(facts["kind"]),
            epoch=None if facts["epoch"] is None else float(facts["epoch"]),
            file=str(facts["file"]),
            content=str(facts["content"]),
            rows=int(facts["rows"]),
            skipped=int(facts["skipped"]),
            bands=tuple(facts["bands"]),
            mag_system=facts["mag_system"],
            created_at=float(facts["created_at"]),
            facts=facts,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            f"the catalogue in {folder} is damaged ({error}): remove its folder and add it again"
        ) from error
