"""Catalogues for tests: files of each shape, and a home to add them to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from core.catalogs.library import Catalog, Library
from pipeline.known.add import Options, add


def scattered(number: int, centre: tuple[float, float], spread: float, seed: int = 1) -> tuple[Any, Any]:
    """Positions around a place, on a sphere, whatever pole or meridian is there."""
    random = np.random.default_rng(seed)
    ra, dec = np.radians(centre)
    towards = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    places = towards + random.normal(size=(number, 3)) * np.radians(spread)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    return np.degrees(np.arctan2(places[:, 1], places[:, 0])) % 360.0, np.degrees(np.arcsin(places[:, 2]))


def write_csv(path: Path, **columns: Any) -> Path:
    csv.write_csv(pa.table(columns), path)
    return path


def write_parquet(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def gaia(ra: Any, dec: Any, **more: Any) -> dict[str, Any]:
    """Columns as the archive of Gaia names them."""
    number = len(ra)
    columns = {
        "source_id": np.arange(number) + 4_000_000_000_000_000_001,
        "ra": ra,
        "dec": dec,
        "phot_g_mean_mag": np.linspace(14.0, 20.0, number),
        "pmra": np.zeros(number),
        "pmdec": np.zeros(number),
        "ref_epoch": np.full(number, 2016.0),
    }
    return columns | more


def added(library: Library, path: Path, **options: Any) -> Catalog:
    return add(path, library, Options(**options)).catalog


def positions(library: Library, name: str) -> set[tuple[float, float]]:
    catalog = library.named(name)
    return {
        (round(float(a), 6), round(float(d), 6))
        for part in catalog.parts
        for a, d in zip(part.table.column("ra"), part.table.column("dec"), strict=True)
    }
