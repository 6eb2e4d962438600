"""The gain of a camera by photon transfer: how much flats of like level differ, and biases do.

Of two flats of level ``L`` (data units) the difference has the variance ``2 (L / g + (r / g)**2)`` for a
gain ``g`` (electrons per data unit) and a read noise ``r`` (electrons), that of two biases ``2 (r / g)**2``:
what the pixels do not respond alike to is in both and goes (Janesick 2001, *Scientific CCDs*, chapter 2).
Here the second flat is brought to the level of the first, by a factor ``q`` in each block of pixels: then the
variance is ``L (1 + q) / g + (1 + q**2) (r / g)**2``. Slopes within a block are taken out, as of two skies at
dusk, and the median of the blocks heeds neither cosmic rays nor what is dead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.overscan import Section
from pipeline.frame import FrameRefused, Image
from pipeline.quantile import MAD_TO_SIGMA

LIKE = 0.2  # relative: so much flats of a pair differ in level, at most
MOST_FULL = 0.7  # of the saturation: beyond, charge spreads to neighbours, and the noise is too little
MOST_PAIRS = 3
FEWEST_BLOCKS = 16
SIDE = 32  # pixels, of a block
ENOUGH = 2**20  # pixels of one image
CLIP_SIGMA = 5.0
LEAST_LIGHT = 0.5  # of the typical block's level: what is darker tells little
LEAST_PHOTONS = 0.5  # of the variance that is not read noise
MOST_ERROR = 0.1  # of the gain
APART = 0.05  # by so much of it amplifiers differ, and that is told

Blocks = NDArray[np.float32]  # (blocks, pixels)


@dataclass(frozen=True, slots=True)
class PhotonTransfer:
    """A gain in electrons a count, with its standard error, and a read noise in electrons.

    ``flats`` and ``biases`` are how many they are of; ``each`` the gain of each amplifier, where they differ.
    ``by_darks`` tells that darks stood in for biases.
    """

    gain: float
    gain_err: float
    read_noise: float
    flats: int
    biases: int
    each: tuple[float, ...] = ()
    by_darks: bool = False

    @property
    def sentence(self) -> str:
        """What is to be said of a frame that it is used for."""
        apart = ", ".join(f"{one:.3g}" for one in self.each)
        mean = f" (the mean of its amplifiers: {apart})" if apart else ""
        return (
            f"gain {self.gain:.4g} ± {self.gain_err:.1g} electrons a count{mean} and read noise "
            f"{self.read_noise:.2g} electrons measured from {self.flats} flats and "
            f"{self.biases} {'darks' if self.by_darks else 'biases'}"
        )


class Lit(NamedTuple):
    """A flat: its level above what is no light, in counts and as a part of what is full, and its pixels.

    One that is too full needs none of these.
    """

    level: float
    fullness: float
    blocks: Sequence[Blocks]  # of each amplifier


def blocks_of(image: Image, parts: Sequence[Section]) -> list[Blocks]:
    """Square blocks of pixels, spread evenly over each of some parts of an image: enough to tell noise."""
    return [_blocks(image[part.slices], ENOUGH // len(parts)) for part in parts]


def photon_transfer(flats: Sequence[Lit], biases: Sequence[Sequence[Blocks]]) -> PhotonTransfer:
    """Measure a camera's gain.

    Parameters
    ----------
    flats : sequence of Lit
        Single exposures, with the light alone in them.
    biases : sequence
        The `blocks_of` single biases, or darks of one length.

    Raises
    ------
    FrameRefused
        They do not tell it: too few, saturated, too faint, too small, or not of one gain.
    """
    if len(biases) < 2:
        raise FrameRefused("2 biases, or darks of one length, are needed to tell the read noise")
    pairs = _pairs(flats)
    amplifiers = range(len(pairs[0][0].blocks))
    sizes = {tuple(map(len, each)) for each in (*biases, *(flat.blocks for pair in pairs for flat in pair))}
    if len(sizes) > 1:
        raise FrameRefused("the headers of its flats and biases do not name the same amplifiers")
    if min(len(part) for part in pairs[0][0].blocks) < FEWEST_BLOCKS:
        raise FrameRefused(
            f"its flats are too small: {FEWEST_BLOCKS} blocks of {SIDE} pixels a side are needed"
        )
    read = [_read_variance([bias[part] for bias in biases]) for part in amplifiers]
    found = [
        [_inverse_gain(one.blocks[part], two.blocks[part], read[part]) for one, two in pairs]
        for part in amplifiers
    ]
    inverse = np.array([[value for value, _ in each] for each in found])
    errors = np.array([[error for _, error in each] for each in found])
    gains = 1.0 / inverse.mean(axis=1)
    gain = float(gains.mean())
    spread = inverse.std(ddof=1, axis=1) / math.sqrt(len(pairs)) if len(pairs) > 1 else np.zeros(len(gains))
    each_err = gains**2 * np.maximum(np.sqrt((errors**2).sum(axis=1)) / len(pairs), spread)
    gain_err = float(np.sqrt((each_err**2).sum()) / len(gains))
    if gain_err > MOST_ERROR * gain:
        raise FrameRefused(f"its flats do not agree: gain {gain:.3g} ± {gain_err:.1g}")
    is_apart = len(gains) > 1 and float(np.ptp(gains)) > APART * gain
    return PhotonTransfer(
        gain,
        gain_err,
        float(np.mean(gains * np.sqrt(read))),
        2 * len(pairs),
        len(biases),
        tuple(float(one) for one in gains) if is_apart else (),
    )


def _pairs(flats: Sequence[Lit]) -> list[tuple[Lit, Lit]]:
    """Flats two by two, each once, the brightest first of those that are well below saturation."""
    usable = sorted((each for each in flats if each.fullness <= MOST_FULL), key=lambda each: -each.level)
    if flats and not usable:
        raise FrameRefused(
            f"its flats are too bright: {MOST_FULL:.0%} of the saturation, or of 16 bits, is the most"
        )
    pairs: list[tuple[Lit, Lit]] = []
    waiting: Lit | None = None
    for each in usable:
        if waiting is not None and waiting.level - each.level <= LIKE * waiting.level:
            pairs.append((waiting, each))
            waiting = None
        else:
            waiting = each
    if not pairs:
        raise FrameRefused("2 flats of like level are needed")
    return pairs[:MOST_PAIRS]


def _inverse_gain(one: Blocks, two: Blocks, read: float) -> tuple[float, float]:
    """Counts per electron by two flats, with the standard error."""
    light, other = np.median(one, axis=1).astype(np.float64), np.median(two, axis=1).astype(np.float64)
    lit = np.minimum(light, other) > LEAST_LIGHT * max(float(np.median(light)), 0.0)
    if np.count_nonzero(lit) < FEWEST_BLOCKS:
        raise FrameRefused("its flats are without light")
    light, factor = light[lit], light[lit] / other[lit]
    variance = _variance(one[lit] - two[lit] * factor[:, None].astype(np.float32))
    photons = variance - (1.0 + factor**2) * read
    if not float(np.median(photons)) > LEAST_PHOTONS * float(np.median(variance)):
        raise FrameRefused("its flats are too faint: the read noise is more than that of their light")
    values = photons / (light * (1.0 + factor))
    middle = float(np.median(values))
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    return middle, math.sqrt(math.pi / 2.0) * scatter / math.sqrt(len(values))


def _read_variance(biases: Sequence[Blocks]) -> float:
    """The variance of a pixel that no light fell on, in counts squared."""
    return float(np.median([np.median(_variance(one - two)) / 2.0 for one, two in pairwise(biases)]))


def _variance(blocks: Blocks) -> NDArray[np.float64]:
    """The variance in each block about a plane, without outliers.

    Of whole numbers most may be equal: then those tell that are not.
    """
    centred = blocks.astype(np.float64) - np.median(blocks, axis=1, keepdims=True)
    usual, wide = np.quantile(np.abs(centred), (0.6827, 0.9545), axis=1)
    kept = np.abs(centred) <= CLIP_SIGMA * np.maximum(usual, wide / 2.0)[:, None]
    centred *= kept
    sums = centred @ _PLANE.T  # of the plane's terms, which are of length 1 and at right angles
    count = np.maximum(kept.sum(axis=1), len(_PLANE) + 1)
    return np.asarray(((centred**2).sum(axis=1) - (sums**2).sum(axis=1)) / (count - len(_PLANE)))


def _plane() -> NDArray[np.float64]:
    along = np.arange(SIDE) - (SIDE - 1) / 2.0
    terms = np.stack([np.ones((SIDE, SIDE)), np.tile(along, (SIDE, 1)), np.tile(along, (SIDE, 1)).T])
    flat = terms.reshape(len(terms), -1)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


_PLANE = _plane()


def _blocks(image: Image, most: int) -> Blocks:
    rows, columns = image.shape[0] // SIDE, image.shape[1] // SIDE
    whole = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    every = max(1, math.ceil(rows * columns * SIDE**2 / most))
    chosen = whole[::every].transpose(0, 2, 1, 3)
    return np.ascontiguousarray(chosen.reshape(-1, SIDE**2), dtype=np.float32)
