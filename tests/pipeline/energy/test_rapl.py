"""RAPL domains in a folder that looks like sysfs."""

from pathlib import Path

import pytest

from pipeline.energy.rapl import find_rapl
from pipeline.energy.readings import between


def zone(folder: Path, name: str, energy_uj: int, wraps_at_uj: int = 262_143_328_850) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{wraps_at_uj}\n")
    return folder


def test_packages_and_their_memory_are_found_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    first = zone(tmp_path / "intel-rapl:0", "package-0", 1_500_000)
    zone(first / "intel-rapl:0:0", "core", 1_000_000)  # within the package
    zone(first / "intel-rapl:0:1", "dram", 250_000)
    zone(tmp_path / "intel-rapl:1", "package-1", 3_000_000)
    zone(tmp_path / "intel-rapl:2", "psys", 9_000_000)  # around the packages
    zone(tmp_path / "intel-rapl-mmio:0", "package-0", 1_500_000)  # the same once more
    domains, absent = find_rapl(tmp_path)
    assert [(each.device, each.kind, each.name) for each in domains] == [
        ("cpu0", "cpu", "package-0"),
        ("dram0", "memory", "dram"),
        ("cpu1", "cpu", "package-1"),
    ]
    assert [each.read().counter.joules for each in domains] == [1.5, 0.25, 3.0]
    assert absent == []


def test_a_counter_that_wrapped_goes_on(tmp_path: Path) -> None:
    folder = zone(tmp_path / "intel-rapl:0", "package-0", 9_000_000, wraps_at_uj=10_000_000)
    (domain,), _ = find_rapl(tmp_path)
    before = domain.counter()
    (folder / "energy_uj").write_text("2500000\n")
    assert between(before, domain.counter()) == pytest.approx(3.5)


def test_a_machine_without_rapl_says_so(tmp_path: Path) -> None:
    domains, (absent,) = find_rapl(tmp_path / "nothing here")
    assert domains == []
    assert (absent.device, absent.reason) == ("cpu", "this machine shows no RAPL counters")


def test_no_permission_is_a_value_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = zone(tmp_path / "intel-rapl:0", "package-0", 1)
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:  # root, as tests may run, reads everything
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    domains, (absent,) = find_rapl(tmp_path)
    assert domains == []
    assert absent.device == "cpu0"
    assert absent.reason == f"no permission to read {folder / 'energy_uj'}: root can give it with chmod a+r"


def test_a_domain_that_vanishes_is_a_reading_with_trouble(tmp_path: Path) -> None:
    folder = zone(tmp_path / "intel-rapl:0", "package-0", 1)
    (domain,), _ = find_rapl(tmp_path)
    (folder / "energy_uj").unlink()
    reading = domain.read()
    assert reading.counter is None
    assert reading.trouble == f"cannot read {folder / 'energy_uj'}: No such file or directory"
    assert domain.counter() is None
    (folder / "energy_uj").write_text("")
    assert domain.read().trouble == f"{folder / 'energy_uj'} holds no number"
