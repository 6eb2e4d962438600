"""Pieces of work that do not depend on each other, some of them done at a time by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Piece = TypeVar("Piece")


class BrokenOff(Exception):
    """Work was given up before its end."""


def side_by_side(
    work: Callable[[Piece], object],
    pieces: Iterable[Piece],
    at_once: int,
    *,
    helped: Event | None = None,
    stop: Event | None = None,
) -> None:
    """Do something to each piece. The calling thread works, too, and returns when all is done.

    Only what leaves Python's lock for long gains by it, such as networks and large transforms.

    Parameters
    ----------
    work : callable
        Called with each piece, by any thread; pieces are begun in order.
    pieces : iterable
    at_once : int
        Threads; 1: the calling one alone.
    helped : Event, optional
        Set from elsewhere: until then the calling thread works alone.
    stop : Event, optional
        Set from elsewhere: no piece is begun any more.

    Raises
    ------
    BrokenOff
        It was stopped.
    Exception
        What a piece raised. No piece is begun after that, and those in hand are ended before.
    """
    left, helped = deque(pieces), helped or _set()

    def take() -> None:
        try:
            while left:
                _heed(stop)
                try:
                    piece = left.popleft()
                except IndexError:  # another thread took the last one
                    return
                work(piece)
        except BaseException:
            left.clear()
            raise

    if at_once <= 1:
        take()
        return

    def help_out() -> None:
        helped.wait()
        take()

    with ThreadPoolExecutor(at_once - 1, thread_name_prefix="beside") as pool:
        helpers = [pool.submit(help_out) for _ in range(at_once - 1)]
        try:
            take()
        finally:
            helped.set()
    for helper in helpers:
        helper.result()


def _set() -> Event:
    event = Event()
    event.set()
    return event


def _heed(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise BrokenOff
