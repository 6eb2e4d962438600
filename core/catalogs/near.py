"""The sources of all catalogues around one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.catalogs.library import Library

MAS_PER_DEG = 3.6e6


def near(
    library: Library, ra: float, dec: float, radius_deg: float, *, mjd: float | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Sources within a radius of a place, nearest first.

    Parameters
    ----------
    ra, dec, radius_deg : float
        Degrees.
    mjd : float, optional
        When: proper motions are applied. Else sources are where their catalogue has them.
    limit : int
        The nearest of each catalogue.

    Returns
    -------
    list of dict
        ``catalog``, ``kind``, ``epoch``, ``name``, ``ra``, ``dec``, ``distance_arcsec``, and the magnitudes
        by band as ``mags``.
    """
    found: list[dict[str, Any]] = []
    place = np.array([ra]), np.array([dec])
    for catalog in library.catalogs("stars", "variables", "galaxies", "transients"):
        years = float(catalog.years_to(np.array([mjd]))[0]) if mjd is not None else 0.0
        for part in catalog.parts:
            reach = radius_deg + part.motion_mas * abs(years) / MAS_PER_DEG
            for points, rows in part.table.pairs(*place, np.array([reach])):
                spots = part.table.places(rows, np.full(len(rows), years))
                distance = part.table.distance(_unit(ra, dec)[points], rows, np.full(len(rows), years))
                inside = np.flatnonzero(distance <= radius_deg)
                inside = inside[np.argsort(distance[inside], kind="stable")][:limit]
                for i in inside:
                    found.append(
                        {
                            "catalog": catalog.name,
                            "kind": catalog.kind,
                            "epoch": catalog.epoch,
                            "name": _name(part.table.column("name"), int(rows[i])),
                            "ra": float(np.degrees(np.arctan2(spots[i, 1], spots[i, 0])) % 360.0),
                            "dec": float(np.degrees(np.arcsin(np.clip(spots[i, 2], -1.0, 1.0)))),
                            "distance_arcsec": round(float(distance[i]) * 3600.0, 4),
                            "mags": {
                                band: round(float(value), 3)
                                for band in catalog.bands
                                if np.isfinite(value := part.table.values(f"mag_{band}", rows[i : i + 1])[0])
                            },
                        }
                    )
    found.sort(key=lambda one: one["distance_arcsec"])
    return found


def _unit(ra: float, dec: float) -> Any:
    from core.objects.sky import unit_vectors

    return unit_vectors(np.array([ra]), np.array([dec]))


def _name(column: Any, row: int) -> str | None:
    if column is None:
        return None
    value = column[row]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
