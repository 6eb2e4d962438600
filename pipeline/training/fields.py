"""Training fields: a new frame and its reference with everything that changed and went wrong known.

A field goes through the product's own calibration, alignment and subtraction, so that a model learns from
the residuals that it will meet. What is in a field follows from its seed alone, how it is subtracted and
searched also from ``[subtract]`` and ``[detect]`` of the settings: they decide what candidates there are and
what they look like. All other settings suit a telescope, and each field draws its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray
from scipy import ndimage

from core.settings import Settings
from core.settings_sections import DetectSettings, SubtractSettings
from core.vocabulary import MaskPlane
from pipeline.classify.unet import CLASSES
from pipeline.clock import StageClock
from pipeline.frame import Aligned, Difference, Exposure, FrameRefused, Image, PreparedReference, RawFrame
from pipeline.measure import measure
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration.align import align
from pipeline.subtraction.subtract import subtract
from pipeline.training.conditions import PLAIN, Conditions, draw_conditions
from pipeline.training.defects import Defects, add_defects
from pipeline.training.events import Event, add_events, draw_events
from pipeline.training.scenes import Plate, Scene, draw_scene, on_new

Array = NDArray[np.float64]
Classes = NDArray[np.uint8]

BACKGROUND, POINT, DARK, STREAK, ARTEFACT = range(len(CLASSES))
UNTOLD = 255  # masked, or too faint or too near something bright to have a class
FAINTEST = 4.0  # sigma: fainter events have no class
CORE_FWHM = 0.6  # around an event its pixels are of its class
STREAK_FWHM = 0.6  # the same to either side of a streak
ISLAND, ISLAND_PEAK = 4.0, 5.0  # sigma: what is beyond these and no event is an artefact
LOBES_FWHM = 3.0  # around bright events rings of the filter are no artefacts
TRIES = 12
VERSION = 9  # of what a seed gives; what is kept of another version is not mixed with it
OTHER_METHOD: dict[str, Literal["zogy", "classic"]] = {"zogy": "classic", "classic": "zogy"}
BY_OTHER_METHOD = 0.15  # of the fields
DIGITS = 12  # of a digest
CLEAR = 2.0  # sigma that an event must have where it is said to be what was detected


@dataclass(frozen=True, slots=True)
class TrainingField:
    """One field, subtracted.

    Attributes
    ----------
    name : str
    seed : int
    new : Aligned
    reference : PreparedReference
    difference : Difference
    events : tuple of Event
        Those whose place the difference shows, ``snr`` now being that of the difference at their place:
        the flux that was added over the error of the flux there.
    classes : (height, width) uint8
        Indices of `CLASSES`, or `UNTOLD`.
    defects : dict of str to (height, width) bool
        Where pixels were spoilt, by kind, on the reference's grid.
    moved : (2, m) float64
        Places of stars that the new frame shows displaced.
    settings : Settings
        By which it was subtracted.
    conditions : Conditions
        How hard it was drawn.
    """

    name: str
    seed: int
    new: Aligned
    reference: PreparedReference
    difference: Difference
    events: tuple[Event, ...]
    classes: Classes
    defects: dict[str, NDArray[np.bool_]]
    moved: Array
    settings: Settings
    conditions: Conditions = PLAIN


def told_by(settings: Settings | None) -> str:
    """What the names of kept fields tell of the settings that fields follow: nothing of the defaults."""
    if settings is None:
        return ""
    made_of, usual = (
        json.dumps([subtract.model_dump(exclude={"device"}), detect.model_dump(exclude={"unet"})])
        for subtract, detect in (
            (settings.subtract, settings.detect),
            (SubtractSettings(), DetectSettings()),
        )
    )
    return "" if made_of == usual else hashlib.sha256(made_of.encode()).hexdigest()[:DIGITS]


def field(
    seed: int,
    size: int = 512,
    streaks: bool = True,
    conditions: Conditions | None = None,
    settings: Settings | None = None,
    changed: Callable[[Conditions], Conditions] | None = None,
) -> TrainingField:
    """A simulated field.

    Parameters
    ----------
    seed : int
        The same seed and size give the same field.
    size : int
        Pixels along each side.
    streaks : bool
        Whether the trails that were drawn are in it; all else is drawn alike.
    conditions : Conditions, optional
        Instead of those that are drawn: `pipeline.training.conditions.draw_conditions`.
    settings : Settings, optional
        How it is subtracted and searched; by default as AstrID comes.
    changed : callable, optional
        What is made of the conditions that are drawn.

    Raises
    ------
    FrameRefused
        The pipeline refused every one of some draws.
    """
    refused: FrameRefused | None = None
    for attempt in range(TRIES):
        random = np.random.default_rng([seed, size, attempt, 0xF1E1D])
        drawn = conditions or draw_conditions(np.random.default_rng([seed, size, attempt, 0xC0D]))
        drawn = drawn if changed is None else changed(drawn)
        scene = draw_scene(random, size, drawn)
        name = f"sim-{seed}"
        events = draw_events(random, scene, size, name, drawn)
        if not streaks:
            events = [event for event in events if not event.is_streak]
        add_events(random, scene, events)
        defects = add_defects(random, scene)
        try:
            made = subtracted(random, scene, events, defects, name, seed, settings)
            return replace(made, conditions=drawn)
        except FrameRefused as error:
            refused = error
    raise FrameRefused(f"no draw of seed {seed} could be subtracted: {refused}")


def subtracted(
    random: np.random.Generator,
    scene: Scene,
    events: list[Event],
    defects: Defects,
    name: str,
    seed: int,
    settings: Settings | None = None,
) -> TrainingField:
    """A scene with events and defects in it, taken through the pipeline.

    Raises
    ------
    FrameRefused
        The pipeline does not take it.
    """
    settings = _settings(random, settings)
    clock = StageClock()
    raw_ref = _raw(scene.ref, f"{name} reference", np.zeros(scene.ref.electrons.shape, np.uint16))
    raw_new = _raw(scene.new, name, defects.known)
    old = measure(raw_ref, None, settings, clock)
    reference = prepare_image(ReferenceImage(old.frame, (raw_ref.exposure.name,), "electron"), settings)
    measured = measure(raw_new, None, settings, clock)
    new = align(measured.frame, measured.stars, measured.fwhm, reference, settings)
    method = settings.subtract.method
    if random.random() < BY_OTHER_METHOD:
        method = OTHER_METHOD[method]
    difference = subtract(new, reference, settings, method)
    # Where a frame's noise contradicts its gain, its electrons are not those of the plate.
    electrons = (reference.frame.gain or scene.ref.gain) / scene.ref.gain
    seen = _seen(events, difference, reference.flux_scale / electrons)
    on_ref = {kind: _on_reference(where, scene.to_new) for kind, where in defects.maps.items()}
    kept = ndimage.binary_dilation(defects.of_reference, np.ones((3, 3), dtype=bool))
    on_ref["cosmic_ray"] = on_ref.get("cosmic_ray", np.zeros_like(kept)) | kept
    classes = _classes(seen, difference, on_ref)
    return TrainingField(
        name, seed, new, reference, difference, tuple(seen), classes, on_ref, scene.moved, settings
    )


def _settings(random: np.random.Generator, followed: Settings | None) -> Settings:
    """The defaults and what is followed, but at times no cosmic rays are looked for: then they are what
    detections are made of. A GPU's last digits would make other fields.
    """
    settings = Settings.model_construct()
    subtract = settings.subtract if followed is None else followed.subtract
    look = bool(random.random() < 0.65)
    return settings.model_copy(
        update={
            "calibrate": settings.calibrate.model_copy(update={"cosmic_rays": look}),
            "depth": settings.depth.model_copy(update={"enabled": False}),
            "subtract": subtract.model_copy(update={"device": "cpu"}),
            "detect": settings.detect if followed is None else followed.detect,
        }
    )


def _raw(plate: Plate, name: str, mask: NDArray[np.uint16]) -> RawFrame:
    counts = np.rint(plate.electrons / plate.gain).astype(np.float32)
    exposure = Exposure(
        name=name,
        mjd=60000.0,
        exposure_s=60.0,
        gain=plate.gain,
        read_noise=plate.read_noise,
        saturation=0.98 * plate.full_well / plate.gain,
    )
    return RawFrame(counts, mask, exposure, Header(), None)


def _seen(events: list[Event], difference: Difference, flux_scale: float) -> list[Event]:
    """Events at unmasked places, with the significance that they should have in this difference.

    ``flux_scale`` makes of its fluxes those of events.
    """
    height, width = difference.mask.shape
    seen = []
    for event in events:
        column, row = round(event.x), round(event.y)
        if not (0 <= column < width and 0 <= row < height):
            continue
        error = float(difference.flux_err[row, column]) * flux_scale
        if difference.mask[row, column] and not event.is_streak:
            continue
        snr = event.flux / error if error > 0 and not event.is_streak else event.snr
        seen.append(replace(event, snr=snr))
    return seen


def _on_reference(where: NDArray[np.bool_], to_new: Array) -> NDArray[np.bool_]:
    """A map of the new frame's grid on the reference's, each pixel with its neighbours."""
    grown = ndimage.binary_dilation(where, np.ones((3, 3), dtype=bool))
    height, width = where.shape
    y, x = np.mgrid[0:height, 0:width]
    at = np.rint(on_new(to_new, np.stack([x.ravel(), y.ravel()]).astype(np.float64))).astype(int)
    inside = (at[0] >= 0) & (at[0] < width) & (at[1] >= 0) & (at[1] < height)
    found = np.zeros(where.size, dtype=bool)
    found[inside] = grown[at[1, inside], at[0, inside]]
    return found.reshape(where.shape)


def _classes(events: list[Event], difference: Difference, defects: dict[str, NDArray[np.bool_]]) -> Classes:
    """What each pixel is: events over streaks over artefacts over background."""
    fwhm = max(difference.psf.fwhm, 2.0)
    shape = difference.mask.shape
    classes = np.zeros(shape, dtype=np.uint8)
    told, near = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    drawn: list[tuple[NDArray[np.bool_], int]] = []
    # The brightest is drawn last, streaks before all points.
    for event in sorted(events, key=lambda each: (not each.is_streak, abs(each.snr))):
        distance = line_distance(event, shape)
        if event.is_streak:
            drawn.append((distance < max(STREAK_FWHM * fwhm, 1.2), STREAK))
        else:
            kind = POINT if event.snr > 0 else DARK
            drawn.append((distance < CORE_FWHM * fwhm, kind if abs(event.snr) >= FAINTEST else UNTOLD))
        told |= drawn[-1][0]
        if abs(event.snr) > 10.0 or event.is_streak:
            near |= distance < LOBES_FWHM * fwhm
    _paint_islands(classes, difference.score, told, near)
    for fault, spoilt in defects.items():
        classes[spoilt if fault == "ghost" else spoilt & (np.abs(difference.score) > 2.0)] = ARTEFACT
    for where, value in drawn:
        classes[where] = value
    classes[difference.mask != 0] = UNTOLD
    return classes


def _paint_islands(classes: Classes, score: Image, told: NDArray[np.bool_], near: NDArray[np.bool_]) -> None:
    """Mark significant islands of the score that hold no event, in place."""
    for sign in (1, -1):
        islands, count = ndimage.label(sign * score > ISLAND)
        if not count:
            continue
        numbers = np.arange(1, count + 1)
        peak = ndimage.maximum(sign * score, islands, numbers)
        of_event = ndimage.maximum(told, islands, numbers).astype(bool)
        beside = ndimage.maximum(near, islands, numbers).astype(bool)
        value = np.where(of_event | (peak < ISLAND_PEAK), BACKGROUND, np.where(beside, UNTOLD, ARTEFACT))
        table = np.concatenate([[BACKGROUND], value]).astype(np.uint8)
        found = table[islands]
        classes[found != BACKGROUND] = found[found != BACKGROUND]


def line_distance(event: Event, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The distance of every pixel from an event, or from the line of a streak: (height, width)."""
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    columns = np.arange(shape[1], dtype=np.float32)[None, :]
    ax, ay = np.float32(event.x_begin), np.float32(event.y_begin)
    dx, dy = np.float32(event.x_end) - ax, np.float32(event.y_end) - ay
    squared = float(dx * dx + dy * dy)
    if squared == 0.0:
        return np.asarray(np.hypot(columns - ax, rows - ay), dtype=np.float32)
    along = np.clip(((columns - ax) * dx + (rows - ay) * dy) / np.float32(squared), 0.0, 1.0)
    return np.asarray(np.hypot(columns - ax - along * dx, rows - ay - along * dy), dtype=np.float32)


def nature(found: TrainingField, x: float, y: float) -> tuple[str, Event | None]:
    """What a detection at a place is: the kind of its event, or what went wrong there.

    Returns
    -------
    kind : str
        Of `pipeline.training.events`, or ``cosmic_ray``, ``hot``, ``column``, ``row``, ``smear``,
        ``ghost``, ``spike``, ``bleed``, ``saturation``, ``edge``, ``dipole``, ``residual`` (of a star),
        ``host`` (of a galaxy's or any other light) or ``noise``.
    event : Event or None
    """
    fwhm = max(found.difference.psf.fwhm, 2.0)
    events = [(from_line(event, x, y), event) for event in found.events]
    points = [
        each
        for each in events
        if not each[1].is_streak and each[0] < max(1.0, 0.7 * fwhm) and abs(each[1].snr) > CLEAR
    ]
    trails = [each for each in events if each[1].is_streak and each[0] < 1.2 * fwhm]
    for near in (points, trails):
        if near:
            event = min(near, key=lambda each: each[0])[1]
            return event.kind, event
    row, column = round(y), round(x)
    window = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2))
    for kind, where in found.defects.items():
        if where[window].any():
            return kind, None
    return _residual(found, x, y, fwhm), None


def _residual(found: TrainingField, x: float, y: float, fwhm: float) -> str:
    reach = int(np.ceil(2.0 * fwhm))
    row, column = round(y), round(x)
    near = found.difference.mask[
        max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
    ]
    bits = int(np.bitwise_or.reduce(near, axis=None)) if near.size else 0
    if bits & MaskPlane.SATURATED:
        return "saturation"
    if found.moved.size and np.hypot(found.moved[0] - x, found.moved[1] - y).min() < 1.5 * fwhm:
        return "dipole"
    stars = found.reference.stars
    if len(stars):
        distance = np.hypot(stars.x - x, stars.y - y)
        beside = int(np.argmax(stars.flux / (0.5 + distance / fwhm) ** 3))
        if distance[beside] < 3.0 * fwhm:
            return "host" if stars.fwhm[beside] > 1.4 * found.reference.psf.fwhm else "residual"
    if bits & MaskPlane.EDGE:
        return "edge"
    return "noise"


def from_line(event: Event, x: float, y: float) -> float:
    """The distance of a place from an event, or from the line of a streak."""
    dx, dy = event.x_end - event.x_begin, event.y_end - event.y_begin
    squared = dx * dx + dy * dy
    along = 0.0
    if squared > 0.0:
        along = min(max(((x - event.x_begin) * dx + (y - event.y_begin) * dy) / squared, 0.0), 1.0)
    return float(np.hypot(x - event.x_begin - along * dx, y - event.y_begin - along * dy))
