"""What the exposures of a file are, by their headers alone: quick, where many are to be sorted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits
from astropy.wcs import WCS

from pipeline.files.fits_files import NO_OTHERS, described, refusal_of, wcs_of
from pipeline.files.fits_opening import opened
from pipeline.files.fits_selection import Damaged, Refusal, Selection, select
from pipeline.frame import Exposure, FrameRefused


@dataclass(frozen=True, slots=True)
class Outline:
    """One exposure of a file, its pixels not read."""

    path: Path
    extension: int
    exposure: Exposure
    shape: tuple[int, int]
    wcs: WCS | None


def outlines(path: Path, keywords: Mapping[str, str] = NO_OTHERS) -> Iterator[Outline | Refusal]:
    """What each image of a file is: one value for each, in the file's order, as `read_frames` has them.

    Parameters
    ----------
    path : Path
        Any file, or what is none; damaged input raises nothing.
    keywords : mapping
        As for `read_frames`.
    """
    try:
        with opened(path) as (hdus, _):
            selection = select(hdus, path)
            yield from selection.refused
            for extension in selection.science:
                try:
                    yield _outline(hdus, extension, selection, path, keywords)
                except FrameRefused as refused:
                    yield refusal_of(refused, path, extension, selection)
    except FrameRefused as refused:
        yield Refusal(path.name, 0, str(refused), damaged=isinstance(refused, Damaged))


def outline(path: Path, extension: int, keywords: Mapping[str, str] = NO_OTHERS) -> Outline:
    """What one image of a file is.

    Raises
    ------
    FrameRefused
        The file cannot be read, or that image is no exposure.
    """
    with opened(path) as (hdus, _):
        selection = select(hdus, path)
        if extension not in selection.science:
            raise FrameRefused(f"extension {extension} of the file is no exposure")
        return _outline(hdus, extension, selection, path, keywords)


def _outline(
    hdus: fits.HDUList, extension: int, selection: Selection, path: Path, keywords: Mapping[str, str]
) -> Outline:
    _, exposure = described(hdus, extension, selection, path, keywords)
    height, width = hdus[extension].shape[-2:]
    wcs, _ = wcs_of(hdus, extension, path)
    return Outline(path, extension, exposure, (height, width), wcs)
