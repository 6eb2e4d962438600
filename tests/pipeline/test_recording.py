"""A training writes down how long it took, and at what cost, however often it was gone on with."""

import json

import pytest

from core.errors import AstridError
from core.models import trainings
from core.settings import Settings
from pipeline.energy.meter import EnergyMeter
from pipeline.training import recording
from pipeline.training.recording import Recording


@pytest.fixture
def clock(monkeypatch):
    """What the clock shows; it stands still but for what a test adds to it."""
    shown = [1000.0]
    monkeypatch.setattr(recording.time, "time", lambda: shown[0])
    return shown


def leg(home, monkeypatch, clock, joules, key=None):
    """So much of a training as takes a minute."""
    monkeypatch.setattr(EnergyMeter, "begin", lambda *_: lambda: joules)
    with Recording(Settings(home=home), "tree", {"seed": 1}, key) as record:
        clock[0] += 60.0
        record.stopped("asked to")
    clock[0] += 3600.0
    return trainings.read(record.folder)


def test_a_training_that_was_gone_on_with_took_what_all_of_it_took(tmp_path, monkeypatch, clock):
    found = leg(tmp_path, monkeypatch, clock, 5.0)
    for _ in range(2):
        found = leg(tmp_path, monkeypatch, clock, 7.0, found.key)
    assert (found.seconds(clock[0]), found.energy_j) == (180.0, 19.0)


@pytest.mark.parametrize("joules", [(None, 7.0), (5.0, None)])
def test_energy_of_which_a_part_was_not_measured_is_not_told(tmp_path, monkeypatch, clock, joules):
    found = leg(tmp_path, monkeypatch, clock, joules[0])
    assert leg(tmp_path, monkeypatch, clock, joules[1], found.key).energy_j is None


def test_a_training_that_was_killed_had_been_at_work_until_it_last_wrote(tmp_path, monkeypatch, clock):
    found = leg(tmp_path, monkeypatch, clock, 5.0)
    facts = json.loads((found.folder / trainings.FACTS).read_text())
    facts |= {"state": "running", "pid": 10**30, "started_at": 0.0, "ended_at": None, "energy_j": None}
    (found.folder / trainings.FACTS).write_text(json.dumps(facts))
    for each in found.folder.iterdir():
        recording.os.utime(each, (90.0, 90.0))
    found = leg(tmp_path, monkeypatch, clock, 7.0, found.key)
    assert (found.seconds(clock[0]), found.energy_j) == (150.0, None)


def test_a_training_that_was_refused_tells_the_sentence_and_no_name_of_our_code(tmp_path):
    with pytest.raises(AstridError), Recording(Settings(home=tmp_path), "tree", {}):
        raise AstridError("there is nothing to learn from: give more --fields")
    (found,) = trainings.trainings(tmp_path)
    assert (found.state, found.reason) == ("failed", "there is nothing to learn from: give more --fields")
