"""Which frames from before an object was known lack it, as a card and a run tell of them."""

import pytest
from sqlmodel import select

from core.database.tables import (
    Candidate,
    Difference,
    ForcedFlux,
    InjectedSource,
    SkyObject,
)
from core.frames.forced import add_points, lacking, look
from core.frames.unmeasured import Unmeasured, of_new_objects, unmeasured
from core.objects.known import write_known
from core.review.cards import read_card
from core.vocabulary import Label, ReviewState
from tests.core.covering import FIELD, HERE, add_frame, new_object
from tests.core.rows import add_candidate, add_object


def frames_of(store, *keys, most=None):
    with store.read() as db:
        return unmeasured(db, [db.get_one(SkyObject, key) for key in keys], most)


def test_frames_from_before_an_object_was_known_lack_it(store):
    for _ in range(3):
        add_frame(store)
    key = new_object(store, add_frame(store))
    add_frame(store, forced_through=key)  # it knew the object, which lay on masked pixels
    add_frame(store, is_current=False)
    assert frames_of(store, key) == Unmeasured(1, 3)
    assert read_card(store, key).earlier_frames == 3
    assert [frames_of(store, key, most=most).frames for most in (1, 2, 3, 4)] == [1, 2, 3, 3]


def test_what_was_measured_or_tried_in_vain_is_not_lacked(store):
    frames = [add_frame(store) for _ in range(3)]
    key = new_object(store, add_frame(store))
    with store.write() as db:
        flux = {"flux": 1.0, "flux_err": 9.0, "flux_unit": "electron", "mjd": 59000.0}
        db.add(ForcedFlux(difference_id=frames[0][1], sky_object_id=key, **flux))
    assert frames_of(store, key).frames == 2
    add_points(store, frames[1][1], (), key)
    assert frames_of(store, key).frames == 1
    wanted = [each for _, each in lacking(store, [key]) if look(store, each, [key]).is_wanted]
    assert wanted == [frames[2][1]]  # as the command has it


def test_each_object_lacks_the_frames_from_before_it_alone(store):
    first = add_frame(store)
    known = new_object(store, first)
    second = add_frame(store, forced_through=known)
    add_candidate(store, known, observation_id=second[0], difference_id=second[1], **HERE)
    add_frame(store, forced_through=known)  # where the first one cannot be measured
    later = new_object(store, second)
    assert frames_of(store, known) == Unmeasured()
    assert frames_of(store, later) == frames_of(store, known, later) == Unmeasured(1, 2)


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        (FIELD | {"dec": 21.0}, FIELD),  # the frame lies elsewhere
        (FIELD, FIELD | {"dec": 21.0}),  # what it was subtracted from does not reach so far
        (FIELD, {"ra": None, "dec": None}),  # its places are pixels
    ],
)
def test_a_frame_that_does_not_cover_it_lacks_nothing(store, place, reference):
    add_frame(store, place, reference)
    key = new_object(store, add_frame(store))
    assert frames_of(store, key) == Unmeasured()


def test_without_a_wcs_the_frames_of_its_reference_lack_it(store):
    nowhere = {"ra": None, "dec": None, "radius_deg": None}
    _, difference = add_frame(store, nowhere, nowhere)
    add_frame(store, nowhere, nowhere)  # another field
    with store.read() as db:
        reference = db.get_one(Difference, difference).reference_id
    key = add_object(store, reference_id=reference, x=4.0, y=5.0)
    assert frames_of(store, key) == Unmeasured(1, 1)


def test_what_moves_lacks_nothing(store):
    add_frame(store)
    frame = add_frame(store)
    by_tracklet = new_object(store, frame, moving=True)
    by_verdict = new_object(store, frame, review_label=Label.MOVING.value)
    body = new_object(store, frame)
    with store.write() as db:
        seen = db.exec(select(Candidate.id).where(Candidate.sky_object_id == body)).one()
        match = {"solar_system": {"status": "match", "name": "(433) Eros", "catalog": "MPC"}}
        write_known(db, {seen: match}, "now")
    assert frames_of(store, by_tracklet, by_verdict, body) == Unmeasured()


def test_an_injected_source_lacks_frames_as_any_other_until_it_is_revealed(store):
    """Else the line on its card would tell it from others."""
    _, difference = add_frame(store)
    key = new_object(store, add_frame(store), injected=True)
    with store.write() as db:
        source = InjectedSource(
            sky_object_id=key, reference_id=db.get_one(Difference, difference).reference_id, x=1.0, y=1.0,
            mjd=60000.0, flux=9.0, mag_per_day=0.0, snr=9.0, host="none", **HERE,
        )  # fmt: skip
        db.add(source)
    assert frames_of(store, key) == Unmeasured(1, 1)
    with store.write() as db:
        db.get_one(InjectedSource, key).revealed_at = 1.0
    assert frames_of(store, key) == Unmeasured()


def test_of_a_run_its_new_objects_count_alone(store):
    first, second = add_frame(store), add_frame(store)
    known = new_object(store, first)
    third = add_frame(store)
    add_candidate(store, known, observation_id=third[0], difference_id=third[1], **HERE)
    new_object(store, third)
    new_object(store, third)
    new_object(store, third, review_state=ReviewState.BOGUS.value)
    assert of_new_objects(store, [third[0]]) == Unmeasured(2, 2)
    assert of_new_objects(store, [second[0]]) == Unmeasured()
    assert of_new_objects(store, []) == Unmeasured()
