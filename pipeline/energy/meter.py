"""The energy of each stage of a frame, by the counters of this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.energy.readings import Counter, Sensor, between
from pipeline.energy.sensors import find_sensors

if TYPE_CHECKING:
    from core.settings_sections import PowerSettings

log = logging.getLogger(__name__)

Begin = Callable[[], Callable[[], float | None]]  # the function it gives tells the joules spent since

SLOW_S = 1.0  # a driver that takes longer to answer hangs; frames must not wait for it


class EnergyMeter:
    """Tells what was spent from one moment to another.

    All that this machine's devices took meanwhile counts, also what they take when idle. Where several
    workers share the machine, of whatever runs, each stage is charged an equal share; what a worker takes
    while it waits for a frame is charged to no stage. So the stages of a run do not add up to more than the
    run, which is charged the shares of its workers (`pipeline.energy.sampler`).

    Parameters
    ----------
    sensors : sequence of Sensor
    """

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._sensors = tuple(sensors)

    @classmethod
    def of_this_machine(cls, settings: PowerSettings) -> EnergyMeter:
        """A meter over every device that tells its energy by a counter."""
        present = find_sensors(settings).present
        return cls([sensor for sensor in present if sensor.counter() is not None])

    def begin(self, sharers: int = 1) -> Callable[[], float | None]:
        """Begin to measure. The function returned says how many joules were spent since.

        Parameters
        ----------
        sharers : int
            How many workers share the machine.

        Returns
        -------
        callable
            It says none where there is nothing to measure with, or where any of the devices stopped
            telling its energy meanwhile: a part would look like the whole.
        """
        before = self._counters()
        return lambda: self._since(before, sharers)

    def _since(self, before: list[Counter | None], sharers: int) -> float | None:
        if not before or not self._sensors:
            return None
        spent = [between(*pair) for pair in zip(before, self._counters(), strict=True)]
        total = 0.0
        for joules in spent:
            if joules is None:
                return None
            total += joules
        return total / sharers

    def _counters(self) -> list[Counter | None]:
        start = time.perf_counter()
        counters = [sensor.counter() for sensor in self._sensors]
        if (seconds := time.perf_counter() - start) > SLOW_S:
            log.warning("energy of stages is not measured any more: reading it took %.1f s", seconds)
            self._sensors = ()
        return counters


def unmetered() -> Callable[[], float | None]:
    """In place of `EnergyMeter.begin` where nothing is measured."""
    return lambda: None
