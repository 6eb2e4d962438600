"""The energy of stages: read from counters at their ends, shared among workers, none rather than a part."""

import pynvml
import pytest

from core.settings_sections import PowerSettings
from pipeline.clock import StageClock
from pipeline.energy import meter as meter_module
from pipeline.energy.meter import EnergyMeter
from pipeline.frame import FrameRefused
from tests.pipeline.energy.conftest import FakeNvml, Field

GPUS = PowerSettings(devices=("gpu0", "gpu1"))


def spend(nvml: FakeNvml, gpu: int, joules: float) -> None:
    nvml.set(gpu, Field.ENERGY, round(1000 * (1000.0 * (gpu + 1) + joules)))


def refuse_after(nvml: FakeNvml) -> None:
    spend(nvml, 1, 3.25)
    raise FrameRefused("4 stars, 10 are needed")


def test_a_stage_is_charged_with_what_all_counters_went_on(nvml: FakeNvml) -> None:
    nvml.have(2)
    clock = StageClock(EnergyMeter.of_this_machine(GPUS).begin)
    with clock.stage("align"):
        spend(nvml, 0, 12.5)
    with clock.stage("subtract"):
        spend(nvml, 0, 20.0)
        spend(nvml, 1, 2.25)
    with pytest.raises(FrameRefused), clock.stage("detect"):
        refuse_after(nvml)
    assert [(each.stage, each.energy_j) for each in clock.records] == [
        ("align", 12.5),
        ("subtract", 9.75),
        ("detect", 1.0),
    ]


def test_workers_that_share_a_machine_are_charged_equal_shares(nvml: FakeNvml) -> None:
    nvml.have(1)
    joules = EnergyMeter.of_this_machine(PowerSettings(devices=("gpu0",))).begin(sharers=4)
    spend(nvml, 0, 10.0)
    assert joules() == 2.5


def test_a_gpu_lost_within_a_stage_leaves_the_stage_unmeasured(nvml: FakeNvml) -> None:
    nvml.have(2)
    clock = StageClock(EnergyMeter.of_this_machine(GPUS).begin)
    with clock.stage("subtract"):
        spend(nvml, 0, 20.0)
        nvml.lose(1)
    nvml.lose(1, error=0)
    with clock.stage("detect"):
        spend(nvml, 0, 21.0)
    assert [each.energy_j for each in clock.records] == [None, 1.0]


def test_a_gpu_without_a_counter_is_not_charged_to_stages(nvml: FakeNvml) -> None:
    nvml.have(2)
    nvml.fail(0, Field.ENERGY, pynvml.NVML_ERROR_NOT_SUPPORTED)
    joules = EnergyMeter.of_this_machine(GPUS).begin()
    spend(nvml, 1, 3.0)
    assert joules() == 3.0


def test_without_any_counter_nothing_is_measured(nvml: FakeNvml) -> None:
    assert EnergyMeter.of_this_machine(GPUS).begin()() is None
    nvml.have(2)
    assert EnergyMeter.of_this_machine(PowerSettings(enabled=False)).begin()() is None
    assert EnergyMeter([]).begin()() is None


def test_a_driver_that_hangs_is_asked_once_and_never_again(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.have(1)
    meter = EnergyMeter.of_this_machine(PowerSettings(devices=("gpu0",)))
    monkeypatch.setattr(meter_module, "SLOW_S", -1.0)
    joules = meter.begin()
    asked = nvml.calls(Field.ENERGY)
    assert joules() is None
    assert meter.begin()() is None
    assert nvml.calls(Field.ENERGY) == asked
