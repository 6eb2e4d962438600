"""Trainings as their folders tell of them, also when those were damaged."""

import json
import math
import os
import subprocess
import sys
import time

import pytest

from core.models import trainings
from core.models.trainings import TrainingRefused
from core.operations.processes import PROC, QUIET_S, mark_of
from pipeline.training.recording import write_json


def a_training(home, key="20270101-000000-tree-abcdef", **facts):
    folder = trainings.folder_of(home) / key
    folder.mkdir(parents=True)
    write_json(folder / trainings.FACTS, {"name": "tree", "state": "done", "started_at": 1.0} | facts)
    return folder


def test_the_newest_come_first_and_what_cannot_be_read_is_left_out(tmp_path):
    a_training(tmp_path, "20270101-000000-tree-a")
    a_training(tmp_path, "20270102-000000-tree-b", metrics={"auc": 0.9})
    (a_training(tmp_path, "20270103-000000-tree-c") / trainings.FACTS).write_text("{")
    (a_training(tmp_path, "20270104-000000-tree-d") / trainings.FACTS).write_text("[" * 100_000)
    (trainings.folder_of(tmp_path) / "20270105-e").mkdir()
    found = trainings.trainings(tmp_path)
    assert [each.key[-1] for each in found] == ["b", "a"]
    assert found[0].metrics == {"auc": 0.9}
    assert trainings.trainings(tmp_path / "nowhere") == []


def test_a_metric_that_was_no_number_hides_no_training(tmp_path):
    a_training(tmp_path, metrics={"auc": math.nan, "brier": 0.25, "many": 10**400})
    assert [each.metrics for each in trainings.trainings(tmp_path)] == [{"brier": 0.25}]


@pytest.mark.parametrize(
    "damage",
    [{"started_at": math.nan}, {"started_at": None}, {"started_at": 10**400}, {"pid": math.inf, "name": []}],
)
def test_damaged_facts_can_be_told_as_json_or_are_left_out(tmp_path, damage):
    (trainings.folder_of(tmp_path) / "a").mkdir(parents=True)
    facts = {"name": "tree", "state": "done", "started_at": 1.0, "parameters": {"rate": math.inf}} | damage
    (trainings.folder_of(tmp_path) / "a" / trainings.FACTS).write_text(json.dumps(facts))
    told = [each.record() for each in trainings.trainings(tmp_path)]
    json.dumps(told, allow_nan=False)
    assert len(told) == ("started_at" not in damage)


def test_a_number_that_no_process_has_is_of_one_that_is_gone(tmp_path):
    host = os.uname().nodename
    assert trainings.read(a_training(tmp_path, state="running", host=host, pid=10**30)).state == "lost"


def test_a_curve_is_read_while_it_is_written(tmp_path):
    folder = a_training(tmp_path)
    (folder / trainings.CURVE).write_text(
        '{"step": 1, "metrics": {"loss": 0.5, "odd": "x"}}\n[]\n{"step": 2, "metrics": {"loss": 0.25}}\n{"st'
    )
    assert trainings.curve(trainings.read(folder)) == {"loss": [(1.0, 0.5), (2.0, 0.25)]}


def test_a_training_whose_process_is_gone_is_lost(tmp_path):
    host = os.uname().nodename
    me = {"pid": os.getpid(), "mark": mark_of(os.getpid()), "host": host, "state": "running"}
    assert trainings.read(a_training(tmp_path, "a", **me)).state == "running"
    assert trainings.read(a_training(tmp_path, "b", **me | {"mark": "of another boot"})).state == "lost"
    assert (
        trainings.read(a_training(tmp_path, "c", **me | {"mark": "x", "host": "elsewhere"})).state
        == "running"
    )


def test_a_training_in_another_container_is_lost_once_it_wrote_nothing_for_long(tmp_path):
    """Of its process nothing can be seen here: what it writes tells of it."""
    if not PROC.exists():
        pytest.skip("only on Linux there are containers")
    boot, tick, *_ = (mark_of(os.getpid()) or "").split(":")
    theirs = {"pid": 1, "mark": f"{boot}:{tick}:4026539999", "host": os.uname().nodename, "state": "running"}
    folder, now = a_training(tmp_path, **theirs), time.time()
    for name in (trainings.CURVE, trainings.PUBLISHED):
        (folder / name).touch()

    def state_if_written(curve_s, others_s, published_s):
        for each in folder.iterdir():
            ago = {trainings.CURVE: curve_s, trainings.PUBLISHED: published_s}.get(each.name, others_s)
            os.utime(each, (now - ago, now - ago))
        return trainings.read(folder).state

    assert state_if_written(QUIET_S - 60.0, 900.0, 900.0) == "running"
    assert state_if_written(900.0, QUIET_S - 60.0, 900.0) == "running"
    assert state_if_written(QUIET_S + 60.0, 900.0, 900.0) == "lost"
    assert state_if_written(900.0, 900.0, 1.0) == "lost"  # which another wrote of it


def test_how_long_a_training_took_is_of_all_times_that_it_was_at_work(tmp_path):
    done = a_training(tmp_path, "a", started_at=100.0, ended_at=160.0, earlier_s=7.0)
    assert trainings.read(done).seconds(1000.0) == 67.0
    assert trainings.read(done).record()["seconds"] == 67.0
    me = {"pid": os.getpid(), "host": os.uname().nodename, "state": "running", "started_at": 100.0}
    at_work = a_training(tmp_path, "b", mark=mark_of(os.getpid()), **me)
    assert trainings.read(at_work).seconds(1000.0) == 900.0
    lost = a_training(tmp_path, "c", mark="of another boot", **me)
    os.utime(lost / trainings.FACTS, (130.0, 130.0))
    assert trainings.read(lost).seconds(1000.0) == 30.0


def test_what_is_said_of_going_on_is_true_of_each_kind(tmp_path):
    def said(name, *, has_checkpoint=False, **facts):
        gone = {"pid": os.getpid(), "mark": "of another boot", "host": os.uname().nodename}
        key = f"{name}-{len(list(tmp_path.rglob(trainings.FACTS)))}"
        folder = a_training(tmp_path, key, name=name, state="running", **gone, **facts)
        if has_checkpoint:
            (folder / trainings.CHECKPOINT).touch()
        return trainings.read(folder).reason

    for name in ("tree", "isolation_forest", "one_class_svm", "ensemble", "realbogus"):
        assert "begins anew" in said(name)
    assert "with `--resume` goes on" in said("realbogus", has_checkpoint=True)
    assert "begins anew" in said("realbogus", has_checkpoint=True, parameters={"start": "ab"})
    assert "the same command goes on" in said("unet")


def test_a_training_is_asked_to_stop_where_it_is(tmp_path):
    program = "import signal, sys; print('up', flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    process.stdout.readline()
    facts = {
        "pid": process.pid,
        "mark": mark_of(process.pid),
        "host": os.uname().nodename,
        "state": "running",
    }
    trainings.stop(trainings.read(a_training(tmp_path, "a", **facts)))
    assert process.wait(10) == -15
    process.stdout.close()
    with pytest.raises(TrainingRefused, match="not at work"):
        trainings.stop(trainings.read(a_training(tmp_path, "b")))
    with pytest.raises(TrainingRefused, match="elsewhere"):
        trainings.stop(trainings.read(a_training(tmp_path, "c", **facts | {"host": "elsewhere"})))
