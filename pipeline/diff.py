"""One subtraction of two files, with no store: what `astrid diff` does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.line_words import line_of
from core.models.names import MOVED
from core.operations.freed_memory import keep_freed_memory
from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.classify.classify import Classifier, Models, best_of
from pipeline.classify.unet import NAME as UNET
from pipeline.clock import StageClock
from pipeline.depth.depth import Depth
from pipeline.detection.detect import detect
from pipeline.detection.joined import with_unet
from pipeline.detection.new_saturated import apart_from_streaks, new_saturated, remark_on
from pipeline.detection.rows import with_rows
from pipeline.detection.unet_look import looking
from pipeline.files.fits_files import first_image, read_frame
from pipeline.files.fits_opening import opened
from pipeline.files.psf_file import check_width, read_psf
from pipeline.frame import (
    Aligned,
    Detection,
    Difference,
    Frame,
    FrameRefused,
    PreparedReference,
    PsfModel,
    RawFrame,
)
from pipeline.measure import Measured, measure
from pipeline.outcome_facts import candidates_of, depth_magnitude, match_radius_px
from pipeline.pairing import contradicted_wcs, remarks_on, told_of
from pipeline.places import sky_positions
from pipeline.process import classified, depth_of
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage, is_reference, read
from pipeline.registration.align import align, already_aligned
from pipeline.stellar.stars import stellar_fwhm
from pipeline.subtraction.subtract import subtract


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """What a caller may bring along instead of having it measured.

    ``gain`` (electrons per data unit), ``read_noise`` (electrons) and ``saturation`` (data units)
    stand over the headers of both files. ``aligned`` says that the new image is on the reference's
    grid already and that its noise is white. ``depth`` asks for the depth as well, which takes a tenth
    of the time again. ``score`` has the models judge what is found, the U-Net among them, as in a run:
    a streak is then one source. ``models`` are those in use, by default those that came with AstrID.
    Sources of a score below ``min_score`` are left out; those that no model scored stay.
    """

    method: str | None = None
    psf_new: Path | None = None
    psf_ref: Path | None = None
    mask_new: Path | None = None
    mask_ref: Path | None = None
    aligned: bool = False
    gain: float | None = None
    read_noise: float | None = None
    saturation: float | None = None
    depth: bool = False
    score: bool = False
    models: Models | None = None
    min_score: float | None = None


@dataclass(frozen=True, slots=True)
class DiffResult:
    """A difference with what was found in it, and the images it was made from on one grid."""

    difference: Difference
    detections: tuple[Detection, ...]
    new: Aligned
    reference: PreparedReference
    fwhm_new_px: float
    depth: Depth
    seconds: dict[str, float]
    warnings: list[str] = field(default_factory=list)


def diff_files(new: str, reference: str, options: DiffOptions, settings: Settings) -> DiffResult:
    """Subtract one file from another.

    Parameters
    ----------
    new, reference : str
        FITS files, ``file``, ``file[number]`` or ``file[NAME]``; without an extension the first
        image is meant.
    options : DiffOptions
    settings : Settings

    Returns
    -------
    DiffResult

    Raises
    ------
    FrameRefused
        One of the files cannot be used, or they do not belong together.
    """
    keep_freed_memory()
    clock = StageClock()
    warnings: list[str] = []
    settings = settings.model_copy(
        update={"depth": settings.depth.model_copy(update={"enabled": options.depth})}
    )
    prepared, said = _reference(reference, options, settings, clock)
    warnings += said
    measured = _measured(new, options, options.mask_new, settings, clock)
    warnings += remarks_on(measured.frame, prepared.frame)
    warnings += [f"{new}: {note}" for note in measured.frame.notes]
    psf: PsfModel | None = None
    if options.psf_new is not None:
        psf, said = _given_psf(options.psf_new, measured.frame, measured.fwhm, settings)
        warnings += said
    with clock.stage("align"), _of_file(new):
        bring = already_aligned if options.aligned else align
        aligned = bring(measured.frame, measured.stars, measured.fwhm, prepared, settings, psf)
    elsewhere = contradicted_wcs(measured.frame, aligned, prepared.frame)
    fwhm_px = measured.fwhm if psf is None else psf.fwhm
    del measured  # nothing below looks at the pixels that were aligned
    with clock.stage("subtract"):
        difference = subtract(aligned, prepared, settings, options.method)
    warnings += (*told_of(difference), *elsewhere)
    depth = Depth(reason="not asked for")
    version = (options.models or {}).get(UNET)
    seeing = looking(difference, aligned, prepared, settings, version) if options.score else nullcontext()
    with seeing as look:
        with clock.stage("detect"):
            detections, dropped = detect(difference, aligned, prepared, settings)
            saturated = new_saturated(difference, aligned, prepared)
        if look is not None:
            with clock.stage("unet"):
                joined = with_unet(detections, dropped, difference, aligned, prepared, settings, look)
    if look is not None:
        saturated = apart_from_streaks(saturated, joined.detections, difference.psf.fwhm)
        warnings += joined.remarks
        detections, said = _scored(joined.detections, difference, aligned, prepared, options, settings, clock)
        warnings += said
    warnings += remark_on(saturated, prepared.frame)
    if options.depth:
        radius_px = match_radius_px(prepared, max(aligned.psf.fwhm, prepared.psf.fwhm), settings)
        depth = depth_of(difference, aligned, prepared, detections, radius_px, settings, clock)
    if options.min_score is not None:
        detections = [each for each in detections if _reaches(each, options.min_score)]
    seconds: dict[str, float] = {}
    for record in clock.records:
        seconds[record.stage] = round(seconds.get(record.stage, 0.0) + record.seconds, 4)
    return DiffResult(
        difference,
        tuple(detections),
        aligned,
        prepared,
        fwhm_px,
        depth,
        seconds,
        warnings,
    )


def _scored(
    detections: Sequence[Detection],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    options: DiffOptions,
    settings: Settings,
    clock: StageClock,
) -> tuple[list[Detection], list[str]]:
    """Detections with what the models say of their cutouts, and what is to be said of the models."""
    with clock.stage("cutouts"):
        found = candidates_of(detections, difference, new, reference, (0, 0), settings)
    found, remarks = classified(found, partial(Classifier.of, options.models), clock)
    found, rows = with_rows(found, difference)
    scored = [
        replace(each, scores=other.scores, features=_measured_of(other.features))
        for each, other in zip(detections, found, strict=True)
    ]
    return scored, [*rows, *remarks]


def _measured_of(features: Mapping[str, float]) -> dict[str, float]:
    """Features without what each model moved the ensemble by."""
    return {name: value for name, value in features.items() if not name.startswith(MOVED)}


def _reaches(detection: Detection, least: float) -> bool:
    score = best_of(detection.scores)
    return score is None or score >= least


def kind_of(detection: Detection) -> str:
    """``streak`` for a line of light the U-Net saw, ``row`` for one of several in one, else ``point``."""
    return line_of(detection.features) or "point"


def report(result: DiffResult) -> dict[str, Any]:
    """What `astrid diff --json` prints; sources are the most significant first."""
    detections = sorted(result.detections, key=lambda source: -abs(source.snr))
    x = np.array([source.x for source in detections])
    y = np.array([source.y for source in detections])
    x_new, y_new = result.new.map_to_file(x, y)
    places = sky_positions(result.reference.frame, x, y)
    difference = result.difference
    return {
        "sources": [
            {
                "x": source.x,
                "y": source.y,
                "x_new": float(x_new[i]),
                "y_new": float(y_new[i]),
                "ra": places[i][0],
                "dec": places[i][1],
                "snr": source.snr,
                "flux": source.flux,
                "flux_err": source.flux_err,
                "score": best_of(source.scores),
                "scores": source.scores,
                "kind": kind_of(source),
            }
            for i, source in enumerate(detections)
        ],
        "method": difference.method,
        "flux_unit": difference.flux_unit,
        "score_std": difference.score_std,
        "score_scale": difference.score_scale,
        "registration_rms_px": result.new.rms_px,
        "registration_scatter_px": result.new.scatter_px,
        "registration_regions": [asdict(region) for region in result.new.regions],
        "matched_stars": result.new.n_matched,
        "mirrored": result.new.mirrored,
        "gain_ratio": difference.gain_ratio,
        "gain_scatter": difference.gain_scatter,
        "left_share": difference.left_share,
        "fwhm_new_px": result.fwhm_new_px,
        "fwhm_ref_px": result.reference.psf.fwhm,
        "masked_fraction": float(np.mean(difference.mask != 0)),
        "m50": depth_magnitude(result.depth, result.reference.zeropoint),
        "m50_err": result.depth.error,
        "flux50": result.depth.flux50,
        "snr50": result.depth.snr50,
        "completeness": result.depth.record(),
        "depth_reason": result.depth.reason,
        "seconds": result.seconds,
        "reference_cached": False,
        "warnings": result.warnings,
    }


def split_extension(name: str) -> tuple[Path, int | str | None]:
    """``file[3]`` as a path and 3, ``file[SCI]`` as a path and SCI; ``file`` as a path and no extension.

    A file whose own name ends in brackets is taken as it is.
    """
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", name)
    if match is None or Path(name).exists():
        return Path(name), None
    return Path(match[1]), int(match[2]) if match[2].isdecimal() else match[2]


def _reference(
    name: str, options: DiffOptions, settings: Settings, clock: StageClock
) -> tuple[PreparedReference, list[str]]:
    path, _ = split_extension(name)
    warnings: list[str] = []
    if is_reference(path):
        with clock.stage("reference"), _of_file(name):
            image = read(path)
            if options.mask_ref is not None:
                mask = image.frame.mask | _mask(options.mask_ref, image.frame.shape)
                image = replace(image, frame=replace(image.frame, mask=mask))
        if {options.gain, options.read_noise, options.saturation} != {None}:
            warnings.append(f"{name} is calibrated already: gain, read noise and saturation are NEW's alone")
    else:
        measured = _measured(name, options, options.mask_ref, settings, clock)
        frame = measured.frame
        warnings += [f"{name}: {note}" for note in frame.notes]
        unit = str(frame.header.get("BUNIT") or "adu").strip()
        image = ReferenceImage(
            frame=frame, names=(frame.exposure.name,), flux_unit=unit, stars=measured.stars
        )
    with clock.stage("reference"), _of_file(name):
        prepared = prepare_image(image, settings)
    if options.psf_ref is None:
        return prepared, warnings
    psf, said = _given_psf(options.psf_ref, prepared.frame, stellar_fwhm(prepared.stars), settings)
    return replace(prepared, psf=psf), warnings + said


def _given_psf(path: Path, frame: Frame, fwhm: float, settings: Settings) -> tuple[PsfModel, list[str]]:
    """A PSF that was brought along, which must be about as wide as the stars that it belongs to."""
    psf, warnings = read_psf(path, frame.shape, settings.subtract.psf_degree)
    return psf, warnings + check_width(psf, fwhm, path)


def _measured(
    name: str, options: DiffOptions, mask: Path | None, settings: Settings, clock: StageClock
) -> Measured:
    with _of_file(name):
        with clock.stage("read"):
            raw = _raw(name, options, mask, settings)
        return measure(raw, None, settings, clock)


@contextmanager
def _of_file(name: str) -> Iterator[None]:
    """Say which of the files was refused."""
    try:
        yield
    except FrameRefused as refused:
        raise FrameRefused(f"{name}: {refused}", refused.value, refused.limit) from refused


def _raw(name: str, options: DiffOptions, mask: Path | None, settings: Settings) -> RawFrame:
    """Read a file, with what the caller knows better standing over its header."""
    path, extension = split_extension(name)
    raw = read_frame(path, extension, settings.camera.keywords)
    exposure = raw.exposure
    if options.gain is not None:
        exposure = replace(exposure, gain=options.gain)
    if options.read_noise is not None:
        exposure = replace(exposure, read_noise=options.read_noise)
    if options.saturation is not None:
        exposure = replace(exposure, saturation=options.saturation)
    bad = raw.mask if mask is None else raw.mask | _mask(mask, raw.data.shape)
    return replace(raw, exposure=exposure, mask=bad)


def _mask(path: Path, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """A mask file: every pixel that is not 0 is bad."""
    try:
        with opened(path) as (file, _):
            image = first_image(file, path)
    except FrameRefused as refused:
        raise FrameRefused(f"the mask {path}: {refused}") from refused
    if image is None or image.shape != shape:
        found = "no image" if image is None else f"an image of {image.shape}"
        raise FrameRefused(f"the mask {path} holds {found}, and {shape} is needed")
    return np.where(np.asarray(image) != 0, MaskPlane.BAD, 0).astype(np.uint16)
