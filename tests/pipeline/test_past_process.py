"""Earlier frames measured by a process of its own: what it tells, and what is left where it is ended."""

from pathlib import Path

import pytest

from core.operations.command_process import CommandFailed, CommandStopped
from core.operations.past_process import PastProcess
from tests.pipeline.test_forced import FRAMES, Done, done, found_later, points, template

__all__ = ["done", "template"]  # fixtures


@pytest.fixture
def config(done: Done, tmp_path: Path) -> Path:
    """A file of the settings by which the frames were processed."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'home = "{done.settings.home}"\n[store]\nurl = "{done.settings.store_url}"\n'
        "[detect]\nunet = false\n[depth]\nsources = 40\n"
    )
    return file


def test_it_measures_what_is_asked_for_and_goes_on_after_it_was_given_up(done: Done, config: Path) -> None:
    key = found_later(done.store)
    process, told = PastProcess(config), []

    def give_up(count: int, of: int) -> None:
        told.append((count, of))
        if count == 1:
            process.stop()

    with pytest.raises(CommandStopped, match="given up"):
        process.run([str(key)], give_up)
    assert told == [(0, FRAMES), (1, FRAMES)]
    assert len(points(done.store, key)) == 1  # that of the frame in hand is not there, nor half of it

    found = PastProcess(config).run([str(key)], lambda *_: None)
    assert [(each["points"] > 0, each["reason"]) for each in found["frames"]] == [(True, None)] * (FRAMES - 1)
    assert len(points(done.store, key)) == FRAMES


def test_frames_that_cannot_be_measured_are_told_with_the_reason(done: Done, config: Path) -> None:
    key = found_later(done.store)
    config.write_text(config.read_text().replace("unet = false", "unet = false\nthreshold = 7.0"))
    found = PastProcess(config).run([str(key)], lambda *_: None)
    assert ["other settings" in each["reason"] for each in found["frames"]] == [True] * FRAMES


def test_what_is_wrong_with_the_command_is_told(done: Done, config: Path) -> None:
    with pytest.raises(CommandFailed, match="999"):
        PastProcess(config).run(["999"], lambda *_: None)
