"""Sources injected into copies: drawn as they are said to be, found as all others, the frame untouched."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import select

import pipeline.process
from core.database.store import Store, open_store
from core.database.tables import (
    Candidate,
    Cutout,
    Difference,
    ForcedFlux,
    InjectedSource,
    Injection,
    Observation,
    Rejection,
    ScoreMap,
    SkyObject,
)
from core.frames import references
from core.frames.drawn import Draw, DrawnSource
from core.frames.observations import register
from core.frames.outcome import (
    CandidateFacts,
    FrameOutcome,
    InjectedFacts,
    ObservationFacts,
    ReferenceFacts,
)
from core.operations import runs
from core.places.story_parts import Fate
from core.places.why import why
from core.review.cards import read_card
from core.review.cutouts import unpack
from core.review.verdicts import decide
from core.settings import Settings
from core.settings_sections import FakesSettings, StoreSettings
from core.vocabulary import DOUBT, Label
from pipeline.engines.remeasure import remeasure
from pipeline.engines.worker import Worker
from pipeline.fakes.copies import inject
from pipeline.frame import PreparedReference
from pipeline.intake.ingest import examine
from pipeline.process import process
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import read
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.builders import empty_store
from tests.pipeline import toy_models

UNSEEN = (Fate.MASKED, Fate.UNCOVERED, Fate.UNPROCESSED)

PSF_ERROR = 0.03  # of a flux: drawn with the PSF of some thirty stars, found with that of all pixels

FRESH = Draw("frame", (), is_fresh=True)


@dataclass(frozen=True)
class Night:
    """Small frames of one field, and the reference for them."""

    home: Path
    frames: list[ObservationFacts]
    reference: ReferenceFacts
    prepared: PreparedReference

    def settings(self, share: float, url: str = "") -> Settings:
        fakes = FakesSettings(share=share)
        return Settings.model_construct(home=self.home, store=StoreSettings(url=url), fakes=fakes)

    def process(self, draw: Draw | None, share: float = 0.5) -> FrameOutcome:
        path = Path(self.frames[0].path)
        return process(path, 0, self.prepared, None, [], self.settings(share), draw=draw)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    settings = Settings.model_construct(home=folder / "home")
    paths = simulate_night(folder / "frames", frames=3, size=256, seed=5, references=2)
    facts, *_ = from_frames(paths.reference, settings)
    facts = replace(facts, zeropoint=25.0, mag_system="ab")
    frames = [each for path in paths.science for each in examine(path, settings)]
    prepared = prepare_image(read(Path(facts.path)), settings)
    prepared = replace(prepared, reference_id=7, zeropoint=25.0, mag_system="ab")
    return Night(settings.home, frames, facts, prepared)


@contextmanager
def _subtracted_once(kept: dict[object, bytes]) -> Iterator[None]:
    """Let a frame be aligned and subtracted once, and its copies, which are what is tested, each time."""

    def once(name: str, make: Callable[..., object]) -> Callable[..., object]:
        def made(first: Any, *given: Any) -> object:
            frame = getattr(first, "frame", first)
            key = name, frame.exposure.name, frame.data.tobytes(), frame.mask.tobytes()
            if key not in kept:
                kept[key] = pickle.dumps(make(first, *given))
            return pickle.loads(kept[key])  # nobody changes another's

        return made

    with pytest.MonkeyPatch.context() as patch:
        for name in ("align", "subtract"):
            patch.setattr(pipeline.process, name, once(name, getattr(pipeline.process, name)))
        yield


@pytest.fixture(scope="module")
def _subtracted() -> dict[object, bytes]:
    return {}


@pytest.fixture
def subtracted_once(_subtracted: dict[object, bytes]) -> Iterator[None]:
    with _subtracted_once(_subtracted):
        yield


@pytest.fixture(scope="module")
def plain(night: Night) -> FrameOutcome:
    return night.process(None)


@pytest.fixture(scope="module")
def tried(night: Night) -> FrameOutcome:
    return night.process(FRESH)


def test_the_frame_itself_stays_as_it_is(plain: FrameOutcome, tried: FrameOutcome) -> None:
    """Its candidates, quality, depth, forced fluxes, rejections, and what is kept for `why`."""
    assert tried.injected
    assert replace(tried, injected=(), stages=()) == replace(plain, stages=())
    assert [each.stage for each in tried.stages if each.stage != "copy"] == [
        each.stage for each in plain.stages
    ]


@pytest.mark.usefixtures("subtracted_once")
def test_models_that_are_damaged_within_a_frame_score_its_copy_too_and_none_of_the_next(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may tell an injected source from others, and so no other version either."""
    models = {
        "unet": toy_models.unet(tmp_path / "unet"),
        "tree": (tmp_path / "tree", toy_models.tree(tmp_path / "tree")),
    }
    path, settings = Path(night.frames[0].path), night.settings(0.5)

    def processed() -> FrameOutcome:
        return process(path, 0, night.prepared, None, [], settings, models=models, draw=FRESH)

    def damaged_before(*given: Any) -> tuple[InjectedFacts, ...]:
        for folder, _ in models.values():
            (folder / "model.json").write_bytes(b"{}")
        return inject(*given)

    whole = processed()
    assert whole.injected
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.process.inject", damaged_before)
        assert processed().injected == whole.injected
    after = processed()
    assert "unet" in (after.reason or "")
    assert "tree" in (after.reason or "")
    assert after.injected != whole.injected


@pytest.mark.usefixtures("subtracted_once")
def test_the_same_frame_gets_the_same_sources_and_another_frame_others(
    night: Night, tried: FrameOutcome
) -> None:
    assert night.process(FRESH).injected == tried.injected
    other = night.process(replace(FRESH, content="another"))
    assert {each.x for each in other.injected}.isdisjoint({each.x for each in tried.injected})


@pytest.mark.usefixtures("subtracted_once")
def test_none_are_drawn_where_none_are_asked_for(night: Night, plain: FrameOutcome) -> None:
    for outcome in (night.process(FRESH, share=0.0), night.process(replace(FRESH, is_fresh=False))):
        assert outcome.injected == ()
        assert outcome.candidates == plain.candidates


@pytest.fixture(scope="module")
def several(night: Night, _subtracted: dict[object, bytes]) -> list[FrameOutcome]:
    """One frame, tried as if it were several."""
    with _subtracted_once(_subtracted):
        return [night.process(replace(FRESH, content=str(number)), 0.3) for number in range(4)]


def test_they_are_found_as_bright_as_they_were_drawn(several: list[FrameOutcome]) -> None:
    bright, pulls = [], []
    for outcome in several:
        for each in outcome.injected:
            if each.snr > 8.0:
                bright.append(each.found)
            if each.candidate is not None:
                error = np.hypot(each.candidate.flux_err, PSF_ERROR * each.flux)
                pulls.append((each.candidate.flux - each.flux) / error)
                assert abs(each.candidate.x - each.x) < 2.5
                assert abs(each.candidate.y - each.y) < 2.5
    assert np.mean(bright) > 0.75  # of twenty: cuts beside bright stars take some of any brightness
    assert len(pulls) >= 6
    assert abs(np.mean(pulls)) < 1.0
    assert np.std(pulls) < 2.0


def test_a_candidate_of_one_lacks_nothing_that_a_real_one_has(tried: FrameOutcome) -> None:
    drawn = [each.candidate for each in tried.injected if each.candidate is not None]
    assert drawn
    assert all(each.found for each in tried.injected if each.candidate is not None)
    real = max(tried.candidates, key=lambda each: each.snr)
    for each in drawn:
        for name in (field.name for field in fields(CandidateFacts)):
            one, other = getattr(each, name), getattr(real, name)
            assert type(one) is type(other), name
            if isinstance(one, dict):
                told, expected = (
                    {key for key in each if not key.startswith(DOUBT)} for each in (one, other)
                )  # doubts are of the place
                assert told == expected, name
        assert each.cutouts is not None
        stamps = unpack(each.cutouts)
        middle = stamps.diff.shape[0] // 2
        assert np.nanmax(stamps.diff[middle - 2 : middle + 3, middle - 2 : middle + 3]) > 2.0
        assert np.nanmax(stamps.new[middle - 2 : middle + 3, middle - 2 : middle + 3]) > 1.0


def test_they_are_the_share_of_the_cards_that_is_asked_for(several: list[FrameOutcome]) -> None:
    shown = [sum(each.candidate is not None for each in outcome.injected) for outcome in several]
    expected = len(several[0].candidates) * 0.3 / 0.7
    assert np.mean(shown) == pytest.approx(expected, abs=1.0)
    assert max(shown) <= np.ceil(expected)


@pytest.mark.usefixtures("subtracted_once")
def test_what_is_known_appears_on_its_day_fades_and_ends_with_its_reveal(
    night: Night, tried: FrameOutcome
) -> None:
    new = max(tried.injected, key=lambda each: each.snr)
    mjd = night.frames[0].mjd or 0.0
    known = DrawnSource(
        3, 7, new.x, new.y, new.ra, new.dec, mjd - 1.0, 2.0 * new.flux, new.mag, "ab", 0.0, "none", False
    )

    def flux(**changes: object) -> float | None:
        (each,) = night.process(Draw("frame", (replace(known, **changes),)), share=0.0).injected  # type: ignore[arg-type]
        assert each.sky_object_id == 3
        assert (each.candidate is None) == (each.forced is not None)
        return each.candidate.flux if each.candidate else None

    bright = flux()
    assert bright == pytest.approx(2.0 * new.flux, rel=0.25)
    faded = flux(mag_per_day=0.75)
    assert faded == pytest.approx(new.flux, rel=0.3)
    assert flux(mjd=mjd + 1.0) is None
    assert night.process(Draw("frame", (replace(known, is_spent=True),)), share=0.0).injected == ()
    elsewhere = replace(known, reference_id=8, x=-500.0, mag=25.0 - 2.5 * np.log10(2.0 * new.flux))
    (each,) = night.process(Draw("frame", (elsewhere,)), share=0.0).injected  # by sky and magnitude
    assert each.candidate is not None
    assert each.candidate.flux == pytest.approx(bright, rel=0.1)


@pytest.mark.usefixtures("subtracted_once")
def test_a_copy_that_cannot_be_searched_costs_nothing_but_itself(
    night: Night, plain: FrameOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("pipeline.fakes.copies.subtract", broken)
    outcome = night.process(FRESH)
    assert replace(outcome, stages=()) == replace(plain, stages=())


def work(store: Store, settings: Settings, frames: int | None = None) -> None:
    run = runs.start(store, engine="local", workers=1, config_hash=settings.science_hash)
    worker = Worker(store, settings, run.id or 0)
    done = 0
    while (frames is None or done < frames) and worker.one() is not None:
        done += 1


def rows_of(store: Store, *tables: type) -> list[object]:
    with store.read() as db:
        return [
            [
                {key: value for key, value in row.model_dump().items() if key not in {"id", "created_at"}}
                for row in db.exec(select(table))
            ]
            for table in tables
        ]


def assert_keys_tell_nothing(store: Store) -> None:
    """In each frame keys follow the significance and leave no gap, whatever the candidates are."""
    with store.read() as db:
        rows = db.exec(select(Candidate).order_by(Candidate.id)).all()
        founders = [
            min(row.id for row in rows if row.sky_object_id == sky_object.id)
            for sky_object in db.exec(select(SkyObject).order_by(SkyObject.id))
        ]
    assert [row.id for row in rows] == list(range(1, len(rows) + 1))
    assert founders == sorted(founders)
    for frame in {row.difference_id for row in rows}:
        here = [row for row in rows if row.difference_id == frame]
        assert [abs(row.snr) for row in here] == sorted((abs(row.snr) for row in here), reverse=True)
        assert [row.external_id for row in here] == [f"{frame}.{n + 1}" for n in range(len(here))]


def real_rows(store: Store) -> list[object]:
    """What is measured of a night but for injected sources: candidates, differences, limits, score maps."""
    with store.read() as db:
        found = db.exec(select(Candidate, SkyObject).where(Candidate.sky_object_id == SkyObject.id)).all()
        real = sorted(
            (row.frame, row.x, row.y, row.snr, row.mag, str(row.features))
            for row, sky_object in found
            if not sky_object.injected
        )
        differences = [
            row.model_dump(exclude={"created_at", "n_candidates", "forced_through"})
            for row in db.exec(select(Difference).order_by(Difference.id))
        ]
        names = {row.id: (row.ra, row.dec) for row in db.exec(select(SkyObject)) if not row.injected}
        forced = sorted(
            (row.difference_id, *names[row.sky_object_id], row.flux, row.flux_err)
            for row in db.exec(select(ForcedFlux))
            if row.sky_object_id in names
        )
        maps = [row.blocks for row in db.exec(select(ScoreMap).order_by(ScoreMap.difference_id))]
        dropped = sorted((row.x, row.y, row.cause) for row in db.exec(select(Rejection)))
    return [real, differences, forced, maps, dropped, sorted(names.values())]


def test_what_is_real_is_measured_as_in_a_night_without_them(
    night: Night, sqlite_store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "without.db"
    path.write_bytes(empty_store())
    with closing(open_store(f"sqlite:///{path}")) as without:
        for store, share in ((sqlite_store, 0.4), (without, 0.0)):
            register(store, night.frames)
            references.add(store, night.reference)
            work(store, night.settings(share), frames=2)
        assert real_rows(sqlite_store) == real_rows(without)
        with sqlite_store.read() as db:
            assert len(db.exec(select(InjectedSource)).all()) > 3


def test_a_night_with_injected_sources(night: Night, sqlite_store: Store) -> None:
    """They live as objects do, are the same when the night is worked again, and end with their reveal."""
    settings = night.settings(0.4)
    register(sqlite_store, night.frames)
    references.add(sqlite_store, night.reference)
    work(sqlite_store, settings, frames=2)
    with sqlite_store.read() as db:
        sources = db.exec(select(InjectedSource)).all()
        assert sources
        trials = db.exec(select(Injection)).all()
        assert {row.sky_object_id for row in trials if row.sky_object_id} == {
            row.sky_object_id for row in sources
        }
        assert any(row.candidate_id is None for row in trials)
        for row in db.exec(select(Difference)):
            count = len(db.exec(select(Candidate).where(Candidate.difference_id == row.id)).all())
            assert row.n_candidates == count
        for row in db.exec(select(Candidate)):
            assert db.get(Cutout, row.id) is not None
    assert_keys_tell_nothing(sqlite_store)
    for source in sources:
        story = why(sqlite_store, source.ra, source.dec)
        assert Fate.CANDIDATE in [frame.fate for frame in story.frames]
        assert "inject" not in str(story.record())
    before = rows_of(sqlite_store, InjectedSource, Injection, Candidate, SkyObject)
    with sqlite_store.write() as db:
        for row in db.exec(select(Observation).where(Observation.state == "done")):
            row.state, row.attempts = "queued", 0
            db.add(row)
    work(sqlite_store, settings, frames=2)
    assert rows_of(sqlite_store, InjectedSource, Candidate, SkyObject) == [
        before[0],
        *before[2:],
    ]
    remeasure(sqlite_store, settings)
    curves = {row.sky_object_id: read_card(sqlite_store, row.sky_object_id).light_curve for row in sources}
    for source in sources:  # a point of every frame that shows its place
        seen = [
            frame for frame in why(sqlite_store, source.ra, source.dec).frames if frame.fate not in UNSEEN
        ]
        assert len(curves[source.sky_object_id]) == len(seen)
    key = next(key for key, curve in curves.items() if len(curve) == 2)
    decide(
        sqlite_store,
        session="s",
        reviewer="ada",
        candidate_id=read_card(sqlite_store, key).candidate_id,
        label=Label.REAL,
        shown={},
    )
    work(sqlite_store, settings)  # the third frame, after the reveal
    with sqlite_store.read() as db:
        assert (
            db.exec(select(Candidate).where(Candidate.sky_object_id == key, Candidate.is_current)).all() == []
        )
        assert len(db.exec(select(ForcedFlux).where(ForcedFlux.sky_object_id == key)).all()) <= 1
