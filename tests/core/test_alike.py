"""The search for more of a kind by example: what is an example, what is none, and what is found."""

import numpy as np
import pytest

from core.database.tables import Candidate, Cutout
from core.review.alike import SearchError, candidates_alike, packed_cutouts
from core.review.cutouts import Cutouts, pack, unpack
from core.review.verdicts import annotate, decide
from core.vocabulary import Label
from pipeline.classify.survey_cutouts import of_sources
from pipeline.training import measured
from tests.astrid_tui.command import Command
from tests.core.rows import ADA, add_candidate, add_object, judge

SIDE = 63


def add(store, *, odd: bool, seed: int) -> int:
    """A candidate whose cutouts show a point, or a ring."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    r = np.hypot(x, y)
    shape = 30 * np.exp(-((r - 9) ** 2) / 4) if odd else 30 * np.exp(-(r**2) / 6)
    noise = np.random.default_rng(seed).standard_normal((3, SIDE, SIDE))
    planes = (noise + np.stack([shape, np.zeros_like(shape), shape])).astype(np.float32)
    key = add_candidate(store, add_object(store))
    with store.write() as db:
        db.add(Cutout(candidate_id=key, pixels=pack(Cutouts(*planes))))
    return key


def words(store, **more):
    return {row.candidate_id: row.is_wanted for row in candidates_alike(store, **more)}


def test_tags_and_verdicts_say_what_is_an_example(store):
    ring, point, other = (add(store, odd=n == 0, seed=n) for n in range(3))
    who = {"session": "s", "reviewer": "ann"}
    annotate(store, candidate_id=ring, tags=["ghost"], note=None, **who)
    decide(store, candidate_id=point, label=Label.REAL, shown={}, **who)
    assert words(store, tag="ghost") == {ring: True, point: False, other: None}
    for label in (Label.INDETERMINATE, Label.SNOOZE, Label.ASK_EXPERT):  # they take no side
        decide(store, candidate_id=other, label=label, shown={}, **who)
        assert words(store, tag="ghost") == {ring: True, point: False, other: None}
    assert words(store, tag="#ghost", like=[other], unlike=[ring]) == {ring: False, point: False, other: True}
    assert words(store, tag=None) == {ring: None, point: None, other: None}
    assert words(store, tag="ghost", filters="snr>1000") == {ring: True}
    with pytest.raises(SearchError, match="candidate 999"):
        candidates_alike(store, tag=None, like=[999])


def test_a_word_that_is_a_verdict_names_what_was_judged_so_too(store):
    dipole, tagged, real, other = (add(store, odd=False, seed=n) for n in range(4))
    judge(store, dipole, Label.DIPOLE)
    judge(store, real, Label.REAL)
    annotate(store, candidate_id=tagged, tags=["dipole"], note=None, **ADA)
    assert words(store, tag="dipole") == {dipole: True, tagged: True, real: False, other: None}
    assert words(store, tag="#Dipole", unlike=[dipole]) == {
        dipole: False, tagged: True, real: False, other: None
    }  # fmt: skip


def test_what_bears_no_tag_is_no_kind(store):
    add(store, odd=False, seed=0)
    for word in ("none", "#None"):
        with pytest.raises(SearchError, match="no kind to look for"):
            words(store, tag=word)


def test_of_the_queue_only_what_awaits_is_compared_by_the_candidate_that_its_card_shows(store):
    best, judged, asked = (add(store, odd=False, seed=n) for n in range(3))
    with store.write() as db:
        both = db.get_one(Candidate, best).sky_object_id
    weaker = add_candidate(store, both, score=1.0, frame="other.fits")
    with store.write() as db:
        db.add(Cutout(candidate_id=weaker, pixels=packed_cutouts(store, [best])[best]))
    judge(store, judged, Label.REAL)
    judge(store, asked, Label.ASK_EXPERT)
    assert set(words(store, tag=None)) == {best, weaker, judged, asked}
    assert set(words(store, tag=None, is_queue=True)) == {best, asked}
    assert set(words(store, tag=None, is_queue=True, asker="ada")) == {best}
    assert words(store, tag=None, is_queue=True, asker="ada", like=[judged]) == {best: None, judged: True}
    assert set(words(store, tag=None, is_queue=True, filters="frame:other.fits")) == {weaker}
    assert set(words(store, tag=None, is_queue=True, limit=1)) == {asked}
    assert words(store, tag="ghost", is_queue=True, asker="ada") == {best: None, judged: False}


def test_a_stamp_is_another_where_another_thing_was_detected(store):
    key = add(store, odd=False, seed=1)
    (before,) = candidates_alike(store, tag=None)
    with store.write() as db:
        db.get_one(Candidate, key).snr = 9.5
    (after,) = candidates_alike(store, tag=None)
    assert before.stamp != after.stamp
    assert 0 <= after.stamp < 2**64


def test_candidates_are_compared_by_what_the_models_saw(sqlite_store, tmp_path, monkeypatch, capsys):
    """A survey's coarse pixels are made finer for models, and so they are here."""
    keys = [add(sqlite_store, odd=n % 2 == 0, seed=n) for n in range(4)]
    with sqlite_store.write() as db:
        for key in keys[1:]:
            db.get_one(Candidate, key).source = "ztf"
    rows = candidates_alike(sqlite_store, tag=None)
    assert [row.source for row in rows] == ["astrid", "ztf", "ztf", "ztf"]
    seen = []
    nothing = np.zeros((4, 1), np.float32)
    monkeypatch.setattr(measured, "compared_by", lambda found, _: seen.append(found) or (nothing,))
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    Command(monkeypatch, capsys.readouterr)("candidates", "search")
    packed = packed_cutouts(sqlite_store, keys)
    wanted = of_sources([unpack(packed[row.candidate_id]) for row in rows], [row.source for row in rows])
    for ours, theirs in zip(seen[0].planes, wanted.planes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_looks_like_the_example_comes_first(sqlite_store, tmp_path, monkeypatch, capsys):
    rings = [add(sqlite_store, odd=True, seed=n) for n in range(6)]
    points = [add(sqlite_store, odd=False, seed=100 + n) for n in range(14)]
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    astrid = Command(monkeypatch, capsys.readouterr)
    examples = ["--like", rings[0], "--like", rings[1]]
    told = astrid.json("candidates", "search", *examples, "--unlike", points[0], "--limit", 4)
    assert (told["examples"], told["others"]) == (2, 1)
    assert {each["id"] for each in told["candidates"]} == set(rings[2:])
    assert "no example yet" not in astrid.said
    astrid("candidates", "search", "--limit", 3)
    assert "the oddest come first" in astrid.said
    astrid("candidates", "search", "--filter", "snr>1000", code=1)
    assert "no candidate with cutouts" in astrid.said
