"""Trainings learn of what reviewers agree on in the store, and say so."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import update

from core.database.store import open_store
from core.database.tables import Candidate
from core.review.verdicts import decide
from core.vocabulary import Label
from pipeline.training import examples as example_sets
from tests.astrid_tui.command import Command
from tests.builders import add_night
from tests.pipeline.toy_models import blobs


@pytest.fixture
def astrid(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ASTRID_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


@pytest.fixture
def agreed(astrid, tmp_path):
    """A store in which two reviewers agree that a candidate is real."""
    astrid("init")
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_night(store, objects=2, epochs=1)
        for who in ("ada", "bob"):
            decide(store, session=who, reviewer=who, candidate_id=1, label=Label.REAL, shown={})


def test_detectors_of_the_odd_learn_of_labels_unless_they_shall_not(astrid, tmp_path, agreed):
    example_sets.write(blobs(400), tmp_path / "examples.npz")
    words = ("models", "train", "outliers", "--no-sync", "--examples", tmp_path / "examples.npz")
    without = astrid.json(*words, "--no-labels")
    assert "labelled" not in astrid.said
    told = astrid.json(*words)
    assert "1 labelled candidates were learnt from besides" in astrid.said
    for one, other in zip(without, told, strict=True):
        assert one["parameters"]["examples_sha256"] != other["parameters"]["examples_sha256"]
        card = astrid.json("models", "card", other["name"], other["version"])
        assert card["description"]["trained"]["labelled"] == 1


def test_where_nothing_is_agreed_on_it_is_told_why(astrid, tmp_path):
    astrid("init")
    example_sets.write(blobs(20), tmp_path / "examples.npz")
    astrid("models", "train", "outliers", "--no-sync", "--examples", tmp_path / "examples.npz", code=1)
    assert "No verdict is learnt from: nothing was judged real or bogus yet" in astrid.said


def test_candidates_that_are_gone_are_not_told_as_verdicts_that_are_missing(astrid, tmp_path, agreed):
    pytest.importorskip("torch")
    with (
        closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store,
        store.write() as session,
    ):
        session.execute(update(Candidate).values(is_current=False))
    example_sets.write(blobs(20), tmp_path / "examples.npz")
    for words in (("outliers", "--examples", tmp_path / "examples.npz"), ("unet", "--output", tmp_path)):
        astrid("models", "train", *words, "--no-sync", code=1)
        assert (
            "No verdict is learnt from: what is agreed on is of candidates that are no longer" in astrid.said
        )


def test_an_ensemble_is_weighed_by_labels_unless_it_shall_not(astrid, monkeypatch, agreed):
    from pipeline.training import stacked_run
    from pipeline.training.scored_fields import Scored

    fields = Scored(blobs(300), np.zeros(300))  # as of simulated fields
    monkeypatch.setattr(stacked_run.scored_fields, "make", lambda *_given: fields)
    words = ("models", "train", "ensemble", "--no-sync")
    (without,) = astrid.json(*words, "--no-labels")
    assert "labelled" not in astrid.said
    (told,) = astrid.json(*words)
    assert "1 labelled candidates of 1 objects can be weighed by besides" in astrid.said
    assert "1 count where the U-Net is silent" in astrid.said
    assert "they are of too few real or bogus objects, so fields alone weigh" in astrid.said
    assert told["parameters"]["labels"] == {
        "weighed_by": 1, "objects": 1, "is_too_few": True, "without_unet": 1, "learnt": 0, "unknown": 0,
    }  # fmt: skip
    assert without["parameters"]["examples_sha256"] == fields.examples.digest
    assert told["parameters"]["examples_sha256"] != fields.examples.digest
    card = astrid.json("models", "card", "ensemble", told["version"])
    assert card["description"]["trained"]["labels"] == told["parameters"]["labels"]
