"""The ensemble: no worse than its best member, honest about absent ones, and told in parts that add up."""

import json

import numpy as np
import pytest

from core.errors import AstridError
from core.review.zones import SHIPPED as ZONES
from core.settings_sections import ReviewSettings
from pipeline.classify import model_file
from pipeline.classify.ensemble import ARCHITECTURE, MEMBERS, member_table
from pipeline.classify.model_file import Description, ModelRefused
from pipeline.classify.scorers import Inputs, load, probabilities
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.triplets import Triplets
from pipeline.training.calibration import at_share
from pipeline.training.ensemble_train import weigh
from pipeline.training.ensemble_zones import zones

REAL_SHARE = 0.3


def triplets(count: int) -> Triplets:
    plane = np.zeros((count, 1, 1), np.float32)
    return Triplets(plane, plane, plane)


def drawn(count: int, seed: int) -> tuple[Inputs, np.ndarray]:
    """Three members that each see the truth through noise of their own, one better than the others."""
    random = np.random.default_rng(seed)
    label = (random.random(count) < REAL_SHARE).astype(int)
    truth = np.where(label == 1, 1.0, -1.0)
    said = {
        name: 2.0 * (truth + noise * random.standard_normal(count)) / noise**2
        for name, noise in (("realbogus", 1.0), ("tree", 1.5), ("unet", 1.4))
    }
    return Inputs(triplets(count), np.exp(2.0 + 0.3 * truth + random.standard_normal(count)), said), label


def made(folder, arrays, members=MEMBERS):
    about = Description(kind="ensemble", architecture=ARCHITECTURE, inputs="scores", features=list(members))
    model_file.write(folder, about, arrays)
    return load(folder)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    inputs, label = drawn(6000, 1)
    return made(tmp_path_factory.mktemp("e") / "m", weigh(member_table(inputs, MEMBERS), label, MEMBERS))


def loss(log_odds: np.ndarray, label: np.ndarray) -> float:
    here = at_share(log_odds, REAL_SHARE)
    return float(np.mean(np.logaddexp(0.0, np.where(label == 1, -here, here))))


def test_together_they_are_better_than_the_best_of_them(ensemble):
    inputs, label = drawn(6000, 2)
    together = loss(ensemble.logits(inputs), label)
    assert together < 0.8 * min(loss(said, label) for said in inputs.log_odds.values())


def test_what_it_says_is_what_comes_true(ensemble):
    inputs, label = drawn(20_000, 3)
    said = probabilities(at_share(ensemble.logits(inputs), REAL_SHARE))
    for chosen in np.array_split(np.argsort(said), 10):
        assert abs(said[chosen].mean() - label[chosen].mean()) < 0.03


def test_without_a_member_others_count_for_more(ensemble):
    inputs, label = drawn(6000, 4)
    whole = loss(ensemble.logits(inputs), label)
    inputs.log_odds["unet"] = np.full(len(label), np.nan)
    rest = ensemble.logits(inputs)
    neutral = drawn(6000, 4)[0]
    neutral.log_odds["unet"] = np.zeros(len(label))
    assert whole < loss(rest, label) < loss(ensemble.logits(neutral), label) + 1e-3
    inputs.snr = None
    assert np.isfinite(ensemble.logits(inputs)).all()
    inputs.log_odds.clear()
    assert np.isnan(ensemble.logits(inputs)).all()


def test_the_parts_add_up(ensemble):
    inputs, _ = drawn(50, 5)
    inputs.log_odds["tree"][:10] = np.nan
    parts = ensemble.contributions(inputs)
    assert set(parts) == set(MEMBERS)
    assert (parts["tree"][:10] == 0).all()
    rest = ensemble.logits(inputs) - sum(parts.values())
    assert np.unique(np.round(rest, 9)).size == 2  # the biases of two sets of members


def of_fields(seed: int, count: int = 100, harder: float = 0.0):
    """Calibrated scores in fields; in one of five the bogus may look more real."""
    random = np.random.default_rng(seed)
    field = np.repeat(np.arange(count), 60)
    other = field % 5 == 0
    label = (random.random(len(field)) < 0.5).astype(int)
    own = random.normal(0.0, 0.5, count)[field]  # what a field's scores have in common
    said = np.where(label == 1, 5.0, -5.0) + own + random.normal(0.0, 10.0**0.5, len(field))
    said += np.where(other & (label == 0), harder, 0.0)
    return probabilities(said), label, field.astype(str), {"plain": ~other, "other": other}


def test_zones_keep_within_their_budgets_on_other_fields():
    for seed in range(5):
        found = zones(*of_fields(seed))
        said, label, _, _ = of_fields(seed + 100, 1000)
        assert np.mean(said[label == 1] < found.reject_below) <= 0.005
        assert np.mean(label[said >= found.fast_above] == 0) <= 0.01
        assert 0.0 < found.reject_below < found.fast_above < 1.0


def test_zones_keep_within_their_budgets_in_the_worst_kind_of_fields():
    said, label, field, strata = of_fields(6, 300, harder=2.0)
    found, by_the_mean = zones(said, label, field, strata), zones(said, label, field, {})
    assert found.fast_above > by_the_mean.fast_above
    first = strata["other"] & (said >= found.fast_above)
    assert (
        np.mean(label[first] == 0)
        <= 0.01
        < np.mean(label[strata["other"] & (said >= by_the_mean.fast_above)] == 0)
    )


def test_zones_are_empty_where_too_little_is_known_to_keep_their_budgets():
    found = zones(*of_fields(7, 5))
    assert (found.reject_below, found.fast_above) == (0.0, 1.0)
    said, label, field, _ = of_fields(8)
    few = np.arange(len(label)) < 600  # a kind of fields that says too little is not asked
    assert zones(said, label, field, {"few": few}) == zones(said, label, field, {})


def test_a_handful_of_examples_weighs_nothing():
    inputs, label = drawn(40, 7)
    with pytest.raises(AstridError, match="to weigh models: give more --fields"):
        weigh(member_table(inputs, MEMBERS), label, MEMBERS)


@pytest.mark.parametrize(
    ("damage", "members"),
    [({"weights": -np.ones((1, 1))}, ("tree",)), ({"bias": np.zeros(2)}, ("tree",)), ({}, ("horoscope",))],
)
def test_weights_that_do_not_fit_together_are_refused(tmp_path, damage, members):
    arrays = {"present": np.ones((1, 1), np.uint8), "weights": np.ones((1, 1)), "bias": np.zeros(1), **damage}
    with pytest.raises(ModelRefused, match="ensemble"):
        made(tmp_path / "m", arrays, members)


def test_zones_and_notes_are_within_the_limits_of_the_ensemble_that_came():
    """Less goes first, and less to the end, than the fields that weigh it would let."""
    limits = json.loads((SHIPPED["ensemble"].folder / "model.json").read_text())["config"]
    assert limits["fast_above"] <= ZONES.fast_above == ReviewSettings().notify_above < 1.0
    assert limits["reject_below"] >= ZONES.reject_below > 0.0
