"""Opening FITS files: whole, compressed (``.gz``, ``.bz2``, tile-compressed ``.fz``), or broken."""

from __future__ import annotations

import errno
import gzip
import logging
import lzma
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import FITSFixedWarning

from core.errors import AstridError
from pipeline.files.fits_selection import COMPRESSIONS, Damaged, may_inflate_to
from pipeline.files.safe_tiles import MOST_GROWTH
from pipeline.frame import FrameRefused

COMPRESS_MAGIC = b"\x1f\x9d"
ZIP_MAGIC = b"PK"


@contextmanager
def opened(path: Path) -> Iterator[tuple[fits.HDUList, list[str]]]:
    """Open a file so that damage is one sentence and warnings are collected, not printed."""
    _check_path(path)
    complaints: list[str] = []
    logger = logging.getLogger("astropy")
    level = logger.level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger.setLevel(logging.ERROR)  # astropy.wcs also speaks through its log
        try:
            with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
                _read_headers(hdus)  # all of them now, so that damage shows here
                yield hdus, complaints
        except AstridError:
            raise
        except PermissionError as error:
            raise Damaged("the file may not be read (permission denied)") from error
        except Exception as error:  # astropy raises nearly every kind; cfitsio's own has no common base
            raise Damaged(_what_is_wrong(path, error)) from error
        finally:
            logger.setLevel(level)
            complaints.extend(_first_line(str(w.message)) for w in caught if _matters(w.category))


def _read_headers(hdus: fits.HDUList) -> None:
    """Read every header, each behind the one before: broken ones may lead astropy back, without end."""
    last, odd = -1, 0
    for hdu in hdus:
        if hasattr(hdu, "fileinfo"):
            begins = int(hdu.fileinfo()["hdrLoc"])
        else:  # what is not standard FITS, or no header at all: it takes all the rest, so there is but one
            begins, odd = last + 1, odd + 1
        if begins <= last or odd > 1:
            raise Damaged("its header is damaged: it does not tell where its data end")
        last = begins


def _check_path(path: Path) -> None:
    """Refuse what need not be handed to a FITS reader at all."""
    try:
        if path.is_dir():
            raise FrameRefused("it is a directory, not a file")
        if path.exists() and not path.is_file():
            raise FrameRefused("it is not a regular file")  # a pipe would be waited for without end
        with path.open("rb") as file:
            start = file.read(6)
    except FileNotFoundError as error:
        raise Damaged("there is no such file") from error
    except PermissionError as error:
        raise Damaged("the file may not be read (permission denied)") from error
    except OSError as error:
        raise Damaged(f"the file cannot be read ({error.strerror or _first_line(str(error))})") from error
    if not start:
        raise Damaged("the file is empty")
    if start.startswith(COMPRESS_MAGIC):
        raise FrameRefused("it is compressed with `compress` (.Z), which is not supported; gzip it instead")
    if not start.startswith((b"SIMPLE", *COMPRESSIONS)):
        raise FrameRefused("it is not a FITS file (it does not begin with SIMPLE)")
    if start.startswith(ZIP_MAGIC):
        _check_zip(path)


def _check_zip(path: Path) -> None:
    """Refuse a zip by its table of contents: astropy inflates one whole, before it looks at a header.

    No more is ever inflated than the table says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise Damaged("its compressed data are damaged or end too early") from error
    if len(held) != 1:
        raise FrameRefused(f"it is a zip of {len(held)} files: one FITS file is needed")
    if held[0].file_size > may_inflate_to(path):
        raise FrameRefused(
            f"it inflates to {held[0].file_size} bytes, more than {MOST_GROWTH} times its size"
        )


def _what_is_wrong(path: Path, error: BaseException) -> str:
    """One sentence for what a FITS reader raised."""
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile | lzma.LZMAError):
        return "its compressed data are damaged or end too early"
    if isinstance(error, MemoryError):
        return f"it needs more memory than there is ({path.stat().st_size} bytes on disk)"
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        return "its header is damaged: its NAXIS promise a size that no file has"
    said = _first_line(str(error))
    if "SIMPLE" in said or "Empty or corrupt" in said:
        with path.open("rb") as file:
            packed = file.read(6).startswith(COMPRESSIONS)
        return (
            "what it compresses is damaged or no FITS file"
            if packed
            else "its header is no valid FITS header"
        )
    return f"it cannot be read as FITS: {said}" if said else "it cannot be read as FITS"


def _first_line(said: str) -> str:
    """The first line of a message, of bounded length."""
    lines = said.strip().splitlines()
    return lines[0][:160] if lines else ""


def _matters(category: type[Warning]) -> bool:
    """Whether a warning tells something of the file (that dates were normalised does not)."""
    return issubclass(category, AstropyWarning) and not issubclass(category, FITSFixedWarning)
