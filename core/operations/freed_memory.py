"""What becomes of memory that arrays gave back: the process keeps it for the next ones.

Images and their transforms are a few MiB each, made and freed thousands of times a frame. Left to itself,
glibc hands many of them back to the kernel, which clears every page anew for the next: a fifth of the time
that a frame of 1024 x 1024 took. Here it is told not to. Nor does each thread have a heap of its own then, of
which others get nothing back.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of mallopt(3)
ARRAY_BYTES = 32 * 2**20  # smaller arrays come from the heap: as much as glibc allows
KEPT_BYTES = 16 * ARRAY_BYTES  # at its end, at most: as much as a frame of 2048 x 2048 takes on its way


def keep_freed_memory() -> bool:
    """Keep up to 512 MiB that were freed. Call it again as often as you like.

    Returns
    -------
    bool
        False where the C library knows nothing of the kind.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False  # not glibc
    wanted = ((_MMAP_THRESHOLD, ARRAY_BYTES), (_TRIM_THRESHOLD, KEPT_BYTES), (_ARENA_MAX, 1))
    return all(tell(what, value) for what, value in wanted)
