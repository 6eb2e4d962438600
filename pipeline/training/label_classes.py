"""What reviewers agree on as classes of pixels: at a label what it is, everywhere else nothing.

A real point is painted as an injected one would be, a bogus one as far as the island of the score goes on
which it lies. Light along a line is a streak whoever left it: what a reviewer calls a trail is bogus, but no
artefact of the images. Where its course is not known it has no class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.vocabulary import Label
from pipeline.frame import Image
from pipeline.training.events import Event
from pipeline.training.fields import (
    ARTEFACT,
    CORE_FWHM,
    DARK,
    ISLAND,
    LOBES_FWHM,
    POINT,
    STREAK,
    STREAK_FWHM,
    UNTOLD,
    Classes,
    line_distance,
)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mark:
    """One labelled candidate, on the grid of the images.

    Attributes
    ----------
    x, y : float
        0-based pixel centres.
    snr : float
        Signed.
    label : int
        1 real, 0 bogus.
    kind : str
        Of `core.vocabulary.Label`.
    length, angle : float
        Of a streak, pixels and degrees from rows to columns; else 0.
    """

    x: float
    y: float
    snr: float
    label: int
    kind: str
    length: float = 0.0
    angle: float = 0.0

    @property
    def judged_as(self) -> str:
        """``real`` or ``bogus``; ``trail`` of a bogus one that is light all the same."""
        return "real" if self.label else "trail" if self.kind == Label.TRAIL else "bogus"


def told_classes(
    marks: Sequence[Mark], score: Image, masked: Flags, fwhm: float
) -> tuple[Classes, list[Mark]]:
    """The classes, and the marks that any pixel has one by. What is real lies over what is bogus.

    Parameters
    ----------
    marks : sequence of Mark
    score : (height, width) float32
    masked : (height, width) bool
    fwhm : float
        Pixels, of the difference.

    Returns
    -------
    (height, width) uint8
        Indices of `pipeline.classify.unet.CLASSES`, or `UNTOLD`.
    list of Mark
    """
    classes = np.full(score.shape, UNTOLD, dtype=np.uint8)
    told = []
    for mark in sorted(marks, key=lambda each: each.label):
        value, where = _painted(mark, score, fwhm)
        where &= ~masked
        if value != UNTOLD and where.any():
            classes[where] = value
            told.append(mark)
    return classes, told


def _painted(mark: Mark, score: Image, fwhm: float) -> tuple[int, Flags]:
    """The class of one mark, and its pixels."""
    distance = line_distance(_line(mark), score.shape)
    if mark.length:
        is_light = bool(mark.label) or mark.kind == Label.TRAIL
        return (STREAK if is_light else ARTEFACT), distance < max(STREAK_FWHM * fwhm, 1.2)
    core = distance < CORE_FWHM * fwhm
    if mark.label:
        return (POINT if mark.snr > 0 else DARK), core
    if mark.kind == Label.TRAIL:
        return UNTOLD, core
    return ARTEFACT, core | (_island(score, core) & (distance < LOBES_FWHM * fwhm))


def _island(score: Image, core: Flags) -> Flags:
    """The significant islands of either sign that a core touches."""
    found = np.zeros(score.shape, dtype=bool)
    for sign in (1, -1):
        islands, _ = ndimage.label(sign * score > ISLAND)
        touched = np.unique(islands[core])
        found |= np.isin(islands, touched[touched > 0])
    return found


def _line(mark: Mark) -> Event:
    """The mark as an event of which only the course is asked."""
    angle = np.radians(mark.angle)
    dx, dy = (0.5 * mark.length * float(each) for each in (np.cos(angle), np.sin(angle)))
    return Event(
        "", mark.x, mark.y, 0.0, mark.snr, "", "", mark.x - dx, mark.y - dy, mark.x + dx, mark.y + dy
    )
