"""The whole task of `whole_task` at the console."""

import pytest

from tests.builders import make_store
from tests.stories.desk import console
from tests.stories.whole_task import FILTER, KEYS, NOTE, PASS, UNDONE, begin, check_the_end


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_open_filter_decide_undo_note_quit_come_back_export(tmp_path, size):
    store, url = make_store(tmp_path)
    begin(store)
    async with console(url, tmp_path, size) as vera:
        await vera.press("slash")
        await vera.type(FILTER)
        assert f"1 of {PASS}" in vera.lines[1]
        await vera.press(*KEYS)
        assert f"{len(KEYS) + 1} of {PASS}" in vera.lines[1]
        await vera.press(*"u" * UNDONE)
        here = vera.screen.card.object_id
        await vera.press("w")
        await vera.type(NOTE)
        await vera.pilot.press("q")
    async with console(url, tmp_path, size) as vera:
        assert FILTER in vera.lines[1]
        assert f"1 of {PASS - len(KEYS) + UNDONE}" in vera.lines[1]
        assert vera.screen.card.object_id == here
        assert NOTE in vera.text
    check_the_end(store)
    store.close()
