"""Values as both databases can keep them and give them back unchanged."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any


def storable(value: Any) -> Any:
    """The nearest value that both databases hold: in columns, and within JSON.

    Neither can hold a lone surrogate, PostgreSQL no NUL, JSON no number that is not finite (it becomes
    null), and neither driver knows the numbers of numpy.
    """
    if isinstance(value, str):
        plain = str.encode(value, "utf-8", errors="replace").decode("utf-8")
        value = plain.replace("\0", "\N{REPLACEMENT CHARACTER}")
    elif isinstance(value, Mapping):
        value = {storable(str(key)): storable(inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        value = [storable(inner) for inner in value]
    elif isinstance(value, Integral) and not isinstance(value, bool):
        value = int(value)
    elif isinstance(value, Real) and not isinstance(value, bool):
        value = float(value) if math.isfinite(value) else None
    return value
