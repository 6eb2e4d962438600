"""A version that would end the program which runs it is passed over, and the night goes on."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from pipeline.classify.classify import Classifier
from pipeline.classify.first_run import some_triplets
from pipeline.classify.model_file import Description, ModelRefused, read, write
from pipeline.classify.proven import MARK, see_that_it_ran
from pipeline.classify.shipped import SHIPPED
from pipeline.training.evaluate import ready
from tests.astrid_tui.command import in_a_new_home
from tests.forks import FORKS
from tests.pipeline.test_imported_models import aborting

KILLER = {"input": "in", "output": "out", "planes": 3}


@pytest.fixture
def killer(tmp_path: Path) -> tuple[Path, str]:
    """A version that lies in the store as another machine, or an older AstrID, put it there."""
    aborting(tmp_path / "a.onnx")
    about = Description(kind="realbogus", architecture="imported", inputs="triplet", config=KILLER)
    digest = write(tmp_path / "kept", about, {}, (tmp_path / "a.onnx").read_bytes())
    return tmp_path / "kept", digest


def test_the_one_that_astrid_came_with_scores_in_its_place(killer: tuple[Path, str]) -> None:
    classifier = Classifier.of({"realbogus": killer})
    (said,) = classifier.remarks
    assert said == (
        f"realbogus {killer[1][:12]} is refused: it ends the program that runs it, and is none that may be "
        "run; the realbogus that comes with AstrID scores instead."
    )
    assert classifier.digests == {"realbogus": SHIPPED["realbogus"].digest}
    assert np.isfinite(classifier.score(some_triplets(), np.full(8, 10.0)).by_model["realbogus"]).any()


def test_it_is_not_judged_either(killer: tuple[Path, str]) -> None:
    (found,) = ready({"realbogus": killer}, ["realbogus"])
    assert found.scorer is None
    assert found.why_not == "it ends the program that runs it, and is none that may be run"


def test_a_folder_that_holds_it_is_refused_in_one_sentence(
    killer: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    astrid = in_a_new_home(monkeypatch, capsys, tmp_path)
    astrid("models", "evaluate", "--folder", killer[0], "--fields", 1, code=1)
    assert "kept ends the program that runs it, and is none that may be run" in astrid.said.replace("\n", "")


def test_a_worker_that_is_allowed_no_children_sees_it_too(killer: tuple[Path, str]) -> None:
    ours, theirs = FORKS.Pipe()
    worker = FORKS.Process(target=_told_to, args=(theirs, *killer), daemon=True)
    worker.start()
    assert "ends the program" in ours.recv()
    worker.join()
    assert worker.exitcode == 0


def _told_to(pipe: Connection, folder: Path, digest: str) -> None:
    try:
        see_that_it_ran(folder, digest)
    except ModelRefused as refused:
        pipe.send(str(refused))


def test_one_that_runs_is_tried_once_by_the_onnx_runtime_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read(SHIPPED["realbogus"].folder)
    digest = write(tmp_path / "own", model.description, model.arrays, model.network)
    see_that_it_ran(tmp_path / "own", digest)
    mark = tmp_path / f"own{MARK}"
    assert "onnxruntime" in mark.read_text()
    mark.unlink()
    os.mkfifo(mark)  # at which one would wait for ever
    see_that_it_ran(tmp_path / "own", digest)
    assert mark.is_file()

    def tried(*_: object) -> None:
        raise ModelRefused("tried again")

    monkeypatch.setattr("pipeline.classify.trial.survive", tried)
    see_that_it_ran(tmp_path / "own", digest)
    mark.write_text("onnx 1 onnxruntime 1")
    (tmp_path / "own" / "model.onnx").touch()
    with pytest.raises(ModelRefused, match="tried again"):
        see_that_it_ran(tmp_path / "own", digest)


def test_files_that_are_away_are_no_verdict_on_what_they_hold(killer: tuple[Path, str]) -> None:
    folder, digest = killer
    network = folder / "model.onnx"
    content = network.read_bytes()
    network.write_bytes(content[:10])
    with pytest.raises(ModelRefused, match=r"model\.onnx"):
        see_that_it_ran(folder, digest)
    network.write_bytes(content)
    with pytest.raises(ModelRefused, match="ends the program"):
        see_that_it_ran(folder, digest)
