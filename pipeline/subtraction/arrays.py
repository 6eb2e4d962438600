"""Where tiles are computed: with NumPy and SciPy on the CPU, or with torch on a CUDA device.

Operators, slices, ``.real`` and ``.imag`` are the same for both kinds of array; what differs is here. All
else of the subtraction is written once, for either.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.cuda import SUBTRACTING, no_cuda
from core.errors import AstridError
from core.vocabulary import ExitCode

Device = Literal["cpu", "cuda"]
Values = Any  # an array of the device: real, float32
Spectrum = Any  # an array of the device: complex64, the half plane that `scipy.fft.rfft2` gives
ALL = slice(None)


class DeviceMissing(AstridError):
    """The settings ask for a device that this machine does not have."""

    exit_code = ExitCode.UNAVAILABLE


class Arrays(Protocol):
    """What a device does with its arrays."""

    name: Device
    pixels_at_once: int  # so many stay in the fastest memory from one operation to the next

    def array(self, host: NDArray[np.float32]) -> Values:
        """An array of the host, on the device."""

    def host(self, values: Values) -> NDArray[np.float32]:
        """An array of the device, on the host."""

    def rfft2(self, image: Values) -> Spectrum:
        """The transform of a real image, without a factor."""

    def rfft2_of_narrow(self, small: Values, shape: tuple[int, int]) -> Spectrum:
        """The transform, in an image of a shape, of a kernel given in a smaller one.

        The kernel lies around index 0, 0 of either, wrapped around; the rest of the image is 0.
        """

    def irfft2(self, spectrum: Spectrum, shape: tuple[int, int], rows: slice = ALL) -> Values:
        """Some rows of the real image of a transform; the transform may be overwritten."""

    def empty(self, shape: tuple[int, int]) -> Values:
        """A real image, its values still to be set."""

    def sqrt(self, values: Values) -> Values:
        """Square roots."""

    def at_least(self, values: Values, least: float) -> Values:
        """The values, smaller ones replaced."""


class HostArrays:
    """NumPy and SciPy, in single precision, one thread."""

    name: Device = "cpu"
    pixels_at_once = 1 << 15

    def array(self, host: NDArray[np.float32]) -> Values:
        """The array itself."""
        return host

    def host(self, values: Values) -> NDArray[np.float32]:
        """The array itself."""
        same: NDArray[np.float32] = values
        return same

    def rfft2(self, image: Values) -> Spectrum:
        """`scipy.fft.rfft2`."""
        return fft.rfft2(image, workers=1)

    def rfft2_of_narrow(self, small: Values, shape: tuple[int, int]) -> Spectrum:
        """Rows that are 0 need no transform."""
        rows = np.zeros((small.shape[0], shape[1]), dtype=np.float32)
        _spread(small.T, rows.T)
        spectrum = np.zeros((shape[0], shape[1] // 2 + 1), dtype=np.complex64)
        _spread(fft.rfft(rows, axis=1, workers=1), spectrum)
        return fft.fft(spectrum, axis=0, overwrite_x=True, workers=1)

    def irfft2(self, spectrum: Spectrum, shape: tuple[int, int], rows: slice = ALL) -> Values:
        """`scipy.fft.irfft2`, one axis after the other."""
        spectrum = fft.ifft(spectrum, axis=0, overwrite_x=True, workers=1)
        return fft.irfft(spectrum[rows], n=shape[1], axis=1, overwrite_x=True, workers=1)

    def empty(self, shape: tuple[int, int]) -> Values:
        """`numpy.empty`."""
        return np.empty(shape, dtype=np.float32)

    def sqrt(self, values: Values) -> Values:
        """In place."""
        return np.sqrt(values, out=values)

    def at_least(self, values: Values, least: float) -> Values:
        """In place."""
        return np.maximum(values, np.float32(least), out=values)


class CudaArrays:
    """torch, in single precision: on the first CUDA device, or on another that it knows."""

    name: Device = "cuda"
    pixels_at_once = 1 << 60

    def __init__(self, device: str = "cuda") -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)

    def array(self, host: NDArray[np.float32]) -> Values:
        """A copy on the device."""
        return self._torch.as_tensor(np.ascontiguousarray(host), device=self._device)

    def host(self, values: Values) -> NDArray[np.float32]:
        """A copy on the host."""
        copied: NDArray[np.float32] = values.cpu().numpy()
        return copied

    def rfft2(self, image: Values) -> Spectrum:
        """`torch.fft.rfft2`."""
        return self._torch.fft.rfft2(image)

    def rfft2_of_narrow(self, small: Values, shape: tuple[int, int]) -> Spectrum:
        """`torch.fft.rfft2` of the kernel in the larger image."""
        rows = self._torch.zeros((small.shape[0], shape[1]), device=self._device)
        _spread(small.T, rows.T)
        image = self._torch.zeros(shape, device=self._device)
        _spread(rows, image)
        return self._torch.fft.rfft2(image)

    def irfft2(self, spectrum: Spectrum, shape: tuple[int, int], rows: slice = ALL) -> Values:
        """`torch.fft.irfft2`."""
        return self._torch.fft.irfft2(spectrum, s=shape)[rows]

    def empty(self, shape: tuple[int, int]) -> Values:
        """`torch.empty`."""
        return self._torch.empty(shape, device=self._device)

    def sqrt(self, values: Values) -> Values:
        """In place."""
        return values.sqrt_()

    def at_least(self, values: Values, least: float) -> Values:
        """In place."""
        return values.clamp_(min=least)


def _spread(wrapped: Values, out: Values) -> None:
    """Lay what is wrapped around row 0 of a smaller array around row 0 of a larger one."""
    after = (wrapped.shape[0] + 1) // 2
    before = wrapped.shape[0] - after
    out[:after] = wrapped[:after]
    if before:
        out[-before:] = wrapped[after:]


@lru_cache(maxsize=2)
def arrays(device: Device) -> Arrays:
    """The arrays of a device.

    Raises
    ------
    DeviceMissing
        ``cuda`` without torch, or without a device that torch can use.
    """
    if device == "cpu":
        return HostArrays()
    if why_not := no_cuda(*SUBTRACTING):
        raise DeviceMissing(why_not)
    return CudaArrays()
