"""The depth of simulated frames by linear response, beside sources drawn into their raw pixels.

In the second case each source is drawn with the true PSF and photon noise into the raw image, which then
goes the whole way: calibration, stars, registration, PSF, match, subtraction, detection. `held` keeps PSF
and match of the frame without sources. The same sources are looked for both ways (paired); `stored` is the
depth as a frame gets it, at its own places. Magnitudes, linear response minus pixels; `error` is what the
number of sources lets `stored` differ by, `time` the share of the frame's time that it takes.

    python -m benchmarks.depth
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from core.settings import Settings
from pipeline.calibration.calibrate import calibrate
from pipeline.clock import StageClock
from pipeline.depth.completeness import Logistic, fit
from pipeline.depth.depth import RANGE, draw, luck_of, measure_depth, typical_error
from pipeline.depth.injection import Injected, Sources, free_places, inject
from pipeline.depth.recovery import recover
from pipeline.detection.detect import detect
from pipeline.frame import Aligned, Difference, Exposure, PreparedReference, RawFrame
from pipeline.measure import measure_calibrated
from pipeline.outcome_facts import match_radius_px
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage
from pipeline.registration.align import align
from pipeline.simulate import SimulatedPair, simulate_pair
from pipeline.simulate.psf import add_stars
from pipeline.subtraction import subtract as subtraction
from pipeline.subtraction.match import match

Array = NDArray[np.float64]
SIZE, SEEDS, PASSES = 1024, 3, 4
SCENES = {
    "plain": {},
    "shifted, varying PSF": {
        "shift": (6.3, -4.7),
        "rotation_deg": 0.3,
        "variation": 0.1,
        "fwhm_new": 3.4,
        "fwhm_ref": 4.0,
    },
    "crowded, bright": {"n_stars": 4000, "n_galaxies": 120, "sky_new": 900.0, "flux_ratio": 0.6},
}
SETTINGS = Settings()


@dataclass
class Case:
    """A simulated pair up to its difference, and the time that this took."""

    pair: SimulatedPair
    reference: PreparedReference
    new: Aligned
    difference: Difference
    seconds: float


def main() -> None:
    """Print the figures."""
    print(f"{SEEDS} frames of {SIZE} px for each line, {PASSES} passes of sources in the pixels of each")
    print(f"{'':36}{'m50 by pixels':>14}{'paired':>9}{'held':>9}{'stored':>9}{'error':>8}{'time':>7}")
    everything = []
    for name, scene in SCENES.items():
        for method in ("zogy", "classic"):
            rows = np.array([_compare(scene, seed, method) for seed in range(SEEDS)])
            everything.append(rows)
            pixels, paired, held, stored, error, share = rows.mean(axis=0)
            print(
                f"{name + ', ' + method:36}{pixels:14.3f}{paired:+9.3f}{held:+9.3f}{stored:+9.3f}"
                f"{error:8.3f}{share:7.1%}",
                flush=True,
            )
    rows = np.concatenate(everything)
    rms = np.sqrt(np.mean(rows[:, 1:4] ** 2, axis=0))
    print(f"{'rms of single frames':36}{'':14}{rms[0]:9.3f}{rms[1]:9.3f}{rms[2]:9.3f}")


def _compare(scene: dict, seed: int, method: str) -> tuple[float, ...]:
    """m50 (magnitudes fainter than 5 sigma) and its differences, and the share of time, of one frame."""
    began = time.process_time()
    case = _case(scene, seed, method)
    detections, _ = detect(case.difference, case.new, case.reference, SETTINGS)
    frame_s = time.process_time() - began
    radius = match_radius_px(case.reference, max(case.new.psf.fwhm, case.reference.psf.fwhm), SETTINGS)
    began = time.process_time()
    depth = measure_depth(case.difference, case.new, case.reference, detections, radius, SETTINGS)
    depth_s = time.process_time() - began
    if depth.flux50 is None or depth.error is None:
        raise SystemExit(f"no depth: {depth.reason}")

    random = np.random.default_rng([seed, 77])
    typical = typical_error(case.difference)
    assert typical is not None
    at_threshold = SETTINGS.detect.threshold * typical
    everywhere = free_places(case.difference, detections, 20_000, random)
    linear, held, pixels, brightness, luck = [], [], [], [], []
    for _ in range(PASSES):
        sources = draw(case.difference, detections, at_threshold, RANGE, SETTINGS, random)
        injected = inject(sources, case.difference, case.new, random)
        linear.append(recover(sources, injected, case.reference, radius, SETTINGS).found)
        free, kept = _pixel_level(case, sources, method, random)
        pixels.append(recover(sources, free, case.reference, radius, SETTINGS).found)
        held.append(recover(sources, kept, case.reference, radius, SETTINGS).found)
        brightness.append(2.5 * np.log10(sources.flux / at_threshold))
        threshold = SETTINGS.detect.threshold
        luck.append(luck_of(sources, case.difference, injected.difference, everywhere, threshold))

    def curve(found: list[Array]) -> Logistic:
        return fit(np.concatenate(brightness), np.concatenate(found) - np.concatenate(luck))

    truth = curve(pixels)
    stored = 2.5 * np.log10(depth.flux50 / at_threshold)
    return (
        -truth.b50,
        truth.b50 - curve(linear).b50,
        curve(held).b50 - curve(linear).b50,
        truth.b50 - stored,
        float(np.hypot(truth.b50_err, depth.error)),
        depth_s / (depth_s + frame_s),
    )


def _case(scene: dict, seed: int, method: str) -> Case:
    pair = simulate_pair(SIZE, seed, n_transients=5, **scene)
    clock = StageClock()
    frame = calibrate(_raw(pair.ref, pair, "ref", pair.wcs_ref), None, SETTINGS)
    reference = prepare_image(ReferenceImage(frame, ("ref",), "electron"), SETTINGS)
    began = time.process_time()
    measured = measure_calibrated(
        calibrate(_raw(pair.new, pair, f"new {seed}", pair.wcs_new), None, SETTINGS), SETTINGS, clock
    )
    new = align(measured.frame, measured.stars, measured.fwhm, reference, SETTINGS)
    subtraction.subtract(new, reference, SETTINGS, method)  # the reference's transforms are made once
    difference = subtraction.subtract(new, reference, SETTINGS, method)
    return Case(pair, reference, new, difference, time.process_time() - began)


def _raw(image: NDArray, pair: SimulatedPair, name: str, wcs: object) -> RawFrame:
    exposure = Exposure(name=name, exposure_s=60.0, gain=1.0, read_noise=pair.read_noise, mjd=60000.0)
    return RawFrame(image, np.zeros(image.shape, dtype=np.uint16), exposure, Header(), wcs)


def _pixel_level(
    case: Case, sources: Sources, method: str, random: np.random.Generator
) -> tuple[Injected, Injected]:
    """The sources in the raw pixels, everything measured again; and with PSF and match held."""
    pair = case.pair
    x, y = pair.to_new[:, :2] @ np.stack([sources.x, sources.y]) + pair.to_new[:, 2:]
    electrons = sources.flux * case.reference.flux_scale * pair.flux_ratio
    light = np.zeros(pair.new.shape)
    add_stars(light, pair.field_new, x, y, electrons, faintest=1e-3)
    raw = _raw((pair.new + random.poisson(light)).astype(np.float32), pair, "new", pair.wcs_new)
    measured = measure_calibrated(calibrate(raw, None, SETTINGS), SETTINGS, StageClock())
    new = align(measured.frame, measured.stars, measured.fwhm, case.reference, SETTINGS)
    free = Injected(subtraction.subtract(new, case.reference, SETTINGS, method), new)
    kept = replace(new, psf=case.new.psf, rms_px=case.new.rms_px)
    before = match(case.new, case.reference)
    with patch.object(subtraction, "match", lambda *_: before):
        held = Injected(subtraction.subtract(kept, case.reference, SETTINGS, method), kept)
    return free, held


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SEEDS = int(sys.argv[1])
    main()
