"""A network from elsewhere, tried in a process of its own: some files end the program that reads them.

ONNX and ONNX Runtime are written in C++, where a size that makes no sense may abort, or fill the memory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from pipeline.classify.model_file import ModelRefused

MOST_MEMORY = 8 * 2**30  # bytes of addresses, those of the program itself among them
MOST_CPU_S = 120
PROGRAM = "from pipeline.classify.trial import main; main()"


def survive(name: str, trial: Callable[..., object], *given: Any) -> None:
    """See that a trial ends, within bounds and as Python does.

    The workers of a run may ask too, which are allowed no children of `multiprocessing`.

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
    ours, theirs = Pipe()
    with closing(ours):
        with closing(theirs):
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what C++ says as it ends is for nobody
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        with process:
            try:
                with suppress(BrokenPipeError):
                    ours.send((trial, given))
                told = ours.recv_bytes().decode("utf-8", errors="replace")
            except (EOFError, ConnectionResetError):
                told = f"{name} ends the program that runs it, and is none that may be run"
            finally:
                process.kill()  # what it is asked for, it has said
    if told:
        raise ModelRefused(told)


def main() -> None:
    """Run a trial that is sent through a pipe, and send back why it refused, or nothing."""
    told = Connection(int(sys.argv[1]))
    for bound, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(bound)[1]
        resource.setrlimit(bound, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    trial, given = told.recv()
    try:
        trial(*given)
    except ModelRefused as refused:
        told.send_bytes(str(refused).encode("utf-8", errors="replace"))
    else:
        told.send_bytes(b"")
