"""The way of one frame, from its file to what the store commits, as one chain of stages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.database.tables import SkyObject
from core.frames import thumbnail
from core.frames.injected import Draw
from core.frames.outcome import (
    CandidateFacts,
    DifferenceFacts,
    ForcedFacts,
    FrameOutcome,
    InjectedFacts,
    QualityFacts,
    RejectionFacts,
)
from core.places import block_scores
from core.review.cutouts import pack
from core.settings import Settings
from pipeline import record
from pipeline.calibration.calibrate import calibrate
from pipeline.calibration.masters import Masters
from pipeline.classify.classify import Classifier, Models, with_scores
from pipeline.classify.unet import NAME as UNET
from pipeline.clock import StageClock, one_line
from pipeline.depth.depth import Depth, measure_depth, typical_error
from pipeline.detection.cutting import cut
from pipeline.detection.detect import detect, dropped_words
from pipeline.detection.forced import forced_fluxes
from pipeline.detection.joined import with_opinion, with_unet
from pipeline.energy.meter import Begin, unmetered
from pipeline.fakes.copies import Finish, Searched, forced_in_copy, inject, is_wanted
from pipeline.files.fits_files import read_frame
from pipeline.files.miniature import miniature
from pipeline.frame import (
    Aligned,
    Detection,
    Difference,
    Dropped,
    Frame,
    FrameRefused,
    PreparedReference,
)
from pipeline.known.candidates import with_known
from pipeline.known.match import KnownSky
from pipeline.measure import Measured, measure_calibrated
from pipeline.pairing import shared_light
from pipeline.places import magnitude, sky_positions
from pipeline.registration.align import align
from pipeline.subtraction.subtract import subtract

log = logging.getLogger(__name__)

UPPER_LIMIT_SIGMA = 5.0


@dataclass(frozen=True, slots=True)
class KnownObject:
    """A sky object that the store knows: at ra, dec (degrees), or at x, y on the reference's grid."""

    sky_object_id: int
    ra: float | None = None
    dec: float | None = None
    x: float | None = None
    y: float | None = None


def known_objects(rows: Sequence[SkyObject]) -> list[KnownObject]:
    """Sky objects of the store, as `process` takes them."""
    return [KnownObject(row.id or 0, ra=row.ra, dec=row.dec, x=row.x, y=row.y) for row in rows]


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
        ``done``; ``rejected`` where the frame cannot be used; ``failed`` where something broke, with
        one line of it as the reason and the whole in the log. ``stages`` tells how far it came.
    """
    clock = StageClock(begin_energy)
    quality: QualityFacts | None = None
    small: bytes | None = None
    try:
        with clock.stage("read"):
            raw = read_frame(path, extension)
        with clock.stage("calibrate"):
            frame = calibrate(raw, masters, settings)
            small = thumbnail.pack(miniature(frame))
        measured = measure_calibrated(frame, settings, clock)
        quality = measured.quality
        outcome = _subtracted(measured, reference, known_objects, settings, clock, models, draw)
        return replace(outcome, thumbnail=small)
    except FrameRefused as refused:
        state, reason = "rejected", str(refused)
    except Exception as error:  # whatever broke, SEP raises no narrower type: the night goes on
        log.exception("%s broke in stage %s", path, clock.records[-1].stage)
        state, reason = "failed", f"{clock.records[-1].stage}: {one_line(error)}"
    return FrameOutcome(state, reason, quality=quality, stages=tuple(clock.records), thumbnail=small)


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
    points = _forced(known_objects, [], difference, reference, 0.0)
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
        The frame can no longer be used.
    """
    frame = calibrate(read_frame(path, extension), masters, settings)
    measured = measure_calibrated(frame, settings, StageClock())
    new = align(measured.frame, measured.stars, measured.fwhm, reference, settings)
    return new, subtract(new, reference, settings)


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
    shared = () if said is None else (said,)
    with clock.stage("detect") as remark:
        detections, dropped = detect(difference, new, reference, settings)
        remark.text = dropped_words(dropped)
    with clock.stage("unet") as remark:
        version = (models or {}).get(UNET)
        joined = with_unet(detections, dropped, difference, new, reference, settings, version)
        remark.text = joined.told
        detections, dropped = joined.detections, joined.dropped
    with clock.stage("cutouts"):
        candidates = candidates_of(detections, difference, new, reference, measured.frame.origin, settings)
    candidates, remarks = classified(candidates, models, clock)
    with clock.stage("known"):
        known = KnownSky.of(settings)
        candidates = with_known(candidates, reference, measured.frame.exposure.mjd, known)
    radius_px = match_radius_px(reference, max(new.psf.fwhm, reference.psf.fwhm), settings)
    with clock.stage("forced"):
        forced = _forced(known_objects, detections, difference, reference, radius_px)
    with clock.stage("record"):
        scores = record.block_scores(difference, new, reference, measured.frame.origin, radius_px, settings)
        score_map = block_scores.pack(scores)
    injected: tuple[InjectedFacts, ...] = ()
    if draw is not None and is_wanted(draw, settings):

        def finish(
            found: Sequence[Detection], copied: Difference, copy: Aligned
        ) -> tuple[CandidateFacts, ...]:
            if not found:
                return ()
            seen = with_opinion(found, copied, copy, reference, settings, version)
            made = candidates_of(seen, copied, copy, reference, measured.frame.origin, settings)
            made = with_scores(made, Classifier.of(models).score_candidates(made))
            return with_known(made, reference, measured.frame.exposure.mjd, known)

        mjd = measured.frame.exposure.mjd
        searched = Searched(detections, difference, new, reference, radius_px, mjd)
        objects = _on_grid(known_objects, reference.frame)[1]
        injected = _injected(draw, searched, objects, finish, settings, clock)
    depth = depth_of(difference, new, reference, detections, radius_px, settings, clock)
    return FrameOutcome(
        "done",
        reason=" ".join((*measured.remarks, *shared, *joined.remarks, *remarks)) or None,
        quality=measured.quality,
        difference=_difference_facts(measured, difference, new, reference, depth, settings),
        candidates=candidates,
        forced=forced,
        rejections=_rejections(dropped, reference.frame),
        stages=tuple(clock.records),
        match_radius_px=radius_px,
        pixel_scale=reference.frame.pixel_scale,
        known_state=known.state,
        score_map=score_map,
        injected=injected,
    )


def classified(
    candidates: tuple[CandidateFacts, ...], models: Models | None, clock: StageClock
) -> tuple[tuple[CandidateFacts, ...], tuple[str, ...]]:
    """Candidates with what the models say of them, and what is to be said of the models.

    If scoring breaks for whatever reason, the frame stands, ordered by significance.
    """
    try:
        with clock.stage("classify") as remark:
            classifier = Classifier.of(models)
            remark.text = classifier.told
            scores = classifier.score_candidates(candidates)
            return with_scores(candidates, scores), (*classifier.remarks, *scores.remarks)
    except Exception as error:  # ONNX Runtime raises many kinds, of no common base
        log.exception("candidates could not be scored")
        return with_scores(candidates), (f"No model scored: {one_line(error)}.",)


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


def match_radius_px(reference: PreparedReference, fwhm_px: float, settings: Settings) -> float:
    """How far apart two detections of one object may lie: the radius set, or half the FWHM.

    What a faint detection's own position error adds is known to each candidate, not to the frame.
    """
    scale = reference.frame.pixel_scale
    least = settings.associate.radius_arcsec / scale if scale else 0.0
    return max(least, 0.5 * fwhm_px)


def limit_magnitude(difference: Difference, zeropoint: float | None) -> float | None:
    """The magnitude of five times the median flux error over the unmasked field."""
    typical = typical_error(difference)
    return None if typical is None else magnitude(UPPER_LIMIT_SIGMA * typical, 0.0, zeropoint)[0]


def depth_magnitude(depth: Depth, zeropoint: float | None) -> float | None:
    """m50: the magnitude at which half of the injected sources are found."""
    return None if depth.flux50 is None else magnitude(depth.flux50, 0.0, zeropoint)[0]


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


def _difference_facts(
    measured: Measured,
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    depth: Depth,
    settings: Settings,
) -> DifferenceFacts:
    return DifferenceFacts(
        reference_id=reference.reference_id,
        method=difference.method,
        config_hash=settings.science_hash,
        flux_unit=difference.flux_unit,
        score_std=difference.score_std,
        registration_rms_px=new.rms_px,
        gain_ratio=difference.gain_ratio,
        fwhm_new_px=measured.fwhm,
        fwhm_ref_px=reference.psf.fwhm,
        masked_fraction=float(np.mean(difference.mask != 0)),
        mag_system=reference.mag_system,
        zeropoint=reference.zeropoint,
        limit_mag=limit_magnitude(difference, reference.zeropoint),
        m50=depth_magnitude(depth, reference.zeropoint),
        m50_err=depth.error,
        flux50=depth.flux50,
        snr50=depth.snr50,
        depth_reason=depth.reason,
        completeness=depth.record(),
        registration_scatter_px=new.scatter_px,
    )


def candidates_of(
    detections: Sequence[Detection],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    origin: tuple[int, int],
    settings: Settings,
) -> tuple[CandidateFacts, ...]:
    """Detections as the store keeps them, with their cutouts; ``origin`` is the frame's in its file."""
    x = np.array([found.x for found in detections])
    y = np.array([found.y for found in detections])
    x_frame, y_frame = new.map_to_new(x, y)
    sky = sky_positions(reference.frame, x, y)
    candidates = []
    for i, found in enumerate(detections):
        stamps = cut(new.frame, reference.frame, difference, found.x, found.y, settings.cutout.size_px)
        mag, mag_err = magnitude(found.flux, found.flux_err, reference.zeropoint)
        candidates.append(
            CandidateFacts(
                x=found.x,
                y=found.y,
                x_frame=float(x_frame[i]) + origin[0],
                y_frame=float(y_frame[i]) + origin[1],
                snr=found.snr,
                flux=found.flux,
                flux_err=found.flux_err,
                position_error_px=found.position_error_px,
                ra=sky[i][0],
                dec=sky[i][1],
                mag=mag,
                mag_err=mag_err,
                score=abs(found.snr),  # its significance, until a model scores it
                scores=found.scores,
                features=found.features,
                mask_flags=found.mask_flags,
                cutouts=pack(stamps),
            )
        )
    return tuple(candidates)


def _forced(
    known_objects: Sequence[KnownObject],
    detections: Sequence[Detection],
    difference: Difference,
    reference: PreparedReference,
    radius_px: float,
) -> tuple[ForcedFacts, ...]:
    """The flux at each known object in the field that no detection belongs to."""
    ids, places = _on_grid(known_objects, reference.frame)
    if len(ids) and detections:
        found = KDTree([(each.x, each.y) for each in detections])
        alone = found.query(places)[0] > radius_px
        ids, places = ids[alone], places[alone]
    flux, flux_err = forced_fluxes(difference, places[:, 0], places[:, 1])
    measured = np.isfinite(flux) & (flux_err > 0)
    rows = zip(ids[measured].tolist(), flux[measured].tolist(), flux_err[measured].tolist(), strict=True)
    return tuple(ForcedFacts(*row) for row in rows)


def _on_grid(
    known_objects: Sequence[KnownObject], frame: Frame
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids and places (n, 2) of those objects that lie within a frame."""
    if frame.wcs is None:
        known = [(each.sky_object_id, each.x, each.y) for each in known_objects if each.x is not None]
        ids = np.array([each[0] for each in known], dtype=np.int64)
        places = np.array([each[1:] for each in known], dtype=np.float64).reshape(-1, 2)
    else:
        on_sky = [(each.sky_object_id, each.ra, each.dec) for each in known_objects if each.ra is not None]
        ids = np.array([each[0] for each in on_sky], dtype=np.int64)
        coordinates = np.array([each[1:] for each in on_sky], dtype=np.float64).reshape(-1, 2)
        places = frame.wcs.all_world2pix(coordinates, 0, quiet=True).reshape(-1, 2)
    height, width = frame.shape
    inside = (
        (places[:, 0] > -0.5)
        & (places[:, 0] < width - 0.5)
        & (places[:, 1] > -0.5)
        & (places[:, 1] < height - 0.5)
    )
    return ids[inside], places[inside]


def _rejections(dropped: Sequence[Dropped], frame: Frame) -> tuple[RejectionFacts, ...]:
    x, y = np.array([each.x for each in dropped]), np.array([each.y for each in dropped])
    sky = sky_positions(frame, x, y)
    return tuple(
        RejectionFacts(
            each.stage, each.cause, each.x, each.y, ra=ra, dec=dec, value=each.value, limit=each.limit
        )
        for each, (ra, dec) in zip(dropped, sky, strict=True)
    )
