"""What several reviewers say of the same objects."""

import random
import time

import pytest

from core.database.tables import Candidate
from core.review.agreement import (
    ExpertError,
    agreement,
    asked,
    assign,
    cohens_kappa,
    must_be_known,
    reliability,
    said_by_others,
    settled,
    standings,
)
from core.review.cards import hidden, read_card
from core.review.filter_help import completions
from core.review.open_cards import close_card, keep_open, others
from core.review.pace import FEWEST
from core.review.retractions import undo
from core.review.saved_filters import expanded, offered
from core.review.verdicts import annotate, decide
from core.review.waiting import queue_count, queue_page
from core.vocabulary import Label, ReviewState
from tests.core.rows import add_candidate, add_object
from tests.core.test_filters import matching

RULE = {"experts": ["eve"], "needed": 2}


def judge(store, who, candidate, label, **more):
    decide(store, session=who, reviewer=who, candidate_id=candidate, label=label, shown={}, **more)


def test_kappa_of_a_known_table():
    # Cohen (1960) in the common example: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([("y", "n"), ("n", "y")]) == pytest.approx(-1.0)
    assert cohens_kappa([("y", "y")] * 9) is None
    assert cohens_kappa([]) is None


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ({"ada": "real"}, (None, None, False)),
        ({"ada": "real", "bob": "supernova"}, (ReviewState.REAL, "votes", False)),
        ({"ada": "real", "bob": "dipole"}, (None, None, True)),
        ({"ada": "real", "bob": "dipole", "eve": "variable"}, (ReviewState.REAL, "expert", False)),
        ({"eve": "dipole"}, (ReviewState.BOGUS, "expert", False)),
        ({"ada": "real", "eve": "indeterminate"}, (None, None, False)),
        ({"ada": "snooze", "bob": "ask-expert"}, (None, None, False)),
    ],
)
def test_the_rule_for_what_is_confirmed(votes, verdict):
    assert settled(votes, **RULE) == verdict


def test_two_experts_who_differ_leave_it_disputed():
    votes = {"eve": "real", "dan": "dipole"}
    assert settled(votes, experts=["eve", "dan"], needed=1) == (None, None, True)


def test_disputes_last_until_an_expert_settles_them(store):
    candidate = add_candidate(store)
    judge(store, "ada", candidate, Label.REAL)
    judge(store, "bob", candidate, Label.ARTEFACT)
    (found,) = standings(store, **RULE)
    assert found.is_disputed
    assert found.votes == {"ada": "real", "bob": "artefact"}
    judge(store, "eve", candidate, Label.SUPERNOVA)
    (found,) = standings(store, **RULE)
    assert (found.is_disputed, found.confirmed, found.by) == (False, ReviewState.REAL, "expert")
    undo(store, session="eve", reviewer="eve")
    judge(store, "bob", candidate, Label.REAL)
    (found,) = standings(store, **RULE)
    assert (found.confirmed, found.by) == (ReviewState.REAL, "votes")


def test_agreement_and_reliability_of_reviewers(store):
    for i in range(FEWEST + 4):
        candidate = add_candidate(store)
        judge(store, "eve", candidate, Label.REAL if i % 2 else Label.DIPOLE)
        judge(store, "ada", candidate, Label.SUPERNOVA if i % 2 else Label.TRAIL)
        judge(store, "bob", candidate, Label.REAL if i % 4 else Label.TRAIL)
    settled_by_eve = add_candidate(store)
    judge(store, "eve", settled_by_eve, Label.REAL)
    judge(store, "bob", settled_by_eve, Label.SNOOZE)  # takes no side
    judge(store, "ada", add_candidate(store), Label.REAL)  # which nobody else has seen
    found = standings(store, **RULE)
    by_pair = {(pair.first, pair.second): pair for pair in agreement(found)}
    assert by_pair["ada", "eve"].kappa == pytest.approx(1.0)
    assert by_pair["ada", "bob"].kappa == pytest.approx(0.5)
    shares = reliability(found, **RULE)
    assert (shares["ada"].share, shares["ada"].n) == (1.0, FEWEST + 4)
    assert (shares["bob"].share, shares["bob"].n) == (0.75, FEWEST + 4)
    assert agreement(found[: FEWEST - 1])[0].kappa is None


def test_an_expert_is_asked_assigned_and_answers(store):
    first, second = add_candidate(store), add_candidate(store)
    judge(store, "ada", second, Label.ASK_EXPERT, note="odd colour")
    judge(store, "ada", first, Label.ASK_EXPERT)
    judge(store, "bob", second, Label.ASK_EXPERT, note="is it?")
    undo(store, session="bob", reviewer="bob")
    waiting = asked(store)
    assert [(each.candidate_id, each.asked_by, each.note) for each in waiting] == [
        (second, "ada", "odd colour"),
        (first, "ada", None),
    ]
    assert [each.candidate_id for each in asked(store, limit=1)] == [second]
    assign(store, waiting[0].object_id, "dan", by="ada", at=time.time(), session="ada")
    assign(store, waiting[0].object_id, "eve", by="ada", at=time.time(), session="ada")
    assert [each.candidate_id for each in asked(store, expert="eve")] == [second]
    assert asked(store, expert="dan") == []
    judge(store, "eve", second, Label.REAL)
    assert [each.candidate_id for each in asked(store)] == [first]
    with pytest.raises(ExpertError, match="no sky object"):
        assign(store, 10**6, "eve", by="ada", at=1.0, session="ada")


def test_who_has_answered_is_not_asked_again_by_a_later_question_to_anybody(store):
    candidate = add_candidate(store)
    judge(store, "ada", candidate, Label.ASK_EXPERT)
    number = asked(store)[0].object_id
    assign(store, number, "eve", by="ada", at=time.time(), session="ada")
    judge(store, "bob", candidate, Label.ASK_EXPERT)
    assert [each.expert for each in asked(store)] == ["eve"]  # who has not answered yet
    judge(store, "eve", candidate, Label.REAL)
    judge(store, "eve", candidate, Label.DIPOLE)  # on second thoughts, which ask nothing
    undo(store, session="eve", reviewer="eve")
    undo(store, session="eve", reviewer="eve")
    assert [each.expert for each in asked(store)] == ["eve"]
    judge(store, "eve", candidate, Label.REAL)
    judge(store, "bob", candidate, Label.ASK_EXPERT)
    assert [each.expert for each in asked(store)] == [None]
    assert read_card(store, number).expert is None


def test_an_object_is_escalated_and_its_expert_asked_at_once_or_not_at_all(store):
    candidate = add_candidate(store)
    judge(store, "bob", candidate, Label.REAL)
    number = standings(store, **RULE)[0].object_id
    name = assign(store, number, "eve", by="ada", at=time.time(), session="s")
    (waiting,) = asked(store, expert="eve")
    assert (waiting.candidate_id, waiting.asked_by, waiting.name) == (candidate, "ada", name)
    undo(store, session="s", reviewer="ada")
    assert asked(store) == []
    empty = add_object(store)
    with pytest.raises(ExpertError, match="no candidate"):
        assign(store, empty, "eve", by="ada", at=time.time(), session="s")
    assert asked(store) == []


def test_a_name_that_nobody_bears_is_refused_and_a_reviewer_who_is_no_expert_is_told(store):
    judge(store, "bob", add_candidate(store), Label.REAL)
    assert must_be_known(store, "eve", experts=["eve"], by="ada") == ""
    told = "bob is no expert by [review] experts, which names dan, eve"
    assert must_be_known(store, "bob", experts=["eve", "dan"], by="ada") == told
    assert "names nobody" in must_be_known(store, "ada", experts=[], by="ada")
    with pytest.raises(ExpertError, match=r"bobb is no expert .* gave no verdict yet"):
        must_be_known(store, "bobb", experts=["eve"], by="ada")


def test_filters_find_what_is_disputed_and_what_awaits_an_expert(store):
    labels = [Label.REAL, Label.DIPOLE, Label.SUPERNOVA, Label.INDETERMINATE, Label.ARTEFACT]
    lots = random.Random(7)
    candidates = [add_candidate(store) for _ in range(18)]
    for candidate in candidates:
        for who in ("ada", "bob", "eve", "dan", "ada")[: lots.randint(1, 5)]:
            judge(store, who, candidate, lots.choice(labels))
    undo(store, session="bob", reviewer="bob")
    for experts in ((), ("eve",), ("eve", "dan")):
        disputed = [e.object_id for e in standings(store, experts=experts) if e.is_disputed]
        terms = expanded(store, "disputed:yes", reviewer="ada", experts=experts)
        assert sorted(row.object_id for row in queue_page(store, filters=terms).rows) == disputed != []
        assert queue_count(store, filters=terms) == len(disputed)
        others = expanded(store, "disputed:no", reviewer="ada", experts=experts)
        assert len(matching(store, others)) == len(candidates) - len(disputed)
    first, second = candidates[:2]
    numbers = {e.candidate_id: e.object_id for e in standings(store)}
    assign(store, numbers[first], "ada", by="bob", at=1.0, session="bob")
    assign(store, numbers[second], None, by="bob", at=1.0, session="bob")
    assert matching(store, expanded(store, "expert:me", reviewer="ada")) == [first]
    assert matching(store, "expert:any") == [first]
    assert matching(store, "expert:none") == [second]
    assert [row.candidate_id for row in queue_page(store, filters="expert:ada").rows] == [first]


@pytest.mark.parametrize("name", ["Doe, Jane", 'the "hawk"', '"', "a (b)", 'o\'hara, "x", y'])
def test_an_expert_is_found_by_any_name(store, name):
    asked_of, settled_by, other = (add_candidate(store) for _ in range(3))
    for candidate in (settled_by, other):
        judge(store, "ada", candidate, Label.REAL)
        judge(store, "bob", candidate, Label.DIPOLE)
    judge(store, name, settled_by, Label.REAL)
    numbers = {e.candidate_id: e.object_id for e in standings(store)}
    with store.read() as db:
        awaiting = db.get_one(Candidate, asked_of).sky_object_id
    assign(store, awaiting, name, by="bob", at=1.0, session="bob")
    assert matching(store, expanded(store, "expert:me", reviewer=name)) == [asked_of]
    assert matching(store, expanded(store, "(expert:me)", reviewer=name)) == [asked_of]
    terms = expanded(store, "disputed:yes", reviewer="ada", experts=(name, "eve"))
    assert [row.object_id for row in queue_page(store, filters=terms).rows] == [numbers[other]]
    offered_words = completions("expert:", offered(store, reviewer="ada"))
    assert [asked_of] in [matching(store, each) for each in offered_words]


def test_an_open_card_is_told_to_others_until_it_is_left_or_its_time_is_over(store):
    add_candidate(store)
    add_candidate(store)
    keep_open(store, 1, session="a", reviewer="ada", seconds=60)
    assert others(store, 1, session="b") == ["ada"]
    assert others(store, 1, session="a") == []
    keep_open(store, 2, session="a", reviewer="ada", seconds=60)
    assert (others(store, 1, session="b"), others(store, 2, session="b")) == ([], ["ada"])
    close_card(store, session="a")
    assert others(store, 2, session="b") == []
    keep_open(store, 1, session="a", reviewer="ada", seconds=-1)
    assert others(store, 1, session="b") == []


def test_a_card_names_the_expert_who_was_asked_and_the_tags_that_stand(store):
    candidate = add_candidate(store)
    judge(store, "ada", candidate, Label.ASK_EXPERT, tags=["host"])
    annotate(store, session="bob", reviewer="bob", candidate_id=candidate, tags=["blue", "host"])
    number = asked(store)[0].object_id
    assert read_card(store, number).expert is None
    assign(store, number, "eve", by="ada", at=time.time(), session="ada")
    card = read_card(store, number)
    assert (card.expert, card.tags) == ("eve", ("host", "blue"))
    assert hidden(card, keep="eve").expert == "eve"
    blind = hidden(card, keep="bob")
    assert (blind.expert, blind.tags) == (None, ("blue", "host"))
    undo(store, session="ada", reviewer="ada")
    card = read_card(store, number)
    assert (card.expert, card.tags) == (None, ("blue", "host"))


def test_what_others_say_of_a_card_is_their_newest_side_that_stands(store):
    one, two = add_candidate(store), add_candidate(store)
    judge(store, "ada", one, Label.REAL)
    judge(store, "bob", one, Label.DIPOLE)
    judge(store, "bob", one, Label.ARTEFACT)
    judge(store, "cem", one, Label.INDETERMINATE)
    judge(store, "dee", one, Label.REAL)
    undo(store, session="dee", reviewer="dee")
    judge(store, "eve", two, Label.REAL)
    with store.read() as db:
        objects = [db.get_one(Candidate, one).sky_object_id]
    assert said_by_others(store, objects, "ada") == {"bob": "artefact"}
    assert said_by_others(store, objects, "bob") == {"ada": "real"}
    assert said_by_others(store, [], "bob") == {}
