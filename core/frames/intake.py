"""How the queue stands: what waits and for how long, where frames come from, and who is faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from core.database.store import Store
from core.database.tables import Observation, StageRun, WatchedFolder
from core.operations.stage_times import Pace, pace, recent_stages
from core.vocabulary import FrameKind, ObservationState

ARRIVALS = 200  # the newest frames that arrivals are counted among
ARRIVALS_S = 3600.0
PACE_STAGES = 600  # some sixty frames


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is or was watched.

    Attributes
    ----------
    is_watched : bool
        Some process says that it watches it; whether that process still speaks, `heard_at` tells.
    heard_at, interval_s : float
        When the watcher last looked (Unix seconds), and how often it does.
    cadence_s : float or None
        Between the newest files, the median.
    unsettled : int
        Files that are still being written.
    files, refused : int
        That were taken, ever; and those of them without any exposure of use.
    problem : str or None
        Why it cannot be read now.
    """

    path: str
    host: str
    is_watched: bool
    processes: bool
    heard_at: float
    interval_s: float
    last_file_at: float | None
    cadence_s: float | None
    unsettled: int
    files: int
    refused: int
    problem: str | None

    def is_silent(self, now: float) -> bool:
        """Its watcher has missed several looks."""
        return self.is_watched and now - self.heard_at > max(5 * self.interval_s, 30.0)


@dataclass(frozen=True, slots=True)
class Intake:
    """All of it.

    Attributes
    ----------
    counts : mapping
        Frames by state.
    oldest_at : float or None
        When the frame that waits longest was registered.
    arrived : int
        Science frames of the last `ARRIVALS_S`, as far as the newest `ARRIVALS` tell.
    pace : Pace
        How fast they are processed.
    set_cadence_s : float or None
        Between two frames of the camera, where somebody has said so.
    """

    counts: Mapping[str, int]
    oldest_at: float | None
    arrived: int
    pace: Pace
    folders: tuple[Folder, ...]
    set_cadence_s: float | None = None

    @property
    def total(self) -> int:
        """All frames there are."""
        return sum(self.counts.values())

    @property
    def cadence_s(self) -> float | None:
        """Between two frames of the camera: as it was set, else as the busiest watched folder has it."""
        if self.set_cadence_s is not None:
            return self.set_cadence_s
        return min((f.cadence_s for f in self.folders if f.is_watched and f.cadence_s), default=None)

    @property
    def keeps_up(self) -> float | None:
        """How many times as fast frames are processed as taken; none where either is unknown."""
        if not self.cadence_s or not self.pace.per_hour:
            return None
        return self.pace.per_hour * self.cadence_s / 3600.0


def read_intake(store: Store, now: float, cadence_s: float | None = None) -> Intake:
    """How the queue stands.

    Parameters
    ----------
    now : float
        Unix seconds.
    cadence_s : float, optional
        Of the camera, where it is known.
    """
    facts = recent_stages(store, _newest_run(store), limit=PACE_STAGES)
    queued = col(Observation.state) == ObservationState.QUEUED.value
    with store.read() as session:
        counted = session.exec(select(Observation.state, func.count()).group_by(Observation.state)).all()
        oldest = session.exec(
            select(Observation.created_at).where(queued).order_by(col(Observation.id)).limit(1)
        ).first()
        folders = session.exec(select(WatchedFolder).order_by(col(WatchedFolder.path))).all()
        arrived = _arrived(session, now)
    return Intake(
        dict(sorted(counted)), oldest, arrived, pace(facts), tuple(map(_folder, folders)), cadence_s
    )


def _newest_run(store: Store) -> int | None:
    """The run that worked last: between two runs nothing is processed, which says nothing of the pace."""
    newest = select(StageRun.run_id).order_by(col(StageRun.id).desc()).limit(1)
    with store.read() as session:
        return session.exec(newest).first()


def _arrived(session: Session, now: float) -> int:
    newest = (
        select(Observation.created_at)
        .where(col(Observation.kind) == FrameKind.SCIENCE.value)
        .order_by(col(Observation.id).desc())
        .limit(ARRIVALS)
    )
    times: Sequence[float] = session.exec(newest).all()
    return sum(now - at < ARRIVALS_S for at in times)


def _folder(row: WatchedFolder) -> Folder:
    return Folder(
        path=row.path,
        host=row.host,
        is_watched=row.watcher is not None,
        processes=row.processes,
        heard_at=row.heartbeat_at,
        interval_s=row.interval_s,
        last_file_at=row.last_file_at,
        cadence_s=row.cadence_s,
        unsettled=row.unsettled,
        files=row.files,
        refused=row.refused,
        problem=row.problem,
    )
