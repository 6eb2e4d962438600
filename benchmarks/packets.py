"""Alert packets: how many a second of CPU, part by part, and what the cutouts of one take.

Real packets are written again with fresh candids, names and places, as many as a night's minutes bring,
and taken into a new store on SQLite, without catalogues and with them. Needs the sample packets:
`ASTRID_TEST_DATA`.

    python -m benchmarks.packets [PACKETS]
"""

import copy
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.frame import ONE_THREAD
from benchmarks.usage import measure

PACKETS = 2000
EXPOSURE_ALERTS = 100  # a real exposure brings hundreds
NIGHT_JD = 2461000.6
STARS, BODIES = 1_000_000, 1_400_000
RATE_AIM, BYTES_AIM = 350.0, 12_000
DATA = Path(os.environ.get("ASTRID_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def main() -> None:
    """Print the figures."""
    if not (DATA / "alerts" / "ztf").is_dir():
        print(f"no packets in {DATA}: set ASTRID_TEST_DATA")
        return
    count = sys.argv[1] if len(sys.argv) > 1 else str(PACKETS)
    usage = measure([sys.executable, "-m", "benchmarks.packets", "child", count], ONE_THREAD)
    found = json.loads(usage.output)
    rate = found["packets"] / found["whole"]
    print(
        f"{found['packets']} packets of ZTF, {found['packet_bytes'] / 1000:.0f} kB each, with history: ",
        end="",
    )
    print(f"{rate:.0f} a second of CPU, {rate / RATE_AIM:.2f} of the goal; peak {usage.peak_mib:.0f} MiB")
    print(f"scored by all models besides: {found['packets'] / found['scored']:.0f} a second")
    print(
        f"the same beside {STARS} stars, as many variables and galaxies as packets, and {BODIES} orbits:"
        f" {found['packets'] / found['beside']:.0f} a second,"
        f" {found['packets'] / found['beside'] / RATE_AIM:.2f} of the goal, and {found['day']:.1f} s a night"
    )
    for name in ("avro", "gunzip", "stamps", "pack", "decode", "store"):
        print(f"  {name:8} {found[name] / found['packets'] * 1e3:6.3f} ms each")
    print(
        f"cutouts {found['cutout_bytes'] / 1000:.1f} kB an alert,"
        f" {found['cutout_bytes'] / BYTES_AIM:.2f} of the goal"
    )
    print(f"again, all known: {found['packets'] / found['again']:.0f} a second")


def child(count: int) -> None:
    """Take packets into a store, once as the command does it, then part by part."""
    from core.database.migrations import upgrade
    from core.database.store import open_store
    from core.review.cutouts import pack
    from core.settings import Settings
    from core.surveys.register import register_alerts
    from pipeline.intake.alerts import take_alerts
    from pipeline.surveys.avro_file import read_avro
    from pipeline.surveys.packets import read_alerts
    from pipeline.surveys.stamps import read_stamp, to_cutouts

    with tempfile.TemporaryDirectory() as folder:
        file, url = Path(folder) / "night.avro", f"sqlite:///{folder}/astrid.db"
        write_packets(file, count)
        upgrade(url)
        store = open_store(url)
        found: dict[str, Any] = {"packets": count, "packet_bytes": file.stat().st_size / count}
        bare = Settings(home=Path(folder) / "none")
        unscored = bare.model_copy(update={"classify": bare.classify.model_copy(update={"alerts": False})})
        first = f"sqlite:///{folder}/first.db"
        upgrade(first)
        found["whole"], (told,) = _timed(lambda: list(take_alerts(open_store(first), unscored, [file])))
        assert (told.new, told.refused) == (count, 0), told
        found["scored"], (told,) = _timed(lambda: list(take_alerts(store, bare, [file])))
        assert (told.new, told.refused) == (count, 0), told
        found["again"], (told,) = _timed(lambda: list(take_alerts(store, bare, [file])))
        assert told.known == count, told
        found |= _beside(store, Path(folder), file, count)

        some = min(count, 200)
        scale = count / some
        with file.open("rb") as stream:
            avro_s, records = _timed(lambda: [record for _, record in _first(read_avro(stream), some)])
        packed = [record[key]["stampData"] for record in records for key in STAMPS]
        gunzip_s, plain = _timed(lambda: [_gunzip(each) for each in packed])
        stamps_s, planes = _timed(lambda: [read_stamp(each) for each in plain])
        triplets = [planes[i : i + 3] for i in range(0, len(planes), 3)]
        pack_s, blobs = _timed(lambda: [pack(to_cutouts(*three, size=63)) for three in triplets])
        whole_s, alerts = _timed(
            lambda: list(_first(read_alerts(file, cutout_px=63, radius_arcsec=1.0), some))
        )
        other = f"sqlite:///{folder}/other.db"
        upgrade(other)
        empty = open_store(other)
        store_s, _ = _timed(lambda: register_alerts(empty, alerts))
        found |= {"avro": avro_s * scale, "gunzip": gunzip_s * scale, "stamps": stamps_s * scale}
        found["pack"] = pack_s * scale
        found["decode"] = (whole_s - avro_s - gunzip_s - stamps_s - pack_s) * scale
        found["store"] = store_s * scale
        found["cutout_bytes"] = sum(map(len, blobs)) / len(blobs)
        print(json.dumps(found))


def _beside(store: Any, folder: Path, file: Path, count: int) -> dict[str, float]:
    """The same into another new store, beside catalogues."""
    import numpy as np
    from sqlalchemy import text

    from core.database.migrations import upgrade
    from core.database.store import open_store
    from core.settings import Settings
    from pipeline.intake.alerts import take_alerts
    from pipeline.known.match import KnownSky

    with store.read() as session:
        places = np.array(session.execute(text("SELECT ra, dec FROM candidate")).all())
    settings = Settings(home=folder / "home")
    _catalogues(settings.home, folder, places)
    url = f"sqlite:///{folder}/beside.db"
    upgrade(url)
    known = KnownSky.of(settings)
    # Where all bodies are is found once for each day of UTC, which a night has one or two of.
    day, _ = _timed(lambda: known.match(*places[:1].T, np.array([NIGHT_JD - 2400000.5])))
    beside, (told,) = _timed(lambda: list(take_alerts(open_store(url), settings, [file])))
    assert (told.new, told.refused) == (count, 0), told
    return {"beside": beside, "day": day}


def _catalogues(home: Path, folder: Path, places: Any) -> None:
    """Stars, variables and galaxies around some places, and orbits anywhere."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from core.catalogs.coverage import Coverage
    from core.catalogs.library import Library
    from pipeline.known.add import Options, add
    from pipeline.known.orbit_file import DTYPE

    random = np.random.default_rng(0)
    library = Library(home)
    for kind, rows, spread in (("stars", STARS, 0.1), ("variables", 0, 1e-3), ("galaxies", 0, 5e-3)):
        around = places[np.arange(rows or len(places)) % len(places)]
        table: dict[str, Any] = {
            "name": np.arange(len(around)),
            "ra": (around[:, 0] + random.uniform(-spread, spread, len(around))) % 360.0,
            "dec": np.clip(around[:, 1] + random.uniform(-spread, spread, len(around)), -90.0, 90.0),
            "mag": random.uniform(14.0, 21.0, len(around)),
        }
        if kind == "galaxies":
            table["a_arcsec"] = random.uniform(2.0, 30.0, len(around))
        path = folder / f"{kind}.parquet"
        parquet.write_table(pa.table(table), path)
        add(path, library, Options(kind=kind, coverage=Coverage("all-sky")))
    bodies = np.zeros(BODIES, dtype=DTYPE)
    bodies["epoch"], bodies["h"], bodies["g"] = NIGHT_JD - 2400000.5 - 20.0, 18.0, 0.15
    bodies["a"], bodies["e"] = random.uniform(2.1, 3.4, BODIES), random.uniform(0.0, 0.3, BODIES)
    bodies["incl"] = random.rayleigh(8.0, BODIES)
    for name in ("node", "peri", "mean"):
        bodies[name] = random.uniform(0.0, 360.0, BODIES)
    kept = library.folder / "0000-orbits"
    kept.mkdir()
    np.save(kept / "orbits.npy", bodies)
    stars = json.loads(next(library.folder.glob("*-stars/catalog.json")).read_text())
    facts = stars | {"name": "orbits", "kind": "orbits", "rows": BODIES, "parts": [], "bands": ["V"]}
    (kept / "catalog.json").write_text(json.dumps(facts))


STAMPS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def write_packets(file: Path, count: int) -> None:
    """Write real packets again and again: other ids, an object of its own each, another place."""
    import fastavro

    found: list[tuple[dict[str, Any], Any]] = []
    for path in sorted((DATA / "alerts" / "ztf").glob("*.avro")):
        reader = fastavro.reader(io.BytesIO(path.read_bytes()))
        if reader.writer_schema["version"] == "3.3":  # type: ignore[index,call-overload]
            found += [(record, reader.writer_schema) for record in reader]  # type: ignore[misc]
    schema = found[0][1]
    with file.open("wb") as stream:
        fastavro.writer(stream, schema, (_renewed(found[i % len(found)][0], i) for i in range(count)))


def _renewed(record: dict[str, Any], number: int) -> dict[str, Any]:
    packet = copy.deepcopy(record)
    candidate = packet["candidate"]
    packet["candid"] = candidate["candid"] = 10**18 + number
    packet["objectId"] = f"ZTF99{number:07d}"
    exposure, place = divmod(number, EXPOSURE_ALERTS)
    candidate["ra"] = (40.0 + 7.0 * exposure + 0.6 * (place % 10)) % 360.0
    candidate["dec"] = 10.0 + 0.6 * (place // 10)
    candidate["pid"] = 10**12 + number
    candidate["jd"] = NIGHT_JD + number // EXPOSURE_ALERTS * 5e-4
    for past in packet["prv_candidates"] or ():
        past["pid"] += number
        if past["candid"] is not None:
            past["candid"] = past["candid"] + 10**6 * number
    return packet


def _gunzip(packed: bytes) -> bytes:
    import zlib

    return zlib.decompress(packed, zlib.MAX_WBITS | 16)


def _first(items: Iterable[Any], count: int) -> Iterable[Any]:
    for number, item in enumerate(items):
        if number >= count:
            return
        yield item


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]))
    else:
        main()
