"""`astrid models train` and `import`, as a script calls them."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest

from core.database.store import open_store
from core.models.trainings import CHECKPOINT, LABELLED
from core.models.versions import in_use
from core.settings import load
from pipeline.classify.cutout_features import NAMES
from pipeline.classify.model_file import Description, read, write
from pipeline.classify.shipped import SHIPPED
from pipeline.training import examples as example_sets
from pipeline.training.examples import LABELLED as LABEL
from pipeline.training.keeping import keep
from pipeline.training.member_scores import ROWS, SAID
from tests.astrid_tui import documented
from tests.astrid_tui.command import in_a_new_home
from tests.core.test_trainings import a_training
from tests.pipeline.test_imported_models import linear
from tests.pipeline.toy_models import blobs

NETWORK = ("models", "train", "realbogus", "--no-sync")  # MLflow's own tests are elsewhere


@pytest.fixture
def astrid(monkeypatch, capsys, tmp_path):
    return in_a_new_home(monkeypatch, capsys, tmp_path)


def test_a_version_that_does_not_score_here_is_not_promoted(astrid, tmp_path):
    """As one that was kept by another AstrID."""
    astrid("init")
    later = Description(kind="tree", architecture="of_next_year", inputs="features")
    write(tmp_path / "later", later, {"a": np.ones(3)})
    settings = load()
    with closing(open_store(settings.store_url)) as store:
        keep(store, settings, tmp_path / "later", origin="training")
        astrid("models", "promote", "tree", 1, "--yes", "--no-sync", code=1)
        assert in_use(store, ["tree"])["tree"].number == 0
    why = "tree: the architecture 'of_next_year' is not known"
    assert astrid.said == f"astrid: version 1 of tree cannot be used: {why}\n"


def test_a_trained_tree_becomes_a_version_and_scores_once_it_is_promoted(astrid, triplets, tmp_path):
    example_sets.write(blobs(200), tmp_path / "examples.npz")
    astrid("init")
    told = astrid.json(
        "models", "train", "tree", "--examples", tmp_path / "examples.npz", "-o", tmp_path / "out"
    )
    assert (told["state"], told["version"]) == ("done", 1)
    assert read(tmp_path / "out", told["digest"]).description.kind == "tree"
    before = astrid.json("models", "score", triplets[0])
    count = told["metrics"]["held_out_examples"]
    astrid("models", "promote", "tree", 1, code=2)
    assert f"on {count:.0f} examples of its own training" in astrid.said
    promoted = astrid.json("models", "promote", "tree", 1, "--yes", "--no-sync")
    assert "weighed with other versions of tree" in promoted["remark"]
    after = astrid.json("models", "score", triplets[0])
    assert "in use already" in astrid("models", "promote", "tree", 1)
    empty = np.zeros((0, 9, 9))
    np.savez(tmp_path / "none.npz", new=empty, ref=empty, diff=empty)
    none = astrid.json("models", "score", tmp_path / "none.npz")
    assert (none["count"], none["models"]) == (0, after["models"])
    assert none["scores"] == {name: [] for name in after["models"]}
    assert before["models"]["tree"] != after["models"]["tree"] == told["digest"]
    assert (len(before["remarks"]), after["remarks"]) == (0, [promoted["remark"]])
    from tests.pipeline.example_sets import plain_examples

    judge = plain_examples(400, 5, "judge")
    example_sets.write(judge, tmp_path / "judge.npz")
    words = ("models", "evaluate", "--models", "tree", "--examples", tmp_path / "judge.npz")
    first = astrid.json("models", "card", "tree", 1)["scorecard"]
    assert astrid.json(*words, "--no-keep")["kept"] == {}
    assert astrid.json("models", "card", "tree", 1)["scorecard"] == first
    for _ in range(2):
        assert astrid.json(*words)["kept"] == {"tree": 1}
        card = astrid.json("models", "card", "tree", 1)["scorecard"]
        assert (card["judged_by"], card["of_training"]) == ("judged by judge.npz", first)
        assert card["examples"]["real"] + card["examples"]["bogus"] == judge.is_shown.sum()
    assert before["models"]["realbogus"] == after["models"]["realbogus"]
    back = astrid.json("models", "rollback", "tree", "--yes", "--no-sync")
    assert (back["in_use"], back["was"], back["remark"]) == (0, 1, None)


def test_sync_makes_versions_of_trainings_that_ended_without_a_store(astrid, tmp_path, monkeypatch):
    from pipeline.training import tracking

    monkeypatch.setattr(tracking, "sync", lambda *_given: tracking.Told())  # MLflow's own tests are elsewhere
    example_sets.write(blobs(200), tmp_path / "examples.npz")
    words = ("models", "train", "tree", "--no-sync", "--examples", tmp_path / "examples.npz")
    trained = [astrid.json(*words, "--seed", seed) for seed in (1, 2)]
    assert "astrid models sync" in astrid.said
    astrid("init")
    (tmp_path / "home" / "trainings" / trained[0]["key"] / "model" / "weights.safetensors").write_bytes(b"")
    made = [{"name": "tree", "number": 1, "training": trained[1]["key"]}]
    assert astrid.json("models", "sync")["adopted"] == made
    assert f"training {trained[0]['key']} cannot be a version" in astrid.said
    assert f"training {trained[1]['key']} is version 1 of tree now" in astrid.said
    assert astrid.json("models", "sync")["adopted"] == []
    card = astrid.json("models", "card", "tree", 1)
    assert (card["digest"], card["training"]) == (trained[1]["digest"], trained[1]["key"])
    assert card["scorecard"] is not None


@pytest.fixture
def decided(astrid, tmp_path):
    """A store with candidates, and how two reviewers agree that one of them is real."""
    from core.database.tables import Candidate
    from core.review.verdicts import decide
    from core.vocabulary import Label
    from tests.builders import add_night

    astrid("init")
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_night(store, objects=2, epochs=1)

        def agree(number: int) -> None:
            with store.read() as db:
                shown = db.get_one(Candidate, number).id
            for who in ("ada", "bob"):
                decide(store, session=who, reviewer=who, candidate_id=shown, label=Label.REAL, shown={})

        yield agree


def test_what_reviewers_agree_on_is_learnt_from_unless_it_shall_not(astrid, tmp_path, decided):
    example_sets.write(blobs(200), tmp_path / "examples.npz")
    decided(1)
    words = ("models", "train", "tree", "--no-sync", "--examples", tmp_path / "examples.npz")
    without = astrid.json(*words, "--no-labels")
    assert "labelled" not in astrid.said
    told = astrid.json(*words)
    assert "1 labelled candidates" in astrid.said
    assert told["parameters"]["examples_sha256"] != without["parameters"]["examples_sha256"]


def test_what_reviewers_agree_on_is_written_as_a_set_with_the_documented_columns(astrid, tmp_path):
    from core.review.verdicts import decide
    from core.vocabulary import Label
    from tests.builders import add_night

    out = tmp_path / "mine.npz"
    astrid("init")
    astrid("models", "examples", "-o", out, code=1)
    assert "decide on candidates first" in astrid.said
    assert not out.exists()
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        add_night(store, objects=3, epochs=1)
        decide(store, session="ada", reviewer="ada", candidate_id=1, label=Label.REAL, shown={})
    astrid("models", "examples", "-o", out, code=1)  # whoever is alone is told what confirms
    assert "of 1 that were judged none is confirmed: 2 reviewers of one mind do that" in astrid.said
    assert "experts in [review]" in astrid.said
    with closing(open_store(f"sqlite:///{tmp_path / 'home' / 'astrid.db'}")) as store:
        for who, candidate, label in (
            ("bob", 1, Label.REAL),
            ("ada", 2, Label.DIPOLE), ("bob", 2, Label.DIPOLE), ("ada", 3, Label.REAL),
        ):  # fmt: skip
            decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={})
    told = astrid.json("models", "examples", "-o", out)
    found = example_sets.read(out)
    assert found.label.tolist() == [1, 0]
    assert (told["real"], told["bogus"], told["objects"], told["digest"]) == (1, 1, 2, found.digest)
    document = documented.DOCUMENT.with_name("examples.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in document.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(example_sets.COLUMNS | example_sets.OPTIONAL)


@contextmanager
def at_once():
    """A training that is asked to stop from the beginning on."""
    yield lambda: True


def test_a_training_goes_on_with_its_own_labels_and_only_with_its_own_examples(
    astrid, tmp_path, monkeypatch, decided
):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    from pipeline.training import stopping

    own = blobs(160)
    example_sets.write(own, tmp_path / "examples.npz")
    words = (*NETWORK, "--width", 8, "--examples", tmp_path / "examples.npz")
    words = (*words, "--steps", 3)
    decided(1)
    with monkeypatch.context() as patched:
        patched.setattr(stopping, "until_stopped", at_once)
        stopped = astrid.json(*words, code=130)
    decided(2)
    example_sets.write(blobs(160, seed=1), tmp_path / "examples.npz")
    astrid(*words, "--resume", code=1)
    assert "other examples" in astrid.said
    assert [each["state"] for each in astrid.json("models", "trainings")] == ["stopped"]
    example_sets.write(own, tmp_path / "examples.npz")
    told = astrid.json(*words, "--resume")
    assert (told["key"], told["state"]) == (stopped["key"], "done")
    assert told["parameters"] == stopped["parameters"]
    assert not list((tmp_path / "home").rglob(LABELLED))


def test_a_training_that_is_stopped_is_resumed_with_the_same_options_alone(astrid, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    from pipeline.training import stopping

    example_sets.write(blobs(160), tmp_path / "examples.npz")
    astrid("init")
    words = (*NETWORK, "--width", 8, "--examples", tmp_path / "examples.npz", "--steps")
    with monkeypatch.context() as patched:
        patched.setattr(stopping, "until_stopped", at_once)
        stopped = astrid.json(*words, 3, code=130)
    assert stopped["state"] == "stopped"
    astrid(*words, 4, "--resume", code=1)
    assert "other options" in astrid.said
    told = astrid.json(*words, 3, "--resume")
    assert (told["key"], told["state"], told["version"]) == (stopped["key"], "done", 1)
    assert not list((tmp_path / "home").rglob(CHECKPOINT))
    astrid(*words, 3, "--resume", code=1)
    assert "no training of realbogus" in astrid.said


@pytest.mark.parametrize("kind", ["tree", "outliers"])
def test_a_training_of_examples_needs_no_store_until_it_is_done(astrid, tmp_path, monkeypatch, kind):
    from core.models.trainings import trainings
    from tests.pipeline.example_sets import plain_examples

    example_sets.write(plain_examples(600, 1, "field"), tmp_path / "examples.npz")
    monkeypatch.setenv("ASTRID_STORE__URL", "postgresql://127.0.0.1:1/none")
    astrid("models", "train", kind, "--examples", tmp_path / "examples.npz", "--no-labels", code=4)
    assert {each.state for each in trainings(tmp_path / "home")} == {"done"}


@pytest.mark.parametrize("kind", ["tree", "outliers"])
def test_a_training_is_listed_and_can_be_stopped_while_its_examples_are_made(
    astrid, tmp_path, monkeypatch, kind
):
    from pipeline.training import candidate_run
    from tests.pipeline.example_sets import plain_examples

    astrid("init")
    seen, asked = [], []

    def stop_during(seeds, *_given, **_named):
        seen.extend(each["state"] for each in astrid.json("models", "trainings"))
        asked.append(astrid.json("models", "stop", "last"))
        return plain_examples(40, 1, f"a{seeds[0]}")

    monkeypatch.setattr(candidate_run.example_sets, "of_seeds", stop_during)
    stopped = astrid.json("models", "train", kind, "--fields", 40, code=130)
    assert seen == ["running"]
    told = stopped if kind == "tree" else stopped[0]
    assert (told["state"], told["digest"]) == ("stopped", None)
    assert [each["key"] for each in asked] == [told["key"]]
    assert "the same command begins anew" in asked[0]["goes_on"]
    assert "stopped while examples were made" in told["reason"]
    assert len(astrid.json("models", "trainings")) == 1


def test_trainings_of_impossible_times_are_listed(astrid, tmp_path):
    a_training(tmp_path / "home", started_at=1e300)
    assert "–" in astrid("models", "trainings")
    assert astrid.json("models", "trainings")[0]["started_at"] == 1e300


def test_what_came_with_astrid_is_listed_and_told_without_a_store(astrid):
    found = astrid.json("models", "list")["models"]
    assert {each["in_use"] for each in found} == {0}
    card = astrid.json("models", "card", "tree")
    assert (card["number"], card["origin"], card["trouble"]) == (0, "AstrID", None)
    astrid("models", "card", "tree", 1, code=4)


def test_there_is_nothing_to_stop_before_anything_was_trained(astrid):
    astrid("models", "stop", "last", code=1)
    assert astrid.said == "astrid: nothing was trained yet: there is no training to stop\n"


def test_the_folders_of_outlier_detectors_are_put_where_they_are_wanted(astrid, tmp_path):
    example_sets.write(blobs(400), tmp_path / "examples.npz")
    astrid("init")
    words = (
        "models",
        "train",
        "outliers",
        "--no-sync",
        "--examples",
        tmp_path / "examples.npz",
        "-o",
        tmp_path / "out",
    )
    for each in astrid.json(*words):
        assert read(tmp_path / "out" / each["name"], each["digest"]).description.kind == each["name"]
    astrid(*words, code=2)
    assert "is there already" in astrid.said


def test_what_cannot_be_learnt_from_is_told_in_one_sentence(astrid, tmp_path):
    astrid("init")
    np.savez(tmp_path / "bad.npz", new=np.zeros(3))
    astrid("models", "train", "tree", "--examples", tmp_path / "bad.npz", code=1)
    assert "lacks ref" in astrid.said
    one = blobs(20)
    example_sets.write(one[one.label == 1], tmp_path / "one.npz")
    astrid("models", "train", "tree", "--examples", tmp_path / "one.npz", code=1)
    assert "real and bogus examples are both needed" in astrid.said


def test_a_file_that_is_no_network_is_refused(astrid, tmp_path):
    astrid("init")
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    astrid("models", "import", tmp_path / "model.pt", "--input", "triplet", code=1)
    assert "model.pt" in astrid.said


def test_a_network_that_is_brought_in_becomes_a_version(astrid, tmp_path):
    astrid("init")
    linear(tmp_path / "model.onnx", ["n", len(NAMES)])
    told = astrid.json("models", "import", tmp_path / "model.onnx", "--input", "features")
    assert (told["name"], told["version"], told["calibrated"]) == ("tree", 1, False)
    assert astrid.json("models", "card", "tree", 1)["digest"] == told["digest"]


def test_minutes_without_steps_are_spent_whatever_a_step_takes(astrid, tmp_path):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    example_sets.write(blobs(200), tmp_path / "own.npz")
    astrid("init")
    words = (*NETWORK, "--examples", tmp_path / "own.npz", "--width", 8, "--minutes")
    for given, steps in (((0.02,), None), ((5, "--steps", 2), 2)):
        told = astrid.json(*words, *given)
        trained = astrid.json("models", "card", "realbogus", told["version"])["description"]["trained"]
        assert (trained["options"]["steps"], trained["options"]["minutes"]) == (steps, given[0])
        assert told["state"] == "done"


def test_how_a_network_learns_and_what_it_begins_with_can_be_chosen(astrid, tmp_path):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    example_sets.write(blobs(400), tmp_path / "own.npz")
    astrid("init")
    words = (*NETWORK, "--examples", tmp_path / "own.npz", "--steps", 1)
    chosen = {"rate": 0.0015, "last_rate": 1.0, "average": 0.999}
    given = [each for name, value in chosen.items() for each in (f"--{name.replace('_', '-')}", value)]
    first = astrid.json(*words, *given, "--start", "shipped")
    begun = {"begun_from": SHIPPED["realbogus"].digest, "width": 16}
    assert first["parameters"].items() >= (begun | chosen).items()
    trained = astrid.json("models", "card", "realbogus", 1)["description"]["trained"]
    assert trained["options"].items() >= chosen.items()
    second = astrid.json(*words, "--start", 1)
    assert second["parameters"]["begun_from"] == first["digest"]
    assert {second["parameters"][name] for name in chosen} == {None}
    astrid(*words, "--start", "newest", code=2)
    astrid(*words, "--start", "shipped", "--width", 8, code=2)
    for option in (("--start", "shipped"), ("--rate", 0.1), ("--last-rate", 1), ("--average", 0.9)):
        astrid(*words, "--from", "shipped", *option, code=2)


def test_a_network_is_fine_tuned_from_a_version_and_its_card_says_what_that_changed(astrid, tmp_path):
    pytest.importorskip("torch", reason="training needs the extra 'train'")
    example_sets.write(replace(blobs(24), source=np.full(24, LABEL)), tmp_path / "own.npz")
    astrid("init")
    words = (
        "models",
        "train",
        "realbogus",
        "--no-sync",
        "--examples",
        tmp_path / "own.npz",
        "--steps",
        1,
        "--from",
    )
    told = astrid.json(*words, "shipped")
    assert (told["state"], told["version"], told["parameters"]["layers"]) == ("done", 1, "auto")
    astrid("models", "promote", "realbogus", 1, "--yes", "--no-sync")
    before, after = (f"{told['metrics'][f'auc_{when}']:.4g}" for when in ("before", "after"))
    assert f"area under ROC {after}, {before} before" in astrid.said
    astrid("models", "rollback", "realbogus", "--yes", "--no-sync")
    card = astrid.json("models", "card", "realbogus", 1)
    said = card["description"]["trained"]["fine_tuned"]
    assert said["start"] == told["parameters"]["start"]
    assert (said["real"], said["bogus"], said["folds"], said["layers"]) == (12, 12, 5, "head")
    assert card["metrics"].keys() == {"auc_before", "auc_after", "auc_difference"} | {
        f"brier_{when}" for when in ("before", "after", "difference")
    }  # of 12 bogus a hundredth is none
    kept = read(tmp_path / "home" / "trainings" / told["key"] / "model").arrays
    assert len(kept[ROWS]) == len(kept[SAID]) == 24  # by the networks of other folds, for the ensemble
    assert card["metrics"]["brier_after"] == said["judged"]["brier"]["after"]["value"]
    example_sets.write(blobs(8), tmp_path / "own.npz")
    astrid(*words, 1, code=1)
    assert "4 real and 4 bogus objects" in astrid.said
    failed = astrid.json("models", "trainings")
    assert told["digest"] in [each["parameters"]["start"] for each in failed if each["state"] == "failed"]
    astrid(*words, 9, code=1)
    assert "no version 9" in astrid.said
    astrid(*words, "newest", code=2)
    astrid(*words, "shipped", "--resume", code=2)
    astrid("models", "train", "realbogus", "--from", "shipped", code=1)
    assert "--examples" in astrid.said
