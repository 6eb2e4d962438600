"""What sampling power costs, and whether a GPU's energy counter and its draw tell the same.

On a machine without a driver the cost is that of the fake NVML of the tests: all but the driver's own
part of it.

    python -m benchmarks.power
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from benchmarks.usage import measure
from pipeline.energy.readings import Sensor, Spent, add

SECONDS = 30.0
AIM = 0.2  # per cent of a core, at 1 Hz
FAKE = Path(__file__).parents[1] / "tests" / "pipeline" / "energy" / "fake_nvml.c"


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        has_gpu = json.loads(measure([sys.executable, "-m", "benchmarks.power", "gpus"]).output)
        environment = {} if has_gpu else fake_driver(Path(name))
        if environment is None:
            print("no GPU, and no C compiler for a fake one: not measured")
            return
        command = [sys.executable, "-m", "benchmarks.power", "sample", name]
        found = json.loads(measure(command, environment).output)
    what = ", ".join(found["devices"]) + ("" if has_gpu else " (a fake driver)")
    print(f"sampling {what} at 1 Hz: {found['share']:.3f} % of a core (aim {AIM:g})")
    print(
        f"  reading all sensors {found['read_ms']:.3f} ms, the ends of one stage {found['stage_ms']:.3f} ms"
    )
    for device, (joules, integral) in found["checks"].items():
        print(f"  {device}: counter {joules:.1f} J, integral of the draw {integral:.1f} J,", end="")
        print(f" ratio {integral / joules:.3f}" if joules else " nothing counted")


def fake_driver(folder: Path) -> dict[str, str] | None:
    """Compile the fake NVML; the environment in which a process finds it, none without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, FAKE], check=True)
    return {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML_WATTS": "100"}


def gpus() -> None:
    """Say whether this machine has a GPU that can be asked."""
    from pipeline.energy.nvml import find_gpus

    print(json.dumps(bool(find_gpus()[0])))


def sample(folder: Path) -> None:
    """Sample into a store for a while in an otherwise idle process, and ask how much it computed."""
    from core.database.migrations import upgrade
    from core.database.store import open_store
    from core.settings_sections import PowerSettings
    from pipeline.energy.meter import EnergyMeter
    from pipeline.energy.sampler import Sampler
    from pipeline.energy.sensors import find_sensors

    url = f"sqlite:///{folder / 'astrid.db'}"
    upgrade(url)
    store, settings = open_store(url), PowerSettings()
    sensors = find_sensors(settings)
    sampler = Sampler(store, settings, sensors=sensors)
    sampler.start()
    time.sleep(2.0)  # the first batch compiles its statements
    wall, cpu = time.perf_counter(), time.process_time()
    time.sleep(SECONDS)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sampler.stop()
    meter = EnergyMeter.of_this_machine(settings)
    result = {
        "devices": [each.device for each in sensors.present],
        "share": 100.0 * cpu / wall,
        "read_ms": 1000.0 * seconds_of(lambda: [each.read() for each in sensors.present]),
        "stage_ms": 1000.0 * seconds_of(lambda: [meter.begin()()]),
        "checks": checks(sensors.present),
    }
    print(json.dumps(result))


def seconds_of(work: Callable[[], object], times: int = 200) -> float:
    """The mean time of a call."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def checks(sensors: Sequence[Sensor]) -> dict[str, tuple[float, float]]:
    """By device, the joules of the counter and of the integral of the draw over the same 20 s."""
    series = {each.device: [each.read()] for each in sensors}
    for _ in range(200):
        time.sleep(0.1)
        for each in sensors:
            series[each.device].append(each.read())
    found = {}
    for device, readings in series.items():
        if readings[0].counter is None or readings[0].watts is None:
            continue
        counted = add(Spent(), readings[0], readings[-1], longest_s=0.0)
        integral = Spent()
        drawn = [replace(each, counter=None) for each in readings]
        for before, after in pairwise(drawn):
            integral = add(integral, before, after, longest_s=1.0)
        found[device] = (counted.joules, integral.joules)
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["gpus"]:
        gpus()
    elif sys.argv[1:2] == ["sample"]:
        sample(Path(sys.argv[2]))
    else:
        main()
