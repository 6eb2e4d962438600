"""What kind a candidate is, as a small network says that was taught kinds by simulated fields.

It knows what is measured of cutouts and the light in rings: whether something came or went, whether it lies
on a galaxy, on a star or on empty sky, and what went wrong where it is bogus. A search compares candidates
by what it says; nothing is decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.classify import cutout_features
from pipeline.classify.kept import Kept
from pipeline.classify.model_file import Arrays, Description, ModelFile, ModelRefused, read
from pipeline.classify.outlier_inputs import scaled_features
from pipeline.classify.rings import WIDTH
from pipeline.classify.shipped import KINDS

Array = NDArray[np.float64]
Table = NDArray[np.float32]

NAME, ARCHITECTURE = "kinds", "perceptron"
NUMBERS = len(cutout_features.NAMES) + WIDTH
CENTRE, SCALE = "centre", "scale"
LAYERS = (("hidden_weight", "hidden_offset"), ("kind_weight", "kind_offset"))
MOST = 1024  # numbers of a layer
LEAST_SCALE = 1e-30
AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class KindNetwork:
    """A network of one hidden layer.

    Attributes
    ----------
    kinds : tuple of str
        What it tells apart.
    centre, scale : (NUMBERS,) float64
        Of what it takes, as it was taught.
    layers : tuple of ((a, b) float64, (b,) float64)
        Weights and offsets.
    """

    kinds: tuple[str, ...]
    centre: Array
    scale: Array
    layers: tuple[tuple[Array, Array], ...]

    def probabilities(self, numbers: NDArray[np.floating]) -> Table:
        """How likely each candidate is of each kind, among as many of each as it was taught.

        Parameters
        ----------
        numbers : (n, NUMBERS) float
            What `numbers_of` gives; NaN of what could not be measured counts as usual.

        Returns
        -------
        (n, K) float32
            In the order of `kinds`.
        """
        parts = [self._of_some(numbers[first : first + AT_ONCE]) for first in range(0, len(numbers), AT_ONCE)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.kinds)), dtype=np.float32)

    def _of_some(self, numbers: NDArray[np.floating]) -> Table:
        (first, before), (last, offset) = self.layers
        hidden = np.maximum(scaled_features(numbers, self.centre, self.scale) @ first + before, 0.0)
        told = hidden @ last + offset
        told = np.exp(told - told.max(axis=1, keepdims=True))
        found: Table = (told / told.sum(axis=1, keepdims=True)).astype(np.float32)
        return found


def numbers_of(features: NDArray[np.floating], rings: NDArray[np.floating]) -> Table:
    """What the network takes: `pipeline.classify.cutout_features` and `pipeline.classify.rings` of it."""
    return np.hstack([features, rings]).astype(np.float32)


def shipped() -> KindNetwork:
    """The network that came with AstrID.

    Raises
    ------
    ModelRefused
        Its files are not what they should be.
    """
    return _READY(KINDS.folder, KINDS.digest)


def described(kinds: tuple[str, ...], trained: dict[str, object]) -> Description:
    """The description of a network that tells some kinds."""
    return Description(
        kind=NAME,
        architecture=ARCHITECTURE,
        inputs="features",
        features=list(cutout_features.NAMES),
        classes=list(kinds),
        trained=trained,
    )


def network_of(model: ModelFile) -> KindNetwork:
    """A network that was read, seen to fit together.

    Raises
    ------
    ModelRefused
    """
    said = model.description
    if (said.kind, said.architecture) != (NAME, ARCHITECTURE):
        raise ModelRefused(f"{said.kind}: it is no network that tells kinds")
    if said.features != list(cutout_features.NAMES):
        raise ModelRefused(f"{NAME}: it takes other features than are measured here")
    return sound(tuple(said.classes), model.arrays)


def sound(kinds: tuple[str, ...], arrays: Arrays) -> KindNetwork:
    """A network of some arrays.

    Raises
    ------
    ModelRefused
        One is absent, or they do not fit together.
    """
    names = (CENTRE, SCALE, *(name for pair in LAYERS for name in pair))
    if lacking := [each for each in names if each not in arrays]:
        raise ModelRefused(f"{NAME}: it lacks {', '.join(lacking)}")
    centre, scale, first, before, last, offset = (arrays[each].astype(np.float64) for each in names)
    hidden = before.shape[0] if before.ndim == 1 else 0
    if not 0 < hidden <= MOST or not 0 < len(kinds) <= MOST:
        raise ModelRefused(f"{NAME}: its layers are of the wrong size")
    wanted = [(NUMBERS,), (NUMBERS,), (NUMBERS, hidden), (hidden,), (hidden, len(kinds)), (len(kinds),)]
    if [each.shape for each in (centre, scale, first, before, last, offset)] != wanted:
        raise ModelRefused(f"{NAME}: its layers do not fit together")
    if (scale < LEAST_SCALE).any():
        raise ModelRefused(f"{NAME}: its {SCALE} is not above 0")
    return KindNetwork(kinds, centre, scale, ((first, before), (last, offset)))


def _read(folder: Path, digest: str | None) -> KindNetwork:
    return network_of(read(folder, digest))


_READY: Kept[KindNetwork] = Kept(_read, 1)
