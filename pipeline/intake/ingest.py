"""From paths to what the store registers: every exposure of every file, or why it is of no use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from core import horizon
from core.epochs import unix_of
from core.frames.content import content_hash
from core.frames.outcome import ObservationFacts
from core.frames.same_exposure import pixels_hash
from core.precession import of_date
from core.settings import Settings
from core.vocabulary import FrameKind, ObservationState
from pipeline.files.doubts import doubts
from pipeline.files.fits_files import read_frames
from pipeline.files.fits_selection import Refusal
from pipeline.files.headers import filter_doubt, time_of
from pipeline.frame import Exposure, FrameRefused, RawFrame

SUFFIXES = tuple(
    stem + packing for stem in (".fits", ".fit", ".fts") for packing in ("", ".gz", ".fz", ".bz2", ".z")
)


OnUnread = Callable[[Path, str], None]
OF_A_DISK = {"lost+found", "$RECYCLE.BIN", "System Volume Information"}  # of the system's, at the root of one


def find_files(
    paths: Iterable[Path], suffixes: tuple[str, ...] = SUFFIXES, on_unread: OnUnread | None = None
) -> list[Path]:
    """The files to examine: each named file as it is, and from folders whatever is named like FITS.

    Folders are searched to any depth, in the order of names; hidden ones are left out, and those that a disk
    has for its system. Other `suffixes` find other files.

    Parameters
    ----------
    on_unread : callable, optional
        Told of each folder whose files cannot be listed, and why; not of one that is gone meanwhile.
    """

    def refused(error: OSError) -> None:
        if on_unread and not isinstance(error, FileNotFoundError | NotADirectoryError):
            on_unread(Path(error.filename), f"this folder cannot be read: {error.strerror or error}")

    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        for folder, folders, names in os.walk(path, onerror=refused):
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and name not in OF_A_DISK
            )
            found.update(
                (Path(folder) / name, None)
                for name in sorted(names)
                if name.lower().endswith(suffixes) and not name.startswith(".")
            )
    return list(found)


def examine(path: Path, settings: Settings) -> list[ObservationFacts]:
    """What a file holds, one value for each exposure.

    Parameters
    ----------
    path : Path
        Any file; what is no FITS file, or a broken one, yields one value that says so.
    settings : Settings

    Returns
    -------
    list of ObservationFacts
        Science frames are ``queued``; biases, darks and flats ``calibration``; what is of no use is
        ``rejected``; what is damaged or cannot be read ``quarantined``; the last two with a reason.
    """
    content = content_hash(path)
    location = str(path.absolute())
    facts = []
    for item in read_frames(path, settings.camera.keywords):
        if isinstance(item, Refusal):
            facts.append(
                ObservationFacts(
                    content=content,
                    extension=item.extension,
                    frame=item.name,
                    path=location,
                    state=ObservationState.QUARANTINED if item.damaged else ObservationState.REJECTED,
                    reason=item.reason,
                )
            )
        else:
            facts.append(_facts(item, content, location, settings))
    return facts


def footprint(wcs: WCS | None, shape: tuple[int, int]) -> tuple[float, float, float] | None:
    """Centre and radius of a frame on the sky: ra, dec and centre to farthest corner, in degrees."""
    if wcs is None:
        return None
    height, width = shape
    right, top = width - 0.5, height - 0.5
    pixels = np.array(
        [[(width - 1) / 2, (height - 1) / 2], [-0.5, -0.5], [right, -0.5], [-0.5, top], [right, top]]
    )
    ra, dec = np.deg2rad(wcs.all_pix2world(pixels, 0)).T
    haversine = (
        np.sin((dec[1:] - dec[0]) / 2) ** 2
        + np.cos(dec[0]) * np.cos(dec[1:]) * np.sin((ra[1:] - ra[0]) / 2) ** 2
    )
    radius = math.degrees(2.0 * float(np.arcsin(np.sqrt(np.clip(haversine.max(), 0.0, 1.0)))))
    return math.degrees(ra[0]) % 360.0, math.degrees(dec[0]), radius


def _facts(raw: RawFrame, content: str, path: str, settings: Settings) -> ObservationFacts:
    """One readable exposure as the store keeps it."""
    exposure = raw.exposure
    state, reason = ObservationState.QUEUED, None
    if exposure.kind is not FrameKind.SCIENCE:
        state = ObservationState.CALIBRATION
        if exposure.kind is FrameKind.FLAT and exposure.filter is None:
            reason = filter_doubt(raw.header)
    elif exposure.mjd is None:
        state, reason = ObservationState.REJECTED, _why_no_time(raw)
    else:
        reason = "; ".join(doubts(raw)) or None
    height, width = raw.data.shape
    ra, dec, radius = footprint(raw.wcs, (height, width)) or (None, None, None)
    return ObservationFacts(
        content=content,
        extension=raw.extension,
        frame=exposure.name,
        path=path,
        kind=exposure.kind,
        instrument=exposure.instrument,
        filter=exposure.filter,
        field=exposure.field,
        mjd=exposure.mjd,
        exposure_s=exposure.exposure_s,
        airmass=exposure.airmass or _airmass(exposure, ra, dec, settings),
        width=width,
        height=height,
        has_wcs=raw.wcs is not None,
        ra=ra,
        dec=dec,
        radius_deg=radius,
        readout=exposure.readout,
        pixels=None if state == ObservationState.REJECTED else pixels_hash(raw.data),
        state=state,
        reason=reason,
    )


def _airmass(exposure: Exposure, ra: float | None, dec: float | None, settings: Settings) -> float | None:
    """The airmass of the frame's centre at the site of the settings, where header and settings tell."""
    if ra is None or dec is None or exposure.mjd is None or not settings.site.position:
        return None
    at = unix_of(exposure.mjd)
    return horizon.airmass(horizon.altitude_deg(at, *of_date(at, ra, dec), *settings.site.position))


def _why_no_time(raw: RawFrame) -> str:
    """The sentence that says why an exposure's time is not known."""
    try:
        time_of(raw.header, raw.exposure.exposure_s)
    except FrameRefused as refused:
        return str(refused)
    return "its time of exposure is not known"
