"""Windows into the list of frames: any window, from anywhere, is a piece of the whole list."""

import pytest

from core.frames import queue
from core.frames.frame_list import COUNTED, Counted, Listing, around, window
from core.review.filter_words import FilterError
from tests.core.frames import add_frames, add_reference, candidate, done, process

QUEUED = Listing("state:queued", "queue")


@pytest.fixture
def frames(store):
    """Nine queued frames, the fifth to go first and the second last; their ids in the queue's order."""
    ids = add_frames(store, *range(1, 10))
    queue.prioritise(store, [ids[4]], -1)
    queue.prioritise(store, [ids[1]], 1)
    return [ids[4], ids[0], *ids[2:4], *ids[5:], ids[1]]


def ids(rows) -> list[int]:
    return [row.id for row in rows]


def test_the_two_orders(store, frames):
    assert ids(window(store, QUEUED)) == frames
    assert ids(window(store, Listing())) == sorted(frames, reverse=True)


@pytest.mark.parametrize("listing", [QUEUED, Listing(), Listing("state:queued")])
def test_windows_about_each_row_are_pieces_of_the_list(store, frames, listing):
    whole = window(store, listing)
    for place, row in enumerate(whole):
        assert window(store, listing, behind=row.place(listing)) == whole[place + 1 :]
        assert window(store, listing, behind=row.place(listing), backwards=True) == whole[:place]
        part = around(store, listing, row, before=3, after=4)
        assert part.rows == whole[max(place - 3, 0) : place + 4]
        assert part.rows[part.here] == row
        assert part.before == Counted(max(place - 3, 0))
        assert part.total == Counted(9)
        assert part.is_end == (place + 4 > 9)


def test_from_either_end(store, frames):
    whole = window(store, QUEUED)
    start = around(store, QUEUED, after=4)
    assert (start.rows, start.here, start.before) == (whole[:4], 0, Counted(0))
    end = around(store, QUEUED, from_end=True, before=3)
    assert (end.rows, end.here, end.before) == (whole[-4:], 3, Counted(5))
    assert end.is_end


@pytest.mark.parametrize("place", [0, 4, 8])
def test_about_a_row_that_left_the_list_stands_the_next_one(store, frames, place):
    whole = window(store, QUEUED)
    queue.drop(store, [whole[place].id])
    part = around(store, QUEUED, whole[place], before=2, after=2)
    left = whole[:place] + whole[place + 1 :]
    assert part.rows == left[max(place - 2, 0) : place + 2]
    assert part.rows[part.here] == left[min(place, 7)]
    assert part.total == Counted(8)


def test_nothing_passes(store, frames):
    part = around(store, Listing("state:done"))
    assert (part.rows, part.here, part.total) == ((), 0, Counted(0))
    with pytest.raises(FilterError):
        around(store, Listing("nonsense=7"))


def test_rows_tell_what_lists_show(store):
    reference = add_reference(store)
    add_frames(store, 1, 2)
    process(store, done(reference.id, candidate(20), candidate(40)))
    second, first = window(store, Listing())
    assert (first.state, first.candidates, first.attempts) == ("done", 2, 1)
    assert first.finished_at is not None
    assert (second.state, second.candidates, second.not_before) == ("queued", None, None)


def test_counting_stops_where_nobody_counts_any_more(store, monkeypatch):
    add_frames(store, 1, 2, 3)
    assert around(store, Listing("frame:n*"), after=2).total == Counted(3)
    monkeypatch.setattr("core.frames.frame_list.COUNTED", 2)
    assert around(store, Listing("frame:n*"), after=2).total == Counted(2, more=True)
    assert COUNTED >= 10_000
