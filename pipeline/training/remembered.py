"""Which objects and nights a model was trained on, so that no part of them ever judges it.

Beside its weights a model keeps sorted numbers, 48 bits of the SHA-256 of each name: eight bytes an object,
and no name. Two names have one number by chance in four of a million comparisons of 10,000 with 100,000.
Objects of a simulated field are in that field alone: it is the field that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.text import safe_text
from pipeline.training.examples import SIMULATED, Examples
from pipeline.training.splits import Columns, LeakingSplit, group_digest

Arrays = Mapping[str, NDArray[Any]]
Numbers = NDArray[np.int64]

PREFIX = "seen."
OBJECTS = f"{PREFIX}objects"
NIGHTS = f"{PREFIX}nights"
COMPARED = ((OBJECTS, "group", "object"), (NIGHTS, "night", "night"), (NIGHTS, "field", "field"))


def numbers(names: Iterable[object]) -> Numbers:
    """Of names, sorted and each once; those that are empty say nothing."""
    return np.array(sorted({_number(name) for name in names if str(name)}), dtype=np.int64)


def seen(examples: Examples, before: Arrays | None = None) -> dict[str, Numbers]:
    """What a model keeps of the examples that it was trained, chosen and calibrated on.

    Parameters
    ----------
    examples : Examples
    before : mapping of str to array, optional
        Of the model that the training began with: what that was trained on counts too.
    """
    found = {
        OBJECTS: numbers(np.unique(examples.group[examples.source != SIMULATED])),
        NIGHTS: numbers([*np.unique(examples.night), *np.unique(examples.field)]),
    }
    for name, kept in (before or {}).items():
        if name in found:
            found[name] = np.union1d(found[name], kept.astype(np.int64))
    return found


def weights_of(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Those that a network is made of."""
    return {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}


def known(arrays: Arrays, columns: Columns) -> NDArray[np.bool_] | None:
    """Which rows are of an object, night or field that a model was trained on; none where it does not say.

    Parameters
    ----------
    arrays : mapping of str to array
        The model's.
    columns : mapping
        With ``group``, ``night`` and ``field``.
    """
    if not {kept for kept, _, _ in COMPARED} <= set(arrays):
        return None
    found = np.zeros(len(columns["group"]), dtype=bool)
    for kept, column, _ in COMPARED:
        names, inverse = np.unique(columns[column], return_inverse=True)
        trained = set(arrays[kept].tolist())
        found |= np.array([bool(name) and _number(name) in trained for name in names.tolist()])[inverse]
    return found


def refuse(arrays: Arrays, test: Columns, what: str) -> None:
    """Refuse examples of objects, nights or fields that a model was trained on.

    Parameters
    ----------
    arrays : mapping of str to array
        The model's.
    test : mapping
        With ``group``, ``night`` and ``field``.
    what : str
        Which model, for the message.

    Raises
    ------
    LeakingSplit
        It names the first row.
    """
    for kept, column, noun in COMPARED:
        if kept not in arrays:
            continue
        names, first = np.unique(test[column], return_index=True)
        trained = set(arrays[kept].tolist())
        rows = [
            row
            for name, row in zip(names.tolist(), first.tolist(), strict=True)
            if name and _number(name) in trained
        ]
        if rows:
            name = safe_text(str(test[column][min(rows)]))
            raise LeakingSplit(
                f"row {min(rows)} of what judges is of {noun} {name}, which {what} was trained on"
            )


def _number(name: object) -> int:
    return int(group_digest(str(name)), 16)
