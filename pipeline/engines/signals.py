"""Stopping what is at work: asked once it finishes what is in hand, asked twice it gives that back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TERMINALS = (signal.SIGINT, signal.SIGHUP)  # a terminal sends them to every process; one decides


_interrupted = threading.Event()


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt: a handler of signals."""
    _interrupted.set()
    raise KeyboardInterrupt


def heed() -> None:
    """Raise the KeyboardInterrupt of `interrupt` once more, where something broke after it.

    Code that it falls into may make another error of it: what is just being imported tells of an
    ImportError, some extensions of a SystemError.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt


@contextmanager
def stopped_by_signals(stop: threading.Event, on_stop: Callable[[], None] | None = None) -> Iterator[None]:
    """Within: the first of `STOPPING` sets `stop`, the second raises KeyboardInterrupt.

    `on_stop` is called at the first, within the handler of the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    # Who started it with the hang-up ignored wants it to outlive the terminal.
    deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    stopping = [each for each in STOPPING if not (deaf and each is signal.SIGHUP)]

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            for each in stopping:
                signal.signal(each, signal.SIG_IGN)  # giving back must not be cut short by a third
            interrupt(number, frame)
        stop.set()
        if on_stop is not None:
            on_stop()

    _interrupted.clear()
    before: dict[signal.Signals, Any] = {each: signal.signal(each, handle) for each in stopping}
    try:
        yield
    finally:
        _interrupted.clear()
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def held_back(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Within, signals wait; a process that is started within begins with them held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
