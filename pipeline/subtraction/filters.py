"""What a method of subtraction gives each tile, and the little algebra of half-plane spectra it needs."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.subtraction.arrays import Arrays, Spectrum, Values

LEAST_KERNEL_PX = 80  # wider than what counts of any PSF and what a filter adds to it


@dataclass(frozen=True, slots=True)
class Filters:
    """How a method turns one tile of two images, N and R, into a difference and a score.

    All are spectra of the tile, (h, w // 2 + 1). With ``A = of_new * N`` and ``B = of_ref * R``,

    - the difference is ``whiten * (A - B)``, in the flux unit of the images, with the PSF ``whiten * psf``;
    - the matched filter is ``S = match * A - match * B``, and ``S / flux_norm`` the flux of a point source.

    ``whiten`` is real, none where it is 1; ``whiten * psf`` is 1 at the origin.
    """

    of_new: Spectrum
    of_ref: Spectrum
    whiten: Values | None
    match: Spectrum
    psf: Spectrum
    flux_norm: float


def flux_of_level(made: Filters) -> float:
    """The flux that a PSF fit finds in a level of 1 per pixel of the difference."""
    whiten = 1.0 if made.whiten is None else float(made.whiten[0, 0])
    return float(made.match[0, 0].real) / (whiten * made.flux_norm)


def power(spectrum: Spectrum) -> Values:
    """The absolute square of a spectrum."""
    real, imaginary = spectrum.real, spectrum.imag
    squared = real * real
    squared += imaginary * imaginary
    return squared


def mean_of(half: Values, shape: tuple[int, int]) -> float:
    """The mean of a real spectrum over the whole plane, from its half: the value at the origin."""
    once = float(half[:, 0].sum())  # columns that stand for themselves, not also for their mirror image
    if shape[1] % 2 == 0:
        once += float(half[:, -1].sum())
    return (2.0 * float(half.sum()) - once) / (shape[0] * shape[1])


def compact(
    kernel: Spectrum,
    shape: tuple[int, int],
    xp: Arrays,
    by: Spectrum | None = None,
    least: int = LEAST_KERNEL_PX,
) -> Values:
    """A narrow kernel as an image around index 0, 0, in the smallest image that still holds it.

    Every second, third, ... frequency of a kernel are those of the same kernel in an image so much
    smaller. ``by`` is a factor that the kernel still lacks; ``least`` how wide the image must be.
    """
    part = next(
        n
        for n in (5, 4, 3, 2, 1)
        if n == 1 or (all(length % n == 0 for length in shape) and min(shape) // n >= least)
    )
    few = kernel[::part, ::part]
    few = few + 0.0 if by is None else few * by[::part, ::part]
    return xp.irfft2(few, (shape[0] // part, shape[1] // part))


def squared(
    kernel: Spectrum, by: Spectrum, shape: tuple[int, int], to: tuple[int, int], xp: Arrays
) -> Spectrum:
    """The transform of the square of a kernel, in an image of the shape ``to``.

    The kernel is given as two factors, transformed in an image of ``shape``.
    """
    image = compact(kernel, shape, xp, by)
    image *= image
    return xp.rfft2_of_narrow(image, to)
