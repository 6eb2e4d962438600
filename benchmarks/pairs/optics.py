"""Point-spread functions of a telescope under an atmosphere, as they vary over a field.

The long-exposure transfer function of Kolmogorov turbulence (Fried 1966, JOSA 56, 1372), times that of
an obscured pupil with aberrations that change over the field, times tracking, times the pixel. On a
grid of nodes it is turned into images of four samples a pixel; between nodes these are interpolated
linearly, between samples by quintic splines. So no polynomial and no profile represents it exactly.

The place of a star is its Gaussian-windowed centroid of sigma FWHM / 2.355, iterated, as SExtractor
defines XWIN_IMAGE.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]
Image = NDArray[np.float32]

SAMPLES = 4  # a pixel
GRID = 384  # samples
HALF_PX = 44  # of the widest stamp: no light beyond it
TAPER_PX = 30.0  # from here to HALF_PX the wings fade to nothing
DIFFRACTION_PX = 0.6  # wavelength over diameter; coarser than 2 / SAMPLES, so nothing is aliased
OBSCURATION = 0.3
PER_WIDTH = 0.976  # FWHM of the atmosphere's PSF in units of wavelength over r0


@dataclass(frozen=True)
class Optics:
    """What makes a frame's point-spread function.

    Attributes
    ----------
    fwhm : float
        Pixels, of the whole PSF without aberrations at the field's centre.
    growth : (gx, gy, gr)
        The atmosphere's and tracking's width is ``1 + gx u + gy v + gr (u^2 + v^2)`` times that.
    waves : dict
        By name of a Zernike polynomial that `_telescope` has: root mean square over the pupil, in waves, as
        (constant, u, v, uu, uv, vv).
    jitter : (xx, yy, xy)
        Covariance of the tracking's errors in square pixels.
    drift : (dx, dy)
        Pixels moved during the exposure at a constant rate.
    nodes : int
        Along an axis.
    """

    fwhm: float
    growth: tuple[float, float, float] = (0.0, 0.0, 0.0)
    waves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    jitter: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drift: tuple[float, float] = (0.0, 0.0)
    nodes: int = 5


@dataclass(frozen=True)
class PsfField:
    """The PSF of every place of a frame: unit sum over all pixels, its centroid on the place.

    ``coefficients`` are quintic spline coefficients of the pixel-integrated PSF at each node,
    (nodes, nodes, GRID, GRID), whose sample GRID / 2 is the centre.
    """

    shape: tuple[int, int]
    coefficients: Image
    fwhm: float  # at the centre, pixels

    def node_weights(self, x: float, y: float) -> list[tuple[int, int, float]]:
        """The nodes around a place, (row, column, weight)."""
        nodes = self.coefficients.shape[0]
        found = []
        for value, length in ((y, self.shape[0]), (x, self.shape[1])):
            at = np.clip(value / (length - 1), 0.0, 1.0) * (nodes - 1)
            low = min(int(at), nodes - 2)
            found.append((low, float(at - low)))
        (row, v), (column, u) = found
        parts = [
            (row, column, (1 - v) * (1 - u)),
            (row, column + 1, (1 - v) * u),
            (row + 1, column, v * (1 - u)),
            (row + 1, column + 1, v * u),
        ]
        return [part for part in parts if part[2] > 0]

    def stamp(self, x: float, y: float, half: int, off_x: float = 0.0, off_y: float = 0.0) -> Image:
        """The PSF of a place, its centre ``off_x, off_y`` pixels (at most a half) from the middle pixel."""
        (rows, first_row), (columns, first_column) = (_taps(-SAMPLES * off) for off in (off_y, off_x))
        reach = SAMPLES * half
        middle = GRID // 2
        count = 2 * reach + 6
        top, left = middle - reach + first_row, middle - reach + first_column
        block = np.zeros((count, count), dtype=np.float32)
        for row, column, weight in self.node_weights(x, y):
            part = self.coefficients[row, column, top : top + count, left : left + count]
            block += np.float32(weight) * part
        wide = 2 * reach + 1
        lines = rows[0] * block[0:wide:SAMPLES]
        for k in range(1, 6):
            lines += rows[k] * block[k : k + wide : SAMPLES]
        out: Image = columns[0] * lines[:, 0:wide:SAMPLES]
        for k in range(1, 6):
            out += columns[k] * lines[:, k : k + wide : SAMPLES]
        return out

    def warped(self, x: float, y: float, half: int, matrix: Array) -> Image:
        """The PSF of a place on another grid, whose offsets are ``matrix @ offset`` in this one; unit sum."""
        dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
        spots = [GRID // 2 + SAMPLES * (matrix[k, 0] * dx + matrix[k, 1] * dy) for k in (1, 0)]
        block = sum(w * self.coefficients[row, column] for row, column, w in self.node_weights(x, y))
        seen = ndimage.map_coordinates(block, spots, np.float64, order=5, mode="constant", prefilter=False)
        return (seen * abs(np.linalg.det(matrix))).astype(np.float32)

    def spectra(self, samples: int) -> NDArray[np.complex64]:
        """Transforms of the nodes' PSFs on a smaller grid of samples, sample 0 the centre."""
        if not hasattr(self, "_spectra"):
            object.__setattr__(self, "_spectra", {})
        kept: dict[int, NDArray[np.complex64]] = self._spectra  # type: ignore[attr-defined]
        if samples not in kept:
            nodes = self.coefficients.shape[0]
            out = np.empty((nodes, nodes, samples, samples // 2 + 1), dtype=np.complex64)
            cut = slice((GRID - samples) // 2, (GRID + samples) // 2)
            for row in range(nodes):
                for column in range(nodes):
                    image = _spline_values(self.coefficients[row, column])[cut, cut]
                    out[row, column] = fft.rfft2(np.fft.ifftshift(image))
            kept[samples] = out
        return kept[samples]


def psf_field(optics: Optics, shape: tuple[int, int]) -> PsfField:
    """Make the PSFs of a frame."""
    air = _atmosphere_for(optics.fwhm)
    nodes = optics.nodes
    coefficients = np.empty((nodes, nodes, GRID, GRID), dtype=np.float32)
    for row, v in enumerate(np.linspace(-1.0, 1.0, nodes)):
        for column, u in enumerate(np.linspace(-1.0, 1.0, nodes)):
            image = psf_samples(_transfer(optics, air, u, v))
            coefficients[row, column] = ndimage.spline_filter(image, order=5, mode="grid-wrap")
    middle = psf_samples(_transfer(optics, air, 0.0, 0.0))
    return PsfField(shape, coefficients, width_at_half(middle))


def psf_samples(transfer: NDArray[np.complex128]) -> Array:
    """A transfer function as samples of the PSF: centred, its wings faded, sums over pixels 1."""
    fy, fx = _frequencies()
    image = np.fft.fftshift(fft.irfft2(transfer, s=(GRID, GRID)))
    width = width_at_half(image)
    for _ in range(3):
        x, y = centroid(image, width)
        transfer = transfer * np.exp(2j * np.pi * (fx * x + fy * y))
        image = np.fft.fftshift(fft.irfft2(transfer, s=(GRID, GRID)))
    offset = (np.arange(GRID) - GRID // 2) / SAMPLES
    radius = np.hypot(offset[:, None], offset[None, :])
    fade = np.clip((radius - TAPER_PX) / (HALF_PX - 1.0 - TAPER_PX), 0.0, 1.0)
    image = image * np.cos(0.5 * np.pi * fade) ** 2
    return np.asarray(image / (image.sum() / SAMPLES**2))


def centroid(image: Array, fwhm: float) -> tuple[float, float]:
    """The windowed centroid of samples, in pixels from the central sample."""
    offset = (np.arange(GRID) - GRID // 2) / SAMPLES
    x = y = 0.0
    for _ in range(30):
        wx, wy = (np.exp(-0.5 * ((offset - at) * 2.355 / fwhm) ** 2) for at in (x, y))
        weight = image * wy[:, None] * wx[None, :]
        total = weight.sum()
        step = (
            2.0 * float(weight.sum(axis=0) @ (offset - x)) / total,
            2.0 * float(weight.sum(axis=1) @ (offset - y)) / total,
        )
        x, y = x + step[0], y + step[1]
        if max(map(abs, step)) < 1e-6:
            break
    return x, y


def width_at_half(image: Array) -> float:
    """FWHM in pixels: of the circle with the area above half the maximum."""
    near = image[GRID // 4 : -GRID // 4, GRID // 4 : -GRID // 4]
    fine = ndimage.zoom(near[48:-48, 48:-48], 3, order=3, grid_mode=True, mode="nearest")
    return float(2.0 * np.sqrt(np.count_nonzero(fine > 0.5 * fine.max()) / np.pi) / (3 * SAMPLES))


def _taps(shift: float) -> tuple[Image, int]:
    """Quintic B-spline weights of six samples for a place ``shift`` samples on, and the first's offset."""
    base = int(np.floor(shift))
    t = shift - base
    distances = np.abs(np.arange(-2, 4) - t)
    weights = np.array([_quintic(d) for d in distances])
    return weights.astype(np.float32), base - 2


def _quintic(d: float) -> float:
    """The centred quintic B-spline."""
    parts = ((3.0, 1.0), (2.0, -6.0), (1.0, 15.0))
    return sum(c * max(edge - d, 0.0) ** 5 for edge, c in parts) / 120.0


def _spline_values(coefficients: Image) -> Image:
    """The samples that spline coefficients stand for."""
    taps = np.array([1.0, 26.0, 66.0, 26.0, 1.0], dtype=np.float32) / 120.0
    once = ndimage.correlate1d(coefficients, taps, axis=0, mode="wrap")
    out: Image = ndimage.correlate1d(once, taps, axis=1, mode="wrap")
    return out


def _frequencies() -> tuple[Array, Array]:
    """Cycles a pixel, (GRID, 1) and (1, GRID // 2 + 1)."""
    return fft.fftfreq(GRID, 1.0 / SAMPLES)[:, None], fft.rfftfreq(GRID, 1.0 / SAMPLES)[None, :]


def _atmosphere(width: float) -> Array:
    """The transfer function of a long exposure: exp(-3.44 (f lambda / r0)^(5/3))."""
    fy, fx = _frequencies()
    return np.exp(-3.44 * (np.hypot(fx, fy) * width / PER_WIDTH) ** (5.0 / 3.0))


def _pixel() -> Array:
    fy, fx = _frequencies()
    return np.asarray(np.sinc(fx) * np.sinc(fy))


def _telescope(waves: dict[str, float]) -> NDArray[np.complex128]:
    """The autocorrelation of the pupil with these aberrations."""
    f = fft.fftfreq(GRID, 1.0 / SAMPLES)
    edge = 0.5 / DIFFRACTION_PX
    y, x = f[:, None] / edge, f[None, :] / edge
    r2 = x * x + y * y
    phase = np.zeros((GRID, GRID))
    shapes = {
        "defocus": lambda: np.sqrt(3.0) * (2.0 * r2 - 1.0),
        "astigmatism_0": lambda: np.sqrt(6.0) * (x * x - y * y),
        "astigmatism_45": lambda: np.sqrt(6.0) * 2.0 * x * y,
        "coma_x": lambda: np.sqrt(8.0) * (3.0 * r2 - 2.0) * x,
        "coma_y": lambda: np.sqrt(8.0) * (3.0 * r2 - 2.0) * y,
        "trefoil_x": lambda: np.sqrt(8.0) * (x * x - 3.0 * y * y) * x,
        "trefoil_y": lambda: np.sqrt(8.0) * (3.0 * x * x - y * y) * y,
    }
    for name, value in waves.items():
        phase += value * shapes[name]()
    pupil = np.where((r2 <= 1.0) & (r2 >= OBSCURATION**2), np.exp(2j * np.pi * phase), 0.0)
    power = np.abs(fft.fft2(pupil)) ** 2
    out: NDArray[np.complex128] = fft.rfft2(power)
    return np.asarray(out / out[0, 0])


def _transfer(optics: Optics, air: float, u: float, v: float) -> NDArray[np.complex128]:
    fy, fx = _frequencies()
    grown = 1.0 + optics.growth[0] * u + optics.growth[1] * v + optics.growth[2] * (u * u + v * v)
    terms = np.array([1.0, u, v, u * u, u * v, v * v])
    waves = {name: float(np.dot(terms[: len(values)], values)) for name, values in optics.waves.items()}
    xx, yy, xy = optics.jitter
    tracking = np.exp(-2.0 * np.pi**2 * grown**2 * (xx * fx**2 + yy * fy**2 + 2.0 * xy * fx * fy))
    tracking = tracking * np.sinc(fx * optics.drift[0] + fy * optics.drift[1])
    return np.asarray(_telescope(waves) * _atmosphere(air * grown) * tracking * _pixel())


def _atmosphere_for(fwhm: float) -> float:
    """The atmosphere's width with which telescope and pixel together make a PSF of this one."""
    telescope = _telescope({}) * _pixel()
    low, high = 0.05, fwhm
    for _ in range(14):
        middle = 0.5 * (low + high)
        image = np.fft.fftshift(fft.irfft2(telescope * _atmosphere(middle), s=(GRID, GRID)))
        low, high = (middle, high) if width_at_half(image) < fwhm else (low, middle)
    return 0.5 * (low + high)
