"""The sources of all catalogues around one place, and a table's values as plain ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.catalogs.library import Catalog, Library, Part
from core.catalogs.zones import MAS_PER_DEG
from core.objects.sphere import unit_vectors

Values = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sources:
    """Sources of several catalogues: arrays of one length, nearest first.

    Attributes
    ----------
    catalogs : tuple of Catalog
    which : int64
        The catalogue of each, by its place in `catalogs`.
    names : list of str or None
    ra, dec : float64
        Degrees.
    distance : float64
        From the place asked for, arcsec.
    mags : dict
        By band, NaN where a source has none.
    """

    catalogs: tuple[Catalog, ...]
    which: Whole
    names: list[str | None]
    ra: Values
    dec: Values
    distance: Values
    mags: dict[str, Values]

    def __len__(self) -> int:
        return len(self.which)

    def records(self) -> list[dict[str, Any]]:
        """As JSON can hold them."""
        bands = list(self.mags)
        table = [rounded(self.mags[band], 3) for band in bands]
        rows = zip(self.which, self.names, self.ra, self.dec, self.distance, strict=True)
        return [
            {
                "catalog": self.catalogs[which].name,
                "kind": self.catalogs[which].kind,
                "epoch": self.catalogs[which].epoch,
                "name": name,
                "ra": float(ra),
                "dec": float(dec),
                "distance_arcsec": round(float(distance), 4),
                "mags": {
                    band: column[i]
                    for band, column in zip(bands, table, strict=True)
                    if column[i] is not None
                },
            }
            for i, (which, name, ra, dec, distance) in enumerate(rows)
        ]


def near(
    library: Library, ra: float, dec: float, radius_deg: float, *, mjd: float | None = None, limit: int = 1000
) -> Sources:
    """Sources within a radius of a place.

    Parameters
    ----------
    ra, dec, radius_deg : float
        Degrees.
    mjd : float, optional
        When: proper motions are applied. Else sources are where their catalogue has them.
    limit : int
        The nearest so many.
    """
    catalogs = tuple(library.catalogs("stars", "variables", "galaxies", "transients"))
    parts = [(number, catalog, part) for number, catalog in enumerate(catalogs) for part in catalog.parts]
    years = [float(each.years_to(np.array([mjd]))[0]) if mjd is not None else 0.0 for each in catalogs]
    found = [_in_part(part, (ra, dec, radius_deg), years[number], limit) for number, _, part in parts]
    if not found:
        nothing = np.zeros(0)
        return Sources(catalogs, nothing.astype(np.int64), [], nothing, nothing, nothing, {})
    which = np.repeat([number for number, _, _ in parts], [len(rows) for rows, _, _ in found])
    spots = np.concatenate([spots for _, spots, _ in found])
    distance = np.concatenate([distance for _, _, distance in found])
    bands = dict.fromkeys(band for catalog in catalogs for band in catalog.bands)
    tables = [(part.table, rows) for (_, _, part), (rows, _, _) in zip(parts, found, strict=True)]
    mags = {
        band: np.concatenate([table.values(f"mag_{band}", rows) for table, rows in tables]) for band in bands
    }
    called = [name for table, rows in tables for name in names(table.column("name"), rows)]
    order = np.argsort(distance, kind="stable")[:limit]
    return Sources(
        catalogs=catalogs,
        which=which[order],
        names=[called[i] for i in order],
        ra=np.degrees(np.arctan2(spots[order, 1], spots[order, 0])) % 360.0,
        dec=np.degrees(np.arcsin(np.clip(spots[order, 2], -1.0, 1.0))),
        distance=distance[order] * 3600.0,
        mags={band: values[order] for band, values in mags.items()},
    )


def _in_part(
    part: Part, cone: tuple[float, float, float], years: float, limit: int
) -> tuple[Whole, Values, Values]:
    """Rows of one table in a cone, where they are on the unit sphere, and their distances in degrees."""
    ra, dec, radius = cone
    reach = np.array([radius + part.motion_mas * abs(years) / MAS_PER_DEG])
    pairs = list(part.table.pairs(np.array([ra]), np.array([dec]), reach))
    rows = np.concatenate([each[1] for each in pairs]) if pairs else np.zeros(0, dtype=np.int64)
    spots = part.table.places(rows, np.full(len(rows), years))
    chords = np.linalg.norm(spots - unit_vectors(ra, dec), axis=1)
    distance = np.degrees(2.0 * np.arcsin(np.minimum(chords / 2.0, 1.0)))
    inside = np.flatnonzero(distance <= radius)
    inside = inside[np.argsort(distance[inside], kind="stable")][:limit]
    return rows[inside], spots[inside], distance[inside]


def names(column: NDArray[Any] | None, rows: Whole) -> list[str | None]:
    """What some sources are called; none where a number is 0, which stands for a missing one."""
    if column is None:
        return [None] * len(rows)
    if column.dtype.kind == "i":
        return [str(each) if each else None for each in column[rows].tolist()]
    return [each.decode("utf-8", errors="replace") or None for each in column[rows].tolist()]


def rounded(values: Values, digits: int) -> list[float | None]:
    """Numbers as JSON can hold them."""
    return [round(each, digits) if np.isfinite(each) else None for each in values.tolist()]
