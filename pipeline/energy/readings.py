"""What a sensor says at one moment, and the energy between two of them."""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

Kind = Literal["gpu", "cpu", "memory"]


@dataclass(frozen=True, slots=True)
class Counter:
    """Energy since some moment in the past, in joules. Only differences have a meaning."""

    joules: float
    wraps_at_j: float | None = None  # where it starts again at 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one device. What it does not measure is none.

    Attributes
    ----------
    at : float
        Unix seconds.
    clock : float
        The monotonic clock, seconds, for differences of time.
    watts : float or None
        The draw: of this moment, or the mean since the reading before.
    utilisation : float or None
        0 to 1.
    memory_mib : float or None
        In use.
    trouble : str or None
        Why nothing of its power could be read.
    """

    at: float
    clock: float
    counter: Counter | None = None
    watts: float | None = None
    temperature_c: float | None = None
    utilisation: float | None = None
    memory_mib: float | None = None
    trouble: str | None = None


class Sensor(Protocol):
    """A device whose power can be read. Its methods raise nothing: a failure is a value."""

    device: str  # a short name, unique on this machine: "gpu0"
    kind: Kind
    name: str  # what the vendor calls it
    memory_mib: float | None  # that it has

    def read(self) -> Reading:
        """All that the device tells."""
        ...

    def counter(self) -> Counter | None:
        """Its energy alone: what is read at the ends of every stage."""
        ...


@dataclass(frozen=True, slots=True)
class Absent:
    """A device, or a kind of devices, that cannot be measured."""

    device: str
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Spent:
    """The energy of one device over some time.

    Attributes
    ----------
    joules : float
    seconds : float
        How much of the time was measured; the energy of the rest is unknown and not in `joules`.
    how : str or None
        ``counter``: the difference of an energy counter. ``draw``: the integral of the draw between
        samples, by the trapezoidal rule. None before anything was measured.
    """

    joules: float = 0.0
    seconds: float = 0.0
    how: Literal["counter", "draw"] | None = None


def between(before: Counter | None, after: Counter | None) -> float | None:
    """The joules from one counter value to a later one.

    A counter that wraps is taken to have wrapped at most once. None where either value is missing, or
    where a counter that does not wrap went back: it was set to zero in between.
    """
    if before is None or after is None:
        return None
    joules = after.joules - before.joules
    if joules >= 0:
        return joules
    if after.wraps_at_j is None:
        return None
    return joules + after.wraps_at_j


def add(spent: Spent, before: Reading, after: Reading, longest_s: float) -> Spent:
    """Add the interval between two readings of one device.

    The counter is taken where both readings have one. Else the mean of both draws is, if no more than
    `longest_s` lie between them: who knows what the draw was meanwhile. Else nothing is added.
    """
    seconds = after.clock - before.clock
    joules = between(before.counter, after.counter)
    if joules is not None:
        return Spent(spent.joules + joules, spent.seconds + seconds, "counter")
    if before.watts is not None and after.watts is not None and seconds <= longest_s:
        joules = 0.5 * (before.watts + after.watts) * seconds
        return Spent(spent.joules + joules, spent.seconds + seconds, "draw")
    return spent


def with_mean_draw(before: Reading | None, after: Reading) -> Reading:
    """The later reading, with the mean draw since the earlier where the device tells energy alone."""
    if before is None or after.watts is not None or after.clock <= before.clock:
        return after
    joules = between(before.counter, after.counter)
    return after if joules is None else replace(after, watts=joules / (after.clock - before.clock))
