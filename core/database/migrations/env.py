"""Alembic runs this file; the connection, inside its transaction, comes from `core.database.migrations`."""

from typing import Any, Literal

from alembic import context
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from core.database import tables

assert tables  # imported to fill the metadata


def plain_string(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A migration names SQLAlchemy's types alone, so that it outlives SQLModel's."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    compare_type=True,
    render_item=plain_string,
)
context.run_migrations()
