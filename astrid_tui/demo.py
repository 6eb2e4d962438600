"""The demo: a night is simulated, processed as any night is, and compared with its truth."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from sqlmodel import Session, col, func, select

from core.catalogs.library import Library
from core.database.store import Store, open_store
from core.database.store_errors import StoreOutdated
from core.database.tables import Candidate, Difference, Observation, Reference, Rejection, SkyObject
from core.errors import AstridError
from core.frames import references
from core.frames.observations import register
from core.frames.queue import counts_by_state
from core.settings import Settings
from core.settings_sections import FakesSettings, StoreSettings
from core.text import counted
from core.vocabulary import ExitCode, ObservationState
from pipeline.calibration.calibrators import masters_of
from pipeline.engines.local import run
from pipeline.intake.ingest import examine
from pipeline.known.add import Options, add
from pipeline.reference.references import from_frames
from pipeline.simulate import NightPaths, simulate_night
from pipeline.simulate.night import MANIFEST

Progress = Callable[[int, int, str], None]

KINDS = ("transient", "fading", "variable", "moving")  # truths that are points, and so should be found
SNR = 10.0  # of a change that should not be missed, against sky and read noise alone
MATCH_PX = 3.0
STREAK_PX = 6.0  # from a trail's line to the middle of a streak
CATALOGUES = {"stars": "star", "galaxies": "galaxy"}  # kinds, and how ids in the night's own begin
PARTS = {"night", "home", "catalogues"}  # of the demo's folder
EPOCH = 2000.0  # of positions: no star moves
SHARES = {"simulate": 15, "ingest": 2, "reference": 13, "process": 70}  # of a bar of 100 steps


class DemoRefused(AstridError):
    """The demo cannot be where it was to be."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Recovery:
    """How many of the injected changes of one kind, at a significance of 10 or more, were found."""

    injected: int
    found: int


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo did, and how well.

    ``unexplained`` counts the candidates within 3 pixels of nothing that was injected, nor on a
    streak or cosmic ray; ``dropped`` the detections of which the cuts made no candidate, by their cause.
    ``streaks`` are trails with a candidate on them. ``zeropoints`` are magnitudes, the least and the most;
    none where no frame has one.
    """

    folder: str
    seconds: dict[str, float]
    counts: dict[str, int]
    candidates: int
    objects: int
    recovered: dict[str, Recovery]
    unexplained: int
    streaks: Recovery = Recovery(0, 0)
    dropped: dict[str, int] = field(default_factory=dict)
    zeropoints: tuple[float, float] | None = None

    def record(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The same for people."""
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        found = [
            f"  {each.found} of {each.injected} {kind}"
            for kind, each in self.recovered.items()
            if each.injected
        ]
        if self.streaks.injected:
            found.append(f"  {self.streaks.found} of {self.streaks.injected} streaks, as one candidate each")
        return [
            f"Frames: {states}",
            f"{counted(self.candidates, 'candidate')} of {counted(self.objects, 'object')}",
            f"Injected changes of {SNR:g} sigma or more that were found, frame by frame:",
            *found,
            f"{counted(self.unexplained, 'candidate')} of nothing that was injected",
            *self._more(),
            f"Time: {times}",
        ]

    def _more(self) -> list[str]:
        cuts = ", ".join(f"{count} {cause}" for cause, count in self.dropped.items())
        lines = [f"Detections that the cuts dropped: {cuts}"] if cuts else []
        if self.zeropoints is not None:
            least, most = self.zeropoints
            lines.append(f"Zeropoints from the simulated stars: {least:.2f} to {most:.2f} mag")
        return lines


def demo_settings(folder: Path, fakes: FakesSettings | None = None) -> Settings:
    """The demo's own settings: the defaults, with everything kept in its folder.

    Parameters
    ----------
    folder : Path
    fakes : FakesSettings, optional
        What is injected into the queue; else nothing.
    """
    home = folder.absolute() / "home"
    url = f"sqlite:///{home / 'astrid.db'}"
    # Built without the environment and the user's file: neither may lead the demo to a real store.
    return Settings.model_construct(home=home, store=StoreSettings(url=url), fakes=fakes or FakesSettings())


def run_demo(
    folder: Path,
    *,
    frames: int = 8,
    size: int = 1024,
    seed: int = 0,
    workers: int = 2,
    fakes: FakesSettings | None = None,
    progress: Progress | None = None,
) -> DemoSummary:
    """Simulate a night, ingest it, build its reference, process it and look at what was found.

    What an earlier call finished is not done again.

    Parameters
    ----------
    folder : Path
        Holds the night and a home of its own.
    frames, size, seed : int
        Of the night, as in `pipeline.simulate.simulate_night`.
    workers : int
        Processes.
    fakes : FakesSettings, optional
        What is injected into the queue; else nothing. It counts neither as found nor as unexplained.
    progress : callable, optional
        Told (done, of how many, what).

    Raises
    ------
    DemoRefused
        The folder holds something else.
    """
    _must_be_free(folder)
    report = progress or (lambda _done, _total, _what: None)
    seconds: dict[str, float] = {}
    settings = demo_settings(folder, fakes)

    start = time.perf_counter()
    night = simulate_night(
        folder / "night", frames=frames, size=size, seed=seed, progress=_part(report, "simulate")
    )
    seconds["simulate"], start = _since(start)
    store = _opened(settings)
    try:
        _catalogues(settings, night)
        _ingest(store, settings, night, _part(report, "ingest"))
        seconds["ingest"], start = _since(start)
        _reference(store, settings, night, _part(report, "reference"))
        seconds["reference"], start = _since(start)
        _process(store, settings, workers, _part(report, "process"))
        seconds["process"], _ = _since(start)
        return _summary(store, folder, night, seconds)
    finally:
        store.close()


def _must_be_free(folder: Path) -> None:
    """Refuse to mix a demo with what is in a folder already; a demo that was begun there may go on."""
    try:
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise DemoRefused(f"{folder} cannot be the demo's folder: {error.strerror or error}") from error
    night, home = folder / "night", folder / "home"
    is_simulated = (night / MANIFEST).is_file() or (names == {"night"} and not any(night.glob("*")))
    is_demo = is_simulated and (names <= PARTS or (home / "astrid.db").is_file())
    if names and not is_demo:
        raise DemoRefused(f"{folder} is not empty and holds no demo: choose another folder")


def _opened(settings: Settings) -> Store:
    """The demo's store; one that an older program made is brought up to date, for nobody else will."""
    try:
        return open_store(settings.store_url, create=True)
    except StoreOutdated:
        from core.database.migrations import upgrade

        upgrade(settings.store_url)
        return open_store(settings.store_url)


def _since(start: float) -> tuple[float, float]:
    now = time.perf_counter()
    return now - start, now


def _part(report: Progress, name: str) -> Progress:
    """The share of the whole bar that one part of the work has."""
    names = list(SHARES)
    before = sum(SHARES[each] for each in names[: names.index(name)])

    def partial(done: int, total: int, what: str) -> None:
        report(before + round(SHARES[name] * done / max(total, 1)), sum(SHARES.values()), what)

    return partial


def _catalogues(settings: Settings, night: NightPaths) -> None:
    """Make the constant stars and galaxies known, with their true magnitudes; what is there already stays.

    A store that was processed without them stays without: its fluxes have one unit.
    """
    library = Library(settings.home)
    if library.catalogs() or any((settings.home / "references").glob("*.fits")):
        return
    sky = Table.read(night.catalogue)
    folder = settings.home.parent / "catalogues"
    folder.mkdir(exist_ok=True)
    for kind, prefix in CATALOGUES.items():
        path = folder / f"{kind}.ecsv"
        sky[[str(name).startswith(prefix) for name in sky["id"]]].write(
            path, format="ascii.ecsv", overwrite=True
        )
        add(path, library, Options(name=kind, kind=kind, band="r", mag_system="ab", epoch=EPOCH))


def _ingest(store: Store, settings: Settings, night: NightPaths, report: Progress) -> None:
    paths = (*night.calibration, *night.science)
    with store.read() as session:
        known = set(session.exec(select(Observation.path)).all())
    for done, path in enumerate(paths):
        report(done, len(paths), path.name)
        if str(path.absolute()) not in known:
            register(store, examine(path, settings))


def _reference(store: Store, settings: Settings, night: NightPaths, report: Progress) -> None:
    with store.read() as session:
        if session.exec(select(Reference.id)).first() is not None:
            return
    facts, *_ = from_frames(
        night.reference, settings, masters_for=masters_of(store, settings), progress=report
    )
    references.add(store, facts)


def _process(store: Store, settings: Settings, workers: int, report: Progress) -> None:
    queued = counts_by_state(store).get(ObservationState.QUEUED, 0)
    if not queued:
        return
    report(0, queued, "starting")
    done = 0

    def on_event(event: Any) -> None:
        nonlocal done
        done += 1
        report(done, queued, f"{event.frame} {event.state}")

    run(settings, workers=min(workers, queued), on_event=on_event)


def _summary(store: Store, folder: Path, night: NightPaths, seconds: dict[str, float]) -> DemoSummary:
    with store.read() as session:
        query = select(Candidate).where(col(Candidate.is_current))
        candidates = session.exec(query.order_by(col(Candidate.id))).all()
        done = set(
            session.exec(
                select(Observation.frame).where(col(Observation.state) == ObservationState.DONE.value)
            ).all()
        )
        own = select(Candidate.id).join(SkyObject).where(col(SkyObject.injected).is_(False))
        real = set(session.exec(own).all())
        dropped = _dropped(session)
        measured = select(Observation.zeropoint).where(col(Observation.zeropoint).is_not(None))
        zeropoints = [value for value in session.exec(measured) if value is not None]
    truly = [each for each in candidates if each.id in real]
    truth = Table.read(night.truth)
    recovered, unexplained = compare(truly, truth, done)
    return DemoSummary(
        folder=str(folder),
        seconds={name: round(value, 2) for name, value in seconds.items()},
        counts=counts_by_state(store),
        candidates=len(candidates),
        objects=len({each.sky_object_id for each in candidates}),
        recovered=recovered,
        unexplained=unexplained,
        streaks=streaks_found(truly, truth, done),
        dropped=dropped,
        zeropoints=(min(zeropoints), max(zeropoints)) if zeropoints else None,
    )


def _dropped(session: Session) -> dict[str, int]:
    times = func.count()
    current = select(Difference.id).where(col(Difference.is_current))
    query = (
        select(Rejection.cause, times)
        .where(col(Rejection.difference_id).in_(current))
        .group_by(col(Rejection.cause))
        .order_by(times.desc(), col(Rejection.cause))
    )
    return dict(session.exec(query).all())


def streaks_found(candidates: Sequence[Candidate], truth: Table, frames: set[str]) -> Recovery:
    """The trails of the frames that were done, and those with a candidate that is a streak on them."""
    injected = found = 0
    for row in truth[truth["kind"] == "streak"]:
        frame = Path(str(row["file"])).name
        if frame not in frames:
            continue
        places = [
            (each.x_frame, each.y_frame)
            for each in candidates
            if each.frame == frame and "streak_length" in each.features
        ]
        injected += 1
        distance = _distance(np.array(places, dtype=float).reshape(-1, 2), row)
        found += bool((distance <= STREAK_PX).any())
    return Recovery(injected, found)


def compare(
    candidates: Sequence[Candidate], truth: Table, frames: set[str]
) -> tuple[dict[str, Recovery], int]:
    """Match candidates with what was injected, frame by frame, in the frames' own pixels.

    Parameters
    ----------
    candidates : sequence of Candidate
    truth : Table
        As `pipeline.simulate` writes it.
    frames : set of str
        The frames that were done: nothing can be found in others.

    Returns
    -------
    recovered : dict
        By kind.
    unexplained : int
        Candidates near nothing that was injected, however faint.
    """
    injected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    unexplained = 0
    name_of = np.array([Path(str(path)).name for path in truth["file"]])
    for frame in sorted(frames):
        rows = truth[name_of == frame]
        places = np.array([(each.x_frame, each.y_frame) for each in candidates if each.frame == frame])
        places = places.reshape(-1, 2).astype(float)
        explained = np.zeros(len(places), dtype=bool)
        for row in rows:
            near = _distance(places, row) <= MATCH_PX
            explained |= near
            if row["kind"] in KINDS and abs(row["snr_change"]) >= SNR:
                injected[row["kind"]] += 1
                found[row["kind"]] += bool(near.any())
        unexplained += int(np.count_nonzero(~explained))
    return {kind: Recovery(injected[kind], found[kind]) for kind in KINDS}, unexplained


def _distance(places: NDArray[np.float64], row: Any) -> NDArray[np.float64]:
    """Pixels from each place to something injected: a point, or the line of a streak or cosmic ray."""
    begin = np.array([row["x"], row["y"]], dtype=float)
    end = np.array([row["x_end"], row["y_end"]], dtype=float)
    step = np.where(np.isfinite(end), end, begin) - begin
    along = np.clip((places - begin) @ step / max(float(step @ step), 1e-12), 0.0, 1.0)
    offset = places - begin - along[:, None] * step
    distance: NDArray[np.float64] = np.hypot(offset[:, 0], offset[:, 1])
    return distance
