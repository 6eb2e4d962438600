"""`astrid models rescore`, as a person and as a script call it."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from core.database.store import open_store
from core.settings import load
from pipeline.classify.ensemble import Ensemble
from pipeline.classify.model_file import ModelRefused
from pipeline.classify.networks import CandidateNetwork
from pipeline.classify.outliers import IsolationForest, OneClassMachine
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.trees import BoostedTrees
from pipeline.engines import rescoring
from pipeline.training import examples as example_sets
from pipeline.training import keeping
from tests.astrid_tui.command import Command
from tests.builders import add_night
from tests.pipeline import toy_models
from tests.pipeline.example_sets import plain_examples


@pytest.fixture
def astrid(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ASTRID_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    called = Command(monkeypatch, lambda: tuple(capsys.readouterr()))
    called("init")
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_night(store, objects=4, epochs=1)
    return called


def test_a_promotion_tells_of_it_and_it_orders_the_queue_anew(astrid, tmp_path):
    first = astrid.json("models", "rescore")
    assert (first["asked"], first["scored"]) == (4, 4)
    before = {row["id"]: row["score"] for row in astrid.json("candidates", "list")}
    _keep_a_tree(tmp_path)
    assert "keeps its scores until `astrid models rescore`" in astrid(
        "models", "promote", "tree", 1, "--yes", "--no-sync"
    )
    assert astrid("models", "rescore", "--filter", "snr>14.8").startswith("1 candidate of 1 scored anew")
    assert astrid("models", "rescore").startswith("3 candidates of 4 scored anew; 1 had these models' scores")
    after = astrid.json("candidates", "list")
    assert [row["score"] for row in after] == sorted((row["score"] for row in after), reverse=True)
    assert {row["id"]: row["score"] for row in after} != before
    assert astrid("models", "rescore", "--filter", "snr>99") == "No candidate passes.\n"
    told = astrid.json("models", "rescore")
    assert (told["scored"], told["same"], told["without"]) == (0, 4, 0)


def test_a_promotion_says_what_either_version_is_worth_and_how_to_hold_them_against_each_other(
    astrid, tmp_path
):
    _keep_a_tree(tmp_path)
    astrid("models", "promote", "tree", 1, "--yes", "--no-sync")
    mine, shipped = astrid.said.splitlines()[:2]
    assert mine.startswith("version 1: missed at 1 % FPR ")
    assert mine.endswith("`astrid models evaluate --version tree=1` judges it")
    assert re.fullmatch(
        r"version 0 \(in use\): missed \d+\.\d %, ECE 0\.\d+, on fields that no training draws", shipped
    )
    digest = next(each for each in astrid.json("models", "list")["models"] if each["name"] == "tree")
    example_sets.write(plain_examples(200, 2, "judge"), tmp_path / "judge.npz")
    words = ("models", "evaluate", "--models", "tree", "--examples", tmp_path / "judge.npz")
    judged = [astrid.json(*words, "--version", f"tree={number}")["cards"][1] for number in (0, 1)]
    assert judged[1]["digest"] == digest["versions"][0]["digest"] != judged[0]["digest"]
    assert "no version 7" in astrid.json(*words, "--version", "tree=7", code=1)["error"]
    for wrong in ("tree", "tree=", "tree=-1", "oak=1"):
        assert "told like tree=2" in astrid.json(*words, "--version", wrong, code=2)["error"]


def test_a_wrong_filter_and_a_lack_of_models_are_told(astrid, monkeypatch):
    assert "brightness" in astrid.json("models", "rescore", "--filter", "brightness>3", code=2)["error"]
    monkeypatch.setattr(rescoring, "chosen", lambda *_: {})
    told = astrid.json("models", "rescore", code=4)
    assert (told["models"], told["without"], told["unscored"]) == ({}, 0, 4)


def test_models_that_refuse_what_they_are_shown_are_told_of_not_a_lack_of_cutouts(astrid, monkeypatch):
    def refuse(*_):
        raise ModelRefused("the model takes other planes")

    for kind in (CandidateNetwork, BoostedTrees, IsolationForest, OneClassMachine, Ensemble):
        monkeypatch.setattr(kind, "logits", refuse)
    told = astrid.json("models", "rescore", code=4)
    assert (told["scored"], told["without"], told["unscored"]) == (0, 0, 4)
    tree = SHIPPED["tree"].digest[:12]
    assert f"tree {tree} is refused: the model takes other planes; no tree scores." in told["remarks"]
    said = astrid("models", "rescore", code=4)
    assert "4 keep what they have: no model could score them" in said
    assert "cutouts" not in said


def _keep_a_tree(folder):
    toy_models.tree(folder / "made")
    with closing(open_store(f"sqlite:///{folder / 'home' / 'astrid.db'}")) as store:
        keeping.keep(store, load(), folder / "made", origin="training")
