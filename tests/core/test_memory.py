"""How much memory this machine has, and who is told of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.operations import memory
from pipeline.training.field_cache import memory_for

MEMINFO = Path("/proc/meminfo")


@pytest.mark.skipif(not MEMINFO.exists(), reason="the kernel tells nobody here")
def test_it_is_what_the_kernel_tells():
    (told,) = re.findall(r"MemTotal: +(\d+) kB", MEMINFO.read_text())
    assert memory.of_this_machine() == pytest.approx(int(told) * 1024, rel=0.01)


@pytest.mark.parametrize(("total", "fields"), [(50_000, 5), (9_999, 1), (1, 1)])
def test_a_tenth_of_it_is_for_fields_that_are_learnt_from(monkeypatch, tmp_path, total, fields):
    """As many as the largest of them would let be, and one at least."""
    for size in (200, 1000):
        (tmp_path / f"{size}.npz").write_bytes(bytes(size))
    monkeypatch.setattr(memory, "of_this_machine", lambda: total)
    assert memory_for(sorted(tmp_path.iterdir())) == fields
