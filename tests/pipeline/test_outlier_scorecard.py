"""The scorecard of a detector of the odd counts which bogus it brings, and which of the real."""

from dataclasses import replace

import numpy as np
import pytest

from core.models.names import EMBEDDING_OF
from pipeline.classify import outlier_inputs
from pipeline.classify.model_file import read
from pipeline.classify.scorers import Inputs, load
from pipeline.training.detected import DOUBTED
from pipeline.training.outlier_models import train_outliers
from pipeline.training.outlier_scorecard import of_held_out
from pipeline.training.outliers_train import OutlierOptions
from screens.lines import plain
from screens.models.card import card_lines
from screens.models.reading import Card
from tests.pipeline.toy_models import blobs


def judged(count=1000):
    """1,000 in 10 fields: of the hundred oddest 30 are hot pixels and 20 are ghosts, these in two fields."""
    examples = blobs(count)
    kind, label, odd = examples.kind.copy(), examples.label.copy(), np.zeros(count)
    real, bogus = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    kind[bogus[:100:5]] = "ghost"
    odd[kind == "ghost"] = 3.0
    odd[np.flatnonzero(kind == "hot")[:30]] = 3.0
    odd[real[:50]] = 2.0
    kind[real[:20]] = "trail"
    odd[real[:10]] = 2.5
    odd[real[20:35]] = 2.3
    return replace(examples, kind=kind), odd


def by_name(rows):
    return {each["name"]: each for each in rows}


def test_bogus_are_counted_among_the_oddest_tenth_and_the_real_among_their_own_oddest():
    examples, odd = judged()
    card = of_held_out(odd, examples)
    strata = by_name(card["strata"])
    assert {name: each["value"] for name, each in strata.items()} == {
        "all": 0.5, "kind hot": pytest.approx(0.3), "kind ghost": pytest.approx(0.2),
    }  # fmt: skip
    assert strata["kind ghost"]["low"] < 0.2 < strata["kind ghost"]["high"]
    (table,) = card["tables"]
    rows = by_name(table["rows"])  # of 500 real the oddest 25: ten of twenty trails, and 15 points
    assert rows["kind trail"]["value"] == pytest.approx(0.5)
    assert rows["kind point"]["value"] == pytest.approx(15 / 480)
    assert rows["host none"]["value"] == pytest.approx(0.05)
    assert card["examples"] == {"real": 500, "bogus": 500}


def test_of_few_the_oddest_one_is_among_the_oddest_whichever_fields_are_drawn():
    count = 48  # half are real, four in each of six fields
    examples = replace(blobs(count), field=np.repeat([f"f{number}" for number in range(6)], 8))
    (table,) = of_held_out(np.arange(count, 0.0, -1.0), examples)["tables"]
    row = by_name(table["rows"])["host none"]
    assert row["value"] == pytest.approx(1 / 24)
    assert row["low"] >= 1 / 24


def test_what_is_not_shown_does_not_count():
    examples, odd = judged()
    hidden = replace(examples, cut=np.where((odd == 3.0) & (examples.kind == "hot"), DOUBTED, ""))
    strata = by_name(of_held_out(odd, hidden)["strata"])
    assert strata["kind ghost"]["value"] == pytest.approx(20 / 97)
    assert of_held_out(odd, replace(examples, cut=np.full(len(odd), DOUBTED))) is None


def test_a_card_lays_it_out():
    examples, odd = judged()
    card = Card("isolation_forest", 1, 0, {}, of_held_out(odd, examples), None)
    shown = "\n".join(plain(line) for line in card_lines(card, 100, plain=True))
    assert "Bogus among the oddest 10% of what is shown: the share of each kind" in shown
    assert "kind ghost" in shown
    assert "Of each kind of real, the share among the oddest 5% of the real" in shown
    assert "kind trail" in shown


def test_a_training_takes_what_the_network_sees_or_features_alone(tmp_path):
    examples = blobs(400)
    sees = train_outliers("isolation_forest", examples, OutlierOptions(axes=4), tmp_path / "sees")
    alone = train_outliers("isolation_forest", examples, OutlierOptions(axes=0), tmp_path / "alone")
    about = read(sees.folder).description
    assert about.config == {EMBEDDING_OF: outlier_inputs.network_digest()}
    assert read(sees.folder).arrays[outlier_inputs.AXES].shape == (4, 32)
    assert about.trained["options"]["axes"] == 4
    assert read(alone.folder).description.config == {}
    inputs = Inputs(examples.triplets)
    before = load(alone.folder).logits(inputs)
    assert inputs.embeddings == {}  # one of features alone looks at nothing
    assert np.abs(before - load(sees.folder).logits(inputs)).max() > 0.1
