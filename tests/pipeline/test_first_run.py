"""A version is run once before it is put to use, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.models.names import NAMES
from pipeline.classify.first_run import run_once, see_that_it_runs
from pipeline.classify.model_file import Description, ModelRefused, write
from pipeline.classify.shipped import SHIPPED
from tests.pipeline.test_imported_models import aborting


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_model_that_astrid_came_with_runs(name: str) -> None:
    run_once(SHIPPED[name].folder, SHIPPED[name].digest, name)
    with pytest.raises(ModelRefused, match=f"it is a model of kind {name}, no other"):
        run_once(SHIPPED[name].folder, SHIPPED[name].digest, "other")


def test_one_that_runs_is_let_through_and_one_of_an_architecture_to_come_is_refused(tmp_path: Path) -> None:
    see_that_it_runs(SHIPPED["tree"].folder, SHIPPED["tree"].digest, "tree")
    later = Description(kind="tree", architecture="of_next_year", inputs="features")
    digest = write(tmp_path / "later", later, {"a": np.ones(3)})
    with pytest.raises(ModelRefused, match="the architecture 'of_next_year' is not known"):
        see_that_it_runs(tmp_path / "later", digest, "tree")


def test_one_that_ends_its_process_is_refused_by_this_one(tmp_path: Path) -> None:
    aborting(tmp_path / "a.onnx")
    config: dict[str, int | float | str] = {"input": "in", "output": "out", "planes": 3}
    about = Description(kind="realbogus", architecture="imported", inputs="triplet", config=config)
    digest = write(tmp_path / "kept", about, {}, (tmp_path / "a.onnx").read_bytes())
    with pytest.raises(ModelRefused, match="realbogus ends the program that runs it"):
        see_that_it_runs(tmp_path / "kept", digest, "realbogus")
