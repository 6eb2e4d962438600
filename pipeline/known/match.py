"""What is known at some positions: every catalogue is asked once for all of them together.

Each kind gives one of three answers: a match, none, or that nobody knows. None is said only where a
catalogue has looked; where no catalogue of the kind covers a position its answer is unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.catalogs.library import Catalog, CatalogError, Library, Part
from core.catalogs.near import names, rounded
from core.catalogs.zones import MAS_PER_DEG
from core.objects.sphere import separation_deg
from core.settings import Settings
from core.settings_sections import CatalogSettings
from core.surveys.sites import ATLAS, SITES, Site
from pipeline.known.discovery import written
from pipeline.known.small_bodies import small_bodies

log = logging.getLogger(__name__)

Values = NDArray[np.float64]
Whole = NDArray[np.int64]
Answer = dict[str, Any]

# What is answered, and the catalogues that know.
KINDS = {"star": "stars", "variable": "variables", "galaxy": "galaxies", "transient": "transients"}
BODIES = "solar_system"
EXTRAS = {"variable": ("period",), "galaxy": ("redshift",), "transient": ("redshift",)}
ARCSEC = 3600.0
WAY = 2  # in which answers are found: another number where they change, so that stored ones are found anew


@dataclass(frozen=True)
class KnownSky:
    """The catalogues of this machine, and how far a match may be."""

    library: Library
    limits: CatalogSettings
    site: Site | None = None  # of our own frames, degrees north and east

    @classmethod
    def of(cls, settings: Settings) -> KnownSky:
        """The known sky of the settings in force."""
        return cls(_library(settings.home), settings.catalogs, settings.site.position or None)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is answered of every position."""
        return (*KINDS, BODIES)

    @property
    def state(self) -> str:
        """A hash of all that decides an answer: answers of the same state are the same."""
        return self.library.state(
            WAY, self.limits.model_dump(mode="json", exclude={"colour_term"}), self.site, SITES, ATLAS
        )

    def match(
        self, ra: Values, dec: Values, mjd: Values, sites: Sequence[Site | None] | None = None
    ) -> list[dict[str, Answer]]:
        """What is known at each position at its time.

        Parameters
        ----------
        ra, dec : (n,) float64
            Degrees, ICRS.
        mjd : (n,) float64
            UTC.
        sites : sequence of (float, float) or None, optional
            Where each was seen from, none where that is not known; our own frames' where it is not given.

        Returns
        -------
        list of dict
            For each position an answer to each of `kinds`. ``status`` is ``match``, ``none`` or
            ``unknown``. A match has ``catalog``, ``epoch`` (of the catalogue, Julian years or none),
            ``distance_arcsec``, ``name``, ``mag`` and ``band``, and more by kind: ``type`` and ``period``
            of a variable; ``type``, ``redshift`` and ``discovered`` (a date) of a transient; ``redshift`` and
            ``sizes`` of a galaxy, its distance over its own size in that
            direction (none where it has no size); ``uncertainty_arcsec`` (none of comets) and ``days`` since
            its orbit's epoch of a body of the solar system. None has the catalogue that looked, its epoch
            and how far it looked; unknown has a ``reason``.
        """
        ra, dec, mjd = (np.asarray(each, dtype=np.float64).ravel() for each in (ra, dec, mjd))
        seen_from = [self.site] * len(ra) if sites is None else sites
        by_kind = {kind: self._answers(kind, ra, dec, mjd, seen_from) for kind in self.kinds}
        return [dict(zip(by_kind, answers, strict=True)) for answers in zip(*by_kind.values(), strict=True)]

    def _answers(
        self, kind: str, ra: Values, dec: Values, mjd: Values, sites: Sequence[Site | None]
    ) -> list[Answer]:
        plural = "orbits" if kind == BODIES else KINDS[kind]
        try:
            catalogs = self.library.catalogs(plural)
            if not catalogs:
                return [_unknown(f"no catalogue of {plural}")] * len(ra)
            if kind == BODIES:
                return self._bodies(catalogs, ra, dec, mjd, sites)
            return self._matched(kind, catalogs, ra, dec, mjd)
        except (CatalogError, OSError, ValueError) as error:
            log.warning("the catalogues of %s cannot be asked: %s", plural, error)
            return [_unknown(f"the catalogues of {plural} cannot be read")] * len(ra)

    def _bodies(
        self,
        catalogs: Sequence[Catalog],
        ra: Values,
        dec: Values,
        mjd: Values,
        sites: Sequence[Site | None],
    ) -> list[Answer]:
        """Small bodies of the solar system, as each site sees them."""
        nones = [_none(each, {"within_arcsec": self.limits.solar_arcsec}) for each in catalogs]
        answers: list[Answer] = [{}] * len(ra)
        for site in set(sites):
            here = np.array([point for point, each in enumerate(sites) if each == site])
            told = [
                small_bodies(catalog.folder, catalog.name, catalog.epoch).matches(
                    ra[here], dec[here], mjd[here], self.limits.solar_arcsec, site
                )
                for catalog in catalogs
            ]
            for point, each in zip(here, zip(*told, strict=True), strict=True):
                answers[point] = _nearest(each, nones)
        return answers

    def _matched(
        self, kind: str, catalogs: Sequence[Catalog], ra: Values, dec: Values, mjd: Values
    ) -> list[Answer]:
        answers: list[Answer | None] = [None] * len(ra)
        best = np.full(len(ra), np.inf)
        for catalog in catalogs:
            for part in catalog.parts:
                for found in self._found(kind, catalog, part, ra, dec, mjd):
                    better = np.flatnonzero((found.rows >= 0) & (found.rank < best))
                    best[better] = found.rank[better]
                    for point, answer in zip(better, found.told(kind, catalog, better), strict=True):
                        answers[point] = answer
        nobody = _unknown(f"no catalogue of {KINDS[kind]} covers this place")
        for catalog in catalogs:
            looked = catalog.coverage.covers(ra, dec)
            none = _none(catalog, self._reach(kind, catalog))
            for point in np.flatnonzero(looked):
                if answers[point] is None:
                    answers[point] = none
        return [nobody if answer is None else answer for answer in answers]

    def _found(
        self, kind: str, catalog: Catalog, part: Part, ra: Values, dec: Values, mjd: Values
    ) -> list[_Found]:
        if kind == "galaxy":
            return _hosts(part, ra, dec, self.limits.galaxy_sizes, self.limits.galaxy_arcsec / ARCSEC)
        radius = self._reach(kind, catalog)["within_arcsec"]
        years = catalog.years_to(mjd)
        drift = part.motion_mas * float(np.abs(years).max(initial=0.0)) / MAS_PER_DEG
        rows, distance = part.table.nearest(ra, dec, radius / ARCSEC, years, drift)
        return [_Found(part, rows, distance, distance)]

    def _reach(self, kind: str, catalog: Catalog) -> dict[str, float]:
        """How far a match in a catalogue may be."""
        if kind == "galaxy" and any(part.size_arcsec > 0.0 for part in catalog.parts):
            return {"within_sizes": self.limits.galaxy_sizes}
        return {"within_arcsec": getattr(self.limits, f"{kind}_arcsec")}


@lru_cache(maxsize=2)
def _library(home: Path) -> Library:
    """One a process: what it has opened stays open."""
    return Library(home)


@dataclass(frozen=True, slots=True)
class _Found:
    """What one table has for each point: its row, -1 for none, how far that is, and how good a match."""

    part: Part
    rows: Whole
    distance: Values  # degrees
    rank: Values  # less is better
    sizes: Values | None = None

    def told(self, kind: str, catalog: Catalog, points: Whole) -> list[Answer]:
        """The answers for some points."""
        rows = self.rows[points]
        table = self.part.table
        columns: dict[str, list[Any]] = {
            "distance_arcsec": np.round(self.distance[points] * ARCSEC, 3).tolist(),
            "name": names(table.column("name"), rows),
        }
        columns["mag"], columns["band"] = _brightness(self.part, catalog, rows)
        for extra in EXTRAS.get(kind, ()):
            columns[extra] = rounded(table.values(extra, rows), 6)
        if kind in {"variable", "transient"}:
            columns["type"] = names(table.column("type"), rows)
        if kind == "transient":
            columns["discovered"] = [written(each) for each in rounded(table.values("discovered", rows), 0)]
        if kind == "galaxy":
            sizes = np.full(len(points), np.nan) if self.sizes is None else self.sizes[points]
            columns["sizes"] = rounded(sizes, 3)
        common = {"status": "match", "catalog": catalog.name, "epoch": catalog.epoch}
        return [
            common | dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
        ]


def _brightness(part: Part, catalog: Catalog, rows: Whole) -> tuple[list[Any], list[Any]]:
    """The first magnitude that each source has, and its band."""
    mag = np.full(len(rows), np.nan)
    band = np.full(len(rows), -1)
    for number, name in enumerate(catalog.bands):
        values = part.table.values(f"mag_{name}", rows)
        fresh = np.isnan(mag) & np.isfinite(values)
        mag[fresh], band[fresh] = values[fresh], number
    named = [None if name == "mag" else name for name in catalog.bands]
    return rounded(mag, 3), [named[number] if number >= 0 else None for number in band]


def _hosts(part: Part, ra: Values, dec: Values, most_sizes: float, radius_deg: float) -> list[_Found]:
    """The galaxy whose own size each point is the fewest times away from, and the nearest without a size."""
    table = part.table

    def in_sizes(points: Whole, rows: Whole) -> Values:
        return light_radii(table_ellipse(part, rows), ra[points], dec[points])

    def plain(points: Whole, rows: Whole) -> Values:
        distance = separation_deg(
            table.values("ra", rows), table.values("dec", rows), ra[points], dec[points]
        )
        return np.where(np.isfinite(table.values("size", rows)), np.nan, distance)

    found = []
    if part.size_arcsec > 0.0:
        reach = np.full(len(ra), most_sizes * part.size_arcsec / ARCSEC)
        rows, sizes = table.least(ra, dec, reach, in_sizes, most_sizes)
        distance = np.full(len(ra), np.inf)
        hit = np.flatnonzero(rows >= 0)
        distance[hit] = separation_deg(
            table.values("ra", rows[hit]), table.values("dec", rows[hit]), ra[hit], dec[hit]
        )
        found.append(_Found(part, rows, distance, sizes, sizes))
    rows, distance = table.least(ra, dec, np.full(len(ra), radius_deg), plain, radius_deg)
    # A galaxy that has a size tells more, so that any such match is the better one.
    found.append(_Found(part, rows, distance, most_sizes + distance))
    return found


def _nearest(told: Sequence[Answer | str | None], nones: Sequence[Answer]) -> Answer:
    """The nearest body of what catalogues say of one place.

    None is said by the first that can tell; unknown it is where none of them can.
    """
    found = [one for one in told if isinstance(one, dict)]
    if found:
        return min(found, key=lambda one: float(one["distance_arcsec"]))
    looked = (none for one, none in zip(told, nones, strict=True) if one is None)
    return next(looked, _unknown(str(told[0])))


Ellipse = tuple[Values, Values, Values, Values, Values]


def table_ellipse(part: Part, rows: Whole) -> Ellipse:
    """Right ascension, declination, half the major axis, ratio of axes and position angle; degrees."""
    table = part.table
    ratio, angle = table.values("axis_ratio", rows), table.values("pa", rows)
    shaped = np.isfinite(ratio) & np.isfinite(angle)
    return (
        table.values("ra", rows),
        table.values("dec", rows),
        table.values("size", rows) / ARCSEC,
        np.where(shaped, ratio, 1.0),
        np.where(shaped, angle, 0.0),
    )


def light_radii(ellipse: Ellipse, ra: Values, dec: Values) -> Values:
    """Distances of points from galaxies over the galaxies' radii in that direction.

    The directional light radius of Sullivan et al. (2006, ApJ 648, 868; eq. 1 of Gupta et al. 2016,
    AJ 152, 154): ``a / sqrt(cos(phi)**2 + (sin(phi) / q)**2)`` at an angle phi from the major axis.
    """
    centre_ra, centre_dec, size, ratio, angle = ellipse
    distance = separation_deg(centre_ra, centre_dec, ra, dec)
    a, d, d2 = np.radians(ra - centre_ra), np.radians(centre_dec), np.radians(dec)
    towards = np.arctan2(np.sin(a) * np.cos(d2), np.cos(d) * np.sin(d2) - np.sin(d) * np.cos(d2) * np.cos(a))
    phi = towards - np.radians(angle)
    radius = size / np.sqrt(np.cos(phi) ** 2 + (np.sin(phi) / ratio) ** 2)
    return np.asarray(distance / radius)


def _none(catalog: Catalog, reach: dict[str, float]) -> Answer:
    return {"status": "none", "catalog": catalog.name, "epoch": catalog.epoch} | reach


def _unknown(reason: str) -> Answer:
    return {"status": "unknown", "reason": reason}
