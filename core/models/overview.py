"""All models at a glance, for whoever lists them: versions without their scorecards, and which is in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import TrainedModel
from core.models import files, versions
from core.models.names import NAMES
from core.models.shipped import ShippedModelMissing, judged, shipped
from core.models.worth import in_short


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version, as it is listed. Text in it is as it came."""

    number: int
    created_at: float
    origin: str
    created_by: str
    digest: str
    training: str | None
    registry_version: str | None
    architecture: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model: its versions, the newest first, and which is and was in use; 0 came with AstrID.

    ``trouble`` says why the one in use cannot be used as it is, where its files are damaged or missing.
    """

    name: str
    in_use: int
    previous: int | None
    versions: tuple[VersionRow, ...] = ()
    trouble: str | None = None
    shipped: str = ""  # what the version that AstrID came with is worth, in short

    def use(self, number: int) -> str:
        """What a version is used for, in a word."""
        if number == self.in_use:
            return "champion"
        if number == self.previous:
            return "previous"
        is_newest = bool(self.versions) and number == self.versions[0].number
        return "challenger" if is_newest else ""


def overview(store: Store, home: Path) -> tuple[ModelRow, ...]:
    """All models, and whether the files of those in use are whole."""
    columns = (
        TrainedModel.name,
        TrainedModel.number,
        TrainedModel.created_at,
        TrainedModel.origin,
        TrainedModel.created_by,
        TrainedModel.digest,
        TrainedModel.training,
        TrainedModel.registry_version,
        TrainedModel.description,
    )
    query = select(*map(col, columns)).order_by(col(TrainedModel.name), col(TrainedModel.number).desc())
    found: dict[str, list[VersionRow]] = {name: [] for name in NAMES}
    with store.read() as session:
        for row in session.execute(query).all():
            found.setdefault(row.name, []).append(
                VersionRow(
                    row.number,
                    row.created_at,
                    row.origin,
                    row.created_by,
                    row.digest,
                    row.training,
                    row.registry_version,
                    str(row.description.get("architecture", "")),
                    _metrics(row.description),
                )
            )
    used = versions.in_use(store, found)
    return tuple(
        ModelRow(
            name,
            used[name].number,
            versions.previous(store, name),
            tuple(rows),
            files.champion_trouble(home, used[name]),
            shipped_worth(name),
        )
        for name, rows in found.items()
    )


@lru_cache(maxsize=len(NAMES))  # they lie beside the code, and a console asks every few seconds
def shipped_worth(name: str) -> str:
    """What the version that AstrID came with is worth, in short; empty where nothing is known."""
    try:
        came = shipped(name)
    except ShippedModelMissing:
        return ""
    trained = came.description.get("trained")
    return in_short(judged(name, came.digest), trained.get("metrics") if isinstance(trained, dict) else None)


def _metrics(description: Mapping[str, Any]) -> dict[str, float]:
    trained = description.get("trained")
    metrics = trained.get("metrics") if isinstance(trained, dict) else None
    if not isinstance(metrics, dict):
        return {}
    return {str(k): float(v) for k, v in metrics.items() if isinstance(v, int | float)}
