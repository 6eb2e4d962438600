"""The stage clock records every end of a stage."""

import pytest

from pipeline.clock import StageClock, one_line, peak_mib
from pipeline.frame import FrameRefused


def test_stages_are_recorded_as_they_end() -> None:
    clock = StageClock()
    with clock.stage("read"):
        pass
    with pytest.raises(FrameRefused), clock.stage("quality"):
        raise FrameRefused("4 stars, 10 are needed")
    with pytest.raises(ZeroDivisionError), clock.stage("psf"):
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), clock.stage("align"):
        raise KeyboardInterrupt
    assert [(each.stage, each.outcome, each.reason) for each in clock.records] == [
        ("read", "done", None),
        ("quality", "rejected", "4 stars, 10 are needed"),
        ("psf", "failed", "ZeroDivisionError: division by zero"),
        ("align", "failed", "KeyboardInterrupt"),
    ]
    assert all(each.seconds >= 0 and each.started_at > 1.6e9 for each in clock.records)


def test_peak_memory_is_that_of_this_process() -> None:
    before = peak_mib()
    held = bytearray(64 * 2**20)
    assert peak_mib() - before > 32 or before > 200
    assert 10 < peak_mib() < 64_000
    assert held[0] == 0


def test_an_error_is_one_line() -> None:
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(MemoryError()) == "MemoryError"
