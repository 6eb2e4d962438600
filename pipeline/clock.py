"""What each stage of one attempt took, and how it ended."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.frames.outcome import StageRecord
from pipeline.energy.meter import Begin, unmetered
from pipeline.files.fits_selection import Damaged
from pipeline.frame import FrameRefused


@dataclass(slots=True)
class Remark:
    """What a stage that was done has to say, if anything."""

    text: str | None = None


class StageClock:
    """Times the stages of one attempt; `records` grows by one as each of them ends.

    Parameters
    ----------
    begin_energy : callable
        Begins to measure energy, as `EnergyMeter.begin` does; by default none is measured.
    """

    def __init__(self, begin_energy: Begin = unmetered) -> None:
        self.records: list[StageRecord] = []
        self._begin_energy = begin_energy

    @contextmanager
    def stage(self, name: str) -> Iterator[Remark]:
        """Time what happens inside. What is raised there is recorded and goes on its way."""
        joules = self._begin_energy()
        started_at, start = time.time(), time.perf_counter()
        outcome, remark = "done", Remark()
        reason: str | None = None
        value: float | None = None
        limit: float | None = None
        try:
            yield remark
        except FrameRefused as refused:
            outcome, reason = "failed" if isinstance(refused, Damaged) else "rejected", str(refused)
            value, limit = refused.value, refused.limit
            raise
        except BaseException as error:
            outcome, reason = "failed", one_line(error)
            raise
        finally:
            seconds = time.perf_counter() - start
            self.records.append(
                StageRecord(
                    name,
                    started_at,
                    seconds,
                    outcome,
                    peak_mib=peak_mib(),
                    energy_j=joules(),
                    reason=reason or remark.text,
                    value=value,
                    limit=limit,
                )
            )


def peak_mib() -> float:
    """The most memory this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 * 1024.0) if sys.platform == "darwin" else peak / 1024.0


def one_line(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
