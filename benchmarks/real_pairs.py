"""Real pairs of one field, without and with PSFs made to agree and a narrow mesh of the sky.

python -m benchmarks.real_pairs FOLDER

The folder holds the SAAO frames and their truth.csv, which names one star that changes, or any frames of one
field: then each is subtracted from the next and the next from it. Of each pair, side by side: the standard
deviation of the score before any rescaling, the median error of a flux, the flux ratio, how many candidates
there are, and rank and SNR of that star where the nights differ.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

BRIGHT, FAINT = ("0018", "0020", "0028"), ("0173", "0174", "0177")
SAME_NIGHT = (("0018", "0020"), ("0020", "0028"), ("0173", "0174"), ("0174", "0177"))
NEAR_PX = 1.5
Pair = tuple[Path, Path, tuple[float, float] | None]  # new, reference, and where a star changed


def main() -> None:
    """Print a line of each pair."""
    from pipeline.frame import FrameRefused

    asked = argparse.ArgumentParser("python -m benchmarks.real_pairs", allow_abbrev=False)
    asked.add_argument("folder", type=Path, metavar="FOLDER", help="with frames of one field")
    folder: Path = asked.parse_args().folder
    pairs = _of_saao(folder) if (folder / "truth.csv").exists() else _of_any(folder)
    print("new  ref   sigma        flux error   flux ratio     candidates  rank    SNR")
    for new, ref, place in pairs:
        try:
            told = [_subtracted(new, ref, place, agree) for agree in (False, True)]
        except FrameRefused as refused:
            print(f"{new.stem} {ref.stem}  {refused}", flush=True)
            continue
        columns = [f"{a} {b}" for a, b in zip(*told, strict=True)]
        print(f"{new.stem} {ref.stem}  " + "   ".join(columns), flush=True)


def _of_saao(folder: Path) -> list[Pair]:
    with (folder / "truth.csv").open() as file:
        star = {row["file"]: (float(row["x0"]), float(row["y0"])) for row in csv.DictReader(file)}
    pairs = []
    for new, ref in [(new, ref) for ref in FAINT for new in BRIGHT] + list(SAME_NIGHT):
        names = [f"AKB13475I{each}.fits" for each in (new, ref)]
        place = star[names[0]] if new in BRIGHT and ref in FAINT else None
        pairs.append((folder / names[0], folder / names[1], place))
    return pairs


def _of_any(folder: Path) -> list[Pair]:
    frames = sorted(each for each in folder.iterdir() if each.suffix.lower() in (".fits", ".fz"))
    return [(*pair[::way], None) for pair in pairwise(frames) for way in (1, -1)]


def _subtracted(new: Path, ref: Path, place: tuple[float, float] | None, agree: bool) -> tuple[str, ...]:
    import numpy as np

    from core.settings import Settings
    from pipeline.diff import DiffOptions, diff_files, report

    with ExitStack() as stack:
        if not agree:
            stack.enter_context(patch("pipeline.subtraction.subtract.match_psf", lambda new, *_: new))
            stack.enter_context(patch("pipeline.subtraction.left_sky.CERTAIN", math.inf))
        result = diff_files(str(new), str(ref), DiffOptions(), Settings())
    difference, sources = result.difference, report(result)["sources"]
    error = float(np.median(difference.flux_err[difference.mask == 0]))
    found = [
        number
        for number, each in enumerate(sources)
        if place and math.hypot(each["x_new"] - place[0], each["y_new"] - place[1]) < NEAR_PX
    ]
    rank = str(found[0] + 1) if found else "-"
    snr = f"{sources[found[0]]['snr']:4.1f}" if found else "   -"
    return (
        f"{difference.score_std:.2f}",
        f"{error:4.0f}",
        f"{difference.gain_ratio:.3f}",
        f"{len(sources):3}",
        rank,
        snr,
    )


if __name__ == "__main__":
    main()
