"""How many threads numerical libraries use."""

import os
import sys

import pytest

from astrid_tui.__main__ import main
from core.operations.threads import THREAD_VARIABLES


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
