"""The known sky: catalogues in columns against the same in SQLite, crossmatch, orbits, forced photometry.

python -m benchmarks.known_sky
"""

import json
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.frame import ONE_THREAD
from benchmarks.usage import measure

CENTRE = (150.0, 2.0)
CANDIDATES, MATCH_AIM_S = 10_000, 0.3
CONES, CONE_AIM_MS = 3000, 3.0
PLACES, FORCED_AIM_S = 1000, 0.3
BODIES = 1_400_000


def main() -> None:
    """Print the figures; each child is a process of its own."""
    for name, rows in (("match", 1_000_000), ("cones", 2_000_000), ("forced", PLACES), ("bodies", BODIES)):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.known_sky", name, str(rows), folder]
            found = json.loads(measure(command, ONE_THREAD).output)
        print("\n".join(TOLD[name](found)))


def match(rows: int, folder: Path) -> dict[str, float]:
    """Ten thousand candidates of one frame against a catalogue that lies all in it."""
    from core.catalogs.library import Library
    from core.settings_sections import CatalogSettings
    from pipeline.known.add import Options, add
    from pipeline.known.match import KnownSky

    random = np.random.default_rng(0)
    path = _catalogue(folder, rows, spread=0.5, random=random)
    library = Library(folder / "home")
    began = time.process_time()
    add(path, library, Options())
    adding = time.process_time() - began
    ra, dec = (centre + random.uniform(-0.5, 0.5, CANDIDATES) for centre in CENTRE)
    known = KnownSky(library, CatalogSettings())
    times = []
    for _ in range(4):
        began = time.process_time()
        known.match(ra, dec, np.full(CANDIDATES, 61000.0))
        times.append(time.process_time() - began)
    return {
        "match_s": min(times),
        "first_s": times[0],
        "add_s": adding,
        "rows": rows,
        "peak_mib": _peak_mib(),
    }


def cones(rows: int, folder: Path) -> dict[str, float]:
    """Cones of 30 arcsec over a strip of sky, the same in both kinds of file, and by brute force."""
    from core.catalogs.library import Library
    from core.catalogs.near import near
    from core.objects.sphere import separation_deg
    from pipeline.known.add import Options, add

    random = np.random.default_rng(0)
    path = _catalogue(folder, rows, spread=1.0, random=random)
    library = Library(folder / "home")
    catalog = add(path, library, Options()).catalog
    table = catalog.parts[0].table
    all_ra, all_dec = np.asarray(table.column("ra")), np.asarray(table.column("dec"))
    database = _in_sqlite(folder / "same.db", all_ra, all_dec)
    radius = 30.0 / 3600.0
    ra, dec = (centre + random.uniform(-1.0, 1.0, CONES) for centre in CENTRE)
    ours, theirs = [], []
    for number, (a, d) in enumerate(zip(ra, dec, strict=True)):
        began = time.process_time()
        found = near(library, a, d, radius)
        ours.append(time.process_time() - began)
        began = time.process_time()
        same = _from_sqlite(database, a, d, radius)
        theirs.append(time.process_time() - began)
        if number % 500 == 0:  # the truth takes a hundred times as long
            brute = int(np.count_nonzero(separation_deg(all_ra, all_dec, a, d) <= radius))
            assert len(found) == brute == same
    percentiles = {f"{name}_p95_ms": float(np.percentile(times, 95)) * 1e3 for name, times in
                   (("columns", ours), ("sqlite", theirs))}  # fmt: skip
    return percentiles | {"rows": rows, "found": len(found), "sqlite_mean_s": float(np.mean(theirs))}


def forced(places: int, _folder: Path) -> dict[str, float]:
    """Flux at many places of one difference of 2048 x 2048."""
    from pipeline.detection.forced import forced_flux, forced_fluxes

    random = np.random.default_rng(0)
    side = 2048
    difference = SimpleNamespace(
        mask=np.zeros((side, side), dtype=np.uint16),
        flux=random.normal(size=(side, side)).astype(np.float32),
        flux_err=np.ones((side, side), dtype=np.float32),
    )
    x, y = random.uniform(0, side - 1, places), random.uniform(0, side - 1, places)
    together, alone = [], []
    for _ in range(3):
        began = time.process_time()
        forced_fluxes(difference, x, y)
        together.append(time.process_time() - began)
        began = time.process_time()
        for a, b in zip(x, y, strict=True):
            forced_flux(difference, a, b)
        alone.append(time.process_time() - began)
    return {"together_s": min(together), "alone_s": min(alone), "places": places}


def bodies(count: int, folder: Path) -> dict[str, float]:
    """A frame of 2000 candidates on the ecliptic among all small bodies that are known."""
    from pipeline.known.orbit_file import DTYPE
    from pipeline.known.small_bodies import SmallBodies

    random = np.random.default_rng(0)
    rows = np.zeros(count, dtype=DTYPE)
    rows["epoch"], rows["h"], rows["g"] = 61000.0, 18.0, 0.15
    rows["a"], rows["e"] = random.uniform(2.1, 3.4, count), random.uniform(0.0, 0.3, count)
    rows["incl"] = random.rayleigh(8.0, count)
    for name in ("node", "peri", "mean"):
        rows[name] = random.uniform(0.0, 360.0, count)
    np.save(folder / "orbits.npy", rows)
    known = SmallBodies(folder, "all", 2026.0)
    ra, dec = 60.0 + random.uniform(-0.4, 0.4, 2000), 20.0 + random.uniform(-0.4, 0.4, 2000)
    times = []
    for mjd in (61030.1, 61030.2, 61030.3):
        began = time.process_time()
        known.matches(ra, dec, mjd, 10.0, (20.0, 30.0))
        times.append(time.process_time() - began)
    # Alerts of one day all over the sky, each of an exposure of its own.
    ra, dec = random.uniform(0.0, 360.0, 64), np.degrees(np.arcsin(random.uniform(-0.5, 1.0, 64)))
    mjd = 61030.0 + random.uniform(0.1, 0.5, 64)
    began = time.process_time()
    known.matches(ra, dec, mjd, 10.0, (20.0, 30.0))
    spent = time.process_time() - began
    frame = {"first_s": times[0], "frame_s": min(times[1:]), "sky_per_s": 64 / spent}
    return {**frame, "bodies": count, "peak_mib": _peak_mib()}


def _catalogue(folder: Path, rows: int, spread: float, random: np.random.Generator) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    table = {
        "source_id": np.arange(rows),
        "ra": CENTRE[0] + random.uniform(-spread, spread, rows),
        "dec": CENTRE[1] + random.uniform(-spread, spread, rows),
        "phot_g_mean_mag": random.uniform(14.0, 21.0, rows),
        "pmra": random.normal(0.0, 10.0, rows),
        "pmdec": random.normal(0.0, 10.0, rows),
        "ref_epoch": np.full(rows, 2016.0),
    }
    path = folder / "gaia.parquet"
    parquet.write_table(pa.table(table), path)
    return path


def _in_sqlite(path: Path, ra: np.ndarray, dec: np.ndarray) -> sqlite3.Connection:
    """The textbook way: one file with the primary key (zone, ra)."""
    zone = np.floor((dec + 90.0) * 120.0).astype(int)
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE star (zone INT, ra REAL, dec REAL, PRIMARY KEY (zone, ra, dec)) WITHOUT ROWID"
    )
    rows = zip(zone.tolist(), ra.tolist(), dec.tolist(), strict=True)
    database.executemany("INSERT OR IGNORE INTO star VALUES (?, ?, ?)", rows)
    database.commit()
    return database


def _from_sqlite(database: sqlite3.Connection, ra: float, dec: float, radius: float) -> int:
    from core.objects.sphere import ra_ranges, separation_deg

    rows = []
    for zone in range(int((dec - radius + 90.0) * 120.0), int((dec + radius + 90.0) * 120.0) + 1):
        for low, high in ra_ranges(ra, dec, radius):
            query = "SELECT ra, dec FROM star WHERE zone = ? AND ra BETWEEN ? AND ?"
            rows += database.execute(query, (zone, low, high)).fetchall()
    places = np.array(rows).reshape(-1, 2)
    return int(np.count_nonzero(separation_deg(places[:, 0], places[:, 1], ra, dec) <= radius))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


TOLD = {
    "match": lambda found: [
        f"{CANDIDATES} candidates of a frame with {found['rows']:.0f} stars: {found['match_s']:.3f} CPU s "
        f"({found['match_s'] / MATCH_AIM_S:.2f} of the goal; the first {found['first_s']:.3f})",
        f"  added in {found['add_s']:.2f} CPU s; the process peaked at {found['peak_mib']:.0f} MiB",
    ],
    "cones": lambda found: [
        f"cones of 30 arcsec in {found['rows']:.0f} rows, p95: {found['columns_p95_ms']:.2f} CPU ms "
        f"({found['columns_p95_ms'] / CONE_AIM_MS:.2f} of the goal), {found['found']:.0f} sources each; "
        f"the bare positions from SQLite {found['sqlite_p95_ms']:.2f} ms",
        f"  {CANDIDATES} of those one by one would take {found['sqlite_mean_s'] * CANDIDATES:.1f} s",
    ],
    "forced": lambda found: [
        f"forced flux at {found['places']:.0f} places of 2048 x 2048: {found['together_s'] * 1e3:.1f} CPU ms "
        f"({found['together_s'] / FORCED_AIM_S:.3f} of the goal), one by one "
        f"{found['alone_s'] / found['together_s']:.0f} times as long",
    ],
    "bodies": lambda found: [
        f"{found['bodies']:.0f} small bodies: {found['first_s']:.2f} CPU s once a day, "
        f"{found['frame_s'] * 1e3:.0f} CPU ms a frame, {found['sky_per_s']:.0f} alerts a CPU second that lie "
        f"all over the sky; the process peaked at {found['peak_mib']:.0f} MiB",
    ],
}
CHILDREN = {"match": match, "cones": cones, "forced": forced, "bodies": bodies}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(json.dumps(CHILDREN[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))))
