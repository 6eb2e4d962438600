"""What operators do at the pipeline's screen with runs and their log, and what is in the store afterwards."""

import os
import signal
from contextlib import closing

import pytest

from core.database.store import open_store
from core.database.tables import Run
from core.frames.queue import counts_by_state
from core.operations import runs
from core.operations.logs import NAME, folder_of
from core.operations.processes import is_alive
from screens.action import Where
from tests.builders import make_store
from tests.chaos.nights import make_night
from tests.chaos.processes import stop
from tests.core.test_queue import gone_pid
from tests.stories.desk import console
from tests.stories.test_queue_screens import keys, on, sees, words
from tests.stories.trouble import troubled_night


@pytest.fixture
def night(tmp_path):
    """A store with failures in it."""
    store, url = make_store(tmp_path)
    yield store, url, troubled_night(store)
    store.close()


async def test_no_end_is_promised_of_a_run_whose_process_was_killed(night, tmp_path):
    store, url, _ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.PIPELINE, "2")
        await sees(vera, "until about")
        with store.write() as db:
            db.get_one(Run, 1).pid = gone_pid()
        await sees(vera, "no run is at work: s starts one")  # without a key
        assert ">    1 gone" in vera.text
        assert "until about" not in vera.text


async def test_a_run_is_killed_with_a_typed_word(night, tmp_path, monkeypatch):
    _store, url, _ids = night
    asked = []
    monkeypatch.setattr(
        runs, "cancel", lambda store, run, now: asked.append((run, now)) or runs.read(store, run)
    )
    async with console(url, tmp_path) as vera:
        await on(vera, Where.PIPELINE, "2")
        await keys(vera, "K")
        await sees(vera, "type kill")
        await words(vera, "kill")
        await sees(vera, "run 1 was asked to stop")
    assert asked == [(1, False)]


async def test_a_run_outlives_its_console_and_is_cancelled_from_the_next(tmp_path):
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    make_night(tmp_path, frames=3, size=200).fill(url)
    with closing(open_store(url)) as store:

        def the_run() -> Run:
            return runs.read(store, 1)

        async with console(url, tmp_path, more="[power]\nenabled = false\n", ready=False) as vera:
            await on(vera, Where.PIPELINE, "2")
            await keys(vera, ":")
            await words(vera, "run engine=local")
            await sees(vera, "run 1 has begun")
            await vera.until(lambda: counts_by_state(store).get("running", 0) == 1)
            with store.write() as session:
                session.connection()  # it is stopped outside a transaction, which would bar who cancels it
                stop(the_run().pid)  # it must not end before the next console is there
        try:
            assert the_run().state == "running"
            assert is_alive(the_run().pid, the_run().process)
            async with console(url, tmp_path, more="[power]\nenabled = false\n", ready=False) as vera:
                await on(vera, Where.PIPELINE, "2")
                await sees(vera, "running")
                await keys(vera, "K")
                await sees(vera, "type kill")
                await words(vera, "kill")
                await sees(vera, "run 1 was asked to stop")
                os.kill(the_run().pid, signal.SIGCONT)
                await sees(vera, "interrupted")
        finally:
            if is_alive(the_run().pid, the_run().process):
                os.kill(the_run().pid, signal.SIGCONT)
        assert the_run().state == "interrupted"
        counts = counts_by_state(store)
        assert counts.get("running", 0) == 0
        ended = counts.get("done", 0) + counts.get("rejected", 0)
        assert ended >= 1  # what was in hand is finished
        assert ended + counts.get("queued", 0) == 3


async def test_a_line_of_the_log_is_told_after_its_hour_and_opened_in_full(night, tmp_path):
    _store, url, _ids = night
    why = "the disk is full: " + " ".join(f"word{number}" for number in range(60))
    log = folder_of(tmp_path) / NAME
    log.parent.mkdir(exist_ok=True)
    head = "2026-11-27 11:48:51,231Z 16844 ERROR pipeline.engines.worker: "
    log.write_text(f"{head}run 1: n1.fits failed: {why}\n{head}the last line\n")
    async with console(url, tmp_path) as vera:
        await on(vera, Where.PIPELINE, "2")
        await keys(vera, "enter")
        await sees(vera, "11:48:51 ERROR run 1: n1.fits failed: the disk is full: word0")
        await keys(vera, "k", "enter")
        await vera.until(lambda: "Log pipeline" in vera.lines[0])
        assert " ".join(why.split()) in " ".join(vera.text.split())
        await keys(vera, "escape")
        await sees(vera, "> 11:48:51 ERROR run 1")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_cursor_stays_on_its_line_of_the_log_while_others_come(night, tmp_path, size):
    _store, url, _ids = night
    log = folder_of(tmp_path) / NAME
    log.parent.mkdir(exist_ok=True)
    log.write_text("".join(f"line number {number}.\n" for number in range(60)))

    async def grows(begin: int, end: int) -> None:
        with log.open("a") as file:
            file.writelines(f"line number {number}.\n" for number in range(begin, end))
        vera.app.here.ask()
        await vera.settled()

    async with console(url, tmp_path, size) as vera:
        await on(vera, Where.PIPELINE, "2")
        await keys(vera, "enter")
        await sees(vera, "> line number 59.")
        await grows(60, 63)
        await sees(vera, "> line number 62.")  # at the end it is followed
        await keys(vera, "k", "k")
        await sees(vera, "> line number 60.")
        for begin in (63, 70):
            await grows(begin, begin + 7)
            await sees(vera, f"log -{begin + 6 - 60}")
            assert "> line number 60." in vera.text
        await keys(vera, "escape")
        await sees(vera, "> line number 76.")
