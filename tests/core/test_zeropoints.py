"""What follows in the store from a zeropoint that was found later."""

import math

import pytest
from sqlmodel import col, select

from core.database.store import Store
from core.database.tables import (
    Candidate,
    Difference,
    ForcedFlux,
    InjectedSource,
    Injection,
    Observation,
    Reference,
    SkyObject,
    Tracklet,
    TrackletMember,
)
from core.frames.outcome import QualityFacts
from core.frames.zeropoints import look, uncalibrated, write
from tests.core.rows import add_candidate, add_difference, add_object


@pytest.fixture
def frame(store: Store) -> tuple[int, int]:
    return a_frame(store)


def a_frame(store: Store, **facts) -> tuple[int, int]:
    observation, difference = add_difference(store, flux50=200.0, snr50=4.0, **facts)
    with store.write() as db:
        row = db.get_one(Observation, observation)
        row.state, row.has_wcs, row.finished_at, row.reason = "done", True, 5.0, "It is odd."
        reference = db.get_one(Reference, db.get_one(Difference, difference).reference_id)
        reference.content = f"ref{observation}"
    return observation, difference


def found(store: Store, keys: tuple[int, int], **given) -> int | None:
    lack = look(store, *keys)
    values = {"quality": None, "remark": None, "zeropoint": 25.0, "mag_system": "ab"} | given
    return write(store, lack, **values)


def test_all_magnitudes_follow_from_the_fluxes(store: Store, frame: tuple[int, int]) -> None:
    observation, difference = frame
    thing, fake = add_object(store), add_object(store)
    best = add_candidate(store, thing, difference_id=difference, flux=-100.0, flux_err=10.0, score=0.9)
    add_candidate(store, fake, difference_id=difference, flux=1000.0, flux_err=10.0)
    flat = add_candidate(store, difference_id=difference, flux=0.0)
    other = add_candidate(store, flux=100.0)
    with store.write() as db:
        reference = db.get_one(Difference, difference).reference_id
        common = {"sky_object_id": fake, "x": 1.0, "y": 1.0, "snr": 9.0, "flux": 1000.0, "host": "none"}
        db.add(InjectedSource(**common, reference_id=reference, mjd=60000.0, mag_per_day=0.1))
        db.add(Injection(**common, observation_id=observation, difference_id=difference))
        db.add(
            ForcedFlux(
                difference_id=difference, sky_object_id=thing, mjd=6e4, flux=1.0, flux_err=1.0, flux_unit="e"
            )
        )
    quality = QualityFacts(
        zeropoint=27.0, zeropoint_from="gaia r", limit_mag=21.0, mag_system="ab", wcs_stars=9
    )
    assert found(store, frame, quality=quality, remark="Its WCS is off.") == 3
    with store.read() as db:
        mags = {row.id: (row.mag, row.mag_err, row.mag_system) for row in db.exec(select(Candidate))}
        assert mags[best] == pytest.approx((20.0, 0.25 / math.log(10.0), "ab"))
        assert mags[flat] == (None, None, "ab")
        assert mags[other] == (None, None, None)
        assert db.get_one(SkyObject, thing).best_mag == pytest.approx(20.0)
        row = db.get_one(Difference, difference)
        assert (row.zeropoint, row.mag_system) == (25.0, "ab")
        assert row.m50 == pytest.approx(25.0 - 2.5 * math.log10(200.0))
        assert row.limit_mag == pytest.approx(25.0 - 2.5 * math.log10(5 * 50.0))
        own = db.get_one(Observation, observation)
        assert (own.zeropoint, own.zeropoint_from, own.limit_mag, own.wcs_stars) == (27.0, "gaia r", 21.0, 9)
        assert own.reason == "It is odd. Its WCS is off."
        assert [(each.zeropoint, each.mag_system) for each in db.exec(select(ForcedFlux))] == [(25.0, "ab")]
        # An injected source tells no more and no less than a real one.
        assert [each.mag for each in db.exec(select(Injection))] == [pytest.approx(17.5)]
        assert [(each.mag, each.mag_system) for each in db.exec(select(InjectedSource))] == [
            (pytest.approx(17.5), "ab")
        ]
    assert uncalibrated(store) == []


def test_a_tracklet_is_as_bright_as_its_detections(store: Store) -> None:
    """Frame by frame: the median of what is known, and nothing of another body."""
    frames = [a_frame(store) for _ in range(3)]
    flux = [100.0, 1000.0, 10.0]
    seen = [add_candidate(store, difference_id=frames[i][1], flux=flux[i]) for i in range(3)]
    with store.write() as db:
        for key, members in enumerate((seen, [add_candidate(store, flux=100.0)]), start=1):
            span = {"first_mjd": 6e4, "last_mjd": 6e4, "ra": 1.0, "dec": 1.0}
            way = {"rate_arcsec_hour": 30.0, "position_angle": 90.0, "chance": 1e-6}
            db.add(Tracklet(id=key, n=len(members), **span, **way, made_at=0.0))
            db.flush()
            for each in members:
                db.add(TrackletMember(candidate_id=each, tracklet_id=key))
    for keys, mag in zip(frames, (20.0, 18.75, 20.0), strict=True):
        found(store, keys)
        with store.read() as db:
            assert db.get_one(Tracklet, 1).mag == pytest.approx(mag)
    with store.read() as db:
        assert db.get_one(Tracklet, 2).mag is None


def test_only_frames_that_lack_one_and_could_have_it_are_asked_for(store: Store) -> None:
    neither, both, own, queued, blind = (a_frame(store) for _ in range(5))
    with store.write() as db:
        for keys in (both, own):
            db.get_one(Difference, keys[1]).zeropoint = 24.0
        db.get_one(Observation, both[0]).zeropoint = 27.0
        db.get_one(Observation, queued[0]).state = "queued"  # it will be compared when it is processed
        db.get_one(Observation, blind[0]).has_wcs = False
        db.get_one(Reference, db.get_one(Difference, blind[1]).reference_id).has_wcs = False
    assert set(uncalibrated(store)) == {neither, own}
    assert look(store, *both) is None
    lack = look(store, *own)
    assert (lack.lacks_own, lack.lacks_difference) == (True, False)
    assert found(store, own, quality=QualityFacts(zeropoint=27.0)) == 0
    with store.read() as db:
        assert db.get_one(Difference, own[1]).zeropoint == 24.0  # what is known stays


def test_a_frame_that_was_taken_meanwhile_is_left_alone(store: Store, frame: tuple[int, int]) -> None:
    observation, difference = frame
    add_candidate(store, difference_id=difference, flux=100.0)
    lack = look(store, *frame)
    for table, key, changes in (
        (Observation, observation, {"finished_at": 6.0}),
        (Observation, observation, {"state": "processing"}),
        (Difference, difference, {"is_current": False}),
    ):
        with store.write() as db:
            row = db.get_one(table, key)
            before = {name: getattr(row, name) for name in changes}
            row.sqlmodel_update(changes)
        assert write(store, lack, quality=None, remark=None, zeropoint=25.0, mag_system="ab") is None
        with store.write() as db:
            db.get_one(table, key).sqlmodel_update(before)
    with store.read() as db:
        assert db.scalar(select(col(Candidate.mag))) is None


def test_without_a_depth_the_limit_stays_unknown(store: Store, frame: tuple[int, int]) -> None:
    with store.write() as db:
        db.get_one(Difference, frame[1]).flux50 = None
    assert found(store, frame) == 0
    with store.read() as db:
        row = db.get_one(Difference, frame[1])
        assert (row.zeropoint, row.m50, row.limit_mag) == (25.0, None, None)
