"""A file that was asked for is there whole, or not at all, and nothing else is touched."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from core.no_room import no_room
from core.operations.kept import sweep_home
from core.unfinished import sweep, unfinished
from tests.room import files_of_at_most

LARGE = 2**18


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


def by_astropy(part: Path) -> None:
    fits.PrimaryHDU(np.zeros(LARGE)).writeto(part, overwrite=True)


def by_numpy(part: Path) -> None:
    np.zeros(LARGE).tofile(part)


def by_itself(part: Path) -> None:
    part.write_bytes(bytes(LARGE))


@pytest.mark.parametrize("write", [by_astropy, by_numpy, by_itself])
def test_a_file_that_finds_no_room_is_named_whatever_writes_it(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "out.fits"
    with pytest.raises(OSError) as raised, files_of_at_most(LARGE // 2), unfinished(path) as part:  # noqa: PT011
        write(part)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(path))
    assert no_room(raised.value) is not None
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_for_another_reason_stays_as_it_is(tmp_path: Path) -> None:
    elsewhere = OSError(errno.ENOSPC, "full", "/elsewhere")
    for error in (PermissionError(errno.EACCES, "no"), OSError("odd"), elsewhere):
        with pytest.raises(OSError) as raised, unfinished(tmp_path / "out"):  # noqa: PT011
            raise error
        assert raised.value is error


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


LATER = 3 * 86400.0  # after now, so that all there is is old

KILLED = """
import os, signal, sys
from pathlib import Path
from core.unfinished import unfinished
with unfinished(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print(part, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_program_left_goes_once_it_is_old_and_what_is_in_hand_never(tmp_path: Path) -> None:
    code = [sys.executable, "-c", KILLED, str(tmp_path / "out.npz")]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        part = Path(program.stdout.readline().rstrip("\n"))
        assert sweep([tmp_path], now=time.time() + LATER) == []
        program.communicate("go\n")
    assert program.returncode == -signal.SIGKILL
    assert part.read_bytes() == b"half"
    assert sweep([tmp_path]) == []
    assert sweep([tmp_path, tmp_path / "nowhere"], now=time.time() + LATER) == [part]
    assert not part.exists()


KILLED_IN_A_FOLDER = """
import os, signal, sys
from pathlib import Path
from core.unfinished import folder_for
with folder_for("copy", Path(sys.argv[1])) as work:
    (work / "model").mkdir()
    (work / "model" / "weights").write_bytes(b"half")
    print(work, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_that_a_killed_program_worked_in_goes_once_it_is_old(tmp_path: Path) -> None:
    others = [
        tmp_path / name for name in (".copy-mine", "copy-abcdefgh", ".copy-abcdefghi", ".fetched-abcdefgh")
    ]
    for folder in others:
        folder.mkdir()
    (tmp_path / ".fetch-abcdefgh").symlink_to(others[0])
    code = [sys.executable, "-c", KILLED_IN_A_FOLDER, str(tmp_path)]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        work = Path(program.stdout.readline().rstrip("\n"))
        assert sweep([tmp_path], now=time.time() + LATER) == []
        program.communicate("go\n")
    assert program.returncode == -signal.SIGKILL
    assert (work / "model" / "weights").exists()
    assert sweep([tmp_path]) == []
    assert sweep([tmp_path], now=time.time() + LATER) == [work]
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / ".fetch-abcdefgh"])


def test_nothing_but_parts_is_swept(tmp_path: Path) -> None:
    code = "0123456789abcdef"
    parts = [f".a.npz.{code}.part", f".astrid.db.{code}.part-journal", "astrid-20270105T000000Z.db.123.part"]
    others = [".part", f"a.npz.{code}.part", ".a.npz.0123.part", "film.mp4.12.part", "a.npz", f".{code}.part"]
    for name in parts + others:
        (tmp_path / name).write_text("x")
    (tmp_path / f".folder.{code}.part").mkdir()
    (tmp_path / f".link.{code}.part").symlink_to(tmp_path / "a.npz")
    gone = sweep([tmp_path], now=time.time() + LATER)
    assert {each.name for each in gone} == set(parts)
    assert {each.name for each in tmp_path.iterdir()} == {
        *others, f".folder.{code}.part", f".link.{code}.part"
    }  # fmt: skip


def test_all_folders_of_a_home_that_parts_may_be_in_are_swept(tmp_path: Path) -> None:
    name = ".x.0123456789abcdef.part"
    swept = ["masters", "references", "trainings/20270105", "training/fields-512", "models", "health", "."]
    for folder in [*swept, "mlflow", "frames"]:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text("x")
        os.utime(tmp_path / folder / name, (1000.0, 1000.0))
    assert set(sweep_home(tmp_path)) == {tmp_path / folder / name for folder in swept}
    assert sweep_home(tmp_path / "nowhere") == []
