"""`astrid power`: what the machine draws, and what a frame and an object judged real cost."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    remark,
    settings_of,
    store_of,
)
from core.text import counted
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from core.operations.power import EnergyUse
    from core.settings import Settings
    from pipeline.energy.readings import Reading
    from pipeline.energy.sensors import Sensors

NOT_MEASURED = "not measured"


def power(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C, a line a sample.")] = False,
    record: Annotated[
        bool, typer.Option("--record", help="With --watch: keep the samples in the store, as runs do.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="With --watch: samples at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the power of this machine's GPUs and CPUs, and the energy of the last run and night.

    With --watch --json every line is one JSON document.
    """
    from pipeline.energy.sensors import find_sensors

    if not watch and (record or count is not None):
        raise typer.BadParameter("--record and --count go with --watch")
    settings = settings_of(context)
    sensors = find_sensors(settings.power)
    if watch:
        with _recording(context, settings, wanted=record):
            _watch(sensors, settings.power.sample_s, count, as_json)
        return
    report = _readings_record(sensors, _look(sensors, None)) | _energy_records(context)
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _look(sensors: Sensors, before: dict[str, Reading] | None) -> dict[str, Reading]:
    from pipeline.energy.live import look

    return look(sensors, before)


def _watch(sensors: Sensors, sample_s: float, count: int | None, as_json: bool) -> None:
    if not as_json:
        for absent in sensors.absent:
            remark(f"{absent.device}: {NOT_MEASURED}: {absent.reason}")
    if not sensors.present:
        if as_json:
            typer.echo(json.dumps(_readings_record(sensors, {}), allow_nan=False))
        return
    readings: dict[str, Reading] | None = None
    seen, start = 0, time.monotonic()
    try:
        while True:
            readings = _look(sensors, readings)
            record = _readings_record(sensors, readings)
            if as_json:
                typer.echo(json.dumps(record, allow_nan=False))
            else:
                print_text(_sample_line(record))
            seen += 1
            if seen == count:
                return
            time.sleep(max(start + seen * sample_s - time.monotonic(), 0.0))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


@contextmanager
def _recording(context: typer.Context, settings: Settings, *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    from pipeline.energy.sampler import sampling

    store = store_of(context)
    try:
        with sampling(store, settings):
            yield
    finally:
        store.close()


def _readings_record(sensors: Sensors, readings: dict[str, Reading]) -> dict[str, Any]:
    """What all devices say, as scripts read it; null is not measured, for the reason that is given."""
    devices: list[dict[str, Any]] = []
    for sensor in sensors.present:
        reading = readings[sensor.device]
        devices.append(
            {
                "device": sensor.device,
                "kind": sensor.kind,
                "name": sensor.name,
                "watts": reading.watts,
                "energy_j": reading.counter.joules if reading.counter else None,
                "temperature_c": reading.temperature_c,
                "utilisation": reading.utilisation,
                "memory_mib": reading.memory_mib,
                "memory_total_mib": sensor.memory_mib,
                "reason": reading.trouble,
            }
        )
    nothing = dict.fromkeys(
        ("name", "watts", "energy_j", "temperature_c", "utilisation", "memory_mib", "memory_total_mib")
    )
    devices += [
        {"device": each.device, "kind": each.kind, **nothing, "reason": each.reason}
        for each in sensors.absent
    ]
    draws = [each["watts"] for each in devices if each["watts"] is not None]
    return {
        "host": socket.gethostname(),
        "at": time.time(),
        "watts": sum(draws) if draws else None,
        "devices": devices,
    }


def _energy_records(context: typer.Context) -> dict[str, Any]:
    """What the last run and the last night took; null before the first run and where there is no store."""
    from core.database.store_errors import StoreMissing
    from core.operations.power import last_night, last_run

    try:
        store = store_of(context, read_only=True)
    except StoreMissing as missing:
        remark(missing)
        return {"run": None, "night": None}
    return {"run": _use_record(last_run(store)), "night": _use_record(last_night(store))}


def _use_record(use: EnergyUse | None) -> dict[str, Any] | None:
    return None if use is None else asdict(use)


def _print_report(report: dict[str, Any]) -> None:
    rows = [
        (
            each["device"],
            each["name"],
            _number(each["watts"], "W", 1),
            _number(each["temperature_c"], "°C", 0),
            None if each["utilisation"] is None else f"{each['utilisation']:.0%}",
            _memory(each),
            each["reason"] and f"{NOT_MEASURED}: {each['reason']}",
        )
        for each in report["devices"]
    ]
    print_table(
        ("device", "name", "draw", "temperature", "load", "memory", ""),
        rows,
        least=(("temperature",), ("memory",), ("load",), ("name",)),
    )
    for title in ("run", "night"):
        use = report[title]
        if use is None:
            continue
        name = (
            f"run {use['run_ids'][0]}" if title == "run" else f"night, {counted(len(use['run_ids']), 'run')}"
        )
        print_text(f"{name}: {_use_line(use)}")


def _use_line(use: dict[str, Any]) -> str:
    frames = f"{counted(use['frames'], 'frame')}, {counted(use['judged_real'], 'object')} judged real"
    if use["joules"] is None:
        return f"energy {NOT_MEASURED}; {frames}"
    at_least = "at least " if use["is_partial"] else ""
    parts = [f"{at_least}{use['joules']:.0f} J", frames]
    if use["joules_per_frame"] is not None:
        parts.append(f"{use['joules_per_frame']:.1f} J a frame")
    if use["joules_per_real"] is not None:
        parts.append(f"{use['joules_per_real']:.0f} J an object judged real")
    missing = [each for each in use["devices"] if each["joules"] is None]
    if missing:
        parts.append("without " + ", ".join(f"{each['device']} ({each['reason']})" for each in missing))
    return "; ".join(parts)


def _sample_line(record: dict[str, Any]) -> str:
    parts = [time.strftime("%H:%M:%S", time.gmtime(record["at"]))]
    for each in record["devices"]:
        if each["reason"] and each["watts"] is None:
            parts.append(f"{each['device']} {NOT_MEASURED}")
            continue
        values = (
            _number(each["watts"], "W", 1),
            _number(each["temperature_c"], "°C", 0),
            None if each["utilisation"] is None else f"{each['utilisation']:.0%}",
            _memory(each),
        )
        parts.append(" ".join([each["device"], *(value for value in values if value)]))
    return "  ".join(parts)


def _number(value: float | None, unit: str, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f} {unit}"


def _memory(device: dict[str, Any]) -> str | None:
    used, total = device["memory_mib"], device["memory_total_mib"]
    if used is None:
        return None
    return f"{used:.0f} MiB" if total is None else f"{used:.0f} of {total:.0f} MiB"
