"""A store with as many candidates as are asked for, made by the database itself.

python -m benchmarks.million FOLDER [CANDIDATES]
"""

import argparse
import sqlite3
import time
from pathlib import Path

import numpy as np
from sqlmodel import SQLModel

from core.database.migrations import upgrade
from core.database.tables import Candidate, Observation, SkyObject
from core.review.cutouts import Cutouts, pack

MANY = 1_000_000
CUTOUTS = 400  # of the objects that the queue begins with
SIDE = 63

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_BAND = "CASE {} % 3 WHEN 0 THEN 'g' WHEN 1 THEN 'r' ELSE 'i' END"
_FRAMES = {
    "id": "i", "content": "'o' || i", "frame": "'f' || i || '.fits'", "path": "'night/f' || i || '.fits'",
    "field": "'F' || (i % 40)", "filter": _BAND.format("i"), "mjd": "60000.0 + i", "created_at": "1.0",
    "state": "'done'", "seeing_px": "3.4", "exposure_s": "60.0",
}  # fmt: skip
_CANDIDATES = {
    "id": "i", "source": "'astrid'", "external_id": "'e' || i", "observation_id": "o", "sky_object_id": "i",
    "is_current": "1", "frame": "'f' || o || '.fits'", "filter": _BAND.format("o"), "mjd": "60000.0 + o",
    "x": "2000 * a", "y": "2000 * b", "ra": "360 * a", "dec": "180 * b - 90", "snr": "5 + 20 * a * a",
    "zone": "CAST(180 * b * 120 AS INTEGER)", "flux": "300 + 1000 * a", "flux_err": "60.0",
    "flux_unit": "'electron'", "mag": "21 - 3 * b", "mag_err": "0.1", "mag_system": "'ab'", "score": "a * a",
    "scores": "'{}'", "features": "'{}'",
}  # fmt: skip
_RANDOM = (
    f"{_NUMBERS}, r(i, a, b, o) AS (SELECT i, (i * 2654435761 % 1000003) / 1000003.0,"
    " (i * 40503 % 999983) / 999983.0, 1 + i % 1000 FROM n)"
)
_OBJECTS = {
    "id": "id", "name": "'AID' || id", "ra": "ra", "dec": "dec", "zone": "zone", "first_mjd": "mjd",
    "last_mjd": "mjd", "n_candidates": "1", "best_score": "score", "best_candidate_id": "id",
    "best_mag": "mag", "review_state": "'unreviewed'",
}  # fmt: skip


def make(folder: Path, count: int = MANY) -> str:
    """A store in a folder; its URL.

    Indexes are dropped meanwhile and made again: sorting once is faster than a million insertions.
    """
    path = folder / "astrid.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    tables = ("candidate", "sky_object")
    indexes = db.execute(
        "SELECT name, sql FROM sqlite_master"
        f" WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN {tables}"
    ).fetchall()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    db.execute(
        f"{_insert(Observation, _FRAMES)} {_NUMBERS} {_values(Observation, _FRAMES)} FROM n", {"count": 1000}
    )
    db.execute(
        f"{_insert(Candidate, _CANDIDATES)} {_RANDOM} {_values(Candidate, _CANDIDATES)} FROM r",
        {"count": count},
    )
    db.execute(f"{_insert(SkyObject, _OBJECTS)} {_values(SkyObject, _OBJECTS)} FROM candidate")
    for _, statement in indexes:
        db.execute(statement)
    lot = np.random.default_rng(1)
    best = db.execute("SELECT id FROM candidate ORDER BY score DESC LIMIT ?", (CUTOUTS,)).fetchall()
    db.executemany(
        "INSERT INTO cutout (candidate_id, pixels) VALUES (?, ?)",
        ((each, pack(_triplet(lot))) for (each,) in best),
    )
    db.commit()
    db.close()
    return url


def _defaults(table: type[SQLModel], named: dict[str, str]) -> dict[str, str]:
    """What a table's other columns must hold, as SQL has it."""
    found: dict[str, str] = {}
    for column in table.metadata.tables[str(table.__tablename__)].columns:
        default = getattr(column.default, "arg", None)
        if column.name not in named and isinstance(default, str | int | float):
            found[column.name] = f"'{default}'" if isinstance(default, str) else str(float(default))
    return found


def _insert(table: type[SQLModel], named: dict[str, str]) -> str:
    return f"INSERT INTO {table.__tablename__} ({', '.join(named | _defaults(table, named))})"


def _values(table: type[SQLModel], named: dict[str, str]) -> str:
    return f"SELECT {', '.join((named | _defaults(table, named)).values())}"


def _triplet(lot: np.random.Generator) -> Cutouts:
    """A new source beside a galaxy, on a sky of unit noise."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    blob = np.exp(-(rows**2 + columns**2) / 6.0)
    galaxy = lot.uniform(5, 40) * np.exp(-((columns - 5) ** 2 + (rows - 3) ** 2) / 70.0)
    change = lot.uniform(3, 12) * blob
    planes = (galaxy + change, galaxy, change)
    noisy = [(plane + lot.normal(size=plane.shape)).astype(np.float32) for plane in planes]
    return Cutouts(*noisy, sigma=(9.0, 8.0, 12.0))


def main() -> None:
    """Make it, and print where it is."""
    asked = argparse.ArgumentParser("python -m benchmarks.million", allow_abbrev=False)
    asked.add_argument("folder", type=Path, metavar="FOLDER", help="where the store is to be")
    asked.add_argument("candidates", type=int, nargs="?", metavar="CANDIDATES", default=MANY)
    given = asked.parse_args()
    began = time.perf_counter()
    print(make(given.folder, given.candidates), f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
