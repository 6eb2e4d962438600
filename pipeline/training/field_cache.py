"""Training fields kept in a folder, as the U-Net learns from them: one file a field, made once.

A file holds the four images in units of sigma, the mask, the classes and the events. It is written whole or
not at all, so that a folder that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.operations import memory
from core.settings import Settings
from core.unfinished import unfinished
from pipeline.classify.unet_input import frame_input
from pipeline.files.npz_file import DAMAGE
from pipeline.frame import FrameRefused
from pipeline.training.fields import VERSION, Classes, TrainingField, field, told_by

MEMORY_SHARE = 0.1  # of the machine's, for fields that are learnt from
EVENT_COLUMNS = ("x", "y", "snr", "x_begin", "y_begin", "x_end", "y_end")


class FieldDamaged(AstridError):
    """A kept field cannot be read: it says which, and what to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged: remove it, and begin the training again")


@dataclass(frozen=True, slots=True)
class CachedField:
    """A field as it is read back.

    Attributes
    ----------
    name : str
    planes : (5, height, width) float16
        `pipeline.classify.unet_input.frame_input`.
    classes : (height, width) uint8
    fwhm : float
        Of the difference, pixels.
    kinds, hosts : (n,) str
        Of its events.
    places : (n, 7) float64
        `EVENT_COLUMNS` of its events.
    """

    name: str
    planes: NDArray[np.float16]
    classes: Classes
    fwhm: float
    kinds: NDArray[np.str_]
    hosts: NDArray[np.str_]
    places: NDArray[np.float64]


def make(
    folder: Path,
    seeds: range,
    size: int,
    on_field: Callable[[int, int], None] | None = None,
    source: Callable[[int, int], TrainingField] | None = None,
    kind: str = "field",
    settings: Settings | None = None,
) -> list[Path]:
    """Make the fields of some seeds that a folder lacks.

    Parameters
    ----------
    folder : Path
    seeds : range
    size : int
        Pixels along a side.
    on_field : callable
        Called with how many are there and how many will be, after each.
    source : callable, optional
        What makes a field of a seed and a size, instead of `pipeline.training.fields.field`.
    kind : str
        Begins the files' names; of another source, another.
    settings : Settings, optional
        Those that simulated fields follow: `pipeline.training.fields.field`.

    Returns
    -------
    list of Path
        The files of all seeds that could be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = source or partial(field, settings=settings)
    other = told_by(settings)
    begin = f"{kind}-{other}" if other else kind
    files = []
    for done, seed in enumerate(seeds, start=1):
        path = folder / f"{begin}-{VERSION}-{size}-{seed:07d}.npz"
        if not path.exists():
            with suppress(FrameRefused):
                write(draw(seed, size), path)
        if path.exists():
            files.append(path)
        if on_field is not None:
            on_field(done, len(seeds))
    return files


def write(made: TrainingField, path: Path) -> None:
    """Write one field, whole or not at all."""
    events = [[getattr(event, name) for name in EVENT_COLUMNS] for event in made.events]
    found = CachedField(
        name=made.name,
        planes=frame_input(made.difference, made.new, made.reference).astype(np.float16),
        classes=made.classes,
        fwhm=float(made.difference.psf.fwhm),
        kinds=np.array([event.kind for event in made.events], dtype="U16"),
        hosts=np.array([event.host for event in made.events], dtype="U16"),
        places=np.array(events, dtype=np.float64).reshape(-1, len(EVENT_COLUMNS)),
    )
    store(found, path)


def store(found: CachedField, path: Path) -> None:
    """Write what `read` reads, whole or not at all."""
    arrays: dict[str, Any] = {each.name: np.asarray(getattr(found, each.name)) for each in fields(found)}
    with unfinished(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def read(path: Path) -> CachedField:
    """Read one field back.

    Raises
    ------
    FieldDamaged
        It is no file of `write`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = CachedField(
                name=str(file["name"]),
                planes=file["planes"],
                classes=file["classes"],
                fwhm=float(file["fwhm"]),
                kinds=file["kinds"],
                hosts=file["hosts"],
                places=file["places"],
            )
    except DAMAGE as error:
        raise FieldDamaged(path) from error
    if found.planes.ndim != 3 or found.planes.shape[1:] != found.classes.shape:
        raise FieldDamaged(path)
    return found


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of all that some fields hold, in hexadecimal: of their arrays, whenever they were written.

    Raises
    ------
    FieldDamaged
        One cannot be read.
    """
    made = hashlib.sha256()
    for found in map(read, files):
        for each in fields(found):
            array = np.ascontiguousarray(getattr(found, each.name))
            made.update(f"{each.name} {array.dtype.str} {array.shape}".encode())
            made.update(array.tobytes())
    return made.hexdigest()


def memory_for(files: Sequence[Path]) -> int:
    """How many of some fields may be kept in memory, one at least."""
    largest = max(path.stat().st_size for path in files)
    return max(1, int(MEMORY_SHARE * memory.of_this_machine() / largest))


def name_of(path: Path) -> str:
    """The name of a field, without its pixels."""
    return str(_one(path, "name"))


def kinds_of(path: Path) -> NDArray[np.str_]:
    """The kinds of a field's events, without its pixels."""
    return _one(path, "kinds")


def _one(path: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found: NDArray[Any] = file[name]
            return found
    except DAMAGE as error:
        raise FieldDamaged(path) from error
