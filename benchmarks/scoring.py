"""How many candidates a second each model scores, on one thread, and all of them on several.

    python -m benchmarks.scoring [FIELDS] [--threads N]

Candidates are those that the product shows in simulated fields of the training's kind, of seeds that no model
learnt of, with the share of bogus that they have. Beside the network as it is served stands the network that
looks at each cutout in one way only; the measuring of features is told apart from the models that take them.
What threads are worth is told by the clock, and so only on a quiet machine: all models together, as `astrid
models score` has them score a file of triplets.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from core.operations.freed_memory import keep_freed_memory
from pipeline.classify.classify import Classifier
from pipeline.classify.model_file import read
from pipeline.classify.score_file import TripletFile, score
from pipeline.classify.scorers import Inputs, Scorer, load
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.unet import shipped
from pipeline.training.examples import Examples, of_seeds
from pipeline.training.seeds import OWN_KIND

FIELDS, FIELD_PX = 30, 512
LEAST_S = 2.0  # for each measurement
REPEATED = 8  # of the candidates in a file, so that every thread has many batches
ROWS = ("isolation_forest", "one_class_svm", "tree")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.scoring", description="Candidates a second, by model.")
    parser.add_argument("fields", nargs="?", type=int, default=FIELDS)
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    keep_freed_memory()
    examples = _shown(wanted.fields)
    bogus = float(np.mean(examples.label == 0))
    print(f"{len(examples)} candidates, {100 * bogus:.0f} % bogus; a second of one CPU:")
    inputs = Inputs(examples.triplets, examples.snr.astype(np.float64))
    turned, plain = _networks()
    _tell("real-bogus network, as served", len(inputs), lambda: turned.logits(inputs))
    _tell("  looking in one way only", len(inputs), lambda: plain.logits(inputs))
    _tell("features of cutouts", len(inputs), lambda: Inputs(inputs.triplets).features)
    assert inputs.features.shape[0] == len(inputs)  # measured before the models are
    for name in ROWS:
        model = load(SHIPPED[name].folder)
        _tell(f"{name}, features at hand", len(inputs), lambda model=model: model.logits(inputs))
    file = TripletFile(
        *(np.concatenate([plane] * REPEATED).astype(np.float32) for plane in inputs.triplets.planes)
    )
    every, network = Classifier.of(), Classifier((turned,))
    for threads in sorted({1, wanted.threads}):
        print(f"a second by the clock, {threads} thread{'s' if threads > 1 else ''}:")
        for what, models in (("all models", every), ("real-bogus network, as served", network)):
            run = partial(score, file, models, threads=threads)
            _tell(what, len(file), run, time.perf_counter)


def _shown(fields: int) -> Examples:
    found = of_seeds(OWN_KIND[-fields:], FIELD_PX, network=shipped())
    return found[found.cut == ""]


def _networks() -> tuple[Scorer, Scorer]:
    model = read(SHIPPED["realbogus"].folder)
    once = model.description.model_copy(update={"config": model.description.config | {"turns": 1}})
    return load(model), load(replace(model, description=once))


def _tell(
    what: str, count: int, work: Callable[[], object], clock: Callable[[], float] = time.process_time
) -> None:
    work()
    rounds, begun = 0, clock()
    while (spent := clock() - begun) < LEAST_S:
        work()
        rounds += 1
    print(f"  {what:38}{rounds * count / spent:12,.0f}")


if __name__ == "__main__":
    main()
