"""Flux at known places: unbiased, for many places at once, and in frames from before they were known."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import col, select, update

import pipeline.engines.place as place_module
import pipeline.engines.remeasure as module
from core.database.store import Store, open_store
from core.database.tables import Candidate, Difference, ForcedFlux, InjectedSource, Observation, SkyObject
from core.frames import references
from core.frames.forced import add_points
from core.frames.observations import register
from core.frames.outcome import ForcedFacts
from core.objects.light_curve import current_detections, light_curve
from core.objects.sphere import zone_of
from core.places.place_facts import Place
from core.places.why import Page, place_on_grid
from core.review.real_rows import InjectedSourceError, real_place
from core.settings import Settings
from core.settings_sections import AssociateSettings, DetectSettings, StoreSettings
from core.vocabulary import MaskPlane, ReviewState
from pipeline.detection.forced import forced_flux, forced_fluxes
from pipeline.engines.local import run
from pipeline.engines.place import measure_place
from pipeline.engines.remeasure import remeasure
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from pipeline.subtraction.subtract import subtract
from tests.chaos.nights import QUICK
from tests.pipeline.pairs import make_pair

FLUX = 60_000.0
FRAMES = 3


@pytest.mark.parametrize(
    "scene",
    [
        {"new": {"fwhm": 3.6}},
        {"new": {"fwhm": 2.6}, "ref": {"fwhm": 3.4}},
        {"new": {"fwhm": 3.5, "psf_gradient": 0.05}, "ref": {"psf_gradient": -0.03}},
    ],
)
def test_flux_between_pixels_is_unbiased_within_half_a_percent(scene: dict) -> None:
    random = np.random.default_rng(8)
    grid = np.stack(np.meshgrid(np.arange(60, 670, 90), np.arange(60, 670, 90)), axis=-1).reshape(-1, 2)
    places = grid + random.uniform(-0.5, 0.5, grid.shape)
    new = scene["new"] | {"extra": [(x, y, FLUX) for x, y in places]}
    aligned, reference, *_ = make_pair((700, 700), n_stars=500, new=new, ref=scene.get("ref"))
    difference = subtract(aligned, reference, Settings())
    flux, _ = forced_fluxes(difference, *places.T)
    assert len(flux) == 49  # each is known to 0.6 %, their mean to 0.09 %
    assert np.mean(flux) == pytest.approx(FLUX, rel=0.005)


def test_detail_that_coarse_pixels_just_hold_is_there_between_them() -> None:
    aligned, reference, *_ = make_pair((160, 200))
    difference = subtract(aligned, reference, Settings())
    random = np.random.default_rng(2)
    x, y = random.uniform(30.0, 130.0, (2, 200))
    wave = 0.43 * 2.0 * np.pi  # pixels hold half a cycle
    flux = np.cos(wave * np.arange(200)) * np.ones((160, 1))
    sharp = replace(difference, flux=flux.astype(np.float32), psf=replace(difference.psf, fwhm=1.8))
    assert forced_fluxes(sharp, x, y)[0] == pytest.approx(np.cos(wave * x), abs=0.02)


def test_many_places_at_once_are_each_as_if_alone() -> None:
    aligned, reference, *_ = make_pair((160, 200), new={"extra": [(60.4, 70.3, 9e3)]})
    difference = subtract(aligned, reference, Settings())
    random = np.random.default_rng(1)
    x, y = random.uniform(-5.0, 205.0, 300), random.uniform(-5.0, 165.0, 300)
    x[0], y[1] = np.nan, np.inf
    both = np.array(forced_fluxes(difference, x, y)).T
    alone = np.array([forced_flux(difference, a, b) for a, b in zip(x, y, strict=True)])
    assert np.array_equal(both, alone, equal_nan=True)
    assert np.isnan(both[:2]).all()
    assert np.isfinite(both[2:]).any()


@dataclass(frozen=True)
class Done:
    """A store with processed frames, and places nobody looked at."""

    store: Store
    settings: Settings


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forced")
    url = f"sqlite:///{folder / 'astrid.db'}"
    settings = Settings.model_construct(home=folder / "home", store=StoreSettings(url=url), **QUICK)
    night = simulate_night(folder / "frames", frames=FRAMES, size=256, seed=3, references=2)
    with closing(open_store(url, create=True)) as store:
        register(store, [each for path in night.science for each in examine(path, settings)])
        references.add(store, from_frames(night.reference, settings)[0])
    assert run(settings).counts == {"done": FRAMES}
    return folder


@pytest.fixture
def done(template: Path, tmp_path: Path):
    (tmp_path / "astrid.db").write_bytes((template / "astrid.db").read_bytes())
    url = f"sqlite:///{tmp_path / 'astrid.db'}"
    settings = Settings.model_construct(home=template / "home", store=StoreSettings(url=url), **QUICK)
    with closing(open_store(url)) as store:
        yield Done(store, settings)


def found_later(store: Store, **changes) -> int:
    """A sky object at a free place in the field, known only now."""
    with store.write() as session:
        some = session.exec(select(Candidate).where(col(Candidate.is_current))).first()
        ra, dec = some.ra + 0.004, some.dec + 0.001
        row = SkyObject(**{"name": "later", "ra": ra, "dec": dec, "zone": zone_of(dec)} | changes)
        session.add(row)
        session.flush()
        return row.id


def points(store: Store, object_id: int) -> list[ForcedFlux]:
    with store.read() as session:
        return list(session.exec(select(ForcedFlux).where(col(ForcedFlux.sky_object_id) == object_id)))


def everything_else(store: Store):
    with store.read() as session:
        rows = session.exec(select(Candidate).order_by(col(Candidate.id))).all()
        return [row.model_dump() for row in rows]


def test_an_object_gets_its_points_in_the_frames_from_before(done: Done) -> None:
    """The first frame could not know what only later frames detected."""
    store = done.store
    with store.read() as session:
        first = session.exec(select(Difference).order_by(col(Difference.id))).first()
        assert first.forced_through == 0
        others = session.exec(select(SkyObject)).all()
    before = everything_else(store)
    frames, left = remeasure(store, done.settings)
    assert left == 0
    assert all(each.reason is None for each in frames)
    with store.read() as session:
        for row in others:
            detections = current_detections(session, row.id)
            curve = light_curve(session, [row.id], detections)
            epochs = [point.mjd for point in curve]
            assert len(epochs) == len(set(epochs))  # a detection and a forced point are never both
            assert len(epochs) <= FRAMES
    assert everything_else(store) == before
    assert remeasure(store, done.settings) == ([], 0)

    key = found_later(store)
    frames, _ = remeasure(store, done.settings)
    assert [each.points for each in frames] == [1] * FRAMES
    for point in points(store, key):
        assert point.flux_err > 0
        assert abs(point.flux) < 6 * point.flux_err
    with store.read() as session:
        curve = light_curve(session, [key], [])
        assert [point.is_limit for point in curve] == [abs(p.flux) < 5 * p.flux_err for p in curve]
    assert remeasure(store, done.settings) == ([], 0)


def test_a_detected_source_has_the_same_flux_when_it_is_forced(done: Done) -> None:
    """Where a detection is forgotten, the flux measured again at its place is that of the detection."""
    store = done.store
    remeasure(store, done.settings)
    with store.write() as session:
        best = session.exec(select(Candidate).order_by(col(Candidate.snr).desc())).first()
        session.exec(update(Candidate).where(col(Candidate.id) == best.id).values(is_current=False))
    key = found_later(store, ra=best.ra, dec=best.dec, zone=zone_of(best.dec))
    remeasure(store, done.settings, [key])
    with store.read() as session:
        point = session.exec(
            select(ForcedFlux).where(
                col(ForcedFlux.sky_object_id) == key, col(ForcedFlux.difference_id) == best.difference_id
            )
        ).one()
    assert point.flux == pytest.approx(best.flux, rel=0.01)
    assert point.flux_err == pytest.approx(best.flux_err, rel=0.05)


def test_it_goes_on_where_it_was_and_touches_only_what_is_asked_for(done: Done) -> None:
    store = done.store
    remeasure(store, done.settings)
    key = found_later(store)
    found_later(store, name="bogus", ra=10.0, review_state=ReviewState.BOGUS.value)
    frames, left = remeasure(store, done.settings, limit=1)
    assert (len(frames), left) == (1, FRAMES - 1)
    assert len(points(store, key)) == 1
    assert remeasure(store, done.settings, [key + 1000]) == ([], 0)
    frames, left = remeasure(store, done.settings, [key])
    assert (len(frames), left) == (FRAMES - 1, 0)
    assert len(points(store, key)) == FRAMES


def test_a_place_that_cannot_be_measured_is_not_tried_for_ever(done: Done) -> None:
    store = done.store
    remeasure(store, done.settings)
    with store.read() as session:
        reference = session.exec(select(SkyObject)).first()
    key = found_later(store, dec=reference.dec + 0.5, zone=zone_of(reference.dec + 0.5))  # beyond the frames
    assert remeasure(store, done.settings) == ([], 0)
    assert points(store, key) == []


def test_frames_that_cannot_be_measured_say_why_and_stay_to_be_done(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = done.store
    remeasure(store, done.settings)
    key = found_later(store)
    other = done.settings.model_copy(update={"detect": DetectSettings(threshold=7.0)})
    frames, _ = remeasure(store, other)
    assert all("other settings" in (each.reason or "") for each in frames)
    assert len(frames) == FRAMES
    same = done.settings.model_copy(update={"associate": AssociateSettings(radius_arcsec=2.0)})
    monkeypatch.setattr(module, "measure_again", broken)
    frames, _ = remeasure(store, same)
    assert [each.reason for each in frames] == ["ValueError: no such thing"] * FRAMES
    monkeypatch.undo()
    with store.write() as session:
        session.exec(update(Difference).values(is_current=False))
    assert remeasure(store, done.settings) == ([], 0)
    assert points(store, key) == []


def broken(*_: object) -> tuple[ForcedFacts, ...]:
    raise ValueError("no such thing")


def test_points_are_added_once_and_only_to_what_is_current(done: Done) -> None:
    store = done.store
    key = found_later(store)
    with store.read() as session:
        first = session.exec(select(Difference.id).order_by(col(Difference.id))).first()
    fact = ForcedFacts(key, 1.0, 2.0)
    assert add_points(store, first, [fact], key) == 1
    assert add_points(store, first, [replace(fact, flux=5.0)], key) == 0
    assert [point.flux for point in points(store, key)] == [1.0]
    assert add_points(store, first + 1000, [fact], key) is None


def at_place(done: Done, place: Place, page: Page | None = None, **more):
    real = real_place(done.store, place)
    found = measure_place(done.store, done.settings, real, page or Page(), **more)
    return [each.row() for each in found.frames], found.left


def test_a_place_has_the_flux_that_a_known_object_there_gets(done: Done) -> None:
    store = done.store
    key = found_later(store)
    remeasure(store, done.settings, [key])
    kept = sorted(points(store, key), key=lambda point: point.mjd)
    before = everything_else(store)
    with store.read() as session:
        row = session.get_one(SkyObject, key)
    rows, left = at_place(done, Place(row.ra, row.dec), Page(since=kept[1].mjd - 1e-6))
    assert (len(rows), left) == (FRAMES - 1, 0)
    for told, point in zip(rows, kept[1:], strict=True):
        assert told["status"] == "measured"
        assert told["flux"] == pytest.approx(point.flux, rel=1e-6)
        for name in ("flux_err", "mjd", "filter", "flux_unit"):
            assert told[name] == getattr(point, name)
        assert told["snr"] == pytest.approx(point.flux / point.flux_err, rel=1e-6)
        assert told["is_limit"] == (abs(point.flux) < 5 * point.flux_err)
    # The same pixel of the reference is the same place; the newest come first, and are kept if that is all.
    place = place_on_grid(store, rows[0]["reference"], rows[0]["x"], rows[0]["y"])

    def interrupt(done: int, total: int, _: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    real = real_place(store, place)
    found = measure_place(store, done.settings, real, Page(), progress=interrupt)
    assert (found.left, found.interrupted) == (FRAMES - 1, True)
    again = found.frames[0].row()
    assert again["frame"] == rows[-1]["frame"]
    assert again["flux"] == pytest.approx(rows[-1]["flux"], rel=1e-6)
    assert everything_else(store) == before
    assert len(points(store, key)) == FRAMES


def test_a_place_without_a_flux_says_why_and_the_rest_goes_on(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    with done.store.read() as session:
        some = session.exec(select(Candidate).where(col(Candidate.is_current))).first()
        first = session.exec(select(Observation).order_by(col(Observation.mjd))).first()
    here = Place(some.ra, some.dec)
    only = Page(until=first.mjd + 1e-6)
    with done.store.write() as session:
        session.exec(update(Observation).values(path="gone.fits"))
    (row,), _ = at_place(done, here, only)
    assert (row["status"], row["flux"]) == ("failed", None)
    assert row["reason"] == "there is no such file"
    outside = place_on_grid(done.store, 1, -30.0, 20.0)
    (row,), _ = at_place(done, outside, only)
    assert row["status"] == "not covered"

    aligned, reference, *_ = make_pair((160, 160))
    difference = subtract(aligned, reference, Settings())
    monkeypatch.setattr(place_module, "subtract_again", lambda *_: (aligned, difference))
    place = place_on_grid(done.store, 1, 80.0, 80.0)
    for planes, status, reason in (
        (MaskPlane.SATURATED | MaskPlane.EDGE, "masked", "saturated, edge"),
        (MaskPlane.EDGE, "not covered", "edge"),
    ):
        difference.mask[:] = planes
        (row,), _ = at_place(done, place, only)
        assert (row["status"], row["reason"], row["flux"]) == (status, reason, None)
    rows, left = at_place(done, place, limit=1)
    every, _ = at_place(done, place)
    assert (rows, left, len(every)) == (every[-1:], FRAMES - 1, FRAMES)  # the newest


def test_what_is_undecided_is_not_measured_where_it_may_be_injected(done: Done) -> None:
    store = done.store
    key = found_later(store, review_state=ReviewState.UNREVIEWED.value)
    with store.read() as session:
        row = session.get_one(SkyObject, key)
    place = Place(row.ra, row.dec)
    assert [each["name"] for each in real_place(store, place).objects] == ["later"]
    with store.write() as session:
        fake = SkyObject(name="fake", ra=1.0, dec=1.0, zone=zone_of(1.0), injected=True)
        session.add(fake)
        session.flush()
        session.add(
            InjectedSource(
                sky_object_id=fake.id, reference_id=1, x=1.0, y=2.0, ra=1.0, dec=1.0, mjd=1.0, flux=9.0,
                mag_per_day=0.0, snr=7.0, host="none",
            )
        )  # fmt: skip
    for one in (place, Place(1.0, 1.0)):  # alike: which of them is injected is not told
        with pytest.raises(InjectedSourceError, match="is there, undecided, and may be an injected source"):
            real_place(store, one)
    with store.write() as session:
        session.exec(
            update(SkyObject).where(col(SkyObject.id) == key).values(review_state=ReviewState.REAL.value)
        )
    assert [each["state"] for each in real_place(store, place).objects] == ["real"]
    assert real_place(store, Place(row.ra, row.dec + 0.1)).objects == ()
