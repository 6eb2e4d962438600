"""When transients were discovered, as tables of them write it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dates import parsed_mjd
from core.epochs import MJD_0


def days(values: NDArray[Any]) -> NDArray[np.float64]:
    """Dates such as ``2026-09-20 04:00:00`` as the MJD of their days, UTC; NaN where there is none."""
    if values.dtype.kind != "S":
        return np.full(len(values), np.nan)
    return np.array([_day(each) for each in values.tolist()], dtype=np.float64)


def written(mjd: float | None) -> str | None:
    """The date of a day (MJD), such as ``2026-09-20``."""
    return None if mjd is None else (MJD_0 + timedelta(days=mjd)).date().isoformat()


def _day(text: bytes) -> float:
    try:
        return parsed_mjd(text.strip()[:10].decode().replace("/", "-"))
    except ValueError:
        return float("nan")
