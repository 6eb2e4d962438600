"""The queue from the command line, as a script uses it, and as a terminal asks."""

import os
import pty
import re
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import update
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Observation, WatchedFolder
from core.frames.commit import commit_frame
from core.frames.outcome import FrameOutcome, StageRecord
from core.operations import runs
from pipeline.engines.local import RunSummary
from pipeline.engines.worker import FrameEvent
from tests.astrid_tui.command import Command
from tests.core.covering import add_frame, new_object
from tests.core.frames import add_frames, add_reference, claimed, difference_facts, done, process


@pytest.fixture
def astrid(tmp_path, store_url, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", store_url)
    monkeypatch.setenv("ASTRID_REVIEW__REVIEWER", "vera")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


def quarantine(store: Store, why: str = "align: no stars") -> None:
    commit_frame(store, claimed(store), FrameOutcome("failed", why), attempts=1, retry_s=0.0)


def states(store: Store) -> list[str]:
    with store.read() as session:
        return list(session.exec(select(Observation.state).order_by(col(Observation.id))))


def test_status_tells_watched_folders_and_why_frames_failed(astrid: Command, store: Store) -> None:
    add_frames(store, 1)
    quarantine(store)
    with store.write() as db:
        values = {"interval_s": 5.0, "heartbeat_at": time.time(), "files": 7, "unsettled": 2}
        db.add(WatchedFolder(path="/night", host="dome", watcher="w", **values))
        db.add(WatchedFolder(path="/gone", host="dome", **(values | {"problem": "no such folder"})))
    told = astrid("status")
    assert "dome:/night: watched; 7 files taken, 2 being written\n" in told
    assert "dome:/gone: no such folder; 7 files taken, 2 being written\n" in told
    intake = astrid.json("status")["intake"]
    assert [each["path"] for each in intake["folders"]] == ["/gone", "/night"]
    (cause,) = intake["causes"]
    assert (cause["frames"], cause["newest_reason"]) == (1, "align: no stars")
    (frame,) = astrid.json("queue", "list", "--filter", cause["filter"])["frames"]
    assert frame["id"] == cause["newest_id"]


@pytest.mark.parametrize(
    ("cadence", "told"),
    [
        ("10", "falls behind, 0.1 times as fast as they come"),
        ("200", "keeps up, 2 times as fast as they come"),
    ],
)
def test_status_tells_whether_frames_are_processed_as_fast_as_they_come(
    cadence: str, told: str, astrid: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRID_CAMERA__CADENCE_S", cadence)
    run = runs.start(store, engine="local", workers=1, config_hash="c")
    add_frames(store, 1, 2)
    for began in (1000.0, 1100.0):
        outcome = FrameOutcome("done", stages=(StageRecord("align", began, 2.5, "done"),))
        commit_frame(store, claimed(store), outcome, run_id=run.id, attempts=1, retry_s=0.0)
    assert f"36 frames/h processed; the camera takes one in {cadence} s; {told}\n" in astrid("status")


def test_a_run_is_shown_with_its_workers_and_the_times_of_its_stages(astrid: Command, store: Store) -> None:
    run = runs.start(store, engine="local", workers=1, config_hash="c")
    add_frames(store, 1, 2)
    stages = (StageRecord("align", 1000.0, 2.5, "done"),)
    outcome = FrameOutcome("done", stages=stages)
    commit_frame(store, claimed(store), outcome, run_id=run.id, attempts=1, retry_s=0.0)
    told = astrid("runs", "show", run.id)
    assert "left         1 frame" in told
    assert re.search(rf"^{runs.owner(run.id, 0)} +between two frames$", told, re.MULTILINE)
    assert re.search(r"^align +1 +2\.500 +2\.500 +2\.500 +100", told, re.MULTILINE)
    shown = astrid.json("runs", "show", run.id)
    assert (shown["left"], shown["stages"][0]["p50_s"], shown["workers"]) == (1, 2.5, 1)
    assert set(astrid.json("runs", "list")[0]) < set(shown)


def test_a_failed_frame_is_found_understood_and_retried(astrid: Command, store: Store) -> None:
    first, second = add_frames(store, 1, 2)
    quarantine(store)
    listed = astrid.json("queue", "list", "--filter", "state:quarantined", "--history")
    (dead,) = listed["frames"]
    assert (dead["id"], dead["reason"], dead["history"][0]["what"]) == (first, "align: no stars", "failed")
    assert listed["counts"] == {"quarantined": 1, "queued": 1}
    assert listed["oldest_queued_s"] > 0
    assert astrid.json("queue", "show", first)["history"][0]["reason"] == "align: no stars"
    told = astrid("queue", "show", first)
    assert re.search(r"registered_at +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", told)
    assert not re.search(r"\.\d{7}", told)
    again = "`astrid queue retry ID` and `astrid run` try them again"
    assert again in told
    assert again in astrid("queue", "list")
    assert astrid.json("queue", "retry", first) == {"matched": 1, "changed": 1}
    assert states(store) == ["queued", "queued"]
    last = astrid.json("queue", "show", first)["history"][-1]
    assert (last["what"], last["by"]) == ("retried", "vera")
    assert again not in astrid("queue", "list")
    assert [row["id"] for row in astrid.json("queue", "list")["frames"]] == [first, second]


def test_a_frame_whose_header_is_read_otherwise_now_is_told_to_be_ingested_first(
    astrid: Command, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = fits.Header({"DATE-OBS": "2020-01-01T00:00:00", "EXPTIME": 10.0, "WHEEL2": "r"})
    sky = np.random.default_rng(3).normal(1000.0, 20.0, (40, 50)).astype(np.float32)
    fits.writeto(tmp_path / "a.fits", sky, header)
    (frame,) = astrid.json("ingest", tmp_path / "a.fits")
    quarantine(store)
    assert "read_otherwise" not in astrid.json("queue", "retry", frame["id"])
    quarantine(store)
    monkeypatch.setenv("ASTRID_CAMERA__KEYWORDS", '{"FILTER": "WHEEL2"}')
    told = astrid.json("queue", "retry", frame["id"])
    assert (told["changed"], "filter r, not none" in told["read_otherwise"][str(frame["id"])]) == (1, True)
    quarantine(store)
    astrid("queue", "retry", frame["id"])
    assert "`astrid ingest` the files of these frames before `astrid run`" in astrid.said
    astrid.json("ingest", tmp_path / "a.fits")
    with store.read() as session:
        assert session.exec(select(Observation.filter)).one() == "r"
    quarantine(store)
    assert "read_otherwise" not in astrid.json("queue", "retry", frame["id"])


def test_the_values_of_a_frame_stand_below_one_another(astrid: Command, store: Store) -> None:
    reference = add_reference(store)
    (key,) = add_frames(store, 1)
    facts = difference_facts(reference.id, registration_rms_px=0.08, registration_scatter_px=0.11)
    process(store, done(reference.id, difference=facts))
    lines = [line for line in astrid("queue", "show", key).splitlines() if not line.startswith("  ")]
    assert any(line.split() == ["registration_scatter_px", "0.11"] for line in lines)
    ((begins, _),) = Counter(re.match(r"\w+ +", line).end() for line in lines).items()
    assert begins == len("registration_scatter_px ")


def test_a_long_reason_goes_on_below_itself_on_a_terminal(
    astrid: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = add_frames(store, 1)
    reason = "align: the stars of this frame are too few to align it with any reference of the field"
    quarantine(store, reason)
    monkeypatch.setenv("COLUMNS", "80")
    assert re.search(f"attempt 1 failed .*{reason}", astrid("queue", "show", key))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = astrid("queue", "show", key).splitlines()
    (place,) = (number for number, line in enumerate(lines) if " attempt 1 failed" in line)
    assert lines[place + 1].startswith(" " * 22)
    assert max(map(len, lines[place : place + 2])) <= 80


def test_where_all_is_done_the_list_says_so(astrid: Command, store: Store) -> None:
    add_frames(store, 1)
    with store.write() as session:
        session.exec(update(Observation).values(state="done"))
    assert astrid("queue", "list") == "No frame waits: all that were taken are done.\n"
    assert astrid("queue", "list", "--filter", "state:waiting") == "No such frames.\n"


def test_many_at_once_need_a_yes_where_nobody_can_be_asked(astrid: Command, store: Store) -> None:
    add_frames(store, 1, 2, 3)
    astrid("queue", "drop", "--filter", "frame:n*", code=2)
    assert astrid.said == (
        "astrid: drop 3 frames (3 queued)? Standard input is no terminal, so nobody was asked and nothing was"
        " changed: --yes goes on without asking\n"
    )
    assert astrid.json("queue", "drop", "--filter", "frame:n*", code=2)["exit_code"] == 2
    assert states(store) == ["queued"] * 3
    assert astrid.json("queue", "drop", "--filter", "frame:n*", "--yes", "--reason", "clouds")["changed"] == 3
    assert {row["reason"] for row in astrid.json("queue", "list")["frames"]} == {"clouds"}
    assert astrid.json("queue", "retry", "--filter", "state:dropped", "--yes")["changed"] == 3
    assert states(store) == ["queued"] * 3


def test_the_order_of_the_queue_can_be_changed_and_is_paged(astrid: Command, store: Store) -> None:
    first, second, third = add_frames(store, 1, 2, 3)
    assert astrid.json("queue", "priority", third, "--to", "-10")["changed"] == 1
    page = astrid.json("queue", "list", "--limit", "2")
    assert [row["id"] for row in page["frames"]] == [third, first]
    rest = astrid.json("queue", "list", "--limit", "2", "--after", page["next"])
    assert ([row["id"] for row in rest["frames"]], rest["next"]) == ([second], None)
    newest = astrid.json("queue", "list", "--order", "newest", "--limit", "1")
    assert newest["frames"][0]["id"] == third


def test_what_cannot_be_done_is_said(astrid: Command, store: Store) -> None:
    (key,) = add_frames(store, 1)
    claimed(store)
    told = astrid.json("queue", "drop", key, 999, code=1)
    sentence = (
        f"There is no frame 999. The state of frame {key} does not allow it: see `astrid queue show ID`."
    )
    assert told == {"matched": 1, "changed": 0, "error": sentence, "exit_code": 1}
    assert " ".join(astrid.said.split()) == sentence
    astrid("queue", "drop", code=2)
    astrid("queue", "drop", key, "--filter", "state:queued", code=2)
    astrid("queue", "list", "--filter", "state:lost", code=2)
    assert "quarantined" in astrid.said
    astrid("queue", "show", 999, code=1)


@pytest.mark.parametrize("words", [("retry",), ("drop",), ("priority", "--to", 5)])
def test_frames_that_are_not_there_are_told_apart_from_those_that_are(
    astrid: Command, store: Store, words: tuple[object, ...]
) -> None:
    (key,) = add_frames(store, 1)
    verb, *options = words
    sentence = "There is no frame 998, 999."
    told = astrid.json("queue", verb, 998, 999, *options, code=1)
    assert told == {"matched": 0, "changed": 0, "error": sentence, "exit_code": 1}
    assert astrid.said == f"{sentence}\n"
    if verb != "retry":  # it waits already
        told = astrid.json("queue", verb, key, 999, *options, code=3)
        assert told == {"matched": 1, "changed": 1, "error": "There is no frame 999.", "exit_code": 3}
        assert astrid.said == "There is no frame 999.\n"


def test_names_of_files_cannot_drive_the_terminal(astrid: Command, store: Store) -> None:
    (key,) = add_frames(store, 1)
    with store.write() as session:
        session.execute(update(Observation).values(frame="\x1b[2Jgone", reason="\x1b]0;title\x07"))
    for words in (("list",), ("show", key), ("list", "--history"), ("list", "--json")):
        assert "\x1b" not in astrid("queue", *words)


@pytest.mark.parametrize(("typed", "left"), [("drop", "dropped"), ("y", "queued")])
def test_a_person_types_the_word(sqlite_store: Store, tmp_path: Path, typed: str, left: str) -> None:
    add_frames(sqlite_store, 1, 2)
    command = [sys.executable, "-m", "astrid_tui", "queue", "drop", "--filter", "state:queued"]
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    env = os.environ | {"ASTRID_HOME": str(tmp_path), "ASTRID_STORE__URL": url}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, env)
    said = b""
    try:
        while b"to go on" not in said:
            said += os.read(terminal, 1000)
        os.write(terminal, typed.encode() + b"\n")
        while True:
            said += os.read(terminal, 1000)
    except OSError:
        pass  # the terminal of a process that ended
    finally:
        os.waitpid(pid, 0)
        os.close(terminal)
    assert b"drop 2 frames (2 queued)?" in said, said
    assert states(sqlite_store) == [left] * 2


def test_a_run_that_is_stopped_tells_what_is_left(
    astrid: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_frames(store, 1, 2)
    stopped = RunSummary(1, "interrupted", 2.0, {"done": 1}, ())
    monkeypatch.setattr("pipeline.engines.local.run", lambda *_, **__: stopped)
    said = astrid("run", code=130)
    assert said == "Interrupted: 1 done in 2.0 s; 2 still queued: `astrid run` goes on\n"


def test_a_run_says_which_frames_its_new_objects_lack(
    astrid: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = [add_frame(store) for _ in range(2)]
    last = add_frame(store)
    new_object(store, last)

    def ended(frame: int) -> RunSummary:
        event = FrameEvent(frame, "a.fits", "done", None, 1.0, 1)
        return RunSummary(1, "done", 2.0, {"done": 1}, (event,))

    monkeypatch.setattr("pipeline.engines.local.run", lambda *_, **__: ended(last[0]))
    astrid("run")
    assert astrid.said == (
        "1 new object lacks fluxes or limits in 2 earlier frames: `astrid objects forced` measures them\n"
    )
    assert astrid.json("run")["not_measured"] == {"objects": 1, "frames": 2}
    assert astrid.said == ""
    monkeypatch.setattr("pipeline.engines.local.run", lambda *_, **__: ended(earlier[0][0]))
    astrid("run")
    assert astrid.said == ""
    assert astrid.json("run")["not_measured"] == {"objects": 0, "frames": 0}
