"""How deep a reference is, by its file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from core.database.tables import Reference
from pipeline.calibration.quality import limit_flux, sky_of, usable
from pipeline.frame import FrameRefused
from pipeline.reference.reference_file import read
from pipeline.stellar.moffat import COMMON_BETA


class Limits(NamedTuple):
    """What a point source of 5 sigma on the reference's empty sky has.

    Attributes
    ----------
    flux : float
        In the unit of the reference.
    mag : float or None
        None without a zeropoint.
    """

    flux: float
    mag: float | None


def limits(path: Path, reference: Reference) -> Limits:
    """Tell a reference's depth by the variance in its file, and by its seeing.

    Parameters
    ----------
    path : Path
        `core.frames.reference_files.file_of`.
    reference : Reference

    Raises
    ------
    FrameRefused
        The file cannot be read, no pixel of it is good, or its seeing is not known.
    """
    frame = read(path).frame
    good = usable(frame)
    if not reference.seeing_px or not good.any():
        raise FrameRefused("its seeing is not known" if good.any() else "no pixel of it can be used")
    flux = limit_flux(sky_of(frame, good)[1], reference.seeing_px, COMMON_BETA) / frame.gain
    zeropoint = reference.zeropoint
    return Limits(flux, zeropoint - 2.5 * math.log10(flux) if zeropoint is not None and flux > 0 else None)
