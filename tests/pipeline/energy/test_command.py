"""`astrid power` as a process, on a machine whose driver is the fake, and on one that has none."""

import ctypes.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.database.store import Store
from core.operations import power, runs
from tests.forks import Program

WATTS = 250.0


@pytest.fixture
def astrid(sqlite_store: Store, nvml_library: Path, tmp_path: Path):
    def run(
        *words: str, driver: bool = True, store: str = sqlite_store.url, code: int = 0, anew: bool = False
    ) -> str:
        environment = {
            "ASTRID_HOME": str(tmp_path),
            "ASTRID_STORE__URL": f"sqlite:///{store}",
            "ASTRID_POWER__SAMPLE_S": "0.1",
            "PATH": "/usr/bin:/bin",
        }
        if driver:
            environment |= {"LD_LIBRARY_PATH": str(nvml_library.parent), "FAKE_NVML_WATTS": str(WATTS)}
        if anew:
            command = [sys.executable, "-m", "astrid_tui", "power", *words]
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
            ended, out, said = done.returncode, done.stdout, done.stderr
        else:  # where libraries are looked for is settled when a process begins, not when it is forked
            loaded = f"import ctypes, pynvml; pynvml.nvmlLib = ctypes.CDLL({str(nvml_library)!r})"
            with Program("power", *words, env=environment, before=loaded if driver else "") as program:
                out, said = program.communicate(60)
            ended = program.returncode
        assert ended == code, said
        assert "Traceback" not in said
        return out

    return run


def test_devices_draws_and_the_energy_of_run_and_night(astrid, sqlite_store: Store) -> None:
    first = json.loads(astrid("--json"))
    gpu = first["devices"][0]
    assert (gpu["device"], gpu["name"], gpu["reason"]) == ("gpu0", "Fake GPU", None)
    assert (gpu["watts"], gpu["temperature_c"], gpu["utilisation"]) == (WATTS, 48.0, 0.37)
    assert (gpu["memory_mib"], gpu["memory_total_mib"]) == (512.0, 8192.0)
    assert (first["run"], first["night"]) == (None, None)
    runs.finish(sqlite_store, runs.start(sqlite_store, engine="local", workers=1, config_hash="c").id)
    second = json.loads(astrid("--json"))
    assert second["devices"][0]["energy_j"] > gpu["energy_j"]
    assert second["run"]["joules"] is None
    assert second["night"]["joules_per_frame"] is None
    assert "250.0 W" in astrid()


def test_watching_is_a_line_a_sample_and_recording_keeps_them(astrid, sqlite_store: Store) -> None:
    lines = astrid("--watch", "--record", "--count", "3", "--json").splitlines()
    assert [json.loads(line)["devices"][0]["watts"] for line in lines] == [WATTS] * 3
    (gpu,) = [each for each in power.devices(sqlite_store) if each.kind == "gpu"]
    assert gpu.watts == WATTS
    assert power.draw_now(sqlite_store) >= WATTS
    assert len(astrid("--watch", "--count", "2").splitlines()) == 2


def test_a_machine_that_measures_nothing_says_why_and_is_no_failure(astrid) -> None:
    if ctypes.util.find_library("nvidia-ml"):
        pytest.skip("this machine has an NVIDIA driver")
    report = json.loads(astrid("--json", driver=False))
    gpu = report["devices"][0] if report["devices"][0]["kind"] == "gpu" else report["devices"][-1]
    assert (gpu["device"], gpu["watts"], gpu["reason"]) == ("gpu", None, "no NVIDIA driver")
    assert "not measured: no NVIDIA driver" in astrid(driver=False)


def test_without_a_store_the_devices_are_shown_all_the_same(astrid, tmp_path: Path) -> None:
    report = json.loads(astrid("--json", store=str(tmp_path / "nothing.db"), anew=True))
    assert report["watts"] >= WATTS
    assert report["run"] is None


def test_options_of_watching_are_refused_without_it(astrid) -> None:
    astrid("--record", code=2)
    astrid("--count", "2", code=2)
