"""A driver for tests: a small library with NVML's own calls, compiled once and spoken to by pynvml."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pynvml
import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")


class Field(IntEnum):
    """What a GPU of the fake has, numbered as there."""

    COUNT = 0
    ENERGY = 1  # millijoules
    DRAW = 2  # milliwatts
    TEMPERATURE = 3
    UTILISATION = 4  # per cent
    MEMORY_USED = 5
    MEMORY_TOTAL = 6
    INIT = 7
    HANDLE = 8
    NAME = 9


QUANTITIES = (
    Field.ENERGY,
    Field.DRAW,
    Field.TEMPERATURE,
    Field.UTILISATION,
    Field.MEMORY_USED,
)


class FakeNvml:
    """The test's side of the fake driver."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def set(self, gpu: int, field: Field, value: int) -> None:
        self._library.fake_set(gpu, int(field), ctypes.c_ulonglong(value))

    def fail(self, gpu: int, field: Field, error: int) -> None:
        self._library.fake_fail(gpu, int(field), error)

    def calls(self, field: Field) -> int:
        """How often the field was asked for, of whatever GPU."""
        return int(self._library.fake_calls(int(field)))

    def lose(self, gpu: int, error: int = pynvml.NVML_ERROR_GPU_IS_LOST) -> None:
        for field in QUANTITIES:
            self.fail(gpu, field, error)

    def have(self, gpus: int) -> None:
        self.set(0, Field.COUNT, gpus)
        for gpu in range(gpus):
            self.set(gpu, Field.ENERGY, 1_000_000 * (gpu + 1))
            self.set(gpu, Field.DRAW, 70_500)
            self.set(gpu, Field.TEMPERATURE, 41)
            self.set(gpu, Field.UTILISATION, 25)
            self.set(gpu, Field.MEMORY_USED, 3 * 2**30)
            self.set(gpu, Field.MEMORY_TOTAL, 12 * 2**30)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled fake, under the name that a driver's library has."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler on Linux: the fake NVML cannot be built")
    path = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path, SOURCE], check=True)
    return path


@pytest.fixture
def nvml(nvml_library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNvml]:
    """A driver without GPUs, in this process."""
    library = ctypes.CDLL(str(nvml_library))
    library.fake_reset()
    monkeypatch.setattr(pynvml, "nvmlLib", library)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    yield FakeNvml(library)
    library.fake_reset()
