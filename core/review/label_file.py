"""Files of labels from another vetting tool: CSV, ECSV, or one JSON object a line.

Nothing in them is believed: each row becomes values that can be looked up, or a reason why not.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.coordinates import CoordinateError, parse_position
from core.database.keys import key_in
from core.database.storable import storable
from core.errors import AstridError
from core.text import safe_text
from core.vocabulary import ExitCode, Label

MOST_BYTES = 256 * 2**20
MOST_CELL = 4000  # characters of a note; of a name far fewer
MOST_NAME = 200
DELIMITERS = ",\t;|"
_NOUGHTS = re.compile(r"(?<=[0-9])\.0*$")  # as spreadsheets write whole numbers of a column with gaps

# What columns are called, in small letters; of several of one meaning the first that a row fills counts.
NAMES = {
    "candidate": ("candidate", "candidate_id", "id"),
    "alert": ("alert_id", "candid", "diasourceid"),
    "ra": ("ra", "ra_deg", "raj2000"),
    "dec": ("dec", "dec_deg", "dej2000"),
    "mjd": ("mjd",),
    "frame": ("frame", "image", "file"),
    "x": ("x_frame", "x"),
    "y": ("y_frame", "y"),
    "verdict": ("verdict", "label", "class"),
    "reviewer": ("reviewer", "user"),
    "note": ("note", "comment"),
    "tags": ("tags",),
}


class LabelFileRefused(AstridError):
    """A file is none of labels, for one reason."""

    exit_code = ExitCode.USAGE


class UnclearRow(AstridError):
    """One row cannot be used; the message says why."""


class UnknownWord(UnclearRow):
    """A verdict's word is none of AstrID's, and nobody said what it stands for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one row says.

    Attributes
    ----------
    line : int
        Of the file, its last where a cell spans several.
    candidate : int or None
    alert : str or None
        A survey's number of an alert, or as exports have it ``survey:number``.
    position : tuple of float or None
        Right ascension and declination, degrees.
    mjd : float or None
    frame : str or None
        A file's name, without its folder.
    pixel : tuple of float or None
        x and y in the frame's own pixels, 0 in the middle of the first.
    label : Label
    reviewer, note : str or None
    tags : tuple of str
    """

    line: int
    candidate: int | None
    alert: str | None
    position: tuple[float, float] | None
    mjd: float | None
    frame: str | None
    pixel: tuple[float, float] | None
    label: Label
    reviewer: str | None
    note: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A file's rows, by line: what each says, none where it has no verdict, or why it cannot be used."""

    sha256: str
    rows: tuple[tuple[int, Asked | UnclearRow | None], ...]


def read_labels(path: Path, words: Mapping[str, Label]) -> LabelFile:
    """Read a file of labels.

    Parameters
    ----------
    path : Path
    words : mapping
        What words of the other tool stand for, as `plain_word` has them; AstrID's own need not be among them.

    Raises
    ------
    LabelFileRefused
        It cannot be read, is no text, or lacks a column of verdicts or of places.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # no more of a pipe, or of a device without an end
    except OSError as error:
        raise LabelFileRefused(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise LabelFileRefused(f"{path} has more than {MOST_BYTES // 2**20} MiB: part it")
    if b"\0" in content[:4096]:
        raise LabelFileRefused(f"{path} is no text: labels are read from CSV, ECSV or a JSON object a line")
    text = content.decode("utf-8-sig", errors="backslashreplace")
    cells = _of_json(text) if text.lstrip().startswith("{") else _of_csv(text, path)
    rows = []
    for line, found in cells:
        try:
            rows.append((line, found if isinstance(found, UnclearRow) else _asked(line, found, words)))
        except (UnclearRow, CoordinateError) as error:
            rows.append((line, error if isinstance(error, UnclearRow) else UnclearRow(str(error))))
    return LabelFile(hashlib.sha256(content).hexdigest(), tuple(rows))


def plain_word(word: str) -> str:
    """A verdict's word in AstrID's spelling: small letters, ``-`` between its parts."""
    return "-".join(word.lower().replace("_", " ").replace("-", " ").split())


def _of_json(text: str) -> Iterator[tuple[int, dict[str, Any] | UnclearRow]]:
    for line, each in enumerate(text.split("\n"), start=1):
        if not each.strip():
            continue
        try:
            found = json.loads(each)
        except (ValueError, RecursionError):
            yield line, UnclearRow("it is no JSON")
            continue
        if isinstance(found, dict):
            yield line, {key.strip().lower(): value for key, value in found.items()}
        else:
            yield line, UnclearRow("it is no JSON object")


def _of_csv(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any] | UnclearRow]]:
    """Rows below a line of names; lines before it that begin with # are passed over (ECSV's header)."""
    lines = list(io.StringIO(text, newline=""))
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None:
        raise LabelFileRefused(f"{path} has no line of names")
    is_ecsv = text.startswith("# %ECSV")
    reader = csv.reader(lines[first:], delimiter=_delimiter(lines[:first], lines[first], is_ecsv=is_ecsv))
    try:
        names = [name.strip().lower() for name in next(reader)]
        _check_names(names, path)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                line = first + reader.line_num
                if len(cells) == len(names):
                    yield line, dict(zip(names, cells, strict=True))
                else:
                    yield line, UnclearRow(f"it has {len(cells)} cells, and there are {len(names)} names")
    except csv.Error as error:
        raise LabelFileRefused(f"{path}, line {first + reader.line_num}: {error}") from error


def _delimiter(header: list[str], names: str, *, is_ecsv: bool) -> str:
    """What parts cells: as ECSV's header says, else a space; without one what the names are parted by."""
    if is_ecsv:
        said = "".join(header).partition("delimiter:")[2].partition("\n")[0]
        return next((each for each in DELIMITERS if each in said), " ")
    return max(DELIMITERS, key=names.count)


def _check_names(names: list[str], path: Path) -> None:
    def has(meaning: str) -> bool:
        return any(name in names for name in NAMES[meaning])

    if not has("verdict"):
        raise LabelFileRefused(f"{path} has no column of verdicts: call it verdict")
    is_told = has("candidate") or has("alert") or (has("ra") and has("dec"))
    if not (is_told or (has("frame") and has("x") and has("y"))):
        raise LabelFileRefused(
            f"{path} has no column that tells a candidate: candidate; or alert_id; or ra, dec; or frame, x, y"
        )


def _asked(line: int, cells: Mapping[str, Any], words: Mapping[str, Label]) -> Asked | None:
    """What a row says; none where it has no verdict."""
    values = {meaning: _cell(cells, names) for meaning, names in NAMES.items() if meaning != "tags"}
    if values["verdict"] is None:
        return None
    candidate = _whole(values["candidate"])
    alert = values["alert"] and _short(values["alert"], "alert's number")
    ra, dec, x, y = (values[name] for name in ("ra", "dec", "x", "y"))
    position = parse_position(ra, dec) if ra is not None and dec is not None else None
    frame = values["frame"] and _short(values["frame"], "frame's name").replace("\\", "/").rpartition("/")[2]
    pixel = (_number(x, "x"), _number(y, "y")) if x is not None and y is not None else None
    if candidate is None and alert is None and position is None and (not frame or pixel is None):
        raise UnclearRow("it tells neither a candidate, nor an alert, nor ra and dec, nor frame, x and y")
    note = values["note"]
    if note is not None and len(note) > MOST_CELL:
        raise UnclearRow(f"its note has {len(note)} characters, and {MOST_CELL} are kept")
    return Asked(
        line,
        candidate,
        alert,
        position,
        None if values["mjd"] is None else _number(values["mjd"], "mjd"),
        frame or None,
        pixel,
        _label(values["verdict"], words),
        values["reviewer"] and _short(values["reviewer"], "reviewer's name"),
        note,
        _tags(cells.get("tags")),
    )


def _cell(cells: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first cell that is filled, as text; none where all are empty."""
    for name in names:
        value = cells.get(name)
        if isinstance(value, bool | dict | list):
            raise UnclearRow(f"its {name} is neither text nor a number")
        text = "" if value is None else str(storable(str(value))).strip()
        if text:
            return text
    return None


def _label(word: str, words: Mapping[str, Label]) -> Label:
    plain = plain_word(word)
    if plain in words:
        return words[plain]
    try:
        return Label(plain)
    except ValueError:
        raise UnknownWord(f"'{safe_text(word, 40)}' is no verdict") from None


def _whole(text: str | None) -> int | None:
    if text is None:
        return None
    key = key_in(_NOUGHTS.sub("", text))
    if not key:
        raise UnclearRow(f"'{safe_text(text, 40)}' is no candidate's number")
    return key


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnclearRow(f"its {what}, '{safe_text(text, 40)}', is no number")
    return number


def _short(text: str, what: str) -> str:
    if len(text) > MOST_NAME:
        raise UnclearRow(f"its {what} has more than {MOST_NAME} characters")
    return text


def _tags(value: Any) -> tuple[str, ...]:
    """Tags as a list, or parted by spaces or commas."""
    given = value if isinstance(value, list) else str(value or "").replace(",", " ").split()
    words = [str(storable(str(each))).lstrip("#").lower() for each in given]
    if any(len(word) > MOST_NAME or len(word.split()) != 1 for word in words):
        raise UnclearRow("a tag is one word")
    return tuple(dict.fromkeys(words))
