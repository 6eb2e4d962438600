"""What a search measures of candidates is kept for the next one, and never trusted more than it deserves."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from core.database.tables import Candidate, Cutout
from core.review.alike import candidates_alike
from core.review.cutouts import pack
from core.settings import load
from pipeline.classify.classify import Classifier
from pipeline.training import measured as module
from pipeline.training.measured import FOLDER, measured
from tests.builders import cutouts
from tests.core.rows import add_candidate


@pytest.fixture
def settings(tmp_path, sqlite_store, monkeypatch):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    return load(None)


def add(store, count, *, first=None):
    """Candidates with cutouts; their numbers."""
    keys = [add_candidate(store, **({} if first is None else {"id": first + n})) for n in range(count)]
    with store.write() as db:
        for key in keys:
            db.add(Cutout(candidate_id=key, pixels=pack(cutouts(key, peak=4.0 + key % 7))))
    return keys


class Search:
    """Searches of one store, and how many candidates each had to measure."""

    def __init__(self, store, settings):
        self.store, self.settings = store, settings
        self.classifier = Classifier.of()
        self.anew = 0

    def __call__(self, **more):
        self.anew = 0
        rows = candidates_alike(self.store, tag=None)
        return measured(self.store, self.settings, self.classifier, rows, self._report, **more)

    def _report(self, done, total):
        self.anew = total

    @property
    def files(self):
        return sorted((self.settings.home / FOLDER).glob("*/*.npz"))


@pytest.fixture
def search(sqlite_store, settings):
    return Search(sqlite_store, settings)


def same(before, after):
    assert [row.candidate_id for row in before[0]] == [row.candidate_id for row in after[0]]
    for ours, theirs in zip(before[1], after[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_is_measured_twice_and_what_is_new_alone(search, sqlite_store):
    add(sqlite_store, 3)
    before = search()
    assert search.anew == 3
    assert [table.shape[0] for table in before[1]] == [3] * 5
    same(before, search())
    assert search.anew == 0
    add(sqlite_store, 2)
    after = search()
    assert search.anew == 2
    assert len(after[0]) == 5
    for ours, theirs in zip(before[1], after[1], strict=True):
        np.testing.assert_array_equal(ours, theirs[:3])
    assert len(search.files) == 1


def test_it_is_told_batch_by_batch_how_far_the_measuring_is(search, sqlite_store, monkeypatch):
    add(sqlite_store, 2 * module.AT_ONCE + 1)
    told = []
    monkeypatch.setattr(search, "_report", lambda *each: told.append(each))
    kept, tables = search()
    total = 2 * module.AT_ONCE + 1
    assert told == [(done, total) for done in (0, module.AT_ONCE, 2 * module.AT_ONCE, total)]
    assert len(kept) == total
    assert {table.shape[0] for table in tables} == {total}
    told.clear()
    same((kept, tables), search())
    assert told == []


def test_what_was_detected_anew_and_what_another_network_sees_is_measured_anew(search, sqlite_store):
    first, _ = add(sqlite_store, 2)
    search()
    with sqlite_store.write() as db:
        db.get_one(Candidate, first).flux = 3.0
        db.get_one(Cutout, first).pixels = pack(cutouts(77, peak=30.0))
    found = search()
    assert search.anew == 1
    bare = Search(sqlite_store, search.settings)
    bare.classifier = Classifier.of({})
    assert len(bare()[1]) == 3
    assert bare.anew == 2
    same(found, search())
    assert search.anew == 0


def test_two_stores_in_one_home_are_kept_apart(search, sqlite_store, tmp_path, monkeypatch):
    add(sqlite_store, 1)
    search()
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/of/another.db")
    other = Search(sqlite_store, load(None))
    other()
    assert other.anew == 1
    assert len(search.files) == 2


@pytest.mark.parametrize("damage", ["cut", "turned", "text", "shape", "kind", "infinite", "nothing"])
def test_a_file_that_is_damaged_is_measured_anew_without_a_word(search, sqlite_store, damage, capfd):
    add(sqlite_store, 3)
    before = search()
    (file,) = search.files
    whole = file.read_bytes()
    with np.load(file) as found:
        arrays = dict(found)
    if damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "turned":
        place = whole.index(arrays["table"].tobytes()[:64])
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    elif damage == "text":
        file.write_text("not for you")
    elif damage == "nothing":
        file.write_bytes(b"")
    else:
        changed = {
            "shape": {"table": arrays["table"][:, 1:]},
            "kind": {"table": arrays["table"].astype(np.float64)},
            "infinite": {"table": np.full_like(arrays["table"], np.inf)},
        }[damage]
        np.savez(file, **(arrays | changed))
    same(before, search())
    assert search.anew == 3
    same(before, search())
    assert search.anew == 0
    assert capfd.readouterr() == ("", "")


def test_what_another_process_keeps_meanwhile_stays(search, sqlite_store, monkeypatch):
    add(sqlite_store, 2)
    search()
    third, _ = add(sqlite_store, 2)
    both, one = candidates_alike(sqlite_store, tag=None), []
    does = module._measure

    def meanwhile(store, classifier, rows):
        if not one:
            one.append(True)
            measured(store, search.settings, classifier, both[:3], lambda *_: None)
        return does(store, classifier, rows)

    monkeypatch.setattr(module, "_measure", meanwhile)
    some = [row for row in both if row.candidate_id != third]
    measured(sqlite_store, search.settings, search.classifier, some, lambda *_: None)
    assert len(search()[0]) == 4
    assert search.anew == 0


def test_a_disk_that_is_full_costs_the_next_search_time_and_nothing_else(search, sqlite_store, monkeypatch):
    add(sqlite_store, 2)
    before = search()
    add(sqlite_store, 1)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        assert len(search()[0]) == 3
    assert len(search()[0]) == 3
    assert search.anew == 1
    assert not [each for each in search.files[0].parent.iterdir() if each.suffix == ".part"]
    same(before, [[*before[0]], [table[:2] for table in search()[1]]])


def test_nothing_is_kept_where_nothing_shall_be_changed(search, sqlite_store):
    add(sqlite_store, 2)
    search(is_kept=False)
    assert not (search.settings.home / FOLDER).exists()


def test_damaged_cutouts_are_left_out(search, sqlite_store):
    first, second, third = add(sqlite_store, 3)
    with sqlite_store.write() as db:
        db.get_one(Cutout, second).pixels = b"AC damaged"
    for anew in (3, 1):
        assert [row.candidate_id for row in search()[0]] == [first, third]
        assert search.anew == anew
    with sqlite_store.write() as db:
        for key in (first, third):
            db.get_one(Candidate, key).is_current = False
    assert search() == ([], [])


def test_what_was_not_used_for_long_goes_where_all_takes_too_much_room(search, sqlite_store, monkeypatch):
    add(sqlite_store, 1)
    search()
    (old,) = search.files
    os.utime(old, (1.0, 1.0))
    monkeypatch.setattr(module, "MOST_BYTES", 1.0)
    search.classifier = Classifier.of({})
    search()
    assert len(search.files) == 1
    assert old not in search.files


def test_a_search_that_is_killed_loses_nothing_that_was_measured(search, sqlite_store):
    for first in (1, 1001, 2001, 3001):
        add(sqlite_store, 1, first=first)
    words = [sys.executable, "-m", "astrid_tui", "candidates", "search", "--json", "--lines"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if json.loads(line).get("measured") == 1:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert len(search()[0]) == 4
    assert 1 <= search.anew <= 3
    search()
    assert search.anew == 0
