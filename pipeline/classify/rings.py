"""The light around a candidate, ring by ring: what lies under and beside it in all three images.

A change on a galaxy differs from one on dark sky by faint light around it alone, of which neither the
measured features nor a network that tells real from bogus need say much.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.pixel_noise import in_pixel_noise
from pipeline.classify.triplets import LIT, SIDE, Triplets

EDGES = (0.0, 0.8, 1.6, 2.5, 3.5, 4.5, 6.0, 8.0, 10.0, 13.0, 17.0, 22.0, 31.0)  # px from the middle
BRIGHTEST = 1e4  # noises of a pixel; what is brighter says nothing more
WIDTH = 3 * (2 * (len(EDGES) - 1) - 1)  # numbers of a candidate
AT_ONCE = 256

_steps = np.arange(SIDE) - SIDE // 2
_RADIUS = np.hypot(*np.meshgrid(_steps, _steps)).ravel()
_RINGS = np.stack(
    [(low <= _RADIUS) & (high > _RADIUS) for low, high in itertools.pairwise(EDGES)], axis=1
).astype(np.float32)


def rings(triplets: Triplets) -> NDArray[np.float32]:
    """The mean light of each ring and how much it varies along it, 0 where nothing is seen.

    Parameters
    ----------
    triplets : Triplets

    Returns
    -------
    (n, 69) float32
        Of new, reference and difference in turn: means of 12 rings and, but for the innermost, which is one
        pixel, standard deviations; all of the arcsinh of what a pixel holds over its noise.
    """
    parts = [
        _of_some(triplets[slice(first, first + AT_ONCE)])
        for first in range(0, max(len(triplets), 1), AT_ONCE)
    ]
    return np.concatenate(parts)


def _of_some(triplets: Triplets) -> NDArray[np.float32]:
    found = []
    for number, plane in enumerate(triplets.planes):
        scaled = in_pixel_noise(plane) if number < LIT else plane
        seen = np.isfinite(plane).reshape(len(plane), -1)
        values = np.nan_to_num(scaled, nan=0.0, posinf=BRIGHTEST, neginf=-BRIGHTEST).reshape(seen.shape)
        values = np.arcsinh(np.clip(values, -BRIGHTEST, BRIGHTEST)) * seen
        count = np.maximum(seen.astype(np.float32) @ _RINGS, 1.0)
        mean = values @ _RINGS / count
        scatter = np.sqrt(np.maximum(np.square(values) @ _RINGS / count - np.square(mean), 0.0))
        found += [mean, scatter[:, 1:]]
    return np.hstack(found).astype(np.float32)
