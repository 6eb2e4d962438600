"""The calibration frames that the store knows, and the masters for a frame made of them."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Observation
from core.frames.content import was_written_over
from core.settings import Settings
from core.vocabulary import FrameKind, ObservationState
from pipeline.calibration.choice import Calibrator
from pipeline.calibration.kept_masters import masters_for
from pipeline.calibration.masters import Masters
from pipeline.calibration.overscan import Section, remaining
from pipeline.files.fits_files import read_frame, read_header
from pipeline.frame import Exposure, FrameRefused, RawFrame

WRITTEN_OVER = "the file holds other content than when it was ingested: `astrid ingest` it again"
MOST_REFUSED = 10_000  # files whose refusal is kept

Served = tuple[Exposure, tuple[int, int], Section | None]

# Why files were refused, by what they are and how they looked.
_refused: dict[tuple[Path, int, str, tuple[int, ...] | None, tuple[tuple[str, str], ...]], str] = {}


class MastersFor(Protocol):
    """Finds the masters for an exposure."""

    def __call__(
        self, exposure: Exposure, shape: tuple[int, int], part: Section | None = None
    ) -> Masters | None:
        """Those for an exposure of a shape (height, width), of which `part` remains where that is known.

        Raises
        ------
        FrameRefused
            Calibration frames that fit cannot be used.
        """


def calibrators(store: Store, settings: Settings) -> list[Calibrator]:
    """Every bias, dark and flat that was ingested."""
    with store.read() as session:
        query = select(Observation).where(col(Observation.state) == ObservationState.CALIBRATION.value)
        rows = session.exec(query.order_by(col(Observation.id))).all()
    return [
        Calibrator(
            exposure=exposure_of_row(row),
            shape=(row.height or 0, row.width or 0),
            content=f"{row.content}[{row.extension}]",
            read=partial(_read, Path(row.path), row.extension, row.content, settings.camera.keywords),
        )
        for row in rows
    ]


def _read(path: Path, extension: int, content: str, keywords: Mapping[str, str]) -> RawFrame:
    """A calibration frame, as long as its file is the one that was ingested.

    What is refused for what the file holds is not read again until it looks otherwise: every frame that it
    would serve asks.

    Raises
    ------
    FrameRefused
        It is not, or cannot be read.
    """
    key = (path, extension, content, _look_at(path), tuple(sorted(keywords.items())))
    if key in _refused:
        raise FrameRefused(_refused[key])
    try:
        return _read_same(path, extension, content, keywords)
    except FrameRefused as refused:
        if not _may_pass(refused):
            if len(_refused) >= MOST_REFUSED:
                _refused.clear()
            _refused[key] = str(refused)
        raise


def _read_same(path: Path, extension: int, content: str, keywords: Mapping[str, str]) -> RawFrame:
    if was_written_over(path, content):
        raise FrameRefused(WRITTEN_OVER)
    return read_frame(path, extension, keywords)


def _look_at(path: Path) -> tuple[int, ...] | None:
    """What differs once a file was written to or exchanged."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _may_pass(refused: FrameRefused) -> bool:
    """Whether it was refused for the disk, its rights or the memory, and not for what the file holds."""
    cause = refused.__cause__
    if isinstance(cause, OSError):  # what astropy finds wrong in a header has no number, or this one
        return cause.errno not in (None, errno.EINVAL)
    return isinstance(cause, MemoryError)


def masters_of(store: Store, settings: Settings) -> MastersFor:
    """What finds the masters for an exposure, of the frames in a store."""
    known = calibrators(store, settings)
    return lambda exposure, shape, part=None: masters_for(known, exposure, shape, settings, part)


def served(row: Observation, settings: Settings) -> Served:
    """By what masters for a frame are asked for; of one whose header cannot be read no part is known."""
    shape = (row.height or 0, row.width or 0)
    try:
        part = remaining(read_header(Path(row.path), row.extension, settings.camera.keywords), shape)
    except FrameRefused:
        part = None  # reading the frame says why
    return exposure_of_row(row), shape, part


def exposure_of_row(row: Observation) -> Exposure:
    """What the store remembers of an exposure."""
    return Exposure(
        name=row.frame,
        kind=FrameKind(row.kind),
        mjd=row.mjd,
        exposure_s=row.exposure_s,
        filter=row.filter,
        field=row.field,
        instrument=row.instrument,
        readout=tuple((str(name), value) for name, value in row.readout or ()),
    )
