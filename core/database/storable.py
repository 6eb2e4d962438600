"""Values as both databases can keep them and give them back unchanged.

All that a store is given is made so as a statement is executed. Whoever compares a value with what is kept,
or takes a hash of it, makes it so first.
"""

import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

MOST_INDEXED = 2500  # bytes of a text
PLAIN = frozenset({int, bool, bytes, type(None)})


def storable(value: Any) -> Any:
    """The nearest value that both databases hold: in columns, and within JSON.

    Neither can hold a lone surrogate, PostgreSQL no NUL, JSON no number that is not finite (it becomes
    null), and neither driver knows the numbers of numpy.
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind in PLAIN:  # most values are: a candidate has dozens of them
        return value
    if isinstance(value, str):
        plain = str.encode(value, "utf-8", errors="replace").decode("utf-8")
        value = plain.replace("\0", "\N{REPLACEMENT CHARACTER}")
    elif isinstance(value, Mapping):
        value = {storable(str(key)): storable(inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        value = [storable(inner) for inner in value]
    elif isinstance(value, Integral):
        value = int(value)
    elif isinstance(value, Real):
        value = float(value) if math.isfinite(value) else None
    return value


def indexable(path: str) -> str:
    """A path as it is kept: storable, and its end alone where PostgreSQL's indexes could not hold it."""
    return str(storable(path)).encode()[-MOST_INDEXED:].decode(errors="ignore")


def storable_json(value: Any) -> str:
    """JSON of a value as both databases hold it."""
    return json.dumps(storable(value))


def storable_parameters(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _is_many: bool
) -> tuple[str, Any]:
    """What a statement is given, as both databases hold it: SQLAlchemy's event before it is executed."""
    if isinstance(parameters, list):  # a row each; what is said of many is also said of many rows in one
        return statement, [_each(row) for row in parameters]
    return statement, _each(parameters)


def _each(row: Any) -> Any:
    if isinstance(row, Mapping):
        return {name: storable(value) for name, value in row.items()}
    return tuple(storable(value) for value in row)
