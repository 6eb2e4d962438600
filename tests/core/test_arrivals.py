"""Zones of scores, and the note that something of a high score arrived."""

import pytest

from core.models import versions
from core.review import arrivals, saved_filters
from core.review.candidates import page
from core.review.filter_help import explained
from core.review.filters import FilterError, parse
from core.review.real_rows import real_candidates
from core.review.verdicts import decide
from core.review.waiting import queue_count
from core.review.zones import SHIPPED, Limits, Zone, bounds, limits_in_use
from core.settings_sections import ReviewSettings
from core.vocabulary import Label
from screens.frame.notice import Arriving, escape
from screens.terminal import Terminal
from tests.core.rows import add_candidate, add_object


def test_every_score_is_in_one_zone(store):
    scores = (0.0, SHIPPED.reject_below, 0.3, SHIPPED.fast_above, 1.0)
    keys = {add_candidate(store, score=score): score for score in scores}
    found = {zone: {row["id"] for row in page(store, filters=f"zone:{zone}").rows} for zone in Zone}
    assert sorted(key for ids in found.values() for key in ids) == sorted(keys)
    assert {keys[key] for key in found[Zone.FAST]} == {SHIPPED.fast_above, 1.0}
    assert {keys[key] for key in found[Zone.REJECT]} == {0.0}
    assert bounds(Zone.HUMAN) == (SHIPPED.reject_below, SHIPPED.fast_above)
    with pytest.raises(FilterError, match="fast, human, reject"):
        parse("zone:good")


def test_what_no_model_scored_is_for_people_however_significant(store):
    """It has |snr| in place of a score, which is beyond all probabilities."""
    unscored, sure = add_candidate(store, score=14.6), add_candidate(store, score=1.0)
    for order in ("-score", "-mjd"):
        found = {
            zone: {row["id"] for row in page(store, filters=f"zone:{zone}", order=order).rows}
            for zone in Zone
        }
        assert found == {Zone.FAST: {sure}, Zone.HUMAN: {unscored}, Zone.REJECT: set()}


def use_ensemble(store, digest, **config):
    made = versions.add(
        store, name="ensemble", digest=digest * 64, origin="training", created_by="ann",
        description={"config": config},
    )  # fmt: skip
    versions.promote(store, "ensemble", made.number, by="ann")


def test_zones_end_where_the_ensemble_in_use_keeps_its_budget(store):
    sure, likely, unlikely, hopeless = (add_candidate(store, score=s) for s in (0.9999, 0.997, 0.0012, 1e-4))

    def found():
        return [{row["id"] for row in page(store, filters=f"zone:{zone}").rows} for zone in Zone]

    assert found() == [{sure, likely}, set(), {unlikely, hopeless}]
    use_ensemble(store, "a", fast_above=0.999, reject_below=0.001)
    assert found() == [{sure}, {likely, unlikely}, {hopeless}]
    assert queue_count(store, filters="zone:fast") == 1
    assert queue_count(store, filters="-zone:fast") == 3
    assert queue_count(store, filters="(zone:fast or zone:reject)") == 2
    assert [each.record["id"] for each in real_candidates(store, filters="zone:fast")] == [sure]
    assert explained("zone:fast", saved_filters.offered(store, reviewer="ann")) == "score from 0.999"
    assert explained("-(zone:fast or snr>9)", saved_filters.offered(store, reviewer="ann")).startswith(
        "not (score from 0.999 or"
    )
    versions.rollback(store, "ensemble", by="ann")
    assert found() == [{sure, likely}, set(), {unlikely, hopeless}]


def test_the_fields_of_an_ensemble_of_ones_own_only_narrow_the_zones(store):
    """They would have let the one that came be surer than it was on fields that no training saw."""
    use_ensemble(store, "a", fast_above=0.5, reject_below=0.4)
    with store.read() as db:
        assert limits_in_use(db) == SHIPPED
    use_ensemble(store, "b", fast_above=1.0, reject_below=0.0)  # no score was known to be so sure
    with store.read() as db:
        assert limits_in_use(db) == Limits(0.0, 1.0)
    known = saved_filters.offered(store, reviewer="ann")
    assert explained("zone:reject", known) == "score below 0"
    for digest, wrong in zip("cdef", (None, "0.999", float("nan"), True), strict=True):
        use_ensemble(store, digest, fast_above=wrong, reject_below=wrong)
        with store.read() as db:
            assert limits_in_use(db) == SHIPPED


def test_what_arrives_above_the_score_is_told_once_and_not_too_often(store):
    now = [0.0]
    settings = ReviewSettings(notify="desktop", notify_above=0.9, notify_every_s=60.0)
    arriving = Arriving(store, settings, lambda: now[0])
    add_candidate(store, score=0.99)
    assert arriving.look() is None  # it was there before
    add_candidate(store, score=0.5)
    assert arriving.look() is None
    add_candidate(store, add_object(store, name="A\x1b]0;x\x07"), score=0.95)
    add_candidate(store, add_object(store, name="B"), score=0.97)
    told = arriving.look()
    assert told == "AstrID: B and 1 more to look at, score 0.97"
    add_candidate(store, add_object(store, name="C"), score=1.0)
    now[0] = 30.0
    assert arriving.look() is None
    now[0] = 61.0
    assert "C to look at" in arriving.look()
    assert arriving.look() is None


def test_what_was_judged_meanwhile_is_no_news(store):
    before = arrivals.newest(store)
    key = add_candidate(store, score=0.99)
    assert arrivals.since(store, before, 0.9).count == 1
    decide(store, session="s", reviewer="ann", candidate_id=key, label=Label.REAL, shown={})
    assert arrivals.since(store, before, 0.9) is None


def test_what_no_model_scored_is_no_news_however_significant(store):
    before = arrivals.newest(store)
    add_candidate(store, add_object(store, name="A"), score=14.6)
    assert arrivals.since(store, before, 0.9) is None
    add_candidate(store, add_object(store, name="B"), score=1.0)
    assert arrivals.since(store, before, 0.9) == arrivals.Arrivals(1, "B", 1.0)


def test_nothing_is_asked_where_nobody_wants_to_know(store):
    arriving = Arriving(store, ReviewSettings())
    assert arriving.look() is None
    add_candidate(store, score=1.0)
    assert arriving.look() is None


def test_the_note_is_one_sequence_that_text_cannot_end():
    assert escape("x", "bell", Terminal()) == "\a"
    assert escape("AstrID: a;b", "desktop", Terminal()) == "\x1b]9;AstrID: a,b\a"
    assert escape("x", "desktop", Terminal(in_tmux=True)) == "\x1bPtmux;\x1b\x1b]9;x\a\x1b\\"
    assert escape("x", "desktop", Terminal(in_screen=True)) == "\x1bP\x1b]9;x\a\x1b\\"
