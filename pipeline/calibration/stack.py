"""Many images of one shape, of which only some rows are in memory at a time.

What comes in is kept in a file without a name, which is gone with the process however that ends. Few and
small images stay in memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import FrameRefused, Image

KEPT_BYTES = 64 * 2**20  # of all images in memory, before they go to disk
_PIXEL = np.dtype(np.float32)


class Stack:
    """Images to combine row by row; a context, at whose end they are gone.

    Parameters
    ----------
    folder : Path, optional
        Where the file is, with room for all images; by default where temporary files are.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=KEPT_BYTES, dir=str(folder) if folder else None)  # noqa: SIM115 see __exit__
        self._count = 0
        self.shape: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, image: Image) -> None:
        """Put one more image on the stack.

        Parameters
        ----------
        image : (height, width) float32

        Raises
        ------
        FrameRefused
            It is of another shape than those before.
        OSError
            There is no room for it.
        """
        height, width = image.shape
        if self.shape is None:
            self.shape = (height, width)
        elif self.shape != image.shape:
            sizes = " and ".join(f"{w} x {h}" for h, w in sorted({self.shape, (height, width)}))
            raise FrameRefused(f"the calibration frames are of different sizes ({sizes})")
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(image, dtype=_PIXEL).data)
        self._count += 1

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Some rows of all images, (images, rows, width)."""
        height, width = self.shape or (0, 0)
        stop = min(stop, height)
        found = np.empty((self._count, max(stop - start, 0), width), dtype=_PIXEL)
        row_bytes = width * _PIXEL.itemsize
        for number, part in enumerate(found):
            self._file.seek((number * height + start) * row_bytes)
            part[:] = np.frombuffer(self._file.read(part.nbytes), dtype=_PIXEL).reshape(part.shape)
        return found
