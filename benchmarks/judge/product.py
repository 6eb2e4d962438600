"""Let the product subtract and search a field, and say of each thing that it found what it really is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.judge.field import BLEMISHES, HOSTS, Field
from benchmarks.raw_frame import raw_frame
from core.review.cutouts import Cutouts
from core.settings import Settings
from pipeline.classify.triplets import SIDE, Triplets, of_cutouts
from pipeline.classify.unet import shipped
from pipeline.classify.unet_input import frame_input
from pipeline.clock import StageClock
from pipeline.detection.cutting import cut
from pipeline.detection.detect import detect
from pipeline.detection.joined import join, opinion
from pipeline.detection.streak_check import streak_objects
from pipeline.detection.unet_objects import StreakObject
from pipeline.files.fits_files import read_frame
from pipeline.frame import Aligned, Difference, PreparedReference, RawFrame
from pipeline.measure import measure
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration.align import align
from pipeline.subtraction.subtract import subtract
from pipeline.training.examples import LEAST_FWHM
from pipeline.training.host_offset import to_nearest_light

Array = NDArray[np.float64]

WCS_OFF_PX = 3.0
PATCH_PX = 256
FOOTPRINT_PX = 2.0  # a detection so near a blemish is of it
BESIDE_FWHM = 2.5  # so near a true change nothing is a bogus
NEAR_BRIGHT_PX = 30.0
LIT_SIGMA = 8.0  # a constant source brighter than this leaves residuals, nothing leaves noise
ON_TARGET_FWHM, ON_TARGET_PX = 0.7, 2.0
WEAK = "weak where its flux peaks"  # it is no detection at its own place
DOUBT = 6.0  # log-odds below the threshold down to which lines are kept, to tell what another would give
UNTOLD = "untold"  # what a real frame shows and nobody knows the truth of


@dataclass(frozen=True)
class Judged:
    """What the product found in a field; candidates are (n,), truths (m,).

    ``match`` is the truth that a candidate is, or -1; ``kind`` says what it is, `UNTOLD` where nobody
    knows and "beside" for second detections of one change. ``cut`` is why the product drops it, empty where
    it does not. ``findable`` is false for truths that lie under masked pixels or beyond the images.
    """

    triplets: Triplets
    snr: Array
    mag: Array
    kind: NDArray[np.str_]
    cut: NDArray[np.str_]
    match: NDArray[np.int64]
    near_bright: NDArray[np.bool_]
    host_offset: Array  # in FWHM; of what was not injected from the nearest light
    x_new: Array
    y_new: Array
    findable: NDArray[np.bool_]
    streak_found: NDArray[np.bool_]
    pixels: int  # that are not masked
    false_streaks: int
    free_patches: int  # of 256 x 256 pixels that no streak crosses
    streak_evidence: Array  # of the surest line on each streak, or -inf
    false_evidence: Array  # of the lines where there is no streak, those below the threshold too
    unet: Array  # (n,), log-odds of the U-Net at the place of each candidate


def judge(field: Field, images: Path | None) -> Judged:
    """Run the product on a field.

    Raises
    ------
    FrameRefused
        The product refuses one of the frames or the pair.
    """
    settings = Settings()
    difference, aligned, prepared = subtracted(field, images, settings)
    detections, dropped = detect(difference, aligned, prepared, settings)
    network = shipped()
    maps = network.log_odds(frame_input(difference, aligned, prepared))
    joined = join(detections, dropped, maps, network, difference, aligned, prepared, settings)
    dropped = [each for each in joined.dropped if each.cause != WEAK]
    trail = np.array(
        ["streak_length" in each.features for each in joined.detections] + [False] * len(dropped)
    )
    x = np.array([each.x for each in (*joined.detections, *dropped)])
    y = np.array([each.y for each in (*joined.detections, *dropped)])
    lines = streak_objects(maps, difference, aligned, prepared, network.streak_threshold - DOUBT)
    cuts = np.array([""] * len(joined.detections) + [each.cause for each in dropped], dtype="U40")
    fit = network.calibration
    unet = fit.slope * opinion(maps, x, y, max(difference.psf.fwhm, 1.5)) + fit.offset
    snr, flux = _measured(difference, x, y)
    x_new, y_new = (np.asarray(each, dtype=float) for each in aligned.map_to_new(x, y))
    fwhm = max(aligned.psf.fwhm, prepared.psf.fwhm)
    match, beside = _matched(field, x_new, y_new, snr, fwhm)
    kind = _kinds(field, x, y, x_new, y_new, match, beside, aligned, prepared, fwhm)
    away = (
        np.min(np.hypot(*(each[:, None] - field.bright[:, k] for k, each in enumerate((x_new, y_new)))), 1)
        if len(field.bright) and len(x)
        else np.full(len(x), np.inf)
    )
    stamps: list[Cutouts] = [
        cut(aligned.frame, prepared.frame, difference, a, b, SIDE) for a, b in zip(x, y, strict=True)
    ]
    return Judged(
        triplets=of_cutouts(stamps),
        snr=snr,
        mag=25.0 - 2.5 * np.log10(np.maximum(np.abs(flux) * prepared.flux_scale, 1e-3)),
        kind=kind,
        cut=cuts,
        match=match,
        near_bright=away < NEAR_BRIGHT_PX,
        host_offset=_host_offset(field, x, y, match, prepared, difference),
        x_new=x_new,
        y_new=y_new,
        findable=_findable(field, aligned, difference),
        streak_found=_crossed(field, x_new[trail], y_new[trail]),
        false_streaks=_false(field, x_new[trail], y_new[trail]),
        free_patches=_free_patches(field),
        **_evidence(field, lines, aligned),
        unet=np.where(np.isfinite(unet), unet, -60.0),
        pixels=int(np.count_nonzero(difference.mask == 0)),
    )


def subtracted(
    field: Field, images: Path | None, settings: Settings
) -> tuple[Difference, Aligned, PreparedReference]:
    """Calibrate, align and subtract, as `astrid diff` does with two files."""
    raws = [_raw(field, which, images) for which in (0, 1)]
    frame = measure(raws[1], None, settings, StageClock()).frame
    prepared = prepare_image(
        ReferenceImage(frame=frame, names=("reference",), flux_unit="electron"), settings
    )
    new = measure(raws[0], None, settings, StageClock())
    aligned = align(new.frame, new.stars, new.fwhm, prepared, settings)
    return subtract(aligned, prepared, settings), aligned, prepared


def _raw(field: Field, which: int, images: Path | None) -> RawFrame:
    shot = (field.new, field.ref)[which]
    if field.files:
        if images is None:
            raise ValueError(f"{field.name} needs the folder of the real frames")
        return replace(read_frame(images / field.files[which]), data=shot.data.copy())
    return raw_frame(shot, ("new", "reference")[which], WCS_OFF_PX if which == 0 else 0.0)


def _measured(difference: Difference, x: Array, y: Array) -> tuple[Array, Array]:
    """Signed significance and flux at some places, of the nearest pixel."""
    row = np.clip(np.rint(y).astype(int), 0, difference.flux.shape[0] - 1)
    column = np.clip(np.rint(x).astype(int), 0, difference.flux.shape[1] - 1)
    flux = difference.flux[row, column].astype(float)
    error = difference.flux_err[row, column].astype(float)
    return np.where(error > 0, flux / np.where(error > 0, error, 1.0), 0.0), flux


def _matched(
    field: Field, x: Array, y: Array, snr: Array, fwhm: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which change each candidate is, and which are beside one: within reach, but not it."""
    truth = field.injected
    match = np.full(len(x), -1)
    if len(x) == 0 or len(truth) == 0:
        return match, np.zeros(len(x), bool)
    away = np.hypot(x[:, None] - truth.x_new, y[:, None] - truth.y_new)
    fits = (away < max(ON_TARGET_FWHM * fwhm, ON_TARGET_PX)) & (np.sign(snr)[:, None] == truth.sign)
    for i in range(len(truth)):
        mine = np.flatnonzero(fits[:, i] & (match < 0))
        if len(mine):
            match[mine[np.argmin(away[mine, i])]] = i
    return match, (match < 0) & (away.min(axis=1) < BESIDE_FWHM * fwhm)


def _host_offset(
    field: Field,
    x: Array,
    y: Array,
    match: NDArray[np.int64],
    prepared: PreparedReference,
    difference: Difference,
) -> Array:
    """Of a change as it was drawn, of all else from the nearest light of the reference."""
    fwhm = max(difference.psf.fwhm, LEAST_FWHM)
    true = np.append(field.injected.host_offset, np.nan)[match] / fwhm
    return np.where(match >= 0, true, to_nearest_light(x, y, prepared.stars, fwhm))


def _kinds(
    field: Field,
    x: Array,
    y: Array,
    x_new: Array,
    y_new: Array,
    match: NDArray[np.int64],
    beside: NDArray[np.bool_],
    aligned: Aligned,
    prepared: PreparedReference,
    fwhm: float,
) -> NDArray[np.str_]:
    """What each candidate really is."""
    new = _nearby(field.footprints_new, x_new, y_new)
    ref = _nearby(field.footprints_ref, x, y)
    marks = np.maximum(new, ref)
    light = np.maximum(
        _brightest(aligned.frame.signal, aligned.frame.variance, x, y, fwhm),
        _brightest(prepared.frame.signal, prepared.frame.variance, x, y, fwhm),
    )
    kinds = np.empty(len(x), dtype="U16")
    for i in range(len(x)):
        if match[i] >= 0:
            kinds[i] = "point" if field.injected.sign[match[i]] > 0 else "dark"
        elif beside[i]:
            kinds[i] = "beside"
        elif any(np.hypot(x_new[i] - a, y_new[i] - b) < radius for a, b, radius in field.excluded):
            kinds[i] = UNTOLD
        elif marks[i]:
            kinds[i] = BLEMISHES[marks[i]]
        elif light[i] > LIT_SIGMA:
            kinds[i] = "dipole" if field.misplaced else "residual"
        else:
            kinds[i] = "noise"
    return kinds


def _nearby(marks: NDArray[np.uint8], x: Array, y: Array) -> NDArray[np.uint8]:
    """The blemish within reach of each place; the highest number where there are several."""
    if not marks.any():
        return np.zeros(len(x), np.uint8)
    reach = int(FOOTPRINT_PX)
    grown = ndimage.maximum_filter(marks, 2 * reach + 1)
    row, column = (
        np.clip(np.rint(each).astype(int), 0, side - 1)
        for each, side in zip((y, x), marks.shape, strict=True)
    )
    found: NDArray[np.uint8] = grown[row, column]
    return found


def _brightest(
    signal: NDArray[np.float32], variance: NDArray[np.float32], x: Array, y: Array, fwhm: float
) -> Array:
    """The highest pixel within one FWHM of each place, in sigma of the sky."""
    noise = float(np.sqrt(np.median(variance)))
    high = ndimage.maximum_filter(signal, 2 * int(np.ceil(fwhm)) + 1)
    row, column = (
        np.clip(np.rint(each).astype(int), 0, side - 1)
        for each, side in zip((y, x), signal.shape, strict=True)
    )
    return np.asarray(high[row, column] / noise, dtype=float)


def _findable(field: Field, aligned: Aligned, difference: Difference) -> NDArray[np.bool_]:
    """Whether the place of each truth is on an unmasked pixel of the difference."""
    height, width = difference.mask.shape
    yy, xx = (grid.ravel().astype(float) for grid in np.mgrid[0:height:4, 0:width:4])
    map_x, map_y = aligned.map_to_new(xx, yy)
    out = np.zeros(len(field.injected), bool)
    for i, (a, b) in enumerate(zip(field.injected.x_new, field.injected.y_new, strict=True)):
        near = int(np.argmin(np.hypot(map_x - a, map_y - b)))
        # One Newton step from the nearest knot of the grid: the map is smooth.
        x = xx[near] + (a - map_x[near])
        y = yy[near] + (b - map_y[near])
        back_x, back_y = aligned.map_to_new(np.array([x]), np.array([y]))
        column, row = round(x + a - float(back_x[0])), round(y + b - float(back_y[0]))
        if 0 <= column < width and 0 <= row < height:
            out[i] = difference.mask[row, column] == 0
    return out


def _along(field: Field, x: Array, y: Array) -> NDArray[np.bool_]:
    """Which places lie on which streak, (places, streaks)."""
    on = np.zeros((len(x), len(field.streaks)), bool)
    for i, (x0, y0, x1, y1, fwhm, _) in enumerate(field.streaks):
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
        across = np.abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
        on[:, i] = (along > -2 * fwhm) & (along < length + 2 * fwhm) & (across < 2.0 * fwhm)
    return on


def _crossed(field: Field, x: Array, y: Array) -> NDArray[np.bool_]:
    """Whether a trail was detected on each streak."""
    return np.any(_along(field, x, y), axis=0)


def _false(field: Field, x: Array, y: Array) -> int:
    """How many trails were detected where there is no streak, in patches that no streak crosses."""
    return int(np.count_nonzero(_wrong(field, x, y)))


def _wrong(field: Field, x: Array, y: Array) -> NDArray[np.bool_]:
    """Which trails lie where there is no streak, in patches that no streak crosses."""
    free = _free(field)
    row, column = (
        np.clip((each // PATCH_PX).astype(int), 0, n - 1) for each, n in zip((y, x), free.shape, strict=True)
    )
    return ~np.any(_along(field, x, y), axis=1) & free[row, column]


def _evidence(field: Field, lines: list[StreakObject], new: Aligned) -> dict[str, Array]:
    """How sure the product is of lines on streaks, and of those where there is none."""
    middle = np.array([(0.5 * (e.x_begin + e.x_end), 0.5 * (e.y_begin + e.y_end)) for e in lines])
    x, y = (np.asarray(each, dtype=float) for each in new.map_to_new(*middle.reshape(-1, 2).T))
    sure = np.array([each.evidence for each in lines])
    on = np.where(_along(field, x, y), sure[:, None], -np.inf)
    return {
        "streak_evidence": np.max(on, axis=0, initial=-np.inf),
        "false_evidence": sure[_wrong(field, x, y)],
    }


def _free_patches(field: Field) -> int:
    return int(np.count_nonzero(_free(field)))


def _free(field: Field) -> NDArray[np.bool_]:
    """The whole patches of the new frame that no streak crosses."""
    rows, columns = (max(side // PATCH_PX, 1) for side in field.new.data.shape)
    free = np.ones((rows, columns), bool)
    for x0, y0, x1, y1, _, _ in field.streaks:
        steps = np.linspace(0.0, 1.0, 2000)
        for near in (-6.0, 0.0, 6.0):
            row = ((y0 + steps * (y1 - y0) + near) // PATCH_PX).astype(int)
            column = ((x0 + steps * (x1 - x0) + near) // PATCH_PX).astype(int)
            inside = (row >= 0) & (column >= 0) & (row < rows) & (column < columns)
            free[row[inside], column[inside]] = False
    return free


def host_names(field: Field, judged: Judged) -> NDArray[np.str_]:
    """The host of each candidate that is a change; "none" for all others."""
    hosts = np.full(len(judged.match), "none", dtype="U8")
    mine = judged.match >= 0
    hosts[mine] = np.array(HOSTS)[field.injected.host[judged.match[mine]]]
    return hosts
