"""`astrid models train unet`: a model comes out, once, and bad wishes are refused."""

import os
import signal
from pathlib import Path

import pytest

from core.vocabulary import ExitCode
from pipeline.classify.model_file import read
from pipeline.classify.unet import UNet
from tests.astrid_tui.command import Command
from tests.pipeline.drawn import drawn_once

pytest.importorskip("torch")

TINY = ("--fields", 2, "--held-out", 1, "--size", 192, "--steps", 2, "--width", 1, "--judged", 1)
TINY = (*TINY, "--streak-free", 1, "--no-sync")


@pytest.fixture(autouse=True, scope="module")
def _fields_drawn_once():
    with drawn_once("field_cache", "unet_run"):
        yield


@pytest.fixture
def astrid(tmp_path, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys.readouterr)


def test_a_model_is_trained_although_a_signal_ends_it_once_and_can_be_served(
    astrid: Command, tmp_path: Path, monkeypatch
) -> None:
    from pipeline.training import unet_run

    train = unet_run.train

    def interrupted(*arguments, **named):
        os.kill(os.getpid(), signal.SIGTERM)
        return train(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(unet_run, "train", interrupted)
        stopped = astrid.json("models", "train", "unet", *TINY, code=ExitCode.INTERRUPTED)
    assert stopped["digest"] is None
    assert "goes on from here" in astrid.said
    assert not (tmp_path / "home" / "models").exists()
    kept = tmp_path / "home" / "training"
    assert len(list(kept.glob("unet-*.safetensors"))) == 1
    made = astrid.json("models", "train", "unet", *TINY)
    assert not list(kept.glob("unet-*.safetensors"))
    folder = Path(made["folder"])
    (training,) = (each for each in astrid.json("models", "trainings") if each["state"] != "stopped")
    assert (training["name"], training["state"], training["digest"]) == ("unet", "done", made["digest"])
    assert folder == Path(training["folder"]) / "model"
    assert made["version"] is None
    model = read(folder, made["digest"])
    assert UNet(model).digest == made["digest"]
    assert model.description.config["width"] == 1
    assert model.description.trained["metrics"]["step"] == 2
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.npz")}
    assert len(before) == 3
    astrid("init")
    again = astrid.json("models", "train", "unet", *TINY, "-o", tmp_path / "again")
    assert again["version"] == 1
    card = astrid.json("models", "card", "unet", 1)["scorecard"]
    assert card["fields"] == 1
    assert {each["name"] for each in card["strata"]} >= {"all", "SNR 6 to 10"}
    assert card["tables"][-1]["rows"][0]["name"] == "background"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    said = astrid("models", "train", "unet", *TINY, "--output", tmp_path / "again", code=ExitCode.FAILED)
    assert said == ""
    assert "exists already" in astrid.said
    assert "Traceback" not in astrid.said


def test_a_stop_before_the_first_step_is_heard_at_the_next_field(
    astrid: Command, tmp_path: Path, monkeypatch
) -> None:
    from pipeline.training import field_cache, unet_run

    held = unet_run.HELD_OUT
    one, seeds = unet_run.field(held, 192), []

    def interrupted(seed, *_arguments, **_named):
        if seed == held:
            os.kill(os.getpid(), signal.SIGTERM)
        seeds.append(seed)
        return one

    monkeypatch.setattr(field_cache, "field", interrupted)
    astrid.json("models", "train", "unet", *TINY, "--held-out", 3, code=ExitCode.INTERRUPTED)
    assert seeds[-1] == held
    training = astrid.json("models", "trainings")[0]
    assert training["state"] == "stopped"
    assert "while fields were made" in training["reason"]


def test_a_stop_after_the_last_step_is_heard_at_the_next_field(
    astrid: Command, tmp_path: Path, monkeypatch
) -> None:
    from pipeline.training import unet_run

    one = unet_run.field(unet_run.HELD_OUT, 192)
    many = (*TINY, "--streak-free", 2, "--judged", 2)
    judging = unet_run.HELD_OUT + 1
    for first in (unet_run.HELD_OUT, unet_run.STREAK_FREE, judging):
        seeds = []

        def interrupted(seed, *_arguments, first=first, seeds=seeds, **_named):
            if seed == first:
                os.kill(os.getpid(), signal.SIGTERM)
            seeds.append(seed)
            return one

        monkeypatch.setattr(unet_run, "field", interrupted)
        astrid.json("models", "train", "unet", *many, code=ExitCode.INTERRUPTED)
        assert seeds[-1] == first
        training = astrid.json("models", "trainings")[0]
        assert (training["state"], training["digest"]) == ("stopped", None)
        assert "after its last step" in training["reason"]
        assert not (Path(training["folder"]) / "model").exists()


def test_a_folder_without_frames_is_refused_in_one_sentence(astrid: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    astrid("models", "train", "unet", *TINY, "--frames", tmp_path / "empty", code=ExitCode.FAILED)
    assert "two frames of one sky" in astrid.said
    astrid("models", "train", "unet", *TINY, "--frames", tmp_path / "none", code=ExitCode.USAGE)
