"""Making references: from one image that somebody chose, or from several frames of a night.

The file of a reference is AstrID's own, named by its content, so that later changes to what it was
made from change nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from core.database.tables import Reference
from core.errors import AstridError
from core.frames.outcome import ReferenceFacts
from core.frames.reference_files import FOLDER, file_of
from core.no_room import no_room
from core.settings import Settings
from core.unfinished import part_beside, put
from pipeline.calibration.calibrators import MastersFor
from pipeline.calibration.overscan import remaining
from pipeline.clock import StageClock
from pipeline.files.doubts import doubts
from pipeline.files.fits_files import read_frame
from pipeline.frame import FrameRefused
from pipeline.intake.ingest import footprint
from pipeline.measure import Measured, measure
from pipeline.pairing import is_same_exposure
from pipeline.reference.coadd import build
from pipeline.reference.prepare import calibrated, prepare_image
from pipeline.reference.reference_file import ReferenceImage, key_of, write
from pipeline.reference.told_apart import Ends, called, ends_of, file_part

Progress = Callable[[int, int, str], None]
Named = tuple[Path, int | str | None]  # a file, and which of its images


def from_file(
    path: Path,
    settings: Settings,
    *,
    extension: int | str | None = None,
    band: str | None = None,
    field: str | None = None,
    masters_for: MastersFor | None = None,
    said: list[str] | None = None,
) -> ReferenceFacts:
    """Make a reference from one image, calibrated as any frame is.

    Parameters
    ----------
    path : Path
        A FITS file.
    settings : Settings
        The reference goes to ``home/references``.
    extension : int or str, optional
        Which image of the file; without one, the first exposure.
    band, field : str, optional
        Its filter and its field, as the frames that are subtracted from it name them; without, as its header
        does.
    masters_for : callable, optional
        Finds the masters that fit a raw frame: `pipeline.calibration.calibrators.masters_of`.
    said : list of str, optional
        Takes what is to be told of the file, such as which of its exposures was taken.

    Returns
    -------
    ReferenceFacts
        For `core.frames.references.add`.

    Raises
    ------
    FrameRefused
        The image cannot be used.
    AstridError
        There is no room for the reference.
    """
    measured, told = _measured(path, extension, settings, masters_for, band=band, field=field)
    frame, zeropoint = measured.frame, measured.quality.zeropoint
    image = ReferenceImage(
        frame=frame,
        names=(frame.exposure.name,),
        flux_unit=str(frame.header.get("BUNIT") or "adu").strip(),
        mjd_first=frame.exposure.mjd,
        mjd_last=frame.exposure.mjd,
        # Measured for electrons; the file holds its own unit.
        zeropoint=None if zeropoint is None else zeropoint - 2.5 * math.log10(frame.gain),
        mag_system=measured.quality.mag_system,
    )
    if said is not None:
        said.extend(told)
        if frame.exposure.filter is None:
            said.append("its header names no filter, and it serves frames without one alone: see --filter")
    return _kept(image, measured.fwhm, f"added from {frame.exposure.name}", settings)


class Built(NamedTuple):
    """A reference of several frames.

    Attributes
    ----------
    facts : ReferenceFacts
        For `core.frames.references.add`.
    skipped : dict
        By what frames that could not be used are called, why. Another copy of one that is used is none of
        them.
    partly : dict
        By what frames are called of which a part is left out, a sentence on each.
    """

    facts: ReferenceFacts
    skipped: dict[str, str]
    partly: dict[str, str]


def from_frames(
    paths: Sequence[Path | Named],
    settings: Settings,
    *,
    masters_for: MastersFor | None = None,
    progress: Progress | None = None,
    said: list[str] | None = None,
    key: str | None = None,
    ends: Ends | None = None,
) -> Built:
    """Make a reference as the weighted mean of several frames of one field and filter.

    Parameters
    ----------
    paths : sequence of Path or (Path, int or str or None)
        FITS files, each with the number or the name of an extension where that is not the first exposure.
    settings : Settings
        The reference goes to ``home/references``.
    masters_for : callable, optional
        Finds the masters that fit a raw frame: `pipeline.calibration.calibrators.masters_of`.
    progress : callable, optional
        ``report(done, total, what)``.
    said : list of str, optional
        Takes what is to be told of the files, as of one file `from_file` tells it.
    key : str, optional
        By which `built_before` finds it again.
    ends : mapping, optional
        What tells the files from others (`pipeline.reference.told_apart`), for what is told of them; without,
        from one another.

    Raises
    ------
    FrameRefused
        Fewer than two frames can be used together, or they are of different filters.
    AstridError
        There is no room for the reference.
    """
    report = progress or (lambda _done, _total, _what: None)
    own = ends_of(each[0] if isinstance(each, tuple) else each for each in paths)
    ends = ends or own
    sources: dict[str, str] = {}
    frames: list[Measured] = []
    skipped: dict[str, str] = {}
    copies: dict[str, str] = {}
    notes: dict[str, list[str]] = {}
    steps = 2 * len(paths)
    for done, each in enumerate(paths):
        path, extension = each if isinstance(each, tuple) else (each, None)
        name = ends[path] if extension is None else f"{ends[path]}[{extension}]"
        report(done, steps, name)
        try:
            measured, said_of_it = _measured(path, extension, settings, masters_for, ends=ends)
        except FrameRefused as refused:
            skipped[name] = str(refused)
            continue
        twin = next((other for other in frames if is_same_exposure(measured.frame, other.frame)), None)
        if twin is not None:
            copies[name] = f"it holds the exposure of {twin.frame.exposure.name}, which is taken once"
            continue
        frames.append(measured)
        told = measured.frame.exposure.name
        sources[told] = own[path] + told.removeprefix(ends[path])
        for note in said_of_it:
            notes.setdefault(note, []).append(name)
    if said is not None:
        said.extend(f"{_several(names)}: {note}" for note, names in notes.items())
        said.extend(f"{name}: {copy}" for name, copy in copies.items())
    filters = {each.frame.exposure.filter for each in frames}
    if len(filters) > 1:
        names = ", ".join(sorted(str(name) for name in filters))
        raise FrameRefused(
            f"frames of {len(filters)} filters ({names}) cannot be averaged: build one of each"
        )
    left_out = skipped | copies
    if len(frames) < 2 and left_out:
        name, reason = next(iter(left_out.items()))
        raise FrameRefused(f"a coadd needs at least 2 frames, {len(frames)} can be used; {name}: {reason}")
    image, unaligned, partly = build(
        frames, settings, lambda done, _total, what: report(len(paths) + done, steps, what)
    )
    image = replace(image, key=key, names=tuple(sources[name] for name in image.names))
    chosen = f"coadd of {len(image.names)} frames on the grid of {image.names[0]}"
    if partly:
        chosen += f", without parts of {len(partly)}"
    facts = _kept(image, min(each.fwhm for each in frames), chosen, settings)
    return Built(facts, skipped | unaligned, partly)


def built_before(
    references: Iterable[Reference], key: str, names: Collection[str], settings: Settings
) -> Reference | None:
    """The coadd in use that `from_frames` made with a key, of files of these names, if its file is there."""
    for row in references:
        may_be = row.is_current and row.n_frames > 1 and set(names).issuperset(map(file_part, row.sources))
        if may_be and key_of(file_of(row.path, settings.home)) == key:
            return row
    return None


def _several(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _measured(
    path: Path,
    extension: int | str | None,
    settings: Settings,
    masters_for: MastersFor | None,
    *,
    band: str | None = None,
    field: str | None = None,
    ends: Ends | None = None,
) -> tuple[Measured, tuple[str, ...]]:
    """A frame of a reference, and what is to be said of it, as of a new one."""
    raw = read_frame(path, extension, settings.camera.keywords)
    said = raw.exposure
    exposure = replace(
        said,
        name=called(said.name, path, ends) if ends else said.name,
        filter=said.filter if band is None else band,
        field=said.field if field is None else field,
    )
    raw = replace(raw, exposure=exposure)
    height, width = raw.data.shape
    part = remaining(raw.header, (height, width))
    masters = masters_for(raw.exposure, (height, width), part) if masters_for else None
    measured = measure(raw, masters, settings, StageClock())
    return measured, tuple(dict.fromkeys((*doubts(raw), *measured.frame.notes, *measured.remarks)))


def _kept(image: ReferenceImage, seeing_px: float, chosen: str, settings: Settings) -> ReferenceFacts:
    """Put a reference into its place, under the name of its content; one without a PSF serves no frame."""
    try:
        prepared = calibrated(prepare_image(image, settings), settings)
    except FrameRefused as refused:
        raise FrameRefused(f"nothing can be subtracted from it: {refused}") from None
    # Fluxes are of its PSF, by which its zeropoint is better known than by the apertures of any frame.
    image = replace(image, zeropoint=prepared.zeropoint, mag_system=prepared.mag_system)
    content, path = _written(image, settings.home / FOLDER)
    frame = image.frame
    ra, dec, radius = footprint(frame.wcs, frame.shape) or (None, None, None)
    return ReferenceFacts(
        content=content,
        path=str(path.resolve()),
        width=frame.shape[1],
        height=frame.shape[0],
        has_wcs=frame.wcs is not None,
        chosen=chosen,
        field=frame.exposure.field,
        filter=frame.exposure.filter,
        ra=ra,
        dec=dec,
        radius_deg=radius,
        pixel_scale=frame.pixel_scale,
        seeing_px=seeing_px,
        zeropoint=image.zeropoint,
        mag_system=image.mag_system,
        flux_unit=image.flux_unit,
        mjd_first=image.mjd_first,
        mjd_last=image.mjd_last,
        n_frames=len(image.names),
        sources=image.names,
    )


def _written(image: ReferenceImage, folder: Path) -> tuple[str, Path]:
    """The SHA-256 of a reference's file, and where that is now."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part_beside(folder / "reference.fits") as written:
            write(image, written)
            with written.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            path = folder / f"{content[:16]}.fits"
            put(written, path)
    except OSError as error:
        if (why := no_room(error)) is None:
            raise
        raise AstridError(
            f"the reference cannot be written to {folder}: {why}, then give the command again"
        ) from error
    return content, path
