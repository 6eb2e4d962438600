"""PSFs that a caller brings along: one stamp, or several with the places they hold for."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.files.fits_files import first_image
from pipeline.files.fits_opening import opened
from pipeline.files.fits_selection import wrong_claim
from pipeline.frame import FrameRefused, Image, PsfModel

CENTRE_TOLERANCE_PX = 0.05
LEAST_PX, MOST_PX = 5, 1024  # sides of a stamp
MOST_UNLIKE = 1.5  # times the width of the frame's stars, or their part: another image's PSF
UNLIKE = 1.1  # is told
FINER = 5  # times as fine as its pixels is the grid that a stamp's width is measured on


def read_psf(path: Path, shape: tuple[int, int], degree: int) -> tuple[PsfModel, list[str]]:
    """Read a PSF from a FITS file.

    Parameters
    ----------
    path : Path
        The first image is a stamp (size, size), or a cube (n, size, size); a cube needs a table
        with columns ``x`` and ``y``: the 0-based pixel each stamp holds for.
    shape : (height, width)
        Of the frame the PSF belongs to.
    degree : int
        Highest degree of the polynomial through a cube; lowered where the stamps are too few.

    Returns
    -------
    PsfModel
        Unit sum, odd stamps, centroid on the central pixel.
    list of str
        What had to be mended, for the user.

    Raises
    ------
    FrameRefused
        The file holds no usable PSF.
    """
    stamps, centres = _read(path)
    warnings: list[str] = []
    mended = []
    for stamp in stamps:
        centred, shift = _centred(stamp, path)
        if shift > CENTRE_TOLERANCE_PX:
            warnings.append(f"PSF of {path.name} moved by {shift:.2f} px onto its central pixel")
        mended.append(centred)
    cube = np.stack(mended)
    terms, degree = _design(centres, shape, degree)
    basis, *_ = np.linalg.lstsq(terms, cube.reshape(len(cube), -1), rcond=None)
    basis = basis.reshape(-1, *cube.shape[1:]).astype(np.float32)
    return PsfModel(basis, degree, shape, _fwhm(cube.mean(axis=0)), n_stars=len(cube)), warnings


def check_width(psf: PsfModel, fwhm: float, path: Path) -> list[str]:
    """Hold a PSF that was brought along against the stars of the frame that it is said to belong to.

    Parameters
    ----------
    psf : PsfModel
    fwhm : float
        Of the frame's stars, in its pixels.
    path : Path
        Of the PSF.

    Returns
    -------
    list of str
        A warning where they differ by more than a tenth.

    Raises
    ------
    FrameRefused
        They differ by half: it is the PSF of something else, and every flux would be wrong.
    """
    ratio = psf.fwhm / fwhm
    told = f"the PSF {path} is {psf.fwhm:.2f} px wide, the stars of its image {fwhm:.2f} px (FWHM)"
    if not 1.0 / MOST_UNLIKE < ratio < MOST_UNLIKE:
        raise FrameRefused(f"{told}: it is not theirs", ratio, MOST_UNLIKE)
    return [told] if not 1.0 / UNLIKE < ratio < UNLIKE else []


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stamps (n, size, size) and centres (n, 2); one stamp needs no centre."""
    try:
        with opened(path) as (file, _):
            image = first_image(file, path)
            tables = [hdu for hdu in file if isinstance(hdu, fits.BinTableHDU)][:1]
            if wrong := next((why for hdu in tables if (why := wrong_claim(hdu, path))), None):
                raise wrong
            table = tables[0].data if tables else None
    except FrameRefused as refused:
        raise FrameRefused(f"the PSF {path}: {refused}") from refused
    if image is None or image.ndim not in {2, 3} or min(image.shape) < 1:
        raise FrameRefused(f"the PSF {path} is neither an image nor a cube of images")
    sides = image.shape[-2:]
    if min(sides) < LEAST_PX or max(sides) > MOST_PX:
        raise FrameRefused(
            f"the PSF {path} is {sides[1]} x {sides[0]} px: {LEAST_PX} to {MOST_PX} are needed"
        )
    stamps = (image if image.ndim == 3 else image[None]).astype(np.float64)
    if len(stamps) == 1:
        return stamps, np.zeros((1, 2))
    names = {} if table is None else {name.lower(): name for name in table.names}
    if table is None or not {"x", "y"} <= names.keys() or len(table) != len(stamps):
        raise FrameRefused(f"the PSF cube {path} needs a table with x and y for each of {len(stamps)} stamps")
    centres = np.column_stack([table[names["x"]], table[names["y"]]]).astype(np.float64)
    if not np.isfinite(centres).all():
        raise FrameRefused(f"the table of the PSF cube {path} holds an x or y that is no number")
    return stamps, centres


def _centred(stamp: NDArray[np.float64], path: Path) -> tuple[Image, float]:
    """The stamp with odd sides, unit sum and its centroid on the central pixel; how far it moved."""
    if not np.isfinite(stamp).all() or stamp.sum() <= 0:
        raise FrameRefused(f"the PSF {path} holds values that are not finite, or sums to nothing")
    size = max(stamp.shape) | 1
    padded = np.zeros((size, size))
    padded[: stamp.shape[0], : stamp.shape[1]] = stamp
    # The centroid of the core alone: wings with noise would drag it.
    core = np.where(padded >= 0.2 * padded.max(), padded, 0.0)
    y, x = ndimage.center_of_mass(core)
    move = (size // 2 - y, size // 2 - x)
    distance = float(np.hypot(*move))
    if distance > CENTRE_TOLERANCE_PX:
        padded = ndimage.shift(padded, move, order=3)
    return (padded / padded.sum()).astype(np.float32), distance


def _design(
    centres: NDArray[np.float64], shape: tuple[int, int], degree: int
) -> tuple[NDArray[np.float64], int]:
    """The polynomial terms of `PsfModel` at each centre, and the degree that the stamps allow."""
    while (degree + 1) * (degree + 2) // 2 > len(centres):
        degree -= 1
    height, width = shape
    u = 2.0 * centres[:, 0] / max(width - 1, 1) - 1.0
    v = 2.0 * centres[:, 1] / max(height - 1, 1) - 1.0
    columns = [u ** (order - j) * v**j for order in range(degree + 1) for j in range(order + 1)]
    return np.column_stack(columns), degree


def _fwhm(stamp: NDArray[np.float64]) -> float:
    """Full width at half maximum in pixels, from the area above half the maximum."""
    fine = ndimage.zoom(stamp, FINER, order=3, grid_mode=True, mode="nearest")
    return float(2.0 * np.sqrt((fine >= fine.max() / 2).sum() / FINER**2 / np.pi))
