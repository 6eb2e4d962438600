"""Parts of frames whose stars are elsewhere than most frames of the field have them, or not as bright.

A chip of a mosaic lies elsewhere than its WCS says, the dome or a cloud with a sharp edge stands before a
part of a frame: maps and flux ratios are smooth and do not follow, and a coadd would hold such stars twice,
or dimmed. So every two frames are compared star by star, seen with one PSF, and place by place the frames
vote: one stays where it agrees with more than half of those that show the place, itself among them. Of two
that differ neither stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import FrameRefused, Image
from pipeline.neighbourhood import blurred
from pipeline.reference.layers import Layer
from pipeline.registration.resample import HOLLOW, inpaint
from pipeline.stellar.stars import FWHM_PER_SIGMA
from pipeline.subtraction.field import NEEDED, fit_field
from pipeline.subtraction.masks import combined_mask
from pipeline.subtraction.unsubtracted import (
    CELL_PX,
    HALO_FWHM,
    LEFT,
    MOST_OF_FRAME,
    SCATTERS,
    SIDE_FWHM,
    Cells,
    Index,
    Values,
    around,
    pixels_of,
    where,
    where_most_are_left,
)

TELLING = 12.0  # errors of its light that a star must have to tell: a part of `LEFT` is no noise then
MOST_STARS = 1500  # of a frame, the brightest
FIT_STARS = 400  # that tell the flux ratio of two frames
WIDER = 1.73  # than the widest PSF is the common one: what PSFs vary over a field is little of it
LEAST_SHARE = 1e-9  # that is no division by zero


@dataclass(frozen=True, slots=True)
class Ballot:
    """What becomes of the layers of a coadd.

    Attributes
    ----------
    kept : list of Layer
        Those that are used, without the parts in which they are outvoted.
    parts : dict
        The names of those with such parts, and a sentence on each.
    refused : dict
        The names of those that are outvoted over more than half of themselves, and why.
    lost : (layers,) float64
        The part of the grid in which each of all layers is left out and others stay.
    """

    kept: list[Layer]
    parts: dict[str, str]
    refused: dict[str, str]
    lost: Values


def vote(layers: Sequence[Layer]) -> Ballot:
    """Leave out of each layer what most others show otherwise.

    Raises
    ------
    FrameRefused
        They differ over more than half of every one.
    """
    shows, apart = np.stack([_shown(layer) for layer in layers]), _apart(layers)
    shares = np.zeros(len(layers))
    refused: dict[str, str] = {}
    sound = list(range(len(layers)))
    while True:
        out = _outvoted(shows[sound], apart[np.ix_(sound, sound)])
        shares[sound] = out.mean(axis=(1, 2)) / np.maximum(shows[sound].mean(axis=(1, 2)), LEAST_SHARE)
        spoilt = [at for at in sound if shares[at] > MOST_OF_FRAME]
        if not spoilt:
            break
        if spoilt == sound:
            raise _none_is_right([layers[at].name for at in sound], float(shares[sound].min()))
        refused |= {layers[at].name: _refusal(float(shares[at])) for at in spoilt}
        sound = [at for at in sound if at not in spoilt]
    kept, parts = [layers[at] for at in sound], {}
    for i, (layer, cells) in enumerate(zip(tuple(kept), out, strict=True)):
        whole = pixels_of(cells, layer.mask.shape)
        part = whole & layer.usable
        if part.any():
            kept[i] = layer.without(whole)
            parts[layer.name] = _told(part, layer, [other.name for other in kept if other.of is not layer.of])
    lost = np.ones(len(layers))
    lost[sound] = (out & (shows[sound] & ~out).any(axis=0)).mean(axis=(1, 2))
    return Ballot(kept, parts, refused, lost)


def _told(part: Cells, layer: Layer, others: Sequence[str]) -> str:
    """A sentence on a part of a frame that is left out."""
    right = "most other frames have them, or not as bright"
    if len(others) == 1:
        right = f"{others[0]} has them, or not as bright, and it takes a third frame to tell which is right"
    return (
        f"{part.sum() / layer.usable.sum():.1%} of it is left out, {where(part, 'the coadd')}: "
        f"the stars there are not where {right}"
    )


def _refusal(share: float) -> str:
    return (
        f"the stars of {share:.1%} of it are not where most other frames have them, or not as bright; "
        f"{MOST_OF_FRAME:.0%} is the most that can be left out"
    )


def _none_is_right(names: Sequence[str], share: float) -> FrameRefused:
    if len(names) == 2:
        said = (
            f"the stars of {names[0]} and {names[1]} are not at the same places, or not as bright, in "
            f"{share:.1%} of the frame: it takes a third frame to tell which is right"
        )
    else:
        said = (
            f"of {len(names)} frames no more than half agree where stars are, or how bright, in {share:.1%} "
            "of the frame: it takes more frames to tell which are right"
        )
    return FrameRefused(said, share, MOST_OF_FRAME)


def _outvoted(shows: NDArray[np.bool_], apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where each layer agrees with no more than half of those that show a place: (layers, rows, columns)."""
    agree = np.stack([np.count_nonzero(shows & ~from_it, axis=0) for from_it in apart])
    return np.asarray(shows & (2 * agree <= np.count_nonzero(shows, axis=0)))


def _shown(layer: Layer) -> Cells:
    """Cells of which a layer shows most."""
    starts = [np.arange(0, side, CELL_PX) for side in layer.mask.shape]
    counts = [np.diff(np.append(start, side)) for start, side in zip(starts, layer.mask.shape, strict=True)]
    down = np.add.reduceat(layer.usable.astype(np.int32), starts[0], axis=0)
    return np.asarray(2 * np.add.reduceat(down, starts[1], axis=1) > np.outer(counts[0], counts[1]))


@dataclass(frozen=True, slots=True)
class _Seen:
    """Stars in one layer, seen with the PSF that is common to all, as fluxes above what surrounds them."""

    light: Image  # (stars, 9): at each, and around it
    noise: Values  # (stars,), of the sky
    known: NDArray[np.bool_]  # (stars,)


def _apart(layers: Sequence[Layer]) -> NDArray[np.bool_]:
    """Where every two layers show the stars otherwise: (layers, layers, rows, columns) of cells."""
    shape = layers[0].mask.shape
    at = [_bright(layer) for layer in layers]
    whose = np.repeat(np.arange(len(layers)), [len(places) for places in at])
    places = np.concatenate(at)
    sigma = WIDER * max(layer.fwhm for layer in layers) / FWHM_PER_SIGMA
    seen = [_seen(layer, places, float(sigma)) for layer in layers]
    cells = tuple(-(-side // CELL_PX) for side in shape)
    apart = np.zeros((len(layers), len(layers), *cells), dtype=bool)
    for one, other in combinations(range(len(layers)), 2):
        which = np.flatnonzero((whose == one) | (whose == other))
        apart[one, other] = apart[other, one] = _differ(seen[one], seen[other], places, which, shape)
    return apart


def _bright(layer: Layer) -> Index:
    """Row and column of the stars of a layer that may tell, (n, 2)."""
    stars = layer.stars
    height, width = layer.mask.shape
    columns, rows = np.rint(stars.x).astype(np.int64), np.rint(stars.y).astype(np.int64)
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    good = np.flatnonzero(inside & (stars.mask == 0) & (stars.flux > TELLING * stars.flux_err))[:MOST_STARS]
    return np.column_stack([rows[good], columns[good]])


def _seen(layer: Layer, places: Index, sigma: float) -> _Seen:
    """What a layer has at some places, blurred to a PSF of a width."""
    blur = float(np.sqrt(sigma**2 - (layer.fwhm / FWHM_PER_SIGMA) ** 2))
    rows, columns = places.T
    flux = blurred(inpaint(layer.signal, (layer.mask & HOLLOW) != 0), blur)
    flux *= np.float32(2.0 * np.pi * sigma**2)
    fwhm = FWHM_PER_SIGMA * sigma
    away = round(HALO_FWHM * fwhm)
    beside = around(flux, rows, columns, max(1, round(SIDE_FWHM * fwhm)))
    light = np.vstack([flux[rows, columns], beside]) - np.median(around(flux, rows, columns, away), axis=0)
    variance = np.median(around(layer.variance, rows, columns, away), axis=0)
    mask = combined_mask(np.where(layer.usable, np.uint16(0), layer.mask), layer.fwhm)
    return _Seen(light.T, np.sqrt(variance * np.pi) * sigma**2 / blur, mask[rows, columns] == 0)


def _differ(one: _Seen, other: _Seen, places: Index, which: Index, shape: tuple[int, ...]) -> Cells:
    """Where the stars of two layers are nearly all left of one when the other is subtracted."""
    which = which[one.known[which] & other.known[which]]
    mine, theirs = one.light[which, 0], other.light[which, 0]
    errors = np.stack([seen.noise[which] / np.maximum(seen.light[which, 0], 1e-9) for seen in (one, other)])
    both = np.flatnonzero((mine > 0) & (theirs > 0) & (errors < 1.0 / TELLING).all(axis=0))
    both = both[np.argsort(-theirs[both], kind="stable")[:FIT_STARS]]
    if len(both) < NEEDED:
        return np.zeros([-(-side // CELL_PX) for side in shape], dtype=bool)
    y, x = places[which].T.astype(np.float64)
    fitted = fit_field(
        x[both], y[both], np.log(mine[both] / theirs[both]), np.hypot(*errors[:, both]), (shape[0], shape[1])
    )
    ratio = np.exp(fitted.field.at(x, y))
    left = np.abs(one.light[which] / ratio[:, None] - other.light[which]).max(axis=1)
    light = np.maximum(mine / ratio, theirs)
    tells = light > TELLING * np.hypot(one.noise[which] / ratio, other.noise[which])
    part = max(LEFT, SCATTERS * fitted.scatter)
    return where_most_are_left(places[which][tells], left[tells] > part * light[tells], shape)
