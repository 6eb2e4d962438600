"""A new catalogue, written as its rows stream by and put in its place whole.

Rows go first to one file for every quarter of a degree of declination; each of those is then sorted and
appended to the columns. So no more than the rows of one such band are ever held, whatever the catalogue.
All happens in a folder that nobody reads; giving it its name is the last step, and one step.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.catalogs.coverage import Coverage, RowCounter
from core.catalogs.zones import ZONES, zones_of
from core.unfinished import sync

UNFINISHED = ".unfinished-"
BAND_DEG = 0.25
NAME_BYTES = 48  # of the name and the type of a source; `pipeline.known.labels` cuts longer ones
# Rows are parted by how far from its place one may matter, so that few fast or large ones do not widen
# the search for all: proper motion in mas a year, half the size in arcsec.
MOTIONS = (100.0, 1000.0, np.inf)
SIZES = (5.0, 20.0, 80.0, 320.0, np.inf)

Columns = dict[str, NDArray[Any]]


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A folder for a catalogue that is being made; gone at the end unless `finish` gave it a name.

    What a killed process left is removed first: its lock has gone with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    mine = folder / f"{UNFINISHED}{uuid.uuid4().hex}"
    mine.mkdir()
    lock = (mine / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield mine
    finally:
        shutil.rmtree(mine, ignore_errors=True)
        lock.close()


def sweep(folder: Path) -> None:
    """Remove what is unfinished and nobody's any more."""
    for path in folder.glob(f"{UNFINISHED}*"):
        try:
            with (path / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            _remove_if_old(path)
        except OSError:
            continue  # somebody is at work there


def _remove_if_old(path: Path) -> None:
    """A folder without a lock: its maker was killed at once, or makes the lock this very moment."""
    try:
        if time.time() - path.stat().st_mtime > 60.0:
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return


def finish(mine: Path, final: Path, facts: Mapping[str, Any]) -> None:
    """Write what the catalogue is, make sure that all is on disk, and give the folder its name.

    Raises
    ------
    FileExistsError
        There is such a catalogue by now.
    """
    (mine / "catalog.json").write_text(json.dumps(dict(facts), indent=1), encoding="utf-8")
    for path in (*sorted(mine.rglob("*")), mine):
        if path.name != "lock":
            sync(path)
    (mine / "lock").unlink()
    try:
        mine.rename(final)
    except OSError as error:
        raise FileExistsError(f"{final} is there already") from error
    sync(final.parent)


class PartWriter:
    """Takes rows in any order and writes them as tables of `core.catalogs.zones`.

    Parameters
    ----------
    folder : Path
        Of the unfinished catalogue.
    numbers : sequence of str
        Names of columns that hold numbers, besides ``ra`` and ``dec``.
    whole_names : bool
        Names are whole numbers, as Gaia's are.
    """

    def __init__(self, folder: Path, numbers: list[str], texts: list[str], *, whole_names: bool) -> None:
        self._folder = folder
        self._bands = folder / "bands"
        self._bands.mkdir()
        named = [(text, "<i8" if text == "name" and whole_names else f"S{NAME_BYTES}") for text in texts]
        fields = [("ra", "<f8"), ("dec", "<f8"), *((name, "<f4") for name in numbers), *named]
        self._dtype = np.dtype(fields)
        self._counter = RowCounter()
        self._rows: dict[int, int] = {}  # by part
        self._widths = {text: 1 for text, kind in named if kind != "<i8"}
        self._most = {"motion": dict[int, float](), "size": dict[int, float]()}

    @property
    def rows(self) -> int:
        """How many rows there are so far."""
        return sum(self._rows.values())

    def add(self, columns: Columns) -> None:
        """Take some rows: finite positions in degrees, right ascension from 0 to 360."""
        table = np.zeros(len(columns["ra"]), dtype=self._dtype)
        for name in self._dtype.names or ():
            table[name] = columns[name]
        for text, width in self._widths.items():
            lengths = np.char.str_len(table[text])
            self._widths[text] = max(width, int(lengths.max(initial=1)))
        self._counter.add(table["ra"], table["dec"])
        part = self._parts(table)
        band = np.floor((table["dec"] + 90.0) / BAND_DEG).astype(np.int64)
        key = part * 10_000 + band
        order = np.argsort(key, kind="stable")
        bounds = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1))
        for start, end in itertools.pairwise(bounds):
            rows = table[order[start:end]]
            number = int(key[order[start]])
            with (self._bands / f"{number:06d}").open("ab") as file:
                rows.tofile(file)
            self._rows[number // 10_000] = self._rows.get(number // 10_000, 0) + len(rows)

    def write(self, report: Any = None) -> tuple[list[dict[str, Any]], Coverage]:
        """Write the tables, ``part0`` and on; what each holds, and what all cover."""
        parts = []
        done, total = 0, self.rows
        for number, part in enumerate(sorted(self._rows)):
            folder = self._folder / f"part{number}"
            folder.mkdir()
            starts = np.zeros(ZONES + 1, dtype=np.int64)
            with ExitStack() as open_files:
                columns = self._opened(folder, self._rows[part], open_files)
                for path in sorted(self._bands.glob(f"{part:02d}????")):
                    rows = np.fromfile(path, dtype=self._dtype)
                    path.unlink()
                    zone = zones_of(rows["dec"])
                    order = np.lexsort((rows["dec"], rows["ra"], zone))
                    starts[1:] += np.bincount(zone, minlength=ZONES)
                    for name, (file, kind) in columns.items():
                        rows[name][order].astype(kind).tofile(file)
                    done += len(rows)
                    if report:
                        report(done, total, "sorting")
            np.save(folder / "starts.npy", np.cumsum(starts))
            reach = {name: self._most[name].get(part, 0.0) for name in self._most}
            parts.append(
                {"rows": self._rows[part], "motion_mas": reach["motion"], "size_arcsec": reach["size"]}
            )
        shutil.rmtree(self._bands)
        return parts, self._counter.coverage()

    def _parts(self, table: NDArray[Any]) -> NDArray[np.int64]:
        """Which part each row belongs to, by its size or its proper motion."""
        names = self._dtype.names or ()
        motion = np.zeros(len(table))
        size = np.zeros(len(table))
        if "pmra" in names:
            motion = np.hypot(np.nan_to_num(table["pmra"]), np.nan_to_num(table["pmdec"])).astype(float)
        if "size" in names:
            size = np.nan_to_num(table["size"]).astype(float)
        part = np.searchsorted(MOTIONS, motion) * len(SIZES) + np.searchsorted(SIZES, size)
        for name, values in (("motion", motion), ("size", size)):
            most = self._most[name]
            for one in np.unique(part):
                most[int(one)] = max(most.get(int(one), 0.0), float(values[part == one].max()))
        return np.asarray(part, dtype=np.int64)

    def _opened(
        self, folder: Path, rows: int, open_files: ExitStack
    ) -> dict[str, tuple[IO[bytes], np.dtype[Any]]]:
        """A file for each column, its header written: rows are appended, none of them held."""
        columns: dict[str, tuple[IO[bytes], np.dtype[Any]]] = {}
        for name in self._dtype.names or ():
            kind = np.dtype(f"S{self._widths[name]}") if name in self._widths else self._dtype[name]
            file = open_files.enter_context((folder / f"{name}.npy").open("wb"))
            header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (rows,)}
            np.lib.format.write_array_header_1_0(file, header)
            columns[name] = (file, kind)
        return columns
