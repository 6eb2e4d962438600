"""The ends of logs, whatever is in them and however long they are."""

import os

from core.operations.logs import log_files, tail


def test_the_log_that_was_written_last_comes_first(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for age, name in enumerate(("run-2.log", "pipeline.log", "empty.log", "notes.txt")):
        (folder / name).write_text("" if name == "empty.log" else "x\n")
        os.utime(folder / name, (1000 + age, 1000 + age))
    assert [each.name for each in log_files(tmp_path)] == ["pipeline", "run-2"]
    assert log_files(tmp_path / "nowhere") == ()


def test_a_tail_is_bounded_and_begins_with_a_whole_line(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"line %06d\n" % n for n in range(50_000)))
    lines = tail(path, most_bytes=1000)
    assert lines[-1] == "line 049999"
    assert lines[0] == f"line {50_000 - len(lines):06d}"
    assert len(lines) == 1000 // 12
    assert tail(path, most_lines=3) == ("line 049997", "line 049998", "line 049999")


def test_a_tail_takes_bytes_that_are_no_text_and_a_line_without_end(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"one\r\n\xff\x1b[2J\n\nlast")
    assert tail(path) == ("one", "\\xff\x1b[2J", "", "last")


def test_a_line_longer_than_the_tail_shows_nothing_of_it(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 5000)
    assert tail(path, most_bytes=100) == ()
