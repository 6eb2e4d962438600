"""Zeropoints for frames that were processed before there was a star catalogue of their place.

What is kept of a frame are fluxes in its reference's unit. So the reference is compared with the catalogue,
as it is when a frame is processed; the frame is read and calibrated again for its own zeropoint and the
offset of its WCS, but neither aligned nor subtracted. Each frame is written at once, so that what was done
stays done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.catalogs.library import Catalog, Library
from core.database.store import Store
from core.database.tables import Observation
from core.frames.content import was_written_over
from core.frames.zeropoints import Uncalibrated, look, uncalibrated, write
from core.settings import Settings
from pipeline.calibration.calibrators import MastersFor, masters_of, served
from pipeline.clock import StageClock, one_line
from pipeline.engines.worker import WRITTEN_OVER
from pipeline.files.fits_files import read_frame
from pipeline.frame import FrameRefused, PreparedReference
from pipeline.known.bands import band_of
from pipeline.measure import Measured, measure
from pipeline.reference.prepare import prepare

log = logging.getLogger(__name__)

Found = TypeVar("Found")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What became of one frame.

    Attributes
    ----------
    zeropoint, scatter : float or None
        Its own, the magnitude of one electron, and of one star about it.
    difference : float or None
        The zeropoint of its difference, the magnitude of one unit of the reference.
    candidates : int
        How many have a magnitude by that.
    reason : str or None
        Why it lacks one still.
    """

    observation_id: int
    frame: str
    zeropoint: float | None = None
    scatter: float | None = None
    difference: float | None = None
    candidates: int = 0
    reason: str | None = None

    def record(self) -> dict[str, Any]:
        """What is told to scripts."""
        return {
            "id": self.observation_id,
            "frame": self.frame,
            "zeropoint": self.zeropoint,
            "zeropoint_scatter": self.scatter,
            "difference_zeropoint": self.difference,
            "candidates": self.candidates,
            "reason": self.reason,
        }


def calibrate_stored(
    store: Store,
    settings: Settings,
    names: Collection[str] = (),
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> tuple[list[Calibrated], int]:
    """Find the zeropoints that processed frames lack, and write them with all magnitudes that follow.

    Parameters
    ----------
    names : collection of str
        Fields and frames; else all.
    limit : int, optional
        Frames that a catalogue covers, at most.
    progress : callable, optional
        ``report(done, total, frame)``.

    Returns
    -------
    list of Calibrated
        The frames that lacked one.
    left : int
        Frames that were not looked at because of the limit.

    Raises
    ------
    NoSuchFrames
    """
    report = progress or (lambda _done, _total, _what: None)
    frames = uncalibrated(store, names)
    catalogs = Library(settings.home).catalogs("stars")
    masters = masters_of(store, settings)
    done: list[Calibrated] = []
    tried = 0
    for number, (observation_id, difference_id) in enumerate(frames):
        if limit is not None and tried >= limit:
            return done, len(frames) - number
        frame = look(store, observation_id, difference_id)
        if frame is None:
            continue
        report(number, len(frames), frame.observation.frame)
        why_not = uncovered(frame.observation, catalogs)
        tried += why_not is None
        done.append(_refused(frame, why_not) if why_not else _one(store, settings, frame, masters))
    report(len(frames), len(frames), "")
    return done, 0


def covered(store: Store, catalog: Catalog) -> int:
    """How many frames without a zeropoint a star catalogue may give one."""
    found = (look(store, *keys) for keys in uncalibrated(store))
    return sum(frame is not None and uncovered(frame.observation, [catalog]) is None for frame in found)


def uncovered(observation: Observation, catalogs: Sequence[Catalog]) -> str | None:
    """Why no star catalogue can tell a frame's zeropoint; none where one may."""
    here = [each for each in catalogs if _reaches(observation, each)]
    if not here:
        return "no star catalogue covers it"
    if all(band_of(observation.filter, each.bands) is None for each in here):
        names = ", ".join(
            f"{each.name} ({', '.join(each.bands)})" if each.bands else each.name for each in here
        )
        told = f"its filter, {observation.filter or 'not known'}, is no band of {names}"
        is_unnamed = any("mag" in each.bands for each in here)
        how = "; which band mag is of --band tells, where it is removed and added again (`astrid catalog`)"
        return told + how if is_unnamed else told
    return None


def _reaches(observation: Observation, catalog: Catalog) -> bool:
    """Whether a catalogue has looked anywhere in a frame; where neither says so, it may have."""
    ra, dec = observation.ra, observation.dec
    if ra is None or dec is None or catalog.coverage.how == "unknown":
        return True
    steps = np.array([-0.7, 0.0, 0.7]) * (observation.radius_deg or 0.0)
    up, across = (each.ravel() for each in np.meshgrid(steps, steps))
    decs = np.clip(dec + up, -90.0, 90.0)
    ras = (ra + across / np.maximum(np.cos(np.radians(decs)), 1e-6)) % 360.0
    return bool(catalog.coverage.covers(ras, decs).any())


def _one(store: Store, settings: Settings, frame: Uncalibrated, masters: MastersFor) -> Calibrated:
    """Both zeropoints of one frame; where its file cannot be used, that of its difference alone."""
    prepared, no_difference = _or_why(lambda: _of_difference(frame, settings), frame)
    measured, no_own = _or_why(lambda: _of_frame(frame, settings, masters), frame)
    zeropoint = prepared.zeropoint if prepared else None
    quality = measured.quality if measured else None
    if prepared and zeropoint is None:
        no_difference = "too few stars of its reference are in the catalogue"
    if quality and quality.zeropoint is None:
        no_own = "too few of its own stars are in the catalogue"
    written = write(
        store,
        frame,
        quality=quality,
        remark=" ".join(measured.remarks) or None if measured else None,
        zeropoint=zeropoint,
        mag_system=prepared.mag_system if prepared else None,
    )
    if written is None:
        return _refused(frame, "it was processed anew meanwhile")
    return Calibrated(
        frame.observation.id or 0,
        frame.observation.frame,
        quality.zeropoint if quality else frame.observation.zeropoint,
        quality.zeropoint_scatter if quality else frame.observation.zeropoint_scatter,
        zeropoint if frame.lacks_difference else frame.difference.zeropoint,
        written,
        "; ".join(filter(None, (no_difference, no_own))) or None,
    )


def _or_why(found: Callable[[], Found], frame: Uncalibrated) -> tuple[Found | None, str | None]:
    """What can be found, or one line that says why it cannot: the other frames go on."""
    try:
        return found(), None
    except FrameRefused as refused:
        return None, str(refused)
    except Exception as error:  # whatever broke, SEP raises no narrower type
        log.exception("%s could not be calibrated", frame.observation.frame)
        return None, one_line(error)


def _of_difference(frame: Uncalibrated, settings: Settings) -> PreparedReference | None:
    """The reference with its zeropoint, where that is lacking."""
    return prepare(frame.reference, settings) if frame.lacks_difference else None


def _of_frame(frame: Uncalibrated, settings: Settings, masters: MastersFor) -> Measured | None:
    """The frame beside the catalogue, where its own zeropoint is lacking."""
    if not frame.lacks_own:
        return None
    row = frame.observation
    if was_written_over(Path(row.path), row.content):
        raise FrameRefused(WRITTEN_OVER)
    fitting = masters(*served(row, settings))
    return measure(
        read_frame(Path(row.path), row.extension, settings.camera.keywords), fitting, settings, StageClock()
    )


def _refused(frame: Uncalibrated, reason: str) -> Calibrated:
    row = frame.observation
    return Calibrated(
        row.id or 0, row.frame, row.zeropoint, row.zeropoint_scatter, frame.difference.zeropoint, 0, reason
    )
