"""A copy of a frame with sources drawn into its pixels, and what the usual search finds in it.

Each source is drawn as the photons that it would have sent, a Poisson number in every pixel under the
frame's local PSF, into a copy of the new frame on the reference's grid. The copy is subtracted and searched
as the frame itself was, by the same functions; the frame and all that is measured in it stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.frames.drawn import Draw, DrawnSource
from core.frames.outcome import CandidateFacts, ForcedFacts, InjectedFacts
from core.magnitudes import magnitude
from core.settings import Settings
from core.vocabulary import POSITION_SIGMAS
from pipeline.detection.detect import detect
from pipeline.detection.forced import forced_fluxes
from pipeline.fakes.choosing import (
    TRIALS,
    Chosen,
    choose_new,
    electrons_per_flux,
    expected_snr,
    generator,
    placed,
)
from pipeline.frame import Aligned, Detection, Difference, PreparedReference
from pipeline.places import sky_positions
from pipeline.stellar.stamps import placed_psfs
from pipeline.subtraction.subtract import subtract

Finish = Callable[[Sequence[Detection], Difference, Aligned], tuple[CandidateFacts, ...]]


@dataclass(frozen=True, slots=True)
class Searched:
    """A frame that was subtracted and searched as it is, with all that this needed."""

    detections: Sequence[Detection]
    difference: Difference
    new: Aligned
    reference: PreparedReference
    radius_px: float
    mjd: float | None


def is_wanted(draw: Draw | None, settings: Settings) -> bool:
    """Whether anything may be drawn into a frame, or what is drawn elsewhere be measured in it."""
    if draw is None:
        return False
    return settings.fakes.share > 0 or any(not each.is_spent for each in draw.sources)


def inject(
    draw: Draw, searched: Searched, objects: NDArray[np.float64], finish: Finish, settings: Settings
) -> tuple[InjectedFacts, ...]:
    """Draw sources into a copy of a frame, and search it.

    Parameters
    ----------
    draw : Draw
        What is drawn: sources known from other frames, and new ones where it is fresh.
    searched : Searched
        The frame as it is; nothing of it is changed.
    objects : (n, 2) float64
        Places of the sky objects that are known, on the reference's grid.
    finish : callable
        Makes candidates of detections, as for the frame itself.
    settings : Settings

    Returns
    -------
    tuple of InjectedFacts
        Of new sources that were found, only so many have a candidate as the share of the queue asks for.

    Raises
    ------
    FrameRefused
        The copy cannot be subtracted or searched.
    """
    known = placed(draw.sources, searched.reference, searched.mjd)
    chosen = [
        Chosen(x, y, flux, source.host, source.mag_per_day, source)
        for source, x, y, flux in known
        if not source.is_spent
    ]
    wanted = 0
    if draw.is_fresh and settings.fakes.share > 0:
        wanted = _wanted(draw, searched, objects, settings)
        busy = np.concatenate([objects, np.array([each[1:3] for each in known]).reshape(-1, 2)])
        chosen += choose_new(
            draw,
            max(TRIALS, 2 * wanted),
            searched.detections,
            busy,
            searched.difference,
            searched.new,
            searched.reference,
            settings,
        )
    if not chosen:
        return ()
    difference, new, detections = searched.difference, searched.new, list(searched.detections)
    # In one order, new or known: so the same frame comes out the same to the last digit.
    drawn = sorted((each for each in chosen if each.flux > 0), key=lambda each: (each.x, each.y))
    if drawn:
        new = drawn_into(searched.new, drawn, difference, draw, settings)
        difference = _subtracted(new, searched.reference, settings)
        detections, _ = detect(difference, new, searched.reference, settings)
    # What lies where nothing was drawn is no injected source.
    found = matched(drawn, detections, searched.radius_px)
    by_source = {id(each): at for each, at in zip(drawn, found, strict=True) if at is not None}
    shown = _shown(chosen, by_source, wanted)
    facts = finish([detections[by_source[id(each)]] for each in shown], difference, new)
    candidates = dict(zip(map(id, shown), facts, strict=True))
    return _facts(chosen, by_source, candidates, difference, searched)


def forced_in_copy(
    sources: Sequence[DrawnSource],
    draw: Draw,
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
) -> tuple[ForcedFacts, ...]:
    """The fluxes of known injected sources in a frame that was processed before they were made."""
    there = [
        Chosen(x, y, flux, source.host, source.mag_per_day, source)
        for source, x, y, flux in placed(sources, reference, new.frame.exposure.mjd)
    ]
    drawn = [each for each in there if each.flux > 0]
    if drawn:
        copy = drawn_into(new, drawn, difference, draw, settings)
        difference = _subtracted(copy, reference, settings)
    flux, error = forced_fluxes(
        difference, np.array([each.x for each in there]), np.array([each.y for each in there])
    )
    return tuple(
        ForcedFacts(each.known.sky_object_id, float(flux[i]), float(error[i]))
        for i, each in enumerate(there)
        if each.known is not None
        and each.known.sky_object_id is not None
        and np.isfinite(flux[i])
        and error[i] > 0
    )


def drawn_into(
    new: Aligned, sources: Sequence[Chosen], difference: Difference, draw: Draw, settings: Settings
) -> Aligned:
    """A copy of a frame with sources in it: light, and the variance that a calibration gives such light.

    Parameters
    ----------
    new : Aligned
    sources : sequence of Chosen
        Of positive flux.
    difference : Difference
        Of the frame; tells its electrons from the difference's unit.
    draw : Draw
        The same source in the same frame gets the same photons.
    settings : Settings
    """
    x, y, flux = (np.array([getattr(each, name) for each in sources]) for name in ("x", "y", "flux"))
    stamps, rows, columns = placed_psfs(new.psf, x, y)
    electrons = flux * electrons_per_flux(x, y, difference)
    data, variance = new.frame.data.copy(), new.frame.variance.copy()
    height, width = data.shape
    half = stamps.shape[-1] // 2
    for each, stamp, row, column, light in zip(sources, stamps, rows, columns, electrons, strict=True):
        random = generator(draw, settings, f"{each.x:.3f} {each.y:.3f}")
        expected = light * stamp
        positive = np.maximum(expected, 0.0)
        photons = random.poisson(positive) + (expected - positive)
        top, left = max(row - half, 0), max(column - half, 0)
        bottom, right = min(row + half + 1, height), min(column + half + 1, width)
        place = np.s_[top:bottom, left:right]
        part = np.s_[
            top - row + half : bottom - row + half,
            left - column + half : right - column + half,
        ]
        data[place] += photons[part].astype(np.float32)
        variance[place] += positive[part].astype(np.float32)
    return replace(new, frame=replace(new.frame, data=data, variance=variance))


def _subtracted(copy: Aligned, reference: PreparedReference, settings: Settings) -> Difference:
    """The difference of a copy, of which no depth is measured."""
    without = settings.depth.model_copy(update={"enabled": False})
    return subtract(copy, reference, settings.model_copy(update={"depth": without}))


def matched(sources: Sequence[Chosen], detections: Sequence[Detection], radius_px: float) -> list[int | None]:
    """The detection that is each source's: the nearest positive one within the radius of association."""
    positive = [i for i, found in enumerate(detections) if found.snr > 0]
    if not positive or not sources:
        return [None] * len(sources)
    tree = KDTree([(detections[i].x, detections[i].y) for i in positive])
    distance, nearest = tree.query([(each.x, each.y) for each in sources])
    found: list[int | None] = []
    for away, k in zip(distance, nearest, strict=True):
        i = positive[int(k)]
        reach = max(radius_px, POSITION_SIGMAS * detections[i].position_error_px)
        found.append(i if away <= reach and i not in found else None)
    return found


def _wanted(draw: Draw, searched: Searched, objects: NDArray[np.float64], settings: Settings) -> int:
    """How many new sources a frame adds to the queue, so that on average they are the share of new cards."""
    new_cards = len(searched.detections)
    if new_cards and len(objects):
        places = [(found.x, found.y) for found in searched.detections]
        new_cards = int(np.count_nonzero(KDTree(objects).query(places)[0] > searched.radius_px))
    mean = new_cards * settings.fakes.share / (1.0 - settings.fakes.share)
    whole = math.floor(mean)
    return whole + int(generator(draw, settings, "count").random() < mean - whole)


def _shown(chosen: Sequence[Chosen], found: dict[int, int], wanted: int) -> list[Chosen]:
    """The sources that reviewers see: all that they know, and the first new ones that were found."""
    shown = []
    for each in chosen:
        if id(each) not in found:
            continue
        if each.known is not None and each.known.sky_object_id is not None:
            shown.append(each)
        elif each.known is None and wanted > 0:
            wanted -= 1
            shown.append(each)
    return shown


def _facts(
    chosen: Sequence[Chosen],
    found: dict[int, int],
    candidates: dict[int, CandidateFacts],
    difference: Difference,
    searched: Searched,
) -> tuple[InjectedFacts, ...]:
    reference = searched.reference
    x, y, flux = (np.array([getattr(each, name) for each in chosen]) for name in ("x", "y", "flux"))
    sky = sky_positions(reference.frame, x, y)
    snr = expected_snr(flux, x, y, searched.difference, searched.new)
    forced, error = forced_fluxes(difference, x, y)
    measured = np.isfinite(forced) & (error > 0)
    facts = []
    for i, each in enumerate(chosen):
        known = each.known.sky_object_id if each.known else None
        is_missed = known is not None and id(each) not in found and measured[i]
        facts.append(
            InjectedFacts(
                x=each.x,
                y=each.y,
                flux=each.flux,
                snr=float(snr[i]),
                host=each.host,
                found=id(each) in found,
                ra=sky[i][0],
                dec=sky[i][1],
                mag=magnitude(each.flux, 0.0, reference.zeropoint)[0],
                mag_system=reference.mag_system,
                mag_per_day=each.mag_per_day,
                sky_object_id=known,
                candidate=candidates.get(id(each)),
                forced=(float(forced[i]), float(error[i])) if is_missed else None,
            )
        )
    return tuple(facts)
