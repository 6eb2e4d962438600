"""A network's opinion of a cutout does not hang on which way up the camera was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.classify.model_file import ModelFile, ModelRefused, read
from pipeline.classify.scorers import Inputs, load
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.triplets import Triplets
from pipeline.classify.turns import DOUBTED, TURNS, mean_logits
from tests.pipeline.toy_models import blobs


def a_map(random, side=9):
    """A network that knows up from down: a weight for each pixel."""
    weights = random.normal(size=(6, side, side))
    seen = []

    def run(planes):
        seen.append(len(planes))
        return (planes * weights).sum(axis=(1, 2, 3))

    return run, seen


def all_ways(planes):
    return [np.rot90(mirrored, k, axes=(2, 3)) for mirrored in (planes, planes[..., ::-1]) for k in range(4)]


def test_what_is_in_doubt_gets_the_mean_over_all_eight_ways():
    random = np.random.default_rng(1)
    run, _ = a_map(random)
    planes = 0.01 * random.normal(size=(40, 6, 9, 9)).astype(np.float32)
    expected = np.mean([run(way) for way in all_ways(planes)], axis=0)
    assert np.abs(expected).max() < 2.0
    assert mean_logits(run, planes) == pytest.approx(expected)
    for way in all_ways(planes):
        assert mean_logits(run, np.ascontiguousarray(way)) == pytest.approx(expected)


def test_what_is_plain_is_looked_at_once_and_the_rest_eight_times():
    run, seen = a_map(np.random.default_rng(2))
    low, high = DOUBTED
    levels = np.array([low - 0.1, low + 0.1, 0.0, high - 0.1, high + 0.1])

    def leaning(planes):
        return planes[:, 0, 0, 0] + 1e-6 * run(planes)

    planes = np.zeros((5, 6, 9, 9), np.float32)
    planes[:, 0] = levels[:, None, None]
    assert mean_logits(leaning, planes) == pytest.approx(levels, abs=1e-3)
    assert seen == [5, *(TURNS - 1) * [3]]  # never more at once than were given: that takes memory
    assert mean_logits(leaning, planes[:0]).shape == (0,)


def test_a_score_does_not_hang_on_what_else_is_scored_nor_on_the_way_up_where_it_is_in_doubt():
    model = read(SHIPPED["realbogus"].folder)
    config = model.description.config | {"turns": TURNS}
    turned = load(replace(model, description=model.description.model_copy(update={"config": config})))
    examples = blobs(8)
    real, bogus = (examples[examples.label == label].triplets for label in (1, 0))
    share = np.linspace(0.0, 1.0, 70, dtype=np.float32)[:, None, None]
    triplets = Triplets(
        *(
            share * one[:1] + (1 - share) * other[:1]
            for one, other in zip(real.planes, bogus.planes, strict=True)
        )
    )
    together = turned.logits(Inputs(triplets))
    apart = [turned.logits(Inputs(triplets[slice(i, i + 1)]))[0] for i in range(70)]
    assert together == pytest.approx(np.array(apart), abs=1e-4)
    upside_down = Triplets(*(np.ascontiguousarray(plane[:, ::-1, ::-1]) for plane in triplets.planes))
    otherwise = turned.logits(Inputs(upside_down))
    doubted = (np.abs(together) < 1.5) & (np.abs(otherwise) < 1.5)
    assert doubted.sum() > 3
    assert otherwise[doubted] == pytest.approx(together[doubted], abs=1e-4)


def test_a_network_that_does_not_say_so_is_not_turned_and_other_numbers_are_refused():
    model = read(SHIPPED["realbogus"].folder)
    config = {name: value for name, value in model.description.config.items() if name != "turns"}

    def version(**more) -> ModelFile:
        described = model.description.model_copy(update={"config": config | more})
        return replace(model, description=described)

    triplets = blobs(30).triplets
    mirrored = Triplets(*(np.ascontiguousarray(plane[:, :, ::-1]) for plane in triplets.planes))
    plain = load(version())
    assert np.abs(plain.logits(Inputs(triplets)) - plain.logits(Inputs(mirrored))).max() > 1e-2
    assert load(version(turns=1)).logits(Inputs(triplets)) == pytest.approx(plain.logits(Inputs(triplets)))
    with pytest.raises(ModelRefused, match="in one way or in 8"):
        load(version(turns=4))
