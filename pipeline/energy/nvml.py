"""GPUs, by NVIDIA's management library NVML."""

import ctypes
import time
from collections.abc import Callable
from typing import TypeVar

import pynvml

from pipeline.energy.readings import Absent, Counter, Kind, Reading

T = TypeVar("T")
MIB = 2.0**20

# Missing on this model, in this driver or for this user: the other values of the device are as good as ever.
_MISSING = {
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
}
_NO_NVML = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no NVIDIA driver",
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "the NVIDIA driver is too old to be asked",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded",
    pynvml.NVML_ERROR_NO_PERMISSION: "no permission to ask the NVIDIA driver",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "the NVIDIA driver and its library are of different versions: restart this machine"
    ),
}
_TROUBLES = {
    pynvml.NVML_ERROR_GPU_IS_LOST: "the GPU has fallen off the bus",
    pynvml.NVML_ERROR_UNINITIALIZED: "the NVIDIA driver was unloaded",
    pynvml.NVML_ERROR_NO_PERMISSION: "no permission to read it",
}


class Gpu:
    """One GPU, as NVML numbers it.

    The energy counter counts millijoules since the driver was loaded (Volta and later). The draw is
    the mean of about the last second on Ampere and later, of the moment before.
    """

    kind: Kind = "gpu"

    def __init__(self, index: int) -> None:
        self._handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        self.device = f"gpu{index}"
        self.name = str(pynvml.nvmlDeviceGetName(self._handle))
        memory = self._have(pynvml.nvmlDeviceGetMemoryInfo)
        self.memory_mib: float | None = None if memory is None else memory.total / MIB

    def read(self) -> Reading:
        """Energy, draw, temperature, utilisation and memory."""
        at, clock = time.time(), time.monotonic()
        try:
            counter = self._have(_energy)
            milliwatts = self._have(pynvml.nvmlDeviceGetPowerUsage)
            temperature = self._have(_temperature)
            rates = self._have(pynvml.nvmlDeviceGetUtilizationRates)
            memory = self._have(pynvml.nvmlDeviceGetMemoryInfo)
        except pynvml.NVMLError as error:
            return Reading(at, clock, trouble=_said(error, _TROUBLES))
        return Reading(
            at,
            clock,
            counter=counter,
            watts=None if milliwatts is None else milliwatts / 1000.0,
            temperature_c=None if temperature is None else float(temperature),
            utilisation=None if rates is None else rates.gpu / 100.0,
            memory_mib=None if memory is None else memory.used / MIB,
            trouble="this GPU does not tell its power" if counter is None and milliwatts is None else None,
        )

    def counter(self) -> Counter | None:
        """Its energy; none where it has no counter or cannot be reached."""
        try:
            return _energy(self._handle)
        except pynvml.NVMLError:
            return None

    def _have(self, ask: Callable[[ctypes.c_void_p], T]) -> T | None:
        try:
            return ask(self._handle)
        except pynvml.NVMLError as error:
            if error.value in _MISSING:
                return None
            raise


def find_gpus() -> tuple[list[Gpu], list[Absent]]:
    """All GPUs of this machine that can be asked, and what cannot. NVML stays open in this process."""
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return [], [Absent("gpu", "gpu", _said(error, _NO_NVML))]
    if count == 0:
        return [], [Absent("gpu", "gpu", "the NVIDIA driver sees no GPU")]
    gpus, absent = [], []
    for index in range(count):
        try:
            gpus.append(Gpu(index))
        except pynvml.NVMLError as error:
            absent.append(Absent(f"gpu{index}", "gpu", _said(error, _TROUBLES)))
    return gpus, absent


def _energy(handle: ctypes.c_void_p) -> Counter:
    return Counter(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000.0)


def _temperature(handle: ctypes.c_void_p) -> int:
    try:
        return int(pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU))
    except pynvml.NVMLError:  # drivers before 570 have the older call alone
        return int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))


def _said(error: pynvml.NVMLError, known: dict[int, str]) -> str:
    return known.get(error.value) or f"NVML says: {error}"
