"""Work that threads share: all of it is done, or none is begun any more."""

from __future__ import annotations

from threading import Barrier, Event, get_ident

import pytest

from pipeline.side_by_side import BrokenOff, side_by_side


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_every_piece_is_done_once(at_once):
    done = []
    side_by_side(done.append, range(40), at_once)
    assert sorted(done) == list(range(40))


def test_one_thread_takes_them_in_order_and_is_the_calling_one():
    done = []
    side_by_side(lambda piece: done.append((piece, get_ident())), range(9), 1)
    assert done == [(piece, get_ident()) for piece in range(9)]


def test_so_many_are_in_hand_at_a_time():
    met = Barrier(3, timeout=30)
    side_by_side(lambda _: met.wait(), range(6), 3)  # a barrier that is not met breaks


def test_others_help_when_they_are_let():
    helped, ours, by = Event(), get_ident(), []

    def work(piece):
        by.append(get_ident())
        if piece == 5:
            helped.set()
        if piece >= 5 and by[-1] == ours:
            assert others.wait(30)
        elif by[-1] != ours:
            others.set()

    others = Event()
    side_by_side(work, range(20), 2, helped=helped)
    assert by[:6] == [ours] * 6
    assert set(by) > {ours}


def test_who_was_never_let_to_help_ends_with_the_work():
    done = []
    side_by_side(done.append, range(20), 3, helped=Event())
    assert done == list(range(20))


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_a_piece_raises_ends_the_work(at_once):
    begun = []

    def fail(piece):
        begun.append(piece)
        if piece == 4:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        side_by_side(fail, range(10_000), at_once)
    assert len(begun) < 10_000


def test_what_another_thread_raises_is_raised_here():
    ours, failed = get_ident(), Event()

    def fail(_):
        if get_ident() != ours:
            failed.set()
            raise ValueError("by the other one")
        assert failed.wait(30)

    with pytest.raises(ValueError, match="by the other one"):
        side_by_side(fail, range(50), 2)


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_is_stopped_says_so_and_goes_no_further(at_once):
    stop, begun = Event(), []

    def work(piece):
        begun.append(piece)
        stop.set()

    with pytest.raises(BrokenOff):
        side_by_side(work, range(100), at_once, stop=stop)
    assert 1 <= len(begun) <= at_once


def test_ctrl_c_ends_it():
    begun = []

    def work(piece):
        begun.append(piece)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, range(100), 1)
    assert begun == [0]
