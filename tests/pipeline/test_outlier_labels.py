"""The detectors of the odd learn of what reviewers agree is real, beside what is simulated."""

from dataclasses import replace

import numpy as np
import pytest

from core.models.names import ODD_BY
from pipeline.classify.model_file import read
from pipeline.classify.scorers import Inputs, load
from pipeline.training.candidate_models import split
from pipeline.training.examples import BOGUS, LABELLED, REAL, Examples, join
from pipeline.training.outlier_models import train_outliers
from pipeline.training.outliers_train import OutlierOptions
from tests.pipeline.toy_models import blobs

ALONE = OutlierOptions(axes=0)  # features alone: what is odd follows from the shape that is drawn here


def dipoles(count: int, label: int, seed: int) -> Examples:
    """What no simulated field has: a lobe of either sign, as reviewers judged it on nights of their own."""
    found = blobs(2 * count, seed)
    found = found[found.label == 1]
    names = np.array([f"label:night-{number % 10}" for number in range(count)])
    return replace(
        found,
        diff=(found.diff - np.roll(found.diff, 5, axis=2)).astype(np.float16),
        label=np.full(count, label, dtype=np.int8),
        group=np.array([f"object:{number}" for number in range(count)]),
        night=names,
        field=names,
        source=np.full(count, LABELLED),
    )


@pytest.mark.parametrize("kind", ODD_BY)
def test_what_reviewers_call_real_is_less_odd_than_it_was_and_what_they_call_bogus_is_not(tmp_path, kind):
    simulated, unseen = blobs(400), dipoles(40, REAL, seed=9)
    sets = {
        "none": simulated,
        "real": join([simulated, dipoles(80, REAL, seed=3)]),
        "bogus": join([simulated, dipoles(80, BOGUS, seed=3)]),
    }
    oddness, trained = {}, {}
    for name, examples in sets.items():
        made = train_outliers(kind, examples, ALONE, tmp_path / name)
        oddness[name] = float(load(made.folder).logits(Inputs(unseen.triplets)).mean())
        trained[name] = read(made.folder).description.trained
    assert oddness["real"] < oddness["none"] - 1.0
    assert oddness["bogus"] == pytest.approx(oddness["none"], abs=1e-6)
    learnt = split(sets["real"])[0]
    assert 0 < np.count_nonzero(learnt.source == LABELLED) < 80  # some are held out, night by night
    assert [trained[name]["labelled"] for name in sets] == [0, np.count_nonzero(learnt.source == LABELLED), 0]
    assert trained["real"]["examples_sha256"] != trained["none"]["examples_sha256"]
