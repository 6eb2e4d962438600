"""Which rows are held out of a training: by the names of their fields alone, whatever is trained."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.training.calibration import HELD_OUT, is_held_out
from pipeline.training.examples import SIMULATED
from pipeline.training.splits import SHARED, named, together


class Related(Protocol):
    """Columns that say which rows belong together, each (n,) str."""

    @property
    def group(self) -> NDArray[np.str_]:
        """Of one object."""

    @property
    def night(self) -> NDArray[np.str_]:
        """Of one night."""

    @property
    def field(self) -> NDArray[np.str_]:
        """Of one field."""

    @property
    def source(self) -> NDArray[np.str_]:
        """Where they come from."""


def held_out(examples: Related, share: int = HELD_OUT) -> NDArray[np.bool_]:
    """Which examples are held out, with all that shares an object, a night or a field with them: (n,).

    What makes up more than half of a source other than the simulation is never held out: else hardly anything
    would be learnt of that source.

    Parameters
    ----------
    examples : Related
    share : int
        One field in so many is.
    """
    names = units(examples)
    held = is_held_out(names, share)
    for source in np.unique(examples.source[examples.source != SIMULATED]):
        own, counts = np.unique(names[examples.source == source], return_counts=True)
        held &= ~np.isin(names, own[counts > counts.sum() / 2])
    return held


def units(examples: Related) -> NDArray[np.str_]:
    """Of each row the first name among the fields that belong together with its own."""
    columns = named({name: getattr(examples, name) for name in SHARED})
    linked = together(columns, columns)
    order = np.lexsort((columns["field"], linked))
    _, first, inverse = np.unique(linked[order], return_index=True, return_inverse=True)
    names = np.empty(len(linked), dtype=columns["field"].dtype)
    names[order] = columns["field"][order][first][inverse]
    return names
