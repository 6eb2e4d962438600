"""Examples by what makes them easy or hard, and what is missed and kept of each sort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training import resample
from pipeline.training.resample import Estimate

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]

SNR_EDGES = 3.0, 6.0, 10.0, 20.0, 50.0, np.inf
CLEAR_SNR = 10.0  # from here on a change off stars should hardly ever be missed
CLEAR_OF, CLEAR_NAME = "clear", f"off stars, SNR {CLEAR_SNR:g} and more"
HOST_OFFSETS = {
    "core: 0 to 0.5 FWHM": (0.0, 0.5),
    "0.5 to 2 FWHM": (0.5, 2.0),
    "2 FWHM and more": (2.0, np.inf),
}
MAG_STEP = 1.0
MOST_VALUES = 24  # of one column: more would be no strata but a list


@dataclass(frozen=True, slots=True)
class Stratum:
    """The examples of one sort at the working threshold; ``of`` is the column, ``name`` its value."""

    of: str
    name: str
    missed: Estimate  # of its real
    kept: Estimate  # of its bogus


def strata_of(
    columns: Columns,
    real: Flags,
    score: Array,
    threshold: float,
    thresholds: Array,
    weights: Array,
    drawn_by: str,
) -> tuple[Stratum, ...]:
    """Every stratum of a set.

    Parameters
    ----------
    columns : mapping
    real : (n,) bool
    score : (n,) float64
    threshold : float
        Of all examples.
    thresholds : (rounds,) float64
        Of each draw.
    weights : (rounds, n) float64
    drawn_by : str
        The column whose values were drawn.
    """
    kept = score >= threshold
    often = score[None, :] >= thresholds[:, None]
    out = []
    for of, name, inside in sorts(columns, real):
        estimates = []
        for which, wanted, what in ((inside & real, False, "real"), (inside & ~real, True, "bogus")):
            n = int(which.sum())
            if n < resample.LEAST:
                estimates.append(resample.of_draws(np.nan, np.zeros(0), n, what=what))
                continue
            value = float(np.mean(kept[which] == wanted))
            part = weights[:, which]
            with np.errstate(invalid="ignore"):
                found = np.sum(part * (often[:, which] == wanted), axis=1) / part.sum(axis=1)
            groups = resample.count(np.asarray(columns[drawn_by]), which)
            estimates.append(resample.of_draws(value, found, n, what=what, groups=groups))
        if any(each.n for each in estimates):
            out.append(Stratum(of, name, *estimates))
    return tuple(out)


def sorts(columns: Columns, real: Flags) -> Iterator[tuple[str, str, Flags]]:
    """Column, value and members of every stratum that the columns allow."""
    snr = significance(columns)
    host = text(columns, "host")
    if snr is not None:
        yield from _by_significance(columns, real, snr, host)
    if "mag" in columns:
        yield from _magnitudes(np.asarray(columns["mag"], dtype=np.float64), real)
    if host is not None:
        for value in np.unique(host[real]):
            yield "host", str(value), real & (host == value)
    if "host_offset" in columns:
        # A star that varies is its own core, and would be most of what is there.
        off_stars = True if host is None else ~(real & (host == "star"))
        offset = np.asarray(columns["host_offset"], dtype=np.float64)
        for value, (low, high) in HOST_OFFSETS.items():
            yield "host offset", value, (offset >= low) & (offset < high) & off_stars
    if "near_bright" in columns:
        near = np.asarray(columns["near_bright"]).astype(bool)
        yield "near a bright star", "yes", near
        yield "near a bright star", "no", ~near
    for name in ("kind", "filter", "instrument"):
        values = text(columns, name)
        found = np.unique(values) if values is not None else np.zeros(0, str)
        if (1 if name == "kind" else 2) <= len(found) <= MOST_VALUES:
            for value in found:
                yield name, str(value) or "unknown", values == value
    cut = text(columns, "cut")
    if cut is not None and (cut != "").any():
        yield "cut", "survives", cut == ""
        yield "cut", "dropped", cut != ""


def _by_significance(
    columns: Columns, real: Flags, snr: Array, host: NDArray[np.str_] | None
) -> Iterator[tuple[str, str, Flags]]:
    if host is not None:
        clear = real & (np.nan_to_num(snr) >= CLEAR_SNR)
        if "kind" in columns:
            clear &= ~is_streak(columns)
        yield CLEAR_OF, CLEAR_NAME, clear & (host != "star")
        yield CLEAR_OF, f"on a star, SNR {CLEAR_SNR:g} and more", clear & (host == "star")
    for low, high in pairwise(SNR_EDGES):
        name = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
        yield "SNR", name, (snr >= low) & (snr < high)


def _magnitudes(mag: Array, real: Flags) -> Iterator[tuple[str, str, Flags]]:
    known = real & np.isfinite(mag)
    if not known.any():
        return
    first = np.floor(np.percentile(mag[known], 1) / MAG_STEP) * MAG_STEP
    last = np.ceil(np.percentile(mag[known], 99) / MAG_STEP) * MAG_STEP
    for low in np.arange(first, min(last, first + MOST_VALUES), MAG_STEP):
        yield "magnitude", f"{low:g} to {low + MAG_STEP:g}", real & (mag >= low) & (mag < low + MAG_STEP)


def significance(columns: Columns) -> Array | None:
    """The true signal-to-noise ratio where it is known, else the measured one without its sign."""
    found: Array | None = None
    for name in ("snr", "snr_true"):  # the true one where there is one
        if name in columns:
            values = np.abs(np.asarray(columns[name], dtype=np.float64))
            found = values if found is None else np.where(np.isfinite(values) & (values > 0), values, found)
    return found


def is_streak(columns: Columns) -> Flags:
    """Which examples are trails."""
    streak: Flags = np.asarray(columns["kind"]).astype(str) == "streak"
    return streak


def text(columns: Columns, name: str) -> NDArray[np.str_] | None:
    """A column of words; none where there is none."""
    return np.asarray(columns[name]).astype(str) if name in columns else None
