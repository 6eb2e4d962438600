"""Training fields of a user's own frames: real pixels and real faults, and only what is injected is made up.

Pairs of frames of one sky are cut to windows, events are added with each frame's own measured PSF, and the
pipeline takes it from there. What is significant and was not injected counts as an artefact: a true change
among it teaches the network to miss such, so the frames of a pair are best of one night.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.frames.content import content_hash
from core.settings import Settings
from core.vocabulary import MaskPlane
from pipeline.clock import StageClock
from pipeline.files.fits_files import read_frame
from pipeline.frame import Aligned, Frame, FrameRefused, PreparedReference, PsfModel
from pipeline.intake.ingest import find_files
from pipeline.measure import Measured, measure
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration.align import align
from pipeline.stellar.psf import estimate_psf
from pipeline.stellar.stamps import placed_psfs
from pipeline.subtraction.match import match
from pipeline.training.defects import Defects
from pipeline.training.events import add_events, draw_events
from pipeline.training.fields import TRIES, TrainingField, subtracted, told_by
from pipeline.training.scenes import Plate, Scene

Array = NDArray[np.float64]

KEPT_PAIRS = 4
UNUSABLE = np.uint16(MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.EDGE | MaskPlane.STREAK)


class FramesError(AstridError):
    """A folder of frames from which no training field can be made."""


@dataclass(frozen=True, slots=True)
class PsfBrush:
    """The measured PSF of a frame, painted in a window of it."""

    psf: PsfModel
    x_low: int
    y_low: int

    def paint(self, image: Array, x: Array, y: Array, flux: Array) -> None:
        """See `pipeline.training.scenes.Brush`."""
        height, width = image.shape
        stamps, rows, columns = placed_psfs(self.psf, x + self.x_low, y + self.y_low)
        half = stamps.shape[1] // 2
        for stamp, row, column, each in zip(stamps, rows, columns, flux, strict=True):
            top, left = int(row) - self.y_low - half, int(column) - self.x_low - half
            here = slice(max(top, 0), min(top + 2 * half + 1, height))
            there = slice(max(left, 0), min(left + 2 * half + 1, width))
            if here.start < here.stop and there.start < there.stop:
                part = stamp[here.start - top : here.stop - top, there.start - left : there.stop - left]
                image[here, there] += each * part

    def noise_pixels(self, x: float, y: float) -> float:
        """See `pipeline.training.scenes.Brush`."""
        return float(1.0 / np.sum(np.square(self.psf.at(x + self.x_low, y + self.y_low), dtype=np.float64)))

    @property
    def fwhm(self) -> float:
        """See `pipeline.training.scenes.Brush`."""
        return self.psf.fwhm


@dataclass(frozen=True, slots=True)
class Pair:
    """Two frames of one sky, measured as wholes."""

    new: Measured
    new_psf: PsfModel
    reference: PreparedReference
    aligned: Aligned
    flux_ratio: float


class RealFields:
    """Fields of the frames in a folder.

    Parameters
    ----------
    folder : Path
    settings : Settings
        How frames are read where their headers are silent, subtracted and searched.

    Attributes
    ----------
    name : str
        The same for the same pixels and settings alone, so that fields that are kept under it are of these.

    Raises
    ------
    FramesError
        There are fewer than two FITS files in it.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.paths = find_files([folder])
        if len(self.paths) < 2:
            raise FramesError(
                f"{folder} holds {len(self.paths)} FITS files; two frames of one sky are needed"
            )
        self.settings = settings
        # The hash alone was the name before fields followed the settings.
        followed = [other] if (other := told_by(settings)) else []
        made_of = [settings.science_hash, *followed, *(content_hash(path) for path in self.paths)]
        self.name = f"frames-{hashlib.sha256(' '.join(made_of).encode()).hexdigest()[:12]}"
        self._pair = lru_cache(maxsize=KEPT_PAIRS)(self._measured)

    def field(self, seed: int, size: int = 512) -> TrainingField:
        """A field of two random frames, in a random window.

        Raises
        ------
        FrameRefused
            None of some draws gave two frames of one sky that could be subtracted.
        """
        refused: FrameRefused | None = None
        for attempt in range(TRIES):
            random = np.random.default_rng([seed, size, attempt, 0x2EA1])
            new, reference = (int(i) for i in random.choice(len(self.paths), 2, replace=False))
            try:
                pair = self._pair(new, reference)
                scene, known = window(random, pair, size)
                events = draw_events(random, scene, size, f"{self.name}-{seed}")
                add_events(random, scene, events)
                spoilt = Defects({}, np.zeros((size, size), dtype=bool), known)
                name = f"{pair.new.frame.exposure.name} {seed}"
                return subtracted(random, scene, events, spoilt, name, seed, self.settings)
            except FrameRefused as error:
                refused = error
        raise FrameRefused(f"no two frames could be subtracted: {refused}")

    def _measured(self, new: int, reference: int) -> Pair:
        settings, clock = self.settings, StageClock()
        now, then = (
            measure(read_frame(self.paths[i], keywords=settings.camera.keywords), None, settings, clock)
            for i in (new, reference)
        )
        prepared = prepare_image(
            ReferenceImage(then.frame, (then.frame.exposure.name,), "electron"), settings
        )
        aligned = align(now.frame, now.stars, now.fwhm, prepared, settings)
        psf = estimate_psf(now.frame, now.stars, settings.subtract.psf_degree)
        return Pair(now, psf, prepared, aligned, match(aligned, prepared).gain_ratio)


def window(random: np.random.Generator, pair: Pair, size: int) -> tuple[Scene, NDArray[np.uint16]]:
    """A random window of both frames as a scene, and the mask of what is known to be bad in the new one.

    Raises
    ------
    FrameRefused
        The frames or their overlap are smaller than the window.
    """
    height, width = pair.reference.frame.shape
    if min(height, width, *pair.new.frame.shape) < size:
        raise FrameRefused(f"a frame is smaller than the window of {size} pixels")
    for _ in range(TRIES):
        x_low, y_low = int(random.integers(width - size + 1)), int(random.integers(height - size + 1))
        middle = np.array([x_low + (size - 1) / 2.0]), np.array([y_low + (size - 1) / 2.0])
        x_new, y_new = (round(float(each[0]) - (size - 1) / 2.0) for each in pair.aligned.map_to_new(*middle))
        if 0 <= x_new <= pair.new.frame.shape[1] - size and 0 <= y_new <= pair.new.frame.shape[0] - size:
            break
    else:
        raise FrameRefused("the two frames overlap by less than the window")
    affine = pair.aligned.to_new
    offset = affine[:, 2] + affine[:, :2] @ np.array([x_low, y_low]) - np.array([x_new, y_new])
    stars = pair.reference.stars
    inside = (abs(stars.x - middle[0]) < size / 2) & (abs(stars.y - middle[1]) < size / 2)
    known = pair.new.frame.mask[y_new : y_new + size, x_new : x_new + size] & UNUSABLE
    scene = Scene(
        new=_plate(pair.new.frame, pair.new_psf, x_new, y_new, size),
        ref=_plate(pair.reference.frame, pair.reference.psf, x_low, y_low, size),
        to_new=np.column_stack([affine[:, :2], offset]),
        flux_ratio=pair.flux_ratio,
        hosts=(),
        stars=np.stack([stars.x[inside] - x_low, stars.y[inside] - y_low, stars.flux[inside]]),
        moved=np.zeros((2, 0)),
    )
    return scene, known


def _plate(frame: Frame, psf: PsfModel, x_low: int, y_low: int, size: int) -> Plate:
    cut = (slice(y_low, y_low + size), slice(x_low, x_low + size))
    return Plate(
        electrons=frame.data[cut].astype(np.float64),
        brush=PsfBrush(psf, x_low, y_low),
        noise=float(np.sqrt(np.median(frame.variance[cut]))),
        read_noise=frame.read_noise,
        full_well=frame.saturation / 0.98,
        gain=1.0,
    )
