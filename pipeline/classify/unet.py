"""The U-Net as it is served: log-odds of a change in the sky for every pixel of a frame, by ONNX Runtime.

A frame goes through in tiles that overlap by as much as the network sees, from origins that its pooling
divides, with inputs that were scaled once for the whole frame: the result is that of the frame in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.kept import Kept
from pipeline.classify.model_file import Calibration, ModelFile, ModelRefused, read
from pipeline.classify.networks import check_sizes
from pipeline.classify.onnx_network import checked, line_of, session
from pipeline.classify.proven import see_that_it_ran
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.unet_input import CHANNELS, Planes
from pipeline.side_by_side import side_by_side

if TYPE_CHECKING:
    import onnxruntime

Maps = NDArray[np.float32]

NAME = "unet"
ARCHITECTURE = "unet"
CLASSES = ("background", "point", "dark", "streak", "artefact")
CHANGES = ("point", "dark", "streak")  # the classes of something in the sky
STRIDE_PX = 8  # what its pooling brings together
HALO_PX = 56  # as far as a pixel's result depends on others
TILE_PX = 688  # of a tile without its halo: the network holds some 400 bytes a pixel of it
OPERATORS = frozenset({"Conv", "ConvTranspose", "Relu", "MaxPool", "Concat", "Identity", "Constant"})


@dataclass(frozen=True, slots=True)
class LogOdds:
    """What the network says of every pixel: natural logarithms, not calibrated; (height, width) float32.

    Each is the log-odds of one class against background and artefact together.
    """

    point: Maps
    dark: Maps
    streak: Maps

    @property
    def real(self) -> Maps:
        """The largest of the three."""
        return np.maximum(np.maximum(self.point, self.dark), self.streak)


class UNet:
    """A U-Net that was read, verified and made ready.

    Parameters
    ----------
    model : ModelFile
    threads : int
        Of one run.

    Raises
    ------
    ModelRefused
        It is none of this architecture.
    """

    def __init__(self, model: ModelFile, threads: int = 1) -> None:
        said = model.description
        if (said.kind, said.architecture, said.inputs) != (NAME, ARCHITECTURE, "image"):
            raise ModelRefused(f"{NAME}: this is a model of kind {said.kind} ({said.architecture}), no U-Net")
        if tuple(said.classes) != CLASSES:
            raise ModelRefused(f"{NAME}: its classes are not {', '.join(CLASSES)}")
        self.name = NAME
        self.digest = model.digest
        self.calibration: Calibration = said.calibration
        self.point_threshold = _number(model, "point_threshold")
        self.streak_threshold = _number(model, "streak_threshold")
        if model.network is not None:
            side = TILE_PX + 2 * HALO_PX
            network = checked(NAME, model.network, OPERATORS)
            check_sizes(NAME, network, {"image": (1, CHANNELS, side, side)})
        self._session: onnxruntime.InferenceSession = session(
            model, OPERATORS, {"image": [None, CHANNELS, None, None]}, threads
        )

    def with_thresholds(self, point: float, streak: float) -> UNet:
        """The same network with other thresholds."""
        other = copy(self)
        other.point_threshold, other.streak_threshold = point, streak
        return other

    def log_odds(
        self,
        planes: Planes,
        tile_px: int = TILE_PX,
        *,
        at_once: int = 1,
        helped: Event | None = None,
        stop: Event | None = None,
    ) -> LogOdds:
        """The log-odds of every pixel of a frame.

        Parameters
        ----------
        planes : (CHANNELS, height, width) float32
            `pipeline.classify.unet_input.frame_input`.
        tile_px : int
            A multiple of `STRIDE_PX`.
        at_once : int
            Tiles in hand, each by a thread of its own; the result is the same.
        helped, stop : Event, optional
            As `side_by_side` takes them.

        Raises
        ------
        ModelRefused
            The network fails, or gives what is no logits.
        BrokenOff
            It was stopped.
        """
        _, height, width = planes.shape
        whole = _padded(planes)
        found = np.empty((len(CHANGES), height, width), dtype=np.float32)

        def look(tile: tuple[Box, Box, Box]) -> None:
            outer, inner, there = tile
            logits = self.logits(whole[(slice(None), *outer)])
            found[(slice(None), *there)] = _against_the_rest(logits[(slice(None), *inner)])

        side_by_side(
            look, _tiles((height, width), whole.shape[1:], tile_px), at_once, helped=helped, stop=stop
        )
        return LogOdds(*found)

    def logits(self, planes: Planes) -> Maps:
        """The logits of one image whose sides the stride divides: (classes, height, width) float32."""
        try:
            (found,) = self._session.run(["logits"], {"image": np.ascontiguousarray(planes[np.newaxis])})
        except Exception as error:  # noqa: BLE001 - ONNX Runtime raises many kinds, of no common base
            raise ModelRefused(f"{NAME}: it cannot be run: {line_of(error)}") from None
        logits: Maps = found[0]
        if logits.shape != (len(CLASSES), *planes.shape[1:]) or not np.isfinite(logits).all():
            raise ModelRefused(f"{NAME}: what it gives is no logits of {len(CLASSES)} classes")
        return logits


def _load(folder: Path, digest: str | None) -> UNet:
    if folder != SHIPPED[NAME].folder:
        see_that_it_ran(folder, digest)
    return UNet(read(folder, digest))


loaded = Kept(_load, 4)


def shipped() -> UNet:
    """The network that comes with AstrID.

    Raises
    ------
    ModelRefused
        Its files are not what they were when it was made.
    """
    model = SHIPPED[NAME]
    return loaded(model.folder, model.digest)


def in_use(models: Mapping[str, tuple[Path, str | None]]) -> UNet:
    """The network of the models in use, or the one that comes with AstrID where none is among them.

    Raises
    ------
    ModelRefused
        Its files are not what they were when it was made.
    """
    return loaded(*models[NAME]) if NAME in models else shipped()


def _number(model: ModelFile, key: str) -> float:
    value = model.description.config.get(key)
    if isinstance(value, str) or value is None or not abs(value) < 1e3:
        raise ModelRefused(f"{NAME}: its {key} is no log-odds")
    return float(value)


def _padded(planes: Planes) -> Planes:
    """Filled up below and on the right to sides that the stride divides, as masked pixels."""
    _, height, width = planes.shape
    below, right = -height % STRIDE_PX, -width % STRIDE_PX
    if not (below or right):
        return planes
    whole = np.zeros((CHANNELS, height + below, width + right), dtype=np.float32)
    whole[4] = 1.0
    whole[:, :height, :width] = planes
    return whole


Box = tuple[slice, slice]


def _tiles(shape: tuple[int, ...], padded: tuple[int, ...], tile_px: int) -> Iterator[tuple[Box, Box, Box]]:
    """Of each tile: what is put in, which part of what comes out is good, and where it belongs."""
    rows, columns = (_spans(shape[axis], padded[axis], tile_px) for axis in (0, 1))
    for row in rows:
        for column in columns:
            yield (row[0], column[0]), (row[1], column[1]), (row[2], column[2])


def _spans(length: int, padded: int, tile_px: int) -> list[tuple[slice, slice, slice]]:
    spans = []
    for start in range(0, length, tile_px):
        stop = min(start + tile_px, length)
        first, last = max(start - HALO_PX, 0), min(-(-stop // STRIDE_PX) * STRIDE_PX + HALO_PX, padded)
        spans.append((slice(first, last), slice(start - first, stop - first), slice(start, stop)))
    return spans


def _against_the_rest(logits: Maps) -> Maps:
    """Log-odds of each kind of change against background and artefact together."""
    background, artefact = logits[CLASSES.index("background")], logits[CLASSES.index("artefact")]
    changes = logits[[CLASSES.index(each) for each in CHANGES]]
    against: Maps = changes - np.logaddexp(background, artefact)
    return against
