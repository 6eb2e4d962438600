"""Subtract spoilt frames and count what the product shows without a word.

    python -m benchmarks.spoilt [--pairs N] [--only NAME] [--json FILE]

The new frame of each `typical` pair is spoilt in each way and goes the way of ``astrid diff --score``
from two files. Shown is what has a score of .5 and more and is no streak; of the truth that of SNR 10 and
more is asked for. A row tells how many pairs were refused or had a remark; and of pairs that were not
refused, the part that is not searched, and how much of the truth and how many others are shown. What is
shown of none of the truth without a word is named: a row's end says so.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from astropy.io import fits
from scipy.spatial import KDTree

from benchmarks.pairs.draw import Exposure, Pair, pair_of
from benchmarks.raw_frame import raw_frame
from benchmarks.spoilt.ways import WAYS
from core.settings import Settings
from pipeline.classify.classify import best_of
from pipeline.diff import DiffOptions, DiffResult, diff_files, kind_of
from pipeline.frame import FrameRefused

SCENARIO = "typical"
SHOWN = 0.5  # of the score
BRIGHT = 10.0  # SNR of the truth that is asked for
NEAR_PX = 3.0
TOO_MANY = 5  # others than the truth shown, beyond those of the frame as it is, are a wrong difference


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one spoilt frame; ``refused`` is the sentence that said so."""

    way: str
    seed: int
    refused: str | None
    remarks: tuple[str, ...]
    masked: float = 0.0
    truth: int = 0
    found: int = 0
    others: int = 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row of each way as it is done, and what is wrong in silence."""
    options = _options(arguments)
    print(f"{'':28} refused remarks  left out  truth shown  others shown (a pair)")
    done: list[Told] = []
    plain = 0.0
    for way in options.only or WAYS:
        rows = list(_all_of(way, options.pairs, options.cache))
        done += rows
        judged = [each for each in rows if each.refused is None]
        others = float(np.mean([each.others for each in judged])) if judged else 0.0
        plain = others if way == "as it is" else plain
        print(_row(way, rows, judged, others, plain), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in done], indent=1))


def _row(way: str, rows: Sequence[Told], judged: Sequence[Told], others: float, plain: float) -> str:
    counts = f"{way:28} {len(rows) - len(judged):>3}/{len(rows)}   "
    if not judged:
        return counts + rows[0].refused[:90] if rows[0].refused else counts
    remarked = sum(bool(each.remarks) for each in judged)
    shown = sum(each.found for each in judged) / max(1, sum(each.truth for each in judged))
    masked = float(np.mean([each.masked for each in judged]))
    silent = others > plain + TOO_MANY and remarked < len(judged)
    ending = "   SILENT" if silent else ""
    return (
        counts + f"{remarked:>3}/{len(judged)}     {masked:5.1%}      {shown:5.1%}    {others:6.1f}{ending}"
    )


def _all_of(way: str, pairs: int, cache: Path | None) -> Iterator[Told]:
    for seed in range(1, pairs + 1):
        yield _told(way, pair_of(SCENARIO, seed, cache))


def _told(way: str, pair: Pair) -> Told:
    spoilt = WAYS[way](pair.new.data).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        new, ref = (Path(folder) / f"{name}.fits" for name in ("new", "ref"))
        _write(replace(pair.new, data=spoilt), new, 3.0)
        _write(pair.ref, ref, 0.0)
        try:
            result = diff_files(str(new), str(ref), DiffOptions(score=True), Settings())
        except FrameRefused as refused:
            return Told(way, pair.seed, str(refused).removeprefix(f"{new}: "), ())
    remarks = tuple(each.removeprefix(f"{new}: ") for each in result.warnings)
    return Told(
        way, pair.seed, None, remarks, float(np.mean(result.difference.mask != 0)), *_counts(pair, result)
    )


def _write(shot: Exposure, path: Path, off_px: float) -> None:
    frame = raw_frame(shot, path.stem, off_px)
    fits.PrimaryHDU(frame.data, frame.header).writeto(path)


def _counts(pair: Pair, result: DiffResult) -> tuple[int, int, int]:
    """The truth that is asked for, what of it is shown, and what is shown of none of the truth."""
    shown = [
        (each.x, each.y)
        for each in result.detections
        if kind_of(each) == "point" and (best_of(each.scores) or 0.0) >= SHOWN
    ]
    places = np.column_stack([pair.changes.x, pair.changes.y])
    height, width = result.difference.mask.shape
    bright = pair.changes.snr >= BRIGHT
    inside = ((places > 0) & (places < [width, height])).all(axis=1)
    if not shown:
        return int((bright & inside).sum()), 0, 0
    near = KDTree(np.array(shown)).query(places)[0] < NEAR_PX
    others = KDTree(places).query(np.array(shown))[0] >= NEAR_PX
    return int((bright & inside).sum()), int((near & bright & inside).sum()), int(others.sum())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.spoilt", description="Subtract spoilt frames."
    )
    parser.add_argument("--pairs", type=int, default=3, help="that are spoilt in each way")
    parser.add_argument("--only", action="append", choices=list(WAYS), metavar="WAY", help="may repeat")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the pairs, 8 MB each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was said")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of spoilt data, by NumPy
    main()
