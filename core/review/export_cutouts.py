"""The cutouts of candidates as a FITS file, behind a table of the candidates.

It is made of `core.review.real_rows.RealCandidate`, which no injected source can be.
"""

import io
import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from sqlalchemy import select
from sqlmodel import Session, col

from core.database.store import Store
from core.database.tables import Candidate, Cutout, Difference, Observation, Reference
from core.made_by import made_by
from core.review.cutout_cards import Cards, epoch_cards, exposure_cards, sky_cards
from core.review.cutouts import CutoutError, Cutouts, unpack
from core.review.export import values_of
from core.review.export_files import UCDS, cells, no_rows, pages
from core.review.real_rows import RealCandidate
from core.text import safe_text
from core.vocabulary import OWN

TABLE = "CANDIDATES"
_PLANES = ("NEW", "REF", "DIFF", "SCORE")
_BLOCK = 2880  # bytes of a block of FITS
_CARD, _SENTENCE = 60, 600  # characters of a value: on one card, and of what may go on over several


def write_cutouts(found: Iterable[RealCandidate], stream: IO[bytes], store: Store) -> int:
    """Write the cutouts of candidates as one FITS file, three or four images each; return of how many.

    A table comes first, ``CANDIDATES``, of all whose cutouts follow, by their ids in its column ``id``.
    ``NEW``, ``REF``, ``DIFF`` and, where it is kept, ``SCORE`` carry the candidate's id as ``EXTVER``.
    Pixels are in units of the sky's sigma in that plane (``SKYSIG``, where it is known) and on the
    reference's grid: ``XREF, YREF`` is the candidate's place there, 0-based, and where its WCS is known the
    cutouts have one. Times are the frame's, in ``REF`` those of the first and last frame of the reference.
    Candidates without cutouts that can be read are left out.
    """
    beside = getattr(stream, "name", None)
    folder = Path(beside).parent if isinstance(beside, str) else None  # where the file itself has room
    rows: list[list[Any]] = []
    with TemporaryFile(dir=folder) as images:  # how long the table is, is known behind the last of them
        for row in _write_images(found, images, store):
            rows.append(cells(row))
        stream.write(_table(rows))
        images.seek(0)
        shutil.copyfileobj(images, stream)
    return len(rows)


def _write_images(found: Iterable[RealCandidate], stream: IO[bytes], store: Store) -> Iterator[RealCandidate]:
    """Write the images of each candidate whose cutouts can be read, and give it back."""
    from astropy.io import fits

    for page in pages(iter(found)):
        with store.read() as db:
            ids = [row.candidate.id for row in page]
            kept = db.execute(
                select(col(Cutout.candidate_id), col(Cutout.pixels)).where(col(Cutout.candidate_id).in_(ids))
            )
            blobs = {key: blob for key, blob in kept}  # noqa: C416 rows are no pairs to the type checker
            times = _times(db, page)
        for row in page:
            try:
                cutouts = unpack(blobs[row.candidate.id])
            except (KeyError, CutoutError):
                continue
            sigmas = (*cutouts.sigma, math.nan)  # the score is in its own
            for name, plane, sigma in zip(_PLANES, cutouts.planes, sigmas, strict=False):
                header = _header(row, name, sigma)
                is_reference = name == "REF"
                header.extend(times[row.candidate.id or 0][is_reference] + _sky(row, cutouts))
                hdu = fits.ImageHDU(plane, header=header, name=name, ver=row.candidate.id)
                data = plane.astype(">f4").tobytes()
                stream.write(hdu.header.tostring().encode("ascii"))
                stream.write(data + b"\0" * (-len(data) % _BLOCK))
            yield row


def _table(rows: list[list[Any]]) -> bytes:
    """The head of the file and the table, of which each column says its unit and what it is."""
    from astropy.io import fits
    from astropy.table import MaskedColumn, Table

    primary = fits.PrimaryHDU()
    primary.header["CREATOR"] = (made_by(), "what wrote this file")
    columns = []
    for number, empty in enumerate(no_rows().columns.values()):
        values = [row[number] for row in rows]
        if empty.dtype.kind == "U":
            filled: list[Any] = ["" if each is None else _ascii(each, _SENTENCE) for each in values]
            columns.append(MaskedColumn(filled, empty.name, dtype=None if rows else "U1"))
            continue
        filled = [0 if each is None else each for each in values]
        is_unknown = [each is None for each in values]
        columns.append(MaskedColumn(filled, empty.name, is_unknown, dtype=empty.dtype, unit=empty.unit))
    table = fits.table_to_hdu(Table(columns), character_as_bytes=True)
    table.name = TABLE
    for number, empty in enumerate(no_rows().columns.values(), start=1):
        table.header[f"TCOMM{number}"] = empty.description
        table.header[f"TUCD{number}"] = UCDS[empty.name]
    table.header["TIMESYS"] = ("UTC", "of mjd, which is JD - 2400000.5")
    table.header["RADESYS"] = ("ICRS", "of ra, dec")
    written = io.BytesIO()
    fits.HDUList([primary, table]).writeto(written)
    return written.getvalue()


def _header(row: RealCandidate, plane: str, sigma: float) -> Any:
    from astropy.io import fits

    values = values_of(row)
    header = fits.Header()
    header["OBJECT"] = _ascii(values["object"])
    header["CANDID"] = values["id"]
    header["BUNIT"] = ("sigma", "of the sky in this plane")
    cards = {
        "FRAME": ("frame", ""), "FILTER": ("filter", ""),
        "RA": ("ra", "deg, ICRS"), "DEC": ("dec", "deg, ICRS"), "XREF": ("x", "0-based, on the reference"),
        "YREF": ("y", "0-based, on the reference"), "SNR": ("snr", ""), "MAG": ("mag", ""),
        "MAGSYS": ("mag_system", ""),
        "SCORE": ("score", ""), "VERDICT": ("verdict", ""),
        "OBJID": ("object_id", "the object, in its store"),
        "FRAMEID": ("frame_id", "the frame, in its store"),
        "REFID": ("reference", "the reference, in its store"), "METHOD": ("method", "how it was subtracted"),
        "CONFHASH": ("config_hash", "of the settings"), "SCOREDBY": ("scored_by", ""),
        "ALERTID": ("alert_id", ""),
    }  # fmt: skip
    for keyword, (name, comment) in cards.items():
        value = values[name]
        if value is not None:
            length = _SENTENCE if keyword == "SCOREDBY" else _CARD
            header[keyword] = (_ascii(value, length) if isinstance(value, str) else value, comment)
    if math.isfinite(sigma):
        header["SKYSIG"] = (float(sigma), f"one sigma of {plane} in its linear unit")
    return header


def _times(db: Session, page: list[RealCandidate]) -> dict[int, tuple[Cards, Cards]]:
    """The cards of time of the frame and of the reference, by candidate."""
    query = (
        select(
            col(Candidate.id), col(Observation.exposure_s), col(Reference.mjd_first), col(Reference.mjd_last)
        )
        .outerjoin(Observation, col(Observation.id) == col(Candidate.observation_id))
        .outerjoin(Difference, col(Difference.id) == col(Candidate.difference_id))
        .outerjoin(Reference, col(Reference.id) == col(Difference.reference_id))
        .where(col(Candidate.id).in_([row.candidate.id for row in page]))
    )
    mjd = {row.candidate.id: row.candidate.mjd for row in page}
    return {
        key: (exposure_cards(mjd[key], exposure_s), epoch_cards(first, last))
        for key, exposure_s, first, last in db.execute(query)
    }


def _sky(row: RealCandidate, cutouts: Cutouts) -> Cards:
    """Where the pixels lie. Our own cutouts are centred on the pixel of the candidate, a survey's on it."""
    own, height_width = row.candidate, cutouts.new.shape
    offset = (0.0, 0.0)
    if own.source == OWN and own.x is not None and own.y is not None:
        offset = (own.x - round(own.x), own.y - round(own.y))
    return sky_cards(cutouts.to_sky, (own.ra, own.dec), height_width, offset)


def _ascii(text: str, length: int = _CARD) -> str:
    """Fit for a card of FITS: printable ASCII; what is longer than one card is continued on others."""
    return "".join(each if " " <= each <= "~" else "?" for each in safe_text(text, length))
