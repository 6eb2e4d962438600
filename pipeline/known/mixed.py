"""Catalogues of stars and galaxies in one table, such as the Legacy Surveys': which rows are of which kind.

Only words that mean one thing are gone by: numbers of types are a galaxy's stage in one catalogue and a star
in another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STARS = (b"PSF", b"STAR", b"STELLAR")
GALAXIES = (b"GALAXY", b"REX", b"EXP", b"DEV", b"SER", b"COMP", b"SIMP")  # profiles by which they were fitted
OTHERS = {"galaxies": ("stars", STARS), "stars": ("galaxies", GALAXIES)}


def of_the_other(kind: str, types: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows are galaxies in what is read as stars, or stars in what is read as galaxies.

    Parameters
    ----------
    kind : str
        As what the catalogue is read.
    types : (n,) array of bytes
        What it says of each row.
    """
    if kind not in OTHERS or types.dtype.kind != "S":
        return np.zeros(len(types), dtype=bool)
    return np.isin(np.char.upper(np.char.strip(types)), OTHERS[kind][1])
