"""Whether this machine's clock is kept right by somebody."""

import ctypes

_NOT_SYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_LARGER_THAN_TIMEX = 512


def is_synchronised() -> bool | None:
    """Whether a time service disciplines the kernel's clock; none where the kernel does not say."""
    try:
        ask = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError, TypeError):
        return None  # not Linux
    # All zeros ask for the state and set nothing; the answer proper is the state that is returned.
    state = int(ask(ctypes.create_string_buffer(_LARGER_THAN_TIMEX)))
    return None if state < 0 else state != _NOT_SYNCHRONISED
