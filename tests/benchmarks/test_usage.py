"""Benchmarks that need to be told something say so."""

import importlib
import sys

import pytest


@pytest.mark.parametrize("name", ["real_pairs", "million"])
def test_without_arguments_a_sentence_says_what_is_needed(name, monkeypatch, capsys):
    benchmark = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name])
    with pytest.raises(SystemExit) as ended:
        benchmark.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"usage: python -m benchmarks.{name} ")
    assert "FOLDER" in said
