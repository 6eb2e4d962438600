"""Which biases, darks and flats serve a frame."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.epochs import night_of
from core.vocabulary import FrameKind
from pipeline.calibration.cut_out import cut_out
from pipeline.files.readout import COMBINED, differing
from pipeline.frame import Exposure, RawFrame

SAME_LENGTH = 0.02  # relative difference of exposure times
ENOUGH = 5  # of a kind: with fewer those of the next night are taken too
MOST_SIZES = 3  # that a sentence tells
MOST_NAMED = 5
# Nights between a frame and its calibration frames: more are told. Dust moves, cameras change slowly.
MOST_NIGHTS = {FrameKind.BIAS: 400.0, FrameKind.DARK: 400.0, FrameKind.FLAT: 100.0}
ALONE = 3  # darks of the frame's own length are taken alone: their mean is free of cosmic rays


@dataclass(frozen=True, slots=True)
class Calibrator:
    """One bias, dark or flat: what it is, and how to read it when its turn comes."""

    exposure: Exposure
    shape: tuple[int, int]  # height and width of the file's array
    content: str  # SHA-256 of its file, with its extension where there are several
    read: Callable[[], RawFrame]
    is_part: bool = False  # cut out of a larger one

    @property
    def exposures(self) -> int:
        """Of how many it is the mean: one, but for masters."""
        return int(dict(self.exposure.readout).get(COMBINED, 1))


@dataclass(frozen=True, slots=True)
class Choice:
    """The calibration frames that serve, and sentences that say why others do not although they are there.

    ``length_s`` is how long the frame that they are for was exposed: without a bias a dark of that length
    alone may be taken from it.
    """

    calibrators: tuple[Calibrator, ...]
    length_s: float
    notes: tuple[str, ...] = ()


def choose(
    calibrators: Sequence[Calibrator],
    exposure: Exposure,
    shape: tuple[int, int],
    longitude: float = 0.0,
    *,
    has_overscan: bool = False,
) -> Choice:
    """The calibration frames that serve a science frame.

    They must be of its instrument, size and readout, flats also of its filter. Where none of a kind is, the
    part of the chip that was read is cut out of larger ones. Of each kind those of the nearest nights are
    taken, of more nights than the nearest only until there are enough. Darks are of one length: scaled to a
    long frame, the noise of short ones would be far more than its own. Without any bias a dark holds the bias
    too: those of any length serve the flats, those of the frame's own length the frame.

    Parameters
    ----------
    calibrators : sequence of Calibrator
        All that are known.
    exposure : Exposure
        The science frame's.
    shape : (int, int)
        Height and width of its array in its file.
    longitude : float
        Of the site, degrees east: a night there is from its noon to its noon.
    has_overscan : bool
        It is known to have one: then nothing is cut out for it, for its size is not that of what was lit.
    """
    others = [one for one in calibrators if one.exposure.instrument == exposure.instrument]
    alike = [one for one in others if one.shape == shape]
    own = {one.exposure.kind for one in alike if _serves(one, exposure)}
    larger = (one for one in others if one.exposure.kind not in own and one.shape != shape)
    if not has_overscan:
        alike += [part for one in larger if (part := cut_out(one, exposure, shape)) is not None]
    chosen: list[Calibrator] = []
    if others:
        notes = [] if alike else [_of_other_sizes(others, shape)]
    else:
        notes = _of_other_chips(calibrators, exposure.instrument)
    for kind in (FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT):
        of_kind = [one for one in alike if one.exposure.kind is kind]
        if kind is FrameKind.FLAT:
            flats = of_kind
            of_kind = [one for one in flats if one.exposure.filter == exposure.filter]
            if flats and not of_kind:
                notes.append(_of_other_filters(flats, exposure.filter))
        fit = [one for one in of_kind if _difference(one, exposure) is None]
        if of_kind and not fit:
            notes.append(_left_out(kind, of_kind, exposure))
        if kind is FrameKind.DARK:
            groups = [_of_nearest_nights(same, exposure.mjd, longitude) for same in _by_length(fit)]
            # The biases come first, and are what is chosen by now.
            best = _best_known(groups, exposure) if chosen else [one for same in groups for one in same]
        else:
            best = _of_nearest_nights(fit, exposure.mjd, longitude)
        notes += _of_long_ago(kind, best, exposure.mjd)
        chosen += best
    return Choice(tuple(chosen), exposure.exposure_s or 0.0, tuple(notes))


def same_length(seconds: float, others: float) -> bool:
    """Whether two exposures are of one length."""
    return abs(seconds - others) <= SAME_LENGTH * max(seconds, others)


def _serves(calibrator: Calibrator, exposure: Exposure) -> bool:
    is_flat = calibrator.exposure.kind is FrameKind.FLAT
    of_band = not is_flat or calibrator.exposure.filter == exposure.filter
    return of_band and _difference(calibrator, exposure) is None


def _difference(calibrator: Calibrator, exposure: Exposure) -> str | None:
    return differing(calibrator.exposure.readout, exposure.readout, calibrator.exposure.kind)


def _left_out(kind: FrameKind, calibrators: Sequence[Calibrator], exposure: Exposure) -> str:
    """One sentence: why none of some calibration frames serves."""
    ((name, _),) = Counter(_difference(one, exposure) for one in calibrators).most_common(1)
    count = "the only one of its camera differs"
    if len(calibrators) > 1:
        count = f"all {len(calibrators)} of its camera differ"
    return f"no {kind} of its {name} is there: {count}"


def _of_long_ago(kind: FrameKind, calibrators: Sequence[Calibrator], mjd: float | None) -> list[str]:
    """One sentence where the nearest of some kind that serve are far from a frame's night."""
    dated = [
        one.exposure.mjd - mjd for one in calibrators if one.exposure.mjd is not None and mjd is not None
    ]
    away = min(dated, key=abs, default=0.0)
    if abs(away) <= MOST_NIGHTS[kind]:
        return []
    when = "after" if away > 0.0 else "before"
    return [f"the nearest {kind} of its camera that serves it was taken {abs(away):.0f} nights {when} it"]


def _of_other_sizes(calibrators: Sequence[Calibrator], shape: tuple[int, int]) -> str:
    """One sentence: none of a camera's calibration frames is of a frame's size."""
    sizes = Counter(one.shape for one in calibrators).most_common(MOST_SIZES)
    told = " or ".join(f"{width} x {height}" for (height, width), _ in sizes)
    return (
        f"it is {shape[1]} x {shape[0]} pixels and its camera's calibration frames ({len(calibrators)}) "
        f"{told}: none is applied"
    )


def _of_other_chips(calibrators: Sequence[Calibrator], instrument: str | None) -> list[str]:
    """One sentence where a camera's calibration frames name a chip and the frame none, or the other way.

    So do those that an earlier version registered, which knew other words.
    """
    names = {one.exposure.instrument for one in calibrators if one.exposure.instrument}
    own = f"{instrument or ''} "
    of = sorted(name for name in names if f"{name} ".startswith(own) or own.startswith(f"{name} "))
    if not of:
        return []
    told = ", ".join(of[:MOST_NAMED]) + (" ..." if len(of) > MOST_NAMED else "")
    return [
        f"no calibration frame of its camera ({instrument}) is there, but of {told}: "
        "if that is the same, `astrid ingest` them again"
    ]


def _of_other_filters(flats: Sequence[Calibrator], band: str | None) -> str:
    """One sentence: none of a camera's flats is of a frame's filter."""
    of = sorted({one.exposure.filter or "no filter" for one in flats})
    told = ", ".join(of[:MOST_NAMED]) + (" ..." if len(of) > MOST_NAMED else "")
    said = f"no flat of its filter ({band or 'none'}) is there: those of its camera are of {told}"
    if any(one.exposure.filter is None for one in flats):
        said += " (a flat whose header names none serves frames without one alone)"
    return said


def _by_length(darks: Sequence[Calibrator]) -> Iterable[list[Calibrator]]:
    """Darks in groups of one length."""
    groups: list[list[Calibrator]] = []
    for one in sorted(darks, key=_seconds):
        if groups and same_length(_seconds(one), _seconds(groups[-1][0])):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _best_known(groups: Sequence[list[Calibrator]], exposure: Exposure) -> list[Calibrator]:
    """Of darks in groups of one length, those from which the current in a frame is known best."""
    for group in groups:
        if _exposures(group) >= ALONE and same_length(_seconds(group[0]), exposure.exposure_s or 0.0):
            return group
    # Each has the same read noise: that of the mean current falls with the length and the root of the number.
    return max(groups, key=lambda group: _exposures(group) * _seconds(group[0]) ** 2, default=[])


def _exposures(calibrators: Iterable[Calibrator]) -> int:
    return sum(one.exposures for one in calibrators)


def _seconds(calibrator: Calibrator) -> float:
    return calibrator.exposure.exposure_s or 0.0


def _of_nearest_nights(
    calibrators: Sequence[Calibrator], mjd: float | None, longitude: float
) -> list[Calibrator]:
    """Those of whole nights, the nearest first, until there are enough; those without a date come last."""
    if mjd is None:
        return list(calibrators)
    nights: dict[float, list[Calibrator]] = {}
    for one in calibrators:
        taken = one.exposure.mjd
        # By night and not by time, so that all frames of a night share their masters.
        away = math.inf if taken is None else abs(night_of(taken, longitude) - night_of(mjd, longitude))
        nights.setdefault(away, []).append(one)
    taken_so_far: list[Calibrator] = []
    for night in sorted(nights):
        if _exposures(taken_so_far) >= ENOUGH:
            break
        taken_so_far += nights[night]
    return taken_so_far
