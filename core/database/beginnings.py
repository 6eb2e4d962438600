"""How names begin, whatever the case, as the indexes of names in lower case find it on each database.

SQLite sorts by characters. PostgreSQL sorts by the rules of a language, in which what begins alike need not
lie together, but has operators, and indexes made for them, that compare characters.
"""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, UnaryExpression, and_, func
from sqlalchemy.sql.operators import custom_op

_LAST = "\U0010ffff"  # no character comes after it


def begins(column: SQLColumnExpression[Any], start: str, dialect: str) -> ColumnElement[bool]:
    """A name begins with a text, as a range of its index."""
    lowered, first, last = func.lower(column), func.lower(start), func.lower(start + _LAST)
    if dialect == "postgresql":
        return and_(lowered.bool_op("~>=~")(first), lowered.bool_op("~<~")(last))
    return and_(lowered >= first, lowered < last)


def index_order(column: SQLColumnExpression[Any], dialect: str) -> ColumnElement[Any]:
    """The order of that index."""
    lowered = func.lower(column)
    if dialect == "postgresql":
        return UnaryExpression(lowered, modifier=custom_op("USING ~<~"))
    return lowered
