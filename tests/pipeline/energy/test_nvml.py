"""GPUs through NVML's own calls: what they tell, what they lack, and what is said when they are gone."""

import ctypes.util

import pynvml
import pytest

from pipeline.energy.nvml import find_gpus
from pipeline.energy.readings import Absent
from tests.pipeline.energy.conftest import FakeNvml, Field


def test_a_gpu_tells_energy_draw_temperature_load_and_memory(nvml: FakeNvml) -> None:
    nvml.have(2)
    nvml.set(1, Field.ENERGY, 5_000_123)
    gpus, absent = find_gpus()
    assert [(each.device, each.kind, each.name, each.memory_mib) for each in gpus] == [
        ("gpu0", "gpu", "Fake GPU", 12288.0),
        ("gpu1", "gpu", "Fake GPU", 12288.0),
    ]
    assert absent == []
    reading = gpus[1].read()
    assert reading.counter is not None
    assert reading.counter.joules == 5000.123
    assert reading.counter.wraps_at_j is None
    assert (reading.watts, reading.temperature_c) == (70.5, 41.0)
    assert (reading.utilisation, reading.memory_mib) == (0.25, 3072.0)
    assert reading.trouble is None
    assert gpus[1].counter() == reading.counter


def test_no_driver_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    if ctypes.util.find_library("nvidia-ml"):
        pytest.skip("this machine has an NVIDIA driver")
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    assert find_gpus() == ([], [Absent("gpu", "gpu", "no NVIDIA driver")])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "the NVIDIA driver is installed but not loaded"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "no permission to ask the NVIDIA driver"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "of different versions: restart this machine"),
        (pynvml.NVML_ERROR_UNKNOWN, "NVML says: Unknown Error"),
        (4711, "NVML says: an error of the fake"),
    ],
)
def test_a_driver_that_refuses_is_said_in_one_line(nvml: FakeNvml, error: int, said: str) -> None:
    nvml.fail(0, Field.INIT, error)
    gpus, absent = find_gpus()
    assert gpus == []
    assert [each.device for each in absent] == ["gpu"]
    assert said in absent[0].reason


def test_a_driver_without_gpus_is_said(nvml: FakeNvml) -> None:
    assert find_gpus() == ([], [Absent("gpu", "gpu", "the NVIDIA driver sees no GPU")])


def test_one_gpu_that_is_lost_hides_no_other(nvml: FakeNvml) -> None:
    nvml.have(3)
    nvml.fail(1, Field.HANDLE, pynvml.NVML_ERROR_GPU_IS_LOST)
    gpus, absent = find_gpus()
    assert [each.device for each in gpus] == ["gpu0", "gpu2"]
    assert absent == [Absent("gpu1", "gpu", "the GPU has fallen off the bus")]


@pytest.mark.parametrize(
    "error",
    [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION],
)
def test_what_a_gpu_does_not_measure_is_none_and_the_rest_is_there(nvml: FakeNvml, error: int) -> None:
    nvml.have(1)
    for field in (Field.ENERGY, Field.TEMPERATURE, Field.UTILISATION, Field.MEMORY_USED):
        nvml.fail(0, field, error)
    (gpu,), _ = find_gpus()
    reading = gpu.read()
    assert reading.watts == 70.5
    assert (reading.counter, reading.temperature_c) == (None, None)
    assert (reading.utilisation, reading.memory_mib, gpu.memory_mib) == (None, None, None)
    assert reading.trouble is None
    assert gpu.counter() is None


def test_a_gpu_without_any_power_sensor_says_so(nvml: FakeNvml) -> None:
    nvml.have(1)
    nvml.fail(0, Field.ENERGY, pynvml.NVML_ERROR_NOT_SUPPORTED)
    nvml.fail(0, Field.DRAW, pynvml.NVML_ERROR_NOT_SUPPORTED)
    (gpu,), _ = find_gpus()
    reading = gpu.read()
    assert reading.trouble == "this GPU does not tell its power"
    assert reading.temperature_c == 41.0


def test_a_gpu_that_is_lost_midway_is_a_reading_with_trouble_and_may_come_back(nvml: FakeNvml) -> None:
    nvml.have(1)
    (gpu,), _ = find_gpus()
    nvml.lose(0)
    reading = gpu.read()
    assert reading.trouble == "the GPU has fallen off the bus"
    assert (reading.counter, reading.watts, reading.temperature_c) == (None, None, None)
    assert gpu.counter() is None
    nvml.lose(0, error=0)
    assert gpu.read().trouble is None
