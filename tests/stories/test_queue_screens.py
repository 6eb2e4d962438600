"""What operators do at the queue's screen and with what it shares with the pipeline's, and what is stored."""

import asyncio
import shutil
from pathlib import Path

import pytest
from sqlmodel import select

from core.database.store import Store
from core.database.tables import Observation, QueueEvent
from core.frames import queue, references
from core.frames.observations import register
from core.settings import Settings
from core.settings_sections import QueueSettings, StoreSettings
from pipeline.engines.local import run
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from screens.action import Where
from screens.lines import Tinted
from screens.widgets.rows import Rows
from tests.builders import make_store
from tests.chaos.nights import QUICK
from tests.stories.desk import Reviewer, console
from tests.stories.trouble import many_queued, troubled_night

SIZES = [(80, 24), (140, 40)]


@pytest.fixture
def night(tmp_path):
    """A store with failures in it."""
    store, url = make_store(tmp_path)
    yield store, url, troubled_night(store)
    store.close()


def states(store: Store) -> list[str]:
    with store.read() as db:
        return [row.state for row in db.exec(select(Observation).order_by(Observation.id))]


async def on(vera: Reviewer, where: Where, key: str) -> None:
    """Go to a screen and wait until it has read the store."""
    await vera.pilot.press(key)
    await vera.until(lambda: vera.app.here.WHERE is where and vera.app.here.data is not None)
    await vera.pilot.pause()


async def keys(vera: Reviewer, *pressed: str) -> None:
    for key in pressed:
        await vera.pilot.press(key)
        await vera.pilot.pause()


async def sees(vera: Reviewer, text: str) -> None:
    await vera.until(lambda: text in vera.text)


async def words(vera: Reviewer, text: str) -> None:
    """Type a word into whatever asks for it."""
    for character in text:
        await vera.pilot.press(character)
    await vera.pilot.press("enter")
    await vera.pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_a_frame_fails_is_understood_retried_and_done(tmp_path, size):
    store, url = make_store(tmp_path)
    settings = Settings.model_construct(
        home=tmp_path, store=StoreSettings(url=url), queue=QueueSettings(attempts=1), **QUICK
    )
    paths = simulate_night(tmp_path / "frames", frames=1, size=256, seed=3, references=2)
    facts, *_ = from_frames(paths.reference, settings)
    register(store, examine(paths.science[0], settings))
    references.add(store, facts)
    away = tmp_path / "unplugged"
    shutil.move(facts.path, away)  # the reference is out of reach
    run(settings)
    assert states(store) == ["quarantined"]

    async with console(url, tmp_path, size) as vera:
        await on(vera, Where.INGEST, "1")
        await sees(vera, "quarantined 1")
        await keys(vera, "enter")  # what happened to it?
        await sees(vera, "It failed where it should not have")
        await sees(vera, "reference 1: the reference")
        await vera.until(lambda: "No such file or directory" in " ".join(vera.text.split()))
        await keys(vera, "G")
        assert "WCSAXES =" in vera.text  # the end of its header
        await keys(vera, "g")

        shutil.move(away, facts.path)  # the disk is back
        await keys(vera, "R")
        await sees(vera, "type retry to do it")
        await words(vera, "retry")
        await sees(vera, "1 frame queued again")
        assert states(store) == ["queued"]
        with store.read() as db:
            last = db.exec(select(QueueEvent).order_by(QueueEvent.id.desc())).first()
        assert (last.event, last.by) == ("retried", "vera")

        await asyncio.to_thread(run, settings)
        await sees(vera, "candidates: c reviews them")  # without a key: the screen follows the store
        assert states(store) == ["done"]
        await sees(vera, "MJD")
        assert any("▀" in line or "." in line for line in vera.lines)  # the thumbnail
        await keys(vera, "c")
        await vera.settled()
        await vera.ready()
        assert vera.app.here.WHERE is Where.REVIEW
        assert Path(paths.science[0]).name in vera.text
        assert "1 of " in vera.text
        await keys(vera, "escape")
        await vera.until(lambda: vera.app.here.WHERE is Where.INGEST)
    store.close()


@pytest.mark.parametrize("then", [("open",), ("first", "open", "next")])
async def test_keys_quicker_than_the_list_open_what_it_brings(night, tmp_path, then):
    async with console(night[1], tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        here = vera.app.here
        for action in ("ingest:state-next", *then):  # none of them waits for the store
            here.do(action)
        await vera.until(lambda: here.data.detail is not None)
        await vera.until(lambda: not here.is_asking)
        assert here.data.wish.state
        assert here.data.detail.row.id == here.data.part.rows[0].id
        assert not here.notice


@pytest.mark.parametrize("size", SIZES)
async def test_from_a_cause_to_its_frame_and_back(night, tmp_path, size):
    _store, url, ids = night
    async with console(url, tmp_path, size) as vera:
        await on(vera, Where.PIPELINE, "2")
        await sees(vera, "5 frames left")
        await keys(vera, "tab", "tab", "tab")
        await sees(vera, "align: FrameRefused: rms of # px")
        await sees(vera, "too few stars: # found; # are needed")
        await keys(vera, "enter")
        await sees(vera, "rms of 1.93 px")  # the newest of them, in full
        assert vera.app.here.data.detail.row.id == ids[6]
        await keys(vera, "right_square_bracket")
        await sees(vera, "rms of 0.71 px")
        await keys(vera, "escape")
        await vera.until(lambda: vera.app.here.WHERE is Where.PIPELINE)
        await keys(vera, "l")
        await sees(vera, "1 of 2")  # all frames of that cause
        assert "n7.fits" in vera.text
        assert "n8.fits" not in vera.text
        await keys(vera, "escape")
        await vera.until(lambda: vera.app.here.WHERE is Where.PIPELINE)


async def test_states_filters_and_bulk_with_a_typed_word(night, tmp_path):
    store, url, _ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "l", "l", "l", "l", "l")
        await sees(vera, "unusable")
        await sees(vera, "1 of 2")
        await keys(vera, "l")
        await sees(vera, "dead letters")
        await keys(vera, "slash")
        await words(vera, "reason:*rms*")
        await sees(vera, "1 of 2")
        await keys(vera, "a", "D")
        await sees(vera, "type drop to do it, esc not to: drop all 2 frames of state:quarantined")
        await words(vera, "no")
        await sees(vera, "not done")
        assert states(store).count("quarantined") == 3
        await keys(vera, "D")
        await words(vera, "drop")
        await sees(vera, "2 frames dropped")
        assert states(store).count("quarantined") == 1
        assert states(store).count("dropped") == 2
        await sees(vera, "No frame passes the filter")
        await keys(vera, "escape")
        await sees(vera, "1 of 1")
        await keys(vera, "escape")
        await sees(vera, "1 of 14")


async def test_marked_frames_go_first(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "l")
        await sees(vera, "as workers take them")
        await keys(vera, "j", "space", "space", "p")
        await keys(vera, "backspace")
        await words(vera, "-5")
        await sees(vera, "2 frames moved to priority -5")
        await vera.until(lambda: [row.priority for row in vera.app.here.data.part.rows] == [-5, -5, 0, 0])
        assert [row.id for row in vera.app.here.data.part.rows][:2] == ids[11:13]
        await keys(vera, "p")
        await words(vera, "soon")
        await sees(vera, "a priority is a whole number")
    with store.read() as db:
        assert db.get_one(Observation, ids[12]).priority == -5


async def test_a_priority_is_for_the_frame_it_was_asked_for_though_a_worker_takes_that_meanwhile(
    night, tmp_path
):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "l")
        await sees(vera, "as workers take them")
        first = vera.app.here.chosen_row.id
        await keys(vera, "p", "backspace")
        taken = queue.claim(store, "elsewhere", 300.0)
        assert taken is not None
        assert taken.observation_id == first
        vera.app.look()
        await vera.until(lambda: vera.app.here.chosen_row.id != first)
        await words(vera, "-5")
        await sees(vera, "0 frames moved to priority -5")
    with store.read() as db:
        assert {db.get_one(Observation, each).priority for each in ids} == {0}


async def test_the_list_is_a_window_however_long_it_is(tmp_path):
    store, url = make_store(tmp_path)
    many_queued(store, 600)
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "l")
        await sees(vera, "1 of 600")
        assert len(vera.app.here.data.part.rows) < 300
        await keys(vera, "G")
        await sees(vera, "600 of 600")
        assert vera.app.here.data.part.rows[-1].frame == "n600.fits"
        for _ in range(30):  # three hundred frames up, through what was not read yet
            await keys(vera, "ctrl+u")
        await sees(vera, "300 of 600")
        assert ">n300.fits" in vera.text
        await keys(vera, "g")
        await sees(vera, "1 of 600")
    store.close()


async def test_the_cursor_stays_on_its_frame_while_others_come_and_go(night, tmp_path):
    store, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "j", "j")
        assert ">n12.fits" in vera.text
        many_queued(store, 40)
        await sees(vera, "all 40")
        assert ">n12.fits" in vera.text
        with store.write() as db:
            db.get_one(Observation, ids[11]).state = "dropped"
        await keys(vera, "l")
        await sees(vera, "queued")


async def test_read_only_shows_everything_and_changes_nothing(night, tmp_path):
    store, url, _ids = night
    before = states(store)
    async with console(url, tmp_path, read_only=True) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "R", "D", "p")
        assert "type" not in vera.text
        await sees(vera, "read-only")
        assert not {"retry", "drop", "priority"} & set(vera.lines[-1].split())
        await on(vera, Where.PIPELINE, "2")
        await keys(vera, "K", "s")
        await sees(vera, "read-only")
        assert not {"kill", "start"} & set(vera.lines[-1].split())
        assert "s starts one" not in vera.text
    assert states(store) == before


@pytest.mark.parametrize(
    ("screen", "key", "asked"), [("2", "s", "how many workers"), ("1", "p", "lower runs first")]
)
async def test_a_question_whose_line_is_filled_in_is_told_all_the_same(night, tmp_path, screen, key, asked):
    _store, url, _ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.PIPELINE if screen == "2" else Where.INGEST, screen)
        if screen == "1":
            await keys(vera, "j")  # a queued frame
        await keys(vera, key)
        await sees(vera, asked)
        await keys(vera, "escape")
        assert asked not in vera.text


async def test_a_question_is_told_no_longer_once_it_was_answered(night, tmp_path):
    _store, url, _ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        for words in ("state:queued", " -frame:x"):
            await keys(vera, "slash")
            await vera.typed(words)
            await vera.settled()
        await sees(vera, "-frame:x")
        assert "such as" not in vera.text


@pytest.mark.parametrize("size", [(40, 10), (80, 24)])
async def test_the_way_out_of_a_frame_is_told_as_long_as_it_is_open(night, tmp_path, size):
    _store, url, _ids = night
    async with console(url, tmp_path, size) as vera:
        await on(vera, Where.INGEST, "1")
        assert "esc back" not in vera.lines[-1]
        await keys(vera, "enter")
        await vera.until(lambda: "esc back" in vera.lines[-1])
        await keys(vera, "escape")
        await vera.until(lambda: "esc back" not in vera.lines[-1])


@pytest.mark.parametrize("key", ["1", "2"])
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (140, 40), (200, 50)])
async def test_no_line_is_wider_than_the_terminal_and_nothing_escapes(night, tmp_path, key, size):
    _store, url, _ids = night
    where = {"1": Where.INGEST, "2": Where.PIPELINE}[key]
    async with console(url, tmp_path, size) as vera:
        await on(vera, where, key)
        for pressed in ("tab", "tab", "tab", "tab", "j", "enter", "tab", "escape", "tab"):
            await keys(vera, pressed)
            assert all(len(line) <= size[0] for line in vera.lines), vera.text
            assert "\x1b" not in vera.text


async def test_the_screens_come_back_as_they_were_left(night, tmp_path):
    _store, url, _ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "l", "l", "l")
        await sees(vera, "no reference covers them yet")
        await keys(vera, "slash")
        await words(vera, "filter:z")
        await sees(vera, "1 of 1")
        await on(vera, Where.PIPELINE, "2")
        await keys(vera, "tab", "tab")
        vera.app.save()
    async with console(url, tmp_path, ready=False) as vera:  # the review screen is not read before it is seen
        await vera.until(lambda: vera.app.here.WHERE is Where.PIPELINE)
        await sees(vera, "seeing")
        await on(vera, Where.INGEST, "1")
        await sees(vera, "filter:z")
        assert vera.app.here.data.wish.state == "waiting"


async def test_dome_draws_everything_in_red(night, tmp_path):
    _store, url, _ids = night
    async with console(url, tmp_path, colours=1 << 24) as vera:
        await on(vera, Where.INGEST, "1")
        vera.app.choose_theme("dome")
        await keys(vera, "G", "enter")
        await sees(vera, "reviews them")
        pieces = [piece for rows in vera.app.screen.query(Rows) for line in rows.lines for piece in line]
        tinted = [piece for piece in pieces if isinstance(piece, Tinted)]
        assert tinted
        for piece in tinted:
            assert not piece.palette
            assert all(colour is None or colour & 0xFFFF == 0 or colour == 0xFF5050 for colour in piece[1:3])
