"""`astrid deploy`, with nobody to serve."""

import pytest

from core.operations import prefect_server
from pipeline.engines import prefect
from tests.astrid_tui.command import Command


def test_a_script_is_told_the_schedule_before_its_first_run(
    tmp_path, sqlite_store, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.setattr(prefect_server, "ensure", lambda *_, **__: "http://127.0.0.1:9/api")
    told = []

    def serve(*_, on_ready, **__) -> None:
        on_ready()
        told.append(capsys.readouterr()[0])

    monkeypatch.setattr(prefect, "serve", serve)
    astrid = Command(monkeypatch, lambda: (told[0], capsys.readouterr()[1]))
    assert astrid.json("deploy", "--every", 60, "--workers", 2) == {
        "server": "http://127.0.0.1:9/api", "every_s": 60, "cron": None, "workers": 2, "limit": None,
    }  # fmt: skip
