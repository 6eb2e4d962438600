"""Trained models and which of them are in use."""

from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field

from core.database.tables.base import Stored


class TrainedModel(Stored, table=True):
    """A version of a model that may be used, known by the digest of its files."""

    __tablename__ = "trained_model"
    __table_args__ = (UniqueConstraint("name", "number"), UniqueConstraint("name", "digest"))

    id: int | None = Field(default=None, primary_key=True)
    name: str  # such as "realbogus"
    number: int  # 1, 2, ... of this name
    digest: str  # SHA-256 of its `model.json`, which holds those of its other files
    origin: str  # "training" or "import"
    created_at: float
    created_by: str
    training: str | None = Field(default=None, index=True)  # the key of the training it came from
    description: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    scorecard: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    registry_run: str | None = None  # MLflow's
    registry_version: str | None = None


class Promotion(Stored, table=True):
    """From when on a version of a model is in use. Rows are only added."""

    __tablename__ = "promotion"
    __table_args__ = (Index("ix_promotion_newest", "name", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str
    number: int  # 0: the version that AstrID came with
    previous: int  # the one in use until then
    kind: str  # "promote" or "rollback"
    reason: str | None = None
    promoted_by: str
    promoted_at: float
