"""Candidates as files of other programs: Parquet, VOTable, ECSV and DS9 regions.

All are made of `core.review.real_rows.RealCandidate`, which no injected source can be.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from core import votable
from core.made_by import made_by
from core.review.export import COLUMNS, values_of
from core.review.real_rows import PAGE, RealCandidate
from core.text import safe_text, whole_text
from core.vocabulary import LABELS, MASK_PLANES, Label, ReviewState

if TYPE_CHECKING:
    from astropy.table import Table

UNITS = {
    "mjd": "d", "ra": "deg", "dec": "deg", "x": "pix", "y": "pix", "x_frame": "pix", "y_frame": "pix",
    "mag": "mag", "mag_err": "mag", "position_error_px": "pix",
}  # fmt: skip
UCDS = {
    "id": "meta.id;meta.main", "object": "meta.id;src", "frame": "meta.id;obs.image",
    "source": "meta.curation",
    "filter": "instr.bandpass", "mjd": "time.epoch", "x": "pos.cartesian.x;instr.det",
    "y": "pos.cartesian.y;instr.det", "x_frame": "pos.cartesian.x;instr.det",
    "y_frame": "pos.cartesian.y;instr.det", "ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main",
    "snr": "stat.snr", "flux": "phot.flux;arith.diff", "flux_err": "stat.error;phot.flux",
    "flux_unit": "meta.unit;phot.flux", "mag": "phot.mag;arith.diff", "mag_err": "stat.error;phot.mag",
    "mag_system": "meta.code;phot.mag", "score": "stat.probability", "scores": "meta.note",
    "method": "meta.code;meta.software", "verdict": "src.class", "reviewer": "meta.id", "decided_at": "time",
    "disputed": "meta.code.qual", "note": "meta.note", "tags": "meta.note", "verdict_hash": "meta.checksum",
    "tracklet": "meta.id.assoc", "object_id": "meta.id;src", "frame_id": "meta.id;obs.image",
    "reference": "meta.id", "position_error_px": "stat.error;pos.cartesian", "mask_flags": "meta.code.qual",
    "config_hash": "meta.checksum;meta.software", "scored_by": "meta.version;meta.software",
    "alert_id": "meta.id.cross", "line": "meta.code.class",
}  # fmt: skip
DESCRIPTIONS = {
    "id": "number of the candidate in its store",
    "object": "name of the sky object that it is a detection of",
    "frame": "the frame that it was found in",
    "source": "who detected it: astrid, or a survey",
    "filter": "band, as the frame has it",
    "mjd": "time at mid-exposure, UTC",
    "x": "column on the grid of the reference, 0-based pixel centres",
    "y": "row on the grid of the reference, 0-based pixel centres",
    "x_frame": "column in the frame itself, 0-based pixel centres",
    "y_frame": "row in the frame itself, 0-based pixel centres",
    "ra": "right ascension, ICRS",
    "dec": "declination, ICRS",
    "snr": "significance of a point source, negative where it faded",
    "flux": "PSF flux of the difference, new minus reference, in flux_unit",
    "flux_err": "one sigma of flux, in flux_unit",
    "flux_unit": "unit of flux and flux_err",
    "mag": "magnitude of the flux without its sign; none without a zeropoint",
    "mag_err": "one sigma of mag, that of its zeropoint left out",
    "mag_system": "of mag: ab, vega or instrumental",
    "score": "what the review queue is ordered by",
    "scores": "the score of each model, by its name",
    "method": "how the reference was subtracted",
    "verdict": "the decision in force",
    "reviewer": "who gave the decision in force",
    "decided_at": "when it was given, UTC",
    "disputed": "reviewers differ on the object, and no expert has settled it",
    "note": "what reviewers wrote",
    "tags": "words that reviewers gave the object",
    "verdict_hash": "SHA-256 of the row of the decision, in the chain of its session",
    "tracklet": "number of the tracklet that it is a point of",
    "object_id": "number of the sky object in its store",
    "frame_id": "number of the frame in its store: frames may share a name",
    "reference": "number of the reference that was subtracted",
    "position_error_px": "one sigma of x and of y",
    "mask_flags": f"planes of the mask under it, added up: {MASK_PLANES}",
    "config_hash": "of the settings that the frame was processed with",
    "scored_by": "versions of the models that scored it, by their SHA-256",
    "alert_id": "the survey, and its number of the alert",
    "line": "streak, or row for one of several new sources in a row of its frame, as flashes are",
}
_INTEGERS = ("id", "tracklet", "object_id", "frame_id", "reference", "mask_flags")
_NUMBERS = (
    "mjd", "x", "y", "x_frame", "y_frame", "ra", "dec", "snr", "flux", "flux_err", "mag", "mag_err", "score",
    "position_error_px",
)  # fmt: skip
_RADIUS_ARCSEC = 3.0
_RADIUS_PX = 6.0
_HEAD_OF_PIXELS = 2  # lines before the regions in pixels
_COLOURS = {ReviewState.REAL: "green", ReviewState.BOGUS: "red"}


def write_parquet(found: Iterable[RealCandidate], stream: IO[bytes]) -> int:
    """Write candidates as Parquet, a page at a time; return how many. Tags are a list, scores JSON.

    What is not said is empty text, as in CSV: astropy reads no column of text that holds nulls.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(name: str) -> Any:
        if name in _INTEGERS:
            return pa.int64()
        if name == "disputed":
            return pa.bool_()
        return pa.float64() if name in _NUMBERS else pa.list_(pa.string()) if name == "tags" else pa.string()

    schema = pa.schema(
        [
            pa.field(name, kind(name), metadata={"unit": UNITS[name]} if name in UNITS else None)
            for name in COLUMNS
        ],
        metadata={"creator": made_by()},
    )
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    count = 0
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for page in pages(iter(found)):
            records = [_plain(row) for row in page]
            for record in records:
                record["tags"] = [str(tag) for tag in record["tags"]]
                record |= {name: "" for name in texts if record[name] is None}
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
            count += len(page)
    return count


def write_votable(found: Iterable[RealCandidate], stream: IO[bytes]) -> int:
    """Write candidates as a VOTable; return how many."""
    return votable.write_rows(no_rows(), map(cells, found), stream, UCDS)


def write_ecsv(found: Iterable[RealCandidate], stream: IO[str]) -> int:
    """Write candidates as ECSV, astropy's own text, a row at a time; return how many."""
    columns = no_rows()
    columns.meta["creator"] = made_by()
    columns.write(stream, format="ascii.ecsv", delimiter=",")  # between which nothing is what is not known
    writer = csv.writer(stream, lineterminator="\n")
    count = 0
    for count, row in enumerate(found, start=1):  # noqa: B007 the last one is the answer
        writer.writerow([whole_text(cell) if isinstance(cell, str) else cell for cell in cells(row)])
    return count


def no_rows() -> "Table":
    """The columns, with their kinds, units and descriptions."""
    from astropy.table import Column, Table

    kinds = {"disputed": "bool", **dict.fromkeys(_INTEGERS, "i8"), **dict.fromkeys(_NUMBERS, "f8")}
    return Table(
        [
            Column([], name, kinds.get(name, "U1"), unit=UNITS.get(name), description=DESCRIPTIONS[name])
            for name in COLUMNS
        ]
    )


def cells(row: RealCandidate) -> list[Any]:
    """A value a column; tags as words of one text."""
    record = _plain(row)
    record["tags"] = " ".join(str(tag) for tag in record["tags"])
    return [*record.values()]


def write_regions(found: Iterable[RealCandidate], stream: IO[str]) -> int:
    """Write candidates as DS9 regions: real green, bogus red, others yellow; return how many.

    Those without a place on the sky are written in pixels, 1-based as DS9 counts, where that is one image's:
    all of one frame, in its own pixels, else all on the grid of one reference, in that. Otherwise they are
    left out.
    """
    stream.write("# Region file format: DS9 version 4.1\nicrs\n")
    count, placeless = 0, _Pixels()
    for row in found:
        values = values_of(row)
        if values["ra"] is None or values["dec"] is None:
            placeless.take(row, _look(values))
            continue
        place = f"{values['ra']:.7f},{values['dec']:+.7f}"
        stream.write(f'circle({place},{_RADIUS_ARCSEC:g}") # {_look(values)}\n')
        count += 1
    for line in (lines := placeless.lines()):
        stream.write(line + "\n")
    return count + max(len(lines) - _HEAD_OF_PIXELS, 0)


def _look(values: dict[str, Any]) -> str:
    """The colour and the text of a candidate's region."""
    label = values["verdict"]
    colour = _COLOURS.get(LABELS[Label(label)].review_state, "yellow") if label else "yellow"
    words = f"{values['id']} {values['object']} {label or ''}".strip()
    text = safe_text(words, 80).translate({ord("{"): "(", ord("}"): ")"})  # they would end it
    return f"color={colour} text={{{text}}}"


@dataclass(slots=True)
class _Pixels:
    """Candidates without a place on the sky, while one image can show them all."""

    frames: set[tuple[int | None, str | None]] = field(default_factory=set)
    grids: set[int | None] = field(default_factory=set)
    found: list[tuple[float | None, ...]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)

    def take(self, row: RealCandidate, look: str) -> None:
        record = row.record
        self.frames.add((row.candidate.observation_id, record["frame"]))
        self.grids.add(row.sky_object.reference_id)
        if len(self.frames) > 1 and len(self.grids) > 1:  # no image can: nothing is kept
            self.found, self.looks = [], []
            return
        self.found.append((record["x_frame"], record["y_frame"], record["x"], record["y"]))
        self.looks.append(look)

    def lines(self) -> list[str]:
        """The coordinate system, whose pixels they are, and the regions; nothing where there are none."""
        ((key, frame), *other_frames) = self.frames or {(None, None)}
        (grid, *other_grids) = self.grids or {None}
        if not other_frames and key is not None and all(each[0] is not None for each in self.found):
            image, first = f"frame {safe_text(frame or key, 200)}", 0
        elif not other_grids and grid is not None:
            image, first = f"the grid of reference {grid}", 2
        else:
            return []
        circles = [
            f"circle({x + 1.0:.2f},{y + 1.0:.2f},{_RADIUS_PX:g}) # {look}"
            for (x, y), look in zip((each[first : first + 2] for each in self.found), self.looks, strict=True)
            if x is not None and y is not None
        ]
        return ["image", f"# pixels of {image}", *circles] if circles else []


def _plain(row: RealCandidate) -> dict[str, Any]:
    """A record of plain values; scores as JSON."""
    values = values_of(row)
    values["scores"] = json.dumps(values["scores"]) if values["scores"] else None
    return values


def pages(found: Iterator[RealCandidate]) -> Iterator[list[RealCandidate]]:
    """A page at a time."""
    while page := list(islice(found, PAGE)):
        yield page
