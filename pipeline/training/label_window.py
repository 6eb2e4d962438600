"""One window of a labelled frame: its pixels, what they are at labels, and which candidates those are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.line_words import STREAK_ANGLE, STREAK_LENGTH
from pipeline.classify.unet import STRIDE_PX
from pipeline.classify.unet_input import CHANNELS, Planes
from pipeline.files.npz_file import DAMAGE
from pipeline.frame import Difference
from pipeline.training import field_cache
from pipeline.training.agreed_candidates import AgreedCandidate
from pipeline.training.field_cache import EVENT_COLUMNS, CachedField, FieldDamaged
from pipeline.training.fields import UNTOLD
from pipeline.training.label_classes import Mark, told_classes

WINDOW_PX = 256
INNER_PX = 96  # a label so near the middle of a window needs none of its own


@dataclass(frozen=True, slots=True)
class LabelWindow(CachedField):
    """A window, kept like a simulated field; its events are the labels that some pixel has a class by.

    Attributes
    ----------
    rows : (m,) int64
        Numbers of the cutouts of all its labels that have any, those that no pixel has a class by too:
        `pipeline.training.member_scores.rows_of`.
    at : (m, 2) float64
        Where in the window they are: x, y.
    within : (2,) int64
        How many of its rows and columns are of the frame: the others lie beyond its sides.
    """

    rows: NDArray[np.int64]
    at: NDArray[np.float64]
    within: NDArray[np.int64]


def read(path: Path) -> LabelWindow:
    """A window that was kept; one of before has no numbers of labels, and all of it counts as the frame's.

    Raises
    ------
    FieldDamaged
        It cannot be read.
    """
    made = field_cache.read(path)
    told: dict[str, Any] = {
        "rows": np.empty(0, dtype=np.int64),
        "at": np.empty((0, 2)),
        "within": np.array(made.classes.shape),
    }
    try:
        with np.load(path, allow_pickle=False) as file:
            told |= {name: file[name] for name in told if name in file}
    except DAMAGE as error:
        raise FieldDamaged(path) from error
    return LabelWindow(**{each.name: getattr(made, each.name) for each in fields(made)}, **told)


def middles(candidates: Sequence[AgreedCandidate]) -> list[tuple[float, float]]:
    """Middles of windows such that each candidate is near one: (x, y)."""
    found: list[tuple[float, float]] = []
    for each in candidates:
        if not any(_is_inner(each, middle) for middle in found):
            found.append(_place(each))
    return found


def window(
    name: str,
    middle: tuple[float, float],
    candidates: Sequence[AgreedCandidate],
    planes: Planes,
    difference: Difference,
) -> LabelWindow:
    """What a window holds: its labels are those near its middle, so that each is in one window.

    It begins where the U-Net's pooling does in the frame, which moves what it says by as much as noise does.
    Beyond the sides of a frame all is masked: patches are of one size.
    """
    x_low, y_low = (_begin(at, length) for at, length in zip(middle, planes.shape[:0:-1], strict=True))
    cut = (slice(y_low, y_low + WINDOW_PX), slice(x_low, x_low + WINDOW_PX))
    others = middles(candidates)
    ours = [
        each for each in candidates if next(other for other in others if _is_inner(each, other)) == middle
    ]
    marks = [mark_of(each, x_low, y_low) for each in ours]
    fwhm = max(difference.psf.fwhm, 2.0)
    classes, told = told_classes(marks, difference.score[cut], difference.mask[cut] != 0, fwhm)
    places = [[mark.x, mark.y, mark.snr, mark.x, mark.y, mark.x, mark.y] for mark in told]
    within = np.array(classes.shape)
    beyond = [(0, WINDOW_PX - length) for length in classes.shape]  # of the frame
    known = [(each.row, mark) for each, mark in zip(ours, marks, strict=True) if each.row is not None]
    return LabelWindow(
        name=name,
        planes=np.stack(
            [
                np.pad(plane[cut], beyond, constant_values=number == CHANNELS - 1)  # masked
                for number, plane in enumerate(planes)
            ],
            dtype=np.float16,
        ),
        classes=np.pad(classes, beyond, constant_values=UNTOLD),
        fwhm=float(difference.psf.fwhm),
        kinds=np.array([mark.judged_as for mark in told], dtype="U16"),
        hosts=np.array([""] * len(told), dtype="U16"),
        places=np.array(places, dtype=np.float64).reshape(-1, len(EVENT_COLUMNS)),
        rows=np.array([row for row, _ in known], dtype=np.int64),
        at=np.array([[mark.x, mark.y] for _, mark in known], dtype=np.float64).reshape(-1, 2),
        within=within,
    )


def _begin(at: float, length: int) -> int:
    """The first pixel of a window around a place, along a side of a frame."""
    last = -(-max(length - WINDOW_PX, 0) // STRIDE_PX)  # it may end a few pixels beyond the frame
    return STRIDE_PX * int(np.clip(round((at - WINDOW_PX // 2) / STRIDE_PX), 0, last))


def mark_of(each: AgreedCandidate, x_low: int, y_low: int) -> Mark:
    """A label on the grid of a window that begins at a pixel of its frame."""
    x, y = _place(each)
    length, angle = (each.candidate.features.get(name) for name in (STREAK_LENGTH, STREAK_ANGLE))
    return Mark(
        x - x_low,
        y - y_low,
        each.candidate.snr,
        each.label,
        each.kind,
        float(length or 0.0),
        float(angle or 0.0),
    )


def _place(each: AgreedCandidate) -> tuple[float, float]:
    return float(each.candidate.x or 0.0), float(each.candidate.y or 0.0)


def _is_inner(each: AgreedCandidate, middle: tuple[float, float]) -> bool:
    return max(abs(at - centre) for at, centre in zip(_place(each), middle, strict=True)) <= INNER_PX
