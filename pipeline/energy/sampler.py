"""The sampler: a thread that reads every sensor at a steady pace and keeps what it read in the store.

Work never waits for it: a driver that hangs or a database that is away holds up this thread alone.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.database.store import Store
from core.database.store_errors import StoreError
from core.operations import power_log, runs
from core.operations.power_log import DeviceEnergy, DeviceFacts, SampleFacts
from core.settings import Settings
from core.settings_sections import PowerSettings
from pipeline.energy.readings import Reading, Sensor, Spent, add, with_mean_draw
from pipeline.energy.sensors import Sensors, find_sensors

log = logging.getLogger(__name__)

MOST_WAITING = 10_000  # samples kept while the database is away; then the oldest are lost
LONGEST_GAPS = 3.0  # in sample intervals: a draw is not taken to have lasted longer
FORGET_EVERY_S = 3600.0
FORGET_AT_ONCE = 2000
STOP_S = 2.0  # a reading that hangs for longer is left behind


@contextmanager
def sampling(store: Store, settings: Settings, run_id: int | None = None) -> Iterator[None]:
    """Sample the power of this machine while the work within goes on, and keep what it took with its run."""
    if not settings.power.enabled:
        yield
        return
    sampler = Sampler(store, settings.power, run_id)
    sampler.start()
    try:
        yield
    finally:
        sampler.stop()


@dataclass(slots=True)
class _Watched:
    """One sensor, its last good reading, what it has seen spent, and how much of that is this run's."""

    sensor: Sensor
    last: Reading | None = None
    spent: Spent = field(default_factory=Spent)
    shared_j: float = 0.0  # of what was spent, so much has been shared out,
    charged_j: float = 0.0  # and this is the run's share
    trouble: str | None = None


class Sampler:
    """Samples until it is stopped.

    Parameters
    ----------
    store : Store
    settings : PowerSettings
    run_id : int, optional
        The run that is charged with what this machine takes meanwhile: all, or where other runs are at work
        on it too, the share that its workers are of all; who they are is asked with each batch.
    sensors : Sensors, optional
        By default all of this machine; they are looked for in the thread.
    """

    def __init__(
        self,
        store: Store,
        settings: PowerSettings,
        run_id: int | None = None,
        sensors: Sensors | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._run_id = run_id
        self._sensors = sensors
        self.host = socket.gethostname()
        self._name = f"{self.host}:{os.getpid()}:{run_id or 'no run'}"
        self._watched: list[_Watched] = []
        self._waiting: deque[SampleFacts] = deque(maxlen=MOST_WAITING)
        self._announced: list[DeviceFacts] | None = None
        self._forget_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Take a last sample, write what is left, and end."""
        self._stopped.set()
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            log.warning("the power sampler does not answer and is left behind")

    def _run(self) -> None:
        self.find()
        if self._watched:
            self._sample()
        else:
            self.write()  # that nothing can be measured, and why: once is enough
        try:
            power_log.let_go(self._store, self._name)
        except StoreError as error:
            log.warning("power devices stay taken for a while: %s", error)

    def _sample(self) -> None:
        """Sample and write until told to stop, and once more then."""
        start, beat, written_at = time.monotonic(), 0, 0.0
        while True:
            is_last = self._stopped.is_set()
            self.look()
            now = time.monotonic()
            if is_last or now - written_at >= self._settings.write_s:
                self.write()
                written_at = now
            if is_last:
                return
            # Beats that were missed, because a driver or the database was slow, are left out.
            beat = max(beat + 1, int((time.monotonic() - start) / self._settings.sample_s) + 1)
            self._stopped.wait(max(start + beat * self._settings.sample_s - time.monotonic(), 0.0))

    def find(self) -> None:
        """Look for sensors, if none were given."""
        if self._sensors is None:
            self._sensors = find_sensors(self._settings)
        self._watched = [_Watched(sensor) for sensor in self._sensors.present]

    def look(self) -> None:
        """Read every sensor once."""
        longest_s = LONGEST_GAPS * self._settings.sample_s
        for each in self._watched:
            reading = with_mean_draw(each.last, each.sensor.read())
            if each.last is not None:
                each.spent = add(each.spent, each.last, reading, longest_s)
            each.trouble = reading.trouble
            if reading.trouble is None:  # else the counter bridges the gap, if the device comes back
                each.last = reading
            self._waiting.append(
                SampleFacts(
                    device=each.sensor.device,
                    at=reading.at,
                    watts=reading.watts,
                    energy_j=reading.counter.joules if reading.counter else None,
                    temperature_c=reading.temperature_c,
                    utilisation=reading.utilisation,
                    memory_mib=reading.memory_mib,
                )
            )

    def write(self) -> None:
        """Bring what waits into the store; what cannot be written waits for the next time."""
        batch = list(self._waiting)
        try:
            self._charge()
            devices = self._devices()
            if devices != self._announced:
                power_log.announce(self._store, self.host, devices)
                self._announced = devices
            power_log.write_samples(
                self._store,
                self.host,
                self._name,
                batch,
                stale_s=max(3 * self._settings.write_s, 10 * self._settings.sample_s),
                run_id=self._run_id,
                energy=self._energy(),
            )
            for _ in batch:
                self._waiting.popleft()
            self._forget()
        except StoreError as error:
            log.warning("power samples wait to be written: %s", error)

    def _devices(self) -> list[DeviceFacts]:
        absent = self._sensors.absent if self._sensors else ()
        return [
            *(
                DeviceFacts(
                    each.sensor.device,
                    each.sensor.kind,
                    each.sensor.name,
                    each.sensor.memory_mib,
                    each.trouble,
                )
                for each in self._watched
            ),
            *(DeviceFacts(each.device, each.kind, each.kind.upper(), reason=each.reason) for each in absent),
        ]

    def _charge(self) -> None:
        """Charge the run with its share of what was spent since the last time."""
        own, every = (1, 1) if self._run_id is None else runs.sharers(self._store, self._run_id)
        for each in self._watched:
            each.charged_j += (each.spent.joules - each.shared_j) * own / every
            each.shared_j = each.spent.joules

    def _energy(self) -> dict[str, DeviceEnergy]:
        absent = self._sensors.absent if self._sensors else ()
        energy = {each.device: DeviceEnergy(reason=each.reason) for each in absent}
        for each in self._watched:
            measured = each.spent.how is not None
            energy[each.sensor.device] = DeviceEnergy(
                joules=each.charged_j if measured else None,
                seconds=each.spent.seconds,
                how=each.spent.how,
                reason=each.trouble,
            )
        return energy

    def _forget(self) -> None:
        """Delete old samples, some with each batch, so that no writer waits for long."""
        now = time.time()
        if now < self._forget_at:
            return
        before = now - self._settings.keep_days * 86400.0
        if power_log.forget(self._store, self.host, before, FORGET_AT_ONCE) < FORGET_AT_ONCE:
            self._forget_at = now + FORGET_EVERY_S
