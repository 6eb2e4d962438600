"""Triplets from a file, and the scores of every model for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from core.errors import AstridError
from core.models.weighed import OF_FRAMES
from pipeline.classify.classify import Classifier, Scores, log_odds_of
from pipeline.classify.ensemble import SIGNIFICANCE, Ensemble
from pipeline.classify.scorers import BATCH
from pipeline.classify.triplets import (
    PLANES,
    SEEING_ARCSEC,
    TripletError,
    enlarged,
    enlargement,
    of_arrays,
)
from pipeline.files.npz_file import DAMAGE, why_not_read

Array = NDArray[np.float64]

KNOWN_ELSEWHERE = (SIGNIFICANCE, *OF_FRAMES)  # of a candidate, and not by its cutouts: snr, unet
MOST_SIDE = 1024
LEAST_SCALE, MOST_SCALE = 1e-6, 1e6  # arcsec that a pixel is wide


class TripletFileError(AstridError):
    """A file is no set of triplets; the message says why."""


@dataclass(frozen=True, slots=True)
class TripletFile:
    """The arrays of a file.

    Attributes
    ----------
    new, ref, diff : (n, height, width) array
    pixel_scale : (n,) float64, optional
        How wide their pixels are, arcsec.
    snr : (n,) float64, optional
        Their significance, signed; NaN where it is not known.
    unet : (n,) float64, optional
        What a U-Net that saw the whole frame says of each, 0 to 1; NaN where it says nothing.
    """

    new: NDArray[np.generic]
    ref: NDArray[np.generic]
    diff: NDArray[np.generic]
    pixel_scale: NDArray[np.float64] | None = None
    snr: NDArray[np.float64] | None = None
    unet: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.new)


def read(path: Path) -> TripletFile:
    """Read an ``.npz`` with arrays ``new``, ``ref``, ``diff``, and those that may be. Nothing in it can run.

    Raises
    ------
    TripletFileError
        It is none; an array is absent, of objects, or too large; or they do not fit together.
    """
    try:
        if (why := why_not_read(path)) is not None:
            raise TripletFileError(why)
        with np.load(path, allow_pickle=False) as file:
            lacking = [name for name in PLANES if name not in file]
            if lacking:
                raise TripletFileError(f"{path.name} lacks the arrays {', '.join(lacking)}")
            arrays = [_array(file, name) for name in PLANES]
            scale, snr, unet = (
                _array(file, name) if name in file else None for name in ("pixel_scale", *KNOWN_ELSEWHERE)
            )
    except OSError as error:
        raise TripletFileError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise TripletFileError(f"{path.name} is no file of triplets: {told[:200]}") from None
    shapes = {name: array.shape for name, array in zip(PLANES, arrays, strict=True)}
    for name, array in zip(PLANES, arrays, strict=True):
        if array.ndim != 3 or 0 in array.shape[1:] or max(array.shape[1:]) > MOST_SIDE:
            raise TripletFileError(
                f"{path.name}: {name} must be of shape (n, height, width) with sides up to {MOST_SIDE}, "
                f"not {shapes[name]}"
            )
        if array.dtype.kind not in "fiu":
            raise TripletFileError(f"{path.name}: {name} holds no numbers but {array.dtype}")
    if len({len(array) for array in arrays}) != 1:
        raise TripletFileError(f"{path.name}: new, ref and diff are not equally many: {shapes}")
    count = len(arrays[0])
    unet = _of_each(path, "unet", unet, count)
    if unet is not None and ((unet < 0.0) | (unet > 1.0)).any():
        raise TripletFileError(f"{path.name}: unet must be scores, 0 to 1, or NaN where there is none")
    scales, significance = _scale(path, scale, count), _of_each(path, "snr", snr, count)
    return TripletFile(arrays[0], arrays[1], arrays[2], scales, significance, unet)


def without(triplets: TripletFile, classifier: Classifier) -> tuple[str, ...]:
    """What the ensemble weighs of a frame's candidate and does not know of these."""
    weighed = {name for each in classifier.scorers if isinstance(each, Ensemble) for name in each.members}
    known = ((name, getattr(triplets, name)) for name in KNOWN_ELSEWHERE)
    return tuple(
        name for name, given in known if name in weighed and (given is None or np.isnan(given).all())
    )


def _of_each(path: Path, name: str, given: NDArray[np.generic] | None, count: int) -> Array | None:
    """A number for each triplet; not finite where it is not known."""
    if given is None:
        return None
    if given.dtype.kind not in "fiu" or given.shape != (count,):
        raise TripletFileError(f"{path.name}: {name} must be one number for each triplet")
    found = given.astype(np.float64)
    found[~np.isfinite(found)] = np.nan
    return found


def _scale(path: Path, given: NDArray[np.generic] | None, count: int) -> NDArray[np.float64] | None:
    """The pixel scale of each, of one for all or one for each."""
    if given is None:
        return None
    if given.dtype.kind not in "fiu" or given.size not in (1, count):
        raise TripletFileError(f"{path.name}: pixel_scale must be one number, or one for each triplet")
    scale = given.astype(np.float64).ravel()
    if not ((scale >= LEAST_SCALE) & (scale <= MOST_SCALE)).all():
        raise TripletFileError(
            f"{path.name}: pixel_scale must be positive: arcsec that a pixel is wide, "
            f"{LEAST_SCALE:g} to {MOST_SCALE:g}"
        )
    return np.array(np.broadcast_to(scale, (count,)))


def _array(file: NpzFile, name: str) -> NDArray[np.generic]:
    """An array of a file; other files may lie in it under the name of one.

    Raises
    ------
    TypeError
        It is no array.
    """
    found = file[name]
    if not isinstance(found, np.ndarray):
        raise TypeError(f"its {name} is no array")
    return found


def score(
    triplets: TripletFile,
    classifier: Classifier,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 1,
) -> Scores:
    """Score triplets in batches; one whose difference cannot be seen has no score.

    Parameters
    ----------
    triplets : TripletFile
    classifier : Classifier
    progress : callable, optional
        Called with how many are scored, and of how many.
    threads : int
        That score batches beside each other; the scores are the same.

    Raises
    ------
    TripletFileError
        They are no triplets.
    """
    if not len(triplets):  # none to score, yet who would have scored is told
        return Scores(0, {each.name: np.empty(0) for each in classifier.scorers}, classifier.digests)

    def scored(by: Classifier) -> Iterator[Scores]:
        done, starts = 0, range(0, len(triplets), BATCH)
        with ThreadPoolExecutor(threads, thread_name_prefix="scores") as pool:
            try:
                for part in pool.map(lambda first: _batch(triplets, by, first), starts):
                    yield part
                    done += part.count
                    if progress is not None:
                        progress(done, len(triplets))
            finally:
                pool.shutdown(cancel_futures=True)

    return classifier.by_batches(scored)


def _batch(triplets: TripletFile, classifier: Classifier, first: int) -> Scores:
    part = slice(first, first + BATCH)
    try:
        some = of_arrays(triplets.new[part], triplets.ref[part], triplets.diff[part])
    except TripletError as error:
        raise TripletFileError(str(error)) from None
    if triplets.pixel_scale is not None:
        fwhm_px = SEEING_ARCSEC / triplets.pixel_scale[part]
        some = enlarged(some, np.array([enlargement(each) for each in fwhm_px]))
    snr, unet = (None if each is None else each[part] for each in (triplets.snr, triplets.unet))
    given = {} if unet is None else {"unet": np.array([log_odds_of(each) for each in unet])}
    scores = classifier.attempt(some, snr, given)
    blank = ~np.isfinite(some.diff).any(axis=(1, 2))
    for values in scores.by_model.values():
        values[blank] = np.nan
    return scores
