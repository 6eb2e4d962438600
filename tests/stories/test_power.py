"""An observer watches what the night costs: devices, their past, and a machine where nothing is measured."""

import time

import pytest

from astrid_tui.app import Console
from core.database.store import Store
from core.database.tables import Run
from core.operations import power_log
from core.operations.power_log import DeviceEnergy, DeviceFacts, SampleFacts
from screens.lines import plain
from screens.terminal import Terminal
from screens.widgets.rows import Rows

NO_CPU = DeviceFacts("cpu", "cpu", "CPU", reason="this machine shows no RAPL counters")


@pytest.fixture
def console(sqlite_store: Store, tmp_path, monkeypatch) -> Console:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    monkeypatch.chdir(tmp_path)
    return Console(terminal=Terminal())


def sample(store: Store, watts: float, *, gpus: int = 2) -> None:
    """Half an hour of a steady draw, each GPU ten watts above the one before."""
    now = time.time()
    power_log.announce(store, "dome", [*(DeviceFacts(f"gpu{n}", "gpu", "H200") for n in range(gpus)), NO_CPU])
    samples = [
        SampleFacts(f"gpu{n}", now - 1800 + at, watts=watts + 10 * n, temperature_c=61.0)
        for at in range(0, 1801, 10)
        for n in range(gpus)
    ]
    power_log.write_samples(store, "dome", "story", samples, stale_s=30.0)


async def until(pilot, *wanted: str) -> str:
    """The page, once everything wanted is on it."""
    for _ in range(1500):
        page = pilot.app.screen.query_one("#page", Rows)
        shown = "\n".join(plain(line) for line in page.lines)
        if all(each in shown for each in wanted):
            return shown
        await pilot.pause(0.02)
    pytest.fail(f"{wanted} not on the screen:\n{shown}")


async def test_devices_are_looked_at_one_by_one_and_each_way(console: Console, sqlite_store: Store) -> None:
    sample(sqlite_store, 300.0)
    async with console.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        shown = await until(pilot, "> dome/gpu0", "300.0 W", "of dome/gpu0  1 hour", "⣿")
        assert "not measured: this machine shows no RAPL counters" in shown
        await pilot.press("j")
        await until(pilot, "> dome/gpu1", "of dome/gpu1  1 hour")
        await pilot.press("tab")
        await until(pilot, "100 °C")
        await pilot.press("minus")
        await until(pilot, "12 hours")
        await pilot.press("minus", "G")  # no longer time; the device that is not measured
        shown = await until(pilot, "> dome/cpu", "of dome/cpu")
        assert shown.count("not measured: this machine shows no RAPL counters") == 2


@pytest.mark.usefixtures("soon_seen")
async def test_new_samples_and_the_energy_of_a_run_appear_by_themselves(
    console: Console, sqlite_store: Store
) -> None:
    async with console.run_test(size=(100, 30)) as pilot:
        await pilot.press("5")
        await until(pilot, "Nothing was measured yet.", "No run yet.")
        sample(sqlite_store, 420.0, gpus=1)
        await until(pilot, "420.0 W")
        with sqlite_store.write() as db:
            run = Run(
                engine="local", host="dome", pid=1, workers=1, state="done", config_hash="c",
                started_at=time.time() - 10, heartbeat_at=time.time(), ended_at=time.time(),
            )  # fmt: skip
            db.add(run)
        power_log.write_samples(
            sqlite_store, "dome", "story", [], stale_s=30.0, run_id=run.id,
            energy={"gpu0": DeviceEnergy(4200.0, 10.0, "counter"), "cpu": DeviceEnergy(reason=NO_CPU.reason)},
        )  # fmt: skip
        await until(pilot, f"run {run.id}", "at least 4200 J", "without")


async def test_where_one_looked_is_found_again(console: Console, sqlite_store: Store) -> None:
    sample(sqlite_store, 300.0)
    async with console.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await until(pilot, "> dome/gpu0")
        await pilot.press("j", "tab", "plus")
        await until(pilot, "of dome/gpu1  10 minutes", "100 °C")
        remembered = pilot.app.screen.remembered()
        pilot.app.screen.recall({"device": 7, "quantity": "magic", "span_s": None})  # damaged: left as it was
        assert pilot.app.screen.remembered() == remembered
        pilot.app.screen.recall({"device": "dome/gpu0", "quantity": "watts", "span_s": 43200.0})
        pilot.app.screen.ask()
        await until(pilot, "> dome/gpu0", "12 hours", "300 W")
