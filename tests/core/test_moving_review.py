"""A tracklet under review: one card for one body, whatever happens to its objects."""

from __future__ import annotations

import io
import json

import pytest
from sqlalchemy import text
from sqlmodel import col, select, update

from core.database import migrations
from core.database.engine import make_engine, parse_url
from core.database.store import Store, open_store
from core.database.tables import Candidate, SkyObject
from core.models.drift_rows import NightSpan, judged
from core.objects.association import refresh
from core.objects.detail import read_object
from core.objects.object_list import object_page
from core.objects.tracklets import newest_night, nights, tracklets_of, write_tracklets
from core.review import names, waiting
from core.review.agreement import asked, assign, standings
from core.review.candidates import page, show
from core.review.cards import carriers, read_card
from core.review.chain import verify
from core.review.export import write_json_lines
from core.review.real_rows import real_candidates
from core.review.retractions import objects_of_step, redo, undo
from core.review.verdicts import annotate, decide, decide_together
from core.review.waiting import queue_count, queue_page
from core.vocabulary import Label, ReviewState
from tests.core.rows import add_candidate
from tests.core.test_tracklets import NIGHT, found, frames_of_a_night, linked_mover, one_mover


@pytest.fixture
def body(store: Store) -> tuple[Store, list[int], list[int]]:
    """A body of four detections and so four objects, and a star: the keys of the body's, in time."""
    candidates = linked_mover(store)
    return store, candidates, objects_of(store, candidates)


def objects_of(store: Store, candidates: list[int]) -> list[int]:
    with store.read() as db:
        by_id = {row.id: row.sky_object_id for row in db.exec(select(Candidate))}
    return [by_id[key] for key in candidates]


def states(store: Store, objects: list[int]) -> list[tuple[str, str | None]]:
    with store.read() as db:
        rows = {row.id: row for row in db.exec(select(SkyObject))}
    return [(rows[key].review_state, rows[key].review_label) for key in objects]


def words(store: Store, objects: list[int]) -> list[str]:
    return [state for state, _ in states(store, objects)]


def judge(store: Store, candidate: int, label: Label, reviewer: str = "ann"):
    return decide(
        store, session=reviewer, reviewer=reviewer, candidate_id=candidate, label=label, shown={"by": "test"}
    )


def queue(store: Store) -> set[int]:
    return {row.object_id for row in queue_page(store).rows}


LINKED = ["unreviewed", "linked", "linked", "linked"]


def test_a_body_is_one_row_of_the_queue_and_its_card_has_all_epochs(body) -> None:
    store, candidates, objects = body
    assert words(store, objects) == LINKED
    assert objects[0] in queue(store)
    assert not queue(store) & set(objects[1:])
    assert queue_count(store) == 2  # with the star
    card = read_card(store, objects[0])
    assert card.objects == tuple(objects)
    assert [epoch.candidate_id for epoch in card.epochs] == candidates[::-1]
    assert len(card.light_curve) == 4
    assert read_card(store, objects[0], candidates[2]).candidate_id == candidates[2]
    assert read_card(store, objects[3]).objects == tuple(objects)
    assert carriers(store, objects) == dict.fromkeys(objects, objects[0])
    assert queue_page(store, filters="tracklet:any").rows[0].object_id == objects[0]


@pytest.mark.parametrize("label", [Label.MOVING, Label.INDETERMINATE, Label.SNOOZE])
def test_a_verdict_on_any_detection_falls_on_all_and_undo_restores_all(body, label: Label) -> None:
    store, candidates, objects = body
    judge(store, candidates[2], label)
    assert len(set(states(store, objects))) == 1
    assert states(store, objects)[0][1] == label
    assert not queue(store) & set(objects)
    row = undo(store, session="ann", reviewer="ann")
    assert words(store, objects) == LINKED
    assert objects_of_step(store, row) == (objects[2],)
    redo(store, session="ann", reviewer="ann")
    assert [word for _, word in states(store, objects)] == [label] * 4
    assert verify(store) == []


def test_an_expert_is_asked_about_one_card(body) -> None:
    store, candidates, objects = body
    judge(store, candidates[1], Label.ASK_EXPERT)
    assert words(store, objects) == ["escalated", "linked", "linked", "linked"]
    (question,) = asked(store)
    judge(store, add_candidate(store), Label.ASK_EXPERT)
    assert asked(store, limit=1) == [question]
    assert (question.object_id, question.candidate_id, question.asked_by) == (
        objects[0],
        candidates[1],
        "ann",
    )


def test_a_bogus_verdict_judges_one_detection_and_the_rest_is_a_card_of_its_own(body) -> None:
    store, candidates, objects = body
    judge(store, candidates[0], Label.ARTEFACT)
    assert words(store, objects) == ["bogus", "unreviewed", "linked", "linked"]
    assert read_card(store, objects[1]).objects == tuple(objects[1:])
    assert [epoch.candidate_id for epoch in read_card(store, objects[0]).epochs] == candidates[:1]
    judge(store, candidates[3], Label.MOVING)
    assert words(store, objects) == ["bogus", "real", "real", "real"]
    undo(store, session="ann", reviewer="ann")
    undo(store, session="ann", reviewer="ann")
    assert words(store, objects) == LINKED
    judge(store, candidates[0], Label.ARTEFACT)
    judge(store, candidates[0], Label.MOVING)  # it is of the body after all
    assert words(store, objects) == ["real"] * 4


def test_many_decided_together_are_one_step(body) -> None:
    store, _, objects = body
    rows = queue_page(store).rows
    step = {"session": "ann", "reviewer": "ann"}
    decide_together(
        store, **step, candidate_ids=[row.candidate_id for row in rows], label=Label.MOVING, shown={}
    )
    assert words(store, objects) == ["real"] * 4
    assert queue_count(store) == 0
    undo(store, **step)
    assert words(store, objects) == LINKED
    assert queue_count(store) == len(rows) == 2


def test_states_follow_a_tracklet_that_grows_shrinks_and_goes(body) -> None:
    store, candidates, objects = body
    night = newest_night(store)
    write_tracklets(store, night, [found(*candidates[:2])])
    assert words(store, objects) == ["unreviewed", "linked", "unreviewed", "unreviewed"]
    judge(store, candidates[1], Label.MOVING)
    assert words(store, objects) == ["real", "real", "unreviewed", "unreviewed"]
    assert write_tracklets(store, night, [found(*candidates)]) == (1, 1)
    assert words(store, objects) == ["real"] * 4
    assert write_tracklets(store, night, [found(*candidates)]) == (0, 0)
    assert words(store, objects) == ["real"] * 4
    write_tracklets(store, night, [])
    assert words(store, objects) == ["unreviewed", "real", "unreviewed", "unreviewed"]  # its own stands


def test_a_body_that_is_seen_again_wakes(body) -> None:
    store, candidates, objects = body
    night = newest_night(store)
    write_tracklets(store, night, [found(*candidates[:3])])
    judge(store, candidates[0], Label.SNOOZE)
    assert words(store, objects) == ["snoozed"] * 3 + ["unreviewed"]
    write_tracklets(store, night, [found(*candidates)])
    assert words(store, objects) == LINKED


def test_another_carries_the_card_when_the_first_is_superseded(body) -> None:
    store, candidates, objects = body
    with store.write() as db:
        db.exec(update(Candidate).where(col(Candidate.id) == candidates[0]).values(is_current=False))
        refresh(db, [objects[0]])
    assert words(store, objects) == ["unreviewed", "unreviewed", "linked", "linked"]
    assert objects[1] in queue(store)
    assert objects[0] not in queue(store)


def test_two_tracklets_of_one_night_are_two_cards(store: Store) -> None:
    candidates = one_mover(store)
    objects = objects_of(store, candidates)
    write_tracklets(store, nights(store)[0], [found(*candidates[:2]), found(*candidates[2:])])
    assert words(store, objects) == ["unreviewed", "linked"] * 2
    judge(store, candidates[1], Label.MOVING)
    assert words(store, objects) == ["real", "real", "unreviewed", "linked"]


def test_each_of_two_bodies_judged_together_is_known_until_its_own_last_detection(store: Store) -> None:
    candidates = one_mover(store)
    write_tracklets(store, nights(store)[0], [found(*candidates[:2]), found(*candidates[2:])])
    rows = decide_together(
        store, session="ann", reviewer="ann", candidate_ids=[candidates[0], candidates[2]],
        label=Label.SNOOZE, shown={},
    )  # fmt: skip
    last = [row.shown["object_last_mjd"] for row in rows]
    assert last == pytest.approx([NIGHT + 1 / 48, NIGHT + 3 / 48], abs=1e-9)


def test_the_earliest_detection_carries_the_card_though_its_frame_came_last(store: Store) -> None:
    candidates = one_mover(store)
    ((first,),) = frames_of_a_night(store, [(5.0, 50.0)], first=9, day=NIGHT - 1 / 48)
    write_tracklets(store, newest_night(store), [found(*candidates, first)])
    assert words(store, objects_of(store, [first, *candidates])) == ["unreviewed", *["linked"] * 4]


def test_scripts_are_told(body) -> None:
    store, candidates, objects = body
    number = tracklets_of(store, candidates)[candidates[0]]["id"]
    judge(store, candidates[1], Label.MOVING)
    stream = io.StringIO()
    write_json_lines(real_candidates(store, judged_only=True), stream)
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(row["id"], row["tracklet"], row["verdict"], row["reviewer"]) for row in rows] == [
        (key, number, "moving", "ann") for key in candidates
    ]
    listed = {row["id"]: row["tracklet"] for row in page(store).rows}
    assert [listed.pop(key) for key in candidates] == [number] * 4
    assert set(listed.values()) == {None}
    shown = show(store, candidates[3])
    assert (shown["review_state"], shown["judged_with"]) == (ReviewState.REAL, objects)
    assert [each["candidate_id"] for each in shown["verdicts"]] == [candidates[1]]
    told = read_object(store, str(objects[3])).record()
    assert (told["tracklet"], told["judged_with"]) == (number, objects)
    assert [each["label"] for each in told["verdicts"]] == ["moving"]


def test_what_was_said_of_a_detection_that_is_bogus_since_is_not_exported_as_of_the_body(body) -> None:
    store, candidates, _ = body
    judge(store, candidates[0], Label.MOVING)
    judge(store, candidates[2], Label.VARIABLE, reviewer="bob")
    annotate(store, session="bob", reviewer="bob", candidate_id=candidates[2], tags=["long"])
    annotate(store, session="ann", reviewer="ann", candidate_id=candidates[0], tags=["fast"])
    judge(store, candidates[2], Label.TRAIL, reviewer="eve")
    listed = {row["id"]: row["verdict"] for row in page(store).rows}
    exported = list(real_candidates(store, judged_only=True))
    rows = {row.candidate.id: row.verdict for row in exported}
    assert [(rows[key].label, rows[key].reviewer) for key in candidates] == [
        ("moving", "ann"), ("moving", "ann"), ("trail", "eve"), ("moving", "ann")
    ]  # fmt: skip
    assert {key: row.label for key, row in rows.items()} == {key: listed[key] for key in rows}
    for tag in ("long", "fast"):
        tagged = {row["id"] for row in page(store, filters=f"tag:{tag}").rows}
        assert {row.candidate.id for row in exported if tag in row.tags} == tagged
    judge(store, candidates[1], Label.ASK_EXPERT, reviewer="dan")  # of the rest nothing is in force then
    listed = {row["id"]: row["verdict"] for row in page(store).rows}
    assert [listed[key] for key in candidates] == ["moving", "ask-expert", "trail", None]
    exported = list(real_candidates(store))
    assert {row.candidate.id: row.verdict.label if row.verdict else None for row in exported} == listed


def test_votes_on_any_detection_of_a_body_are_votes_on_one_thing(body) -> None:
    store, candidates, _ = body
    judge(store, candidates[0], Label.MOVING)
    judge(store, candidates[2], Label.MOVING, reviewer="bob")
    (only,) = standings(store)
    assert (only.votes, only.by) == ({"ann": "moving", "bob": "moving"}, "votes")


def test_a_store_of_before_is_told_which_objects_are_one_body(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    store = open_store(empty_url)
    candidates = one_mover(store)
    objects = objects_of(store, candidates)
    night = newest_night(store)
    write_tracklets(store, night, [found(*candidates[:2]), found(*candidates[2:])])
    judge(store, candidates[1], Label.MOVING)
    before = states(store, objects)
    store.close()
    migrations.downgrade(empty_url, "0006")
    engine = make_engine(parse_url(empty_url))
    with engine.begin() as connection:  # as it was judged then, object by object
        connection.execute(
            text("UPDATE sky_object SET review_state = 'unreviewed', review_label = NULL WHERE id = :key"),
            {"key": objects[0]},
        )
    engine.dispose()
    migrations.upgrade(empty_url)
    store = open_store(empty_url)
    assert (
        states(store, objects)
        == before
        == [("real", "moving")] * 2 + [("unreviewed", None), ("linked", None)]
    )
    assert read_card(store, objects[0]).objects == tuple(objects[:2])
    store.close()


def test_a_card_has_the_name_and_place_of_the_detection_it_shows(body) -> None:
    store, candidates, objects = body
    with store.read() as db:
        rows = {row.id: row for row in db.exec(select(SkyObject))}
    for candidate, key in zip(candidates, objects, strict=True):
        card = read_card(store, objects[0], candidate)
        assert (card.object_id, card.name) == (objects[0], rows[key].name)
        assert (card.ra, card.dec) == (rows[key].ra, rows[key].dec)
    assert len({rows[key].name for key in objects}) == len(objects)


def test_a_frame_leads_to_the_card_of_a_body_by_its_detection_there(body) -> None:
    store, candidates, objects = body
    with store.write() as db:
        for candidate in candidates:
            db.get(Candidate, candidate).frame = f"f{candidate}.fits"
    third = f"frame:F{candidates[2]}.fits"
    assert queue_count(store, filters=third) == 1
    (row,) = queue_page(store, filters=third).rows
    assert (row.object_id, row.candidate_id, row.is_chosen) == (objects[0], candidates[2], True)
    assert [each.is_chosen for each in queue_page(store, filters=f"frame:f{candidates[0]}*").rows] == [False]
    judge(store, candidates[2], Label.ARTEFACT)  # that one alone, which is not of the body then
    assert queue_page(store, filters=third).rows == ()
    (row,) = queue_page(store, filters=f"{third} state:bogus").rows
    assert row.object_id == objects[2]


def test_a_body_that_is_decided_is_one_card_too(body) -> None:
    store, candidates, objects = body
    judge(store, candidates[1], Label.MOVING)
    for filters in ("state:real", "verdict:any state:real"):
        assert queue_count(store, filters=filters) == len(queue_page(store, filters=filters).rows)
    assert [row.object_id for row in queue_page(store, filters="state:real").rows] == objects[:1]
    with store.read() as db:
        name = db.get(SkyObject, objects[3]).name
    assert [row.object_id for row in queue_page(store, filters=f'object:"{name}"').rows] == objects[3:]


def test_what_one_asked_an_expert_about_is_left_to_experts(body) -> None:
    store, candidates, objects = body
    judge(store, candidates[2], Label.ASK_EXPERT)
    for asker, wanted in (("ann", 0), ("bob", 1), (None, 1)):
        mine = [row for row in queue_page(store, asker=asker).rows if row.object_id in objects]
        assert len(mine) == wanted
        assert queue_count(store, asker=asker) == len(queue_page(store, asker=asker).rows)
    assert queue_count(store, filters="state:escalated", asker="ann") == 1
    assign(store, objects[0], "ann", by="bob", at=1.0, session="bob")
    assert objects[0] in {row.object_id for row in queue_page(store, asker="ann").rows}


@pytest.mark.parametrize("carrier", [0, 2])
def test_a_verdict_on_a_body_is_found_at_each_of_its_detections(body, carrier) -> None:
    store, candidates, objects = body
    judge(store, candidates[carrier], Label.MOVING)
    labels = {row["id"]: row["verdict"] for row in page(store).rows}
    judged = {key for key, label in labels.items() if label == Label.MOVING}
    assert judged == set(candidates)
    for filters in ("verdict:moving", "verdict:any", "-verdict:none"):
        assert {row["id"] for row in page(store, filters=filters).rows} == judged
        assert {row["candidate"] for row in object_page(store, filters=filters).rows} == judged
        assert [row.candidate.id for row in real_candidates(store, filters=filters)] == candidates
        assert [row.object_id for row in queue_page(store, filters=filters).rows] == [objects[0]]
        assert queue_count(store, filters=filters) == 1
    assert {row["id"] for row in page(store, filters="verdict:none").rows} == labels.keys() - judged


def test_a_verdict_on_a_body_is_found_by_the_few_that_have_one(body, monkeypatch) -> None:
    store, candidates, objects = body
    judge(store, candidates[2], Label.MOVING)
    monkeypatch.setattr("core.review.waiting._BEGINNING", 1)
    found = queue_page(store, limit=1, filters="verdict:moving").rows
    assert [row.object_id for row in found] == [objects[0]]


def test_a_tag_on_a_body_leads_to_its_card_and_to_each_of_its_detections(body, monkeypatch) -> None:
    store, candidates, objects = body
    annotate(store, session="ann", reviewer="ann", candidate_id=candidates[2], tags=["fast"])
    judge(store, candidates[3], Label.ARTEFACT)  # that one alone, which is not of the body then
    assert read_card(store, objects[0]).tags == ("fast",)
    others = {row["id"] for row in page(store).rows} - set(candidates[:3])
    for beginning in (waiting._BEGINNING, 1):  # the queue in its order, and by the few that are tagged
        monkeypatch.setattr(waiting, "_BEGINNING", beginning)
        for filters in ("tag:fast", "tag:any"):
            assert [row.object_id for row in queue_page(store, limit=1, filters=filters).rows] == [objects[0]]
            assert queue_count(store, filters=filters) == 1
            assert {row["id"] for row in page(store, filters=filters).rows} == set(candidates[:3])
            assert {row["id"] for row in page(store, filters=f"-{filters}").rows} == others
        assert queue_page(store, filters="tag:slow").rows == ()


def test_of_two_bodies_the_one_that_a_frame_shows_is_found(store: Store, monkeypatch) -> None:
    frames = frames_of_a_night(store, [(10.0, 20.0)], [(30.0, 20.0)], [(10.0, 80.0)], [(30.0, 80.0)])
    one, another = [[key for (key,) in part] for part in (frames[:2], frames[2:])]
    write_tracklets(store, newest_night(store), [found(*one), found(*another)])
    first, _ = objects_of(store, one)
    for most in (names.MOST_NAMES, 0):  # frames whose names are looked up, and such as are too many for that
        monkeypatch.setattr(names, "MOST_NAMES", most)
        assert [row.object_id for row in queue_page(store, filters="frame:*2.fits").rows] == [first]
        assert queue_count(store, filters="frame:*2.fits") == 1


def test_drift_counts_a_body_once_whichever_of_its_objects_were_judged(body) -> None:
    store, candidates, _ = body
    judge(store, candidates[0], Label.MOVING)
    judge(store, candidates[2], Label.MOVING, "bob")
    with store.read() as db:
        times = [row.mjd for row in db.exec(select(Candidate))]
    found = judged(store, NightSpan(min(times), max(times)), {})
    assert len(found) == 2
    assert len(set(found.object.tolist())) == 1
