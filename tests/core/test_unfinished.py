"""A file that was asked for is there whole, or not at all, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.unfinished import unfinished


def test_a_file_appears_whole_and_as_any_new_one_may_be_read(tmp_path: Path) -> None:
    path, plain = tmp_path / "out.csv", tmp_path / "plain"
    plain.write_text("")
    with unfinished(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert path.stat().st_mode == plain.stat().st_mode
    assert {each.name for each in tmp_path.iterdir()} == {"out.csv", "plain"}


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def broken() -> None:
        with unfinished(path) as part:
            part.write_text("half")
            raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke"):
        broken()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_no_link_that_others_laid_is_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    for name in ("out.csv.part", ".out.csv.part"):
        (tmp_path / name).symlink_to(mine)
    with unfinished(tmp_path / "out.csv") as part:
        part.write_text("new")
    assert mine.read_text() == "precious"


def test_the_content_is_on_disk_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "out.csv", []
    monkeypatch.setattr("core.unfinished.sync", lambda each: synced.append((each, path.exists())))
    with unfinished(path) as part:
        part.write_text("whole")
    assert synced == [(part, False), (tmp_path, True)]
