"""Example sets: detections of known nature, as the real-bogus models learn from them and are judged by.

A bogus is always a detection, never blank sky. A set is one ``.npz`` of plain arrays, and each row says
which sky object, night and field it is of, so that no split can put the same on both sides.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from pipeline.classify.triplets import SIDE, Triplets, of_cutouts
from pipeline.detection import detect
from pipeline.detection.cutting import cut
from pipeline.frame import FrameRefused
from pipeline.training.fields import TrainingField, field, nature

MOST_BYTES = 4 * 1024**3
MOST_SIGMA = 60000.0  # what half precision holds
BOGUS_EVENTS = frozenset({"satellite"})  # injected, but no change in the sky
_TEXT = ("kind", "group", "night", "field", "host", "filter", "instrument", "cut", "source")


class ExamplesRefused(AstridError):
    """A file holds no example set."""


@dataclass(frozen=True, slots=True)
class Examples:
    """n detections of known nature.

    Attributes
    ----------
    new, ref, diff : (n, SIDE, SIDE) float16
        In sigma, as `Triplets`.
    label : (n,) int8
        1 real, 0 bogus.
    snr : (n,) float32
        As measured, signed.
    snr_true : (n,) float32
        Of what was injected; NaN for bogus.
    kind : (n,) str
        ``point``, ``vanished`` ..., ``dipole``, ``cosmic_ray`` ...
    group : (n,) str
        The same for all detections of one sky object or residual.
    night, field, filter, instrument : (n,) str
    host : (n,) str
        ``none``, ``galaxy`` or ``star``.
    near_bright : (n,) bool
    cut : (n,) str
        Why the detection's own cuts would drop it; empty where they do not.
    source : (n,) str
        ``training``, ``judge``, ``label`` or ``survey``.
    """

    new: NDArray[np.float16]
    ref: NDArray[np.float16]
    diff: NDArray[np.float16]
    label: NDArray[np.int8]
    snr: NDArray[np.float32]
    snr_true: NDArray[np.float32]
    kind: NDArray[np.str_]
    group: NDArray[np.str_]
    night: NDArray[np.str_]
    field: NDArray[np.str_]
    host: NDArray[np.str_]
    near_bright: NDArray[np.bool_]
    filter: NDArray[np.str_]
    instrument: NDArray[np.str_]
    cut: NDArray[np.str_]
    source: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, which: NDArray[Any] | slice) -> Examples:
        return Examples(*(getattr(self, each.name)[which] for each in fields(self)))

    @property
    def triplets(self) -> Triplets:
        """The cutouts, in single precision."""
        return Triplets(*(plane.astype(np.float32) for plane in (self.new, self.ref, self.diff)))

    @property
    def digest(self) -> str:
        """SHA-256 of all that is learnt from."""
        found = hashlib.sha256()
        for each in (self.new, self.ref, self.diff, self.label):
            found.update(np.ascontiguousarray(each).tobytes())
        found.update("\0".join(self.group.tolist()).encode())
        return found.hexdigest()


def joined(sets: Sequence[Examples]) -> Examples:
    """Several sets as one.

    Raises
    ------
    ExamplesRefused
        There is none.
    """
    if not sets:
        raise ExamplesRefused("there are no examples")
    return Examples(
        *(np.concatenate([getattr(each, name.name) for each in sets]) for name in fields(Examples))
    )


def of_field(found: TrainingField) -> Examples:
    """Every significant peak of a training field, whether the detection's own cuts would drop it or not."""
    difference, new, reference = found.difference, found.new, found.reference
    x, y = detect.find_peaks(difference.score, found.settings.detect.threshold)
    kept, dropped = detect.judge(difference, x, y, new, reference, found.settings)
    places = [(each.x, each.y, each.snr, "") for each in kept]
    for each in dropped:
        row, column = round(each.y), round(each.x)
        inside = 0 <= row < difference.score.shape[0] and 0 <= column < difference.score.shape[1]
        if inside and abs(snr := float(difference.score[row, column])) >= 1.0:
            places.append((each.x, each.y, snr, each.cause))
    cutouts = [cut(new.frame, reference.frame, difference, px, py, SIDE) for px, py, _, _ in places]
    triplets = of_cutouts(cutouts)
    natures = [nature(found, px, py) for px, py, _, _ in places]
    events = [event for _, event in natures]
    bright = [_is_near_bright(found, px, py) for px, py, _, _ in places]
    count = len(places)
    return Examples(
        *(_half(plane) for plane in triplets.planes),
        label=np.array([e is not None and e.kind not in BOGUS_EVENTS for e in events], np.int8),
        snr=np.array([snr for _, _, snr, _ in places], np.float32),
        snr_true=np.array([e.snr if e else np.nan for e in events], np.float32),
        kind=_texts([kind for kind, _ in natures]),
        group=_texts([e.group if e else f"{found.name}-b{i}" for i, e in enumerate(events)]),
        night=_texts([found.name] * count),
        field=_texts([found.name] * count),
        host=_texts([e.host if e else "none" for e in events]),
        near_bright=np.array(bright, dtype=bool),
        filter=_texts([""] * count),
        instrument=_texts(["simulated"] * count),
        cut=_texts([cause for _, _, _, cause in places]),
        source=_texts(["training"] * count),
    )


def _is_near_bright(found: TrainingField, x: float, y: float) -> bool:
    """Whether a star lies within three FWHM whose light is five hundred times a detectable flux."""
    stars, fwhm = found.reference.stars, found.reference.psf.fwhm
    if not len(stars):
        return False
    distance = np.hypot(stars.x - x, stars.y - y)
    near = distance < 3.0 * fwhm
    noise = float(np.nanmedian(found.difference.flux_err)) * found.reference.flux_scale
    return bool(near.any() and stars.flux[near].max() > 500.0 * noise)


def make(
    folder: Path, seeds: range, size: int, on_field: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Make the example sets of some training fields that a folder lacks; the files of all of them.

    Parameters
    ----------
    folder : Path
    seeds : range
    size : int
        Pixels along a field's side.
    on_field : callable, optional
        Called with how many are done, and of how many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for done, seed in enumerate(seeds, start=1):
        path = folder / f"examples-{size}-{seed:07d}.npz"
        if not path.exists():
            try:
                write(path, of_field(field(seed, size)))
            except FrameRefused:
                continue
        files.append(path)
        if on_field:
            on_field(done, len(seeds))
    return files


def write(path: Path, examples: Examples) -> None:
    """Write a set, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            np.savez_compressed(
                file, **{each.name: getattr(examples, each.name) for each in fields(Examples)}
            )
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> Examples:
    """Read a set.

    Raises
    ------
    ExamplesRefused
        It is none, or too large to be one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(each.file_size for each in archive.infolist())
        if size > MOST_BYTES:
            raise ExamplesRefused(f"{path.name} unpacks to {size} bytes; more than {MOST_BYTES} are not read")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {each.name: archive[each.name] for each in fields(Examples)}
    except KeyError as error:
        raise ExamplesRefused(f"{path.name} is no example set: {error}") from None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ExamplesRefused(f"{path.name} cannot be read as an example set: {error}") from None
    count = len(arrays["label"])
    for name in ("new", "ref", "diff"):
        if arrays[name].shape != (count, SIDE, SIDE) or arrays[name].dtype.kind != "f":
            raise ExamplesRefused(f"{path.name}: {name} has the shape {arrays[name].shape}")
        arrays[name] = _half(arrays[name])
    for name, array in arrays.items():
        if len(array) != count or array.dtype.kind not in ("U" if name in _TEXT else "fiub"):
            raise ExamplesRefused(f"{path.name}: {name} is no column of {count} values")
    if not np.isin(arrays["label"], (0, 1)).all():
        raise ExamplesRefused(f"{path.name}: labels are 1 (real) or 0 (bogus)")
    return Examples(**arrays)


def with_source(examples: Examples, source: str) -> Examples:
    """The same examples, of another source."""
    return replace(examples, source=_texts([source] * len(examples)))


def _half(plane: NDArray[Any]) -> NDArray[np.float16]:
    clipped: NDArray[np.float16] = np.clip(plane, -MOST_SIGMA, MOST_SIGMA).astype(np.float16)
    return clipped


def _texts(values: Sequence[str]) -> NDArray[np.str_]:
    return np.array(values, dtype=np.str_) if values else np.empty(0, dtype="<U1")
