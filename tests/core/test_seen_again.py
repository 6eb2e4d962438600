"""What was judged bogus and is detected again so clearly that it must be looked at again."""

import pytest
from sqlmodel import col, select

from core.database.tables import InjectedSource, Reference, SkyObject
from core.objects.moving import settle
from core.objects.seen_again import Rule, wake_contradicted
from core.review.cards import hidden, read_card
from core.review.retractions import redo, undo
from core.review.verdicts import decide, decide_together
from core.review.waiting import queue_page
from core.vocabulary import Label
from tests.core.frames import add_frames, add_reference, candidate, done, process
from tests.core.rows import add_candidate, add_difference, add_object

ADA = {"session": "s", "reviewer": "ada"}
CLEAR = {"snr": 30.0, "score": 1.0, "scores": {"ensemble": 0.999}}


def judged(store, label=Label.DIPOLE, **facts):
    """An object with one detection of 8 sigma that was judged."""
    sky_object = add_object(store, **facts)
    candidate = add_candidate(store, sky_object, mjd=60000.0, snr=8.0, scores={"ensemble": 0.2})
    decide(store, **ADA, candidate_id=candidate, label=label, shown={"snr": 8.0})
    return sky_object


def seen(store, sky_object, days=1.0, rule=Rule(), **facts):  # noqa: B008 it cannot change
    add_candidate(store, sky_object, mjd=60000.0 + days, **CLEAR | facts)
    with store.write() as db:
        return wake_contradicted(db, [sky_object], 60000.0 + days, rule)


def waits(store, sky_object):
    return sky_object in [row.object_id for row in queue_page(store).rows]


@pytest.mark.parametrize(
    ("label", "facts", "comes_back"),
    [
        (Label.DIPOLE, {}, True),
        (Label.ARTEFACT, {"snr": -30.0}, True),
        (Label.POOR_SUBTRACTION, {"snr": 16.0, "scores": {"ensemble": 0.9}}, True),
        (Label.INDETERMINATE, {}, True),
        (Label.DIPOLE, {"scores": {"realbogus": 0.95}}, True),
        (Label.DIPOLE, {"snr": 15.9}, False),
        (Label.DIPOLE, {"scores": {"ensemble": 0.89, "realbogus": 1.0}}, False),
        (Label.DIPOLE, {"scores": {}}, False),
        (Label.DIPOLE, {"days": 0.0}, False),
        (Label.DIPOLE, {"is_current": False}, False),
        (Label.SUPERNOVA, {}, False),
        (Label.SNOOZE, {}, False),  # that comes back by any detection, elsewhere
    ],
)
def test_only_a_clear_detection_later_contradicts(store, label, facts, comes_back):
    sky_object = judged(store, label)
    assert not waits(store, sky_object)
    assert (seen(store, sky_object, **facts) == [sky_object]) is comes_back
    assert waits(store, sky_object) is comes_back


def test_the_rule_is_the_settings(sqlite_store):
    sky_object = judged(sqlite_store)
    assert seen(sqlite_store, sky_object, rule=Rule(score=0.9, times=4.0)) == []
    assert seen(sqlite_store, sky_object, days=2.0, rule=Rule(score=0.9, times=3.0)) == [sky_object]


def test_an_injected_source_never_comes_back(store):
    first, second = judged(store, injected=True), judged(store)
    add_difference(store)
    with store.write() as db:
        reference = db.scalar(select(col(Reference.id)))
        source = {
            "x": 1.0,
            "y": 1.0,
            "mjd": 60000.0,
            "flux": 1.0,
            "mag_per_day": 0.0,
            "snr": 9.0,
            "host": "none",
        }
        db.add(InjectedSource(sky_object_id=second, reference_id=reference, **source))
    assert seen(store, first) == seen(store, second) == []


def test_the_card_says_what_was_judged_and_what_was_seen(sqlite_store):
    sky_object = judged(sqlite_store)
    assert read_card(sqlite_store, sky_object).seen_again is None
    seen(sqlite_store, sky_object)
    card = read_card(sqlite_store, sky_object)
    assert card.seen_again == "judged dipole at 8 sigma; seen again at 30 sigma, score 1.00"
    assert hidden(card, keep="ada").seen_again == card.seen_again
    assert hidden(card, keep="bob").seen_again is hidden(card).seen_again is None


def test_what_came_back_is_decided_anew_and_waits_again_after_an_undo(store):
    sky_object, other = judged(store), judged(store, Label.ARTEFACT)
    seen(store, sky_object)
    candidate = read_card(store, sky_object).candidate_id
    decide(store, **ADA, candidate_id=candidate, label=Label.SUPERNOVA, shown={"snr": 30.0})
    assert not waits(store, sky_object)
    undo(store, **ADA)
    assert waits(store, sky_object)
    redo(store, **ADA)
    assert not waits(store, sky_object)
    undo(store, **ADA)
    decide_together(store, **ADA, candidate_ids=[candidate], label=Label.DIPOLE, shown={})
    assert not waits(store, sky_object)
    assert not waits(store, other)
    undo(store, **ADA)
    assert waits(store, sky_object)
    undo(store, **ADA)  # the verdict on the other one
    assert waits(store, other)
    redo(store, **ADA)
    assert not waits(store, other)
    with store.write() as db:
        settle(db, [sky_object, other])
        rows = [db.get_one(SkyObject, key).review_state for key in (sky_object, other)]
    assert rows == ["unreviewed", "bogus"]


def test_only_what_a_new_frame_has_seen_comes_back(sqlite_store):
    one, other = judged(sqlite_store), judged(sqlite_store)
    add_candidate(sqlite_store, other, mjd=60000.5, **CLEAR)
    assert seen(sqlite_store, one) == [one]
    assert not waits(sqlite_store, other)


def test_it_still_waits_when_somebody_takes_back_what_they_said_before(store):
    sky_object = add_object(store)
    candidate = add_candidate(store, sky_object, mjd=60000.0, snr=8.0, scores={"ensemble": 0.2})
    decide(store, **ADA, candidate_id=candidate, label=Label.REAL, shown={"snr": 8.0})
    bob = {"session": "t", "reviewer": "bob"}
    decide(store, **bob, candidate_id=candidate, label=Label.DIPOLE, shown={"snr": 8.0})
    assert seen(store, sky_object) == [sky_object]
    assert undo(store, **ADA) is not None
    assert waits(store, sky_object)


def test_a_frame_that_detects_it_clearly_brings_it_back(sqlite_store):
    store = sqlite_store
    reference = add_reference(store).id
    add_frames(store, 1, 2, 3)
    process(store, done(reference, candidate(snr=8.0, scores={"ensemble": 0.3})))
    judge = {"candidate_id": 1, "label": Label.DIPOLE, "shown": {"snr": 8.0}}
    decide(store, **ADA, **judge)
    process(store, done(reference, candidate(snr=9.0, scores={"ensemble": 0.99})))
    assert queue_page(store).rows == ()
    process(store, done(reference, candidate(snr=30.0, scores={"ensemble": 0.99})))
    (row,) = queue_page(store).rows
    assert row.snr == 30.0


def test_the_clearest_that_anybody_judged_counts(store):
    """Of two who confirm an artefact together one judged it at 30 sigma, the other later at 8."""
    sky_object = add_object(store)
    clear = add_candidate(store, sky_object, mjd=60000.0, snr=-30.0, scores={"ensemble": 0.99})
    faint = add_candidate(store, sky_object, mjd=60000.1, snr=8.0, scores={"ensemble": 0.2})
    decide(store, **ADA, candidate_id=clear, label=Label.ARTEFACT, shown={"snr": -30.0})
    bob = {"session": "t", "reviewer": "bob"}
    decide(store, **bob, candidate_id=faint, label=Label.DIPOLE, shown={"snr": 8.0})
    assert seen(store, sky_object, snr=31.0) == []
    assert not waits(store, sky_object)
    assert seen(store, sky_object, days=2.0, snr=60.0) == [sky_object]
    assert read_card(store, sky_object).seen_again == (
        "judged dipole at 30 sigma; seen again at 60 sigma, score 1.00"
    )
    undo(store, **ADA)  # of what stands, 8 sigma is the most now
    decide(store, **bob, candidate_id=faint, label=Label.DIPOLE, shown={"snr": 8.0})
    assert seen(store, sky_object, days=3.0, snr=31.0) == [sky_object]
