"""`astrid models evaluate`: baselines beside models, leaks refused, in text, JSON and a picture."""

import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from sqlmodel import col, func, select

from astrid_tui.cli import models_evaluate, models_options
from core.database.tables import Verdict
from core.models import overview, versions
from core.settings import load
from pipeline.classify import chosen
from pipeline.classify.shipped import SHIPPED
from pipeline.training import seeds
from pipeline.training.candidate_models import train_tree
from pipeline.training.evaluate import ready, scores
from pipeline.training.examples import join, write
from pipeline.training.keeping import keep
from pipeline.training.tree_train import TreeOptions
from screens.lines import plain
from screens.models.card import card_lines
from screens.models.reading import read_card
from tests.astrid_tui.command import Command
from tests.core.nights import add_nights
from tests.pipeline.drawn import drawn_once
from tests.pipeline.example_sets import plain_examples

SHIPS = chosen.shipped_folder("")


@pytest.fixture(scope="module", autouse=True)
def _fields_drawn_once():
    with drawn_once("scored_fields"):
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a tree, what it was trained on, and two sets that it was not trained on."""
    folder = tmp_path_factory.mktemp("models")
    sets = {
        "trained": plain_examples(1500, 1, "training"),
        "judge": plain_examples(600, 2, "judge", confusing=0.2),
        "own": plain_examples(600, 3, "own"),
    }
    sets["trained"] = replace(sets["trained"], source=np.full(1500, "label"))
    for name, examples in sets.items():
        write(examples, folder / f"{name}.npz")
    train_tree(sets["trained"], TreeOptions(trees=25, leaves=24, rate=0.08), folder / "tree")
    return folder, sets


@pytest.fixture
def astrid(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return Command(monkeypatch, capsys.readouterr)


def test_the_significance_alone_stands_beside_the_models(astrid, trained):
    folder, sets = trained
    told = astrid.json(
        "models", "evaluate", "--models", "tree", "--folder", folder / "tree",
        "--examples", folder / "judge.npz", "--own-kind", folder / "own.npz", "--prevalence", "0.01",
        "--every-peak",
    )  # fmt: skip
    cards = {card["name"]: card for card in told["cards"]}
    assert set(cards) == {"S_corr", "tree"}
    assert cards["S_corr"]["calibration"] is None
    assert cards["S_corr"]["auc"]["value"] == pytest.approx(0.5, abs=0.06)
    assert cards["tree"]["auc"]["value"] == pytest.approx(0.8, abs=0.05)  # a fifth is confusing either way
    assert cards["tree"]["n_real"] == np.count_nonzero(sets["judge"].label == 1)
    assert cards["tree"]["fnr_at_fpr"]["0.001"]["value"] is None  # 300 bogus tell no rate of .1 %
    shares = cards["tree"]["precision"]
    assert len(shares) == 2
    assert shares["0.01"]["value"] < min(value["value"] for key, value in shares.items() if key != "0.01")
    found = scores(ready({"tree": (folder / "tree", None)}, ["tree"]), sets["judge"])["tree"]
    bogus = np.sort(found[sets["judge"].label == 0])[::-1]
    missed = np.mean(found[sets["judge"].label == 1] < bogus[int(0.01 * len(bogus)) - 1])
    assert cards["tree"]["fnr_at_fpr"]["0.01"]["value"] == pytest.approx(missed, abs=0.02)
    assert told["gap"]["tree"]["own_kind"] < told["gap"]["tree"]["here"]
    assert told["better"]["S_corr"]["value"] >= 0.0
    assert told["than"] == "tree"


def test_precision_is_told_at_the_share_of_real_in_the_newest_nights(
    astrid, trained, sqlite_store, monkeypatch
):
    folder, _ = trained
    given = (
        "models", "evaluate", "--models", "tree", "--folder", folder / "tree",
        "--examples", folder / "judge.npz", "--every-peak", "--no-keep", "--prevalence", "night",
    )  # fmt: skip
    astrid(*given, code=4)
    assert "astrid init" in astrid.said
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    monkeypatch.setenv("ASTRID_REVIEW__VOTES", "1")
    add_nights(sqlite_store, 1, decided=12)
    astrid(*given, code=1)
    assert "only 12 objects of the newest nights are agreed on" in astrid.said
    add_nights(sqlite_store, 3, first=1, each=60, decided=50, shift=-4.0, wrong=0.0)
    told = astrid.json(*given, "--prevalence", "0.5")
    with sqlite_store.read() as db:
        real = db.scalar(
            select(func.count()).where(
                col(Verdict.label) == "real",
                col(Verdict.session).in_(["s2", "s3"]),  # of the two newest
            )
        )
    night = told["night"]
    assert (night["real"], night["decided"], night["nights"]) == (real, 100, 2)
    assert night["share"] == real / 100
    for card in told["cards"]:
        assert set(card["precision"]) == {f"{each:g}" for each in (card["prevalence"], 0.5, real / 100)}
    precision = {float(key): each["value"] for key, each in told["cards"][1]["precision"].items()}
    odds = {key: value / (1.0 - value) for key, value in precision.items()}  # by Bayes as those of the share
    assert odds[real / 100] / odds[0.5] == pytest.approx(real / (100 - real), rel=1e-6)
    said = astrid(*given)
    assert (
        f"of 100 objects that are agreed on of the 2 nights from 2023-02-26 to 2023-02-27, {real} are" in said
    )


def test_text_and_picture(astrid, trained, tmp_path):
    folder, _ = trained
    said = astrid(
        "models", "evaluate", "--models", "tree", "--folder", folder / "tree",
        "--examples", folder / "judge.npz", "-o", tmp_path / "card.png",
    )  # fmt: skip
    for words in (
        "S_corr",
        "missed at 1 % FPR",
        "expected calibration error",
        "kind: dipole",
        "SNR: 10 to 20",
    ):
        assert words in said
    with Image.open(tmp_path / "card.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("L"))
    assert min(pixels.shape) > 300
    assert np.mean(pixels < 200) > 0.005


def test_what_the_cuts_keep_judges_as_in_trainings_and_every_peak_where_that_is_asked_for(astrid, trained):
    folder, sets = trained
    judge = sets["judge"]
    some = replace(judge, cut=np.where(np.arange(600) % 3 == 0, "dipole", ""))
    write(some, folder / "cut.npz")
    given = ("--models", "tree", "--folder", folder / "tree", "--examples", folder / "cut.npz", "--no-keep")
    for flags, of in (((), some[some.is_shown]), (("--every-peak",), some)):
        told = astrid.json("models", "evaluate", *given, *flags)
        card = told["cards"][0]
        assert (card["n_real"], card["n_bogus"]) == tuple(np.count_nonzero(of.label == n) for n in (1, 0))
        assert ("cut" in {each["of"] for each in card["strata"]}) == bool(flags)
    leaking = replace(some, night=np.where(some.night == "judge-7", "training-7", ""))
    write(leaking, folder / "leaking.npz")
    astrid("models", "evaluate", *given[:5], folder / "leaking.npz", code=1)
    assert "row 7 of what judges is of night training-7" in astrid.said  # of the file, though row 0 was cut


def test_what_was_trained_on_does_not_judge(astrid, trained):
    folder, sets = trained
    given = ("models", "evaluate", "--models", "tree", "--folder", folder / "tree")
    astrid(*given, "--examples", folder / "trained.npz", code=1)
    assert "row 0 of what judges, and every other, is what tree was trained on" in astrid.said
    for part in (sets["trained"][slice(0, -3)], sets["trained"][slice(700, 760)]):
        write(part, folder / "part.npz")
        astrid(*given, "--examples", folder / "part.npz", code=1)
        name = part.group[0]
        assert f"row 0 of what judges is of object {name}, which tree was trained on" in astrid.said
    renamed = replace(sets["judge"], night=np.where(sets["judge"].night == "judge-7", "training-7", ""))
    write(renamed, folder / "night.npz")
    astrid(*given, "--examples", folder / "night.npz", code=1)
    assert "row 7 of what judges is of night training-7, which tree was trained on" in astrid.said
    assert b"training-7" not in (folder / "tree" / "weights.safetensors").read_bytes()
    mixed = join([sets["judge"], sets["trained"][slice(40, 41)]])
    write(mixed, folder / "mixed.npz")
    options = ("--examples", folder / "mixed.npz", "--trained-on", folder / "trained.npz")
    astrid(*given, *options, code=1)
    assert (
        "row 600 of what judges is of object training-object-40, which was trained on (row 40)" in astrid.said
    )
    astrid(*given, "--examples", folder / "judge.npz", "--trained-on", folder / "trained.npz")


def test_a_model_that_is_not_there_does_not_hide_the_others(astrid, trained):
    folder, _ = trained
    said = astrid(
        "models", "evaluate", "--models", "unet", "--folder", folder / "tree",
        "--examples", folder / "judge.npz", code=3,
    )  # fmt: skip
    heading, *rows = [line for line in said.splitlines() if "S_corr" in line or "not judged" in line]
    assert heading.split() == ["S_corr", "tree", "unet"]
    assert rows[0].startswith("missed at 1 % FPR")
    assert "unet is not judged: it sees whole frames" in said
    broken = folder / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "model.json").write_text("{}")
    astrid("models", "evaluate", "--folder", broken, "--examples", folder / "judge.npz", code=1)
    assert "broken" in astrid.said
    assert "Traceback" not in astrid.said


def test_on_simulated_fields_the_network_that_sees_them_whole_is_judged_too(astrid):
    told = astrid.json("models", "evaluate", "--models", "unet", "--fields", "1")
    cards = {card["name"]: card for card in told["cards"]}
    assert list(cards) == ["S_corr", "tree", "unet"]
    assert cards["unet"]["digest"] == SHIPPED["unet"].digest
    assert cards["unet"]["n_real"] == cards["tree"]["n_real"] > 0
    assert told["absent"] == {}


def test_the_ensemble_alone_is_what_it_is_beside_its_members(astrid):
    given = ("models", "evaluate", "--fields", "1")
    all_of_them = {card["name"]: card for card in astrid.json(*given)["cards"]}
    told = astrid.json(*given, "--models", "ensemble")
    cards = {card["name"]: card for card in told["cards"]}
    assert list(cards) == ["S_corr", "tree", "ensemble"]
    assert cards["ensemble"] == all_of_them["ensemble"]
    assert told["absent"] == {}


def test_an_ensemble_without_one_of_its_members_is_not_judged(astrid, trained, tmp_path, monkeypatch):
    folder, _ = trained
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{}")
    monkeypatch.setattr(
        chosen, "shipped_folder", lambda name: tmp_path / "broken" if name == "realbogus" else SHIPS / name
    )
    given = ("models", "evaluate", "--models", "ensemble", "--examples", folder / "judge.npz")
    told = astrid.json(*given, code=3)
    assert [card["name"] for card in told["cards"]] == ["S_corr", "tree"]
    assert list(told["absent"]) == ["ensemble"]
    assert told["absent"]["ensemble"].startswith("it weighs realbogus, but ")


def test_fields_that_judge_are_of_no_training_whatever_its_seed():
    most = models_options.MOST_FIELDS
    families = [seeds.UNET, seeds.UNET_HELD_OUT, seeds.OWN_KIND, seeds.JUDGING]
    for seed in range(models_options.MOST_SEED + 1):
        families += [seeds.of_candidates(seed, most), seeds.of_ensemble(seed, most)]
    families.sort(key=lambda each: each.start)
    assert all(one.stop <= other.start for one, other in pairwise(families))
    for seed in (1, 9, models_options.MOST_SEED):
        assert all(each in seeds.UNET for each in seeds.of_unet(seed, 200_000))
    assert len(seeds.JUDGING) >= models_evaluate.MOST_FIELDS


def test_the_fields_of_the_models_that_came_with_astrid_are_where_they_were():
    assert seeds.of_unet(1, 400) == list(range(100_000, 100_400))
    assert seeds.of_candidates(1, 400) == range(2_000_000, 2_000_400)
    assert seeds.of_ensemble(1, 400) == range(3_001_000_000, 3_001_000_400)
    assert (seeds.OWN_KIND[0], seeds.JUDGING[0]) == (9_000_000, 2_000_000_000)


def test_wrong_input_is_one_sentence(astrid, trained, tmp_path):
    folder, sets = trained
    astrid("models", "evaluate", "--models", "nonsense", code=2)
    assert "nonsense is no model" in astrid.said.replace("\n", " ")
    astrid("models", "evaluate", "--prevalence", "2", "--examples", folder / "judge.npz", code=2)
    astrid("models", "evaluate", "--prevalence", "much", "--examples", folder / "judge.npz", code=2)
    (tmp_path / "no.npz").write_bytes(b"PK\x03\x04 nothing")
    astrid("models", "evaluate", "--examples", tmp_path / "no.npz", code=1)
    assert "no.npz" in astrid.said
    real = sets["judge"].label == 1
    write(sets["judge"][real], tmp_path / "real.npz")
    astrid("models", "evaluate", "--examples", tmp_path / "real.npz", code=1)
    assert "nothing can be judged" in astrid.said


def test_a_challenger_is_held_against_the_version_that_came_with_astrid_stratum_by_stratum(
    astrid, trained, sqlite_store, tmp_path, monkeypatch
):
    folder, _ = trained
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    keep(sqlite_store, load(), folder / "tree", origin="elsewhere")
    given = ("--models", "tree", "--examples", folder / "judge.npz", "--every-peak")
    assert astrid.json("models", "evaluate", *given)["kept"] == {"tree": 0}
    assert astrid.json("models", "evaluate", *given, "--version", "tree=1")["kept"] == {"tree": 1}
    assert "judge.npz" in astrid.json("models", "card", "tree", "0")["scorecard"]["title"]
    (model,) = (each for each in overview.overview(sqlite_store, tmp_path) if each.name == "tree")
    card = read_card(model, 1, sqlite_store, load())
    assert card.champion == versions.SHIPPED
    assert card.champion_scorecard["strata"]
    said = [plain(line) for line in card_lines(card, 120, plain=True)]
    assert any("version 1" in line and "version 0, in use" in line for line in said)
    path = tmp_path / "home" / "scorecards" / f"{SHIPPED['tree'].digest}.json"
    path.write_text("[" * 100_000)
    assert read_card(model, 1, sqlite_store, load()).champion_scorecard is None
    shutil.rmtree(path.parent)
    path.parent.write_text("no folder")
    told = astrid.json("models", "evaluate", *given)  # what took long is told though it cannot be kept
    assert (told["kept"], {each["name"] for each in told["cards"]}) == ({}, {"S_corr", "tree"})
    assert "scorecards are not kept: a scorecard cannot be kept in" in astrid.said
