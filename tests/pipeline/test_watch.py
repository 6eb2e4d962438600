"""A file is taken once, whole, and never while it is being written."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import event, update
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Observation, WatchedFolder
from core.frames import watched_folders
from core.frames.watched_folders import Watch, cadence_s, folders, take
from core.operations.processes import mark_of
from core.settings import Settings
from pipeline.intake.watch import PATIENCE_S, FolderWatch, WatchLost, look_into

DATA = np.random.default_rng(1).normal(100, 5, (40, 50)).astype(np.float32)


def exposure(number: int = 0) -> bytes:
    """The bytes of a small science frame."""
    header = fits.Header({"DATE-OBS": f"2025-11-22T0{number % 10}:00:00", "EXPTIME": 30.0, "FILTER": "r"})
    stream = BytesIO()
    fits.PrimaryHDU(DATA + number, header).writeto(stream)
    return stream.getvalue()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def night(tmp_path: Path) -> Path:
    folder = tmp_path / "night"
    folder.mkdir()
    return folder


def watcher(store: Store, night: Path, clock: Callable[[], float]) -> FolderWatch:
    watch = take(store, night, interval_s=5.0)
    assert isinstance(watch, Watch)
    return FolderWatch(store, Settings(), watch, clock)


def poll(watching: FolderWatch) -> list[str]:
    return [taken.path.name for taken in watching.poll()]


def frames(store: Store) -> list[tuple[str, str]]:
    with store.read() as session:
        return [
            (row.frame, row.state) for row in session.exec(select(Observation).order_by(col(Observation.id)))
        ]


def test_a_file_is_taken_at_the_second_look_and_only_once(store: Store, night: Path, clock: Clock) -> None:
    watching = watcher(store, night, clock)
    assert poll(watching) == []
    (night / "a.fits").write_bytes(exposure())
    assert [poll(watching), poll(watching), poll(watching)] == [[], ["a.fits"], []]
    assert frames(store) == [("a.fits", "queued")]


def test_a_file_that_grows_is_left_alone(sqlite_store: Store, night: Path, clock: Clock) -> None:
    watching = watcher(sqlite_store, night, clock)
    content = exposure()
    for end in range(2880, len(content), 2880):
        (night / "a.fits").write_bytes(content[:end])
        assert poll(watching) == []
    assert watching.unsettled == 1
    (night / "a.fits").write_bytes(content)
    assert [poll(watching), poll(watching)] == [[], ["a.fits"]]
    assert frames(sqlite_store) == [("a.fits", "queued")]


def test_a_writer_that_pauses_gets_time_and_then_the_file_is_damaged(
    sqlite_store: Store, night: Path, clock: Clock
) -> None:
    watching = watcher(sqlite_store, night, clock)
    (night / "a.fits").write_bytes(exposure()[:5760])
    assert [poll(watching) for _ in range(3)] == [[], [], []]
    clock.now = PATIENCE_S - 1
    assert poll(watching) == []
    clock.now = PATIENCE_S
    assert poll(watching) == ["a.fits"]
    assert frames(sqlite_store) == [("a.fits", "quarantined")]
    (night / "a.fits").write_bytes(exposure())  # the writer was only slow
    assert [poll(watching), poll(watching)] == [[], ["a.fits"]]
    assert frames(sqlite_store) == [("a.fits", "dropped"), ("a.fits", "queued")]


def test_a_frame_whose_file_is_overwritten_leaves_the_queue(store: Store, night: Path, clock: Clock) -> None:
    watching = watcher(store, night, clock)
    for number in (1, 2):
        (night / "a.fits").write_bytes(exposure(number))
        os.utime(night / "a.fits", (number, number))
        assert [poll(watching), poll(watching)] == [[], ["a.fits"]]
    assert frames(store) == [("a.fits", "dropped"), ("a.fits", "queued")]
    with store.read() as session:
        assert session.get_one(Observation, 1).reason == "its file holds other content now"


def test_hidden_files_parts_and_empty_files_are_no_frames(sqlite_store, night, clock) -> None:
    watching = watcher(sqlite_store, night, clock)
    (night / "deep" / "er").mkdir(parents=True)
    (night / ".git").mkdir()
    for name in (".a.fits", ".a.fits.Xy12", "a.fits.part", "a.txt", ".git/b.fits"):
        (night / name).write_bytes(exposure())
    (night / "empty.fits").touch()
    (night / "deep" / "er" / "c.FIT").write_bytes(exposure())
    assert [poll(watching), poll(watching)] == [[], ["c.FIT"]]


def test_after_a_restart_nothing_is_read_again(store, night, clock, monkeypatch) -> None:
    (night / "a.fits").write_bytes(exposure())
    first = watcher(store, night, clock)
    assert [poll(first), poll(first)] == [[], ["a.fits"]]
    watched_folders.let_go(store, first.watch)
    monkeypatch.setattr("pipeline.intake.watch.examine", lambda *_: pytest.fail("the file was read again"))
    second = watcher(store, night, clock)
    assert [poll(second), poll(second)] == [[], []]


def test_a_crash_between_the_two_records_does_no_harm(store, night, clock, monkeypatch) -> None:
    (night / "a.fits").write_bytes(exposure())
    first = watcher(store, night, clock)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(watched_folders, "remember", crash)
        poll(first)
        with pytest.raises(RuntimeError):
            poll(first)
    second = watcher(store, night, clock)
    (taken,) = [*second.poll(), *second.poll()]
    assert not taken.frames[0].new
    assert frames(store) == [("a.fits", "queued")]


def test_a_folder_below_that_cannot_be_listed_is_told_and_the_others_go_on(
    sqlite_store, night, clock, barred
) -> None:
    watching = watcher(sqlite_store, night, clock)
    for name in ("barred", "open"):
        (night / name).mkdir()
    (night / "open" / "a.fits").write_bytes(exposure())
    barred(night / "barred")
    assert [poll(watching), poll(watching)] == [[], ["a.fits"]]
    (folder,) = folders(sqlite_store)
    assert folder.problem == "barred: this folder cannot be read: Permission denied"


def test_a_folder_that_is_away_is_told_and_comes_back(sqlite_store, night, clock) -> None:
    watching = watcher(sqlite_store, night, clock)
    night.rename(night.with_name("elsewhere"))
    assert poll(watching) == []
    (told,) = folders(sqlite_store)
    assert told.problem is not None
    assert "No such file" in told.problem
    night.with_name("elsewhere").rename(night)
    (night / "a.fits").write_bytes(exposure())
    assert [poll(watching), poll(watching)] == [[], ["a.fits"]]
    assert folders(sqlite_store)[0].problem is None


def test_the_record_tells_what_a_screen_shows(store, night, clock) -> None:
    watching = watcher(store, night, clock)
    for number in range(4):
        path = night / f"{number}.fits"
        path.write_bytes(exposure(number) if number else b"no FITS file at all")
        os.utime(path, (1000.0 + 30 * number,) * 2)
    assert poll(watching) == []
    poll(watching)
    (folder,) = folders(store)
    assert (folder.path, folder.watched, folder.pid) == (str(night), True, os.getpid())
    assert (folder.files, folder.refused, folder.cadence_s) == (4, 1, 30.0)
    assert folder.last_file_at is not None
    watched_folders.let_go(store, watching.watch)
    assert not folders(store)[0].watched


def test_the_pace_is_of_the_newest_frames_and_survives_a_restart(sqlite_store, night, clock) -> None:
    def write(number: int, seconds: float) -> None:
        path = night / f"{number}.fits"
        path.write_bytes(exposure(number))
        os.utime(path, (seconds,) * 2)

    for number in range(40):
        write(number, 1000.0 * number if number < 8 else 10_000.0 + 30.0 * number)
    (night / "alert.avro").write_bytes(b"no packet")
    watching = watcher(sqlite_store, night, clock)
    poll(watching)
    poll(watching)
    assert folders(sqlite_store)[0].cadence_s == 30.0
    watching = watcher(sqlite_store, night, clock)
    assert poll(watching) == []
    for number in range(40, 60):
        write(number, 12_000.0 + 20.0 * number)
    poll(watching)
    poll(watching)
    assert folders(sqlite_store)[0].cadence_s == 20.0


def test_a_file_is_recorded_without_a_look_at_the_others(sqlite_store, night, clock) -> None:
    watching = watcher(sqlite_store, night, clock)
    (night / "a.fits").write_bytes(exposure())
    poll(watching)
    asked: list[str] = []
    with sqlite_store.write() as db:  # all engines of a store share their events
        event.listen(db.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert poll(watching) == ["a.fits"]
    of_files = [each for each in asked if each.startswith("SELECT") and "watched_file" in each]
    assert of_files
    assert all("watched_file.name = ?" in each for each in of_files)


def test_one_process_watches_a_folder_and_another_takes_over_when_it_is_gone(store, night, clock) -> None:
    first = watcher(store, night, clock)
    with store.write() as session:  # as if it were another, living, process
        session.execute(update(WatchedFolder).values(watcher=mark_of(os.getppid()), pid=os.getppid()))
    assert take(store, night, interval_s=5.0) == os.getppid()
    with pytest.raises(WatchLost):
        poll(first)
    with store.write() as session:  # it hangs
        session.execute(update(WatchedFolder).values(heartbeat_at=col(WatchedFolder.heartbeat_at) - 100))
    assert isinstance(take(store, night, interval_s=5.0), Watch)
    with store.write() as session:  # its id belongs to a younger process
        session.execute(update(WatchedFolder).values(watcher="long ago", pid=os.getppid()))
    assert isinstance(take(store, night, interval_s=5.0), Watch)


def test_who_slept_while_its_folder_was_forgotten_records_nothing(store, night, clock) -> None:
    watching = watcher(store, night, clock)
    (night / "a.fits").write_bytes(exposure())
    assert poll(watching) == []
    with store.write() as db:
        db.execute(update(WatchedFolder).values(heartbeat_at=1.0))
    assert watched_folders.forget(store, str(night)).path == str(night)
    with pytest.raises(WatchLost):
        poll(watching)
    assert watched_folders.folders(store) == ()


def test_processes_that_began_at_the_same_tick_are_two(store, night, clock, monkeypatch) -> None:
    monkeypatch.setattr(watched_folders, "mark_of", lambda _pid: "the same tick")
    monkeypatch.setattr(watched_folders, "is_gone", lambda _pid, _mark, _silent_s: False)
    first = watcher(store, night, clock)
    with store.write() as session:
        session.execute(update(WatchedFolder).values(pid=os.getppid()))
    assert take(store, night, interval_s=5.0) == os.getppid()
    with pytest.raises(WatchLost):
        poll(first)


def test_a_look_costs_no_read(night: Path) -> None:
    (night / "a.fits").write_bytes(b"x" * 10)
    (night / "a.fits").chmod(0)
    assert look_into(night)["a.fits"].size == 10


@pytest.mark.parametrize(
    ("times", "cadence"),
    [([], None), ([5, 6], None), ([30, 0, 60], 30), ([0, 30, 60, 90, 4000], 30), ([0, 1, 2], 1)],
)
def test_the_cadence_is_the_usual_time_between_files(times: list[float], cadence: float | None) -> None:
    assert cadence_s(times) == cadence


@pytest.mark.parametrize(
    "times", [[7, 7, 7], [0.0, 0.1, 0.2, 0.3], [0, 60, 120, *(200 + n / 20 for n in range(5))]]
)
def test_files_that_were_copied_at_once_tell_of_no_cadence(times: list[float]) -> None:
    """Else the camera would be missed a moment later."""
    assert cadence_s(times) is None
