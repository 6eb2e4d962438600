"""Adding a catalogue: a file of anybody's becomes tables that can be searched, whole or not at all."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.catalogs.build import NAME_BYTES, PartWriter, finish, unfinished
from core.catalogs.coverage import Coverage
from core.catalogs.library import KINDS, VERSION, Catalog, Library
from core.epochs import DAYS_PER_YEAR, J2000_MJD, JD_OF_MJD_0, julian_year
from core.text import counted, safe_text
from pipeline.known import columns, comet_file, discovery, labels, mixed, orbit_file
from pipeline.known.angles import angles
from pipeline.known.columns import Layout
from pipeline.known.files import open_table
from pipeline.known.motions import mas_a_year
from pipeline.known.table_file import CatalogRefused, Column

Progress = Callable[[int, int, str], None]
NUMBERS = ("pmra", "pmdec", "redshift", "period")
TEXTS = ("name", "type", "prefix", "discovered")


@dataclass(frozen=True, slots=True)
class Options:
    """What a user says of a file that it does not say itself."""

    name: str | None = None
    kind: str | None = None
    epoch: float | None = None
    ra_unit: str | None = None  # "hours" or "degrees"
    band: str | None = None  # of a magnitude whose column does not say
    mag_system: str | None = None
    coverage: Coverage | None = None
    replace: bool = False  # take the place of the catalogue of this name

    def told(self) -> dict[str, Any]:
        """What was said of how the file is to be read, as JSON can hold it."""
        told = {
            "epoch": self.epoch,
            "ra_unit": self.ra_unit,
            "band": self.band,
            "mag_system": self.mag_system,
            "coverage": None if self.coverage is None else self.coverage.record(),
        }
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Added:
    """A catalogue that is there now, and what should be known of it."""

    catalog: Catalog
    is_new: bool
    remarks: tuple[str, ...] = ()


def add(path: Path, library: Library, options: Options, progress: Progress | None = None) -> Added:
    """Add a catalogue from a file; the same file is added once.

    Parameters
    ----------
    path : Path
        CSV, FITS, VOTable or Parquet with positions, or orbits as the Minor Planet Center exports them.
    library : Library
    options : Options
    progress : callable, optional
        ``report(done, total, what)``; a total of 0 is unknown.

    Raises
    ------
    CatalogRefused
        It cannot be added, for one reason; nothing was changed.
    """
    report = progress or (lambda _done, _total, _what: None)
    content = _content(path, report)
    name = options.name or path.name.split(".")[0]
    older = [each for each in library.catalogs() if each.name == name]
    told = options.told()
    for each in library.catalogs():
        if each.content == content and options.kind in {None, each.kind}:
            if told and told != each.facts.get("told"):
                raise CatalogRefused(
                    f"the same file is there already as '{safe_text(each.name, 60)}', with other options:"
                    f" `astrid catalog remove` that one first to add it anew"
                )
            return Added(each, is_new=False)
    if older and not options.replace:
        raise CatalogRefused(
            f"there is a catalogue '{safe_text(name, 60)}' already, of other content:"
            " --replace puts this one in its place, another --name beside it"
        )
    try:
        with unfinished(library.folder) as mine:
            common: dict[str, Any] = {
                "version": VERSION,
                "name": name,
                "file": str(path.absolute()),
                "content": content,
                "created_at": time.time(),
                "told": told,
            }
            are_orbits = orbit_file.is_orbits(path) or comet_file.is_comets(path)
            if not are_orbits:
                orbit_file.refuse_others(path)
            if are_orbits or options.kind == "orbits":
                facts, remarks = _orbits(path, mine, report)
            else:
                facts, remarks = _positions(path, mine, options, report)
            key = f"{content[:16]}-{facts['kind']}"
            finish(mine, library.folder / key, common | facts)
    except FileExistsError:
        return Added(library.named(key), is_new=False)
    except OSError as error:
        raise CatalogRefused(
            f"cannot keep the catalogue in {library.folder}: {error.strerror or error}"
        ) from error
    for each in older:
        library.remove(each.key)
    return Added(library.named(key), is_new=True, remarks=tuple(remarks))


def _content(path: Path, report: Progress) -> str:
    """The SHA-256 of a file."""
    if path.exists() and not path.is_dir() and not path.is_file():  # a pipe, or a device without an end
        raise CatalogRefused(f"cannot read {path}: it is no regular file")
    digest = hashlib.sha256()
    try:
        total, done = path.stat().st_size, 0
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
                done += len(block)
                report(done >> 20, total >> 20, "reading (MiB)")
    except OSError as error:
        raise CatalogRefused(f"cannot read {path}: {error.strerror or error}") from error
    if done == 0:
        raise CatalogRefused(f"{path} is empty")
    return digest.hexdigest()


def _orbits(path: Path, mine: Path, report: Progress) -> tuple[dict[str, Any], list[str]]:
    if of_comets := comet_file.is_comets(path):
        orbits, skipped = comet_file.read(path)
    else:
        orbits, skipped = orbit_file.read(path, report)
    if len(orbits) == 0:
        of = "CometEls.txt" if of_comets else "MPCORB.DAT"
        raise CatalogRefused(f"{path.name} holds no orbit in the format of {of}")
    np.save(mine / "orbits.npy", orbits)
    epochs, counts = np.unique(orbits["epoch"], return_counts=True)
    facts = {
        "kind": "orbits",
        "epoch": round(julian_year(float(epochs[counts.argmax()])), 4),  # of most
        "rows": len(orbits),
        "skipped": skipped,
        "bands": ["V"],
        "mag_system": None,
        "coverage": Coverage("all-sky").record(),
        "parts": [],
    }
    return facts, []


def _positions(
    path: Path, mine: Path, options: Options, report: Progress
) -> tuple[dict[str, Any], list[str]]:
    table = open_table(path, mine)
    layout = columns.recognise(table.columns, path.name)
    kind = options.kind or layout.kind
    if kind is None:
        raise CatalogRefused(
            f"what {path.name} holds its columns do not tell: say --kind, one of {', '.join(KINDS[:-1])}"
        )
    layout = replace(layout, bands=_bands(table.columns, layout, options.band, path.name))
    reader = _Reader(layout, kind, options)
    writer: PartWriter | None = None
    skipped = 0
    for chunk in table.chunks(layout.wanted, {layout.roles[role] for role in TEXTS if role in layout.roles}):
        rows = reader.standard(chunk.columns)
        good = np.isfinite(rows["ra"]) & np.isfinite(rows["dec"])
        skipped += int(np.count_nonzero(~good))
        if writer is None:
            texts = [name for name in rows if name in {"name", "type"}]
            numbers = [name for name in rows if name not in {"ra", "dec", *texts}]
            whole = "name" in rows and rows["name"].dtype.kind == "i"
            writer = PartWriter(mine, numbers, texts, whole_names=whole)
        writer.add({name: values[good] for name, values in rows.items()})
        report(chunk.done, chunk.total, "rows")
    if writer is None or writer.rows == 0:
        if reader.others:
            other, _ = mixed.OTHERS[kind]
            raise CatalogRefused(f"no row of {path.name} is of {kind}, but of {other}: say --kind {other}")
        raise CatalogRefused(f"no row of {path.name} has a position")
    parts, found = writer.write(report)
    coverage = options.coverage or found
    if coverage.cells is not None:
        np.save(mine / "cells.npy", coverage.cells)
    (mine / "unpacked.fits").unlink(missing_ok=True)
    facts = {
        "kind": kind,
        "epoch": reader.epoch,
        "rows": writer.rows,
        "skipped": skipped - reader.others,
        "bands": list(layout.bands),
        "mag_system": options.mag_system or layout.mag_system,
        "coverage": coverage.record(),
        "parts": parts,
    }
    return facts, _remarks(layout, reader, coverage)


def _bands(found: Sequence[Column], layout: Layout, told: str | None, file: str) -> dict[str, str]:
    """The bands, the one of unknown name as the user calls it; a column of that very name is of that band.

    Which of two such columns is meant is not guessed: zeropoints would be wrong without a word.
    """
    if told is None:
        return layout.bands
    bands = {told if band == "mag" else band: name for band, name in layout.bands.items()}
    numbers = {each.name for each in found if not each.is_text} - set(layout.roles.values())
    unnamed = layout.bands.get("mag")
    if unnamed is not None and told in numbers and told != unnamed:
        raise CatalogRefused(
            f"{file} has a column {safe_text(unnamed, 40)} and a column {safe_text(told, 20)}: call the"
            f" one that --band {safe_text(told, 20)} means {safe_text(told, 20)}mag"
        )
    if told not in bands and told in numbers:
        bands[told] = told
    if told not in bands:
        others = f"; its magnitudes are of {', '.join(bands)}" if bands else ""
        raise CatalogRefused(
            f"{file} has no magnitude for --band {safe_text(told, 20)}: a column called mag or"
            f" {safe_text(told, 20)}mag is needed{others}"
        )
    return bands


def _remarks(layout: Layout, reader: _Reader, coverage: Coverage) -> list[str]:
    remarks = []
    if reader.kind == "stars" and not layout.bands:
        remarks.append(
            "no column of it is known as a magnitude, so no frame gets a zeropoint by it: call one rmag, or"
            " call it mag and say its --band"
        )
    if reader.epoch is None and "pmra" in layout.roles:
        remarks.append("it says no epoch, so its proper motions are not applied: add it with --epoch")
    if coverage.how == "unknown":
        remarks.append(
            "it is too sparse to tell what it covers, so nothing is said where it has no source:"
            " add it with --area"
        )
    if reader.others:
        other, _ = mixed.OTHERS[reader.kind]
        remarks.append(
            f"{reader.others} {other} of the file are left out: --kind {other} adds them, by another --name"
        )
    if reader.kind == "stars" and list(layout.bands) == ["mag"]:
        remarks.append(
            "it names no band of its magnitudes, so no frame gets a zeropoint by it: `astrid catalog"
            " remove` it, and add it again with --band, such as --band r"
        )
    for what, number in reader.cut.items():
        if number:
            remarks.append(f"{counted(number, what)} longer than {NAME_BYTES} bytes: the rest is not kept")
    return remarks


class _Reader:
    """Makes of a file's columns what the tables hold."""

    def __init__(self, layout: Layout, kind: str, options: Options) -> None:
        self._layout = layout
        self.kind = kind
        self._options = options
        self._bands = layout.bands
        self.epoch = options.epoch if options.epoch is not None else layout.epoch
        self.cut = Counter[str]()  # names and types that were too long
        self.others = 0  # rows with a position that are said to be of the other kind

    def standard(self, chunk: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Columns as `PartWriter` takes them; positions that are none are NaN."""
        layout, roles = self._layout, self._layout.roles
        rows: dict[str, NDArray[Any]] = {}
        is_cut: dict[str, NDArray[np.bool_]] = {}
        for role, is_ra in (("ra", True), ("dec", False)):
            name = roles[role]
            told = self._options.ra_unit if is_ra else None
            rows[role] = angles(chunk[name], name, layout.units.get(name), is_ra=is_ra, told=told)
        rows["ra"] = rows["ra"] % 360.0
        wanted = [
            role for role in NUMBERS if role in roles and (role != "period" or self.kind == "variables")
        ]
        for role in wanted:
            rows[role] = (
                columns.magnitudes(chunk[roles[role]]) if role == "redshift" else _number(chunk[roles[role]])
            )
        if self.kind == "galaxies":
            rows |= columns.shape(chunk, layout)
        for band, name in self._bands.items():
            rows[f"mag_{band}"] = columns.magnitudes(chunk[name])
        if "name" in roles:
            rows["name"], is_cut["name"] = labels.names(self._names(chunk))
        if "discovered" in roles and self.kind == "transients":
            rows["discovered"] = discovery.days(chunk[roles["discovered"]])
        if "type" in roles and self.kind in {"variables", "transients"}:
            rows["type"], is_cut["type"] = labels.texts(chunk[roles["type"]])
        is_source = np.isfinite(rows["ra"]) & np.isfinite(rows["dec"])
        if "type" in roles:
            is_other = mixed.of_the_other(self.kind, chunk[roles["type"]]) & is_source
            self.others += int(np.count_nonzero(is_other))
            rows["ra"] = np.where(is_other, np.nan, rows["ra"])
        for role, cut in is_cut.items():
            self.cut[role] += int(np.count_nonzero(cut & is_source))
        if {"pmra", "pmdec"} <= rows.keys():
            for role in ("pmra", "pmdec"):
                rows[role] = rows[role] * mas_a_year(roles[role], layout.units.get(roles[role]))
        else:
            rows.pop("pmra", None)
            rows.pop("pmdec", None)
        self._to_one_epoch(chunk, rows)
        return rows

    def _names(self, chunk: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """What sources are called, behind what their table keeps apart from it, such as SN."""
        roles = self._layout.roles
        called = chunk[roles["name"]]
        if "prefix" not in roles or called.dtype.kind != "S" or chunk[roles["prefix"]].dtype.kind != "S":
            return called
        return np.char.add(np.char.add(chunk[roles["prefix"]], b" "), called)

    def _to_one_epoch(self, chunk: dict[str, NDArray[Any]], rows: dict[str, NDArray[Any]]) -> None:
        """Move sources of other times than the catalogue's, where they say how they move."""
        if "epoch" not in self._layout.roles:
            return
        years = _years(_number(chunk[self._layout.roles["epoch"]]))
        if self.epoch is None and np.isfinite(years).any():
            self.epoch = round(float(np.nanmedian(years)), 3)
        if self.epoch is None or "pmra" not in rows:
            return
        since = np.nan_to_num(self.epoch - years)
        if not since.any():
            return
        cosine = np.maximum(np.cos(np.radians(rows["dec"])), 1e-9)
        rows["ra"] = (rows["ra"] + np.nan_to_num(rows["pmra"]) * since / 3.6e6 / cosine) % 360.0
        rows["dec"] = np.clip(rows["dec"] + np.nan_to_num(rows["pmdec"]) * since / 3.6e6, -90.0, 90.0)


def _years(epochs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Epochs as Julian years, which some catalogues write as (modified) Julian dates."""
    years = np.where(epochs > JD_OF_MJD_0, epochs - JD_OF_MJD_0, epochs)
    return np.where(years > 20_000.0, 2000.0 + (years - J2000_MJD) / DAYS_PER_YEAR, years)


def _number(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind != "S":
        return values.astype(np.float64)
    return columns.numbers(values)
