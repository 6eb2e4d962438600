"""`astrid` called in this very process: as quick as its work, with what it says and how it ends."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from astrid_tui.__main__ import main
from tests.astrid_tui import documented


class Command:
    """Calls `astrid` with a home and a store of its own; nobody sits at its terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capture: Callable[[], tuple[str, str]]) -> None:
        self._monkeypatch = monkeypatch
        self._capture = capture
        self.said = ""

    def __call__(self, *words: object, code: int = 0) -> str:
        self._monkeypatch.setattr(sys, "argv", ["astrid", *map(str, words)])
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = end.code or 0
        out, self.said = self._capture()
        assert ended == code, f"{words}: {ended}\n{out}\n{self.said}"
        return out

    def json(self, *words: object, code: int = 0):
        """What it prints as JSON, which has to be what `docs/json.md` says."""
        document = json.loads(self(*words, "--json", code=code))
        untold, unprinted = documented.broken(words, document)
        assert not untold + unprinted, f"{words}: {untold} are not told, {unprinted} are not printed"
        return document


def in_a_new_home(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> Command:
    """`astrid` in a home that has nothing yet, called in a folder."""
    monkeypatch.setenv("ASTRID_HOME", str(folder / "home"))
    monkeypatch.delenv("ASTRID_CONFIG", raising=False)
    monkeypatch.chdir(folder)
    return Command(monkeypatch, lambda: tuple(capsys.readouterr()))
