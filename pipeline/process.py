"""The way of one frame, from its file to what the store commits, as one chain of stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.frames import thumbnail
from core.frames.drawn import Draw
from core.frames.outcome import (
    CandidateFacts,
    ForcedFacts,
    FrameOutcome,
    InjectedFacts,
    QualityFacts,
)
from core.places import block_scores
from core.settings import Settings
from pipeline import record
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.due import due
from pipeline.calibration.masters import Masters
from pipeline.calibration.noise import CONTRADICTS
from pipeline.classify.classify import Classifier, Models, with_scores
from pipeline.classify.unet import NAME, UNet
from pipeline.clock import StageClock, one_line
from pipeline.depth.depth import Depth, measure_depth
from pipeline.detection.detect import detect, dropped_words
from pipeline.detection.joined import with_opinion, with_unet
from pipeline.detection.new_saturated import apart_from_streaks, new_saturated, remark_on
from pipeline.detection.rows import with_rows
from pipeline.detection.unet_look import looking
from pipeline.energy.meter import Begin, unmetered
from pipeline.fakes.copies import Finish, Searched, forced_in_copy, inject, is_wanted
from pipeline.files.doubts import doubts
from pipeline.files.fits_files import read_frame
from pipeline.files.fits_selection import Damaged
from pipeline.files.miniature import miniature
from pipeline.frame import (
    Aligned,
    Detection,
    Difference,
    Frame,
    FrameRefused,
    PreparedReference,
)
from pipeline.known.candidates import with_known
from pipeline.known.match import KnownSky
from pipeline.measure import Measured, measure_calibrated
from pipeline.outcome_facts import (
    KnownObject,
    candidates_of,
    difference_facts,
    forced_points,
    match_radius_px,
    on_grid,
    rejections,
)
from pipeline.pairing import contradicted_wcs, part_of_reference, shared_light, told_of
from pipeline.registration.align import align
from pipeline.subtraction.subtract import subtract

log = logging.getLogger(__name__)


def process(
    path: Path,
    extension: int,
    reference: PreparedReference,
    masters: Masters | None,
    known_objects: Sequence[KnownObject],
    settings: Settings,
    begin_energy: Begin = unmetered,
    models: Models | None = None,
    draw: Draw | None = None,
) -> FrameOutcome:
    """Take one frame all the way. Nothing is written, and nothing but an interrupt is raised.

    Parameters
    ----------
    path : Path
        The frame's file.
    extension : int
        Which of its images.
    reference : PreparedReference
        What it is subtracted from.
    masters : Masters, optional
        Calibration frames that fit it.
    known_objects : sequence of KnownObject
        Where the flux is measured also where nothing is detected.
    settings : Settings
    begin_energy : callable, optional
        Begins to measure the energy of a stage, as `EnergyMeter.begin` does.
    models : mapping, optional
        Those that score: `pipeline.classify.chosen.chosen`. By default those that came with AstrID.
    draw : Draw, optional
        What is drawn into a copy of the frame, for reviewers to be tried by.

    Returns
    -------
    FrameOutcome
        ``done``; ``rejected`` where the frame cannot be used; ``failed`` where its file cannot be read
        now, or something broke, with one line of it as the reason and the whole in the log. ``stages``
        tells how far it came.
    """
    clock = StageClock(begin_energy)
    quality: QualityFacts | None = None
    small: bytes | None = None
    try:
        with clock.stage("read"):
            raw = read_frame(path, extension, settings.camera.keywords)
        with clock.stage("calibrate"):
            masters = masters and due(masters, raw.header)
            frame = calibrate(raw, masters, settings)
            small = thumbnail.pack(miniature(frame))
        notes = (*doubts(raw), *map(_with_remedy, (note for note in frame.notes if note not in raw.notes)))
        del raw  # its pixels would be in memory to the end
        measured = measure_calibrated(frame, settings, clock)
        said = (f"{note[:1].upper()}{note[1:]}." for note in notes)
        measured = replace(measured, remarks=(*said, *measured.remarks))
        quality = measured.quality
        outcome = _subtracted(measured, reference, known_objects, settings, clock, models, draw)
        return replace(outcome, thumbnail=small)
    except Damaged as damaged:  # the disk may be back in a minute: no reason to be rid of a night's frames
        state, reason = "failed", str(damaged)
    except FrameRefused as refused:
        state, reason = "rejected", str(refused)
    except Exception as error:  # whatever broke, SEP raises no narrower type: the night goes on
        log.exception("%s broke in stage %s", path, clock.records[-1].stage)
        state, reason = "failed", f"{clock.records[-1].stage}: {one_line(error)}"
    return FrameOutcome(state, reason, quality=quality, stages=tuple(clock.records), thumbnail=small)


def _with_remedy(note: str) -> str:
    """What is noted of a frame, and what to do where another gain is taken than it has."""
    if CONTRADICTS not in note:
        return note
    return f"{note}; where [camera] gain is mended, `astrid queue retry` processes the frame by it"


def measure_again(
    path: Path,
    extension: int,
    reference: PreparedReference,
    masters: Masters | None,
    known_objects: Sequence[KnownObject],
    settings: Settings,
    draw: Draw | None = None,
) -> tuple[ForcedFacts, ...]:
    """The flux at known objects in a frame that was processed before they were known.

    Parameters are those of `process`; of what is drawn into a copy, the sources are measured in it.

    Raises
    ------
    FrameRefused
        The frame can no longer be used.
    """
    new, difference = subtract_again(path, extension, reference, masters, settings)
    points = forced_points(known_objects, [], difference, reference, 0.0)
    if draw is not None:
        points += forced_in_copy(draw.sources, draw, difference, new, reference, settings)
    return points


def subtract_again(
    path: Path,
    extension: int,
    reference: PreparedReference,
    masters: Masters | None,
    settings: Settings,
) -> tuple[Aligned, Difference]:
    """A frame that was processed before, aligned and subtracted as it was: difference images are not kept.

    Raises
    ------
    FrameRefused
        The frame can no longer be used, or holds the exposure that its reference does.
    """
    frame = calibrate(read_frame(path, extension, settings.camera.keywords), masters, settings)
    measured = measure_calibrated(frame, settings, StageClock())
    new = align(measured.frame, measured.stars, measured.fwhm, reference, settings)
    difference = subtract(new, reference, settings)
    if (said := shared_light(difference)) is not None:
        raise FrameRefused(said)
    return new, difference


def _subtracted(
    measured: Measured,
    reference: PreparedReference,
    known_objects: Sequence[KnownObject],
    settings: Settings,
    clock: StageClock,
    models: Models | None,
    draw: Draw | None,
) -> FrameOutcome:
    """The second half of the way: what changed against the reference."""
    with clock.stage("align"):
        new = align(measured.frame, measured.stars, measured.fwhm, reference, settings)
    with clock.stage("subtract"):
        difference = subtract(new, reference, settings)
    said = shared_light(difference)
    with looking(difference, new, reference, settings, (models or {}).get(NAME)) as look:
        with clock.stage("detect") as remark:
            detections, dropped = detect(difference, new, reference, settings)
            remark.text = dropped_words(dropped)
            saturated = new_saturated(difference, new, reference)
        with clock.stage("unet") as remark:
            joined = with_unet(detections, dropped, difference, new, reference, settings, look)
            remark.text = joined.told
    saturated = apart_from_streaks(saturated, joined.detections, difference.psf.fwhm)
    detections, dropped = joined.detections, [*joined.dropped, *saturated]
    with clock.stage("cutouts"):
        candidates = candidates_of(detections, difference, new, reference, measured.frame.origin, settings)
    classifier = cache(partial(Classifier.of, models))  # once: a copy is scored by what scores its frame
    candidates, remarks = classified(candidates, classifier, clock)
    candidates, rows = with_rows(candidates, difference)
    with clock.stage("known"):
        known = KnownSky.of(settings)
        candidates = with_known(candidates, reference, measured.frame.exposure.mjd, known)
    radius_px = match_radius_px(reference, max(new.psf.fwhm, reference.psf.fwhm), settings)
    in_part = part_of_reference(measured.frame.exposure, reference)
    with clock.stage("forced"):
        # What is subtracted from itself has no flux, and would be a limit where there was light.
        forced = () if said else forced_points(known_objects, detections, difference, reference, radius_px)
    with clock.stage("record"):
        scores = record.block_scores(difference, new, reference, measured.frame.origin, radius_px, settings)
        score_map = block_scores.pack(scores)
    injected: tuple[InjectedFacts, ...] = ()
    if draw is not None and is_wanted(draw, settings):
        mjd = measured.frame.exposure.mjd
        searched = Searched(detections, difference, new, reference, radius_px, mjd)
        objects = on_grid(known_objects, reference.frame)[1]
        finish = _finisher(measured.frame, reference, known, joined.network, classifier, settings)
        injected = _injected(draw, searched, objects, finish, settings, clock)
    depth = (
        Depth(reason=said)
        if said is not None
        else depth_of(difference, new, reference, detections, radius_px, settings, clock)
    )
    return FrameOutcome(
        "done",
        reason=" ".join(
            (
                *measured.remarks,
                *told_of(difference),
                *((in_part,) if in_part else ()),
                *contradicted_wcs(measured.frame, new, reference.frame),
                *remark_on(saturated, reference.frame),
                *rows,
                *joined.remarks,
                *remarks,
            )
        )
        or None,
        quality=measured.quality,
        difference=difference_facts(measured, difference, new, reference, depth, settings),
        candidates=candidates,
        forced=forced,
        rejections=rejections(dropped, reference.frame),
        stages=tuple(clock.records),
        match_radius_px=radius_px,
        pixel_scale=reference.frame.pixel_scale,
        known_state=known.state,
        score_map=score_map,
        injected=injected,
    )


def classified(
    candidates: tuple[CandidateFacts, ...], classifier_of: Callable[[], Classifier], clock: StageClock
) -> tuple[tuple[CandidateFacts, ...], tuple[str, ...]]:
    """Candidates with what the models say of them, and what is to be said of the models.

    If scoring breaks for whatever reason, the frame stands, ordered by significance.
    """
    try:
        with clock.stage("classify") as remark:
            classifier = classifier_of()
            scores = classifier.score_candidates(candidates)
            remark.text = scores.told
            return with_scores(candidates, scores), (*classifier.remarks, *scores.remarks)
    except Exception as error:  # ONNX Runtime raises many kinds, of no common base
        log.exception("candidates could not be scored")
        return with_scores(candidates), (f"No model scored: {one_line(error)}.",)


def _finisher(
    frame: Frame,
    reference: PreparedReference,
    known: KnownSky,
    network: UNet | None,
    classifier_of: Callable[[], Classifier],
    settings: Settings,
) -> Finish:
    """What makes candidates of injected sources: in nothing otherwise than of all others."""

    def finish(found: Sequence[Detection], copied: Difference, copy: Aligned) -> tuple[CandidateFacts, ...]:
        if not found:
            return ()
        seen = with_opinion(found, copied, copy, reference, network, settings)
        made = candidates_of(seen, copied, copy, reference, frame.origin, settings)
        made = with_scores(made, classifier_of().score_candidates(made))
        return with_known(made, reference, frame.exposure.mjd, known)

    return finish


def _injected(
    draw: Draw,
    searched: Searched,
    objects: NDArray[np.float64],
    finish: Finish,
    settings: Settings,
    clock: StageClock,
) -> tuple[InjectedFacts, ...]:
    """What was drawn into a copy; if that cannot be searched for whatever reason, the frame stands."""
    try:
        with clock.stage("copy"):
            return inject(draw, searched, objects, finish, settings)
    except Exception:  # SEP raises no narrower type
        log.exception("nothing could be injected into %s", searched.new.frame.exposure.name)
        return ()


def depth_of(
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    detections: Sequence[Detection],
    radius_px: float,
    settings: Settings,
    clock: StageClock,
) -> Depth:
    """The depth; if it cannot be measured for whatever reason, the frame stands all the same."""
    if not settings.depth.enabled:
        return Depth(reason="switched off in [depth]")
    try:
        with clock.stage("depth"):
            return measure_depth(difference, new, reference, detections, radius_px, settings)
    except Exception as error:  # SEP raises no narrower type
        log.exception("the depth of %s could not be measured", new.frame.exposure.name)
        return Depth(reason=one_line(error))
