"""A night on disk: raw frames, calibration sets, an earlier reference epoch, and the truth."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from core.errors import AstridError
from core.unfinished import unfinished
from pipeline.simulate.detector import Detector, make_detector
from pipeline.simulate.events import Streak
from pipeline.simulate.exposures import Counts, bias_frame, dark_frame, flat_frame, sky_frame
from pipeline.simulate.scene import make_scene
from pipeline.simulate.telescope import SCIENCE_START, Pointing, reference_night, science_night
from pipeline.simulate.truth import Row, as_table, event_rows, ray_rows, streak_row

MANIFEST = "simulation.json"
VERSION = 1  # of the generator: another version makes other files
BIASES, DARKS, FLATS = 5, 3, 5
DARK_S = 150.0
STREAK_EVERY = 4  # frames
NIGHT_S = 7 * 3600.0

Progress = Callable[[int, int, str], None]


class SimulationRefused(AstridError):
    """A night cannot be simulated as asked, or not in this folder."""


@dataclass(frozen=True, slots=True)
class NightPaths:
    """Where a simulated night lies.

    Attributes
    ----------
    folder : Path
    reference, science, calibration : tuple of Path
        Raw frames, in the order of their times.
    truth : Path
        ECSV: one row for everything injected and frame (`pipeline.simulate.truth`).
    catalogue : Path
        ECSV: one row for each constant star and galaxy.
    """

    folder: Path
    reference: tuple[Path, ...]
    science: tuple[Path, ...]
    calibration: tuple[Path, ...]
    truth: Path
    catalogue: Path


def simulate_night(
    folder: Path,
    *,
    frames: int = 8,
    size: int = 1024,
    seed: int = 0,
    references: int = 5,
    cadence_s: float | None = None,
    progress: Progress | None = None,
) -> NightPaths:
    """Write a simulated night; a finished one of the same parameters is kept as it is.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. It must be empty, or hold a night of the same parameters.
    frames : int
        Science frames.
    size : int
        Pixels on a side, at least 128.
    seed : int
        With one version of numpy on one kind of machine, the same parameters give the same bytes.
    references : int
        Exposures of the earlier epoch.
    cadence_s : float, optional
        Seconds from the start of one science exposure to the next; by default 900, or what lets all
        frames fit into one night.
    progress : callable, optional
        Called with the files done, the files in all, and the name of the one that is done.

    Raises
    ------
    SimulationRefused
        The parameters make no night, or the folder holds something else or cannot be written.
    """
    if cadence_s is None:
        cadence_s = min(900.0, NIGHT_S / max(frames, 1))
    if size < 128 or frames < 1 or references < 1 or seed < 0 or cadence_s <= 0:
        raise SimulationRefused(
            "a night needs at least 1 frame, 1 reference and 128 pixels on a side, a positive cadence "
            f"and a seed of 0 or more; asked: {frames} frames, {references} references, "
            f"{size} pixels, {cadence_s:g} s, seed {seed}"
        )
    wanted = {
        "version": VERSION,
        "frames": frames,
        "size": size,
        "seed": seed,
        "references": references,
        "cadence_s": cadence_s,
    }
    paths = _paths(folder, frames, references)
    if _is_finished(paths, wanted):
        return paths
    try:
        _write_manifest(folder, {"parameters": wanted, "finished": False})
        facts = _simulate(paths, size, seed, cadence_s, progress)
        _write_manifest(folder, {"parameters": wanted, "finished": True, "frames": facts})
    except OSError as error:
        raise SimulationRefused(f"cannot write to {folder}: {error.strerror or error}") from error
    return paths


def _paths(folder: Path, frames: int, references: int) -> NightPaths:
    calibration = folder / "calibration"
    sets = {"bias": BIASES, "dark": DARKS, "flat_r": FLATS}
    return NightPaths(
        folder=folder,
        reference=tuple(folder / "reference" / f"reference_{i + 1:03d}.fits" for i in range(references)),
        science=tuple(folder / "science" / f"science_{i + 1:03d}.fits" for i in range(frames)),
        calibration=tuple(
            calibration / f"{name}_{i + 1:03d}.fits" for name, n in sets.items() for i in range(n)
        ),
        truth=folder / "truth.ecsv",
        catalogue=folder / "catalogue.ecsv",
    )


def _is_finished(paths: NightPaths, wanted: dict[str, Any]) -> bool:
    """Whether the folder holds this very night, whole. Refuses a folder that holds anything else."""
    folder = paths.folder
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return False
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found, finished = dict(manifest["parameters"]), bool(manifest["finished"])
    except NotADirectoryError as error:
        raise SimulationRefused(f"{folder} is a file, not a folder") from error
    except FileNotFoundError as error:
        raise SimulationRefused(
            f"{folder} is not empty and holds no simulated night: choose another folder"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SimulationRefused(f"cannot read {folder / MANIFEST}: {error}") from error
    if found != wanted:
        other = ", ".join(f"{key} {found.get(key)}" for key in wanted if found.get(key) != wanted[key])
        raise SimulationRefused(f"{folder} holds another simulated night ({other}): choose another folder")
    files = (*paths.reference, *paths.science, *paths.calibration, paths.truth, paths.catalogue)
    return finished and all(path.is_file() for path in files)


def _simulate(
    paths: NightPaths, size: int, seed: int, cadence_s: float, progress: Progress | None
) -> list[dict[str, Any]]:
    """Make and write every file; return what is true of each frame of the sky."""
    shape = (size, size)
    plan = np.random.default_rng([seed, 1])
    detector = make_detector(plan, size)
    scene = make_scene(plan, size, cadence_s * len(paths.science) / 86400.0)
    science = science_night(plan, shape, len(paths.science), cadence_s)
    reference = reference_night(plan, shape, len(paths.reference))
    reference_mjd = [pointing.mid_mjd for pointing in reference]
    streaks = {i: _streak(plan, science[i]) for i in range(len(science)) if i % STREAK_EVERY == 1}

    total = len(paths.calibration) + len(paths.reference) + len(paths.science) + 2
    done = 0

    def finished(path: Path) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, path.name)

    for number, path in enumerate(paths.calibration):
        _write_frame(path, *_calibration_frame(np.random.default_rng([seed, 2, number]), detector, number))
        finished(path)

    rows: list[Row] = []
    facts = []
    sky_frames = [
        ("reference", i, *pair) for i, pair in enumerate(zip(paths.reference, reference, strict=True))
    ] + [("science", i, *pair) for i, pair in enumerate(zip(paths.science, science, strict=True))]
    for epoch, i, path, pointing in sky_frames:
        random = np.random.default_rng([seed, 3 if epoch == "reference" else 4, i])
        streak = streaks.get(i) if epoch == "science" else None
        counts, header, rays = sky_frame(random, scene, detector, pointing, streak)
        _write_frame(path, counts, header)
        name = path.relative_to(paths.folder).as_posix()
        rows += event_rows(name, epoch, pointing, scene.events, reference_mjd)
        rows += [streak_row(name, epoch, pointing, streak)] if streak is not None else []
        rows += ray_rows(name, epoch, pointing, rays)
        facts.append(_facts(name, pointing))
        finished(path)

    for path, table in ((paths.truth, as_table(rows)), (paths.catalogue, scene.catalogue())):
        _write_table(path, table)
        finished(path)
    return facts


def _calibration_frame(
    random: np.random.Generator, detector: Detector, number: int
) -> tuple[Counts, fits.Header]:
    """The bias, dark and flat frames in their order, taken in the afternoon before the night."""
    mjd = SCIENCE_START - 0.35 + number * 200.0 / 86400.0
    if number < BIASES:
        return bias_frame(random, detector, mjd)
    if number < BIASES + DARKS:
        return dark_frame(random, detector, mjd, DARK_S)
    return flat_frame(random, detector, mjd)


def _streak(random: np.random.Generator, pointing: Pointing) -> Streak:
    """A satellite that crosses the frame; every second one enters the Earth's shadow on its way."""
    height, width = pointing.psf.shape
    x, y = random.uniform(0.3, 0.7) * width, random.uniform(0.3, 0.7) * height
    angle = random.uniform(0.0, np.pi)
    step = np.array([np.cos(angle), np.sin(angle)])
    reach = float(np.hypot(height, width))
    after = reach if random.random() < 0.5 else random.uniform(0.05, 0.25) * width
    begin, end = np.array([x, y]) - reach * step, np.array([x, y]) + after * step
    # Between 2 and 8 times the noise of a pixel on the trail's ridge.
    brightness = random.uniform(2.0, 8.0) * np.sqrt(pointing.sky) * pointing.psf.fwhm
    return Streak(float(begin[0]), float(begin[1]), float(end[0]), float(end[1]), float(brightness))


def _facts(name: str, pointing: Pointing) -> dict[str, Any]:
    psf = asdict(pointing.psf)
    del psf["shape"]
    return {
        "file": name,
        "mjd": pointing.mid_mjd,
        "exposure_s": pointing.exposure,
        "zeropoint": pointing.zeropoint,
        "transparency": pointing.transparency,
        "airmass": pointing.airmass,
        "sky_electrons": pointing.sky,
        "sky_gradient": pointing.gradient,
        "psf": psf,
    }


def _write_frame(path: Path, counts: Counts, header: fits.Header) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path) as part:
        fits.PrimaryHDU(counts, header).writeto(part, overwrite=True, output_verify="exception")


def _write_table(path: Path, table: Table) -> None:
    with unfinished(path) as part:
        table.write(part, format="ascii.ecsv", overwrite=True)


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with unfinished(folder / MANIFEST) as part:
        part.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
