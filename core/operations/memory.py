"""How much memory this machine has."""

import os


def of_this_machine() -> int:
    """Bytes, in use or not."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
