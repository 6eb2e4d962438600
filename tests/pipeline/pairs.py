"""A new frame and its reference as the subtraction takes them, with true PSFs and stars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.frame import Aligned, Frame, PreparedReference, PsfModel, Stars
from pipeline.subtraction.field import terms
from tests.pipeline.synthetic import IDENTITY, Truth, star_frame


def true_psf(truth: Truth, size: int = 51) -> PsfModel:
    """The frame's own PSF, as the polynomial that fits it best."""
    height, width = truth.psf.shape
    if truth.psf.gradient == 0:
        stamp = truth.psf.centred(width / 2, height / 2, size)
        return PsfModel(stamp[None].astype(np.float32), 0, (height, width), truth.psf.fwhm)
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5)))
    stamps = np.stack([truth.psf.centred(a, b, size).ravel() for a, b in zip(x, y, strict=True)])
    basis = np.linalg.lstsq(terms(x, y, (height, width), 2), stamps, rcond=None)[0]
    return PsfModel(basis.reshape(-1, size, size).astype(np.float32), 2, (height, width), truth.psf.fwhm)


def true_stars(frame: Frame, truth: Truth) -> Stars:
    """The constant stars inside the frame, as a perfect finder would give them."""
    height, width = frame.shape
    constant = len(truth.x) - truth.n_extra
    inside = (truth.x > 0) & (truth.y > 0) & (truth.x < width - 1) & (truth.y < height - 1)
    chosen = np.flatnonzero(inside[:constant])
    chosen = chosen[np.argsort(-truth.flux[chosen])]
    area = 4.0 * np.pi * (truth.psf.fwhm / 2.355) ** 2
    flux = truth.flux[chosen]
    none = np.zeros(len(chosen), dtype=np.int64)
    return Stars(
        x=truth.x[chosen],
        y=truth.y[chosen],
        flux=flux,
        flux_err=np.sqrt(flux + float(np.median(frame.variance)) * area),
        peak=2.0 * flux / area,
        fwhm=np.full(len(chosen), truth.psf.fwhm),
        ellipticity=np.zeros(len(chosen)),
        flags=none,
        mask=none,
    )


def make_pair(
    shape: tuple[int, int] = (320, 320),
    seed: int = 3,
    *,
    new: Mapping[str, Any] | None = None,
    ref: Mapping[str, Any] | None = None,
    **both: Any,
) -> tuple[Aligned, PreparedReference, Truth, Truth]:
    """Two synthetic frames of one field on one grid; ``new`` and ``ref`` are `star_frame`'s arguments."""
    both = {"n_stars": round(shape[0] * shape[1] / 1000), **both}
    new_frame, new_truth = star_frame(shape, seed, noise_seed=1, **{**both, **(new or {})})
    ref_frame, ref_truth = star_frame(shape, seed, noise_seed=2, **{**both, **(ref or {})})
    aligned = Aligned(
        frame=new_frame,
        psf=true_psf(new_truth),
        stars=true_stars(new_frame, new_truth),
        to_new=IDENTITY,
        rms_px=0.01,
        n_matched=50,
    )
    prepared = PreparedReference(ref_frame, true_stars(ref_frame, ref_truth), true_psf(ref_truth))
    return aligned, prepared, new_truth, ref_truth
