"""A frame's stars beside a catalogue's: its zeropoint, and how well its WCS fits the sky.

Unless it is asked for, no colour term is fitted. A zeropoint is of the catalogue's band as it is: for a
filter of the same name, or for a frame without a filter; stars of other colours than the mean are off by
what a colour term would take out, which widens the scatter that is told. With a colour term the zeropoint
is that of a source of colour 0 in the catalogue's system of magnitudes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.spatial import KDTree

from core.catalogs.library import Catalog, Library
from core.catalogs.zones import MAS_PER_DEG
from core.epochs import J2000_MJD
from core.objects.sphere import separation_deg
from core.text import beside
from core.vocabulary import COLOUR_TERM, MaskPlane
from pipeline.frame import Frame, PsfModel, Stars
from pipeline.known.bands import band_of
from pipeline.known.colour_term import colour_of
from pipeline.known.colour_term import fit as fitted
from pipeline.known.reference_sources import enclosed
from pipeline.quantile import MAD_TO_SIGMA
from pipeline.stellar.moffat import APERTURE, beta_of, share
from pipeline.stellar.stars import stellar_fwhm

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

SEARCH_ARCSEC = 60.0  # how far off a WCS may be and still be recognised
BRIGHTEST = 3000  # stars of the catalogue that are used
VOTERS = 200  # brightest stars of the frame that find the offset
LEAST = 5  # matched stars that say anything
LEAST_SHARE = 0.2  # of the voters that must agree, or it is chance
ALONE = 3.5  # in FWHM: no neighbour but those so much fainter
NEGLIGIBLE_MAG = 4.0


@dataclass(frozen=True, slots=True)
class Zeropoint:
    """What a catalogue says of a frame's brightness.

    Attributes
    ----------
    value : float
        The magnitude of one electron.
    scatter : float
        Robust standard deviation of one star, magnitudes.
    n_stars : int
    catalog, band : str
    mag_system : str or None
    colour_term : float or None
        Magnitudes a magnitude of `colour`; none was fitted where it is none.
    colour : str or None
        Such as ``g-r``.
    """

    value: float
    scatter: float
    n_stars: int
    catalog: str
    band: str
    mag_system: str | None
    colour_term: float | None = None
    colour: str | None = None

    @property
    def origin(self) -> str:
        """The catalogue and its band, and the colour term if there is one."""
        told = f"{self.catalog} {self.band}"
        if self.colour_term is None:
            return told
        return f"{told}, {COLOUR_TERM} {self.colour_term:+.3f} of {self.colour}"


@dataclass(frozen=True, slots=True)
class Astrometry:
    """Where a frame's stars are by its WCS, less where a catalogue has them.

    Attributes
    ----------
    dra_arcsec, ddec_arcsec : float or None
        Medians, towards east and north; none where no star could be matched.
    rms_arcsec : float or None
        Of single stars about them, per axis.
    n_stars : int
        Matched; 0 of a WCS that is far off, or of another field.
    n_expected : int
        Bright stars that could have been.
    """

    dra_arcsec: float | None
    ddec_arcsec: float | None
    rms_arcsec: float | None
    n_stars: int
    n_expected: int
    catalog: str

    @property
    def offset_arcsec(self) -> float | None:
        """The length of the offset."""
        if self.dra_arcsec is None or self.ddec_arcsec is None:
            return None
        return math.hypot(self.dra_arcsec, self.ddec_arcsec)

    def complaint(self, most_arcsec: float) -> str | None:
        """What is wrong with the WCS, in one sentence; none where nothing is."""
        offset = self.offset_arcsec
        if offset is None:
            return (
                f"its WCS does not fit the sky: none of its {self.n_expected} bright stars is within "
                f"{SEARCH_ARCSEC:.0f} arcsec of one of {self.catalog} in any common direction"
            )
        if offset <= most_arcsec:
            return None
        return (
            f"its WCS is off by {beside(offset, most_arcsec)} arcsec ({self.dra_arcsec:+.1f} east, "
            f"{self.ddec_arcsec:+.1f} north) by {self.n_stars} stars of {self.catalog}; "
            f"{most_arcsec:g} are allowed"
        )


@dataclass(frozen=True, slots=True)
class FieldStars:
    """What the catalogues say of a frame; none where they cannot."""

    astrometry: Astrometry | None = None
    zeropoint: Zeropoint | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """Stars of a catalogue in a frame, brightest first: degrees, pixels, and magnitudes of one band."""

    ra: Values
    dec: Values
    x: Values
    y: Values
    mag: Values
    colour: Values | None = None  # where it was asked for, and the catalogue has another band

    def take(self, which: Whole) -> _Known:
        """Some of them."""
        colour = None if self.colour is None else self.colour[which]
        ra, dec, x, y, mag = (each[which] for each in (self.ra, self.dec, self.x, self.y, self.mag))
        return _Known(ra, dec, x, y, mag, colour)


def compare(
    frame: Frame,
    stars: Stars,
    library: Library,
    psf: PsfModel | None = None,
    *,
    colour_term: bool = False,
) -> FieldStars:
    """Compare a frame with the star catalogue that has most to say of it.

    Parameters
    ----------
    frame : Frame
    stars : Stars
        Of the frame.
    library : Library
    psf : PsfModel, optional
        Of the frame. With it a star's flux is that of a PSF fit; without, what a wide aperture holds.
    colour_term : bool
        Fit one, where the catalogue has a second band and its stars tell it.
    """
    if frame.wcs is None or len(stars) < LEAST:
        return FieldStars()
    found: list[tuple[int, FieldStars]] = []
    for catalog in library.catalogs("stars"):
        band = band_of(frame.exposure.filter, catalog.bands)
        colour = colour_of(band, catalog.bands) if colour_term and band is not None else None
        known = _in_frame(frame, catalog, band or (catalog.bands[0] if catalog.bands else None), colour)
        if known is None or len(known.x) < LEAST:
            continue
        here, there, astrometry = _matched(frame, stars, known, catalog)
        zeropoint = None
        if band is not None and len(here) >= LEAST:
            lonely = _lonely(known, there, stellar_fwhm(stars))
            zeropoint = _zeropoint(
                frame, stars.take(here[lonely]), known.take(there[lonely]), psf, catalog, band, colour
            )
        found.append((astrometry.n_stars, FieldStars(astrometry, zeropoint)))
    return max(found, key=lambda each: (each[1].zeropoint is not None, each[0]), default=(0, FieldStars()))[1]


def _in_frame(
    frame: Frame, catalog: Catalog, band: str | None, colour: tuple[str, str] | None
) -> _Known | None:
    """The brightest stars of a catalogue within a frame."""
    if frame.wcs is None:
        return None
    height, width = frame.shape
    corners = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [-0.5, height - 0.5], [width - 0.5, height - 0.5]])
    middle = [[(width - 1) / 2.0, (height - 1) / 2.0]]
    sky = frame.wcs.all_pix2world(np.concatenate([middle, corners]), 0)
    if not np.isfinite(sky).all():
        return None
    radius = float(separation_deg(sky[1:, 0], sky[1:, 1], sky[0, 0], sky[0, 1]).max())
    years = catalog.years_to(np.array([frame.exposure.mjd or J2000_MJD]))
    ra, dec, mag, colours = [], [], [], []
    for part in catalog.parts:
        reach = radius + part.motion_mas * abs(float(years[0])) / MAS_PER_DEG
        for _, rows in part.table.pairs(sky[:1, 0], sky[:1, 1], np.array([reach])):
            brightness = part.table.values(f"mag_{band}", rows)
            chosen = rows[np.argsort(brightness, kind="stable")[: 4 * BRIGHTEST]]
            places = part.table.places(chosen, np.full(len(chosen), years[0]))
            ra.append(np.degrees(np.arctan2(places[:, 1], places[:, 0])) % 360.0)
            dec.append(np.degrees(np.arcsin(np.clip(places[:, 2], -1.0, 1.0))))
            mag.append(part.table.values(f"mag_{band}", chosen))
            if colour is not None:
                blue, red = (part.table.values(f"mag_{each}", chosen) for each in colour)
                colours.append(blue - red)
    if not ra:
        return None
    all_ra, all_dec, all_mag = (np.concatenate(each) for each in (ra, dec, mag))
    x, y = frame.wcs.all_world2pix(np.column_stack([all_ra, all_dec]), 0, quiet=True).T
    margin = SEARCH_ARCSEC / (frame.pixel_scale or 1.0)
    inside = (x > -margin) & (x < width + margin) & (y > -margin) & (y < height + margin)
    order = np.flatnonzero(inside)
    order = order[np.argsort(all_mag[order], kind="stable")][:BRIGHTEST]
    all_colours = np.concatenate(colours)[order] if colours else None
    return _Known(all_ra[order], all_dec[order], x[order], y[order], all_mag[order], all_colours)


def _matched(frame: Frame, stars: Stars, known: _Known, catalog: Catalog) -> tuple[Whole, Whole, Astrometry]:
    """Pairs of stars (indices here and there), and what they say of the WCS."""
    usable = (stars.mask & ~np.int64(MaskPlane.SATURATED) == 0) & (stars.flux > 10.0 * stars.flux_err)
    mine = np.flatnonzero(usable)
    voters = mine[:VOTERS]
    none = np.zeros(0, dtype=np.int64)
    nothing = Astrometry(None, None, None, 0, len(voters), catalog.name)
    if len(voters) < LEAST or frame.wcs is None:
        return none, none, nothing
    scale = frame.pixel_scale or 1.0
    tolerance = max(stellar_fwhm(stars), 2.0)
    shift = _offset(stars.x[voters], stars.y[voters], known, SEARCH_ARCSEC / scale, tolerance)
    if shift is None:
        return none, none, nothing
    tree = KDTree(np.column_stack([known.x, known.y]))
    here = there = none
    for _ in range(3):  # the first offset is as coarse as its bins
        places = np.column_stack([stars.x[mine], stars.y[mine]]) - shift
        distance, nearest = tree.query(places, distance_upper_bound=tolerance)
        near = np.flatnonzero(np.isfinite(distance))
        if len(near) < LEAST:
            return none, none, nothing
        here, there = _one_to_one(mine[near], nearest[near], distance[near])
        shift = np.array(
            [np.median(stars.x[here] - known.x[there]), np.median(stars.y[here] - known.y[there])]
        )
    sky = frame.wcs.all_pix2world(np.column_stack([stars.x[here], stars.y[here]]), 0)
    east = ((sky[:, 0] - known.ra[there] + 180.0) % 360.0 - 180.0) * np.cos(np.radians(known.dec[there]))
    north = sky[:, 1] - known.dec[there]
    dra, ddec = (float(np.median(each)) * 3600.0 for each in (east, north))
    spread = [_robust_sigma(each) * 3600.0 for each in (east, north)]
    rms = math.sqrt(0.5 * (spread[0] ** 2 + spread[1] ** 2))
    return here, there, Astrometry(dra, ddec, rms, len(here), len(voters), catalog.name)


def _offset(x: Values, y: Values, known: _Known, most_px: float, bin_px: float) -> Values | None:
    """The shift that most pairs of stars agree on, where that is no chance."""
    dx = (x[:, None] - known.x[None, :]).ravel()
    dy = (y[:, None] - known.y[None, :]).ravel()
    near = (np.abs(dx) <= most_px) & (np.abs(dy) <= most_px)
    dx, dy = dx[near], dy[near]
    bins = max(int(2 * most_px / bin_px), 3)
    votes, edges, _ = np.histogram2d(dx, dy, bins=bins, range=[[-most_px, most_px]] * 2)
    padded = np.pad(votes, 1)
    summed = sum(padded[i : i + bins, j : j + bins] for i in range(3) for j in range(3))
    best = np.unravel_index(int(np.argmax(summed)), votes.shape)
    chance = float(np.mean(summed))
    agree = float(summed[best])  # type: ignore[index]
    least = max(LEAST, chance + 6.0 * math.sqrt(chance + 1.0), LEAST_SHARE * min(len(x), len(known.x)))
    if agree < least:
        return None
    width = edges[1] - edges[0]
    middle = edges[:-1] + width / 2.0
    close = (np.abs(dx - middle[best[0]]) < 1.5 * width) & (np.abs(dy - middle[best[1]]) < 1.5 * width)
    return np.array([np.median(dx[close]), np.median(dy[close])])


def _one_to_one(here: Whole, there: Whole, distance: Values) -> tuple[Whole, Whole]:
    """Pairs in which each star there is the partner of its nearest one here alone."""
    order = np.argsort(distance, kind="stable")
    _, first = np.unique(there[order], return_index=True)
    kept = np.sort(order[first])
    return here[kept], there[kept]


def _lonely(known: _Known, which: Whole, fwhm: float) -> NDArray[np.bool_]:
    """Stars without a neighbour whose light would be taken for theirs; all, where few are so."""
    places = np.column_stack([known.x, known.y])
    pairs = KDTree(places).query_pairs(ALONE * fwhm, output_type="ndarray")
    crowded = np.zeros(len(places), dtype=bool)
    for one, other in ((0, 1), (1, 0)):
        fainter = known.mag[pairs[:, other]] - known.mag[pairs[:, one]]
        crowded[pairs[~(fainter > NEGLIGIBLE_MAG), one]] = True
    alone: NDArray[np.bool_] = ~crowded[which]
    return alone if np.count_nonzero(alone) >= 2 * LEAST else np.ones(len(which), dtype=bool)


def _zeropoint(
    frame: Frame,
    stars: Stars,
    known: _Known,
    psf: PsfModel | None,
    catalog: Catalog,
    band: str,
    colour: tuple[str, str] | None,
) -> Zeropoint | None:
    """The magnitude of one electron by stars that are fit to tell it."""
    fit = (stars.mask == 0) & (stars.flux > 20.0 * stars.flux_err) & np.isfinite(known.mag)
    light = all_light(frame, stars, psf)
    fit &= np.isfinite(light) & (light > 0)
    if np.count_nonzero(fit) < LEAST:
        return None
    values = known.mag[fit] + 2.5 * np.log10(light[fit])
    of = (catalog.name, band, catalog.mag_system)
    if colour is not None and known.colour is not None:
        line = fitted(values, known.colour[fit])
        if line is not None:
            return Zeropoint(line.value, line.scatter, line.n_stars, *of, line.term, "-".join(colour))
    for _ in range(5):
        middle, spread = float(np.median(values)), max(_robust_sigma(values), 0.005)
        kept = values[np.abs(values - middle) < 3.0 * spread]
        if len(kept) == len(values) or len(kept) < LEAST:
            break
        values = kept
    value, scatter = float(np.median(values)), _robust_sigma(values)
    return Zeropoint(value, scatter, len(values), *of)


def all_light(frame: Frame, stars: Stars, psf: PsfModel | None) -> Values:
    """Electrons of stars with all their light: an aperture's, over the share of light in it.

    The share is that of the PSF, or, without one, of the Moffat profile that bright and lonely stars have by
    two apertures.
    """
    fwhm = psf.fwhm if psf is not None else stellar_fwhm(stars)
    signal = np.ascontiguousarray(frame.signal)
    light, _, _ = sep.sum_circle(signal, stars.x, stars.y, APERTURE * fwhm, subpix=5)
    if psf is not None:
        held = enclosed(psf.at((psf.shape[1] - 1) / 2.0, (psf.shape[0] - 1) / 2.0), APERTURE * fwhm)
        return np.asarray(light / held)
    beta = beta_of(frame, stars, fwhm)
    return np.full(len(stars), np.nan) if beta is None else np.asarray(light / share(beta))


def _robust_sigma(values: Values) -> float:
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
