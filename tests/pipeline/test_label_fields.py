"""Windows of labelled frames: the frame as it is subtracted, told at the labels, and each made once."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import select

from core.database.store import Store, open_store
from core.database.tables import Candidate, Observation, Reference
from core.settings import Settings
from core.vocabulary import Label
from pipeline.training import field_cache, label_fields, label_window
from pipeline.training.agreed_candidates import AgreedCandidate
from pipeline.training.fields import ARTEFACT, DARK, POINT, UNTOLD
from pipeline.training.label_fields import LabelledFrame, held_frames
from pipeline.training.outdated import outdated
from tests.pipeline.labelled_night import candidates, judge, processed

RADIUS_PX = 12  # beyond which no pixel belongs to a label


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> tuple[Settings, bytes]:
    settings = processed(tmp_path_factory.mktemp("night"))
    return settings, (settings.home / "astrid.db").read_bytes()


@pytest.fixture
def night(template, tmp_path):
    settings, content = template
    (tmp_path / "astrid.db").write_bytes(content)
    with closing(open_store(f"sqlite:///{tmp_path / 'astrid.db'}")) as store:
        yield store, settings


def windows_of(store: Store, settings: Settings, folder: Path, stopped=lambda: False):
    labels = label_fields.labels_of(store, settings)
    return label_fields.make(folder, labels, settings, lambda *_: None, stopped)


def labelled(store: Store) -> list[Candidate]:
    """A bogus and a real one for each frame; of the real one object is on both, fainter than before."""
    chosen: list[Candidate] = []
    for frame in (1, 2):
        some = [each for each in candidates(store) if each.observation_id == frame]
        chosen += [some[0], some[-1]]
        judge(store, some[0], Label.DIPOLE)
        judge(store, some[-1], Label.VARIABLE)
    return chosen


def test_only_pixels_at_labels_have_a_class_and_it_is_what_reviewers_say(night, tmp_path):
    store, settings = night
    chosen = labelled(store)
    found = windows_of(store, settings, tmp_path / "w")
    assert found.told == {"learnt": 5, "held_out": 0, "frames": 2, "alerts": 0, "untold": 0}
    assert set(found.objects) == {f"object:{each.sky_object_id}" for each in chosen}
    seen = 0
    for path in found.learnt:
        made = field_cache.read(path)
        assert made.planes.shape[1:] == made.classes.shape == (256, 256)
        rows, columns = np.nonzero(made.classes != UNTOLD)
        distance = np.hypot(
            columns[:, None] - made.places[:, 0], rows[:, None] - made.places[:, 1]
        )  # to each label
        assert distance.min(axis=1).max() < RADIUS_PX
        for kind, (x, y, snr) in zip(made.kinds, made.places[:, :3], strict=True):
            real = DARK if snr < 0 else POINT
            assert made.classes[round(y), round(x)] == (real if kind == "real" else ARTEFACT)
            score = made.planes[3, round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
            assert np.abs(score).max() > np.arcsinh(3.0 / 3.0)  # what was detected is where it was
            seen += 1
    assert seen == 5


def test_a_window_of_a_smaller_frame_is_as_large_and_masked_where_the_frame_ends(
    night, tmp_path, monkeypatch
):
    store, settings = night
    labelled(store)
    plain = [field_cache.read(path) for path in windows_of(store, settings, tmp_path / "w").learnt]
    monkeypatch.setattr(label_window, "WINDOW_PX", 320)
    found = [field_cache.read(path) for path in windows_of(store, settings, tmp_path / "larger").learnt]
    for one, other in zip(found, plain, strict=True):
        assert one.planes.shape == (5, 320, 320)
        assert np.array_equal(one.planes[:, :256, :256], other.planes)
        assert np.array_equal(one.classes[:256, :256], other.classes)
        beyond = np.ones((320, 320), dtype=bool)
        beyond[:256, :256] = False
        assert (one.classes[beyond] == UNTOLD).all()
        assert (one.planes[4, beyond] == 1).all()
        assert not one.planes[:4, beyond].any()


def test_each_window_is_made_once_and_a_training_that_was_stopped_has_the_same(night, tmp_path):
    store, settings = night
    labelled(store)
    whole = windows_of(store, settings, tmp_path / "whole")
    assert windows_of(store, settings, tmp_path / "part", stopped=lambda: True) is None
    before = {path: path.stat().st_ino for path in (tmp_path / "part").iterdir()}
    assert 0 < len(before) < len(whole.learnt)
    again = windows_of(store, settings, tmp_path / "part")
    assert {path: path.stat().st_ino for path in before} == before
    assert field_cache.digest(again.learnt) == field_cache.digest(whole.learnt)
    again.learnt[0].write_bytes(b"")  # what is damaged is made anew
    assert windows_of(store, settings, tmp_path / "part") == again
    assert field_cache.digest(again.learnt) == field_cache.digest(whole.learnt)
    label_fields.keep(again, tmp_path / "kept.json")
    home = tmp_path / "home"
    shutil.copytree(tmp_path / "part", home / "training" / "labels")
    first, *_ = sorted((home / "training" / "labels").iterdir())
    assert list(outdated(home, None)) == []
    os.utime(first, (0.0, 0.0))  # what no training used for long goes
    assert list(outdated(home, None)) == [first]
    judge(store, candidates(store)[1], Label.ARTEFACT)
    assert label_fields.kept(tmp_path / "kept.json", tmp_path / "part") == again
    assert field_cache.digest(windows_of(store, settings, tmp_path / "part").learnt) != field_cache.digest(
        whole.learnt
    )
    again.learnt[0].unlink()
    assert label_fields.kept(tmp_path / "kept.json", tmp_path / "part") is None


def test_what_cannot_be_subtracted_again_is_counted_and_the_rest_is_learnt(night, tmp_path):
    store, settings = night
    labelled(store)
    for path, content, why in (("none.fits", "", "gone"), (None, "other", "changed")):
        with store.write() as session:
            row = session.exec(select(Observation).where(Observation.id == 1)).one()
            row.path, row.content = (str(tmp_path / path) if path else row.path), content or row.content
            if why == "changed":
                row.path = session.exec(select(Observation).where(Observation.id == 2)).one().path
        told = windows_of(store, settings, tmp_path / why).told
        assert (told[why], told["learnt"], told["frames"]) == (3, 2, 1)


def test_what_judges_shares_no_object_night_or_field_with_what_is_learnt_of():
    random = np.random.default_rng(4)
    frames = []
    for number in range(120):
        night = f"camera:{number // 2}"
        some = tuple(
            AgreedCandidate(
                Candidate(), None, None, 1, "real", f"object:{number // 8}.{random.integers(9)}", night,
                f"label:M31:{number // 2}", "camera",
            )
            for _ in range(2)
        )  # fmt: skip
        frames.append(LabelledFrame(Observation(), Reference(), some))
    held = held_frames(frames)
    assert 0 < sum(held) < 60
    for name in ("group", "night", "field"):
        sides = [
            {getattr(each, name) for frame, is_held in zip(frames, held, strict=True) if is_held is side
             for each in frame.candidates}
            for side in (True, False)
        ]  # fmt: skip
        assert not sides[0] & sides[1]
