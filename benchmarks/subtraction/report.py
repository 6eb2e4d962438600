"""From pairs to a table: pool what was judged, print it, keep it as JSON.

Columns of the table
    sigma       of the score on the sky; the most that a sixteenth of an image deviates from 1, and by chance
    FP/Mpx      false peaks beyond 5 sigma of either sign; (white) as many as white noise has; cut: what
                the product's own cuts leave, and kept: the part of changes above 8 sigma that they leave
    at          the score beyond which there is one false peak a megapixel
    SNR50       at which half of the changes are found beyond that, on the sky, stars and galaxies
    chi2        of bright constant stars; without the astrometric term
    bias, scat, pull
                of forced fluxes of changes of 20 sigma and more: median error; what scatters around that,
                over the best possible error, and over the error given
    map, left   pixels, root mean square an axis: of the map, and after the photometric match
    gain, PSF   errors of the flux ratio and of both PSFs
    CPU         of the subtraction and of the whole way, in units of eight real transforms of the image
    B/px        that the subtraction allocates at its peak

Columns of the second table
    mask, source, sky   false peaks beyond 5 sigma a megapixel: within two FWHM of a masked pixel, else on a
                        constant source above 5 sigma, else on the sky
    at, SNR50           as above, of the false peaks that are not beside masks
    lost                changes that are masked
    mean, noise         the mean of chi2 in place of its median; its median if noise alone, of a variance that
                        is known, were left of the same stars
    rms, gain±          what the product takes for the scatter of single stars' places and flux ratios
    bias%, scat, pull   the 95 % between which they lie, by pairs drawn anew with repeats
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.pairs.draw import KINDS
from benchmarks.subtraction.metrics import (
    CAUSES,
    Array,
    Forced,
    Judged,
    flux_intervals,
    half_complete,
    poisson_interval,
    threshold_for,
)

FLOOR_FFTS = 8.0


def pooled(
    judged: Sequence[Judged],
    forced: Sequence[Forced],
    calm: Sequence[Array],
    by_noise: Sequence[tuple[Array, float]],
    after_cuts: int | None,
    kept: tuple[int, int] | None,
    facts: Sequence[dict[str, float]],
    costs: Sequence[dict[str, float]],
) -> dict[str, Any]:
    """One engine's figures in one scenario.

    ``calm`` are chi squared of the stars without the astrometric terms, a pair each; ``by_noise`` those of
    noise alone and the median of its sky; ``after_cuts`` the number of false detections, ``kept`` those found
    of the changes above 8 sigma and how many there are.
    """
    area = sum(each.area for each in judged)
    mpx = area / 1e6
    false = np.concatenate([each.false_peaks for each in judged])
    count = int(np.sum(false > 5.0))
    low, high = poisson_interval(count)
    threshold = threshold_for(false, area)
    snr, found, kind = (
        np.concatenate([getattr(each, name) for each in judged]) for name in ("snr", "found", "kind")
    )
    cause = np.concatenate([each.cause for each in judged])
    clear = threshold_for(false[cause != 0], area)
    result: dict[str, Any] = {
        "mpx": mpx,
        "sigma": _mean([each.sigma for each in judged]),
        "worst_region": _mean([each.worst_region for each in judged]),
        "chance_region": _mean([each.chance_region for each in judged]),
        "false_per_mpx": count / mpx,
        "false_interval": [low / mpx, high / mpx],
        "white_noise_per_mpx": sum(each.expected for each in judged) / mpx,
        "false_after_cuts_per_mpx": None if after_cuts is None else after_cuts / mpx,
        "kept_by_cuts": None if kept is None or not kept[1] else kept[0] / kept[1],
        "threshold": threshold,
        "complete": _complete(snr, found > threshold, kind),
        "false_by_cause_per_mpx": {
            name: float(np.sum((false > 5.0) & (cause == index)) / mpx) for index, name in enumerate(CAUSES)
        },
        "threshold_off_masks": clear,
        "complete_off_masks": _complete(snr, found > clear, kind),
        "complete_at_5": _complete(snr, found > 5.0, kind),
        "chi2": _chi2([each.chi2 for each in judged], judged),
        "chi2_without_astrometry": _chi2(calm, judged) if calm else None,
        "chi2_mean": _mean(np.concatenate([each.chi2 / each.sigma**2 for each in judged])),
        "chi2_by_noise": _by_noise(by_noise),
        "masked": _mean([each.masked for each in judged]),
        "masked_changes": _mean([each.masked_changes for each in judged]),
    }
    if forced:
        result["flux"] = Forced.joined(forced).summary()
        result["flux_intervals"] = flux_intervals(forced)
    for name in sorted({name for each in facts for name in each}):
        values = np.array([each[name] for each in facts if name in each])
        result.setdefault("facts", {})[name] = float(
            values.mean() if name in ("rescaled", "rms_px", "gain_scatter") else np.sqrt(np.mean(values**2))
        )
    for name in sorted({name for each in costs for name in each}):
        known = [each[name] for each in costs if name in each and np.isfinite(each[name])]
        result.setdefault("costs", {})[name] = float(np.median(known)) if known else float("nan")
    return result


def _complete(snr: Array, hit: NDArray[np.bool_], kind: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Of each kind of change: how many there are, the share that is found, and where that is a half."""
    result = {}
    for index, name in enumerate(KINDS):
        mine = kind == index
        result[name] = {
            "n": int(mine.sum()),
            "share": float(hit[mine].mean()) if mine.any() else float("nan"),
            "snr50": half_complete(snr[mine], hit[mine]),
        }
    return result


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if len(values) else float("nan")


def _chi2(of_stars: Sequence[Array], judged: Sequence[Judged]) -> float:
    values = np.concatenate(of_stars)
    sky = _mean([each.chi2_sky for each in judged])
    return float(np.median(values) / sky) if len(values) else float("nan")


def _by_noise(drawn: Sequence[tuple[Array, float]]) -> float:
    values = np.concatenate([squares.ravel() for squares, _ in drawn])
    return float(np.median(values) / np.mean([sky for _, sky in drawn])) if len(values) else float("nan")


HEAD = (
    f"{'scenario':14s}{'engine':9s}{'sigma':>6s}{'±reg':>6s}{'white':>6s} "
    f"{'FP/Mpx':>7s}{'white':>6s}{'cut':>6s}{'kept':>5s}{'at':>6s} "
    f"{'sky':>6s}{'star':>6s}{'gal':>6s} {'chi2':>6s}{'no ast':>7s} {'bias%':>6s}{'scat':>5s}{'pull':>5s} "
    f"{'map':>6s}{'left':>6s}{'gain%':>6s}{'PSFn%':>6s}{'PSFr%':>6s} "
    f"{'mask%':>6s}{'CPU':>5s}{'whole':>6s}{'B/px':>5s}"
)


def line(scenario: str, engine: str, result: dict[str, Any]) -> str:
    """One line of the table."""
    start = f"{scenario:14s}{engine:9s}"
    if "says" in result:
        return f"{start}{result['says']}"
    facts, costs, flux = (result.get(name, {}) for name in ("facts", "costs", "flux"))
    complete = result["complete"]
    return "".join(
        [
            start,
            _f(result["sigma"], 6, 3),
            _f(result["worst_region"], 6, 3),
            _f(result["chance_region"], 6, 3),
            " ",
            _f(result["false_per_mpx"], 7, 2),
            _f(result["white_noise_per_mpx"], 6, 2),
            _f(result["false_after_cuts_per_mpx"], 6, 2),
            _f(result["kept_by_cuts"], 5, 2),
            _f(result["threshold"], 6, 2),
            " ",
            *(_f(complete[kind]["snr50"], 6, 2) for kind in KINDS),
            " ",
            _f(result["chi2"], 6, 2),
            _f(result["chi2_without_astrometry"], 7, 2),
            " ",
            _f(flux.get("bias"), 6, 2, 100.0),
            _f(flux.get("over_ideal"), 5, 2),
            _f(flux.get("pull"), 5, 2),
            " ",
            _f(facts.get("map_px"), 6, 3),
            _f(facts.get("left_px"), 6, 3),
            _f(facts.get("gain"), 6, 2, 100.0),
            _f(facts.get("psf_new"), 6, 2, 100.0),
            _f(facts.get("psf_ref"), 6, 2, 100.0),
            " ",
            _f(result["masked"], 6, 2, 100.0),
            _f(costs.get("core_ffts"), 5, 1, 1.0 / FLOOR_FFTS),
            _f(costs.get("whole_ffts"), 6, 1, 1.0 / FLOOR_FFTS),
            _f(costs.get("bytes_per_pixel"), 5, 0),
        ]
    )


HEAD_OFF_MASKS = (
    f"{'scenario':14s}{'engine':9s}{'mask':>7s}{'source':>7s}{'sky':>7s} {'at':>6s} "
    f"{'sky':>6s}{'star':>6s}{'gal':>6s} {'lost%':>6s}{'mean':>6s}{'noise':>6s}{'rms':>7s}{'gain±%':>7s}"
    f"{'bias%':>14s}{'scat':>12s}{'pull':>12s}"
)


def line_off_masks(scenario: str, engine: str, result: dict[str, Any]) -> str:
    """Where the false peaks are, and what is complete without those beside masks."""
    start = f"{scenario:14s}{engine:9s}"
    if "says" in result:
        return start
    facts = result.get("facts", {})
    return "".join(
        [
            start,
            *(_f(result["false_by_cause_per_mpx"][cause], 7, 2) for cause in CAUSES),
            " ",
            _f(result["threshold_off_masks"], 6, 2),
            " ",
            *(_f(result["complete_off_masks"][kind]["snr50"], 6, 2) for kind in KINDS),
            " ",
            _f(result["masked_changes"], 6, 2, 100.0),
            _f(result["chi2_mean"], 6, 2),
            _f(result["chi2_by_noise"], 6, 2),
            _f(facts.get("rms_px"), 7, 3),
            _f(facts.get("gain_scatter"), 7, 2, 100.0),
            *_between(result.get("flux_intervals", {})),
        ]
    )


def _between(intervals: dict[str, list[float]]) -> Iterator[str]:
    for name, width, factor in (("bias", 7, 100.0), ("over_ideal", 6, 1.0), ("pull", 6, 1.0)):
        low, high = intervals.get(name, (None, None))
        yield _f(low, width, 2, factor) + _f(high, width, 2, factor)


def _f(value: float | None, width: int, digits: int, factor: float = 1.0) -> str:
    if value is None or not np.isfinite(value):
        return f"{'-':>{width}s}"
    return f"{value * factor:{width}.{digits}f}"
