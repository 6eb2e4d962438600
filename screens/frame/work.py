"""Work that a screen or the console starts beside the event loop's own."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode


def start(
    owner: DOMNode, work: Callable[[], Coroutine[Any, Any, None]], *, group: str, exclusive: bool = False
) -> None:
    """Start some work, which ends with its owner at the latest.

    It is given as what is to be called, not as a coroutine: an owner that closes before its work began
    would leave a coroutine behind that nobody ever awaits.

    Parameters
    ----------
    exclusive : bool
        What is under way in the same group is given up.
    """
    # Textual's type leaves open whether it is the call or the coroutine that gives the result.
    owner.run_worker(work, group=group, exclusive=exclusive)  # type: ignore[arg-type]
