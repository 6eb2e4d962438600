"""All sensors of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.settings_sections import PowerSettings
from pipeline.energy.rapl import find_rapl
from pipeline.energy.readings import Absent, Sensor

SWITCHED_OFF = "switched off by power.enabled in the settings"
NOT_THERE = "named by power.devices in the settings, but not on this machine"


@dataclass(frozen=True, slots=True)
class Sensors:
    """What can be measured on this machine, and what cannot and why."""

    present: tuple[Sensor, ...] = ()
    absent: tuple[Absent, ...] = ()


def find_sensors(settings: PowerSettings) -> Sensors:
    """Look for GPUs and RAPL domains; ``power.devices`` chooses among them.

    Looking for GPUs may take a second where the driver is not kept loaded.
    """
    if not settings.enabled:
        return Sensors(absent=(Absent("gpu", "gpu", SWITCHED_OFF), Absent("cpu", "cpu", SWITCHED_OFF)))
    from pipeline.energy.nvml import find_gpus  # pynvml takes longer to import than the rest to run

    gpus, no_gpus = find_gpus()
    domains, no_domains = find_rapl()
    return chosen(Sensors((*gpus, *domains), (*no_gpus, *no_domains)), settings.devices)


def chosen(sensors: Sensors, devices: Sequence[str]) -> Sensors:
    """The sensors of the named devices, all where none is named; a name that is not there is absent."""
    if not devices:
        return sensors
    known = {each.device for each in sensors.present} | {each.device for each in sensors.absent}
    missing = (Absent(name, "gpu" if name.startswith("gpu") else "cpu", NOT_THERE) for name in devices)
    return Sensors(
        tuple(each for each in sensors.present if each.device in devices),
        (
            *(each for each in sensors.absent if each.device in devices),
            *(each for each in missing if each.device not in known),
        ),
    )
