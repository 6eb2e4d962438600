"""Rows of a store that tests of the review need: objects with candidates, as a commit leaves them."""

from itertools import count

from sqlmodel import select

from core.database.store import Store
from core.database.tables import Candidate, Difference, Observation, Reference, SkyObject
from core.frames import references
from core.review.verdicts import decide
from tests.core.frames import reference_facts

_numbers = count(1)


def add_object(store: Store, name: str | None = None, **facts) -> int:
    """A sky object without candidates."""
    with store.write() as db:
        row = SkyObject(name=name or f"AT{next(_numbers)}", **facts)
        db.add(row)
        db.flush()
        return row.id


def add_candidate(store: Store, sky_object_id: int | None = None, **facts) -> int:
    """A candidate on an object, its own one unless told, which follows it as a commit would make it."""
    if sky_object_id is None:
        sky_object_id = add_object(store)
    number = next(_numbers)
    values = {"external_id": f"c{number}", "mjd": 60000.0 + number, "snr": 8.0, "score": 8.0} | facts
    with store.write() as db:
        row = Candidate(sky_object_id=sky_object_id, **values)
        db.add(row)
        db.flush()
        parent = db.get_one(SkyObject, sky_object_id)
        parent.n_candidates += 1
        parent.first_mjd = min(parent.first_mjd or row.mjd, row.mjd)
        parent.last_mjd = max(parent.last_mjd or row.mjd, row.mjd)
        if parent.best_candidate_id is None or (row.score or 0) > (parent.best_score or 0):
            parent.best_score, parent.best_candidate_id, parent.best_mag = row.score, row.id, row.mag
        return row.id


def add_difference(store: Store, frame: str = "a.fits", **facts) -> tuple[int, int]:
    """An observation, a reference and their difference: the ids of the first and the last."""
    content = f"sha{next(_numbers)}"
    observed = {key: facts.pop(key) for key in ("field", "seeing_px", "limit_mag") if key in facts}
    with store.write() as db:
        observation = Observation(
            content=content, frame=frame, path=frame, created_at=1.0, filter="r", mjd=60000.5, **observed
        )
        reference = Reference(
            content=content, path="ref.fits", width=9, height=9, has_wcs=True, chosen="added", created_at=1.0
        )
        db.add_all([observation, reference])
        db.flush()
        values = {
            "method": "zogy", "config_hash": "cafe", "flux_unit": "electron", "created_at": 1.0,
            "score_std": 1.0, "registration_rms_px": 0.1, "gain_ratio": 1.0, "fwhm_new_px": 3.0,
            "fwhm_ref_px": 2.5, "masked_fraction": 0.01,
        } | facts  # fmt: skip
        difference = Difference(observation_id=observation.id, reference_id=reference.id, **values)
        db.add(difference)
        db.flush()
        return observation.id, difference.id


def reference_of_the_night(store: Store) -> int:
    """One of frames that were taken while all objects of `tests.builders.add_night` were seen; its number."""
    with store.read() as db:
        ra, dec = db.execute(select(SkyObject.ra, SkyObject.dec)).first()
    facts = reference_facts(ra=ra, dec=dec, radius_deg=1.0, mjd_first=60999.0, mjd_last=61001.5)
    return references.add(store, facts).id


ADA = {"session": "s", "reviewer": "ada"}


def judge(store, candidate, label):
    decide(store, **ADA, candidate_id=candidate, label=label, shown={})
