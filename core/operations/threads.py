"""How many threads are used: by numerical libraries one, unless the environment says another number.

What AstrID gives them is small (stamps, tiles, a few hundred stars), and threads that wait for each other on
shared cores took twice the time that one needs alone. More frames at once are what more cores are for. The
U-Net's tiles are large enough to gain by threads, and get as many as the settings say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import Settings

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def usable_cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no such thing
        return os.cpu_count() or 1


def threads_of(settings: Settings, workers: int = 1) -> int:
    """How many threads a frame may take: as many as are set, or each worker's part of the cores."""
    return settings.run.threads or max(1, usable_cores() // workers)


def with_threads(settings: Settings, threads: int) -> Settings:
    """The same settings with another number of threads for a frame."""
    return settings.model_copy(update={"run": settings.run.model_copy(update={"threads": threads})})
