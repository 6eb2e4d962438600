"""What this machine takes right now, without a store."""

import time
from collections.abc import Mapping

from pipeline.energy.readings import Reading, with_mean_draw
from pipeline.energy.sensors import Sensors

DRAW_WINDOW_S = 0.5  # over which the draw of a device is taken that tells its energy alone


def look(sensors: Sensors, before: Mapping[str, Reading] | None = None) -> dict[str, Reading]:
    """Read every sensor once, by device.

    Parameters
    ----------
    sensors : Sensors
    before : mapping, optional
        What the last look saw: the draw of a device that tells its energy alone is the mean since.
        Without it such a device is read twice, `DRAW_WINDOW_S` apart.
    """
    readings = {each.device: each.read() for each in sensors.present}
    if before is None and any(each.counter and each.watts is None for each in readings.values()):
        before = readings
        time.sleep(DRAW_WINDOW_S)
        readings = {each.device: each.read() for each in sensors.present}
    return {device: with_mean_draw((before or {}).get(device), each) for device, each in readings.items()}
