"""Other programs on the same aligned images, masks, variances and PSFs that the product made.

They get the product's calibration, alignment, PSFs and list of common stars for nothing, in electrons of
the reference above the sky.
What fits a kernel (SFFT, HOTPANTS) gives a difference whose PSF is that of the image it left alone,
P_t; P_c is the other's. Its score is the usual one, the difference correlated with P_t over

    sqrt(V_t * P_t^2 + V_c * k^2),   k the inverse transform of |P_t|^2 / P_c,

k what the kernel and P_t together make of the other image. PSFs are those of the field's centre.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]

KERNEL_FWHM = 2.0  # half width of a fitted kernel in FWHM of the wider PSF
KERNEL_ORDER = 2  # of its polynomial over the field
HOTPANTS_S = 600.0
PACKAGES = {"sfft": "sfft", "pyzogy": "PyZOGY"}


@dataclass(frozen=True)
class Images:
    """Two aligned images in one flux unit: light above the sky, variance, PSF stamps of unit sum."""

    new: Array
    ref: Array
    var_new: Array
    var_ref: Array
    psf_new: Array
    psf_ref: Array
    good: NDArray[np.bool_]
    fwhm_new: float
    fwhm_ref: float
    rms_px: float
    star_x: Array  # clean stars of both
    star_y: Array

    @property
    def convolve_new(self) -> bool:
        """Whether the new image is the sharper one."""
        return self.fwhm_new < self.fwhm_ref


@dataclass(frozen=True)
class PeerResult:
    """A score and what it cost; flux and its error per pixel, where there is one."""

    score: Array
    cpu_s: float
    flux: Array | None = None
    flux_err: Array | None = None


def installed(name: str) -> bool:
    """Whether a peer can run here."""
    if name == "textbook":
        return find_spec("photutils") is not None and find_spec("reproject") is not None
    if name in PACKAGES:
        return find_spec(PACKAGES[name]) is not None
    return shutil.which("hotpants") is not None


def textbook(images: Images) -> PeerResult:
    """Proper subtraction in one piece, in double precision, with source and registration noise."""
    from benchmarks.textbook import placed, score

    psfs = [placed(psf, images.new.shape) for psf in (images.psf_new, images.psf_ref)]
    began = time.process_time()
    made = score(images.new, images.ref, *psfs, images.var_new, images.var_ref, images.rms_px)
    return PeerResult(made, time.process_time() - began)


def sfft(images: Images) -> PeerResult:
    """Saccadic fast Fourier subtraction (Hu et al. 2022, ApJ 936, 157), its Numpy backend, one thread.

    The kernel is fitted to the clean stars alone, all else is empty sky to it, as its authors advise for
    fields that are not crowded.
    """
    from sfft.CustomizedPacket import Customized_Packet

    seen = images.good & _around(images, 2.0 * _half_width(images))
    side = "SCI" if images.convolve_new else "REF"
    with tempfile.TemporaryDirectory() as name:
        new, ref, new_stars, ref_stars = _written(
            Path(name),
            new=images.new,
            ref=images.ref,
            new_stars=np.where(seen, images.new, 0.0),
            ref_stars=np.where(seen, images.ref, 0.0),
        )
        began = time.process_time()
        with redirect_stdout(StringIO()):
            _, found = Customized_Packet.CP(
                *(ref, new, ref_stars, new_stars, side, _half_width(images)),
                KerPolyOrder=KERNEL_ORDER,
                BGPolyOrder=1,
                BACKEND_4SUBTRACT="Numpy",
                NUM_CPU_THREADS_4SUBTRACT=1,
                NUMBA_CACHE=False,
                VERBOSE_LEVEL=0,
            )
        return _scored(images, np.asarray(found, dtype=float).T, time.process_time() - began)


def hotpants(images: Images) -> PeerResult:
    """HOTPANTS (Becker 2015, ascl:1504.004), the algorithm of Alard & Lupton (1998), in one region.

    Raises
    ------
    subprocess.SubprocessError
        It failed.
    """
    difference, spent, _ = by_hotpants(images)
    return _scored(images, difference, spent)


def by_hotpants(images: Images) -> tuple[Array, float, float]:
    """The difference of HOTPANTS alone, and what it took: CPU time, and time by the clock.

    Raises
    ------
    subprocess.SubprocessError
        It failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        new, ref, new_noise, ref_noise, bad = _written(
            folder,
            new=images.new,
            ref=images.ref,
            new_noise=np.sqrt(images.var_new),
            ref_noise=np.sqrt(images.var_ref),
            bad=(~images.good).astype(float),
        )
        out = folder / "difference.fits"
        limits = [word for side in "it" for word in (f"-{side}u", "1e9", f"-{side}l", "-1e9")]
        command = [
            *("hotpants", "-inim", new, "-tmplim", ref, "-outim", str(out)),
            *("-ini", new_noise, "-tni", ref_noise, "-imi", bad, "-tmi", bad),
            *limits,
            *("-n", "t", "-c", "i" if images.convolve_new else "t", "-r", str(_half_width(images))),
            *("-ko", str(KERNEL_ORDER), "-bgo", "1", "-v", "0"),
        ]
        before, began = _children_s(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, timeout=HOTPANTS_S)
        spent, waited = _children_s() - before, time.perf_counter() - began
        return fits.getdata(out).astype(float), spent, waited


def pyzogy(images: Images) -> PeerResult:
    """PyZOGY (Guevel and Hosseinzadeh 2017, ascl:1710.009), its score corrected for source noise.

    Images are on one flux scale already, so that it need not find their ratio.
    """
    from PyZOGY.subtract import run_subtraction

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        new, ref, new_psf, ref_psf, bad = _written(
            folder,
            new=images.new,
            ref=images.ref,
            new_psf=images.psf_new,
            ref_psf=images.psf_ref,
            bad=(~images.good).astype(float),
        )
        out = folder / "score.fits"
        began = time.process_time()
        run_subtraction(
            *(new, ref, new_psf, ref_psf),
            output=None,
            science_mask=bad,
            reference_mask=bad,
            science_variance=images.var_new,
            reference_variance=images.var_ref,
            gain_ratio=1.0,
            matched_filter=str(out),
            corrected=True,
        )
        spent = time.process_time() - began
        return PeerResult(fits.getdata(out).astype(float), spent)


def _written(folder: Path, **images: Array) -> list[str]:
    """Images as files."""
    for name, image in images.items():
        fits.writeto(folder / f"{name}.fits", image.astype(np.float32))
    return [str(folder / f"{name}.fits") for name in images]


def _around(images: Images, radius: float) -> NDArray[np.bool_]:
    """Pixels near the clean stars."""
    away = np.ones(images.new.shape, dtype=bool)
    away[np.rint(images.star_y).astype(int), np.rint(images.star_x).astype(int)] = False
    return np.asarray(ndimage.distance_transform_edt(away) <= radius)


def _half_width(images: Images) -> int:
    return int(np.ceil(KERNEL_FWHM * max(images.fwhm_new, images.fwhm_ref)))


def _children_s() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _scored(images: Images, difference: Array, cpu_s: float) -> PeerResult:
    """The score of a kernel's difference."""
    target, other = images.psf_new, images.psf_ref
    var_target, var_other = images.var_new, images.var_ref
    if images.convolve_new:
        target, other, var_target, var_other = other, target, var_other, var_target
    began = time.process_time()
    shape = difference.shape
    p_t, p_c = (fft.rfft2(_centred(psf, shape)) for psf in (target, other))
    matched = fft.irfft2(fft.rfft2(np.where(images.good, difference, 0.0)) * np.conj(p_t), s=shape)
    kernel = fft.irfft2(np.abs(p_t) ** 2 * np.conj(p_c) / (np.abs(p_c) ** 2 + 1e-6), s=shape)
    variance = _filtered(var_target, _centred(target, shape)) + _filtered(var_other, kernel)
    norm = np.sum(target**2)
    error = np.sqrt(np.maximum(variance, 1e-12))
    cost = cpu_s + time.process_time() - began
    return PeerResult(matched / error, cost, matched / norm, error / norm)


def _filtered(variance: Array, kernel: Array) -> Array:
    """The variance of an image after a convolution."""
    spectrum = fft.rfft2(variance) * fft.rfft2(np.square(kernel))
    return np.asarray(fft.irfft2(spectrum, s=variance.shape))


def _centred(stamp: Array, shape: tuple[int, ...]) -> Array:
    """A stamp in an image of zeros, its central pixel at the origin."""
    image = np.zeros(shape)
    image[: stamp.shape[0], : stamp.shape[1]] = stamp
    return np.roll(image, (-(stamp.shape[0] // 2), -(stamp.shape[1] // 2)), axis=(0, 1))


def flux_at(image: Array, x: float, y: float) -> float:
    """A smooth image between its pixels."""
    part = np.s_[max(round(y) - 8, 0) : round(y) + 9, max(round(x) - 8, 0) : round(x) + 9]
    spot = [[y - part[0].start], [x - part[1].start]]
    return float(ndimage.map_coordinates(image[part], spot, order=5, mode="mirror")[0])


PEERS: dict[str, Callable[[Images], PeerResult]] = {
    "textbook": textbook,
    "sfft": sfft,
    "hotpants": hotpants,
    "pyzogy": pyzogy,
}
