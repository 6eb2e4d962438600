"""A pipe in place of a file is refused: who waited for it would do so without end."""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from core.catalogs.library import Library
from pipeline.frame import FrameRefused
from pipeline.known.add import CatalogRefused, Options, add
from pipeline.reference import reference_file
from pipeline.training import examples

PATIENCE_S = 20


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "pipe.fits"
    os.mkfifo(path)

    def waited(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt("the pipe was waited for")  # which nobody takes for a damaged file

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(PATIENCE_S)
    yield path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_it_is_no_reference(pipe: Path) -> None:
    assert not reference_file.is_reference(pipe)
    with pytest.raises(FrameRefused, match="it is no regular file"):
        reference_file.read(pipe)


def test_it_is_no_catalogue(pipe: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogRefused, match="it is no regular file"):
        add(pipe, Library(tmp_path / "catalogs"), Options())


def test_it_is_no_set_of_examples(pipe: Path) -> None:
    with pytest.raises(examples.ExamplesError, match="it is no regular file"):
        examples.read(pipe)


def test_examples_that_would_fill_the_memory_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "large.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("new.npy", bytes(2000))
    monkeypatch.setattr("core.operations.memory.of_this_machine", lambda: 1000)
    with pytest.raises(examples.ExamplesError, match="more than this machine's memory"):
        examples.read(tmp_path / "large.npz")
