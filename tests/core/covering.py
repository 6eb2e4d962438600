"""Frames that cover a place, and objects that are found in them."""

from core.database.tables import Difference, Observation, Reference
from core.objects.sphere import zone_of
from tests.core.rows import add_candidate, add_difference, add_object

HERE = {"ra": 10.0, "dec": 20.0}
FIELD = HERE | {"radius_deg": 0.5}


def add_frame(store, place=FIELD, reference=FIELD, **facts):
    """A frame that was processed; the ids of it and of its difference."""
    observation, difference = add_difference(store, **{"forced_through": 0} | facts)
    with store.write() as db:
        made = db.get_one(Difference, difference)
        db.get_one(Observation, observation).sqlmodel_update(place)
        db.get_one(Reference, made.reference_id).sqlmodel_update(reference)
    return observation, difference


def new_object(store, frame, **facts):
    """An object that a frame detected first."""
    key = add_object(store, zone=zone_of(HERE["dec"]), **HERE | facts)
    add_candidate(store, key, observation_id=frame[0], difference_id=frame[1], **HERE)
    return key
