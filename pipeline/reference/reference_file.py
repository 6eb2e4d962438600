"""A reference as a FITS file: the calibrated image, its sky, variance and mask, read back as they were.

Whatever a reference is made from, a single frame or many, it is kept in this one layout, so that a
run calibrates nothing twice. The primary image is in the flux unit that differences will have and
its header says the gain, so that other programs see the right noise too.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS

from core.unfinished import unfinished
from pipeline.files.celestial import beyond_bounds
from pipeline.files.fits_selection import wrong_claim, wrong_distortion
from pipeline.frame import Exposure, Frame, FrameRefused, Stars

MARK = "ASTRIDRF"
KEY = "ASTRIDOF"
VERSION = 1  # of the layout
BEGINS, GOES_ON = "frame ", "      "  # lines of the history
LINE = 72 - len(BEGINS)  # characters of a name that one holds
PLANES = (0, "BACKGROUND", "VARIANCE", "MASK")


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """A calibrated image to subtract from others, and where it comes from.

    ``frame.gain`` is electrons per stored unit; ``zeropoint`` the magnitude of one stored unit. ``stars``
    are its sources where they were looked for already; files do not keep them. ``key`` tells of what
    exposures and by what settings a coadd is (`pipeline.reference.groups`).
    """

    frame: Frame
    names: tuple[str, ...]  # of the frames in it
    flux_unit: str
    mjd_first: float | None = None
    mjd_last: float | None = None
    zeropoint: float | None = None
    mag_system: str | None = None
    stars: Stars | None = None
    key: str | None = None


def write(reference: ReferenceImage, path: Path) -> None:
    """Write a reference, whole or not at all.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    frame = reference.frame
    gain = np.float32(frame.gain)
    # Tables of distortion, where the WCS has any, are extensions that its header names.
    grid = frame.wcs.to_fits(relax=True) if frame.wcs is not None else fits.HDUList([fits.PrimaryHDU()])
    layers = fits.HDUList(
        [
            fits.PrimaryHDU(frame.data / gain, header=_header(reference, grid[0].header)),
            fits.ImageHDU(frame.background / gain, name="BACKGROUND"),
            fits.ImageHDU(frame.variance / gain**2, name="VARIANCE"),
            fits.ImageHDU(frame.mask, name="MASK"),
            *grid[1:],
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path) as part:
        layers.writeto(part, overwrite=True)


def is_reference(path: Path) -> bool:
    """Whether a file has the layout of `write`."""
    if not path.is_file():  # a pipe would be waited for without end
        return False
    try:
        with _quiet():
            return MARK in fits.getheader(path, 0)
    except Exception:  # noqa: BLE001 - astropy raises nearly every kind; who reads it as an image says why
        return False


def key_of(path: Path) -> str | None:
    """The key of the coadd that a file holds; none where it has none or cannot be read."""
    try:
        with _quiet():
            key = fits.getheader(path, 0).get(KEY)
    except Exception:  # noqa: BLE001 - astropy raises nearly every kind; then it is built again
        return None
    return None if key is None else str(key)


def read(path: Path) -> ReferenceImage:
    """Read what `write` wrote.

    Raises
    ------
    FrameRefused
        The file is not there, is damaged or has another layout.
    """
    if path.exists() and not path.is_file():
        raise FrameRefused(f"the reference {path} cannot be read: it is no regular file")
    try:
        with _quiet(), fits.open(path, memmap=False) as layers:
            header = layers[0].header.copy()
            _check_layout(header, layers, path)
            data, background, variance, mask = (np.asarray(layers[plane].data) for plane in PLANES)
            gain, read_noise = float(header["GAIN"]), float(header["RDNOISE"])
            saturation = float(header["SATURATE"])
            numbers = [_number(header, key) for key in ("MJD-BEG", "MJD-AVG", "MJD-END", "MAGZERO")]
            wcs = WCS(header, fobj=layers)
    except FrameRefused:
        raise
    except OSError as error:
        raise FrameRefused(f"the reference {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # astropy raises nearly every kind
        raise FrameRefused(f"the reference {path} cannot be read: {error}") from error
    if data.ndim != 2 or not data.shape == background.shape == variance.shape == mask.shape:
        raise FrameRefused(f"the reference {path} is damaged: its planes are not of one size")
    if not (gain > 0.0 and math.isfinite(gain)):
        raise FrameRefused(f"the reference {path} is damaged: its gain is {gain:g}")
    first, middle, last, zeropoint = numbers
    exposure = Exposure(
        name=path.name,
        mjd=middle,
        filter=header.get("FILTER"),
        field=header.get("OBJECT"),
        gain=gain,
        read_noise=read_noise,
        saturation=saturation,
    )
    frame = Frame(
        data=data.astype(np.float32) * np.float32(gain),
        background=background.astype(np.float32) * np.float32(gain),
        variance=variance.astype(np.float32) * np.float32(gain**2),
        mask=mask.astype(np.uint16),
        exposure=exposure,
        header=header,
        wcs=wcs if wcs.has_celestial else None,
        gain=gain,
        read_noise=read_noise,
        saturation=saturation * gain,
    )
    return ReferenceImage(
        frame,
        names=_names(header),
        flux_unit=str(header["BUNIT"]),
        mjd_first=first,
        mjd_last=last,
        zeropoint=zeropoint,
        mag_system=header.get("MAGSYS"),
        key=header.get(KEY),
    )


def _check_layout(header: fits.Header, layers: fits.HDUList, path: Path) -> None:
    """Refuse another layout, and planes that cannot be as large as they say."""
    if header[MARK] != VERSION:
        raise FrameRefused(f"the reference has layout {header[MARK]}, this program reads {VERSION}")
    claims = (wrong_claim(layers[plane], path) for plane in PLANES)
    if wrong := next(filter(None, claims), wrong_distortion(header, layers, path)):
        raise FrameRefused(f"the reference {path} cannot be read: {wrong}")
    if (absurd := beyond_bounds(header)) is not None:
        raise FrameRefused(f"the reference {path} is damaged: {absurd}")


def _number(header: fits.Header, key: str) -> float | None:
    """A number that need not be there; another value raises."""
    value = header.get(key)
    return None if value is None else float(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without astropy's remarks, on dates it completed and damage that is an error later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        yield


def _header(reference: ReferenceImage, grid: fits.Header) -> fits.Header:
    frame = reference.frame
    header = grid.copy(strip=True)
    for key in ("DATE-OBS", "MJD-OBS"):  # of one frame of many
        header.remove(key, ignore_missing=True)
    header[MARK] = (VERSION, "an image to subtract, with its noise and mask")
    if reference.key is not None:
        header[KEY] = (reference.key, "of the frames and settings")
    header["BUNIT"] = _ascii(reference.flux_unit)
    header["GAIN"] = (frame.gain, "electrons per unit, by Poisson noise")
    header["RDNOISE"] = (frame.read_noise, "electrons")
    header["SATURATE"] = (frame.saturation / frame.gain, "in the image's unit")
    header["NCOMBINE"] = len(reference.names)
    first, last = reference.mjd_first, reference.mjd_last
    for key, value in (
        ("MJD-BEG", first),
        ("MJD-AVG", None if first is None or last is None else 0.5 * (first + last)),
        ("MJD-END", last),
        ("FILTER", _ascii(frame.exposure.filter)),
        ("OBJECT", _ascii(frame.exposure.field)),
        ("MAGZERO", reference.zeropoint),
        ("MAGSYS", _ascii(reference.mag_system)),
    ):
        if value is not None:
            header[key] = value
    for name in reference.names:
        text = _ascii(name) or ""
        for start in range(0, max(len(text), 1), LINE):
            header.add_history((GOES_ON if start else BEGINS) + text[start : start + LINE])
    return header


def _names(header: fits.Header) -> tuple[str, ...]:
    """The names that `_header` wrote: those that a line cannot hold go on in the next."""
    names: list[str] = []
    for line in map(str, header.get("HISTORY", [])):
        if f"{line} ".startswith(BEGINS) or not names:  # a card does not keep the blanks at its end
            names.append(f"{line} ".removeprefix(BEGINS).removesuffix(" "))
        else:
            whole = -(-len(names[-1]) // LINE) * LINE
            names[-1] = names[-1].ljust(whole) + line.removeprefix(GOES_ON)
    return tuple(names)


def _ascii(text: str | None) -> str | None:
    """A text as a FITS header can hold it: printable ASCII."""
    if text is None:
        return None
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in plain)
