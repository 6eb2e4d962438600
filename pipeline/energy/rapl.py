"""CPUs and their memory, by the running average power limit counters (RAPL) that Linux shows in sysfs.

A package's counter includes its cores; memory has a counter of its own on some processors.
"""

import time
from pathlib import Path

from pipeline.energy.readings import Absent, Counter, Kind, Reading

POWERCAP = Path("/sys/class/powercap")
MICRO = 1e-6


class RaplDomain:
    """One domain: a CPU package, or the memory at one.

    Its counter wraps: at 200 W that takes about twenty minutes.
    """

    memory_mib: float | None = None

    def __init__(self, folder: Path, device: str, kind: Kind) -> None:
        self._path = folder / "energy_uj"
        self.device = device
        self.kind: Kind = kind
        self.name = (folder / "name").read_text().strip()
        self._wraps_at_j = float((folder / "max_energy_range_uj").read_text()) * MICRO
        self._read()

    def read(self) -> Reading:
        """Its energy; it tells nothing else."""
        at, clock = time.time(), time.monotonic()
        try:
            return Reading(at, clock, counter=self._read())
        except (OSError, ValueError) as error:
            return Reading(at, clock, trouble=_said(error, self._path))

    def counter(self) -> Counter | None:
        """Its energy; none where it cannot be read any more."""
        try:
            return self._read()
        except (OSError, ValueError):
            return None

    def _read(self) -> Counter:
        return Counter(float(self._path.read_bytes()) * MICRO, self._wraps_at_j)


def find_rapl(powercap: Path = POWERCAP) -> tuple[list[RaplDomain], list[Absent]]:
    """All packages of this machine and their memory, and what cannot be read."""
    domains: list[RaplDomain] = []
    absent: list[Absent] = []
    packages = [folder for folder in _zones(powercap, "intel-rapl:*") if _name(folder).startswith("package")]
    if not packages:
        return [], [Absent("cpu", "cpu", "this machine shows no RAPL counters")]
    for number, package in enumerate(packages):
        memory = [folder for folder in _zones(package, "intel-rapl:*") if _name(folder) == "dram"]
        wanted: list[tuple[Path, str, Kind]] = [(package, f"cpu{number}", "cpu")]
        wanted += [(folder, f"dram{number}", "memory") for folder in memory[:1]]
        for folder, device, kind in wanted:
            try:
                domains.append(RaplDomain(folder, device, kind))
            except (OSError, ValueError) as error:
                absent.append(Absent(device, kind, _said(error, folder / "energy_uj")))
    return domains, absent


def _zones(folder: Path, pattern: str) -> list[Path]:
    """Zones by number; the names of sysfs sort as text, 10 before 2."""
    found = [path for path in folder.glob(pattern) if path.name.rpartition(":")[2].isdecimal()]
    return sorted(found, key=lambda path: [int(part) for part in path.name.split(":")[1:]])


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return ""


def _said(error: OSError | ValueError, path: Path) -> str:
    if isinstance(error, PermissionError):
        return f"no permission to read {path}: root can give it with chmod a+r"
    if isinstance(error, OSError):
        return f"cannot read {path}: {error.strerror}"
    return f"{path} holds no number"
