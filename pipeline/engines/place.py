"""Forced photometry at any place: its flux in all frames that cover it, known object or not.

Nothing is written: a difference image is not kept, so each frame is calibrated, aligned and subtracted
again, with the settings in force, and measured as the objects that are known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import Difference, Observation, Reference
from core.frames.content import was_written_over
from core.places.place_facts import Place
from core.places.place_flux import FAILED, MEASURED, PlaceFlux, flux_of
from core.places.story_parts import Fate, FrameStory
from core.places.why import Page, Story, why, why_on_grid
from core.review.real_rows import RealPlace
from core.settings import Settings
from core.vocabulary import MaskPlane, mask_words
from pipeline.calibration.calibrators import MastersFor, masters_of, served
from pipeline.clock import one_line
from pipeline.detection.forced import forced_flux
from pipeline.engines.worker import WRITTEN_OVER
from pipeline.frame import FrameRefused, PreparedReference
from pipeline.process import subtract_again
from pipeline.reference.prepare import prepare

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]

PAGE = 50  # frames whose stories are read at once: each has a map of its significance
HOPELESS = (Fate.MASKED, Fate.UNCOVERED)


@dataclass(frozen=True, slots=True)
class PlaceFluxes:
    """What frames say of a place.

    Attributes
    ----------
    frames : tuple of PlaceFlux
        In order of time: those that were measured, and those that have no flux, each with the reason.
    left : int
        Frames that were not subtracted, because of the limit or because the work was interrupted.
    interrupted : bool
    """

    frames: tuple[PlaceFlux, ...]
    left: int
    interrupted: bool = False


def measure_place(
    store: Store,
    settings: Settings,
    real: RealPlace,
    page: Page,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> PlaceFluxes:
    """Measure a place in all frames that saw it, or should have; interrupted, what was measured is kept.

    Parameters
    ----------
    store : Store
    settings : Settings
        By which frames are subtracted, whatever they were processed with.
    real : RealPlace
    page : Page
        Which frames; all of them, not a page at a time.
    limit : int, optional
        Frames to subtract at most, the newest first.
    progress : callable, optional
        ``report(done, total, frame)``.
    """
    frames = _frames(store, real.place, page)
    found = {frame.id: flux for frame in frames if (flux := _without(frame)) is not None}
    wanted = [frame for frame in frames if frame.id not in found]
    chosen = wanted[len(wanted) - limit :] if limit is not None and limit < len(wanted) else wanted
    report = progress or (lambda _done, _total, _what: None)
    masters = masters_of(store, settings) if chosen else None
    interrupted = False
    try:
        for done, frame in enumerate(reversed(chosen)):
            report(done, len(chosen), frame.frame)
            found[frame.id] = _one(store, settings, real.place, frame, masters)
        report(len(chosen), len(chosen), "")
    except KeyboardInterrupt:
        interrupted = True
    told = tuple(found[frame.id] for frame in frames if frame.id in found)
    return PlaceFluxes(told, len(frames) - len(told), interrupted)


def _frames(store: Store, place: Place, page: Page) -> list[FrameStory]:
    """What became of a place in every frame, a page at a time, in order of time."""
    frames: list[FrameStory] = []
    page = replace(page, limit=PAGE)
    while True:
        story = _story(store, place, page)
        frames += story.frames
        if story.next is None:
            return frames
        page = replace(page, after=story.next)


def _story(store: Store, place: Place, page: Page) -> Story:
    if place.ra is not None and place.dec is not None:
        return why(store, place.ra, place.dec, page=page)
    return why_on_grid(store, place.reference or 0, place.x or 0.0, place.y or 0.0, page=page)


def _without(frame: FrameStory) -> PlaceFlux | None:
    """Why a frame has no flux there, where that is known without its pixels."""
    if frame.reference is not None and frame.fate not in HOPELESS:
        return None
    return PlaceFlux(frame, frame.fate.value, frame.x, frame.y, reason=frame.end.text)


def _one(
    store: Store, settings: Settings, place: Place, frame: FrameStory, masters: MastersFor | None
) -> PlaceFlux:
    try:
        return _measured(store, settings, place, frame, masters)
    except FrameRefused as refused:
        return PlaceFlux(frame, FAILED, frame.x, frame.y, reason=str(refused))
    except Exception as error:  # whatever broke, the other frames go on
        log.exception("%s could not be measured", frame.frame)
        return PlaceFlux(frame, FAILED, frame.x, frame.y, reason=one_line(error))


def _measured(
    store: Store, settings: Settings, place: Place, frame: FrameStory, masters: MastersFor | None
) -> PlaceFlux:
    with store.read() as session:
        observation = session.get_one(Observation, frame.id)
        reference = session.get_one(Reference, frame.reference)
        made = session.exec(
            select(Difference).where(col(Difference.observation_id) == frame.id, col(Difference.is_current))
        ).first()
    if was_written_over(Path(observation.path), observation.content):
        return PlaceFlux(frame, FAILED, frame.x, frame.y, reason=WRITTEN_OVER)
    prepared = prepare(reference, settings)
    at = _on_grid(prepared, place, frame)
    if at is None:
        text = "its reference has no WCS: ask for a pixel of the reference"
        return PlaceFlux(frame, Fate.UNRECORDED.value, reason=text)
    height, width = prepared.frame.shape
    row, column = round(at[1]), round(at[0])
    if not (0 <= row < height and 0 <= column < width):
        return PlaceFlux(frame, Fate.UNCOVERED.value, *at, reason="outside the reference")
    _, difference = subtract_again(
        Path(observation.path),
        observation.extension,
        prepared,
        masters(*served(observation, settings)) if masters else None,
        settings,
    )
    flux, flux_err = forced_flux(difference, *at)
    if not (np.isfinite(flux) and flux_err > 0):
        planes = int(difference.mask[row, column])
        fate = Fate.UNCOVERED if planes == MaskPlane.EDGE else Fate.MASKED
        return PlaceFlux(frame, fate.value, *at, reason=mask_words(planes) or "no error is known there")
    told = flux_of(frame, flux, flux_err, difference.flux_unit, prepared.zeropoint, prepared.mag_system)
    now = (settings.science_hash, settings.subtract.method)
    other = made is not None and (made.config_hash, made.method) != now
    return PlaceFlux(frame, MEASURED, *at, flux=told, other_settings=other)


def _on_grid(prepared: PreparedReference, place: Place, frame: FrameStory) -> tuple[float, float] | None:
    """Where the place is on the reference's grid: by its WCS, or as it was asked for."""
    if place.reference == frame.reference and place.x is not None and place.y is not None:
        return place.x, place.y
    if prepared.frame.wcs is None or place.ra is None or place.dec is None:
        return None
    x, y = prepared.frame.wcs.all_world2pix([[place.ra, place.dec]], 0, quiet=True)[0]
    return (float(x), float(y)) if np.isfinite(x) and np.isfinite(y) else (-1e6, -1e6)
