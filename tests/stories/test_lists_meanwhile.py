"""Keys on lists that are quicker than the store: each is for the row where the one before left the cursor."""

import pytest

from core.database.tables import Run
from core.operations import runs
from screens.action import Where
from screens.frame.host import Target
from tests.builders import make_store
from tests.stories.desk import console
from tests.stories.test_queue_screens import on, sees, words
from tests.stories.trouble import troubled_night


@pytest.fixture
def night(tmp_path):
    """A store with failures in it."""
    store, url = make_store(tmp_path)
    yield store, url, troubled_night(store)
    store.close()


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
