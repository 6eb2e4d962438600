"""The sampler: what reaches the store while work goes on, and what it says of devices that are lost."""

import threading
from pathlib import Path

import pynvml
import pytest

from core.database.store import Store
from core.database.store_errors import StoreUnreachable
from core.database.tables import Run
from core.operations import power, runs
from core.settings import Settings
from core.settings_sections import PowerSettings
from pipeline.energy import sampler as sampler_module
from pipeline.energy.readings import Absent, Counter, Reading
from pipeline.energy.sampler import Sampler, sampling
from pipeline.energy.sensors import NOT_THERE, Sensors, chosen, find_sensors
from tests.core.test_queue import gone_pid
from tests.pipeline.energy.conftest import FakeNvml, Field

EPOCH = 4e9  # none of its samples is too old to be kept
NO_CPU = Absent("cpu", "cpu", "this machine shows no RAPL counters")


class Scripted:
    """A sensor that goes through readings one by one."""

    kind = "cpu"
    name = "package-0"
    memory_mib = None

    def __init__(self, *readings: Reading, device: str = "cpu0") -> None:
        self.device = device
        self._readings = iter(readings)

    def read(self) -> Reading:
        return next(self._readings)

    def counter(self) -> Counter | None:
        return self.read().counter


def at(clock: float, joules: float | None = None, **more) -> Reading:
    return Reading(EPOCH + clock, clock, None if joules is None else Counter(joules), **more)


def make(store: Store, *readings: Reading, run_id: int | None = None, **settings) -> Sampler:
    sensors = Sensors((Scripted(*readings),), (NO_CPU,))
    sampler = Sampler(store, PowerSettings(**settings), run_id, sensors)
    sampler.find()
    return sampler


def begin_run(store: Store, workers: int = 1) -> int:
    return runs.start(store, engine="local", workers=workers, config_hash="cafe").id


def energy_of(store: Store, run_id: int) -> dict:
    with store.read() as db:
        return db.get_one(Run, run_id).energy


def package(store: Store) -> power.DevicePower:
    return next(each for each in power.devices(store) if each.name == "package-0")


def test_samples_and_the_energy_of_the_run_reach_the_store_in_one_batch(store: Store) -> None:
    run_id = begin_run(store)
    sampler = make(store, at(0.0, 100.0), at(1.0, 140.0), at(3.0, 200.0), run_id=run_id)
    for _ in range(3):
        sampler.look()
    assert power.devices(store) == []
    sampler.write()
    measured, missing = power.devices(store)
    assert (measured.name, measured.at, measured.watts) == ("package-0", EPOCH + 3.0, 30.0)
    assert missing.reason == NO_CPU.reason
    use = power.last_run(store)
    assert use.joules == 100.0
    assert energy_of(store, run_id)["cpu0"] == {
        "joules": 100.0, "seconds": 3.0, "how": "counter", "reason": None,
    }  # fmt: skip
    assert energy_of(store, run_id)["cpu"]["reason"] == NO_CPU.reason


def test_runs_that_share_a_machine_are_charged_shares_that_add_up_to_what_it_took(store: Store) -> None:
    """The first is alone for 100 J, has a quarter of the next 200 J, and is alone for the last 50 J."""
    readings = [at(0.0, 0.0), at(1.0, 100.0), at(2.0, 300.0), at(3.0, 350.0)]
    first = begin_run(store, workers=1)
    one = make(store, *readings, run_id=first)
    for _ in range(2):
        one.look()
    one.write()
    second = begin_run(store, workers=3)
    other = make(store, *readings[1:3], run_id=second)
    other.look()
    for sampler in (one, other):
        sampler.look()
        sampler.write()
    runs.finish(store, second)
    one.look()
    one.write()
    runs.finish(store, first)
    charged = {key: energy_of(store, key)["cpu0"]["joules"] for key in (first, second)}
    assert charged == {first: 100.0 + 50.0 + 50.0, second: 150.0}
    night = power.last_night(store)
    assert night.run_ids == (first, second)
    assert night.joules == 350.0


def test_runs_that_are_gone_or_elsewhere_share_nothing(store: Store) -> None:
    others = [begin_run(store) for _ in range(3)]
    runs.finish(store, others[0])
    runs.hand_over(store, others[1], gone_pid())
    with store.write() as db:
        db.get_one(Run, others[2]).host = "elsewhere"
    run_id = begin_run(store)
    sampler = make(store, at(0.0, 100.0), at(1.0, 140.0), run_id=run_id)
    for _ in range(2):
        sampler.look()
    sampler.write()
    assert energy_of(store, run_id)["cpu0"]["joules"] == 40.0


def test_a_device_that_is_lost_midway_is_told_and_what_it_took_before_is_kept(store: Store) -> None:
    run_id = begin_run(store)
    lost = at(2.0, trouble="the GPU has fallen off the bus")
    sampler = make(store, at(0.0, 100.0), at(1.0, 140.0), lost, run_id=run_id)
    for _ in range(3):
        sampler.look()
    sampler.write()
    device = package(store)
    assert (device.reason, device.watts) == ("the GPU has fallen off the bus", None)
    taken = energy_of(store, run_id)["cpu0"]
    assert (taken["joules"], taken["seconds"], taken["reason"]) == (40.0, 1.0, lost.trouble)


def test_a_device_that_comes_back_is_charged_by_its_counter_for_the_gap(store: Store) -> None:
    run_id = begin_run(store)
    lost = at(2.0, trouble="the NVIDIA driver was unloaded")
    sampler = make(store, at(0.0, 100.0), lost, at(50.0, 600.0), run_id=run_id)
    for _ in range(3):
        sampler.look()
    sampler.write()
    assert package(store).reason is None
    taken = energy_of(store, run_id)["cpu0"]
    assert (taken["joules"], taken["seconds"]) == (500.0, 50.0)


def test_samples_wait_while_the_database_is_away(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = make(sqlite_store, at(0.0, 0.0), at(1.0, 10.0))

    def away(*_: object, **__: object) -> None:
        raise StoreUnreachable("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(sampler_module.power_log, "write_samples", away)
        sampler.look()
        sampler.write()
    sampler.look()
    sampler.write()
    found = power.history(sqlite_store, f"{sampler.host}/cpu0", "watts", span_s=2.0, bins=2, now=EPOCH + 1.5)
    assert found.means == (None, 10.0)
    with sqlite_store.read() as db:
        assert db.connection().exec_driver_sql("select count(*) from power_sample").scalar() == 2


def test_old_samples_are_forgotten(sqlite_store: Store) -> None:
    of_2001 = Reading(1e9, 0.0, Counter(0.0))
    sampler = make(sqlite_store, of_2001, at(1.0, 10.0), keep_days=1.0)
    sampler.look()
    sampler.look()
    sampler.write()
    found = power.history(sqlite_store, f"{sampler.host}/cpu0", "watts", span_s=4e9, bins=1, now=EPOCH + 2)
    assert found.means == (10.0,)
    with sqlite_store.read() as db:
        assert db.connection().exec_driver_sql("select count(*) from power_sample").scalar() == 1


def test_a_gpu_is_sampled_through_its_driver_while_work_goes_on(
    nvml: FakeNvml, sqlite_store: Store, tmp_path: Path
) -> None:
    nvml.have(1)
    run_id = begin_run(sqlite_store)
    settings = Settings(home=tmp_path, power=PowerSettings(sample_s=0.1, write_s=0.0))
    with sampling(sqlite_store, settings, run_id):
        wait_for(lambda: nvml.calls(Field.DRAW) >= 2)
        nvml.set(0, Field.ENERGY, 1_000_000 + 2500)
        seen = nvml.calls(Field.DRAW)
        wait_for(lambda: nvml.calls(Field.DRAW) >= seen + 2)
        nvml.lose(0)
    use = power.last_run(sqlite_store)
    assert use.joules == 2.5
    gpu = next(each for each in power.devices(sqlite_store) if each.kind == "gpu")
    assert (gpu.name, gpu.memory_total_mib) == ("Fake GPU", 12288.0)
    assert gpu.reason == "the GPU has fallen off the bus"


def test_nothing_is_asked_where_measuring_is_switched_off(nvml: FakeNvml, sqlite_store: Store) -> None:
    nvml.have(1)
    with sampling(sqlite_store, Settings(power=PowerSettings(enabled=False))):
        pass
    assert nvml.calls(Field.DRAW) == 0
    assert power.devices(sqlite_store) == []


def test_only_chosen_devices_are_measured_and_one_that_is_not_there_is_told(nvml: FakeNvml) -> None:
    nvml.have(3)
    sensors = find_sensors(PowerSettings(devices=("gpu2", "gpu7")))
    assert [each.device for each in sensors.present] == ["gpu2"]
    assert sensors.absent == (Absent("gpu7", "gpu", NOT_THERE),)
    every = Sensors((Scripted(device="cpu0"),), (NO_CPU,))
    assert chosen(every, ()) is every
    nvml.fail(0, Field.INIT, pynvml.NVML_ERROR_UNKNOWN)
    assert {each.device for each in find_sensors(PowerSettings()).absent} >= {"gpu"}


def wait_for(condition) -> None:
    """Until the sampler's thread has come so far; gives up after ten seconds."""
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.02)
    pytest.fail("the sampler's thread does nothing")
