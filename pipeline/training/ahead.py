"""What the next steps learn from, made by other threads while a device is at work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

PER_THREAD = 2  # batches that wait, so that one that is made slowly holds up nothing

Made = TypeVar("Made")


def makers(device: str, threads: int) -> int:
    """How many threads make what the next steps learn from, of those that a training may use.

    A device learns by itself, and all may make; on a CPU, where they learn, one of several makes besides.
    """
    return min(1, threads - 1) if device == "cpu" else threads


def ahead(make: Callable[[int], Made], steps: Iterable[int], threads: int) -> Iterator[Made]:
    """What is made of each step, in order.

    Parameters
    ----------
    make : callable
        Called with the number of a step, in any order; what it raises is raised where its turn is.
    steps : iterable of int
    threads : int
        Threads that make; 0: each is made when it is asked for, in the thread that asks.
    """
    if threads == 0:
        yield from map(make, steps)
        return
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > PER_THREAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
