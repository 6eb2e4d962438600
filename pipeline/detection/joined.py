"""What the U-Net sees, joined to what is significant in the score.

The peaks of the score stay as they were, each now with the network's opinion. A point source that only the
network sees is measured and judged like any other, but for two things. It may be fainter than the threshold,
for its light alone would not have told it from noise; and the cuts by shape are spared it, for which the
network's threshold stands in. A streak is one candidate, and the peaks along it are a part of it; it is
spared the cuts, which are made for point sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from core.settings import Settings
from pipeline.classify.model_file import ModelRefused
from pipeline.classify.unet import NAME, LogOdds, UNet
from pipeline.classify.unet_input import frame_input
from pipeline.detection import features
from pipeline.detection.detect import judge, mask_flags, position_width
from pipeline.detection.features import Places
from pipeline.detection.forced import forced_fluxes
from pipeline.detection.streak_check import streak_objects
from pipeline.detection.streak_lines import lit_lines
from pipeline.detection.unet_look import SHOWN, Look, tiles_at_once
from pipeline.detection.unet_objects import PointObject, StreakObject, point_objects
from pipeline.frame import Aligned, Detection, Difference, Dropped, PreparedReference

Array = NDArray[np.float64]

Placed = TypeVar("Placed", PointObject, Detection)

STAGE = "unet"
# Cuts that stand in for a look at the pixels, which the network has had. What is extended stays cut: where
# a whole galaxy is badly matched, the network is fooled too.
SPARED = frozenset({"no point source", "dipole"})
FLOOR_SIGMA = 3.5  # what only the network sees has at least this significance
CORE_FWHM = 0.5  # around a place the network's largest log-odds are its opinion of it
SAME_FWHM = 1.0  # nearer objects are one
STREAK_CAUSE = "part of a streak"
BRIGHTEST_PERCENT = 95.0  # of the score along a streak: what lies on it by chance may be brighter
NO_BRIGHTER = 1.15  # times that
END_FWHM = 2.0  # a streak's last light may lie so far beyond the end of its line


@dataclass(frozen=True, slots=True)
class Joined:
    """Detections, the most significant first, and what was dropped.

    ``remarks`` are what the owner should know; ``network`` is the one that took part.
    """

    detections: list[Detection]
    dropped: list[Dropped]
    remarks: tuple[str, ...] = ()
    network: UNet | None = None

    @property
    def told(self) -> str:
        """Which network took part, and what was refused."""
        seen_by = (
            "no U-Net took part" if self.network is None else f"seen by unet {self.network.digest[:SHOWN]}"
        )
        return " ".join([f"{seen_by}.", *self.remarks])


def with_unet(
    detections: Sequence[Detection],
    dropped: Sequence[Dropped],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
    look: Callable[[], Look],
) -> Joined:
    """Detections with the U-Net's objects and scores; as they are where no U-Net can be used.

    Parameters
    ----------
    detections, dropped
        Of `pipeline.detection.detect.detect`.
    difference : Difference
    new : Aligned
    reference : PreparedReference
    settings : Settings
        ``detect.unet``.
    look : callable
        Gives what the U-Net sees: `pipeline.detection.unet_look.looking`.
    """
    plain = Joined(list(detections), list(dropped))
    if not settings.detect.unet:
        return plain
    lit = lit_lines(difference.score, difference.mask != 0, max(difference.psf.fwhm, 1.5))
    looked = look()
    if looked.network is None or looked.maps is None:
        return replace(plain, remarks=looked.remarks)
    found = join(detections, dropped, looked.maps, looked.network, difference, new, reference, settings, lit)
    return replace(found, remarks=looked.remarks, network=looked.network)


def with_opinion(
    detections: Sequence[Detection],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    network: UNet | None,
    settings: Settings,
) -> list[Detection]:
    """The same detections with the opinion of each of the U-Net that took part, as `with_unet` gives it."""
    if network is None:
        return list(detections)
    try:
        planes = frame_input(difference, new, reference)
        maps = network.log_odds(planes, at_once=tiles_at_once(settings))
    except ModelRefused:
        return list(detections)
    return _scored(detections, maps, network, max(difference.psf.fwhm, 1.5))


def join(
    detections: Sequence[Detection],
    dropped: Sequence[Dropped],
    maps: LogOdds,
    network: UNet,
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
    lit: Sequence[StreakObject] | None = None,
) -> Joined:
    """`with_unet` of a network whose maps are at hand; ``lit`` as `streak_objects` takes it."""
    masked = difference.mask != 0
    fwhm = max(difference.psf.fwhm, 1.5)
    points = point_objects(maps, masked, network.point_threshold)
    streaks = streak_objects(maps, difference, new, reference, network.streak_threshold, lit)
    only, cut = only_seen_by_unet(points, detections, difference, new, reference, settings)
    trails = _streak_detections(streaks, difference, new, reference)
    kept, parts = _without_parts([*detections, *only], streaks, maps, difference, fwhm)
    scored = _scored([*kept, *trails], maps, network, fwhm)
    scored.sort(key=lambda each: -abs(each.snr))
    room = settings.detect.max_candidates
    return Joined(scored[:room], [*dropped, *cut, *parts])


def opinion(maps: LogOdds, x: Array, y: Array, fwhm: float) -> Array:
    """The largest log-odds of any change within the core of a PSF at each place: (n,), not calibrated."""
    half = max(1, round(CORE_FWHM * fwhm))
    near: Array = features.stamps(maps.real, x, y, half, outside=-np.inf).max(axis=(1, 2))
    return near


def only_seen_by_unet(
    points: Sequence[PointObject],
    detections: Sequence[Detection | Dropped],
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
) -> tuple[list[Detection], list[Dropped]]:
    """Objects that no detection is near, through the measurements and cuts of all others."""
    fwhm = max(difference.psf.fwhm, 1.5)
    alone = _far_from(points, detections, SAME_FWHM * fwhm)[: settings.detect.max_candidates]
    x, y = np.array([each.x for each in alone]), np.array([each.y for each in alone])
    column, row = np.rint(x), np.rint(y)
    found, cut = judge(
        difference, column, row, new, reference, settings, threshold=FLOOR_SIGMA, spared=SPARED
    )
    # A peak climbs: it may have come to where a detection is already, or another of these.
    apart: list[Detection] = []
    for each in found:
        apart += _far_from([each], [*detections, *apart], SAME_FWHM * fwhm)
    return apart, [replace(each, stage=STAGE) for each in cut]


def _far_from(
    points: Sequence[Placed], others: Sequence[Detection | Dropped], distance: float
) -> list[Placed]:
    if not others:
        return list(points)
    x, y = np.array([each.x for each in others]), np.array([each.y for each in others])
    return [each for each in points if np.hypot(x - each.x, y - each.y).min() > distance]


def _streak_detections(
    streaks: Sequence[StreakObject], difference: Difference, new: Aligned, reference: PreparedReference
) -> list[Detection]:
    """One detection for each streak, at its middle or where it is unmasked nearest to that."""
    placed = [(streak, _unmasked_middle(streak, difference)) for streak in streaks]
    seen = [(streak, at) for streak, at in placed if at is not None]
    if not seen:
        return []
    x, y = np.array([at[0] for _, at in seen]), np.array([at[1] for _, at in seen])
    flux, flux_err = forced_fluxes(difference, x, y)
    places = Places(x, y, flux / flux_err, flux, flux_err)
    found = features.measure(places, difference, new, reference)
    flags = mask_flags(difference, places, difference.psf.fwhm)
    error = np.hypot(position_width(difference.psf) / np.maximum(np.abs(places.snr), 1.0), new.rms_px)
    return [
        Detection(
            x=float(x[i]),
            y=float(y[i]),
            snr=float(places.snr[i]),
            flux=float(flux[i]),
            flux_err=float(flux_err[i]),
            position_error_px=float(error[i]),
            mask_flags=int(flags[i]),
            features={name: float(values[i]) for name, values in found.items()}
            | {
                "streak_length": streak.length,
                "streak_angle": streak.angle_deg,
                "streak_evidence": streak.evidence,
            },
        )
        for i, (streak, _) in enumerate(seen)
    ]


def _unmasked_middle(streak: StreakObject, difference: Difference) -> tuple[float, float] | None:
    along = np.linspace(0.0, 1.0, max(3, int(streak.length)))
    along = along[np.argsort(np.abs(along - 0.5), kind="stable")]
    x = streak.x_begin + along * (streak.x_end - streak.x_begin)
    y = streak.y_begin + along * (streak.y_end - streak.y_begin)
    flux, error = forced_fluxes(difference, x, y)
    good = np.flatnonzero(np.isfinite(flux) & (error > 0) & (flux != 0))
    return (float(x[good[0]]), float(y[good[0]])) if good.size else None


def _without_parts(
    detections: Sequence[Detection],
    streaks: Sequence[StreakObject],
    maps: LogOdds,
    difference: Difference,
    fwhm: float,
) -> tuple[list[Detection], list[Dropped]]:
    """Detections without those that are light of a streak: positive, on its line, and no point source.

    To the network the end of a streak looks like a point source. What is no brighter than the streak is
    elsewhere is a part of it, whatever the network says.
    """
    brightest = [_brightest(streak, difference) for streak in streaks]
    kept, parts = [], []
    for each in detections:
        x, y = np.array([each.x]), np.array([each.y])
        row, column = round(each.y), round(each.x)
        is_streak = maps.streak[row, column] >= maps.point[row, column]
        away = [
            float((streak if is_streak else streak.longer(END_FWHM * fwhm)).distance(x, y)[0])
            for streak, most in zip(streaks, brightest, strict=True)
            if each.snr > 0 and (is_streak or each.snr <= NO_BRIGHTER * most)
        ]
        if away and min(away) <= SAME_FWHM * fwhm:
            parts.append(Dropped(STAGE, STREAK_CAUSE, each.x, each.y, min(away), SAME_FWHM * fwhm))
        else:
            kept.append(each)
    return kept, parts


def _brightest(streak: StreakObject, difference: Difference) -> float:
    """What the score reaches along a streak, but for what is masked; below all where all of it is."""
    along = np.linspace(0.0, 1.0, max(3, int(streak.length)))
    columns, rows = (
        np.clip(np.rint(begin + along * (end - begin)).astype(int), 0, size - 1)
        for begin, end, size in (
            (streak.x_begin, streak.x_end, difference.score.shape[1]),
            (streak.y_begin, streak.y_end, difference.score.shape[0]),
        )
    )
    seen = difference.score[rows, columns][difference.mask[rows, columns] == 0]
    return float(np.percentile(seen, BRIGHTEST_PERCENT)) if len(seen) else -np.inf


def _scored(detections: Sequence[Detection], maps: LogOdds, network: UNet, fwhm: float) -> list[Detection]:
    """The same with the network's calibrated probability that each is a change in the sky."""
    if not detections:
        return []
    x, y = np.array([each.x for each in detections]), np.array([each.y for each in detections])
    calibration = network.calibration
    sure = expit(calibration.slope * opinion(maps, x, y, fwhm) + calibration.offset)
    return [
        replace(each, scores={**each.scores, NAME: float(probability)})
        for each, probability in zip(detections, sure, strict=True)
    ]
