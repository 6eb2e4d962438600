"""Example sets: what models learn from and are judged by, one row a detection.

A set is an ``.npz`` of plain arrays. Every detection is an example, what only the U-Net sees too, and also
those that the pipeline's cuts would drop; a bogus is always a detection, never empty sky.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.review.cutouts import MAX_ABS, Cutouts, pack, unpack
from core.settings import Settings
from core.unfinished import unfinished
from pipeline.classify import cutout_features
from pipeline.classify.triplets import SIDE, Triplets, of_cutouts
from pipeline.classify.unet import UNet
from pipeline.detection.cutting import cut
from pipeline.detection.forced import bilinear, flux_at
from pipeline.files.npz_file import DAMAGE, why_not_read
from pipeline.frame import FrameRefused
from pipeline.training.detected import Peak, Seen, Told, detections_of
from pipeline.training.events import Event
from pipeline.training.fields import TrainingField, field
from pipeline.training.host_offset import to_nearest_light

REAL, BOGUS, UNKNOWN = 1, 0, -1  # labels; survey alerts are of unknown nature
SIMULATED = "training"  # the source of what the training's own fields give
LABELLED = "label"  # of what reviewers agree on
# A trail across the frame is light in the sky, but what a reviewer calls bogus; a moving object is real, if a
# cutout shows an end of its trail.
BOGUS_EVENTS = ("satellite",)
KIND_OF = {"variable": "star", "fading": "dark", "vanished": "dark", "satellite": "streak"}
BRIGHT_RATIO, BRIGHT_FWHM = 20.0, 4.0
LEAST_FWHM = 1.5  # pixels, as of what candidates measure
AT_ONCE = 512  # examples that are measured
COLUMNS: dict[str, str] = {  # by the kind of dtype
    "new": "f",
    "ref": "f",
    "diff": "f",
    "label": "i",
    "kind": "U",
    "snr": "f",
    "snr_true": "f",
    "group": "U",
    "night": "U",
    "field": "U",
    "host": "U",
    "near_bright": "b",
    "filter": "U",
    "instrument": "U",
    "cut": "U",
    "source": "U",
}
OPTIONAL: dict[str, str] = {"host_offset": "f"}  # unknown in sets that lack it


class ExamplesError(AstridError):
    """A file is no set of examples."""


@dataclass(frozen=True, slots=True)
class Examples:
    """A set of examples; every array has n rows.

    Attributes
    ----------
    new, ref, diff : (n, SIDE, SIDE) float16
        In sigma, NaN where masked.
    label : (n,) int8
        1 real, 0 bogus, -1 unknown.
    kind : (n,) str
        What it is or what went wrong.
    snr, snr_true : (n,) float32
        As measured, signed; of the injected source on the frame's noise, NaN for what is not injected.
    group : (n,) str
        Rows of one group are one object of the sky, or one fault.
    night, field, filter, instrument : (n,) str
    host : (n,) str
        ``none``, ``galaxy`` or ``star``.
    near_bright : (n,) bool
    cut : (n,) str
        Why the pipeline's cuts would drop it; empty if they would not.
    source : (n,) str
        ``training``, ``judge``, ``label`` or ``survey``.
    host_offset : (n,) float32
        From the middle of its host, in FWHM, as far as that is known, else NaN. It only sorts: no model
        learns of it, and `digest` does not know it.
    """

    new: NDArray[np.float16]
    ref: NDArray[np.float16]
    diff: NDArray[np.float16]
    label: NDArray[np.int8]
    kind: NDArray[np.str_]
    snr: NDArray[np.float32]
    snr_true: NDArray[np.float32]
    group: NDArray[np.str_]
    night: NDArray[np.str_]
    field: NDArray[np.str_]
    host: NDArray[np.str_]
    near_bright: NDArray[np.bool_]
    filter: NDArray[np.str_]
    instrument: NDArray[np.str_]
    cut: NDArray[np.str_]
    source: NDArray[np.str_]
    host_offset: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Examples:
        if (
            isinstance(which, np.ndarray)
            and which.dtype == np.bool_
            and which.all()
            and len(which) == len(self)
        ):
            return self  # gigabytes need no copy
        return Examples(**{each.name: getattr(self, each.name)[which] for each in fields(self)})

    @property
    def is_shown(self) -> NDArray[np.bool_]:
        """Which the product would show, (n,): a model is worth what it says of these."""
        return np.asarray(self.cut == "")

    @property
    def triplets(self) -> Triplets:
        """The images as the models take them."""
        return Triplets(*(plane.astype(np.float32) for plane in (self.new, self.ref, self.diff)))

    @property
    def features(self) -> NDArray[np.float32]:
        """What is measured of the images, (n, F): of some at a time, for as the models take them they are
        twice as large.
        """
        parts = [
            cutout_features.measure(self[slice(first, first + AT_ONCE)].triplets)
            for first in range(0, max(len(self), 1), AT_ONCE)
        ]
        return np.concatenate(parts)

    @property
    def digest(self) -> str:
        """SHA-256 of all but what only sorts (`OPTIONAL`), in hexadecimal: older sets keep theirs."""
        made = hashlib.sha256()
        for each in fields(self):
            if each.name in OPTIONAL:
                continue
            column = getattr(self, each.name)
            made.update(f"{each.name} {column.dtype.kind} {column.shape}".encode())
            if column.dtype.kind == "U":
                made.update("\0".join(column.tolist()).encode())
            else:
                made.update(np.ascontiguousarray(column).tobytes())
        return made.hexdigest()


def write(examples: Examples, path: Path) -> None:
    """Write a set, whole or not at all."""
    with unfinished(path) as part, part.open("wb") as file:
        np.savez(file, **{each.name: getattr(examples, each.name) for each in fields(examples)})


def read(path: Path) -> Examples:
    """Read a set. Nothing in a file can run.

    Raises
    ------
    ExamplesError
        It is none, or its columns do not fit together.
    """
    try:
        if (why := why_not_read(path)) is not None:
            raise ExamplesError(why)
        with np.load(path, allow_pickle=False) as file:
            lacking = [name for name in COLUMNS if name not in file]
            if lacking:
                raise ExamplesError(f"{path.name} is no set of examples: it lacks {', '.join(lacking)}")
            kinds = COLUMNS | {name: kind for name, kind in OPTIONAL.items() if name in file}
            columns: dict[str, Any] = {name: file[name] for name in kinds}
    except OSError as error:
        raise ExamplesError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise ExamplesError(f"{path.name} is no set of examples: {str(error)[:200]}") from None
    count = columns["label"].shape[:1]
    for name, kind in kinds.items():
        shape = (*count, SIDE, SIDE) if name in ("new", "ref", "diff") else count
        if columns[name].shape != shape or not count or not _is_kind(columns[name], kind):
            raise ExamplesError(f"{path.name}: the column {name} is not as the others are")
    _check_labels(path.name, columns["label"])
    for name in OPTIONAL.keys() - columns.keys():
        columns[name] = np.full(count, np.nan, dtype=np.float32)
    return Examples(**{name: _narrow(name, column) for name, column in columns.items()})


def _check_labels(name: str, label: NDArray[Any]) -> None:
    """Refuse labels that mean nothing here, as they are in the file: narrowed, 256 would be 0."""
    wrong = np.flatnonzero(~np.isin(label, (REAL, BOGUS, UNKNOWN)))
    if len(wrong):
        raise ExamplesError(
            f"{name}: row {wrong[0]} has the label {label[wrong[0]]}; "
            "a label is 1 for real, 0 for bogus or -1 for unknown"
        )


def _is_kind(column: NDArray[np.generic], kind: str) -> bool:
    return column.dtype.kind in {"i": "iub", "b": "b", "U": "U", "f": "f"}[kind]


def _narrow(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if name in ("new", "ref", "diff"):
        return _half(column)
    if name == "label":
        return column.astype(np.int8, copy=False)
    return column.astype(np.float32, copy=False) if column.dtype.kind == "f" else column


def _half(plane: NDArray[Any]) -> NDArray[np.float16]:
    """In half precision: what is brighter than that holds stays as bright as it can be, no sentinel does."""
    if plane.dtype == np.float16:
        return np.asarray(plane)
    most = float(np.finfo(np.float16).max)
    seen = np.where(np.abs(plane) <= MAX_ABS, np.clip(plane, -most, most), np.nan)
    return np.asarray(seen, dtype=np.float16)


def join(parts: Sequence[Examples]) -> Examples:
    """One set of several."""
    return Examples(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(Examples)
        }
    )


def of_seeds(
    seeds: Iterable[int],
    size: int = 512,
    on_field: Callable[[int, int], None] | None = None,
    network: UNet | None = None,
    settings: Settings | None = None,
) -> Examples:
    """Examples of simulated fields, a field for each seed.

    Parameters
    ----------
    seeds : iterable of int
    size : int
        Pixels along the sides of a field.
    on_field : callable
        Called with the number of fields and of examples so far.
    network : UNet, optional
        The one that takes part in the detection.
    settings : Settings, optional
        Those that the fields follow: `pipeline.training.fields.field`.

    Raises
    ------
    ExamplesError
        No field gave any.
    """
    parts: list[Examples] = []
    total = 0
    for done, seed in enumerate(seeds, start=1):
        try:
            part = of_field(field(seed, size, settings=settings), network)
        except FrameRefused:
            part = None  # no draw of this seed could be subtracted
        if part is not None:
            parts.append(part)
            total += len(part)
        if on_field is not None:
            on_field(done, total)
    if not parts:
        raise ExamplesError("no field gave any detection to learn from")
    return join(parts)


def of_field(found: TrainingField, network: UNet | None = None) -> Examples | None:
    """The examples of one training field; None where nothing is detected."""
    told = detections_of(found, None if network is None else Seen.by(network, found))
    return of_detections(found, told) if told else None


def of_detections(found: TrainingField, told: list[Told]) -> Examples:
    """The examples of what was detected in a field, at least one."""
    places = np.array([(peak.x, peak.y) for peak, _, _ in told])
    flux = flux_at(found.difference, places[:, 0], places[:, 1])
    error = bilinear(found.difference.flux_err, places[:, 0], places[:, 1])
    events = [event for _, _, event in told]
    count = len(told)
    kinds = [_kind(kind, event) for _, kind, event in told]
    planes = _planes(found, [peak for peak, _, _ in told])
    return Examples(
        new=planes[0],
        ref=planes[1],
        diff=planes[2],
        label=np.array([_label(event) for event in events], dtype=np.int8),
        kind=np.array(kinds),
        snr=(flux / np.maximum(error, 1e-30)).astype(np.float32),
        snr_true=np.array([np.nan if event is None else event.snr for event in events], dtype=np.float32),
        group=np.array(
            [
                f"{found.name}-bogus-{i}" if event is None else f"{found.name}:{event.group}"
                for i, event in enumerate(events)
            ]
        ),
        night=np.full(count, found.name),
        field=np.full(count, found.name),
        host=np.array(["none" if event is None else event.host for event in events]),
        near_bright=_near_bright(found, places, flux),
        filter=np.full(count, ""),
        instrument=np.full(count, found.conditions.camera),
        cut=np.array([peak.cut for peak, _, _ in told]),
        source=np.full(count, SIMULATED),
        host_offset=_host_offset(found, places, events),
    )


def _host_offset(
    found: TrainingField, places: NDArray[np.float64], events: Sequence[Event | None]
) -> NDArray[np.float32]:
    """Of an injected change as it was drawn, of all else from the nearest light, as of what a store holds."""
    fwhm = max(found.difference.psf.fwhm, LEAST_FWHM)
    offset = to_nearest_light(places[:, 0], places[:, 1], found.reference.stars, fwhm)
    for i, event in enumerate(events):
        if event is not None:
            offset[i] = event.host_offset / fwhm
    return offset.astype(np.float32)


def _label(event: Event | None) -> int:
    return BOGUS if event is None or event.kind in BOGUS_EVENTS else REAL


def _kind(kind: str, event: Event | None) -> str:
    if event is not None and event.kind == "variable" and event.snr < 0:
        return "dark"
    return KIND_OF.get(kind, kind)


def _planes(found: TrainingField, peaks: Sequence[Peak]) -> list[NDArray[np.float16]]:
    """As they come back from the store: to a quarter of a sigma."""
    cutouts: list[Cutouts] = [
        unpack(pack(cut(found.new.frame, found.reference.frame, found.difference, each.x, each.y, SIDE)))
        for each in peaks
    ]
    return [plane.astype(np.float16) for plane in of_cutouts(cutouts).planes]


def _near_bright(
    found: TrainingField, places: NDArray[np.float64], flux: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether a star of many times its flux is near."""
    stars = found.reference.stars
    if len(stars) == 0:
        return np.zeros(len(places), dtype=bool)
    distance = np.hypot(stars.x - places[:, :1], stars.y - places[:, 1:])
    brighter = stars.flux / found.reference.flux_scale > BRIGHT_RATIO * np.abs(flux[:, None])
    near: NDArray[np.bool_] = np.any(brighter & (distance < BRIGHT_FWHM * found.difference.psf.fwhm), axis=1)
    return near
