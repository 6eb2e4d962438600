"""Keys on lists that are quicker than the store: each is for the row where the one before left the cursor."""

import pytest

from core.database.tables import Observation, Run
from core.operations import runs
from screens.action import Where
from screens.frame.host import Target
from screens.ingest import reading as ingest_reading
from tests.builders import make_store
from tests.stories.desk import Held, console
from tests.stories.test_left_meanwhile import away
from tests.stories.test_queue_screens import keys, on, sees, words
from tests.stories.trouble import troubled_night


@pytest.fixture
def night(tmp_path):
    """A store with failures in it."""
    store, url = make_store(tmp_path)
    yield store, url, troubled_night(store)
    store.close()


async def on_ingest(vera):
    """The screen of frames, once its list was read."""
    await on(vera, Where.INGEST, "1")
    await vera.settled()
    return vera.app.here


async def on_first_frame(vera):
    """The same with the first frame of the list open; and the first two of it."""
    here = await on_ingest(vera)
    await keys(vera, "enter")
    await vera.settled()
    return here, *here.data.part.rows[:2]


async def test_the_run_under_the_cursor_is_stopped_though_it_was_not_read_yet(night, tmp_path):
    store, url, _ = night
    runs.start(store, engine="local", workers=1, config_hash="cafe")
    async with console(url, tmp_path) as vera:
        await on(vera, Where.PIPELINE, "2")
        await vera.settled()
        for action in ("next", "pipeline:kill"):
            vera.app.here.do(action)
        await sees(vera, "stop run 1")
        await words(vera, "kill")
        await vera.settled()
        vera.app.jump(Where.PIPELINE, Target(run_id=2))
        assert vera.app.here.copied_text() == "run 2"
    with store.read() as db:
        assert [db.get_one(Run, each).reason for each in (1, 2)] == [runs.ASKED_TO_STOP, None]


async def test_a_frame_that_a_jump_led_to_is_left_before_it_was_read(night, tmp_path):
    _, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "slash")
        await words(vera, "field:M31")
        await vera.settled()
        await keys(vera, "2")
        vera.app.jump(Where.INGEST, Target(observation_id=ids[0]))
        assert not vera.app.here.back()
        assert vera.app.step_out()  # before anything can be read
        await vera.settled()
        await keys(vera, "1")
        await vera.settled()
        assert "field:M31  esc clears" in vera.text
        assert not vera.app.here.is_open


async def test_a_frame_that_a_jump_led_to_before_the_one_before_was_left_leads_back_as_far(night, tmp_path):
    _, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "slash")
        await words(vera, "field:M31")
        await vera.settled()
        for each in ids[:2]:
            await keys(vera, "2")
            vera.app.jump(Where.INGEST, Target(observation_id=each))
            await vera.until(lambda: vera.app.here.is_open)
            await vera.settled()
        await keys(vera, "escape")
        assert vera.app.here.WHERE is Where.PIPELINE
        await keys(vera, "1")
        await vera.settled()
        assert "field:M31  esc clears" in vera.text


async def test_another_state_of_what_a_jump_led_to_is_left_for_where_it_came_from(night, tmp_path):
    _, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "l")
        await vera.settled()
        own = vera.app.here.data.wish
        assert own.state
        await keys(vera, "2")
        vera.app.jump(Where.INGEST, Target(observation_id=ids[0]))
        await vera.settled()
        await keys(vera, "2")
        vera.app.jump(Where.INGEST, Target(filter="field:M31"))
        await vera.until(lambda: "field:M31  esc back" in vera.text)
        await keys(vera, "l")
        await vera.settled()
        await keys(vera, "escape")
        await vera.until(lambda: vera.app.here.WHERE is Where.PIPELINE)
        await keys(vera, "1")
        await vera.settled()
        assert (vera.app.here.data.wish.state, vera.app.here.filter) == (own.state, "")


async def test_the_frame_after_one_that_a_jump_led_to_is_beside_that_one(night, tmp_path):
    _, url, ids = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await vera.settled()
        vera.app.jump(Where.INGEST, Target(observation_id=ids[3]))
        await vera.until(lambda: vera.app.here.is_open)
        await keys(vera, "right_square_bracket")
        await vera.settled()
        rows = [row.id for row in vera.app.here.data.part.rows]
        assert vera.app.here.chosen_row.id == rows[rows.index(ids[3]) + 1]


async def test_a_frame_that_was_closed_is_not_shown_again_in_place_of_the_next(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        here, first, second = await on_first_frame(vera)
        assert first.frame in vera.lines[1] + vera.lines[2]
        await keys(vera, "escape")
        read = Held(monkeypatch, ingest_reading, "read")
        await keys(vera, "j", "enter")
        await vera.until(lambda: read.is_begun)
        here.paint()
        assert here.chosen_row.id == second.id
        assert second.frame in vera.text  # in the list
        read.let_go()
        await vera.settled()
        assert here.data.detail.row.id == second.id


async def test_what_is_asked_of_the_frame_beside_the_one_that_is_open_is_of_that_one(night, tmp_path):
    store, url, _ = night
    async with console(url, tmp_path) as vera:
        here, first, second = await on_first_frame(vera)
        for action in ("ingest:frame-after", "ingest:priority"):
            here.do(action)
        await words(vera, "7")
        await vera.settled()
    with store.read() as db:
        assert [db.get_one(Observation, row.id).priority for row in (first, second)] == [0, 7]


async def test_marks_that_were_set_while_others_were_moved_stay(night, tmp_path, monkeypatch):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        here = await on_ingest(vera)
        ids = [row.id for row in here.data.part.rows[:2]]
        moved = Held(monkeypatch, ingest_reading, "prioritise")
        await keys(vera, "space", "p")
        await words(vera, "3")
        await vera.until(lambda: moved.is_begun)
        await keys(vera, "space")
        moved.let_go()
        await vera.settled()
        assert here._changing.marks.ids == {ids[1]}


async def test_a_filter_that_is_not_understood_leaves_frame_and_cursor_where_they_are(night, tmp_path):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        here = await on_ingest(vera)
        await keys(vera, "j", "enter")
        await vera.settled()
        row = here.chosen_row
        await keys(vera, "slash")
        await words(vera, "scorn>3")
        await vera.settled()
        assert "scorn" in vera.text
        await keys(vera, "escape")
        assert here.is_open
        assert here.chosen_row == row
        await keys(vera, "escape")
        assert here.chosen_row == row


@pytest.mark.parametrize("way", [("slash", ""), ("colon", "filter ")], ids=["slash", "command"])
async def test_keys_that_come_while_a_filter_is_read_are_for_the_rows_that_pass_it(
    night, tmp_path, monkeypatch, way
):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        here = await on_ingest(vera)
        await keys(vera, "j", "enter")  # a frame is open, which is left for the list
        await vera.settled()
        read = Held(monkeypatch, ingest_reading, "read")
        await keys(vera, way[0])
        await words(vera, f"{way[1]}state:quarantined")
        await vera.until(lambda: read.is_begun)
        await vera.pilot.press("j", "enter")
        read.let_go()
        await vera.settled()
        assert here.filter == "state:quarantined"
        assert here.is_open
        assert here.chosen_row.id == here.data.part.rows[1].id


@pytest.mark.parametrize(
    ("actions", "place"), [("last previous", -2), ("first next", 1), ("last previous first", 0)]
)
async def test_the_cursor_goes_on_from_where_it_comes_to_stand(night, tmp_path, actions, place):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.INGEST, "1")
        await keys(vera, "j", "j", "j")
        await vera.settled()
        here = vera.app.here
        for action in actions.split():
            here.do(action)
        await vera.settled()
        assert here.chosen_row.id == here.data.part.rows[place].id


async def test_a_frame_of_a_list_that_a_jump_led_to_is_closed_before_the_list_is_left(night, tmp_path):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        await on(vera, Where.PIPELINE, "2")
        vera.app.jump(Where.INGEST, Target(filter="kind:science"))
        await vera.until(lambda: "kind:science  esc back" in vera.text)
        await keys(vera, "enter")
        await vera.settled()
        assert vera.app.here.is_open
        await keys(vera, "escape")
        await vera.settled()
        assert vera.app.here.WHERE is Where.INGEST
        assert "kind:science  esc back" in vera.text
        await keys(vera, "space", "escape")
        assert not vera.app.here._changing.count
        assert vera.app.here.WHERE is Where.INGEST
        await keys(vera, "escape")
        assert vera.app.here.WHERE is Where.PIPELINE


async def test_keys_that_came_while_the_store_was_away_move_no_cursor_that_was_put_on_a_row_since(
    night, tmp_path, monkeypatch
):
    _, url, _ = night
    async with console(url, tmp_path) as vera:
        here = await on_ingest(vera)
        with monkeypatch.context() as patch:
            patch.setattr(ingest_reading, "read", away)
            for action in ("first", "next", "next"):
                here.do(action)
            await vera.settled()
        here.do("next")
        row = here.chosen_row
        here.ask()
        await vera.settled()
        assert here.chosen_row.id == row.id
