"""Which models score a candidate, what becomes of one that is refused, and that a fresh machine can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.frames.outcome import CandidateFacts
from core.models.files import folder_of, trouble
from core.review.cutouts import Cutouts, pack, unpack
from pipeline.classify import classify
from pipeline.classify.classify import Classifier, best_of, with_scores
from pipeline.classify.model_file import ModelRefused
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.trees import BoostedTrees
from pipeline.classify.triplets import Triplets
from tests.pipeline import toy_models

ROOT = Path(__file__).parents[2]
OURS = ("realbogus", "tree")


def candidate(triplets: Triplets, number: int, **facts: object) -> CandidateFacts:
    planes = [plane[number] for plane in triplets.planes]
    plain = CandidateFacts(1, 1, 1, 1, snr=12.0, flux=1.0, flux_err=0.1, position_error_px=0.1, score=12.0)
    return replace(plain, cutouts=pack(Cutouts(*planes)), **facts)


@pytest.fixture(scope="module")
def examples():
    return toy_models.blobs(24, seed=9)


@pytest.fixture(scope="module")
def candidates(examples):
    return [candidate(examples.triplets, i) for i in range(len(examples))]


def test_what_comes_with_astrid_scores_and_orders_round_sources_over_hot_pixels(examples, candidates):
    classifier = Classifier.of()
    assert {each.name for each in classifier.scorers} == set(SHIPPED) - {"unet"}
    assert classifier.remarks == ()
    scored = with_scores(candidates, classifier.score_candidates(candidates))
    for name in OURS:
        probability = np.array([each.scores[name] for each in scored])
        assert ((probability > 0) & (probability < 1)).all()
        assert probability[examples.label == 1].min() > probability[examples.label == 0].max()
    assert all(each.score == best_of(each.scores) for each in scored)


def test_what_comes_with_astrid_is_small_and_is_what_the_code_says(tmp_path):
    for name in OURS:
        shipped = SHIPPED[name]
        assert sum(path.stat().st_size for path in shipped.folder.iterdir()) < 1_000_000
        copy = tmp_path / name
        shutil.copytree(shipped.folder, copy)
        with (copy / "weights.safetensors").open("ab") as file:
            file.write(b"\0")
        refused = Classifier.of({name: (copy, shipped.digest)})
        assert "SHA-256" in refused.remarks[0]


def test_scores_do_not_hang_on_the_company_or_the_batch(candidates):
    classifier = Classifier.of()
    together = classifier.score_candidates(candidates)
    alone = [classifier.score_candidates([each]).of(0) for each in candidates[:3]]
    for number, scores in enumerate(alone):
        assert scores == pytest.approx(together.of(number), abs=1e-5)


def test_a_refused_version_is_passed_over_for_the_one_that_came_and_the_remark_says_so(
    tmp_path, candidates, caplog
):
    digest = toy_models.tree(tmp_path / "made")
    kept = tmp_path / digest  # as folders of versions are named
    kept.symlink_to(tmp_path / "made")
    (tmp_path / "tree").symlink_to(tmp_path / "made")
    fine = Classifier.of({"tree": (tmp_path / "tree", digest)})
    assert [each.digest for each in fine.scorers] == [digest]
    path = tmp_path / "tree" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    (tmp_path / "tree" / "model.json").touch()
    broken = Classifier.of({"tree": (tmp_path / "tree", digest), "realbogus": (tmp_path / "no", "0" * 64)})
    assert {each.digest for each in broken.scorers} == {
        each.digest for each in (SHIPPED[name] for name in OURS)
    }
    told = broken.told
    assert "weights.safetensors is damaged" in told
    (said,) = Classifier.of({"tree": (kept, digest)}).remarks
    assert said.startswith(f"tree {digest[:12]} is refused: weights.safetensors is damaged")
    assert digest not in said
    assert not caplog.records  # a remark, and no line beside it
    assert "the tree that comes with AstrID scores instead" in told
    assert "model.json cannot be read" in told
    assert set(broken.score_candidates(candidates[:2]).of(0)) == {"tree", "realbogus"}


def test_a_version_that_refuses_some_of_what_it_is_shown_is_passed_over_for_all(
    tmp_path, candidates, monkeypatch
):
    digest = toy_models.tree(tmp_path / "made")
    own = BoostedTrees.logits

    def logits(self, inputs):
        if self.digest == digest and np.isnan(inputs.triplets.ref).all(axis=(1, 2)).any():
            raise ModelRefused("tree: it knows no candidate without a reference")
        return own(self, inputs)

    monkeypatch.setattr(BoostedTrees, "logits", logits)
    monkeypatch.setattr(classify, "BATCH", 5)
    made = Classifier.of({"tree": (tmp_path / "made", digest)})
    assert made.score_candidates(candidates).digests == {"tree": digest}
    planes = unpack(candidates[-1].cutouts)
    blank = replace(candidates[-1], cutouts=pack(replace(planes, ref=np.full_like(planes.ref, np.nan))))
    mixed = [*candidates[:-1], blank]
    scores = made.score_candidates(mixed)
    shipped = Classifier.of({"tree": (SHIPPED["tree"].folder, None)})
    np.testing.assert_array_equal(scores.by_model["tree"], shipped.score_candidates(mixed).by_model["tree"])
    assert scores.digests == shipped.digests
    (said,) = scores.remarks
    assert said == (
        f"tree {digest[:12]} is refused: tree: it knows no candidate without a reference; "
        "the tree that comes with AstrID scores instead."
    )
    assert scores.told == f"scored by tree {SHIPPED['tree'].digest[:12]}. {said}"


def test_a_refused_version_scores_once_its_files_are_mended(tmp_path):
    digest = toy_models.tree(tmp_path / "tree")
    weights = tmp_path / "tree" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    asked = {"tree": (tmp_path / "tree", digest)}
    assert [each.digest for each in Classifier.of(asked).scorers] == [SHIPPED["tree"].digest]
    weights.write_bytes(whole)
    mended = Classifier.of(asked)
    assert ([each.digest for each in mended.scorers], mended.remarks) == ([digest], ())
    weights.unlink()
    assert "weights.safetensors cannot be read" in Classifier.of(asked).told


def test_an_ensemble_that_was_weighed_with_other_versions_is_remarked_on(tmp_path, candidates):
    shipped = {name: (each.folder, None) for name, each in SHIPPED.items()}
    assert "weighed with" not in Classifier.of(shipped).told
    other = {"tree": (tmp_path / "tree", toy_models.tree(tmp_path / "tree"))}
    assert "was weighed with other versions of tree, so" in Classifier.of(shipped | other).told
    unet = Classifier.of(shipped | {"unet": (tmp_path, "0" * 64)})
    assert "other versions of unet" in unet.remarks[0]
    assert "weighed with" not in Classifier.of(other).told


def test_with_no_network_the_tree_orders_and_with_no_model_the_significance(
    tmp_path, monkeypatch, candidates
):
    monkeypatch.setattr(classify, "SHIPPED", {"tree": SHIPPED["tree"]})
    only_tree = Classifier.of({"realbogus": (tmp_path, "0" * 64), "tree": (tmp_path, None)})
    assert "no realbogus scores" in only_tree.told
    scored = with_scores(candidates, only_tree.score_candidates(candidates))
    assert all(each.score == each.scores["tree"] for each in scored)
    none = Classifier.of({})
    assert with_scores(candidates, none.score_candidates(candidates)) == tuple(candidates)


def test_a_promotion_is_used_from_the_next_time_on_and_a_model_is_read_once(tmp_path):
    first, second = (toy_models.tree(tmp_path / name, seed) for seed, name in enumerate("ab"))
    held = Classifier.of({"tree": (tmp_path / "a", first)})
    again = Classifier.of({"tree": (tmp_path / "a", first)})
    promoted = Classifier.of({"tree": (tmp_path / "b", second)})
    assert [each.scorers[0].digest for each in (held, again, promoted)] == [first, first, second]
    assert again.scorers[0] is held.scorers[0]


def test_a_file_that_takes_anothers_place_is_read_though_its_size_and_time_are_the_same(tmp_path):
    """By what scores, and by what tells the health of it."""
    digest = toy_models.tree(tmp_path / "made")
    folder = folder_of(tmp_path, digest)
    folder.parent.mkdir()
    (tmp_path / "made").rename(folder)
    asked = {"tree": (folder, digest)}
    assert [each.digest for each in Classifier.of(asked).scorers] == [digest]
    assert trouble(tmp_path, "tree", digest) is None
    weights, other = folder / "weights.safetensors", tmp_path / "other"
    facts = weights.stat()
    other.write_bytes(weights.read_bytes()[:-1] + b"?")
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(weights)
    assert "weights.safetensors is damaged" in Classifier.of(asked).told
    assert trouble(tmp_path, "tree", digest).startswith("weights.safetensors is damaged")


def test_candidates_without_cutouts_or_with_broken_ones_have_no_score(candidates):
    given = [replace(candidates[0], cutouts=None), replace(candidates[1], cutouts=b"AC"), candidates[2]]
    scored = with_scores(given, Classifier.of().score_candidates(given))
    assert [bool(each.scores) for each in scored] == [False, False, True]
    assert scored[0].score == 12.0


def test_a_fresh_machine_scores_with_numpy_and_onnx_runtime_alone(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from pipeline.classify.classify import Classifier\n"
        "from pipeline.classify.triplets import of_arrays\n"
        "planes = np.random.default_rng(0).normal(size=(3, 2, 63, 63))\n"
        "scores = Classifier.of().score(of_arrays(*planes))\n"
        "assert set(scores.by_model) >= {'tree', 'realbogus', 'ensemble'}, scores\n"
        "heavy = {'torch', 'sklearn', 'mlflow', 'astropy', 'textual'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    plain = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = plain | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []  # where ONNX Runtime's telemetry would have left its session
