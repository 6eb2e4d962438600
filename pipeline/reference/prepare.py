"""A reference made ready to be subtracted: its stars and PSF measured once, and kept while needed."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.frames.reference_files import file_of
from core.settings import Settings
from pipeline.frame import PreparedReference
from pipeline.known.match import KnownSky
from pipeline.measure import compared
from pipeline.reference.reference_file import ReferenceImage, read
from pipeline.stellar.aliasing import without_aliases
from pipeline.stellar.psf import estimate_psf
from pipeline.stellar.stars import find_stars

if TYPE_CHECKING:
    from core.database.tables import Reference

KEPT = 2  # prepared references a process holds: nights hop between two filters more than between fields


def prepare(reference: Reference, settings: Settings) -> PreparedReference:
    """Make a reference of the store ready; the last few are kept.

    Parameters
    ----------
    reference : Reference
        A row of the store.
    settings : Settings

    Raises
    ------
    FrameRefused
        Its file cannot be read, or shows too few stars to measure a PSF.
    """
    degree = settings.subtract.psf_degree
    path = file_of(reference.path, settings.home)
    prepared = _prepared(reference.id or 0, reference.content, path, degree)
    return calibrated(prepared, settings) if prepared.zeropoint is None else prepared


@lru_cache(maxsize=KEPT)
def _prepared(reference_id: int, _content: str, path: Path, psf_degree: int) -> PreparedReference:
    return _measured(read(path), psf_degree, reference_id)


def calibrated(prepared: PreparedReference, settings: Settings) -> PreparedReference:
    """A reference with the zeropoint of its PSF by a star catalogue; as it is where none tells."""
    known = KnownSky.of(settings)
    key = ("zeropoint", known.state, known.limits.colour_term)
    if key not in prepared.caches:
        prepared.caches[key] = compared(prepared.frame, prepared.stars, settings, prepared.psf).zeropoint
    found = prepared.caches[key]
    if found is None:
        return prepared
    value = found.value - 2.5 * math.log10(prepared.flux_scale)  # of one stored unit
    return replace(prepared, zeropoint=value, mag_system=found.mag_system)


def prepare_image(image: ReferenceImage, settings: Settings) -> PreparedReference:
    """Make an image ready that is at hand already.

    Raises
    ------
    FrameRefused
        It shows too few stars to measure a PSF.
    """
    return _measured(image, settings.subtract.psf_degree, 0)


def _measured(image: ReferenceImage, psf_degree: int, reference_id: int) -> PreparedReference:
    stars = find_stars(image.frame) if image.stars is None else image.stars
    frame = without_aliases(image.frame, stars)
    return PreparedReference(
        frame=frame,
        stars=stars,
        psf=estimate_psf(frame, stars, psf_degree),
        flux_unit=image.flux_unit,
        flux_scale=image.frame.gain,
        zeropoint=image.zeropoint,
        mag_system=image.mag_system,
        reference_id=reference_id,
        names=image.names,
        epochs=(image.mjd_first, image.mjd_last),
    )
