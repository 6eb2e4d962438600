"""A star catalogue that came after the frames: what they get by it is what they would have got with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from sqlmodel import col, select

import pipeline.engines.zeropoints as module
from core.catalogs.library import Library
from core.database.store import Store, open_store
from core.database.tables import Candidate, Difference, ForcedFlux, Observation, SkyObject, Verdict
from core.frames import references
from core.frames.observations import register
from core.frames.queue import requeue
from core.frames.zeropoints import OF_FRAME, NoSuchFrames, uncalibrated
from core.review.verdicts import decide
from core.settings import Settings
from core.settings_sections import StoreSettings
from core.vocabulary import Label
from pipeline.engines.local import run
from pipeline.engines.zeropoints import calibrate_stored, covered
from pipeline.intake.ingest import examine
from pipeline.reference.references import from_frames
from pipeline.simulate import simulate_night
from tests.astrid_tui.command import Command
from tests.pipeline.catalogs import added, write_csv

FRAMES = 2


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night that was processed without a catalogue, and the catalogue."""
    folder = tmp_path_factory.mktemp("zeropoints")
    settings = settings_of(folder)
    night = simulate_night(folder / "frames", frames=FRAMES, size=288, seed=5, references=2)
    with closing(open_store(settings.store_url, create=True)) as store:
        register(store, [each for path in night.science for each in examine(path, settings)])
        references.add(store, from_frames(night.reference, settings)[0])
    assert run(settings).counts == {"done": FRAMES}
    sky = Table.read(night.truth.parent / "catalogue.ecsv")
    stars = sky[[str(name).startswith("star") for name in sky["id"]]]
    places = {name: np.asarray(stars[name]) for name in ("ra", "dec")}
    write_csv(folder / "stars.csv", source_id=np.arange(len(stars)), rmag=np.asarray(stars["mag"]), **places)
    write_csv(folder / "z.csv", source_id=np.arange(len(stars)), zmag=np.asarray(stars["mag"]), **places)
    return folder


def settings_of(folder: Path) -> Settings:
    store = StoreSettings(url=f"sqlite:///{folder / 'astrid.db'}")
    return Settings.model_construct(home=folder / "home", store=store)


@pytest.fixture
def settings(template: Path, tmp_path: Path) -> Settings:
    shutil.copy(template / "astrid.db", tmp_path / "astrid.db")
    shutil.copytree(template / "home" / "references", tmp_path / "home" / "references")
    return settings_of(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with closing(open_store(settings.store_url)) as opened:
        yield opened


def stars(settings: Settings, template: Path, file: str = "stars.csv"):
    return added(
        Library(settings.home), template / file, name=file[:-4], kind="stars", mag_system="ab", epoch=2000.0
    )


def facts(store: Store) -> list[dict]:
    """All that a zeropoint decides."""
    names = {
        Observation: (*OF_FRAME, "reason"),
        Difference: ("zeropoint", "mag_system", "m50", "m50_err", "limit_mag"),
        Candidate: ("mag", "mag_err", "mag_system"),
        SkyObject: ("best_mag", "best_candidate_id", "n_candidates"),
    }
    with store.read() as db:
        found = [
            {name: getattr(row, name) for name in columns} | {"table": table.__tablename__}
            for table, columns in names.items()
            for row in db.exec(select(table).order_by(col(table.id)))
        ]
        # A new subtraction measures more objects: those that later frames found.
        forced = db.exec(select(ForcedFlux.zeropoint, ForcedFlux.mag_system).distinct()).all()
    return [*found, *({"table": "forced_flux", "zeropoint": zero, "system": mag} for zero, mag in forced)]


def differing(one: list[dict], other: list[dict]) -> list[tuple]:
    assert len(one) == len(other)
    return [
        (first["table"], name, first[name], second[name])
        for first, second in zip(one, other, strict=True)
        for name in first
        if first[name] != second[name]
        and not (isinstance(first[name], float) and first[name] == pytest.approx(second[name], rel=1e-6))
    ]


def test_what_follows_is_what_a_new_subtraction_would_tell(
    store: Store, settings: Settings, template: Path
) -> None:
    with store.read() as db:
        candidate = db.exec(select(Candidate.id).order_by(col(Candidate.id))).first()
    decide(store, session="s", reviewer="vera", candidate_id=candidate, label=Label.REAL, shown={})
    catalog = stars(settings, template)
    assert covered(store, catalog) == FRAMES
    before = facts(store)
    steps = []
    done, left = calibrate_stored(store, settings, progress=lambda *step: steps.append(step[:2]))
    after = facts(store)
    assert left == 0
    assert [(each.reason, each.zeropoint is not None, each.candidates > 0) for each in done] == [
        (None, True, True)
    ] * FRAMES
    assert steps == [(0, FRAMES), (1, FRAMES), (FRAMES, FRAMES)]
    assert differing(before, after)
    assert all(each["mag"] is not None for each in after if each["table"] == "candidate")
    assert all(each["m50"] and each["limit_mag"] for each in after if each["table"] == "difference")
    assert any(each["table"] == "forced_flux" and each["zeropoint"] for each in after)
    with store.read() as db:
        assert db.exec(select(Verdict.label)).all() == ["real"]
        ids = db.exec(select(Observation.id)).all()

    assert calibrate_stored(store, settings) == ([], 0)  # it was done
    assert covered(store, catalog) == 0
    assert requeue(store, ids) == FRAMES
    assert run(settings).counts == {"done": FRAMES}
    assert differing(facts(store), after) == []


def test_a_frame_that_is_interrupted_is_whole_or_as_it_was(
    store: Store, settings: Settings, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stars(settings, template)
    whole = module.write

    def killed(*args, **kwargs):
        done = whole(*args, **kwargs)
        raise KeyboardInterrupt(done)

    monkeypatch.setattr(module, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        calibrate_stored(store, settings)
    assert len(uncalibrated(store)) == FRAMES - 1
    monkeypatch.setattr(module, "write", whole)
    done, _ = calibrate_stored(store, settings)
    assert len(done) == FRAMES - 1
    assert uncalibrated(store) == []


def test_frames_are_chosen_by_field_name_or_number(store: Store, settings: Settings, template: Path) -> None:
    with store.read() as db:
        one, other = db.exec(select(Observation).order_by(col(Observation.id))).all()
    assert uncalibrated(store, [one.frame]) == [(one.id, 1)]
    assert uncalibrated(store, [str(other.id)]) == [(other.id, 2)]
    assert len(uncalibrated(store, [one.frame, str(other.id)])) == 2
    if one.field:
        assert len(uncalibrated(store, [one.field])) == FRAMES
    with pytest.raises(NoSuchFrames, match="no field and no frame 'nowhere␛'"):
        calibrate_stored(store, settings, ["nowhere\x1b"])


def test_what_cannot_be_calibrated_says_why_and_stays_as_it_was(
    store: Store, settings: Settings, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = facts(store)

    def reasons() -> set[str | None]:
        return {each.reason for each in calibrate_stored(store, settings)[0]}

    assert reasons() == {"no star catalogue covers it"}
    other_band = stars(settings, template, "z.csv")
    assert reasons() == {"its filter, r, is no band of z (z)"}
    assert covered(store, other_band) == 0
    assert facts(store) == before
    header, _, rows = (template / "z.csv").read_text().partition("\n")
    (tmp_path / "own.csv").write_text(f"{header.replace('zmag', 'mag')}\n{rows}")
    added(Library(settings.home), tmp_path / "own.csv", name="own", kind="stars")
    how = "which band mag is of --band tells, where it is removed and added again (`astrid catalog`)"
    assert reasons() == {f"its filter, r, is no band of own (mag), z (z); {how}"}
    Library(settings.home).remove("own")
    few = write_csv(tmp_path / "few.csv", source_id=[1], ra=[1.0], dec=[-80.0], rmag=[12.0])
    added(Library(settings.home), few, name="few", kind="stars")  # too few to tell what it covers
    Library(settings.home).remove("z")
    assert reasons() == {
        "too few stars of its reference are in the catalogue; too few of its own stars are in the catalogue"
    }
    assert facts(store) == before

    stars(settings, template)
    with store.write() as db:
        db.get_one(Observation, 1).path = "/nowhere.fits"
    done, _ = calibrate_stored(store, settings)
    assert done[0].reason == "there is no such file"
    assert done[0].zeropoint is None
    assert done[0].difference == done[1].difference  # the reference tells it
    assert done[0].candidates > 0
    assert done[1].reason is None


def test_a_frame_that_was_processed_anew_meanwhile_is_left_alone(
    store: Store, settings: Settings, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stars(settings, template)
    whole = module.write

    def late(store: Store, frame, **found):
        with store.write() as db:
            db.get_one(Observation, frame.observation.id).finished_at += 1.0
        return whole(store, frame, **found)

    monkeypatch.setattr(module, "write", late)
    before = facts(store)
    done, _ = calibrate_stored(store, settings)
    assert {each.reason for each in done} == {"it was processed anew meanwhile"}
    assert facts(store) == before


def test_the_command_tells_each_frame(
    store: Store,
    settings: Settings,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASTRID_HOME", str(settings.home))
    monkeypatch.setenv("ASTRID_STORE__URL", settings.store_url)
    monkeypatch.chdir(tmp_path)
    astrid = Command(monkeypatch, capsys.readouterr)
    told = astrid.json("catalog", "zeropoints", code=1)
    assert {each["reason"] for each in told["frames"]} == {"no star catalogue covers it"}
    astrid("catalog", "zeropoints", "nowhere", code=2)
    astrid("catalog", "add", template / "stars.csv", "--kind", "stars", "--epoch", 2000)
    assert (
        "2 frames were processed without a zeropoint there: `astrid catalog zeropoints` finds" in astrid.said
    )
    told = astrid.json("catalog", "zeropoints", "--limit", 1)
    assert (told["calibrated"], told["left"]) == (1, 1)
    assert told["frames"][0]["zeropoint"] == pytest.approx(28.2, abs=0.5)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("whatever")

    with monkeypatch.context() as patched:  # no traceback for people: it is in the log
        patched.setattr(module, "measure", broken)
        patched.setattr(module, "prepare", broken)
        (row,) = astrid.json("catalog", "zeropoints", code=1)["frames"]
    assert "whatever" in row["reason"]
    assert "Traceback" not in astrid.said
    assert "Traceback" in (settings.home / "logs" / "pipeline.log").read_text()
    with store.write() as db:
        db.get_one(Observation, 2).path = "/nowhere.fits"
    said = astrid("catalog", "zeropoints", "science_002.fits", code=1)
    assert "there is no such file" in said
    assert "0 of 1 frames calibrated" in said
    assert all(each["mag"] is not None for each in astrid.json("candidates", "list"))
    with store.write() as db:
        db.get_one(Observation, 2).zeropoint = 28.0
    assert "No frame lacks a zeropoint." in astrid("catalog", "zeropoints")
