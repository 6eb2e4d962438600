"""`astrid models score`, as a script calls it."""

from __future__ import annotations

import json
import os
from zipfile import ZipFile

import numpy as np
import pytest

from astrid_tui.cli.models_score import SHOWN
from pipeline.classify.classify import Classifier
from pipeline.classify.triplets import of_arrays
from tests.astrid_tui.command import in_a_new_home
from tests.pipeline.toy_models import blobs


@pytest.fixture
def astrid(monkeypatch, capsys, tmp_path):
    return in_a_new_home(monkeypatch, capsys, tmp_path)


def test_score_says_what_every_model_says_without_a_store(astrid, triplets):
    path, made = triplets
    told = astrid.json("models", "score", path)
    assert told["count"] == 30
    assert told["scores"].keys() == told["models"].keys() >= {"realbogus", "tree", "ensemble"}
    for name in ("realbogus", "tree", "ensemble"):
        scores = told["scores"][name]
        assert min(np.array(scores)[made.label == 1]) > max(np.array(scores)[made.label == 0])


def test_score_says_the_same_with_any_number_of_threads(astrid, tmp_path):
    made = blobs(700, seed=9)
    np.savez(tmp_path / "many.npz", new=made.new, ref=made.ref, diff=made.diff)
    one, three = (astrid.json("models", "score", tmp_path / "many.npz", "--threads", n) for n in (1, 3))
    assert one == three
    assert one["count"] == 700 == len(one["scores"]["realbogus"])


def test_the_ensemble_weighs_significance_and_unet_where_they_are_given_and_says_where_they_are_not(
    astrid, tmp_path
):
    made = blobs(6, seed=9)
    planes = {"new": made.new, "ref": made.ref, "diff": made.diff}
    snr = np.array([5.5, -40.0, 300.0, np.nan, 8.0, 6.0])
    unet = np.array([0.5, 0.99, 1e-3, 0.5, np.nan, np.nan])
    given = {"none": {}, "snr": {"snr": snr}, "both": {"snr": snr, "unet": unet}}
    given["blank"] = {"snr": snr, "unet": np.full(6, np.nan)}
    said = {}
    for name, more in given.items():
        np.savez(tmp_path / f"{name}.npz", **planes, **more)
        said[name] = astrid.json("models", "score", tmp_path / f"{name}.npz")
    without = {name: told["ensemble_without"] for name, told in said.items()}
    assert without == {"none": ["snr", "unet"], "snr": ["unet"], "both": [], "blank": ["unet"]}
    triplets = of_arrays(made.new, made.ref, made.diff)
    log_odds = {"unet": np.log(unet / (1.0 - unet))}
    in_queue = Classifier.of().score(triplets, snr, log_odds).by_model["ensemble"]
    np.testing.assert_allclose(said["both"]["scores"]["ensemble"], in_queue, atol=1e-6)
    assert not np.allclose(said["snr"]["scores"]["ensemble"], in_queue, atol=1e-3)
    assert said["none"]["scores"]["tree"] == said["both"]["scores"]["tree"]
    assert "scores without snr and unet" in astrid("models", "score", tmp_path / "none.npz")
    assert "without" not in astrid("models", "score", tmp_path / "both.npz")


def test_score_writes_a_file_and_shows_a_table(astrid, triplets, tmp_path):
    path, _ = triplets
    assert "some.json" in astrid("models", "score", path, "-o", tmp_path / "some.json")
    assert json.loads((tmp_path / "some.json").read_text())["count"] == 30
    table = astrid("models", "score", path)
    assert f"and {30 - SHOWN} more" in table


def test_score_takes_other_sizes_and_an_absent_reference_and_tells_none_of_nothing(astrid, tmp_path):
    random = np.random.default_rng(0)
    new, diff = random.normal(size=(2, 3, 51, 80))
    new[2] = diff[2] = np.nan
    np.savez(tmp_path / "a.npz", new=new, ref=np.full((3, 21, 21), np.nan), diff=diff, pixel_scale=1.01)
    told = astrid.json("models", "score", tmp_path / "a.npz", code=3)
    assert "realbogus" in told["scores"]
    for scores in told["scores"].values():
        assert all(0 <= score <= 1 for score in scores[:2])
        assert scores[2] is None


def test_coarse_pixels_are_told_by_their_scale_of_one_for_all_or_one_for_each(astrid, tmp_path):
    made = blobs(4, seed=8)
    planes = {"new": made.new, "ref": made.ref, "diff": made.diff}
    said = {}
    for name, scale in {"none": None, "fine": 0.3, "coarse": 1.2, "each": [0.3, 1.2, 0.3, 1.2]}.items():
        np.savez(tmp_path / "a.npz", **planes, **({} if scale is None else {"pixel_scale": scale}))
        said[name] = astrid.json("models", "score", tmp_path / "a.npz")["scores"]["tree"]
    assert said["none"] == said["fine"] != said["coarse"]
    assert said["each"] == [said["fine" if i % 2 == 0 else "coarse"][i] for i in range(4)]


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"new": np.zeros((1, 5, 5))}, "lacks the arrays ref, diff"),
        (
            dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))) | {"pixel_scale": [1, 2]},
            "one for each",
        ),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))) | {"pixel_scale": 0.0}, "positive"),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))) | {"snr": [5.0]}, "one number for each"),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))) | {"unet": [0.0, 1.5, 1.0]}, "0 to 1"),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))) | {"pixel_scale": np.nan}, "positive"),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))) | {"pixel_scale": "x"}, "pixel_scale"),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((5, 5))), "shape"),
        (dict.fromkeys(("new", "ref", "diff"), np.zeros((2, 0, 5))), "shape"),
        (dict.fromkeys(("new", "ref", "diff"), np.array([[["a"]]])), "no numbers"),
        (
            {"new": np.zeros((2, 9, 9)), "ref": np.zeros((1, 9, 9)), "diff": np.zeros((2, 9, 9))},
            "equally many",
        ),
        (
            dict.fromkeys(("new", "ref", "diff"), np.array([[[object()]]], dtype=object)),
            "no file of triplets",
        ),
    ],
)
def test_files_that_are_no_triplets_get_one_sentence(astrid, tmp_path, arrays, word):
    np.savez(tmp_path / "bad.npz", **arrays)
    astrid("models", "score", tmp_path / "bad.npz", code=1)
    assert word in astrid.said
    assert len(astrid.said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("new.npy", b"no array"),
        ("pixel_scale.npy", b"no array"),
        ("ref.npy", b"\x93NUMPY\x01\x00\x09\x00(((((((((" + b"\0" * 400),  # brackets that are not closed
        ("ref.npy", b"\x93NUMPY\x02\x00\x00\x50\x00\x00" + b" " * 0x5000),  # a description without end
    ],
)
def test_members_of_an_archive_that_are_no_arrays_get_one_sentence(astrid, tmp_path, name, content):
    np.savez(tmp_path / "good.npz", **dict.fromkeys(("new", "ref", "diff"), np.zeros((3, 9, 9))))
    with ZipFile(tmp_path / "good.npz") as good, ZipFile(tmp_path / "bad.npz", "w") as bad:
        for each in {name, *good.namelist()}:
            bad.writestr(each, content if each == name else good.read(each))
    astrid("models", "score", tmp_path / "bad.npz", code=1)
    assert "bad.npz is no file of triplets: " in astrid.said
    assert len(astrid.said.strip().splitlines()) == 1


def test_an_archive_larger_than_the_memory_is_not_unpacked(astrid, tmp_path, monkeypatch):
    """Zeros take a thousandth of their room."""
    monkeypatch.setattr("core.operations.memory.of_this_machine", lambda: 2**20)
    zeros = dict.fromkeys(("new", "ref", "diff"), np.zeros((99, 63, 63), np.float32))
    np.savez_compressed(tmp_path / "bomb.npz", **zeros)
    astrid("models", "score", tmp_path / "bomb.npz", code=1)
    assert "holds 4.5 MiB, more than this machine's memory of 1.0 MiB: part it" in astrid.said


def test_a_pipe_in_place_of_a_file_is_not_waited_at(astrid, tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    astrid("models", "score", tmp_path / "pipe.npz", code=1)
    assert "no regular file" in astrid.said


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 50, b"\x80\x02pickle", None])
def test_bytes_that_are_no_archive_get_one_sentence(astrid, tmp_path, content):
    if content is not None:
        (tmp_path / "bad.npz").write_bytes(content)
    astrid("models", "score", tmp_path / "bad.npz", code=1)
    assert "bad.npz" in astrid.said
    assert "Traceback" not in astrid.said
