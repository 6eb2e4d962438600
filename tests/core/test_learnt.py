"""What a sitting teaches a search by example."""

import pytest

from core.database.tables import Candidate, Cutout
from core.review.cutouts import pack
from core.review.learnt import learnt, newest_row
from core.review.retractions import undo
from core.review.verdicts import annotate
from core.vocabulary import Label
from tests.builders import cutouts
from tests.core.rows import ADA, add_candidate, judge

PIXELS = pack(cutouts())


@pytest.fixture
def four(store):
    """Four candidates with cutouts."""
    keys = [add_candidate(store) for _ in range(4)]
    with store.write() as db:
        for key in keys:
            db.add(Cutout(candidate_id=key, pixels=PIXELS))
    return keys


def told(store, examples, **more):
    found = learnt(store, examples, **({"session": "s", "since": 0} | more))
    return list(found.like), list(found.unlike)


def test_what_is_judged_as_the_example_is_one_and_what_is_judged_otherwise_is_none(store, four):
    example, same, other, unsure = four
    judge(store, example, Label.DIPOLE)
    judge(store, same, Label.DIPOLE)
    judge(store, other, Label.ARTEFACT)
    judge(store, unsure, Label.INDETERMINATE)
    assert told(store, [example]) == ([example, same], [other])
    undo(store, **ADA)
    undo(store, **ADA)
    assert told(store, [example]) == ([example, same], [])
    judge(store, same, Label.REAL)
    assert told(store, [example]) == ([example], [same])


def test_verdicts_teach_nothing_while_nobody_knows_what_the_example_is(store, four):
    example, *others = four
    for label in (None, Label.INDETERMINATE):
        if label is not None:
            judge(store, example, label)
        judge(store, others[0], Label.DIPOLE)
        assert told(store, [example]) == ([example], [])


def test_a_tag_of_an_example_makes_one_whatever_the_verdict(store, four):
    example, same, other, _ = four
    annotate(store, candidate_id=example, note=None, tags=["ghost"], **ADA)
    judge(store, example, Label.ARTEFACT)
    judge(store, same, Label.REAL)
    annotate(store, candidate_id=same, note=None, tags=["Ghost"], **ADA)
    annotate(store, candidate_id=other, note="nothing", tags=["bright"], **ADA)
    assert told(store, [example]) == ([example, same], [])


def test_a_word_is_a_tag_or_a_verdict(store, four):
    tagged, same, other, _ = four
    annotate(store, candidate_id=tagged, note=None, tags=["dipole"], **ADA)
    judge(store, same, Label.DIPOLE)
    judge(store, other, Label.REAL)
    assert told(store, [], tag="#Dipole") == ([tagged, same], [other])


def test_only_what_was_said_at_this_sitting_since_counts(store, four):
    example, before, after, elsewhere = four
    judge(store, example, Label.DIPOLE)
    judge(store, before, Label.DIPOLE)
    since = newest_row(store)
    judge(store, after, Label.DIPOLE)
    annotate(store, candidate_id=elsewhere, note=None, tags=["dipole"], session="t", reviewer="eve")
    assert told(store, [example], since=since) == ([example, after], [])
    assert newest_row(store) == since + 2


def test_what_counts_no_longer_is_neither(store, four):
    example, same, other, _ = four
    judge(store, example, Label.DIPOLE)
    judge(store, same, Label.DIPOLE)
    judge(store, other, Label.REAL)
    with store.write() as db:
        for key in (same, other):
            db.get_one(Candidate, key).is_current = False
    assert told(store, [example]) == ([example], [])
