"""A training's run in MLflow shows its curves and its scorecard, and names the code that it ran."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import AstridError
from core.models import trainings
from core.settings import Settings
from core.settings_sections import PowerSettings
from pipeline.training import code, field_cache, figures
from pipeline.training.recording import Recording

CARD = {
    "strata": [
        {"name": "SNR 5 to 10", "n": 40, "value": 0.2, "low": 0.1, "high": 0.3},
        {"name": "SNR 10 to $20", "n": 4, "value": None, "low": None, "high": None},
        {"name": "near $a star$", "n": 9, "value": 0.5, "low": 0.6, "high": 0.4},
    ],
    "reliability": {"predicted": [0.1, 0.9], "observed": [0.0, 1.0]},
    "completeness": {"snr": [5.0, 10.0], "found": [0.8, None]},
}


def recorded(home: Path, steps: int, card: object) -> trainings.Training:
    settings = Settings(home=home, power=PowerSettings(enabled=False))
    with Recording(settings, "tree", {"seed": 1}) as recording:
        for step in range(steps):
            recording.step(step, {"step": step, "seconds": 1.0, "loss": 1.0 / (1 + step)})
    (recording.folder / trainings.SCORECARD).write_text(json.dumps(card))
    training = trainings.read(recording.folder)
    assert training is not None
    return training


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10  # something is drawn
        return picture.size


def test_curves_and_scorecard_are_drawn_panel_by_panel(tmp_path):
    training = recorded(tmp_path, 3, CARD)
    figures.draw(training)
    assert size_of(training.folder / figures.CURVES_PNG)[0] == 700
    wide = size_of(training.folder / figures.SCORECARD_PNG)[0]
    fewer = recorded(tmp_path, 3, {**CARD, "strata": []})
    figures.draw(fewer)
    assert wide == 1.5 * size_of(fewer.folder / figures.SCORECARD_PNG)[0]


def test_what_has_no_interval_is_shown_too(tmp_path):
    bare = {"name": "all", "n": 40, "value": 0.4, "low": None, "high": None}  # of fewer than six fields
    training = recorded(tmp_path, 1, {"strata": [bare]})
    figures.draw(training)
    assert size_of(training.folder / figures.SCORECARD_PNG) == (440, 440)


@pytest.mark.parametrize(
    "card",
    [{}, [], None, {"strata": 3}, {"strata": [None, 1, {"name": "a"}]}, {"reliability": {"predicted": 1}}],
)
def test_of_what_was_not_measured_there_is_no_figure(tmp_path, card):
    training = recorded(tmp_path, 1, card)
    figures.draw(training)
    assert not list(training.folder.glob("*.png"))


def test_the_code_is_known_by_what_it_says(tmp_path, monkeypatch):
    training = recorded(tmp_path, 1, {})
    before = training.parameters["code_sha256"]
    assert len(before) == 64
    for name in ("core", "pipeline"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("a = 1\n")
        monkeypatch.setattr(f"{name}.__file__", str(tmp_path / name / "__init__.py"))
    found = [code.code_sha256.__wrapped__()]
    (tmp_path / "core" / "deep" / "b.py").write_text("b = 1\n")
    found.append(code.code_sha256.__wrapped__())
    (tmp_path / "core" / "deep" / "b.py").write_text("b = 2\n")
    found.append(code.code_sha256.__wrapped__())
    (tmp_path / "core" / "deep" / "b.py").rename(tmp_path / "core" / "deep" / "c.py")
    found.append(code.code_sha256.__wrapped__())
    (tmp_path / "core" / "deep" / "notes.txt").write_text("no code")
    assert code.code_sha256.__wrapped__() == found[-1]
    assert len({before, *found}) == 5


def test_fields_are_known_by_what_they_hold_and_not_by_when_they_were_written(tmp_path, monkeypatch):
    one = field_cache.make(tmp_path / "one", range(1, 3), 128)
    two = field_cache.make(tmp_path / "two", range(1, 3), 128)
    assert field_cache.digest(one) == field_cache.digest(two)
    assert field_cache.digest(one) != field_cache.digest(one[:1])
    one[0].write_bytes(one[0].read_bytes()[:-40])
    with pytest.raises(AstridError, match="is damaged: remove it, and begin the training again"):
        field_cache.digest(one)
