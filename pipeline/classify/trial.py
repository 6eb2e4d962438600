"""A network from elsewhere, tried in a process of its own: some files end the program that reads them.

ONNX and ONNX Runtime are written in C++, where a size that makes no sense may abort, or fill the memory.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from pipeline.classify.model_file import ModelRefused

MOST_MEMORY = 8 * 2**30  # bytes of addresses, those of the program itself among them
MOST_CPU_S = 120


def survive(name: str, trial: Callable[..., object], *given: Any) -> None:
    """See that a trial ends, within bounds and as Python does.

    Parameters
    ----------
    name : str
        For messages.
    trial : callable
        At the top of a module, as another process must find it; it may refuse.
    *given
        What it takes.

    Raises
    ------
    ModelRefused
        As the trial did; or because its process did not live to say so.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_bounded, args=(theirs, trial, given), daemon=True)
    with closing(ours):
        process.start()
        theirs.close()
        try:
            told = ours.recv_bytes().decode("utf-8", errors="replace")
        except EOFError:
            told = f"{name} ends the program that runs it, and is none that may be run"
        process.join()
    if told:
        raise ModelRefused(told)


def _bounded(told: Connection, trial: Callable[..., object], given: tuple[Any, ...]) -> None:
    """Run a trial and tell why it refused, or nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what C++ says as it ends is for nobody
    for bound, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(bound)[1]
        resource.setrlimit(bound, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    try:
        trial(*given)
    except ModelRefused as refused:
        told.send_bytes(str(refused).encode("utf-8", errors="replace"))
    else:
        told.send_bytes(b"")
