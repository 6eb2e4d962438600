"""Models that were read, kept for the frames to come for as long as their files stay the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from core.models.files import Stamps, stamps

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """The last few models that were read.

    Whoever asks is told of the files as they are at that moment, at the price of a look at their sizes and
    times: what was damaged, replaced or mended since is read anew, and so is what was refused.

    Parameters
    ----------
    make : callable
        Reads a model from its folder; with the digest that it must have.
    most : int
        How many are kept.
    """

    def __init__(self, make: Callable[[Path, str | None], Made], most: int) -> None:
        self._make = make
        self._most = most
        self._made: OrderedDict[tuple[Path, str | None, Stamps | None], Made] = OrderedDict()
        self._lock = Lock()

    def __call__(self, folder: Path, digest: str | None = None) -> Made:
        """A model, ready.

        Parameters
        ----------
        folder : Path
        digest : str, optional
            The one it must have.

        Raises
        ------
        ModelRefused
            Its files are not what they were when it was made.
        """
        try:
            seen = stamps(folder)  # before they are read: what changes meanwhile is read again the next time
        except OSError:
            seen = None  # reading them says why
        key = (folder, digest, seen)
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(folder, digest)
                if len(self._made) > self._most:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]
