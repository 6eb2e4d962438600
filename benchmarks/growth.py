"""How the subtraction grows with the frame: CPU time and memory a pixel, up to 8192 x 8192.

One simulated pair of 1024 x 1024 is laid out again and again, so that every frame has the same stars, PSFs
and noise a pixel. Each size runs in a process of its own, one thread. The unit of time is the mean of a
forward and an inverse real transform of the whole image in single precision, of the same run; proper
subtraction needs eight, six when the reference's are kept. The PSFs are given: they are not made to agree.

    python -m benchmarks.growth [SIZE ...]
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from benchmarks.pairs.draw import draw
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.subtraction.engines import way
from benchmarks.usage import measure
from core.operations.freed_memory import keep_freed_memory
from core.settings import Settings
from pipeline.frame import Aligned, Frame, PreparedReference, PsfModel, Stars
from pipeline.subtraction.subtract import subtract

SIZES = (1024, 2048, 4096, 8192)
MOST_SIZE = 8192  # smaller frames are subtracted as often as there is time for, and the best counts
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NO_DEPTH = Settings(depth={"enabled": False})


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Print a line of each size."""
    print("         tiles alone          with match, sky and errors")
    print(
        " size    first/8  next/6      first/8  next/6  CPU s a Mpx   bytes a pixel: first, next   peak MiB"
    )
    for size in sizes:
        child = measure([sys.executable, "-m", "benchmarks.growth", "child", str(size)], ONE_THREAD)
        told = json.loads(child.output)
        unit = told["fft_s"]
        print(
            f"{size:5}   {told['first_tiles_s'] / (8 * unit):8.2f}{told['next_tiles_s'] / (6 * unit):8.2f}"
            f"   {told['first_s'] / (8 * unit):10.2f}{told['next_s'] / (6 * unit):8.2f}"
            f"   {told['next_s'] * 1e6 / size**2:10.3f}"
            f"   {told['first_bytes']:20.0f}, {told['next_bytes']:4.0f}"
            f"   {child.peak_mib:8.0f}"
        )


@patch("pipeline.subtraction.subtract.match_psf", lambda new, *_: new)
def one_size(size: int) -> None:
    """Subtract a frame of one size with an empty cache and with a full one, for time and for memory."""
    keep_freed_memory()  # as all do that subtract
    new, reference = laid_out(size // 1024)
    told: dict[str, float] = {"fft_s": _transform_s(reference.frame.data)}
    subtract(new, replace(reference, caches={}), NO_DEPTH)  # loads what is loaded once
    for _ in range(max(1, MOST_SIZE // size)):
        reference.caches.clear()
        for name in ("first", "next"):
            for key, seconds in _cpu_s(new, reference).items():
                told[f"{name}_{key}"] = min(told.get(f"{name}_{key}", seconds), seconds)
    reference.caches.clear()
    tracemalloc.start()
    for name in ("first", "next"):
        tracemalloc.reset_peak()
        subtract(new, reference, NO_DEPTH)
        told[f"{name}_bytes"] = tracemalloc.get_traced_memory()[1] / size**2
    print(json.dumps(told))


def _cpu_s(new: Aligned, reference: PreparedReference) -> dict[str, float]:
    """CPU time of a subtraction and of its tiles, whose wall time on a busy machine says little."""
    with patch.object(time, "perf_counter", time.process_time):
        began = time.process_time()
        found = subtract(new, reference, NO_DEPTH)
        seconds = time.process_time() - began
    return {"s": seconds, "tiles_s": found.seconds["kernels"] + found.seconds["transforms"]}


def laid_out(times: int) -> tuple[Aligned, PreparedReference]:
    """A pair of ``times`` x ``times`` copies of one of 1024 x 1024 pixels."""
    found = way(draw(SCENARIOS["typical"], 1))
    new, reference = found.aligned, found.reference
    size = new.frame.shape[0]
    shape = (times * size, times * size)
    large = Aligned(
        _frame(new.frame, times), _psf(new.psf, shape), _stars(new.stars, times, size),
        np.eye(2, 3), new.rms_px, new.n_matched,
    )  # fmt: skip
    prepared = replace(
        reference,
        frame=_frame(reference.frame, times),
        psf=_psf(reference.psf, shape),
        stars=_stars(reference.stars, times, size),
        caches={},
    )
    return large, prepared


def _frame(frame: Frame, times: int) -> Frame:
    def laid(image: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.tile(image, (times, times))

    return replace(
        frame,
        data=laid(frame.data),
        background=laid(frame.background),
        variance=laid(frame.variance),
        mask=laid(frame.mask),
        wcs=None,
    )


def _psf(psf: PsfModel, shape: tuple[int, int]) -> PsfModel:
    """The PSF of the middle everywhere: laid out again it cannot vary over the whole."""
    covariance = None if psf.covariance is None else psf.covariance[:1, :1]
    basis = psf.basis[:1] / psf.basis[0].sum()
    return replace(psf, basis=basis, degree=0, shape=shape, covariance=covariance)


def _stars(stars: Stars, times: int, size: int) -> Stars:
    columns = {name: np.tile(getattr(stars, name), times**2) for name in Stars.__slots__}
    steps = size * np.repeat(np.arange(times), len(stars.x))
    columns["x"] = columns["x"] + np.tile(steps, times)
    columns["y"] = columns["y"] + np.repeat(size * np.arange(times), times * len(stars.x))
    order = np.argsort(-columns["flux"], kind="stable")
    return Stars(**{name: values[order] for name, values in columns.items()})


def _transform_s(image: NDArray[np.float32]) -> float:
    times = []
    for _ in range(5):
        began = time.process_time()
        spectrum = fft.rfft2(image, workers=1)
        fft.irfft2(spectrum, s=image.shape, workers=1)
        times.append((time.process_time() - began) / 2)
    return min(times)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        one_size(int(sys.argv[2]))
    else:
        main(tuple(map(int, sys.argv[1:])) or SIZES)
