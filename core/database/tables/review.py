"""What people say of it: verdicts, injected sources, who has what open."""

from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field

from core.database.tables.base import Stored


def tagged(dialect: str) -> str:
    """That a verdict has tags, as SQL: a query must say it like the index does, to the letter."""
    return "(tags)::text <> '[]'::text" if dialect == "postgresql" else "CAST(tags AS TEXT) <> '[]'"


class Verdict(Stored, table=True):
    """One human decision, or the retraction of one. Rows are appended, never changed.

    A bogus label judges the candidate that was shown; a real one judges its object too.
    """

    __tablename__ = "verdict"
    __table_args__ = (
        UniqueConstraint("session", "sequence"),
        Index(
            "ix_verdict_tagged",
            "sky_object_id",
            sqlite_where=text(tagged("sqlite")),
            postgresql_where=text(tagged("postgresql")),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    session: str = Field(index=True)  # one reviewer's sitting; the hash chain runs within it
    sequence: int
    reviewer: str = Field(index=True)
    candidate_id: int = Field(foreign_key="candidate.id", index=True)
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)
    label: str | None = None  # none on a retraction and on a bare note
    retracts_id: int | None = Field(default=None, foreign_key="verdict.id", index=True)
    note: str | None = None
    tags: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    shown: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: float
    previous_hash: str
    hash: str = Field(unique=True)


class InjectedSource(Stored, table=True):
    """A sky object that is none: a source drawn into copies of frames. Nothing but this tells what it is.

    From ``mjd`` on it is drawn into each frame that shows its place, until a verdict reveals it.
    """

    __tablename__ = "injected_source"

    sky_object_id: int = Field(primary_key=True, foreign_key="sky_object.id")
    reference_id: int = Field(foreign_key="reference.id", index=True)  # whose grid and unit of flux
    x: float  # where it truly is
    y: float
    ra: float | None = None
    dec: float | None = None
    mjd: float  # of the frame that it was first drawn into
    flux: float  # then; positive
    mag: float | None = None  # then
    mag_system: str | None = None
    mag_per_day: float  # by which it fades since then
    snr: float  # expected then
    host: str  # "galaxy" or "none"
    revealed_at: float | None = None
    verdict_id: int | None = Field(default=None, foreign_key="verdict.id")  # that revealed it


class Injection(Stored, table=True):
    """A source that was drawn into a copy of one frame, found or not. It betrays itself nowhere but here."""

    __tablename__ = "injection"

    id: int | None = Field(default=None, primary_key=True)
    observation_id: int = Field(foreign_key="observation.id", index=True)
    difference_id: int | None = Field(default=None, foreign_key="difference.id", index=True)
    candidate_id: int | None = Field(default=None, foreign_key="candidate.id", unique=True)
    sky_object_id: int | None = Field(default=None, foreign_key="sky_object.id", index=True)
    x: float
    y: float
    flux: float
    snr: float | None = None  # expected
    mag: float | None = None
    host: str | None = None  # "galaxy" or "none"
    found: bool | None = None


class SavedFilter(Stored, table=True):
    """A filter of the review queue, kept by name."""

    __tablename__ = "saved_filter"
    __table_args__ = (UniqueConstraint("reviewer", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    reviewer: str
    name: str
    expression: str
    created_at: float


class OpenCard(Stored, table=True):
    """The card that a sitting has before it: others are told, until the time is over."""

    __tablename__ = "open_card"

    session: str = Field(primary_key=True)
    reviewer: str
    sky_object_id: int = Field(foreign_key="sky_object.id", index=True)
    until: float


class Assignment(Stored, table=True):
    """The expert who was asked to look at a sky object."""

    __tablename__ = "assignment"

    sky_object_id: int = Field(primary_key=True, foreign_key="sky_object.id")
    expert: str = Field(index=True)
    assigned_by: str
    assigned_at: float
