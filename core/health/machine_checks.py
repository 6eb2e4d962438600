"""Is everything well with the machine: where the store lies, its disks, its clock and its GPUs?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.health.check import Check, State, ago
from core.health.filesystems import is_network
from core.settings_sections import HealthSettings

if TYPE_CHECKING:
    from core.health.facts import Facts, Place

GIB = 2**30


def store(facts: Facts) -> Check:
    """Can it be written to safely where it lies?"""
    store = facts.store
    if is_network(store.filesystem):
        return Check(
            "store",
            "failed",
            f"{store.url} is on a network file system ({store.filesystem}), where SQLite loses writes:"
            " move it to a local disk, or use PostgreSQL",
            host=facts.host,
        )
    if store.unwritable is not None:  # and its journal says nothing then
        return Check("store", "failed", f"{store.url} {store.unwritable}", host=facts.host)
    if store.journal_mode not in {None, "wal"}:
        return Check(
            "store",
            "failed",
            f"{store.url} cannot keep a write-ahead log (its journal is '{store.journal_mode}'), so that"
            " readers and writers block each other: move it to another file system",
            host=facts.host,
        )
    return Check("store", "ok", f"{store.url}, {store.library}", host=facts.host)


def disk(facts: Facts, limits: HealthSettings) -> Iterator[Check]:
    """Is there room, and may it be written to?"""
    for place in facts.places:
        yield Check("disk", *_space(place, limits), cause=str(place.path), host=facts.host)


def _space(place: Place, limits: HealthSettings) -> tuple[State, str]:
    if place.trouble is not None:
        return "failed", f"{place.path} cannot be looked at: {place.trouble}"
    if not place.is_writable:
        why = "its file system is read-only" if place.is_read_only else "this login may not"
        return "failed", f"{place.path} cannot be written to: {why}"
    free = place.free_bytes / GIB
    message = f"{free:.1f} GiB free at {place.path}"
    if free < limits.full_disk_gib:
        return "failed", f"{message}: the disk is full"
    return (
        ("warning", f"{message}, {limits.low_disk_gib:g} wanted")
        if free < limits.low_disk_gib
        else (
            "ok",
            message,
        )
    )


def clock(facts: Facts, limits: HealthSettings) -> Check:
    """A wrong clock gives wrong times of leases; frames from the future tell of it, or of the camera's."""
    store, margin = facts.store, limits.clock_error_s

    def told(state: State, message: str) -> Check:
        return Check("clock", state, message, host=facts.host)

    if store.clock_ahead_s is not None and abs(store.clock_ahead_s) > margin:
        side = "ahead of" if store.clock_ahead_s > 0 else "behind"
        return told(
            "failed", f"the database's clock is {ago(abs(store.clock_ahead_s))} {side} this machine's"
        )
    if store.newest_entry_at is not None and store.newest_entry_at - facts.now > margin:
        ahead = ago(store.newest_entry_at - facts.now)
        return told("warning", f"the newest frame was registered {ahead} in its future")
    if store.newest_taken_at is not None and store.newest_taken_at - facts.now > margin:
        ahead = ago(store.newest_taken_at - facts.now)
        return told("warning", f"{store.newest_frame} was taken {ahead} in the future: one clock is wrong")
    if facts.clock_is_kept:
        return told("ok", "a time service keeps it right")
    # The host of a virtual machine may well keep it right, which its kernel does not see.
    return told("unknown", "no time service is seen to keep it right")


def gpu(facts: Facts, limits: HealthSettings) -> Iterator[Check]:
    """Do the GPUs answer, and are they cool?"""
    devices = [each for each in facts.store.devices if each.kind == "gpu"]
    if not devices:
        yield Check("gpu", "unknown", "none was looked for yet: runs do")
        return
    well: list[str] = []
    for each in devices:
        if each.at is not None and each.reason is not None:
            yield Check("gpu", "warning", f"{each.device}: {each.reason}", cause=each.device)
        elif each.at is None:
            well.append(f"{each.device}: not measured: {each.reason or 'no sample yet'}")
        elif each.temperature_c is not None and each.temperature_c > limits.gpu_celsius:
            heat = (
                f"{each.device} is at {each.temperature_c:.0f} °C, {limits.gpu_celsius:g} at most are wanted"
            )
            yield Check("gpu", "warning", heat, cause=each.device)
        else:
            warmth = "" if each.temperature_c is None else f" at {each.temperature_c:.0f} °C"
            well.append(f"{each.device}{warmth}")
    if len(well) == len(devices):
        yield Check("gpu", "ok", "; ".join(well))
