"""How many of a rare class a person finds by a few examples.

    python -m benchmarks.search EXAMPLES.npz

EXAMPLES are those that `python -m benchmarks.judge --work FOLDER` keeps in its folder. Of what is shown in
its fields 5,000 candidates are drawn, 75 of them of one class. Three of these are given as examples; then ten
times ten answers are given, each to what `astrid candidates search` would list first. Told is how many of the
other 72 are found by these hundred answers, the mean of some draws, their scatter and their range: by what is
measured of cutouts alone and the kinds that are told by it, by what the real-bogus network that comes with
AstrID sees of them too, as in the command, and by as much where each answer is learnt from before the next.
Last is how many of all 75 are among the first hundred where the class of all 4,000 others of the pool is
known: no search knows more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.classify.classify import Classifier
from pipeline.classify.triplets import PLANES, of_arrays
from pipeline.training.search import OTHER, UNKNOWN, WANTED, Table, compared_by, ranked, together

CLASS, ALL, EXAMPLES = 75, 5000, 3
ANSWERS, AT_ONCE = 100, 10
DRAWS = 5
POOL = 9000  # candidates that draws are made of
BATCH = 1000

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]


def main() -> None:
    """Print a line a class."""
    parser = argparse.ArgumentParser(prog="benchmarks.search", description="Find a rare class by examples.")
    parser.add_argument("examples", type=Path)
    bare, whole, odd, kinds = _read(parser.parse_args().examples)
    print(f"found of {CLASS - EXAMPLES} among {ALL} by {ANSWERS} answers, {DRAWS} draws")
    print(
        f"{'':26s}"
        + "".join(f"{head:>25s}" for head in ("cutouts alone", "and the network", "one by one", "all known"))
    )
    for name, wanted in kinds:
        told = [[_found(table, odd, wanted, seed, at_once) for seed in range(DRAWS)] for table, at_once in (
            (bare, AT_ONCE), (whole, AT_ONCE), (whole, 1))]  # fmt: skip
        told.append([_known(whole, odd, wanted, seed) for seed in range(DRAWS)])
        print(f"{name:26s}" + "".join(map(_cell, told)), flush=True)


def _cell(found: list[int]) -> str:
    return f"{np.mean(found):10.1f} +- {np.std(found, ddof=1):3.1f} ({min(found):2d}-{max(found):2d})"


def _read(path: Path) -> tuple[Table, Table, Array, list[tuple[str, Flags]]]:
    """What candidates are compared by, without the network and with it; how odd each is; and the classes."""
    with np.load(path, allow_pickle=False) as file:
        shown = np.flatnonzero(file["cut"] == "")
        rows = np.sort(np.random.default_rng(1).permutation(shown)[:POOL])
        kind, host, snr = (file[name][rows] for name in ("kind", "host", "snr"))
        planes = [file[name][rows] for name in PLANES]
    classifier, bare = Classifier.of(), Classifier.of({})
    parts, odd = [], []
    for first in range(0, len(rows), BATCH):
        triplets = of_arrays(*(plane[first : first + BATCH] for plane in planes))
        parts.append(compared_by(triplets, classifier))
        said = classifier.score(triplets, snr[first : first + BATCH].astype(np.float64))
        odd.append(np.nan_to_num(said.by_model["isolation_forest"], nan=0.5))
    tables = [np.concatenate(table) for table in zip(*parts, strict=True)]
    measured = tables[: len(compared_by(triplets, bare))]
    return together(measured), together(tables), np.concatenate(odd), [*_classes(kind, host)]


def _classes(kind: NDArray[np.str_], host: NDArray[np.str_]) -> Iterator[tuple[str, Flags]]:
    yield "streaks", kind == "streak"
    yield "bad columns", kind == "bad_column"
    yield "cosmic rays", kind == "cosmic_ray"
    yield "what faded", kind == "dark"
    yield "stars that brightened", (kind == "point") & (host == "star")
    yield "stars that faded", (kind == "dark") & (host == "star")
    yield "new sources on galaxies", (kind == "point") & (host == "galaxy")


def _drawn(wanted: Flags, seed: int) -> tuple[Places, np.random.Generator]:
    random = np.random.default_rng(seed)
    some = random.choice(np.flatnonzero(wanted), CLASS, replace=False)
    others = random.choice(np.flatnonzero(~wanted), ALL - CLASS, replace=False)
    return random.permutation(np.concatenate([some, others])), random


def _found(table: Table, odd: Array, wanted: Flags, seed: int, at_once: int) -> int:
    rows, random = _drawn(wanted, seed)
    is_one, labels = wanted[rows], np.full(ALL, UNKNOWN)
    labels[random.choice(np.flatnonzero(is_one), EXAMPLES, replace=False)] = WANTED
    for _ in range(ANSWERS // at_once):
        for place in ranked(table[rows], labels, odd[rows], seed)[0][:at_once]:
            labels[place] = WANTED if is_one[place] else OTHER
    return int(np.count_nonzero(labels == WANTED)) - EXAMPLES


def _known(table: Table, odd: Array, wanted: Flags, seed: int) -> int:
    rows, _ = _drawn(wanted, seed)
    labels = np.where(wanted, WANTED, OTHER)
    labels[rows] = UNKNOWN
    return int(np.count_nonzero(wanted[ranked(table, labels, odd, seed)[0][:ANSWERS]]))


if __name__ == "__main__":
    main()
