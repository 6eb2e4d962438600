"""Orbits as the Minor Planet Center exports them: MPCORB.DAT in fixed columns, or its JSON, packed or not.

The fixed format is described by the Center as "Export Format For Minor-Planet Orbits". Angles are degrees
on the ecliptic of J2000.0, epochs are TT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.epochs import JD_OF_MJD_0
from pipeline.known.labels import shortened
from pipeline.known.packed import opened
from pipeline.known.table_file import UNREADABLE, CatalogRefused, refused

Progress = Callable[[int, int, str], None]

BLOCK = 1 << 24  # bytes read at once
WIDTH = 202
SHORTEST = 103  # of a line that has all elements
FIELDS = {
    "h": (8, 13),
    "g": (14, 19),
    "mean": (26, 35),
    "peri": (37, 46),
    "node": (48, 57),
    "incl": (59, 68),
    "e": (70, 79),
    "n": (80, 91),
    "a": (92, 103),
    "u": (105, 106),
    "rms": (137, 141),
}
DTYPE = np.dtype(
    [(name, "<f8") for name in ("epoch", "mean", "peri", "node", "incl", "e", "a")]
    + [(name, "<f4") for name in ("h", "g", "u", "rms")]
    + [("name", "S28")]
)
JSON_KEYS = {
    "h": "H", "g": "G", "mean": "M", "peri": "Peri", "node": "Node", "incl": "i", "e": "e", "a": "a",
    "u": "U", "rms": "rms", "epoch": "Epoch",
}  # fmt: skip
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
CENTURIES = {"I": 1800, "J": 1900, "K": 2000}
DEFAULT_SLOPE = 0.15
LINE = re.compile(
    rb"[0-9A-Za-z~_ ]{7} .{12}[IJK]\d\d[1-9ABC][1-9A-V] +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+"
)
# Orbits that are not read, by how a line of theirs looks.
OTHERS = {
    "as astorb.dat has them": re.compile(
        rb".{80,115} (?:1[89]|20)\d{6}(?: +\d+\.\d{6}){4} +\d\.\d{8} +\d+\.\d+"
    ),
    "as JPL's ELEMENTS files have them": re.compile(rb" *(?:Num +)?Name +Epoch +[aq] +e +i +w +Node"),
}


def is_orbits(path: Path) -> bool:
    """Whether a file holds orbits of asteroids in one of the Center's formats, by its beginning."""
    try:
        with opened(path) as file:
            head = file.read(1 << 16)
    except UNREADABLE:
        return False
    if head.lstrip().startswith(b"[") and b'"Principal_desig"' in head:
        return True
    lines = head.split(b"\n")
    return any(LINE.match(line) is not None for line in lines[:100])


def refuse_others(path: Path) -> None:
    """Tell orbits that are not read from a table of positions.

    Raises
    ------
    CatalogRefused
        They are orbits, as others than MPCORB.DAT have them.
    """
    try:
        with opened(path) as file:
            lines = file.read(1 << 16).split(b"\n")[:100]
    except UNREADABLE:
        return  # its reader says why in a sentence
    for whose, look in OTHERS.items():
        if any(look.match(line) for line in lines):
            raise CatalogRefused(
                f"{path.name} holds orbits {whose}: orbits are read from MPCORB.DAT"
                " or CometEls.txt of the Minor Planet Center, or from its JSON"
            )


def read(path: Path, report: Progress) -> tuple[NDArray[Any], int]:
    """The orbits of a file, and how many lines or entries hold none that can be used.

    Raises
    ------
    CatalogRefused
        It cannot be read.
    """
    kept: list[NDArray[Any]] = []
    skipped = 0
    try:
        with opened(path) as file:
            is_json = file.read(1 << 16).lstrip().startswith(b"[")
            file.seek(0)
            for rows, lost in _from_json(file) if is_json else _from_lines(file):
                kept.append(rows)
                skipped += lost
                report(sum(map(len, kept)), 0, "orbits")
    except (*UNREADABLE, ValueError, RecursionError) as error:  # JSON raises the last two
        raise refused(path, error) from error
    return np.concatenate(kept) if kept else np.zeros(0, dtype=DTYPE), skipped


def _from_lines(file: IO[bytes]) -> Iterator[tuple[NDArray[Any], int]]:
    rest = b""
    begun = False
    while block := file.read(BLOCK):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        if not begun:  # the header ends with a line of dashes, where there is one
            dashes = next((i for i, line in enumerate(lines[:200]) if line.startswith(b"-----")), None)
            lines = lines[dashes + 1 :] if dashes is not None else lines
            begun = True
        yield _parsed(lines)
    if rest:
        yield _parsed([rest])


def _parsed(lines: list[bytes]) -> tuple[NDArray[Any], int]:
    """The orbits of some lines, and how many lines hold none."""
    full = [line for line in lines if line.strip()]
    wide = np.array([line[:WIDTH].ljust(WIDTH) for line in full if len(line) >= SHORTEST], dtype=f"S{WIDTH}")
    if len(wide) == 0:
        return np.zeros(0, dtype=DTYPE), len(full)
    letters = np.frombuffer(wide.tobytes(), dtype="S1").reshape(len(wide), WIDTH)

    def text(first: int, after: int) -> NDArray[np.bytes_]:
        return np.ascontiguousarray(letters[:, first:after]).view(f"S{after - first}").ravel()

    found = {name: _floats(text(*place)) for name, place in FIELDS.items()}
    packed, place = np.unique(text(20, 25), return_inverse=True)
    epoch = np.array([unpacked_epoch(each.decode("latin-1")) for each in packed])[place]
    name = np.char.strip(text(166, 194))
    name = np.where(name == b"", np.char.strip(text(0, 7)), name)
    return _orbits(found | {"epoch": epoch}, name, len(full))


def _from_json(file: IO[bytes]) -> Iterator[tuple[NDArray[Any], int]]:
    """Objects of one array, a block at a time."""
    decoder = json.JSONDecoder()
    text = _whole_letters(file.read(BLOCK), file).lstrip().removeprefix("[")
    while text.strip(" \r\n\t,]"):
        found: list[dict[str, Any]] = []
        place = 0
        while True:
            while place < len(text) and text[place] in " \r\n\t,]":
                place += 1
            try:
                one, place = decoder.raw_decode(text, place)
            except json.JSONDecodeError:
                break  # it goes on in the next block
            if not isinstance(one, dict):
                raise CatalogRefused("the JSON of orbits holds something else than objects")
            found.append(one)
        more = file.read(BLOCK)
        if not found and not more:
            raise CatalogRefused("the JSON of orbits breaks off")
        text = text[place:] + _whole_letters(more, file)
        if found:
            yield _from_records(found)


def _whole_letters(block: bytes, file: IO[bytes]) -> str:
    while True:
        try:
            return block.decode("utf-8")
        except UnicodeDecodeError:
            more = file.read(1)
            if not more:
                raise
            block += more


def _from_records(records: list[dict[str, Any]]) -> tuple[NDArray[Any], int]:
    found = {
        name: np.array([_number(one.get(key)) for one in records], dtype=np.float64)
        for name, key in JSON_KEYS.items()
    }
    found["epoch"] = found["epoch"] - JD_OF_MJD_0
    found["n"] = np.full(len(records), np.nan)
    names = [
        " ".join(str(one[key]) for key in ("Number", "Name") if one.get(key))
        or str(one.get("Principal_desig", ""))
        for one in records
    ]
    name = np.array([shortened(each.encode("utf-8"), 28) for each in names], dtype="S28")
    return _orbits(found, name, len(records))


def _orbits(found: dict[str, NDArray[Any]], name: NDArray[Any], lines: int) -> tuple[NDArray[Any], int]:
    orbits = np.zeros(len(name), dtype=DTYPE)
    for field in DTYPE.names or ():
        orbits[field] = name if field == "name" else found[field]
    orbits["g"] = np.where(np.isfinite(orbits["g"]), orbits["g"], DEFAULT_SLOPE)
    elements = ("epoch", "mean", "peri", "node", "incl", "e", "a")
    good = np.all([np.isfinite(orbits[each]) for each in elements], axis=0)
    # A hyperbola has an axis below zero; a parabola has none, and this format tells no perihelion.
    e, a = orbits["e"], orbits["a"]
    good &= ((e >= 0.0) & (e < 1.0) & (a > 0.0)) | ((e > 1.0) & (a < 0.0))
    return orbits[good], lines - int(np.count_nonzero(good))


def unpacked_epoch(packed: str) -> float:
    """The MJD of a packed date such as ``K205V``; NaN where it is none."""
    if len(packed) != 5 or packed[0] not in CENTURIES or not packed[1:3].isdecimal():
        return float("nan")
    month, day = DIGITS.find(packed[3]), DIGITS.find(packed[4])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return float("nan")
    date = np.datetime64(f"{CENTURIES[packed[0]] + int(packed[1:3])}-{month:02d}-01") + np.timedelta64(
        day - 1, "D"
    )
    return float((date - np.datetime64("1858-11-17")).astype(int))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _floats(field: NDArray[np.bytes_]) -> NDArray[np.float64]:
    """A field of numbers; NaN where it is blank or none."""
    plain = np.char.strip(field)
    filled = np.where(plain == b"", b"nan", plain)
    try:
        return filled.astype(np.float64)
    except ValueError:
        return np.array([_number(each) for each in filled])
