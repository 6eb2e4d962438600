"""A difference as one multi-extension FITS file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from core.made_by import made_by
from core.unfinished import unfinished
from core.vocabulary import MASK_PLANES
from pipeline.classify.classify import best_of
from pipeline.depth.depth import Depth
from pipeline.diff import kind_of
from pipeline.frame import Aligned, Detection, Difference, PreparedReference
from pipeline.places import sky_positions

_TIMES = ("DATE", "MJD", "JD", "JEPOCH", "BEPOCH", "TIMESYS", "TSTART", "TSTOP", "XPOSURE", "TELAPSE")


def write(
    path: Path,
    difference: Difference,
    detections: Sequence[Detection],
    new: Aligned,
    reference: PreparedReference,
    depth: Depth | None = None,
) -> None:
    """Write a difference and what was found in it, all at once or not at all.

    Extensions are ``DIFF`` (stored units of the reference), ``SCORE``, ``MASK``, ``PSF`` (of the
    difference, at the middle of the frame) and the table ``SOURCES`` (x, y from 0; x_new, y_new in the
    new frame's file).

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    difference : Difference
    detections : sequence of Detection
    new : Aligned
    reference : PreparedReference
        Its WCS is that of every image.
    depth : Depth, optional

    Raises
    ------
    OSError
        The file cannot be written.
    """
    height, width = difference.data.shape
    psf = difference.psf.at((width - 1) / 2.0, (height - 1) / 2.0)
    files = fits.HDUList(
        [
            fits.PrimaryHDU(header=_facts(difference, new, reference, depth)),
            _image(difference.data, "DIFF", difference.flux_unit, new, reference),
            _image(difference.score, "SCORE", "", new, reference),
            _image(difference.mask, "MASK", "", new, reference),
            fits.ImageHDU(psf, name="PSF"),
            fits.BinTableHDU(_sources(detections, difference.flux_unit, new, reference), name="SOURCES"),
        ]
    )
    files["MASK"].header["COMMENT"] = f"bits: {MASK_PLANES}"
    with unfinished(path) as part:
        files.writeto(part, checksum=True, overwrite=True)


def _facts(
    difference: Difference, new: Aligned, reference: PreparedReference, depth: Depth | None
) -> fits.Header:
    header = fits.Header()
    header["CREATOR"] = (made_by(), "what wrote this file")
    header["METHOD"] = (difference.method, "zogy or classic")
    header["NEWFRAME"] = (_card(new.frame.exposure.name), "what was subtracted from")
    header["REFFRAME"] = (_card(reference.frame.exposure.name), "what was subtracted")
    header["GAINRAT"] = (difference.gain_ratio, "new electrons per reference electron")
    header["SCORESTD"] = (difference.score_std, "of SCORE on empty sky, before rescaling")
    header["SCORESCL"] = (difference.score_scale, "factor of an empirical rescaling")
    header["REGRMS"] = (new.rms_px, "[pix] registration residual per axis")
    header["NMATCH"] = (new.n_matched, "stars that it rests on")
    header["FWHMNEW"] = (new.psf.fwhm, "[pix] on the reference's grid")
    header["FWHMREF"] = (reference.psf.fwhm, "[pix]")
    header["FWHMDIFF"] = (difference.psf.fwhm, "[pix]")
    if reference.zeropoint is not None:
        header["MAGZERO"] = (reference.zeropoint, "magnitude of one unit of DIFF")
        header["MAGSYS"] = (reference.mag_system or "instrumental", "")
    if depth is not None and depth.flux50 is not None:
        header["FLUX50"] = (depth.flux50, "[unit of DIFF] half of the sources are found")
        header["SNR50"] = (depth.snr50, "FLUX50 over the median error")
        header["M50ERR"] = (depth.error, "[mag] standard error of FLUX50")
    if new.frame.exposure.mjd is not None:
        header["MJD-MID"] = (new.frame.exposure.mjd, "[d] UTC, middle of the new exposure")
    return header


def _image(
    data: np.ndarray, name: str, unit: str, new: Aligned, reference: PreparedReference
) -> fits.ImageHDU:
    """An image on the reference's grid, at the time of the new frame."""
    wcs = reference.frame.wcs
    header = wcs.to_header(relax=True) if wcs is not None else fits.Header()
    for keyword in [each for each in header if each.startswith(_TIMES)]:
        del header[keyword]  # the reference's
    if new.frame.exposure.mjd is not None:
        header["MJD-AVG"] = (new.frame.exposure.mjd, "[d] UTC, middle of the new exposure")
        header["TIMESYS"] = "UTC"
    hdu = fits.ImageHDU(data, header=header, name=name)
    if unit:
        hdu.header["BUNIT"] = _card(unit)
    return hdu


def _sources(
    detections: Sequence[Detection], flux_unit: str, new: Aligned, reference: PreparedReference
) -> fits.FITS_rec:
    """One row a detection: what is measured first, then scores and features.

    NaN is no place on the sky, no score, and a feature that is not measured of this kind of source.
    """
    x, y = np.array([found.x for found in detections]), np.array([found.y for found in detections])
    x_new, y_new = new.map_to_file(x, y)
    places = [
        (math.nan if ra is None else ra, math.nan if dec is None else dec)
        for ra, dec in sky_positions(reference.frame, x, y)
    ]
    numbers = [
        ("x", "pix", list(x)),
        ("y", "pix", list(y)),
        ("x_new", "pix", list(x_new)),
        ("y_new", "pix", list(y_new)),
        ("ra", "deg", [ra for ra, _ in places]),
        ("dec", "deg", [dec for _, dec in places]),
        ("snr", "", [found.snr for found in detections]),
        ("flux", flux_unit, [found.flux for found in detections]),
        ("flux_err", flux_unit, [found.flux_err for found in detections]),
        ("position_error", "pix", [found.position_error_px for found in detections]),
    ]
    best = [best_of(found.scores) for found in detections]
    numbers.append(("score", "", [math.nan if score is None else score for score in best]))
    for prefix, every in (
        ("score_", [found.scores for found in detections]),
        ("", [found.features for found in detections]),
    ):
        names = dict.fromkeys(name for each in every for name in each)
        numbers += [(f"{prefix}{name}", "", [each.get(name, math.nan) for each in every]) for name in names]
    columns = [
        fits.Column(name=name, format="D", unit=_card(unit) or None, array=np.array(values, dtype=np.float64))
        for name, unit, values in numbers
    ]
    flags = np.array([found.mask_flags for found in detections], dtype=np.int32)
    columns.append(fits.Column(name="mask_flags", format="J", array=flags))
    kinds = np.array([kind_of(found) for found in detections], dtype="U6")
    columns.append(fits.Column(name="kind", format="6A", array=kinds))
    table: fits.FITS_rec = fits.FITS_rec.from_columns(fits.ColDefs(columns))
    return table


def _card(text: str) -> str:
    """Text that a FITS card can hold: printable ASCII, not too long."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:60]
