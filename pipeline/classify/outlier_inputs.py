"""What detectors of the odd take: what is measured of cutouts, and what a network sees of them along axes.

The network is the real-bogus that came with AstrID, whichever is in use: a detector is fitted to what one
network sees, and the promotion of another must not take it away. Where that very network is in use it has
looked already.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.models.names import EMBEDDING_OF
from pipeline.classify.kept import Kept
from pipeline.classify.model_file import Arrays, ModelFile, ModelRefused, read
from pipeline.classify.networks import CandidateNetwork
from pipeline.classify.scorers import Inputs
from pipeline.classify.shipped import SHIPPED

Array = NDArray[np.float64]

CENTRE, SCALE, AXES = "embedding_centre", "embedding_scale", "embedding_axes"
MOST_NUMBERS, MOST_AXES = 4096, 256
LEAST_SCALE = 1e-30  # what is divided by less is no number any more
CLIPPED = 6.0  # scaled features beyond it say nothing more


def network_digest() -> str:
    """Of the network whose embedding is taken."""
    return SHIPPED["realbogus"].digest


@dataclass(frozen=True, slots=True)
class Sight:
    """Along which axes a detector takes what the network sees.

    Attributes
    ----------
    centre, scale : (E,) float64
        Of each number of an embedding, as the real have it.
    axes : (k, E) float64
    """

    centre: Array
    scale: Array
    axes: Array

    def along(self, embedding: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embeddings (n, E) along the axes, (n, k), in as many digits as features have."""
        found: Array = scaled_features(embedding, self.centre, self.scale) @ self.axes.T
        return found.astype(np.float32)


def sight_of(model: ModelFile) -> Sight | None:
    """The axes of a detector; none of one that was fitted on features alone.

    Raises
    ------
    ModelRefused
        They are of another network than came with AstrID, or do not fit together.
    """
    name, told = model.description.kind, model.description.config.get(EMBEDDING_OF)
    given = {CENTRE, SCALE, AXES} & set(model.arrays)
    if told is None and not given:
        return None
    if told != network_digest():
        raise ModelRefused(f"{name}: it takes what another network sees than the one that came with AstrID")
    return sound_sight(name, model.arrays)


def sound_sight(name: str, arrays: Arrays) -> Sight:
    """Axes, seen to fit together.

    Raises
    ------
    ModelRefused
    """
    if lacking := [each for each in (CENTRE, SCALE, AXES) if each not in arrays]:
        raise ModelRefused(f"{name}: it lacks {', '.join(lacking)}")
    axes, centre, scale = (arrays[each].astype(np.float64) for each in (AXES, CENTRE, SCALE))
    count, numbers = axes.shape if axes.ndim == 2 else (0, 0)
    if not 0 < count <= MOST_AXES or not 0 < numbers <= MOST_NUMBERS:
        raise ModelRefused(f"{name}: its {AXES} are of the wrong shape")
    if centre.shape != (numbers,) or scale.shape != (numbers,) or (scale < LEAST_SCALE).any():
        raise ModelRefused(f"{name}: what its {AXES} are of is of the wrong shape, or not above 0")
    return Sight(centre, scale, axes)


def table_of(name: str, inputs: Inputs, sight: Sight | None) -> NDArray[np.float32]:
    """What a detector takes of candidates: features (n, F), and (n, k) more of what the network sees.

    Parameters
    ----------
    name : str
        The detector's, for messages.
    inputs : Inputs
    sight : Sight, optional

    Raises
    ------
    ModelRefused
        The network cannot be read or run, or sees in other numbers than the axes are of.
    """
    features = inputs.features
    if sight is None:
        return features
    if not len(inputs):
        return np.empty((0, features.shape[1] + len(sight.axes)), dtype=np.float32)
    seen = embedding_of(inputs)
    if seen.ndim != 2 or seen.shape[1] != len(sight.centre):
        raise ModelRefused(
            f"{name}: its axes are of {len(sight.centre)} numbers, and the network gives others"
        )
    return np.hstack([features, sight.along(seen)])


def embedding_of(inputs: Inputs) -> NDArray[np.float32]:
    """What the network that came with AstrID sees of candidates, (n, E); of one look at each.

    Raises
    ------
    ModelRefused
        It cannot be read or run.
    """
    digest = network_digest()
    if digest not in inputs.embeddings:
        seen = _NETWORK(SHIPPED["realbogus"].folder, digest).embedding(inputs)
        if seen is None:
            raise ModelRefused("the real-bogus that came with AstrID tells nothing of what it sees")
        inputs.embeddings[digest] = seen
    return inputs.embeddings[digest]


def scaled_features(
    features: NDArray[np.floating], centre: NDArray[np.floating], scale: NDArray[np.floating]
) -> Array:
    """Features in units of their usual spread; one that is missing is as usual."""
    scaled = (np.asarray(features, dtype=np.float64) - centre) / scale
    found: Array = np.clip(np.nan_to_num(scaled, nan=0.0), -CLIPPED, CLIPPED)
    return found


def _read(folder: Path, digest: str | None) -> CandidateNetwork:
    return CandidateNetwork(read(folder, digest))


_NETWORK: Kept[CandidateNetwork] = Kept(_read, 1)
