"""Run the scenarios and print the table."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs.draw import HALVES_PX, SKY, Pair, pair_of
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.subtraction import by_noise, engines, report
from benchmarks.subtraction.metrics import (
    FORCED_SNR,
    Array,
    Forced,
    Judged,
    Truth,
    bright_stars,
    change_radius,
    discs,
    forced,
    judge,
    star_chi2,
)
from core.operations.freed_memory import keep_freed_memory
from pipeline.frame import FrameRefused


def main() -> None:
    """Judge engines in scenarios and print a line of each."""
    keep_freed_memory()  # as all do that subtract
    options = _options()
    results: dict[str, dict[str, Any]] = {}
    print(report.HEAD)
    for name in options.scenario or SCENARIOS:
        results[name] = scenario(name, options)
        if options.json:
            Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    print("\n" + report.HEAD_OFF_MASKS)
    for name, engines_of in results.items():
        for engine, result in engines_of.items():
            if "says" not in result:
                print(report.line_off_masks(name, engine, result))
    print("\npython -m benchmarks.subtraction " + " ".join(sys.argv[1:]))


def scenario(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All engines on the pairs of one scenario."""
    wanted = options.engine or [*engines.OURS, *engines.PEERS]
    able = [engine for engine in wanted if engines.installed(engine)]
    pools = {engine: Pool() for engine in able}
    size = SCENARIOS[name].size ** 2 / 2**20
    count = max(1, round(options.mpx / size))
    for seed in range(options.seed, options.seed + count):
        if sys.stderr.isatty():
            print(f"\r{name} {seed - options.seed + 1} of {count} ", end="", file=sys.stderr, flush=True)
        pair = pair_of(name, seed, options.cache)
        try:
            way = engines.way(pair)
        except FrameRefused as refused:
            for pool in pools.values():
                pool.refused.append(str(refused))
            continue
        truth = truth_of(pair)
        for engine, pool in pools.items():
            try:
                outcome = engines.run(engine, way)
            except FrameRefused as refused:
                pool.refused.append(str(refused))
                continue
            pool.take(outcome, truth, pair)
            if seed == options.seed and engine in ("zogy", "classic"):
                outcome.costs["bytes_per_pixel"] = engines.peak_bytes(way, engine)
    if sys.stderr.isatty():
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    results = {}
    for engine in wanted:
        if engine not in pools:
            results[engine] = {"says": "not installed"}
        else:
            results[engine] = pools[engine].result()
        print(report.line(name, engine, results[engine]), flush=True)
    return results


class Pool:
    """What was judged of one engine so far."""

    def __init__(self) -> None:
        self.judged: list[Judged] = []
        self.calm: list[Array] = []
        self.by_noise: list[tuple[Array, float]] = []
        self.forced: list[Forced] = []
        self.facts: list[dict[str, float]] = []
        self.costs: list[dict[str, float]] = []
        self.after_cuts: int | None = None
        self.kept = (0, 0)
        self.refused: list[str] = []

    def take(self, outcome: engines.Outcome, truth: Truth, pair: Pair) -> None:
        """Judge an outcome."""
        self.judged.append(judge(outcome.score, outcome.good, truth))
        stars = bright_stars(truth)
        places = truth.star_x[stars], truth.star_y[stars]
        squares = by_noise.star_squares(pair, *places, truth.star_flux[stars], truth.fwhm)
        self.by_noise.append((squares, float(np.median(by_noise.sky_squares(pair, truth.fwhm)))))
        if outcome.without_astrometry is not None:
            self.calm.append(star_chi2(outcome.without_astrometry, outcome.good, truth))
        if outcome.flux is not None:
            bright = np.flatnonzero(truth.snr >= FORCED_SNR)
            values = np.array([outcome.flux(truth.x[i], truth.y[i]) for i in bright]).reshape(-1, 2)
            true = truth.flux[bright] * truth.sign[bright] * pair.ref.light
            self.forced.append(forced(values[:, 0], values[:, 1], true, truth.snr[bright]))
        if outcome.detections is not None:
            false, kept, could = against_truth(outcome, truth)
            self.after_cuts = (self.after_cuts or 0) + false
            self.kept = self.kept[0] + kept, self.kept[1] + could
        self.facts.append(outcome.facts)
        self.costs.append(outcome.costs)

    def result(self) -> dict[str, Any]:
        """The figures, or why there are none."""
        if not self.judged:
            return {"says": "refused: " + self.refused[0], "refused": len(self.refused)}
        figures = report.pooled(
            self.judged,
            self.forced,
            self.calm,
            self.by_noise,
            self.after_cuts,
            self.kept,
            self.facts,
            self.costs,
        )
        return figures | {"refused": len(self.refused)}


def against_truth(outcome: engines.Outcome, truth: Truth) -> tuple[int, int, int]:
    """Detections that are no change; unmasked changes above 8 sigma that were detected; all of these."""
    assert outcome.detections is not None
    x, y = outcome.detections.T
    near = discs(outcome.score.shape, truth.x, truth.y, change_radius(truth))
    false = int(np.sum(~near[np.rint(y).astype(int), np.rint(x).astype(int)]))
    rows, columns = np.rint(truth.y).astype(int), np.rint(truth.x).astype(int)
    clear = np.flatnonzero((truth.snr > 8.0) & outcome.good[rows, columns])
    apart = np.hypot(truth.x[clear, None] - x[None, :], truth.y[clear, None] - y[None, :])
    kept = int(np.sum(apart.min(axis=1, initial=np.inf) < truth.fwhm))
    return false, kept, len(clear)


def truth_of(pair: Pair) -> Truth:
    """What the metrics need of a pair, on the reference's grid."""
    changes, sources, size = pair.changes, pair.sources, pair.scenario.size
    x, y = (np.concatenate(both) for both in ((sources.x, sources.galaxy_x), (sources.y, sources.galaxy_y)))
    flux = np.concatenate([sources.flux, sources.galaxy_flux])
    inside = (x > -40) & (y > -40) & (x < size + 40) & (y < size + 40)
    wide = max((pair.psf_new, pair.psf_ref), key=lambda psf: psf.fwhm)
    stamps = [
        psf.stamp(size / 2, size / 2, HALVES_PX[-1]).astype(float) for psf in (pair.psf_new, pair.psf_ref)
    ]
    ratios, fullness = [], []
    for stamp, frame, sky in zip(stamps, (pair.new, pair.ref), (SKY, SKY * pair.scenario.depth), strict=True):
        noise = np.sqrt((sky + frame.read_noise**2) / np.sum(stamp**2))
        light = flux * frame.light
        own = light * np.sum(stamp**3) / np.sum(stamp**2) ** 2
        ratios.append(light / np.sqrt(noise**2 + own))
        fullness.append((light * stamp.max() + sky) / (frame.saturation * frame.gain))
    point = np.arange(len(flux)) < len(sources.flux)
    clear = np.hypot(x[:, None] - changes.x, y[:, None] - changes.y).min(axis=1, initial=np.inf) > 1.0
    return Truth(
        x=changes.x,
        y=changes.y,
        snr=changes.snr,
        sign=changes.sign,
        kind=changes.kind,
        flux=changes.flux,
        star_x=x[inside],
        star_y=y[inside],
        star_snr=np.minimum(*ratios)[inside],
        star_flux=flux[inside],
        usable_star=(point & clear & (np.maximum(*fullness) < 0.7))[inside],
        fwhm=wide.fwhm,
        reach=_reach(max(stamps, key=lambda stamp: 1.0 / np.sum(stamp**2))),
    )


def _reach(stamp: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The largest value of a PSF's autocorrelation at each whole radius, 1 at 0."""
    size = 2 * stamp.shape[0]
    power = np.abs(np.fft.fft2(stamp, s=(size, size))) ** 2
    image = np.fft.fftshift(np.fft.ifft2(power).real)
    offset = np.arange(size) - size // 2
    ring = np.rint(np.hypot(offset[:, None], offset[None, :])).astype(int)
    return np.array([image[ring == radius].max() for radius in range(HALVES_PX[-1])]) / image.max()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.subtraction", description=__doc__)
    parser.add_argument("--mpx", type=float, default=4.0, help="megapixels a scenario (a full run: 30)")
    parser.add_argument(
        "--scenario", action="append", choices=list(SCENARIOS), metavar="NAME", help="may repeat"
    )
    parser.add_argument(
        "--engine",
        action="append",
        choices=[*engines.OURS, *engines.PEERS],
        metavar="NAME",
        help="may repeat",
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the pairs, 8 MB a megapixel")
    parser.add_argument("--seed", type=int, default=1, help="of the first pair")
    options = parser.parse_args()
    if not options.mpx > 0.0:
        parser.error(f"--mpx {options.mpx:g}: more than 0 megapixels are needed")
    return options


if __name__ == "__main__":
    main()
