"""Pairs of the same stars in two images, and the map that they agree on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from core.vocabulary import MaskPlane
from pipeline.frame import Stars
from pipeline.registration.local import fit_local
from pipeline.registration.pixel_map import PixelMap, term_powers
from pipeline.registration.residual import Region, by_region, excess, mean_square, root
from pipeline.stellar.stars import FWHM_PER_SIGMA

Values = NDArray[np.float64]
Pairs = tuple[Values, Values, Values, Values]  # x, y in the reference; x, y in the new frame

MATCHED_STARS = 600  # of each image, the brightest: more add time and no accuracy
SEARCH_PX = 40.0  # how far a first map may be shifted
TOLD_MASKED = 0.2  # of the stars
MOST_MASKED = 0.5  # of the stars: where more have bad pixels, these are matched too
TOO_MASKED = 0.85  # of the stars
HOLES = MaskPlane.BAD | MaskPlane.COSMIC_RAY | MaskPlane.INTERPOLATED
PIERCED_FWHM = 0.1  # how far bad pixels move a centroid, in FWHM
NEIGHBOUR_FWHM = 0.015  # by which a neighbour moves the centroids of a few stars, in FWHM
CENTROID_FLOOR_PX = 0.01  # no centroid is better, by pixels and optics
PAIRS_PER_TERM = 8  # of a map that is not affine
GREW = 1.1  # times as many pairs as before: then a map that is not affine may reach more still


@dataclass(frozen=True, slots=True)
class Match:
    """A map found from pairs of stars.

    Attributes
    ----------
    to_new : PixelMap
        From the reference's pixels to the new frame's.
    rms_px : float
        Of one perfect star, per axis, in reference pixels: centroid noise is taken off.
    n_matched : int
        Pairs that fit.
    share : float
        Of the bright stars that should have a partner, those that do.
    scatter_px : float
        What `rms_px` is before the noise is taken off.
    regions : tuple of Region
        The same by parts of the reference; empty where nobody asked.
    """

    to_new: PixelMap
    rms_px: float
    n_matched: int
    share: float
    scatter_px: float = float("nan")
    regions: tuple[Region, ...] = ()


class StarList:
    """The brightest sound stars of an image, with the noise of their centroids.

    Where most stars have a bad pixel, as with many that are scattered, those serve too: a centroid without
    one pixel is less certain, but not lost. Where nearly all have, too few are left to know the
    point-spread function by, so a match would lead astray. ``n_masked`` of all stars have masked pixels;
    ``pierced`` says that such serve.
    """

    def __init__(self, stars: Stars, fwhm: float) -> None:
        whole = (stars.mask & ~MaskPlane.SATURATED) == 0
        self.n_masked, self.n_all = int(np.count_nonzero(~whole)), len(whole)
        self.pierced = MOST_MASKED * self.n_all < self.n_masked < TOO_MASKED * self.n_all
        if self.pierced:
            whole = (stars.mask & ~(MaskPlane.SATURATED | HOLES)) == 0
        sound = stars.take(np.flatnonzero(whole)[:MATCHED_STARS])
        self.x, self.y, self.flux = sound.x, sound.y, sound.flux
        self.fwhm = fwhm
        self.noise = np.hypot(fwhm / FWHM_PER_SIGMA * sound.flux_err / sound.flux, CENTROID_FLOOR_PX)
        pierced = (sound.mask & HOLES) != 0  # none where whole ones serve
        self.noise[pierced] = np.hypot(self.noise[pierced], PIERCED_FWHM * fwhm)
        # The flat top of a saturated star says little of its centre.
        self.noise[(sound.mask & MaskPlane.SATURATED) != 0] = 0.5 * fwhm

    def __len__(self) -> int:
        return len(self.x)

    @property
    def told_masked(self) -> str:
        """How many stars have masked pixels, to go after the reason of a refusal; nothing where few have."""
        if self.n_masked <= TOLD_MASKED * self.n_all:
            return ""
        return f" ({self.n_masked} of {self.n_all} stars of the frame have masked pixels)"

    @property
    def places(self) -> Values:
        """The stars as points: (n, 2)."""
        return np.column_stack([self.x, self.y])


def match_stars(
    first: PixelMap, new: StarList, reference: StarList, new_shape: tuple[int, int]
) -> Match | None:
    """Correct a map by the stars of both images that it brings together, and judge it by them."""
    found = _shifted_by_vote(first, new, reference)
    tree = cKDTree(new.places)
    tolerance = _tolerance(first, new, reference)
    for radius in (4.0 * tolerance, 2.0 * tolerance, tolerance, tolerance):
        mine, other = _partners(found, tree, reference, radius)
        if len(mine) < 4:
            return None
        pairs, noise = _paired(first, new, reference, mine, other)
        found, keep = _corrected(found, pairs, noise)
    bent, count = _bent(found, _take(pairs, keep), noise[keep]), 0
    # The stars that distortion carried farthest were no partners of the affine map, nor are those beyond the
    # reach of the first polynomial: as it learns of more, it leads to more. One of a higher degree would lead
    # astray there, so that it is tried when no more are found.
    while bent.degree > found.degree:
        mine, other = _partners(bent, tree, reference, tolerance)
        pairs, noise = _paired(first, new, reference, mine, other)
        sigma = np.hypot(noise, max(root(excess(misfit(bent, pairs), noise, 0)), 0.02))
        keep = np.abs(misfit(bent, pairs)).max(axis=0) < 4.0 * sigma
        weights = 1.0 / (noise[keep] ** 2 + 0.02**2)
        bent = PixelMap.fit(*_take(pairs, keep), bent.shape, bent.degree, weights)
        if (now := int(np.count_nonzero(keep))) > GREW * count:
            count = now
            continue
        higher = _bent(bent, _take(pairs, keep), noise[keep])
        if higher.degree == bent.degree:
            break
        bent = higher
    found, mine, other, noise = bent, mine[keep], other[keep], noise[keep]
    pairs = _take(pairs, keep)
    known = _known(new, reference)
    n_terms, scale = len(term_powers(found.degree)), float(np.sqrt(abs(found.area)))
    return Match(
        to_new=found,
        rms_px=root(excess(misfit(found, pairs), noise, n_terms, known)) / scale,
        n_matched=len(mine),
        share=_share(found, mine, other, reference, new, new_shape),
        scatter_px=root(excess(misfit(found, pairs), noise, n_terms, known=0.0)) / scale,
    )


def with_local(match: Match, new: StarList, reference: StarList) -> Match:
    """The same, its map following what single stars show of local shifts where they agree on these.

    Its ``rms_px`` and ``scatter_px``, and those of its regions, are then those of stars that the map has not
    seen.
    """
    found = match.to_new
    scale, known = float(np.sqrt(abs(found.area))), _known(new, reference)
    pairs, noise = _all_pairs(found, new, reference)
    scatter = match.rms_px * scale
    keep = np.abs(misfit(found, pairs)).max(axis=0) < 4.0 * np.hypot(noise, max(scatter, 0.02))
    places, noise = _take(pairs, keep)[:2], np.hypot(noise, NEIGHBOUR_FWHM * new.fwhm)
    fitted = fit_local(*places, misfit(found, pairs)[:, keep], noise[keep], scatter, found.shape)
    if fitted is None:
        return with_regions(match, new, reference)
    local, unseen = fitted
    followed = replace(
        match,
        to_new=replace(found, local=local),
        rms_px=root(excess(unseen, noise[keep], 0, known)) / scale,
        scatter_px=root(excess(unseen, noise[keep], 0, known=0.0)) / scale,
    )
    off = misfit(followed.to_new, pairs)
    off[:, keep] = unseen
    return _in_regions(followed, pairs, off, noise, known)


def with_regions(match: Match, new: StarList, reference: StarList) -> Match:
    """The same with its residuals region by region."""
    pairs, noise = _all_pairs(match.to_new, new, reference)
    return _in_regions(match, pairs, misfit(match.to_new, pairs), noise, _known(new, reference))


def _in_regions(match: Match, pairs: Pairs, off: Values, noise: Values, known: float) -> Match:
    scale, shape = float(np.sqrt(abs(match.to_new.area))), match.to_new.shape
    frame = match.rms_px, match.scatter_px
    return replace(match, regions=by_region(*pairs[:2], off / scale, noise / scale, shape, frame, known))


def _all_pairs(found: PixelMap, new: StarList, reference: StarList) -> tuple[Pairs, Values]:
    """All stars that a map brings together, and the noise of their distances in the new frame's pixels."""
    mine, other = _partners(found, cKDTree(new.places), reference, _tolerance(found, new, reference))
    return _paired(found, new, reference, mine, other)


def _tolerance(found: PixelMap, new: StarList, reference: StarList) -> float:
    """How far a star may be from where its partner is expected."""
    # Centroids of a broad star wander farther than those of a sharp one.
    return max(1.0, 0.5 * max(new.fwhm, reference.fwhm * float(np.sqrt(abs(found.area)))))


def _known(new: StarList, reference: StarList) -> float:
    """The part of the noise of centroids that is one: that of pierced stars is a guess."""
    return 0.0 if new.pierced or reference.pierced else 1.0


def _paired(
    found: PixelMap,
    new: StarList,
    reference: StarList,
    mine: NDArray[np.int64],
    other: NDArray[np.int64],
) -> tuple[Pairs, Values]:
    """Places of partners, and the noise of their distances in the new frame's pixels."""
    noise = np.hypot(new.noise[other], reference.noise[mine] * np.sqrt(abs(found.area)))
    return (reference.x[mine], reference.y[mine], new.x[other], new.y[other]), noise


def misfit(found: PixelMap, pairs: Pairs) -> Values:
    """Residuals of a map in the new frame's pixels: (2, n)."""
    return np.stack(pairs[2:]) - np.stack(found(*pairs[:2]))


def _take(pairs: Pairs, which: NDArray[np.bool_]) -> Pairs:
    x, y, to_x, to_y = pairs
    return x[which], y[which], to_x[which], to_y[which]


def _shifted_by_vote(first: PixelMap, new: StarList, reference: StarList) -> PixelMap:
    """A map moved by the shift that most pairs of bright stars agree on."""
    mapped = np.stack(first(reference.x[:150], reference.y[:150]), axis=1)
    offsets = (new.places[None, :150] - mapped[:, None]).reshape(-1, 2)
    offsets = offsets[np.abs(offsets).max(axis=1) < SEARCH_PX]
    edges = np.arange(-SEARCH_PX, SEARCH_PX + 2.0, 2.0)
    votes, _, _ = np.histogram2d(offsets[:, 0], offsets[:, 1], bins=(edges, edges))
    votes = ndimage.uniform_filter(votes, 3, mode="constant") * 9.0
    expected = votes.mean()
    if votes.max() < max(3.0, expected + 5.0 * np.sqrt(expected)):
        return first
    peak = np.array(np.unravel_index(votes.argmax(), votes.shape)) * 2.0 - SEARCH_PX + 1.0
    agreed = offsets[np.abs(offsets - peak).max(axis=1) <= 3.0]
    return first.then(np.column_stack([np.eye(2), np.median(agreed, axis=0)]))


def _partners(
    found: PixelMap, tree: cKDTree, reference: StarList, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of reference stars and of the new stars nearest to them, each used once."""
    mapped = np.stack(found(reference.x, reference.y), axis=1)
    distance, nearest = tree.query(mapped, distance_upper_bound=radius)
    near = np.flatnonzero(np.isfinite(distance))
    near = near[np.argsort(distance[near], kind="stable")]
    _, once = np.unique(nearest[near], return_index=True)
    mine = np.sort(near[once])
    return mine, nearest[mine]


def _corrected(found: PixelMap, pairs: Pairs, noise: Values) -> tuple[PixelMap, NDArray[np.bool_]]:
    """A map followed by the affine correction that its pairs ask for, and which of them fit."""
    x, y = found(*pairs[:2])
    design = np.column_stack([x, y, np.ones_like(x)])
    target = np.column_stack(pairs[2:])
    # The start is a common shift: a bright defect that moves with the detector, not with the sky, would
    # bend a fit through everything towards itself.
    offset = target - design[:, :2]
    offset -= np.median(offset, axis=0)
    spread = np.median(np.abs(offset), axis=0) / 0.6745
    keep = (np.abs(offset) < 3.0 * np.maximum(spread, 0.3)).all(axis=1)
    if np.count_nonzero(keep) < 4:
        keep[:] = True
    scatter = float(np.sqrt(np.mean(spread**2)))
    for _ in range(8):
        weight = 1.0 / np.hypot(noise, scatter)[keep, None]
        solution = np.linalg.lstsq(design[keep] * weight, target[keep] * weight, rcond=None)[0]
        residual = target - design @ solution
        scatter = root(excess(residual[keep].T, noise[keep], 3))
        sigma = np.hypot(noise, max(scatter, 0.02))
        fits = np.abs(residual).max(axis=1) < 4.0 * sigma
        if np.count_nonzero(fits) < 4 or np.array_equal(fits, keep):
            break
        keep = fits
    return found.then(np.asarray(solution.T, dtype=np.float64)), keep


def _bent(found: PixelMap, pairs: Pairs, noise: Values) -> PixelMap:
    """A polynomial through the pairs where it predicts stars it has not seen clearly better.

    Half of the pairs tell of the other half, both ways.
    """
    half = np.arange(len(noise)) % 2 == 0
    weights = 1.0 / (noise**2 + 0.02**2)

    def unseen(degree: int) -> float:
        squares = []
        for learn in (half, ~half):
            trial = PixelMap.fit(*_take(pairs, learn), found.shape, degree, weights[learn])
            squares.append(misfit(trial, _take(pairs, ~learn)) ** 2 * weights[~learn])
        return float(np.sqrt(mean_square(np.concatenate(squares, axis=1))))

    best, error = found, 0.85 * float(np.sqrt(mean_square(misfit(found, pairs) ** 2 * weights)))
    for degree in range(found.degree + 1, 4):
        if len(noise) < PAIRS_PER_TERM * len(term_powers(degree)):
            break
        if (trial := unseen(degree)) < error:
            best, error = PixelMap.fit(*pairs, found.shape, degree, weights), 0.85 * trial
    return best


def _share(
    found: PixelMap,
    mine: NDArray[np.int64],
    other: NDArray[np.int64],
    reference: StarList,
    new: StarList,
    new_shape: tuple[int, int],
) -> float:
    """The part with a partner of the 60 brightest stars of each image that lie on the other one."""
    shares = []
    forward = found(reference.x, reference.y)
    backward = found.inverse(new.x, new.y)
    for places, shape, matched in ((forward, new_shape, mine), (backward, found.shape, other)):
        x, y = places
        inside = np.flatnonzero((x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0]))[:60]
        if inside.size:
            shares.append(float(np.isin(inside, matched).mean()))
    return float(np.mean(shares)) if shares else 0.0
