"""Tracklets in the store: found again they stay, and what moves is nobody's place."""

from __future__ import annotations

import pytest
from sqlmodel import col, select, update

import pipeline.engines.tracklets
from core.database.store import Store
from core.database.tables import Candidate, SkyObject, SurveyFlux, Tracklet
from core.frames.forced import objects_of
from core.objects.tracklets import (
    FoundTracklet,
    NightSpan,
    movable,
    newest_night,
    nights,
    sentence,
    tracklets_of,
    tracklets_of_night,
    write_tracklets,
)
from core.settings import Settings
from core.surveys.register import register_alerts
from core.vocabulary import FluxKind
from pipeline.engines.tracklets import link_frames, link_night
from tests.copies import made_once
from tests.core.frames import add_frames, add_reference, candidate, done, process
from tests.core.test_alerts import alert

SETTINGS = Settings()
NIGHT = 60001.0
LEAST = {"min_deg_day": 3.0 * 24.0 / 3600.0, "radius_deg": 1.0 / 3600.0}


def frames_of_a_night(store: Store, *frames: list[tuple[float, float]], first: int = 1, day: float = NIGHT):
    """Frames half an hour apart with candidates at some pixels; their keys, frame by frame."""
    from dataclasses import replace

    from core.frames import observations
    from tests.core.frames import frame_facts

    reference = add_reference(store, pixel_scale=1.0)
    facts = [replace(frame_facts(first + number), mjd=day + number / 48.0) for number in range(len(frames))]
    observations.register(store, facts)
    outcomes = (done(reference.id, *(candidate(x, y, snr=9.0) for x, y in places)) for places in frames)
    return [process(store, outcome).candidate_ids for outcome in outcomes]


@made_once
def one_mover(store: Store) -> list[int]:
    """A body that goes 20 pixels in half an hour, and a star that stays."""
    keys = frames_of_a_night(store, *([(10.0 + 20.0 * f, 50.0), (80.0, 10.0)] for f in range(4)))
    return [each[0] for each in keys]


def found(*keys: int, **columns) -> FoundTracklet:
    facts = {
        "first_mjd": NIGHT, "last_mjd": NIGHT + 0.1, "ra": 150.0, "dec": 2.0, "rate_arcsec_hour": 40.0,
        "position_angle": 90.0, "chance": 1e-6,
    }  # fmt: skip
    return FoundTracklet(tuple(keys), facts | columns)


@made_once
def linked_mover(store: Store) -> list[int]:
    """The same, and the body is known as one."""
    candidates = one_mover(store)
    write_tracklets(store, newest_night(store), [found(*candidates)])
    return candidates


def moving(store: Store) -> list[bool]:
    with store.read() as session:
        return [row.moving for row in session.exec(select(SkyObject).order_by(col(SkyObject.id)))]


def test_a_body_is_linked_once_and_its_objects_move(store: Store) -> None:
    keys = one_mover(store)
    night = newest_night(store)
    assert link_night(store, SETTINGS, night) == (1, 0)
    assert link_night(store, SETTINGS, night) == (0, 0)
    (record,) = tracklets_of_night(store, night)
    assert record["candidates"] == keys
    assert record["n"] == 4
    assert record["rate_arcsec_hour"] == pytest.approx(40.0, abs=0.2)
    assert record["position_angle"] == pytest.approx(90.0, abs=0.5)
    assert tracklets_of(store, [keys[2], 10_000]) == {keys[2]: record}
    with store.read() as session:
        star = session.exec(select(Candidate).where(col(Candidate.x) == 80.0)).first().sky_object_id
    assert moving(store) == [row_id != star for row_id in range(1, 6)]


def test_of_frames_of_two_nights_those_between_are_left_alone(store: Store) -> None:
    firsts = []
    for number in range(3):
        places = [[(10.0 + 20.0 * f, 20.0 + 30.0 * number)] for f in range(4)]
        keys = frames_of_a_night(store, *places, first=10 * number, day=NIGHT + 5.0 * number)
        firsts.append(keys[0][0])
    with store.read() as session:
        frames = {session.get_one(Candidate, key).observation_id for key in firsts[::2]}
    link_frames(store, SETTINGS, frames)
    assert [len(tracklets_of_night(store, night)) for night in nights(store)] == [1, 0, 1]


def test_the_newest_night_is_of_frames_where_there_are_any(store: Store) -> None:
    one_mover(store)
    register_alerts(store, [alert(1, mjd=NIGHT + 30.2)])
    assert newest_night(store) == NightSpan(NIGHT, NIGHT + 3 / 48.0)


def test_the_newest_night_of_alerts_is_taken_where_there_are_no_frames(store: Store) -> None:
    register_alerts(store, [alert(1, mjd=NIGHT + 30.2), alert(2, mjd=NIGHT)])
    assert newest_night(store) == NightSpan(NIGHT + 30.2, NIGHT + 30.2)


def test_who_was_slower_does_not_undo_what_was_found_of_more_frames(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is paused between its reading and its writing, while another ends the night."""
    keys = one_mover(store)
    night = newest_night(store)
    find, more = pipeline.engines.tracklets._found, []

    def found_late(*words: object) -> list[FoundTracklet]:
        late = find(*words)
        if not more:
            frame = frames_of_a_night(store, [(90.0, 50.0), (80.0, 10.0)], first=9, day=NIGHT + 4 / 48.0)
            more.append(frame[0][0])
            assert link_night(store, SETTINGS, newest_night(store)) == (1, 0)
        return late

    monkeypatch.setattr(pipeline.engines.tracklets, "_found", found_late)
    assert link_night(store, SETTINGS, night) == (0, 0)
    (record,) = tracklets_of_night(store, newest_night(store))
    assert record["candidates"] == [*keys, *more]


def test_what_is_seen_later_where_a_body_was_is_another_object(store: Store) -> None:
    keys = one_mover(store)
    link_night(store, SETTINGS, newest_night(store))
    later = frames_of_a_night(store, [(10.0, 50.0), (80.0, 10.0)], first=9, day=NIGHT + 5.0)[0]
    with store.read() as session:
        objects = {row.id: row.sky_object_id for row in session.exec(select(Candidate))}
        reference = add_reference(store, pixel_scale=1.0)
        places = objects_of(session, reference)
    assert objects[later[0]] != objects[keys[0]]
    assert {row.id for row in places} == {objects[later[0]], objects[later[1]]}  # none of the body's


def test_tracklets_follow_what_is_current(store: Store) -> None:
    keys = one_mover(store)
    night = newest_night(store)
    link_night(store, SETTINGS, night)
    with store.write() as session:
        session.exec(update(Candidate).where(col(Candidate.id).in_(keys[1:])).values(is_current=False))
    assert link_night(store, SETTINGS, nights(store)[0])[1] == 1
    assert tracklets_of(store, keys) == {}
    assert not any(moving(store))


def test_writing_keeps_what_stays_and_replaces_the_rest(store: Store) -> None:
    keys = one_mover(store)
    night = newest_night(store)
    assert write_tracklets(store, night, [found(*keys[:2]), found(*keys[2:])]) == (2, 0)
    with store.read() as session:
        before = {row.id for row in session.exec(select(Tracklet))}
    assert write_tracklets(store, night, [found(*keys[:2])]) == (0, 1)
    with store.read() as session:
        (kept,) = session.exec(select(Tracklet)).all()
    assert kept.id in before
    assert sum(moving(store)) == 2
    assert write_tracklets(store, night, []) == (0, 1)
    assert not any(moving(store))


def test_an_object_of_which_more_was_seen_does_not_move(store: Store) -> None:
    """A detection of the star itself in a tracklet of chance leaves the star where it is."""
    keys = frames_of_a_night(store, [(10.0, 50.0), (80.0, 10.0)], [(80.0, 10.0)])
    write_tracklets(store, newest_night(store), [found(keys[0][0], keys[1][0])])
    with store.read() as session:
        star = session.get(Candidate, keys[1][0]).sky_object_id
        assert session.get(SkyObject, star).moving is False


def test_what_stays_or_fades_or_was_seen_before_cannot_be_of_a_body(store: Store) -> None:
    frames_of_a_night(store, [(30.0, 30.0)], first=7, day=NIGHT - 3.0)
    places = [(10.0, 50.0), (80.0, 10.0), (30.0, 30.0)], [(30.0, 50.0), (80.0, 10.0)], [(80.0, 10.0)]
    keys = frames_of_a_night(store, *places)
    with store.write() as session:
        session.exec(update(Candidate).where(col(Candidate.id) == keys[1][0]).values(snr=-9.0))
    rows = movable(store, newest_night(store), **LEAST)
    assert [row.id for row in rows] == [keys[0][0]]


def test_what_surveys_saw_in_other_nights_cannot_be_of_a_body(store: Store) -> None:
    keys = one_mover(store)
    with store.write() as session:
        objects = [session.get_one(Candidate, key).sky_object_id for key in keys]
        for mine, mjd, kind in zip(
            objects, (NIGHT - 1.0, NIGHT - 0.1, NIGHT - 30.0, NIGHT + 1.0),
            (FluxKind.DETECTION, FluxKind.DETECTION, FluxKind.LIMIT, FluxKind.DETECTION), strict=True,
        ):  # fmt: skip
            told = {"source": "ztf", "external_id": "1", "flux_err": 9.0, "flux_unit": "nJy"}
            session.add(SurveyFlux(sky_object_id=mine, mjd=mjd, kind=kind, **told))
    rows = movable(store, newest_night(store), **LEAST)
    assert [row.id for row in rows] == keys[1:3]


def test_what_was_seen_too_briefly_to_have_left_its_place_can_be_of_a_body(store: Store) -> None:
    first, second = frames_of_a_night(store, [(80.0, 10.0)], [(80.0, 10.0)])
    rows = movable(store, newest_night(store), **LEAST)
    assert [row.id for row in rows] == [*first, *second]
    assert len({row.sky_object_id for row in rows}) == 1


def test_nights_are_parted_by_days_without_frames(store: Store) -> None:
    for number, day in enumerate((NIGHT, NIGHT + 0.1, NIGHT + 1.0, NIGHT + 9.0), start=60):
        frames_of_a_night(store, [(10.0, 10.0)], first=number, day=day)
    assert [(span.first, span.last) for span in nights(store)] == [
        (NIGHT, NIGHT + 0.1),
        (NIGHT + 1.0, NIGHT + 1.0),
        (NIGHT + 9.0, NIGHT + 9.0),
    ]
    add_frames(store, 50)  # not processed, it has no candidates
    assert [span.first for span in nights(store, NIGHT + 0.05, NIGHT + 1.2)] == [NIGHT, NIGHT + 1.0]
    assert newest_night(store).first == NIGHT + 9.0


def test_a_position_angle_is_below_360_however_it_is_rounded():
    told = {"n": 3, "first_mjd": 60000.0, "last_mjd": 60000.05, "rate_arcsec_hour": 30.0, "rms_arcsec": None}
    assert sentence(told | {"position_angle": 359.7}).endswith("towards PA 0")
    assert sentence(told | {"position_angle": 240.6}).endswith("towards PA 241")
