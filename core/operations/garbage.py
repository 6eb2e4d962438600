"""Garbage is seldom looked for: nearly all that a command makes is modules, which stay until it ends."""

import atexit
import gc

MADE_BEFORE_A_LOOK = 10_000  # objects; Python's own 700 is a tenth of the time in which a command begins


def look_seldom() -> None:
    """From now on in this process, and not at its end at all, which took as long as a quarter of a command.

    What is let go of is freed at once as ever; what is left waits for the next look, or for the system.
    """
    gc.set_threshold(MADE_BEFORE_A_LOOK)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
