"""How many threads numerical libraries use, and one frame."""

import os
import sys

import pytest

from astrid_tui.__main__ import main
from core.operations.threads import THREAD_VARIABLES, threads_of, usable_cores
from core.settings import Settings


def test_one_thread_unless_the_environment_says_another_number(monkeypatch, capsys):
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.setattr(sys, "argv", ["astrid", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out
    expected = dict.fromkeys(THREAD_VARIABLES, "1") | {"MKL_NUM_THREADS": "2"}
    assert {name: os.environ[name] for name in THREAD_VARIABLES} == expected


@pytest.mark.parametrize(
    ("threads", "workers", "expected"), [(0, 1, 6), (0, 2, 3), (0, 4, 1), (0, 9, 1), (1, 1, 1), (8, 4, 8)]
)
def test_a_frame_has_its_worker_s_part_of_the_cores_unless_a_number_is_set(
    monkeypatch, threads, workers, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert threads_of(Settings(run={"threads": threads}), workers) == expected


def test_without_a_list_of_cores_their_number_counts(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_the_number_of_threads_makes_no_other_version_of_a_difference():
    assert Settings(run={"threads": 3}).science_hash == Settings().science_hash
