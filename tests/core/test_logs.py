"""The ends of logs, whatever is in them and however long they are."""

import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.operations.logs import (
    NAME,
    OLDER,
    SharedLog,
    lines_of_run,
    log_files,
    log_to_file,
    most_bytes_of,
    prune_runs,
    tail,
)
from core.settings import Settings
from core.settings_sections import LogSettings

WRITER = """
import logging, sys
from pathlib import Path
from core.operations.logs import SharedLog
log = logging.getLogger(sys.argv[2])
log.addHandler(SharedLog(Path(sys.argv[1]), 6000))
sys.stdin.readline()
for number in range(250):
    log.error("%s writes line %04d", sys.argv[2], number)
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger of a log that is full after 100 bytes."""
    (tmp_path / "logs").mkdir()
    handler = SharedLog(tmp_path / "logs" / NAME, 100)
    logger = logging.Logger("x")
    logger.addHandler(handler)
    yield logger
    handler.close()


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


def test_a_full_log_is_put_aside_and_the_oldest_goes(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(12):
        log.error("line %02d %s", number, "x" * 92)  # 100 bytes: each fills a log
    names = {path.name for path in (tmp_path / "logs").iterdir()}
    assert names == {NAME, *(f"pipeline.{age}.log" for age in range(1, OLDER + 1))}
    assert (tmp_path / "logs" / NAME).read_text().startswith("line 11")
    assert (tmp_path / "logs" / f"pipeline.{OLDER}.log").read_text().startswith(f"line {11 - OLDER:02d}")
    assert log_files(tmp_path)[0].name == "pipeline"


def test_what_is_read_goes_on_from_the_older_logs(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(6):
        log.error("core: run %d: line %d %s", 1 + number % 2, number, "x" * 90)
    assert [line.split()[4] for line in lines_of_run(tmp_path, 2)] == ["1", "3", "5"]
    assert [line.split()[4] for line in lines_of_run(tmp_path, 2, most_lines=2)] == ["3", "5"]
    path = tmp_path / "logs" / NAME
    assert [line.split()[4] for line in tail(path, most_lines=2)] == ["4", "5"]
    assert [line.split()[4] for line in tail(path, most_bytes=230)] == ["4", "5"]  # no part of a line
    assert len(tail(path.with_name("pipeline.1.log"))) == 1
    path.unlink()  # as it is for a moment when another is begun
    assert len(lines_of_run(tmp_path, 2)) == 2
    assert lines_of_run(tmp_path / "nowhere", 2) == ()


def test_many_processes_lose_no_line_when_a_log_is_put_aside(tmp_path: Path) -> None:
    path, names = tmp_path / NAME, ("one", "two", "three")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdin=subprocess.PIPE)
        for name in names
    ]
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    files = list(tmp_path.iterdir())
    assert 3 <= len(files) <= OLDER + 1
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name} writes line {n:04d}" for name in names for n in range(250))
    assert all(file.stat().st_size >= 6000 for file in files if file.name != NAME)  # none before it was full


def test_a_log_that_cannot_be_put_aside_is_written_to(
    log: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> Path:
        raise PermissionError("not here")

    monkeypatch.setattr(Path, "replace", refused)
    for number in range(3):
        log.error("line %02d %s", number, "x" * 92)
    assert len((tmp_path / "logs" / NAME).read_text().splitlines()) == 3


def test_a_disk_that_takes_nothing_ends_no_work(
    log: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.error("one")
    shutil.rmtree(tmp_path / "logs")
    log.error("two")
    (tmp_path / "logs").mkdir()
    log.error("three")
    assert (tmp_path / "logs" / NAME).read_text() == "three\n"
    (full := tmp_path / "full.log").symlink_to("/dev/full")
    log.addHandler(handler := SharedLog(full, 100))
    log.error("four")
    assert capsys.readouterr() == ("", "")
    with pytest.raises(OSError, match="No space left"):
        handler.close()


def test_all_logs_together_keep_within_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert most_bytes_of(LogSettings(keep_mib=64)) * (OLDER + 1) == 64 * 2**20
    loggers = [logging.getLogger(name) for name in ("core", "pipeline")]
    for logger in loggers:
        monkeypatch.setattr(logger, "handlers", [])
    settings = Settings.model_construct(home=tmp_path / "home", logs=LogSettings(keep_mib=1))
    for _ in range(2):  # once in a process, however often it is asked for
        log_to_file(settings)
    assert [len(logger.handlers) for logger in loggers] == [1, 1]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        handler.close()


def test_a_log_tells_its_times_in_utc_wherever_the_machine_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = [logging.getLogger(name) for name in ("core", "pipeline")]
    for logger in loggers:
        monkeypatch.setattr(logger, "handlers", [])
    log_to_file(Settings.model_construct(home=tmp_path, logs=LogSettings()))
    (handler,) = loggers[0].handlers
    record = logging.makeLogRecord({"name": "core", "msg": "hello", "created": 1772323200.25, "msecs": 250})
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "America/Santiago")
        time.tzset()
        line = handler.format(record)
    time.tzset()
    for each in loggers:
        each.handlers[0].close()
    assert line.startswith("2026-03-01 00:00:00,250Z ")


def test_the_oldest_logs_of_runs_go_and_never_one_of_a_run_at_work(tmp_path):
    settings = Settings(home=tmp_path, logs=LogSettings(keep_mib=1))
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in (2, 3, 9, 10):
        (folder / f"run-{number}.log").write_bytes(b"x" * 400_000)
    for name in ("run-1.log.gz", "run-x.log", "pipeline.log", "prefect.log"):
        (folder / name).write_bytes(b"x" * 400_000)
    os.utime(folder / "run-2.log", (2e9, 2e9))  # by its number, not by when something was said last
    assert prune_runs(settings, [2]) == [folder / "run-3.log"]
    assert {each.name for each in folder.glob("run-*")} == {
        "run-2.log", "run-9.log", "run-10.log", "run-1.log.gz", "run-x.log"
    }  # fmt: skip
    assert (folder / "pipeline.log").exists()
    assert prune_runs(settings, [2]) == []
    assert prune_runs(settings, []) == [folder / "run-2.log"]
    assert prune_runs(Settings(home=tmp_path / "nowhere"), []) == []


ASTRONOMERS = 23_456  # a group
ADA, VERA = 12_345, 12_346  # two of its users


@pytest.fixture
def shared() -> Iterator[Path]:
    """A home that all users of a group may write to."""
    if os.geteuid() != 0:
        pytest.skip("only an administrator can be several users")
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(home, -1, ASTRONOMERS)
    home.chmod(0o2770)
    yield home
    shutil.rmtree(home)


def say(home: Path, user: int, *lines: str, most: int = 2**20) -> str:
    """Log some lines as a user of the group would, in a process of its own; what its standard error says."""
    said, ours = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(ours, 2)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            os.environ["LOGNAME"] = f"user{user}"
            os.umask(0o022)
            os.setgroups([ASTRONOMERS])
            os.setgid(user)
            os.setuid(user)
            for name in ("core", "pipeline", None):
                logging.getLogger(name).handlers = []
            log_to_file(
                Settings.model_construct(
                    home=home, logs=LogSettings.model_construct(keep_mib=most * 8 / 2**20)
                )
            )
            for line in lines:
                logging.getLogger("core").error("%s", line)
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.close(ours)
    with os.fdopen(said) as stream:
        told = stream.read()
    os.waitpid(child, 0)
    return told


def texts(home: Path) -> dict[str, list[str]]:
    return {
        path.name: [line.rpartition(": ")[2] for line in path.read_text().splitlines()]
        for path in sorted((home / "logs").iterdir())
    }


def test_all_users_of_a_group_write_to_one_log(shared: Path) -> None:
    for number, user in enumerate((ADA, VERA, ADA, VERA)):
        assert say(shared, user, f"line {number}") == ""
    assert texts(shared) == {NAME: ["line 0", "line 1", "line 2", "line 3"]}


def test_users_of_a_group_put_each_others_full_logs_aside(shared: Path) -> None:
    for number, user in enumerate((ADA, VERA, ADA, VERA)):
        say(shared, user, f"line {number}", most=10)
    assert texts(shared) == {
        "pipeline.1.log": ["line 2"], "pipeline.2.log": ["line 1"], "pipeline.3.log": ["line 0"],
        NAME: ["line 3"],
    }  # fmt: skip


def test_whoever_may_not_write_to_the_log_of_another_has_one_of_their_own(shared: Path) -> None:
    say(shared, ADA, "one")
    (shared / "logs" / NAME).chmod(0o644)  # as older programs left it
    assert say(shared, VERA, "run 7: two", "three") == ""
    assert texts(shared) == {NAME: ["one"], f"pipeline-user{VERA}.log": ["two", "three"]}
    assert [line.rpartition(": ")[2] for line in lines_of_run(shared, 7)] == ["two"]
    assert {each.name for each in log_files(shared)} == {"pipeline", f"pipeline-user{VERA}"}


def test_whoever_may_write_no_log_at_all_is_told_and_sees_what_goes_wrong(shared: Path) -> None:
    say(shared, ADA, "one")
    (shared / "logs" / NAME).chmod(0o644)
    (shared / "logs").chmod(0o755)
    told = say(shared, VERA, "two")
    assert f"{shared}/logs cannot be written to by this login" in told
    assert told.endswith("two\n")
    assert texts(shared) == {NAME: ["one"]}


def test_a_home_of_one_user_shares_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("core"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("pipeline"), "handlers", [])
    tmp_path.chmod(0o750)
    before = os.umask(0o077)
    try:
        log_to_file(Settings.model_construct(home=tmp_path, logs=LogSettings()))
        logging.getLogger("core").error("one")
    finally:
        os.umask(before)
    for handler in logging.getLogger("core").handlers:
        handler.close()
    assert stat.S_IMODE((tmp_path / "logs" / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700
