"""The values that pass from stage to stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import AstridError
from core.vocabulary import FrameKind

if TYPE_CHECKING:
    from astropy.io.fits.header import Header
    from astropy.wcs import WCS

    from pipeline.depth.response import Response
    from pipeline.registration.pixel_map import PixelMap
    from pipeline.registration.residual import Region


Image = NDArray[np.float32]  # (height, width)
MaskImage = NDArray[np.uint16]  # (height, width), bits of `core.vocabulary.MaskPlane`


class FrameRefused(AstridError):
    """A frame cannot be used, for a reason that its owner should read: one clear sentence.

    Parameters
    ----------
    sentence : str
        With the number that failed and what was needed.
    value, limit : float, optional
        Those two as numbers, where it was a limit that refused the frame.
    """

    def __init__(self, sentence: str, value: float | None = None, limit: float | None = None) -> None:
        super().__init__(sentence)
        self.value = value
        self.limit = limit

    def __reduce__(self) -> tuple[type[FrameRefused], tuple[str, float | None, float | None]]:
        """Pass between processes whole."""
        return type(self), (str(self), self.value, self.limit)


Readout = tuple[tuple[str, float | str], ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a header says of an exposure, in one vocabulary.

    Attributes
    ----------
    name : str
        ``file`` or ``file[ext]``, as people call it.
    kind : FrameKind
        What it was taken for.
    mjd : float or None
        UTC at mid-exposure.
    exposure_s : float
        Seconds.
    gain, read_noise, saturation : float or None
        Electrons per data unit, electrons, and data units; ``None`` where the header is silent.
    airmass : float or None
    readout : tuple of (str, float or str)
        What calibration frames must share with it: `pipeline.files.readout`.
    """

    name: str
    kind: FrameKind = FrameKind.SCIENCE
    mjd: float | None = None
    exposure_s: float | None = None
    filter: str | None = None
    field: str | None = None
    instrument: str | None = None
    gain: float | None = None
    read_noise: float | None = None
    saturation: float | None = None
    airmass: float | None = None
    readout: Readout = ()


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One image extension as it was read: data in the file's own units, nothing corrected.

    ``extension`` is its place in the file; ``notes`` say, a sentence each, what was repaired or
    assumed on the way.
    """

    data: Image
    mask: MaskImage  # what the file itself declares bad: BLANK, non-finite, a mask extension
    exposure: Exposure
    header: Header
    wcs: WCS | None = None
    extension: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """A calibrated frame. No pixel of any array is NaN or infinite: such pixels are masked.

    Attributes
    ----------
    data : (height, width) float32
        Electrons, sky included.
    background : (height, width) float32
        Electrons: the smooth sky under the sources.
    variance : (height, width) float32
        Electrons squared: read noise, Poisson noise of sky and smoothed sources, flat-field error, and what
        few calibration frames leave of their noise.
    mask : (height, width) uint16
        Bits of `core.vocabulary.MaskPlane`; 0 is a good pixel.
    gain, read_noise, saturation : float
        Electrons per data unit of the file, electrons, electrons.
    origin : (int, int)
        The place (x, y) of pixel (0, 0) in the file's own array: not zero where overscan was trimmed.
    notes : tuple of str
        A sentence for each thing that calibration repaired or had to assume.
    """

    data: Image
    background: Image
    variance: Image
    mask: MaskImage
    exposure: Exposure
    header: Header
    wcs: WCS | None
    gain: float
    read_noise: float
    saturation: float
    origin: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.data.shape[0], self.data.shape[1]

    @property
    def signal(self) -> Image:
        """Electrons above the sky."""
        return self.data - self.background

    @property
    def pixel_scale(self) -> float | None:
        """Arcseconds per pixel, the geometric mean of both axes; none without a WCS."""
        if self.wcs is None:
            return None
        from astropy.wcs.utils import proj_plane_pixel_scales

        scales = proj_plane_pixel_scales(self.wcs)
        return 3600.0 * math.sqrt(float(scales[0]) * float(scales[1]))


@dataclass(frozen=True, slots=True)
class Stars:
    """Sources of one frame, brightest first; every attribute is a float64 array of one length.

    ``x, y`` are 0-based pixel centres; ``flux, flux_err`` electrons; ``fwhm`` pixels;
    ``ellipticity`` is 1 - b/a; ``flags`` are SEP's, ``mask`` the union of mask bits under it.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    peak: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    ellipticity: NDArray[np.float64]
    flags: NDArray[np.int64]
    mask: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, which: NDArray[Any]) -> Stars:
        """The stars of an index or a boolean array, as a new value."""
        return Stars(*(getattr(self, name)[which] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class PsfModel:
    """A point-spread function that varies over the field as a polynomial in x and y.

    Attributes
    ----------
    basis : (terms, size, size) float32
        One stamp a polynomial term, ``size`` odd; the first is the PSF at the field's centre.
    degree : int
        Of the polynomial in ``u = 2 x / (width - 1) - 1`` and ``v`` likewise; the terms are
        ``u**i * v**j`` for ``i + j <= degree``, ordered by ``i + j`` and then by ``j``.
    shape : (height, width)
        Of the frame it was measured on.
    fwhm : float
        Pixels, at the field's centre.
    covariance : (terms, terms) float64, optional
        Of the terms, in units of the PSF squared, summed over its core: how well the stars tell them.
    """

    basis: Image
    degree: int
    shape: tuple[int, int]
    fwhm: float
    n_stars: int = 0
    covariance: NDArray[np.float64] | None = None

    def at(self, x: float, y: float) -> Image:
        """The PSF at one place: (size, size), unit sum, its centroid on the central pixel."""
        height, width = self.shape
        u = 2.0 * x / max(width - 1, 1) - 1.0
        v = 2.0 * y / max(height - 1, 1) - 1.0
        terms = [u ** (order - j) * v**j for order in range(self.degree + 1) for j in range(order + 1)]
        stamp = np.array(terms, dtype=np.float32) @ self.basis.reshape(len(terms), -1)
        normalised: Image = (stamp / stamp.sum(dtype=np.float64)).astype(np.float32)
        return normalised.reshape(self.basis.shape[1:])


@dataclass(frozen=True, slots=True)
class PreparedReference:
    """A reference with all that every subtraction from it needs; made once, then cached.

    ``names`` are of the frames in it, ``epochs`` the first and the last of their times. ``caches`` holds
    what a method keeps between frames (such as transforms of tiles), by its own keys; it changes nothing
    that can be seen.
    """

    frame: Frame
    stars: Stars
    psf: PsfModel
    flux_unit: str = "electron"
    flux_scale: float = 1.0  # reference electrons per stored unit
    zeropoint: float | None = None  # magnitude of one stored unit of flux
    mag_system: str | None = None
    reference_id: int = 0
    names: tuple[str, ...] = ()
    epochs: tuple[float | None, float | None] = (None, None)
    caches: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Aligned:
    """A new frame on the reference's pixel grid.

    Attributes
    ----------
    frame : Frame
        Resampled; `MaskPlane.EDGE` where the new frame does not reach. Its variance is that of the
        pixels before resampling: neighbours are correlated, and at the scale of the PSF the noise
        is that of the original pixels.
    psf : PsfModel
        Of the resampled frame, on the reference's grid.
    stars : Stars
        Of the resampled frame, on the reference's grid.
    to_new : (2, 3) float64
        Affine map of reference pixels to the new frame's: ``(x_new, y_new) = A @ (x, y, 1)``; the
        full map, where it is not affine, is `map_to_new`.
    rms_px : float
        Residual of matched stars, per axis, in reference pixels: the floor of one perfect star.
    n_matched : int
    pixel_map : PixelMap or None
        The full map; none where `to_new` is all of it.
    scatter_px : float or None
        What `rms_px` is of before the noise of the centroids is taken off.
    regions : tuple of Region
        Both by parts of the reference, row by row.
    """

    frame: Frame
    psf: PsfModel
    stars: Stars
    to_new: NDArray[np.float64]
    rms_px: float
    n_matched: int
    mirrored: bool = False
    pixel_map: PixelMap | None = None
    scatter_px: float | None = None
    regions: tuple[Region, ...] = ()

    def map_to_new(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Places on the reference's grid as places in the new frame's own pixels."""
        if self.pixel_map is not None:
            return self.pixel_map(x, y)
        a = self.to_new
        return a[0, 0] * x + a[0, 1] * y + a[0, 2], a[1, 0] * x + a[1, 1] * y + a[1, 2]

    def map_to_file(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The same in the array of the new frame's file, of which overscan may have been trimmed."""
        x_new, y_new = self.map_to_new(x, y)
        return x_new + self.frame.origin[0], y_new + self.frame.origin[1]


@dataclass(frozen=True, slots=True)
class Difference:
    """New minus reference, on the reference's grid, in the reference file's stored units.

    Attributes
    ----------
    data : (height, width) float32
        ``D / F_D``: the difference, whose PSF `psf` has unit sum.
    score : (height, width) float32
        Signed significance of a point source at each pixel, standard deviation 1 on empty sky;
        0 where masked.
    flux, flux_err : (height, width) float32
        The PSF-fit flux of a point source centred on each pixel and its error, source and
        registration noise included.
    mask : (height, width) uint16
    psf : PsfModel
        Of the difference.
    score_std : float
        Robust standard deviation of `score` over unmasked sky, before any empirical rescaling.
    score_scale : float
        The factor an empirical rescaling applied; 1 is none.
    left_share : float
        Of bright stars outside `MaskPlane.UNSUBTRACTED`, those that are left in the difference.
    gain_scatter : float
        Of single stars' flux ratios around the smooth one, relative, beyond their noise.
    seconds : dict
        By stage.
    response : Response or None
        What a source in the new frame would add.
    """

    data: Image
    score: Image
    flux: Image
    flux_err: Image
    mask: MaskImage
    psf: PsfModel
    method: str
    flux_unit: str
    gain_ratio: float
    score_std: float
    score_scale: float = 1.0
    left_share: float = 0.0
    gain_scatter: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """One significant place of a difference, on the reference's grid; units as in `Difference`.

    ``scores`` are probabilities by the name of the model that gave them.
    """

    x: float
    y: float
    snr: float  # signed
    flux: float
    flux_err: float
    position_error_px: float
    mask_flags: int = 0
    features: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a stage left out at one place, and by what margin: feeds `astrid why`."""

    stage: str
    cause: str
    x: float
    y: float
    value: float | None = None
    limit: float | None = None
    snr: float | None = None  # signed
